"""Polylines: length, offset, projection."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.geometry.polylines import arc_length, heading_at, offset, point_at, project, resample


def arc(radius: float = 50.0, count: int = 400) -> FloatArray:
    """Build a left quarter circle that starts at the origin along x."""
    angle = np.linspace(0, np.pi / 2, count)
    return radius * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)


def test_length_of_a_quarter_circle() -> None:
    """The chord length converges to a quarter of the circumference."""
    assert arc_length(arc())[-1] == pytest.approx(50 * np.pi / 2, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_projection_finds_what_was_placed(seed: int) -> None:
    """A point placed by arc length and offset is found at that arc length and offset."""
    rng = np.random.default_rng(seed)
    line = arc()
    along, aside = rng.uniform(2, 70, 30), rng.uniform(-5, 5, 30)
    heading = heading_at(line, along)
    normal = np.stack([-np.sin(heading), np.cos(heading)], -1)

    found, side = project(line, point_at(line, along) + aside[:, None] * normal)

    np.testing.assert_allclose(found, along, atol=0.05)
    np.testing.assert_allclose(side, aside, atol=0.01)


def test_offset_shortens_the_inside_of_a_curve() -> None:
    """The left side of a left curve has the smaller radius."""
    assert arc_length(offset(arc(), 2.0))[-1] == pytest.approx(48 * np.pi / 2, rel=2e-4)


def test_resampling_keeps_the_ends() -> None:
    """First and last point stay, and no step is longer than asked."""
    line = resample(arc(), 3.0)

    np.testing.assert_allclose(line[[0, -1]], arc()[[0, -1]], atol=1e-9)
    assert np.diff(arc_length(line)).max() <= 3.0


def test_points_beyond_the_end_go_on_straight() -> None:
    """A polyline is extended along its last segment."""
    line = np.array([[0.0, 0.0], [10.0, 0.0]])

    np.testing.assert_allclose(point_at(line, np.array([-1.0, 12.0])), [[-1, 0], [12, 0]])
