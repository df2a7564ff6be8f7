"""A picture through any lens, from pictures of one or several pinhole views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera import PinholeCamera, View
from scenegen.render.lens import Lens
from scenegen.render.picture import Picture, look
from scenegen.render.stage import Stage
from scenegen.render.triangles import Triangles

Repaint = Callable[[Picture], FloatArray]
"""From a picture with its light to radiance, shape (H, W, 3)."""
_MARGIN = 3
"""Pixels by which views overlap, so that every sample lies inside one."""
_APART = 0.1
"""Relative difference of 1 / depth from which pixels show different things."""
_TURNS = {
    "ahead": np.eye(3),
    "right": np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]),
    "left": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "down": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "up": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "back": np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]]),
}
"""Turn of each face of a cube: view from lens."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Still:
    """A picture through a lens at one moment, with the labels of the same pixels.

    Attributes:
        radiance: Linear RGB before the sensor, shape (H, W, 3), float32; 0 off the image circle.
        range: Distance along the ray [m], 0 for sky and off the circle, shape (H, W), float32.
        semantic: SurfaceClass, shape (H, W).
        instance: Instance number, shape (H, W).
    """

    radiance: FloatArray
    range: FloatArray
    semantic: IntArray
    instance: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """A pinhole view and the pixels of the lens that it serves.

    Attributes:
        camera: The view's camera.
        turn: Rotation, view from lens, shape (3, 3).
        pixel: Pixels of the lens, shape (n,).
        place: Their places in the view (column, row), shape (n, 2), float32.
        stretch: Length of their rays at depth one, shape (n,).
    """

    camera: PinholeCamera
    turn: FloatArray
    pixel: IntArray
    place: FloatArray
    stretch: FloatArray

    @property
    def nearest(self) -> tuple[IntArray, IntArray]:
        """Row and column of the pixel of the view that each ray falls on."""
        x, y = self.place[:, 0] - 0.5, self.place[:, 1] - 0.5
        column = np.clip(np.rint(x).astype(np.int64), 0, self.camera.width_px - 1)
        row = np.clip(np.rint(y).astype(np.int64), 0, self.camera.height_px - 1)
        return row, column

    @property
    def around(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """First row, first column, last row and last column of the four pixels around each ray."""
        x, y = self.place[:, 0] - 0.5, self.place[:, 1] - 0.5
        height, width = self.camera.height_px, self.camera.width_px
        left = np.clip(np.floor(x).astype(np.int64), 0, max(width - 2, 0))
        top = np.clip(np.floor(y).astype(np.int64), 0, max(height - 2, 0))
        return top, left, np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)

    def ranges(self, depth: FloatArray, instance: IntArray) -> FloatArray:
        """Distance along each ray [m], 0 for sky, from depth and instances of the view, (n,)."""
        inverse = np.where(depth > 0, 1.0 / np.where(depth > 0, depth, 1.0), 0.0)
        (row, column), (top, left, low, right) = self.nearest, self.around
        corners = ((top, left), (top, right), (low, left), (low, right))
        four = np.stack([inverse[corner] for corner in corners])
        names = np.stack([instance[corner] for corner in corners])
        nearest = inverse[row, column]
        smooth = (np.abs(four - nearest) <= _APART * nearest).all(0)
        smooth &= (names == instance[row, column]).all(0)
        a, b = self.place[:, 0] - 0.5 - left, self.place[:, 1] - 0.5 - top
        mean = (1 - b) * ((1 - a) * four[0] + a * four[1]) + b * ((1 - a) * four[2] + a * four[3])
        inverse_depth = np.where(smooth, mean, nearest)
        far = self.stretch / np.maximum(inverse_depth, 1e-9)
        return np.asarray(np.where(inverse_depth > 0, far, 0.0))

    def sight(self, pose: FloatArray, origin: FloatArray) -> View:
        """Give the view of a lens at a pose in the map frame, among triangles with an origin."""
        turned = np.array(pose, np.float64)
        turned[:3, :3] = pose[:3, :3] @ self.turn.T
        return View.of(self.camera, turned, origin)


def still(
    stage: Stage,
    triangles: Triangles,
    lens: Lens,
    pose: FloatArray,
    repaint: Repaint | None = None,
) -> Still:
    """Look through a lens.

    A lens with distortion alone takes one pinhole view, a fisheye up to six faces of a cube.
    Colours are interpolated between the four pixels around a ray, in linear light; classes and
    instances are those of the nearest pixel. Range comes from 1 / depth, which is linear in the
    picture of a plane: interpolated it is exact on every flat surface; where the four pixels
    show different things the nearest one's plane is kept parallel to the picture.

    Args:
        stage: What there is.
        triangles: The stage, assembled.
        lens: The lens and the size of its picture.
        pose: Pose of the camera in the map frame, shape (4, 4).
        repaint: Gives the radiance of each view in place of its own.
    """
    size = (lens.height_px, lens.width_px)
    out = Still(
        radiance=np.zeros((*size, 3), np.float32),
        range=np.zeros(size, np.float32),
        semantic=np.zeros(size, np.uint8),
        instance=np.zeros(size, np.uint16),
    )
    for face in views(lens):
        sight = face.sight(pose, triangles.origin)
        picture = look(stage, triangles, sight, None, with_light=repaint is not None)
        shape = (face.camera.height_px, face.camera.width_px)
        buffer = picture.gbuffer
        _fill(
            out,
            face,
            picture.radiance if repaint is None else repaint(picture),
            buffer.depth.reshape(shape),
            buffer.semantic.reshape(shape),
            buffer.instance.reshape(shape),
        )
    return out


def _fill(
    out: Still,
    face: Face,
    radiance: FloatArray,
    depth: FloatArray,
    semantic: IntArray,
    instance: IntArray,
) -> None:
    """Copy what a view shows to the pixels it serves."""
    row, column = face.nearest
    out.semantic.reshape(-1)[face.pixel] = semantic[row, column]
    out.instance.reshape(-1)[face.pixel] = instance[row, column]
    out.range.reshape(-1)[face.pixel] = face.ranges(depth, instance)
    top, left, low, right = face.around
    x, y = face.place[:, 0] - 0.5, face.place[:, 1] - 0.5
    across = (x - left).astype(np.float32)[:, None]
    down = (y - top).astype(np.float32)[:, None]
    out.radiance.reshape(-1, 3)[face.pixel] = (1 - down) * (
        (1 - across) * radiance[top, left] + across * radiance[top, right]
    ) + down * ((1 - across) * radiance[low, left] + across * radiance[low, right])


@lru_cache(maxsize=16)
def views(lens: Lens) -> tuple[Face, ...]:
    """Pinhole views that together see all that a lens sees, as fine as the lens in its middle."""
    rays = lens.rays().reshape(-1, 3)
    seen = np.isfinite(rays[:, 0])
    focal = max(lens.focal)
    if seen.all() and rays[:, 2].min() > 0.3:
        return (_one(rays, focal),)
    along = np.stack([np.where(seen, rays @ turn[2], -2.0) for turn in _TURNS.values()])
    best = along.argmax(0)
    edge = 2 * int(np.ceil(focal)) + 2 * _MARGIN
    camera = PinholeCamera(
        width_px=edge, height_px=edge, fov=float(2 * np.arctan(edge / 2 / focal))
    )
    faces = []
    for number, turn in enumerate(_TURNS.values()):
        pixel = np.flatnonzero(seen & (best == number))
        if len(pixel):
            faces.append(_serve(camera, turn, pixel, rays[pixel] @ turn.T))
    return tuple(faces)


def _one(rays: FloatArray, focal: float) -> Face:
    """One view ahead that is just wide enough."""
    flat = np.abs(rays[:, :2] / rays[:, 2:]).max(0)
    width, height = (2 * int(np.ceil(focal * edge)) + 2 * _MARGIN for edge in flat)
    camera = PinholeCamera(
        width_px=width, height_px=height, fov=float(2 * np.arctan(width / 2 / focal))
    )
    return _serve(camera, np.eye(3), np.arange(len(rays)), rays)


def _serve(camera: PinholeCamera, turn: FloatArray, pixel: IntArray, rays: FloatArray) -> Face:
    return Face(
        camera=camera,
        turn=turn,
        pixel=pixel,
        place=camera.project(rays),
        stretch=1.0 / rays[:, 2],
    )
