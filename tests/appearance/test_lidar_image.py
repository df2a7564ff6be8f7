"""What the features of a range image say, and what images are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenegen.appearance.lidar_image import (
    CHANNELS,
    GROUP_OF_SURFACE,
    LidarGroup,
    LidarScan,
    features,
)
from scenegen.render import SurfaceClass
from tests.appearance.lidar_scans import scan


def channel(image: np.ndarray, name: str) -> np.ndarray:
    """Take one channel."""
    return image[CHANNELS.index(name)]


def plain(ranges: np.ndarray, elevation: np.ndarray) -> LidarScan:
    """A scan of unknown things all around."""
    return LidarScan(
        range=ranges,
        elevation=elevation,
        group=np.zeros(ranges.shape, np.uint8),
        preset="pandar64",
        is_round=True,
        step=2 * np.pi / ranges.shape[1],
    )


def test_the_incidence_on_level_ground_is_the_sine_of_the_angle_down() -> None:
    """A ray that points e below the horizon meets level ground with the cosine sin e."""
    elevation = np.radians(np.linspace(-3.0, -25.0, 12))
    ranges = np.repeat(2.0 / np.sin(-elevation)[:, None], 360, 1)

    found = channel(features(plain(ranges, elevation)), "incidence")

    np.testing.assert_allclose(found, np.repeat(np.sin(-elevation)[:, None], 360, 1), atol=3e-3)


def test_the_incidence_on_a_wall_is_that_of_its_normal() -> None:
    """Rays to a wall at y = 10 meet it with the cosine cos(elevation) |sin(azimuth)|."""
    elevation = np.radians(np.linspace(8.0, -8.0, 16))
    azimuth = -np.pi + (np.arange(720) + 0.5) * 2 * np.pi / 720
    cosine = np.cos(elevation)[:, None] * np.abs(np.sin(azimuth))[None]

    found = channel(features(plain(10.0 / cosine, elevation)), "incidence")

    steep = cosine > 0.2
    np.testing.assert_allclose(found[steep], cosine[steep], atol=0.02)


@pytest.mark.parametrize("turn", [1, 5, 40])
def test_turning_the_scan_turns_the_features(turn: int) -> None:
    """Azimuth is round: no column is special."""
    one = scan()
    other = replace(one, range=np.roll(one.range, turn, 1), group=np.roll(one.group, turn, 1))

    np.testing.assert_array_equal(features(other), np.roll(features(one), turn, 2))


def test_a_ray_that_meets_nothing_is_told_as_such() -> None:
    """It is not solid, has no class, and is an edge for its neighbours."""
    one = scan()
    ranges = one.range.copy()
    ranges[3, 10] = np.inf

    image = features(replace(one, range=ranges))

    assert channel(image, "is_solid")[3, 10] == 0
    assert image[11:, 3, 10].sum() == 0
    assert channel(image, "step_right")[3, 9] == 1
    assert channel(image, "edge")[3, 11] == 1
    assert np.isfinite(image).all()


def test_every_surface_class_has_a_group() -> None:
    """Only the sky has none."""
    unknown = [c for c in SurfaceClass if GROUP_OF_SURFACE[c] == LidarGroup.UNKNOWN]

    assert unknown == [SurfaceClass.SKY]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"range": np.zeros((16, 64))}, "more than 0"),
        ({"range": np.full((16, 64), np.nan)}, "more than 0"),
        ({"range": np.ones((16, 63))}, "expected shape"),
        ({"elevation": np.linspace(-0.1, 0.1, 16)}, "descending"),
        ({"preset": "hdl1"}, "one of pandar64, vlp32"),
        ({"step": 0.0}, "more than 0"),
    ],
)
def test_what_is_no_scan_is_refused(changes: dict[str, Any], words: str) -> None:
    """Each with a sentence that says what was expected."""
    with pytest.raises(ValueError, match=words):
        replace(scan(), **changes)
