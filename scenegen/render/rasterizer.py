"""The visibility buffer: which triangle each pixel sees, by a z-buffer on 1 / depth."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.camera import NEAR, View
from scenegen.render.triangles import Triangles

NOTHING = -1
"""Face of a pixel that sees the sky."""
_HIDES = 24
"""Faces from which a thing is worth the test whether it is hidden altogether."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visibility:
    """What each pixel of a view sees.

    Attributes:
        view: The view.
        points: Vertices in the camera frame [m], shape (V, 3), float64; only those of things
            in the view are filled.
        face: Face index, NOTHING for sky, shape (height, width).
    """

    view: View
    points: FloatArray
    face: IntArray


def rasterize(triangles: Triangles, view: View, drawn: BoolArray | None = None) -> Visibility:
    """Find the nearest triangle along the ray through the centre of every pixel.

    Args:
        triangles: What there is.
        view: From where it is seen.
        drawn: Which things are drawn, shape (K,); all by default.
    """
    rows = view.visible(triangles)
    rows = rows if drawn is None else rows[drawn[rows]]
    points = to_camera(triangles, view, rows)
    camera = view.camera
    face = np.full((camera.height_px, camera.width_px), NOTHING, np.int32)
    inverse_depth = np.zeros(face.shape, np.float32)
    _draw(
        points,
        triangles.faces,
        triangles.first_face,
        rows,
        np.column_stack(
            [(triangles.sphere[rows, :3] - view.eye) @ view.turn.T, triangles.sphere[rows, 3]]
        ),
        camera.focal_px,
        inverse_depth,
        face,
    )
    return Visibility(view=view, points=points, face=face)


def to_camera(triangles: Triangles, view: View, rows: IntArray) -> FloatArray:
    """Vertices of some things in the camera frame [m]; other rows are undefined, (V, 3)."""
    points = np.empty(triangles.vertices.shape, np.float64)
    _transform(triangles.vertices, triangles.first_vertex, rows, view.turn, view.eye, points)
    return points


@nb.njit(cache=True, nogil=True)
def _transform(vertices, first_vertex, rows, turn, eye, points):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for k in rows:
        for i in range(first_vertex[k], first_vertex[k + 1]):
            x, y, z = vertices[i, 0] - eye[0], vertices[i, 1] - eye[1], vertices[i, 2] - eye[2]
            for c in range(3):
                points[i, c] = turn[c, 0] * x + turn[c, 1] * y + turn[c, 2] * z


@nb.njit(cache=True, nogil=True)
def _draw(points, faces, first_face, rows, balls, focal, inverse_depth, face):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    height, width = face.shape
    polygon = np.empty((4, 3))
    for n in range(len(rows)):
        k = rows[n]
        many = first_face[k + 1] - first_face[k] >= _HIDES
        if many and _is_hidden(balls[n], focal, inverse_depth):
            continue
        for f in range(first_face[k], first_face[k + 1]):
            count = clip_near(points, faces, f, polygon)
            for q in range(count - 2):
                _fill(polygon, q, focal, height, width, f, inverse_depth, face)


@nb.njit(cache=True, nogil=True)
def _is_hidden(ball, focal, inverse_depth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether all pixels that a sphere (x, y, z, radius) may cover show something before it."""
    near, far = ball[2] - ball[3], ball[2] + ball[3]
    if near <= NEAR:
        return False
    height, width = inverse_depth.shape
    left, right = ball[0] - ball[3], ball[0] + ball[3]
    top, bottom = ball[1] - ball[3], ball[1] + ball[3]
    first_column = focal * left / (near if left < 0 else far) + width / 2
    last_column = focal * right / (far if right < 0 else near) + width / 2
    first_row = focal * top / (near if top < 0 else far) + height / 2
    last_row = focal * bottom / (far if bottom < 0 else near) + height / 2
    nearest = np.float32(1.0 / near)
    for row in range(max(0, int(first_row - 1.0)), min(height, int(max(last_row, -1.0)) + 2)):
        for column in range(
            max(0, int(first_column - 1.0)), min(width, int(max(last_column, -1.0)) + 2)
        ):
            if inverse_depth[row, column] < nearest:
                return False
    return True


@nb.njit(cache=True, nogil=True, forceinline=True)
def clip_near(points, faces, f, polygon):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Cut a triangle at the near plane into `polygon`, rows of (x, y, z); gives their number."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
    if za < NEAR and zb < NEAR and zc < NEAR:
        return 0
    if za >= NEAR and zb >= NEAR and zc >= NEAR:
        for axis in range(3):
            polygon[0, axis] = points[a, axis]
            polygon[1, axis] = points[b, axis]
            polygon[2, axis] = points[c, axis]
        return 3
    count = 0
    for edge in range(3):
        i, j = faces[f, edge], faces[f, (edge + 1) % 3]
        zi, zj = points[i, 2], points[j, 2]
        if zi >= NEAR:
            polygon[count, 0], polygon[count, 1], polygon[count, 2] = points[i]
            count += 1
        if (zi >= NEAR) != (zj >= NEAR):
            s = (NEAR - zi) / (zj - zi)
            for axis in range(3):
                polygon[count, axis] = points[i, axis] + s * (points[j, axis] - points[i, axis])
            count += 1
    return count


@nb.njit(cache=True, nogil=True)
def _fill(polygon, q, focal, height, width, f, inverse_depth, face):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill the triangle (0, q + 1, q + 2) of a polygon, scanline by scanline."""
    w0, w1, w2 = 1.0 / polygon[0, 2], 1.0 / polygon[q + 1, 2], 1.0 / polygon[q + 2, 2]
    x0, y0 = focal * polygon[0, 0] * w0 + width / 2, focal * polygon[0, 1] * w0 + height / 2
    x1, y1 = focal * polygon[q + 1, 0] * w1 + width / 2, focal * polygon[q + 1, 1] * w1 + height / 2
    x2, y2 = focal * polygon[q + 2, 0] * w2 + width / 2, focal * polygon[q + 2, 1] * w2 + height / 2
    low_x, high_x = min(x0, x1, x2), max(x0, x1, x2)
    low_y, high_y = min(y0, y1, y2), max(y0, y1, y2)
    if high_x < 0.5 or low_x > width - 0.5 or high_y < 0.5 or low_y > height - 0.5:
        return
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0.0:
        return
    first = max(0, int(np.ceil(low_y - 0.5)))
    last = min(height - 1, int(np.ceil(high_y - 0.5)) - 1)
    # 1 / depth is linear on the screen: w = w0 + dwx (x - x0) + dwy (y - y0).
    dwx = ((w1 - w0) * (y2 - y0) - (w2 - w0) * (y1 - y0)) / area
    dwy = ((w2 - w0) * (x1 - x0) - (w1 - w0) * (x2 - x0)) / area
    for row in range(first, last + 1):
        y = row + 0.5
        begin, end = 1e30, -1e30
        begin, end = cross_edge(x0, y0, x1, y1, y, begin, end)
        begin, end = cross_edge(x1, y1, x2, y2, y, begin, end)
        begin, end = cross_edge(x2, y2, x0, y0, y, begin, end)
        if end < begin:
            continue
        left = max(0, int(np.ceil(max(begin, 0.0) - 0.5)))
        right = int(np.ceil(min(end, float(width)) - 0.5))
        base = w0 + dwx * (0.5 - x0) + dwy * (y - y0)
        for column in range(left, right):
            w = np.float32(base + dwx * column)
            if w > inverse_depth[row, column]:
                inverse_depth[row, column] = w
                face[row, column] = f


@nb.njit(cache=True, nogil=True, forceinline=True)
def cross_edge(xa, ya, xb, yb, y, begin, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Widen a span by the place where an edge crosses a scanline.

    The edge is always walked upward, so that two triangles agree to the bit on the one they
    share: no pixel is left out and none is filled twice.
    """
    if (ya <= y) == (yb <= y):
        return begin, end
    if ya > yb:
        xa, ya, xb, yb = xb, yb, xa, ya
    x = xa + (y - ya) * (xb - xa) / (yb - ya)
    return min(begin, x), max(end, x)
