"""Optical flow from geometry: where what a pixel shows was, or will be, in another picture."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.camera import NEAR, View
from scenegen.render.gbuffer import GBuffer
from scenegen.render.rasterizer import rasterize
from scenegen.render.stage import Stage
from scenegen.render.triangles import Triangles

NEARBY = 1.03, 0.1
"""A thing counts as seen up to this factor on the depth of the other picture, and this far
behind it [m]: depths are sampled at pixel centres."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """Motion of what each pixel of a picture shows, to another picture.

    Attributes:
        motion: Columns and rows it moves by [pixels], 0 where that is not defined: behind the
            other camera, or not there at the other instant; shape (H, W, 2), float32.
        seen: Whether it is within the other picture and nothing is before it, shape (H, W).
    """

    motion: FloatArray
    seen: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surfaces:
    """How far away every pixel of a view sees what, and nothing else.

    Attributes:
        view: The view.
        depth: Distance along the optical axis [m], 0 for sky, shape (S,), float32.
        instance: Instance number, shape (S,), uint16.
    """

    view: View
    depth: FloatArray
    instance: IntArray


def surfaces(triangles: Triangles, view: View) -> Surfaces:
    """Look only at what hides what: all that a flow asks of the other picture.

    Args:
        triangles: What there is.
        view: From where it is seen.
    """
    found = rasterize(triangles, view)
    depth = np.empty(found.face.size, np.float32)
    instance = np.empty(found.face.size, np.uint16)
    visible = (found.face.reshape(-1), found.inverse_depth.reshape(-1))
    _tell(*visible, triangles.owner, triangles.number, depth, instance)
    return Surfaces(view=view, depth=depth, instance=instance)


@nb.njit(cache=True, nogil=True)
def _tell(face, inverse_depth, owner, number, depth, instance):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(len(face)):
        depth[i], instance[i] = 0.0, 0
        if face[i] >= 0:
            depth[i], instance[i] = 1.0 / inverse_depth[i], number[owner[face[i]]]


def optical_flow(here: GBuffer, stage: Stage, there: GBuffer | Surfaces, other: Stage) -> Flow:
    """Follow what every pixel shows to another instant, by the exact poses of all agents.

    Agents move as rigid bodies; the limbs of walkers are taken to move with the body. What is
    not an agent stands still, and the sky is infinitely far away.

    Args:
        here: The picture whose pixels are followed, one sample per pixel.
        stage: Its instant.
        there: The other picture, of the same size.
        other: The other instant, of the same scenario.
    """
    camera = here.view.camera
    size = (camera.height_px, camera.width_px)
    motion, seen = np.zeros((*size, 2), np.float32), np.zeros(size, np.bool_)
    _follow(
        (here.depth.reshape(size), here.instance.reshape(size)),
        _placed(here.view, stage),
        (there.depth.reshape(size), there.instance.reshape(size)),
        _placed(there.view, other),
        (_poses(stage), _poses(other), other.agents.valid),
        (camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        motion,
        seen,
    )
    return Flow(motion=motion, seen=seen)


def _placed(view: View, stage: Stage) -> tuple[FloatArray, FloatArray]:
    """Rotation of a view, and its place in the map frame."""
    origin = np.array([*stage.map_from_ego[:2, 3], 0.0])
    return np.ascontiguousarray(view.turn), view.eye + origin


def _poses(stage: Stage) -> FloatArray:
    """Place and heading of each agent: x, y, cosine, sine; shape (N, 4), float64."""
    yaw = stage.agents.yaw.astype(np.float64)
    place = stage.agents.position.astype(np.float64)
    return np.column_stack([place, np.cos(yaw), np.sin(yaw)])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _follow(here, view, there, other, agents, optics, motion, seen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, number = here
    turn, eye = view
    focal, middle_x, middle_y = optics
    point = np.empty(3)
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            x, y = (column + 0.5 - middle_x) / focal, (row + 0.5 - middle_y) / focal
            z = depth[row, column]
            for axis in range(3):
                point[axis] = turn[0, axis] * x + turn[1, axis] * y + turn[2, axis]
                if z > 0.0:
                    point[axis] = eye[axis] + z * point[axis]
            k = number[row, column]
            if k > 0 and not _carry(point, int(k) - 1, agents):
                continue
            px, py, pz = _into(point, other, z > 0.0)
            if pz < NEAR:
                continue
            u, v = focal * px / pz + middle_x, focal * py / pz + middle_y
            motion[row, column, 0] = u - (column + 0.5)
            motion[row, column, 1] = v - (row + 0.5)
            seen[row, column] = _is_seen(u, v, pz if z > 0.0 else 0.0, k, there)


@nb.njit(cache=True, nogil=True)
def _carry(point, i, agents):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move a point in the map frame with an agent; gives whether the agent is there."""
    pose, target, valid = agents
    if not valid[i]:
        return False
    x, y = point[0] - pose[i, 0], point[1] - pose[i, 1]
    ahead, left = pose[i, 2] * x + pose[i, 3] * y, pose[i, 2] * y - pose[i, 3] * x
    point[0] = target[i, 0] + target[i, 2] * ahead - target[i, 3] * left
    point[1] = target[i, 1] + target[i, 3] * ahead + target[i, 2] * left
    return True


@nb.njit(cache=True, nogil=True)
def _into(point, other, finite):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Give a point, or a direction where it is not finite, in the frame of the other camera."""
    turn, eye = other
    x, y, z = point[0], point[1], point[2]
    if finite:
        x, y, z = x - eye[0], y - eye[1], z - eye[2]
    return (
        turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z,
        turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z,
        turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z,
    )


@nb.njit(cache=True, nogil=True)
def _is_seen(u, v, z, k, there):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether one of the four pixels around a place shows the same thing at that depth."""
    depth, number = there
    height, width = depth.shape
    if u < 0.0 or v < 0.0 or u >= width or v >= height:
        return False
    first_column, first_row = int(np.floor(u - 0.5)), int(np.floor(v - 0.5))
    for row in range(max(first_row, 0), min(first_row + 2, height)):
        for column in range(max(first_column, 0), min(first_column + 2, width)):
            found = depth[row, column]
            if number[row, column] != k:
                continue
            if (found == 0.0 and z == 0.0) or (
                found > 0.0 and 0.0 < z <= NEARBY[0] * found + NEARBY[1]
            ):
                return True
    return False
