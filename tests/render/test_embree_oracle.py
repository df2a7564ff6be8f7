"""Embree sees what the rasterisers see, in whole streets full of road users."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np
import pytest

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.maps import MAP_SOURCES
from scenegen.render import (
    AgentMotion,
    PinholeCamera,
    RayGrid,
    Triangles,
    View,
    assemble,
    build_world,
    cast_grid,
)
from scenegen.render.rasterizer import rasterize
from scenegen.scene import AgentKind, AgentStates, Conditions, Scene

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(
        importlib.util.find_spec("embreex") is None,
        reason="embreex is not installed; pip install 'scenegen[peers]' to compare with Embree",
    ),
]
EDGE = 1e-4
"""A ray is near an edge within this angle of it [rad]."""
KINDS = (AgentKind.CAR, AgentKind.BUS, AgentKind.TRUCK, AgentKind.PEDESTRIAN, AgentKind.CYCLIST)


@pytest.fixture(scope="module", params=["urban", "four_way", "highway"])
def street(request: pytest.FixtureRequest) -> Triangles:
    """Give the triangles around a car on a procedural road, among 24 road users."""
    rng = np.random.default_rng(3)
    roadmap = MAP_SOURCES[request.param]().draw(rng)
    line = roadmap.lanes[roadmap.traffic_lanes[0]].centerline
    x, y = (float(v) for v in line[len(line) // 2])
    rows = [(AgentKind.CAR, x, y, 0.3, 10.0)]
    for n in range(24):
        angle, away = rng.uniform(-np.pi, np.pi), rng.uniform(7.0, 60.0)
        place = (x + away * float(np.cos(angle)), y + away * float(np.sin(angle)))
        rows.append((KINDS[n % len(KINDS)], *place, float(rng.uniform(-3, 3)), 5.0))
    agents = AgentStates.of(rows)
    scene = Scene(roadmap=roadmap, agents=agents, conditions=Conditions())
    world = build_world(roadmap, Conditions(), 2)
    return assemble(world.stage(scene, AgentMotion.still(len(rows))))


def trace(triangles: Triangles, eye: FloatArray, rays: FloatArray) -> IntArray:
    """Face that each ray meets first by Embree, -1 for none."""
    scene = importlib.import_module("embreex.rtcore_scene").EmbreeScene()
    corners = np.ascontiguousarray(triangles.vertices[triangles.faces], np.float32)
    importlib.import_module("embreex.mesh_construction").TriangleMesh(scene, corners)
    directions = np.ascontiguousarray(rays, np.float32)
    origins = np.ascontiguousarray(np.broadcast_to(eye, rays.shape), np.float32)
    return np.asarray(scene.run(origins, directions))


def along(
    triangles: Triangles, eye: FloatArray, rays: FloatArray, face: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Multiples of rays where they meet the planes of faces, and angle to the nearest edge."""
    a, b, c = np.moveaxis(triangles.vertices[triangles.faces[face]] - eye, 1, 0)
    normal = np.cross(b - a, c - a)
    height = (normal * a).sum(-1)
    edges = [np.cross(p, q) for p, q in ((a, b), (b, c), (c, a))]
    length = np.linalg.norm(rays, axis=-1)
    away = [np.abs((e * rays).sum(-1)) / (np.linalg.norm(e, axis=-1) * length) for e in edges]
    return height / (normal * rays).sum(-1), np.min(away, 0)


def check(
    triangles: Triangles, eye: FloatArray, rays: FloatArray, ours: IntArray, reach: FloatArray
) -> None:
    """Compare hits, and depths or ranges, with Embree over all rays, edges included.

    Args:
        triangles: What there is.
        eye: Where the rays begin, shape (3,).
        rays: Directions, shape (R, 3).
        ours: Face of each ray, -1 for none, shape (R,).
        reach: Multiple of the ray at our hit, shape (R,).
    """
    theirs = trace(triangles, eye, rays)
    both = (ours >= 0) & (theirs >= 0)
    t, edge = along(triangles, eye, rays[both], theirs[both])
    mine, _ = along(triangles, eye, rays[both], ours[both])
    same = same_thing(triangles, ours[both], theirs[both])
    coincident = ~same & (np.abs(mine - t) <= 1e-5 * t)

    # No ray is left out. Those near an edge, and those that meet two surfaces in one place, of
    # which either may win, are few.
    assert both.sum() > 0.5 * len(rays)
    assert (edge < EDGE).mean() < 0.05
    assert coincident.mean() < 0.001
    assert ((ours >= 0) == (theirs >= 0)).mean() >= 0.9999
    assert (np.abs(reach[both] - t) <= 1e-3 * t).mean() >= 0.9999
    assert (same | coincident).mean() >= 0.9999


def same_thing(triangles: Triangles, ours: IntArray, theirs: IntArray) -> BoolArray:
    """Whether two lists of faces name the same things."""
    owner = np.append(triangles.owner, -1)
    return np.asarray(owner[ours] == owner[theirs])


@pytest.mark.parametrize("yaw", [0.3, 2.0, -1.9])
def test_the_camera_sees_what_embree_sees(street: Triangles, yaw: float) -> None:
    """Of all pixels 99.99 % agree on hit, and 99.99 % of the hits on depth to 1e-3."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[sin, -cos, 0.0], [0.0, 0.0, -1.0], [cos, sin, 0.0]])
    camera = PinholeCamera(width_px=512, height_px=256)
    view = View(camera=camera, turn=turn, eye=np.array([0.5, 0.0, 1.5]))
    rows, columns = np.divmod(np.arange(512 * 256), 512)
    x, y = (columns + 0.5 - 256) / camera.focal_px, (rows + 0.5 - 128) / camera.focal_px
    rays = np.stack([x, y, np.ones_like(x)], -1) @ turn

    seen = rasterize(street, view)

    inverse = seen.inverse_depth.reshape(-1).astype(np.float64)
    depth = np.divide(1.0, inverse, out=np.full(len(rays), np.inf), where=inverse > 0)
    check(street, view.eye, rays, seen.face.reshape(-1), depth)


def test_the_lidar_sees_what_embree_sees(street: Triangles) -> None:
    """Of all rays of a turn 99.99 % agree on hit, and 99.99 % of the hits on range to 1e-3."""
    grid = RayGrid(elevation=np.radians(np.linspace(-24.0, 2.0, 64)), columns=1024)
    pose = np.eye(4)
    pose[:3, 3] = street.origin + np.array([0.0, 0.0, 1.85])

    image = cast_grid(street, grid, pose, reach=1e9)

    rays = grid.directions.reshape(-1, 3)
    eye = np.array([0.0, 0.0, 1.85])
    check(street, eye, rays, image.face.reshape(-1), image.range.reshape(-1))
