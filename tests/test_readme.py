"""The README does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scenegen.cli import app
from scenegen.pipeline import Request, generate_dataset
from scenegen.query import parse
from scenegen.sensors import RIGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ scenegen (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the dataset that the README's examples work on, small."""
    place = tmp_path_factory.mktemp("readme")
    query = parse("cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s")
    generate_dataset(place / "edge.zarr", Request(query=query, seed=7), 2, RIGS["front"])
    return place


def test_the_first_commands_exist() -> None:
    """Demo and test are the two commands, and the Makefile has them."""
    makefile = (ROOT / "Makefile").read_text()

    assert re.findall(r"^\$ (make \w+)", README, re.MULTILINE) == ["make demo", "make test"]
    assert "\ndemo:" in makefile
    assert "\ntest:" in makefile


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that read run as they stand; those that generate have queries that parse."""
    monkeypatch.chdir(folder)
    words = shlex.split(command)

    if words[0] == "generate":
        parse(words[1])
        words = ["generate", "--help"]
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_every_snippet_runs(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python examples run from top to bottom."""
    monkeypatch.chdir(folder)

    exec(compile(SNIPPETS[number], f"README.md snippet {number}", "exec"), {})


def test_pictures_are_there() -> None:
    """Every picture the README shows is in the repository."""
    for name in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / name).exists(), name
