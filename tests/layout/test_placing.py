"""Compiled placing: roads as arrays, drivable places, routes, and motions equal the plain ones."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import shapely
import torch

from scenegen.geometry import polylines
from scenegen.geometry.boxes import box_corners
from scenegen.layout.following import follow, rates
from scenegen.layout.motion import integrate
from scenegen.layout.road_arrays import (
    box_on_drivable,
    lane_point,
    near_any_lane,
    on_drivable,
    road_arrays,
)
from scenegen.layout.settling import _best_route
from scenegen.maps import MAP_SOURCES
from scenegen.scene import RoadMap
from scenegen.seeding import stream

KINDS = sorted(MAP_SOURCES)
DRAWN = 400


@cache
def road(kind: str) -> RoadMap:
    """Draw a road of a kind."""
    return MAP_SOURCES[kind]().draw(stream(3, "map", kind))


def places(kind: str) -> np.ndarray:
    """Draw places around the middles of the lanes of a road, some of them off it."""
    rng = stream(4, "places", kind)
    points = np.concatenate([lane.centerline for lane in road(kind).lanes])
    return points[rng.integers(len(points), size=DRAWN)] + rng.normal(0.0, 6.0, (DRAWN, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_places_on_the_drivable_area_are_those_of_its_polygon(kind: str) -> None:
    """Counting edges decides as shapely does."""
    arrays, points = road_arrays(road(kind)), places(kind)

    found = [on_drivable(arrays, x, y) for x, y in points]

    expected = shapely.contains_xy(road(kind).drivable_area, *points.T)
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected.sum() < DRAWN


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_is_on_the_drivable_area_with_all_its_corners(kind: str) -> None:
    """The same corners as geometry.boxes gives."""
    arrays, points = road_arrays(road(kind)), places(kind)
    yaw = stream(5, "yaw").uniform(-np.pi, np.pi, DRAWN)
    size = np.tile([4.5, 1.8], (DRAWN, 1))

    found = [
        box_on_drivable(arrays, x, y, turn, 4.5, 1.8)
        for (x, y), turn in zip(points, yaw, strict=True)
    ]

    corners = box_corners(points, yaw, size)
    inside = shapely.contains_xy(road(kind).drivable_area, corners[..., 0], corners[..., 1])
    np.testing.assert_array_equal(found, inside.all(-1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_near_a_lane_is_near_its_projection(kind: str) -> None:
    """The distance to the nearest middle decides."""
    arrays, points = road_arrays(road(kind)), places(kind)

    found = [near_any_lane(arrays, x, y, 5.0) for x, y in points]

    away = [np.abs(polylines.project(lane.centerline, points)[1]) for lane in road(kind).lanes]
    np.testing.assert_array_equal(found, np.min(away, 0) < 5.0)


@pytest.mark.parametrize("kind", KINDS)
def test_places_along_a_lane_are_those_of_its_line(kind: str) -> None:
    """Also before its begin and beyond its end."""
    arrays = road_arrays(road(kind))

    for number, lane in enumerate(road(kind).lanes):
        along = np.linspace(-4.0, lane.length + 4.0, 23)
        found = np.array([lane_point(arrays, number, a) for a in along])
        np.testing.assert_allclose(
            found[:, :2], polylines.point_at(lane.centerline, along), atol=1e-6
        )
        np.testing.assert_allclose(
            np.cos(found[:, 2] - polylines.heading_at(lane.centerline, along)), 1.0, atol=1e-9
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_route_is_the_first_with_most_lanes_of_the_wanted_one(kind: str) -> None:
    """As RoadMap.routes lists them."""
    arrays, rng = road_arrays(road(kind)), stream(6, "wanted", kind)

    for lane in road(kind).traffic_lanes:
        routes = list(road(kind).routes(lane, 500.0))
        wanted = np.full(16, -1, np.int32)
        chosen = np.array(routes[int(rng.integers(len(routes)))])[rng.random() > 0.3 :][:16]
        wanted[: len(chosen)] = chosen
        expected = max(routes, key=lambda route: len(set(wanted.tolist()).intersection(route)))
        assert tuple(_best_route(arrays, lane, wanted).tolist()) == expected


@pytest.mark.parametrize("seed", range(6))
def test_following_a_motion_code_is_integrating_it(seed: int) -> None:
    """The same trajectory as motion.integrate up to rounding."""
    rng = np.random.default_rng(seed)
    start = np.array([*rng.normal(0, 50, 2), rng.uniform(-3, 3), rng.uniform(0, 30)])
    knots = np.stack([rng.normal(0, 2, 10), rng.normal(0, 0.3, 10)], -1)

    found = follow(start, knots, rates())

    expected = integrate(torch.from_numpy(start), torch.from_numpy(knots)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)
