"""Smooth paths: clothoids, winding roads and turns."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.maps.paths import least_radius, path_from_curvature, turn_path, winding_path

SEEDS = range(20)


def test_constant_curvature_is_a_circle() -> None:
    """All points of a path of curvature 1/R lie on the circle of radius R."""
    path = path_from_curvature(np.full(400, 1 / 50.0), 0.5)

    distance = np.hypot(*(path.points - [0.0, 50.0]).T)
    np.testing.assert_allclose(distance, 50.0, atol=0.01)


def test_linear_curvature_turns_by_half_its_end() -> None:
    """A clothoid of length L and end curvature k turns by k L / 2."""
    path = path_from_curvature(np.linspace(0.0, 0.02, 101), 1.0)

    assert path.heading[-1] == pytest.approx(0.02 * 100 / 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_offset_keeps_its_distance(seed: int) -> None:
    """Every point of an offset lies at the offset's distance from the path, on its left."""
    path = winding_path(np.random.default_rng(seed), 500.0, 2.0, 200.0)

    _, lateral = polylines.project(path.points, path.offset(5.0)[5:-5])
    np.testing.assert_allclose(lateral, 5.0, atol=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_winding_path_keeps_its_radius(seed: int) -> None:
    """No curve is tighter than the radius asked for."""
    path = winding_path(np.random.default_rng(seed), 800.0, 4.0, 300.0)

    assert least_radius(path.points) > 299.0


@pytest.mark.parametrize("seed", SEEDS)
def test_turn_joins_both_poses(seed: int) -> None:
    """A turn begins and ends at its poses, along their headings, and turns one way only."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.3, 2.2) * rng.choice([-1, 1])
    heading = rng.uniform(-np.pi, np.pi)
    before, after = rng.uniform(8.0, 30.0, 2)
    corner = rng.uniform(-50, 50, 2)
    ahead, beyond = (np.array([np.cos(h), np.sin(h)]) for h in (heading, heading + angle))
    start = np.array([*(corner - before * ahead), heading])
    end = np.array([*(corner + after * beyond), heading + angle])

    points = turn_path(start, end)

    np.testing.assert_allclose(points[[0, -1]], [start[:2], end[:2]], atol=1e-9)
    along = np.array([0.0, polylines.arc_length(points)[-1]])
    wrong = wrap_angle(polylines.heading_at(points, along) - np.array([start[2], end[2]]))
    assert np.abs(wrong).max() < np.radians(1.0)
    step = np.diff(points, axis=0)
    bends = wrap_angle(np.diff(np.arctan2(step[:, 1], step[:, 0])))
    assert (bends * np.sign(angle)).min() > -1e-6
    assert bends.sum() == pytest.approx(angle, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_turn_has_curvature_near_that_of_an_arc(seed: int) -> None:
    """Where the corner is rounded with radius R, the turn is no tighter than 0.8 R."""
    rng = np.random.default_rng(seed)
    radius, angle = rng.uniform(8.0, 20.0), rng.uniform(0.8, 1.9)
    start = np.array([-60.0, 0.0, 0.0])
    end = np.array([60 * np.cos(angle), 60 * np.sin(angle), angle])

    assert 0.8 * radius < least_radius(turn_path(start, end, radius)) < radius


def test_equal_headings_give_a_straight_line() -> None:
    """No turn is needed where the headings agree."""
    points = turn_path(np.array([0.0, 0.0, 0.0]), np.array([20.0, 0.0, 0.0]))

    np.testing.assert_allclose(points[:, 1], 0.0, atol=1e-12)


def test_turn_to_a_place_behind_is_refused() -> None:
    """There is no simple turn to a pose that lies behind."""
    with pytest.raises(MapError, match="no smooth way"):
        turn_path(np.array([0.0, 0.0, 0.0]), np.array([-20.0, 5.0, 1.0]))
