"""Optical flow is the motion of the triangles themselves."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render import PinholeCamera, Stage, Triangles, View, assemble
from scenegen.render.flow import Flow, optical_flow
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.rasterizer import rasterize
from scenegen.scene import AgentKind, AgentStates, Scenario
from scenegen.sensors import RIGS, DenseLabels, Rig, agent_motions, camera_pose
from tests.builders import constant_speed_scenario, straight_road

OPTICS = PinholeCamera(width_px=192, height_px=96)


@cache
def scenario() -> Scenario:
    """A car ahead turns, one comes towards the ego, a pedestrian crosses, the ego turns."""
    agents = AgentStates.of(
        [
            (AgentKind.CAR, 100.0, 3.5, 0.02, 12.0),
            (AgentKind.CAR, 112.0, 3.5, 0.0, 10.0),
            (AgentKind.CAR, 125.0, 7.0, 3.1, 11.0),
            (AgentKind.PEDESTRIAN, 110.0, 0.5, 1.5, 1.5),
        ]
    )
    happening = constant_speed_scenario(straight_road(lanes=3), agents, steps=3)
    happening.agents.yaw[1, 0] += 0.01
    happening.agents.yaw[1, 1] += 0.05
    return happening


@cache
def seen(step: int) -> tuple[Stage, Triangles, GBuffer]:
    """One instant, its triangles, and what the camera sees of them."""
    rig = Rig(name="one", sensors=(DenseLabels(),))
    motion = agent_motions(scenario())[0]
    stage = rig.world(scenario(), 1).stage(scenario().at(step), motion)
    triangles = assemble(stage)
    pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5)
    view = View.of(OPTICS, pose, triangles.origin)
    found = rasterize(triangles, view)
    samples = Samples.centers(found)
    buffer = resolve(triangles, view, samples, stage.textures, lamps_on=0.0)
    return stage, triangles, buffer


def flow(here: int, there: int) -> Flow:
    """Flow from one instant to another."""
    stage, _, buffer = seen(here)
    other, _, target = seen(there)
    return optical_flow(buffer, stage, target, other)


def corners(triangles: Triangles, face: np.ndarray) -> FloatArray:
    """Corners of faces in the map frame, shape (n, 3, 3)."""
    return triangles.vertices[triangles.faces[face]].astype(np.float64) + triangles.origin


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize(("here", "there"), [(0, 1), (1, 0)])
def test_flow_of_agents_is_the_motion_of_their_triangles(
    number: int, here: int, there: int
) -> None:
    """A point fixed on a triangle projects, at the other instant, within 0.01 px of the flow."""
    _, triangles, buffer = seen(here)
    _, moved, target = seen(there)
    pixel = np.flatnonzero(buffer.instance == number)
    assert len(pixel) > 10
    before, after = (int(np.flatnonzero(t.number == number)[0]) for t in (triangles, moved))
    face = buffer.samples.face[pixel]
    same = face - triangles.first_face[before] + moved.first_face[after]
    place = buffer.samples.place[pixel]
    ray = np.column_stack([(place - [96, 48]) / OPTICS.focal_px, np.ones(len(pixel))])
    origin = triangles.origin + buffer.view.eye
    point = origin + (ray @ buffer.view.turn) * buffer.depth[pixel, None]
    weight = np.linalg.lstsq  # one small system per pixel: the corners' weights
    share = np.stack(
        [
            weight(np.vstack([c.T, np.ones(3)]), np.append(p, 1.0), rcond=None)[0]
            for c, p in zip(corners(triangles, face), point, strict=True)
        ]
    )
    then = np.einsum("nk,nkc->nc", share, corners(moved, same))
    local = (then - moved.origin - target.view.eye) @ target.view.turn.T
    expected = OPTICS.project(local) - place

    found = flow(here, there).motion.reshape(-1, 2)[pixel]

    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_flow_there_and_back_returns() -> None:
    """Where a static point is seen in both pictures, the flow back undoes the flow forward."""
    there, back = flow(0, 1), flow(1, 0)
    buffer = seen(0)[2]
    static = (buffer.instance == 0) & (buffer.semantic == 1) & there.seen.reshape(-1)
    start = buffer.samples.place[static]
    end = start + there.motion.reshape(-1, 2)[static]
    column, row = np.floor(end).astype(int).T
    returned = back.motion[row, column]

    # The pixel met is up to half a pixel away from where the point went: medians compare.
    assert static.sum() > 1000
    assert np.median(np.abs(returned + there.motion.reshape(-1, 2)[static])) < 0.1


def test_the_sky_moves_as_the_camera_turns() -> None:
    """By f tan(turn) in the middle: to the right when the camera turns left."""
    buffer = seen(0)[2]
    sky = (buffer.depth == 0).reshape(96, 192)
    column = 96
    row = int(np.flatnonzero(sky[:, column])[-1])

    motion = flow(0, 1).motion[row, column]

    assert motion[0] == pytest.approx(OPTICS.focal_px * np.tan(0.01), rel=0.05)


def test_what_leaves_the_picture_is_not_seen_there() -> None:
    """The mask is off exactly where the point lies outside, or something stands before it."""
    there = flow(0, 1)
    place = seen(0)[2].samples.place.reshape(96, 192, 2) + there.motion
    outside = (place < 0).any(-1) | (place >= [192, 96]).any(-1)

    assert outside.any()
    assert not there.seen[outside].any()
    assert there.seen[~outside].mean() > 0.95


def test_first_and_last_instant_have_no_flow_beyond() -> None:
    """Their flow and mask are zero on that side, and not on the other."""
    rig = Rig(name="one", sensors=(DenseLabels(optics=OPTICS),))
    first, _, last = (frame.arrays for frame in rig.sense(scenario(), 1))

    assert not first["camera/front/flow_back_mask"].any()
    assert not last["camera/front/flow"].any()
    assert first["camera/front/flow_mask"].any()
    assert last["camera/front/flow_back_mask"].any()


def test_normals_are_unit_and_the_road_faces_up() -> None:
    """In the camera frame up is -y."""
    arrays = next(iter(RIGS["full"].sense(scenario(), 1, every=9))).arrays
    normal = arrays["camera/front/normal"].astype(float) / 127
    road = arrays["camera/front/semantic"] == 1
    solid = arrays["camera/front/depth"] > 0

    np.testing.assert_allclose(np.linalg.norm(normal[solid], axis=-1), 1, atol=0.02)
    upward = np.broadcast_to([0, -1, 0], normal[road].shape)
    np.testing.assert_allclose(normal[road], upward, atol=0.01)


def test_panoptic_numbers_join_class_and_instance() -> None:
    """They split into the semantic and the instance mask again."""
    arrays = next(iter(RIGS["full"].sense(scenario(), 1, every=9))).arrays
    semantic, instance = np.divmod(arrays["camera/front/panoptic"], 10_000)

    np.testing.assert_array_equal(semantic, arrays["camera/front/semantic"])
    np.testing.assert_array_equal(instance, arrays["camera/front/instance"])
