"""Oriented boxes against independent polygons."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry.boxes import box_corners, box_distance, boxes_overlap, points_to_box

Box = tuple[FloatArray, FloatArray, FloatArray]


def random_boxes(rng: np.random.Generator, count: int = 300) -> Box:
    """Draw boxes that touch each other about half of the time."""
    position = rng.uniform(-4, 4, (count, 2))
    return position, rng.uniform(-np.pi, np.pi, count), rng.uniform(0.3, 6, (count, 2))


def polygons(box: Box) -> list[shapely.Polygon]:
    """Give the boxes to shapely."""
    return [shapely.Polygon(c) for c in box_corners(*box)]


@pytest.mark.parametrize("seed", range(5))
def test_overlap_equals_polygon_intersection(seed: int) -> None:
    """The separating axis test and shapely agree on every pair."""
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng), random_boxes(rng)

    found = boxes_overlap(*a, *b)

    wanted = [p.intersects(q) for p, q in zip(polygons(a), polygons(b), strict=True)]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("seed", range(5))
def test_distance_equals_polygon_distance(seed: int) -> None:
    """The vertex distances and shapely agree within rounding."""
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng), random_boxes(rng)
    b = (b[0] * 3, b[1], b[2])

    found = box_distance(*a, *b)

    wanted = [p.distance(q) for p, q in zip(polygons(a), polygons(b), strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_distance_is_symmetric(seed: int) -> None:
    """It does not matter which box comes first."""
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng), random_boxes(rng)

    np.testing.assert_allclose(box_distance(*a, *b), box_distance(*b, *a), atol=1e-12)


def test_a_point_inside_has_no_distance() -> None:
    """The centre is in the box; a point 1 m before the bumper is 1 m away."""
    points = np.array([[0.0, 0.0], [3.0, 0.0]])

    found = points_to_box(points, np.zeros(2), np.array(0.0), np.array([4.0, 2.0]))

    np.testing.assert_allclose(found, [0.0, 1.0])
