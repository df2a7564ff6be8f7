"""Motion vectors are what finite differences of the projected world say."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render import (
    AgentMotion,
    PinholeCamera,
    Stage,
    Triangles,
    View,
    assemble,
    build_world,
)
from scenegen.render.flow import Flow, optical_flow, surfaces
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.rasterizer import rasterize
from scenegen.render.triangles import assemble_shape
from scenegen.scene import AgentKind, AgentStates, Conditions, Scene
from tests.builders import straight_road

CAMERA = PinholeCamera(width_px=224, height_px=112, fov=1.4)
ROAD = straight_road(lanes=3)
ROWS = [
    (AgentKind.CAR, 100.0, 3.5, 0.02, 12.0),
    (AgentKind.CAR, 109.0, 3.0, 0.1, 10.0),
    (AgentKind.BUS, 118.0, 8.0, 3.0, 8.0),
    (AgentKind.TRUCK, 121.0, -0.5, -0.1, 9.0),
    (AgentKind.PEDESTRIAN, 107.0, -0.5, 1.4, 1.5),
    (AgentKind.CYCLIST, 106.0, 5.8, 0.3, 5.0),
]


@cache
def moment(seed: int, share: float) -> tuple[Stage, Triangles, View, GBuffer]:
    """Give a moment at a share of the way to drawn poses: everyone moves and turns, ego first.

    The camera hangs crooked on the ego.
    """
    rng = np.random.default_rng(seed)
    agents = AgentStates.of(ROWS)
    agents.position[:] += (share * rng.uniform(-0.8, 0.8, agents.position.shape)).astype(np.float32)
    agents.yaw[:] += (share * rng.uniform(-0.12, 0.12, agents.yaw.shape)).astype(np.float32)
    scene = Scene(roadmap=ROAD, agents=agents, conditions=Conditions())
    still = AgentMotion.still(len(ROWS))
    stage = build_world(ROAD, Conditions(), 1).stage(scene, still)
    triangles = assemble(stage)
    pitch, roll = 0.05, 0.03
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    ) @ np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    mount = np.eye(4)
    mount[:3, :3] = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]) @ tilt
    mount[:3, 3] = 0.4, 0.1, 1.5
    view = View.of(CAMERA, stage.map_from_ego @ mount, triangles.origin)
    samples = Samples.centers(rasterize(triangles, view))
    buffer = resolve(triangles, view, samples, stage.textures, lamps_on=0.0)
    return stage, triangles, view, buffer


def project(view: View, origin: FloatArray, points: FloatArray) -> FloatArray:
    """Image coordinates of points in the map frame, NaN behind the camera, shape (n, 2)."""
    local = (points - origin - view.eye) @ view.turn.T
    z = np.where(local[:, 2:] > 0.3, local[:, 2:], np.nan)
    return CAMERA.focal_px * local[:, :2] / z + np.array([112.0, 56.0])


def follow(seed: int, begin: float, end: float) -> tuple[FloatArray, FloatArray, GBuffer]:
    """Flow of all pixels, and the same by moving the triangles they lie on; (S, 2) each."""
    stage, triangles, view, buffer = moment(seed, begin)
    other, moved, sight, target = moment(seed, end)
    flow: Flow = optical_flow(buffer, stage, target, other)
    offset = (buffer.samples.place - [112.0, 56.0]) / CAMERA.focal_px
    depth = buffer.depth.astype(np.float64)[:, None]
    local = np.column_stack([offset, np.ones(len(offset))]) * depth
    points = local @ view.turn + view.eye + triangles.origin
    for number in range(2, len(ROWS) + 1):
        rows = [int(np.flatnonzero(t.number == number)[0]) for t in (triangles, moved)]
        before, after = (
            _frame(t, k, buffer, number) for t, k in zip((triangles, moved), rows, strict=True)
        )
        mine = buffer.instance == number
        points[mine] = (points[mine] - before[0]) @ before[1].T @ after[1] + after[0]
    expected = project(sight, moved.origin, points) - buffer.samples.place
    return flow.motion.reshape(-1, 2), expected, buffer


def _frame(
    triangles: Triangles, k: int, buffer: GBuffer, number: int
) -> tuple[FloatArray, FloatArray]:
    """Middle and axes of a thing, from three of its own vertices that lie far apart."""
    vertices = triangles.vertices[triangles.first_vertex[k] : triangles.first_vertex[k + 1]]
    corners = vertices.astype(np.float64) + triangles.origin
    n = len(corners)
    assert n > 30, (buffer.view, number)
    middle = corners.mean(0)
    # Least squares over all vertices would do the same; third axis is up for all of them.
    weight = np.linspace(-1.0, 1.0, n)[:, None]
    ahead = ((corners - middle) * weight).sum(0) * [1.0, 1.0, 0.0]
    ahead /= np.linalg.norm(ahead)
    return middle, np.stack([ahead, np.cross([0.0, 0.0, 1.0], ahead), [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("begin", "end"), [(0.0, 1.0), (1.0, 0.0)])
def test_flow_is_the_motion_of_the_triangles(seed: int, begin: float, end: float) -> None:
    """Forward and back, turning agents and turning ego: within 0.01 px at every surface pixel."""
    flow, expected, buffer = follow(seed, begin, end)

    there = (buffer.depth > 0) & np.isfinite(expected).all(-1)
    assert there.mean() > 0.4
    assert len(np.unique(buffer.instance[there])) >= 4
    error = np.abs(flow[there] - expected[there]).max(-1)
    near = np.abs(expected[there]).max(-1) < 400.0
    assert error[near].max() < 0.01


@pytest.mark.parametrize("seed", range(2))
def test_flow_over_a_short_time_is_the_velocity_in_the_picture(seed: int) -> None:
    """A hundredth of the way moves a hundredth as far, up to the curvature of the way."""
    short, expected, buffer = follow(seed, 0.0, 0.01)
    there = (buffer.depth > 2.0) & np.isfinite(expected).all(-1)
    velocity, _, _ = follow(seed, 0.0, 0.02)

    # Poses are stored in 32 bits: 8e-6 m at 100 m.
    assert np.abs(short[there] - expected[there]).max() < 0.01
    bend = np.abs(velocity[there] - 2 * short[there]).max(-1)
    assert np.quantile(bend, 0.99) < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_to_be_seen_shows_the_same_thing_there(seed: int) -> None:
    """Where the mask is set, a pixel near the place has the same class and number."""
    stage, _, _, buffer = moment(seed, 0.0)
    other, _, _, target = moment(seed, 1.0)
    flow = optical_flow(buffer, stage, target, other)
    place = (buffer.samples.place + flow.motion.reshape(-1, 2))[flow.seen.reshape(-1)]
    column, row = np.floor(place).astype(int).T
    number = target.instance.reshape(112, 224)
    found = [
        number[np.clip(row + dy, 0, 111), np.clip(column + dx, 0, 223)]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    ]

    assert (np.stack(found) == buffer.instance[flow.seen.reshape(-1)]).any(0).all()
    assert 0.2 < flow.seen.mean() < 1.0


@pytest.mark.parametrize("seed", range(2))
def test_shapes_alone_hide_what_whole_things_hide(seed: int) -> None:
    """What is assembled for a view alone shows the same depths and instances in it."""
    stage, triangles, view, buffer = moment(seed, 1.0)

    shapes = assemble_shape(stage, view.meets)

    assert len(shapes.faces) < len(triangles.faces)
    assert len(shapes.normals) == len(shapes.uv) == len(shapes.material) == 0
    alone, whole = surfaces(shapes, view), surfaces(triangles, view)
    np.testing.assert_array_equal(alone.depth, whole.depth)
    np.testing.assert_array_equal(alone.instance, whole.instance)
    np.testing.assert_array_equal(alone.instance, buffer.instance)
