"""Real pictures are put into fog as the air's law says, and nothing unmeasured is made up."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.fog import ARMS, filled, fogged, in_fog
from scenegen.scene import Conditions
from scenegen.scene.conditions import Weather


@pytest.mark.parametrize("seed", range(3))
def test_known_depths_stay_and_the_sky_is_above_them(seed: int) -> None:
    """What the lidar measured is kept; above its highest point in a column is sky."""
    rng = np.random.default_rng(seed)
    depth = np.where(rng.random((40, 60)) < 0.1, rng.uniform(2.0, 90.0, (40, 60)), 0.0)
    depth[:8] = 0.0

    full = filled(depth)

    np.testing.assert_array_equal(full[depth > 0], depth[depth > 0])
    assert np.isinf(full[:8]).all()
    assert set(full[np.isfinite(full)]) <= set(depth[depth > 0])


def test_a_gap_takes_the_nearest_depth() -> None:
    """Two points far from each other share the pixels between them."""
    depth = np.zeros((3, 10))
    depth[0, 0], depth[0, 9] = 5.0, 50.0

    full = filled(depth)

    assert full[:, :4].max() == 5.0
    assert full[:, 6:].min() == 50.0


def test_contrast_falls_to_a_twentieth_at_the_visibility() -> None:
    """Koschmieder's law in linear light, between the object and the sky's light."""
    rgb = np.zeros((2, 1, 3), np.uint8)
    rgb[0] = 255
    depth = np.array([[np.inf], [150.0]])

    out = fogged(rgb, depth, 150.0)

    assert out[0, 0].tolist() == [255] * 3
    linear = ((out[1, 0, 0] / 255.0 + 0.055) / 1.055) ** 2.4
    assert linear == pytest.approx(0.95, abs=0.005)


def test_near_things_stay_as_they_are() -> None:
    """At no distance nothing is added."""
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)

    np.testing.assert_array_equal(fogged(rgb, np.zeros((4, 5)), 150.0), rgb)


def test_fog_changes_the_weather_alone() -> None:
    """Light and road stay; the range runs through its list."""
    ranges = {in_fog(k, Conditions()).visibility for k in range(8)}

    assert len(ranges) == 4
    foggy = in_fog(0, Conditions(sun_elevation=0.3))
    assert foggy.weather is Weather.FOG
    assert foggy.sun_elevation == 0.3


def test_arms_come_in_pairs() -> None:
    """Each arm with fog follows the one that differs from it in the fog alone."""
    for without, with_fog in zip(ARMS[::2], ARMS[1::2], strict=True):
        assert (without.is_real, without.has_fog) == (with_fog.is_real, False)
        assert with_fog.has_fog
