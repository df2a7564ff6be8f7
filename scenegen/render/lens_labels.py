"""Labels through any lens: geometry, numbers and optical flow of the pixels of its picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.geometry.transforms import se3_inverse
from scenegen.render.flow import NEARBY, Flow
from scenegen.render.gbuffer import Samples, resolve
from scenegen.render.lens import Lens
from scenegen.render.lens_views import views
from scenegen.render.rasterizer import rasterize
from scenegen.render.stage import Stage
from scenegen.render.triangles import Triangles


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LensLabels:
    """What every pixel of a lens shows, the same pixels that `lens_views.still` shows.

    Attributes:
        lens: The lens.
        pose: Pose of the camera in the map frame, shape (4, 4).
        range: Distance along the ray [m], 0 for sky and off the image circle, (H, W), float32.
        semantic: SurfaceClass, shape (H, W).
        instance: Instance number, shape (H, W).
        normal: Unit normal towards the viewer in the camera frame, 0 for sky, shape (H, W, 3).
    """

    lens: Lens
    pose: FloatArray
    range: FloatArray
    semantic: IntArray
    instance: IntArray
    normal: FloatArray


def lens_labels(stage: Stage, triangles: Triangles, lens: Lens, pose: FloatArray) -> LensLabels:
    """Label the pixels of a lens without taking a picture.

    Args:
        stage: What there is.
        triangles: The stage, assembled.
        lens: The lens and the size of its picture.
        pose: Pose of the camera in the map frame, shape (4, 4).
    """
    size = (lens.height_px, lens.width_px)
    out = LensLabels(
        lens=lens,
        pose=pose,
        range=np.zeros(size, np.float32),
        semantic=np.zeros(size, np.uint8),
        instance=np.zeros(size, np.uint16),
        normal=np.zeros((*size, 3), np.float32),
    )
    for face in views(lens):
        sight = face.sight(pose, triangles.origin)
        samples = Samples.centers(rasterize(triangles, sight))
        buffer = resolve(triangles, sight, samples, stage.textures, lamps_on=0.0)
        shape = (face.camera.height_px, face.camera.width_px)
        instance = buffer.instance.reshape(shape)
        row, column = face.nearest
        normal = buffer.normal.reshape(*shape, 3)[row, column] @ pose[:3, :3]
        out.range.reshape(-1)[face.pixel] = face.ranges(buffer.depth.reshape(shape), instance)
        out.semantic.reshape(-1)[face.pixel] = buffer.semantic.reshape(shape)[row, column]
        out.instance.reshape(-1)[face.pixel] = instance[row, column]
        out.normal.reshape(-1, 3)[face.pixel] = normal
    return out


def lens_flow(here: LensLabels, stage: Stage, there: LensLabels, other: Stage) -> Flow:
    """Follow what every pixel of a lens shows to another instant, as `optical_flow` does.

    Args:
        here: The labels whose pixels are followed.
        stage: Their instant.
        there: The labels of the other instant, of the same lens.
        other: The other instant, of the same scenario.
    """
    lens, size = here.lens, here.range.shape
    far = here.range.reshape(-1, 1).astype(np.float64)
    number = here.instance.reshape(-1).astype(np.int64)
    rays = lens.rays().reshape(-1, 3) @ here.pose[:3, :3].T
    finite = far[:, 0] > 0
    point = np.where(far > 0, here.pose[:3, 3] + far * rays, rays)
    point, is_there = _carried(point, number, stage, other)
    back = se3_inverse(there.pose)
    local = point @ back[:3, :3].T + np.where(far > 0, back[:3, 3], 0.0)
    place = lens.project(local)
    known = is_there & np.isfinite(place).all(-1)
    start = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in size[::-1])), -1).reshape(-1, 2)
    motion = np.where(known[:, None], np.nan_to_num(place - start), 0.0)
    away = np.where(finite, np.linalg.norm(local, axis=-1), 0.0)
    seen = known & _is_seen(np.nan_to_num(place, nan=-9.0), away, number, there)
    return Flow(motion=motion.reshape(*size, 2).astype(np.float32), seen=seen.reshape(size))


def _carried(
    point: FloatArray, number: IntArray, stage: Stage, other: Stage
) -> tuple[FloatArray, BoolArray]:
    """Move map-frame points with their agents to another instant; and whether those are there."""
    out, is_there = point.copy(), np.ones(len(point), np.bool_)
    for k in np.unique(number[number > 0]):
        rows, i = np.flatnonzero(number == k), int(k) - 1
        if not other.agents.valid[i]:
            is_there[rows] = False
            continue
        before, after = (float(s.agents.yaw[i]) for s in (stage, other))
        cos, sin = np.cos(after - before), np.sin(after - before)
        turn = np.array([[cos, -sin], [sin, cos]])
        start, end = (s.agents.position[i].astype(np.float64) for s in (stage, other))
        out[rows, :2] = end + (point[rows, :2] - start) @ turn.T
    return out, is_there


def _is_seen(place: FloatArray, away: FloatArray, number: IntArray, there: LensLabels) -> BoolArray:
    """Whether one of the four pixels around a place shows the same thing at that distance."""
    height, width = there.range.shape
    inside: BoolArray = np.all((place >= 0) & (place < np.array([width, height])), axis=-1)
    first = np.floor(np.where(inside[:, None], place, 0.0) - 0.5).astype(np.int64)
    out = np.zeros(len(place), np.bool_)
    for offset in ((0, 0), (0, 1), (1, 0), (1, 1)):
        column, row = first[:, 0] + offset[1], first[:, 1] + offset[0]
        within = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        row, column = np.where(within, row, 0), np.where(within, column, 0)
        found = there.range[row, column]
        same = (found == 0) & (away == 0)
        same |= (found > 0) & (away > 0) & (away <= NEARBY[0] * found + NEARBY[1])
        out |= within & same & (there.instance[row, column] == number)
    return out & inside
