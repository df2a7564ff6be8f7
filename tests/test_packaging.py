"""What a wheel carries."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scenegen_assets import asset_path

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build a wheel without network."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(place.glob("*.whl")))


def test_the_wheel_has_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    """Code, viewer files and the typing marker are in; tests and benchmarks are not."""
    names = set(wheel.namelist())

    for package, folder in (("scenegen", ROOT), ("scenegen_envs", ROOT / "envs")):
        for path in (folder / package).rglob("*.py"):
            assert str(path.relative_to(folder)) in names
    assert {"scenegen/py.typed", "scenegen/view/viewer.js"} <= names
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)


def test_the_wheel_announces_command_and_codec(wheel: zipfile.ZipFile) -> None:
    """The command line and the picture codec are entry points."""
    name = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))

    text = wheel.read(name).decode()

    assert "scenegen = scenegen.cli:main" in text
    assert "scenegen.jpeg = scenegen.data.jpeg:JpegCodec" in text


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/hostname", "no/such/file"])
def test_assets_are_only_found_inside(name: str) -> None:
    """A name that leads out of the assets, or to nothing, is refused."""
    with pytest.raises(FileNotFoundError, match="asset"):
        asset_path(name)
