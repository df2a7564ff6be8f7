"""Films: frames composed, written, and readable again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scenegen.errors import StorageError
from scenegen.view import compose_frame, film, write_gif, write_mp4
from tests.builders import cars, constant_speed_scenario, straight_road


def frames(count: int = 12, size: tuple[int, int] = (120, 160)) -> list[np.ndarray]:
    """Film two cars."""
    made = constant_speed_scenario(straight_road(2), cars((50, 0, 15), (70, 3.5, 10)), steps=count)
    return list(film(made, size_px=size, metres_per_px=0.4))


def noise(count: int, side: int) -> list[np.ndarray]:
    """Frames that no codec can squeeze."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (side, side, 3), np.uint8) for _ in range(count)]


def test_a_gif_reads_back(tmp_path: Path) -> None:
    """It has every frame, the pace, and nearly the colours."""
    made = frames()

    path = write_gif(tmp_path / "film.gif", made, fps=20)

    with Image.open(path) as film_file:
        assert film_file.n_frames == 12
        assert film_file.info["duration"] == 50
        film_file.seek(7)
        shown = np.asarray(film_file.convert("RGB")).astype(float)
    assert np.abs(shown - made[7]).mean() < 4


def test_a_gif_shrinks_until_it_fits(tmp_path: Path) -> None:
    """A limit on the size is kept by drawing smaller."""
    path = write_gif(tmp_path / "small.gif", noise(4, 200), max_bytes=60_000)

    with Image.open(path) as film_file:
        assert film_file.n_frames == 4
        assert film_file.size[0] < 200
    assert path.stat().st_size <= 60_000


def test_a_gif_that_cannot_fit_is_an_error(tmp_path: Path) -> None:
    """The sentence says what was asked for."""
    with pytest.raises(StorageError, match="max_bytes = 10"):
        write_gif(tmp_path / "never.gif", noise(2, 32), max_bytes=10)


def test_an_mp4_reads_back(tmp_path: Path) -> None:
    """It has every frame, odd sizes cut to even ones."""
    made = frames(size=(121, 161))

    path = write_mp4(tmp_path / "film.mp4", made, fps=10)

    reader = cv2.VideoCapture(str(path))
    shown = []
    while (got := reader.read())[0]:
        shown.append(cv2.cvtColor(got[1], cv2.COLOR_BGR2RGB))
    reader.release()
    assert len(shown) == 12
    assert shown[0].shape == (120, 160, 3)
    assert np.abs(shown[5].astype(float) - made[5][:120, :160]).mean() < 10


@pytest.mark.parametrize("write", [write_gif, write_mp4])
def test_no_frames_are_an_error(tmp_path: Path, write: object) -> None:
    """A film needs frames of one size."""
    with pytest.raises(ValueError, match="frames of one size"):
        write(tmp_path / "x", [])  # type: ignore[operator]
    with pytest.raises(ValueError, match="frames of one size"):
        write(tmp_path / "x", [*noise(1, 8), *noise(1, 9)])  # type: ignore[operator]


def test_the_camera_stands_beside_at_the_same_height() -> None:
    """The composed frame holds the view from above untouched, then the camera."""
    bev = frames(1)[0]
    camera = np.full((60, 90, 3), 200, np.uint8)

    image = compose_frame(bev, camera=camera)

    np.testing.assert_array_equal(image[:, :160], bev)
    assert image.shape == (120, 160 + 4 + 180, 3)
    assert (image[:, -180:] == 200).all()


def test_the_margin_bar_tells_the_sign() -> None:
    """The present is green where the query holds, red where it does not."""
    bev = np.zeros((64, 240, 3), np.uint8)
    margin = np.array([-1.0, -0.5, 0.5, 1.0])

    def greenness(step: int) -> int:
        bar = compose_frame(bev, margin=margin, step=step)[64:, 180:].astype(int)
        return int((bar[..., 1] - bar[..., 0]).sum())

    assert greenness(0) < 0 < greenness(3)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_margins_without_a_number_are_drawn(odd: float) -> None:
    """Infinite and unknown margins do not stop a film."""
    image = compose_frame(np.zeros((64, 240, 3), np.uint8), margin=np.array([0.5, odd]), step=1)

    assert image.shape[0] > 64


def test_a_long_caption_is_shortened() -> None:
    """A caption never widens the picture."""
    image = compose_frame(np.zeros((64, 200, 3), np.uint8), caption="ttc(ego, c) < 1.5s and " * 9)

    assert image.shape[1] == 200
    assert image[64:].max() > 150
