"""Real pictures are read as they lie on disk, and crops of like layout are found."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenegen.appearance.camera_inputs import CHANNEL, CHANNELS, CLASS_SCALE
from scenegen.appearance.camera_real import LABELS, UNKNOWN, RealPictures, class_shares
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.render import SurfaceClass
from tests.sizes import data_folder

ROAD, TREES = int(SurfaceClass.ROAD), int(SurfaceClass.VEGETATION)


def write(folder: Path, name: str, grey: int, label: int | None, suffix: str = "_label") -> None:
    """Write a flat picture of 40 x 80 pixels, and a label picture where there is a label."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), np.full((40, 80, 3), grey, np.uint8))
    if label is not None:
        cv2.imwrite(str(folder / f"{name}{suffix}.png"), np.full((40, 80), label, np.uint8))


def drawn(surface: int) -> np.ndarray:
    """Inputs of a drawn crop that shows one class."""
    stack = np.zeros((len(CHANNELS), 16, 32), np.float32)
    stack[CHANNEL["surface_class"]] = surface / CLASS_SCALE
    return stack


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_of_like_layout_is_found(tmp_path: Path, seed: int) -> None:
    """A drawn road is compared with real road, trees with real trees."""
    write(tmp_path, "road", 60, ROAD)
    write(tmp_path, "trees", 200, TREES)
    real = RealPictures(tmp_path, 80, 16)

    for surface, grey in ((ROAD, 60), (TREES, 200)):
        crop = real.matched(drawn(surface), 10, np.random.default_rng(seed))

        assert crop.shape == (3, 16, 32)
        assert crop.mean() == pytest.approx(grey / 255.0)


def test_labels_of_others_are_translated(tmp_path: Path) -> None:
    """`labels.json` names their numbers in our classes; what it leaves out is unknown."""
    write(tmp_path, "a", 60, 7, "_lidarlabel")
    write(tmp_path, "b", 60, 9, "_lidarlabel")
    table = {"suffix": "_lidarlabel.png", "classes": {"7": "road"}}
    (tmp_path / LABELS).write_text(json.dumps(table))

    real = RealPictures(tmp_path, 80, 16)

    assert [path.name for path in real.paths] == ["a.png", "b.png"]
    assert (real.pictures[0].classes == ROAD).all()
    assert (real.pictures[1].classes == UNKNOWN).all()


def test_pictures_without_labels_are_used_too(tmp_path: Path) -> None:
    """Where nothing is labelled any crop at about the height will do."""
    write(tmp_path, "a", 90, None)

    crop = RealPictures(tmp_path, 80, 16).matched(drawn(ROAD), 4, np.random.default_rng(0))

    assert crop.mean() == pytest.approx(90 / 255.0)


def test_shares_ignore_what_is_unknown() -> None:
    """Half road, a quarter trees, a quarter unknown: two thirds and one third of three quarters."""
    classes = np.array([[ROAD, ROAD, TREES, UNKNOWN]], np.uint8)

    shares, known = class_shares(classes)

    assert known == 0.75
    assert shares[ROAD] == pytest.approx(2 / 3)
    assert shares[TREES] == pytest.approx(1 / 3)


def test_pictures_come_in_the_size_of_the_drawn_ones(tmp_path: Path) -> None:
    """They are scaled to the width, and up where crops would not fit."""
    write(tmp_path, "a", 90, ROAD)

    assert RealPictures(tmp_path, 160, 16).pictures[0].tone.shape == (3, 80, 160)
    assert RealPictures(tmp_path, 80, 100).pictures[0].tone.shape == (3, 100, 200)


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    """An empty folder, a class we do not have, a table of another form: each has its sentence."""
    with pytest.raises(RecordingError, match="found none"):
        RealPictures(tmp_path, 80, 16)
    write(tmp_path, "a", 90, ROAD)
    (tmp_path / LABELS).write_text('{"suffix": "_label.png", "classes": {"7": "raod"}}')
    with pytest.raises(UnknownNameError, match="Did you mean 'road'"):
        RealPictures(tmp_path, 80, 16)
    (tmp_path / LABELS).write_text("[]")
    with pytest.raises(RecordingError, match="expected"):
        RealPictures(tmp_path, 80, 16)


def test_pandaset_is_read_as_it_lies() -> None:
    """Pictures with sparse labels and depth beside them: only the pictures count as such."""
    folder = data_folder() / "camera" / "pandaset_002" / "back_camera"
    if not folder.exists():
        pytest.skip(f"no data in {folder}; set SCENEGEN_DATA")

    real = RealPictures(folder, 256, 128)

    assert len(real) == 28
    assert all(path.suffix == ".jpg" for path in real.paths)
    assert real.pictures[0].tone.shape == (3, 144, 256)
