"""Embree sees what the rasterisers see, in a whole street."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np
import pytest

from scenegen.arrays import FloatArray, IntArray
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
        reason="embreex is not installed; put it on PYTHONPATH to compare with Embree",
    ),
]


@pytest.fixture(scope="module", params=["urban", "four_way", "highway"])
def street(request: pytest.FixtureRequest) -> Triangles:
    """Give the triangles around a car on a procedural road."""
    roadmap = MAP_SOURCES[request.param]().draw(np.random.default_rng(3))
    line = roadmap.lanes[roadmap.traffic_lanes[0]].centerline
    x, y = (float(v) for v in line[len(line) // 2])
    rows = [(AgentKind.CAR, x, y, 0.3, 10.0), (AgentKind.BUS, x + 15, y + 6, 0.3, 10.0)]
    agents = AgentStates.of(rows)
    scene = Scene(roadmap=roadmap, agents=agents, conditions=Conditions())
    return assemble(build_world(roadmap, Conditions(), 2).stage(scene, AgentMotion.still(2)))


def trace(triangles: Triangles, eye: FloatArray, rays: FloatArray) -> IntArray:
    """Face that each ray meets first by Embree, -1 for none."""
    scene = importlib.import_module("embreex.rtcore_scene").EmbreeScene()
    corners = np.ascontiguousarray(triangles.vertices[triangles.faces], np.float32)
    importlib.import_module("embreex.mesh_construction").TriangleMesh(scene, corners)
    directions = np.ascontiguousarray(rays, np.float32)
    origins = np.ascontiguousarray(np.broadcast_to(eye, rays.shape), np.float32)
    return np.asarray(scene.run(origins, directions))


def agreement(triangles: Triangles, ours: IntArray, theirs: IntArray) -> float:
    """Share of rays that meet the same thing of the same material, or nothing in both."""
    owner, material = (np.append(a, -1) for a in (triangles.owner, triangles.material))
    return float(((owner[ours] == owner[theirs]) & (material[ours] == material[theirs])).mean())


def test_the_camera_sees_what_embree_sees(street: Triangles) -> None:
    """At least 99.8 % of the pixels agree; the rest lie on edges and coplanar paint."""
    cos, sin = np.cos(0.3), np.sin(0.3)
    turn = np.array([[sin, -cos, 0.0], [0.0, 0.0, -1.0], [cos, sin, 0.0]])
    camera = PinholeCamera(width_px=256, height_px=128)
    view = View(camera=camera, turn=turn, eye=np.array([0.5, 0.0, 1.5]))
    rows, columns = np.divmod(np.arange(256 * 128), 256)
    x, y = (columns + 0.5 - 128) / camera.focal_px, (rows + 0.5 - 64) / camera.focal_px
    rays = np.stack([x, y, np.ones_like(x)], -1) @ turn

    ours = rasterize(street, view).face.reshape(-1)

    assert agreement(street, ours, trace(street, view.eye, rays)) > 0.998


def test_the_lidar_sees_what_embree_sees(street: Triangles) -> None:
    """At least 99.8 % of the rays of a turn agree."""
    grid = RayGrid(elevation=np.radians(np.linspace(-24.0, 2.0, 64)), columns=512)
    pose = np.eye(4)
    pose[:3, 3] = street.origin + np.array([0.0, 0.0, 1.85])

    ours = cast_grid(street, grid, pose, reach=1e9).face.reshape(-1)

    theirs = trace(street, np.array([0.0, 0.0, 1.85]), grid.directions.reshape(-1, 3))
    assert agreement(street, ours, theirs) > 0.998
