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
    focal, middle_x, middle_y = optics
    u, v, away = (np.empty(depth.shape[1]), np.empty(depth.shape[1]), np.empty(depth.shape[1]))
    own, others = _as_numbers(view), _as_numbers(other)
    for row in range(depth.shape[0]):
        y = (row + 0.5 - middle_y) / focal
        _follow_row(depth[row], y, own, others, optics, u, v, away)
        for column in range(depth.shape[1]):
            z, k = depth[row, column], number[row, column]
            if k > 0:
                if not agents[2][k - 1]:
                    continue
                x = (column + 0.5 - middle_x) / focal
                point = _carried(_placed_at(x, y, z, own), int(k) - 1, agents)
                px, py, pz = _into(point, others, z > 0.0)
                away[column] = pz
                u[column], v[column] = focal * px / pz + middle_x, focal * py / pz + middle_y
            if away[column] < NEAR:
                continue
            motion[row, column, 0] = u[column] - (column + 0.5)
            motion[row, column, 1] = v[column] - (row + 0.5)
            far = away[column] if z > 0.0 else 0.0
            seen[row, column] = _is_seen(u[column], v[column], far, k, there)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _follow_row(depth, y, view, other, optics, u, v, away):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Follow the pixels of a row as if all stood still; without a branch, to be vectorised."""
    focal, middle_x, middle_y = optics
    for column in range(len(depth)):
        z = depth[column]
        point = _placed_at((column + 0.5 - middle_x) / focal, y, z, view)
        px, py, pz = _into(point, other, z > 0.0)
        away[column] = pz
        u[column], v[column] = focal * px / pz + middle_x, focal * py / pz + middle_y


@nb.njit(cache=True, nogil=True, forceinline=True)
def _as_numbers(view):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Rotation of a view row by row, then its place."""
    turn, eye = view
    return (
        *(turn[0, 0], turn[0, 1], turn[0, 2], turn[1, 0], turn[1, 1], turn[1, 2]),
        *(turn[2, 0], turn[2, 1], turn[2, 2], eye[0], eye[1], eye[2]),
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _placed_at(x, y, z, view):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Give the place in the map frame of what is seen at a depth; the direction of the sky."""
    ax, ay, az, bx, by, bz, cx, cy, cz, ex, ey, ez = view
    px, py, pz = ax * x + bx * y + cx, ay * x + by * y + cy, az * x + bz * y + cz
    seen = z > 0.0
    return (
        ex + z * px if seen else px,
        ey + z * py if seen else py,
        ez + z * pz if seen else pz,
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _carried(point, i, agents):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move a point in the map frame with an agent."""
    pose, target, _ = agents
    x, y = point[0] - pose[i, 0], point[1] - pose[i, 1]
    ahead, left = pose[i, 2] * x + pose[i, 3] * y, pose[i, 2] * y - pose[i, 3] * x
    return (
        target[i, 0] + target[i, 2] * ahead - target[i, 3] * left,
        target[i, 1] + target[i, 3] * ahead + target[i, 2] * left,
        point[2],
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _into(point, other, finite):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Give a point, or a direction where it is not finite, in the frame of the other camera."""
    ax, ay, az, bx, by, bz, cx, cy, cz, ex, ey, ez = other
    x, y, z = point
    x, y, z = (x - ex if finite else x, y - ey if finite else y, z - ez if finite else z)
    return (
        ax * x + ay * y + az * z,
        bx * x + by * y + bz * z,
        cx * x + cy * y + cz * z,
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _is_seen(u, v, z, k, there):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether one of the four pixels around a place shows the same thing at that depth."""
    depth, number = there
    height, width = depth.shape
    if u < 0.0 or v < 0.0 or u >= width or v >= height:
        return False
    column, row = int(np.floor(u - 0.5)), int(np.floor(v - 0.5))
    left, right = max(column, 0), min(column + 1, width - 1)
    top, below = max(row, 0), min(row + 1, height - 1)
    return (
        _is_same(depth[top, left], number[top, left], z, k)
        or _is_same(depth[top, right], number[top, right], z, k)
        or _is_same(depth[below, left], number[below, left], z, k)
        or _is_same(depth[below, right], number[below, right], z, k)
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _is_same(found, number, z, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a pixel shows a thing at a depth, 0 for the sky, or a little before it."""
    if number != k:
        return False
    if z == 0.0:
        return found == 0.0
    return found > 0.0 and z <= NEARBY[0] * found + NEARBY[1]
