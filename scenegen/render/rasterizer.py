"""The visibility buffer: which triangle each pixel sees, by a z-buffer on 1 / depth."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.camera import NEAR, View
from scenegen.render.screen import (
    centers_before,
    clip_near,
    flatten,
    from_the_top,
    project_thing,
)
from scenegen.render.triangles import Triangles

NOTHING = -1
"""Face of a pixel that sees the sky."""
_HIDES = 24
"""Faces from which a thing is worth the test whether it is hidden altogether."""
_TILE = 8
"""Edge of the tiles whose farthest depth is kept [pixels]."""
_FEW = 64
"""Tiles up to which a triangle is worth the test whether it is hidden."""
_ABOVE = 1.000001
"""Factor on the largest 1 / depth of a triangle that no rounding of its pixels exceeds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visibility:
    """What each pixel of a view sees.

    Attributes:
        view: The view.
        face: Face index, NOTHING for sky, shape (height, width).
        inverse_depth: 1 / depth [1/m], 0 for sky, shape (height, width), float32.
    """

    view: View
    face: IntArray
    inverse_depth: FloatArray


def rasterize(triangles: Triangles, view: View, drawn: BoolArray | None = None) -> Visibility:
    """Find the nearest triangle along the ray through the centre of every pixel.

    Things are drawn from near to far. What cannot be seen is left out early: things outside
    the view, then things and triangles that lie behind all that their tiles of the picture show
    (Greene, Kass and Miller, 1993, with two levels). Neither changes a bit of the result.

    Args:
        triangles: What there is.
        view: From where it is seen.
        drawn: Which things are drawn, shape (K,); all by default.
    """
    rows = view.visible(triangles)
    rows = rows if drawn is None else rows[drawn[rows]]
    camera = view.camera
    face = np.full((camera.height_px, camera.width_px), NOTHING, np.int32)
    inverse_depth = np.zeros(face.shape, np.float32)
    tiles = np.zeros((-(-face.shape[0] // _TILE), -(-face.shape[1] // _TILE)), np.float32)
    ball = triangles.sphere[rows]
    _draw(
        (triangles.vertices, triangles.faces, triangles.first_vertex, triangles.first_face),
        rows,
        np.column_stack([(ball[:, :3] - view.eye) @ view.turn.T, ball[:, 3]]),
        (np.ascontiguousarray(view.turn), view.eye, camera.focal_px),
        (inverse_depth, face),
        (tiles, np.zeros(tiles.shape, np.bool_)),
    )
    return Visibility(view=view, face=face, inverse_depth=inverse_depth)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _draw(mesh, rows, balls, pose, out, tiles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    vertices, faces, first_vertex, first_face = mesh
    height, width = out[1].shape
    most, many = 1, 1
    for k in rows:
        most = max(most, first_vertex[k + 1] - first_vertex[k])
        many = max(many, first_face[k + 1] - first_face[k])
    points, screen = np.empty((most, 3)), np.empty((most, 3))
    polygon, flat = np.empty((4, 3)), np.empty((4, 3))
    box = np.empty(4, np.int64)
    record, spans = np.empty((2 * many, 10)), np.empty((2 * many, 4), np.int32)
    for n in range(len(rows)):
        k = rows[n]
        _frame(balls[n], pose[2], height, width, box)
        count, size = 0, (height, width)
        if first_face[k + 1] - first_face[k] >= _HIDES and _is_hidden(balls[n], box, out[0], tiles):
            continue
        base = first_vertex[k]
        project_thing(vertices, base, first_vertex[k + 1], pose, height, width, points, screen)
        for f in range(first_face[k], first_face[k + 1]):
            a, b, c = faces[f, 0] - base, faces[f, 1] - base, faces[f, 2] - base
            wa, wb, wc = screen[a, 2], screen[b, 2], screen[c, 2]
            if wa > 0.0 and wb > 0.0 and wc > 0.0:
                count = _prepare(screen, a, b, c, f, size, tiles[0], record, spans, count)
            elif wa > 0.0 or wb > 0.0 or wc > 0.0:
                corners = clip_near(points, a, b, c, polygon)
                flatten(polygon, corners, pose[2], height, width, flat)
                for q in range(corners - 2):
                    count = _prepare(flat, 0, q + 1, q + 2, f, size, tiles[0], record, spans, count)
        _paint(record, spans, count, out)
        tiles[1][box[0] : box[1], box[2] : box[3]] = True


@nb.njit(cache=True, nogil=True)
def _frame(ball, focal, height, width, box):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bounds in tiles of what a sphere (x, y, z, radius) may cover: rows, then columns."""
    near, far = ball[2] - ball[3], ball[2] + ball[3]
    rows, columns = (height + _TILE - 1) // _TILE, (width + _TILE - 1) // _TILE
    box[0], box[1], box[2], box[3] = 0, rows, 0, columns
    if near <= NEAR:
        return
    left, right = ball[0] - ball[3], ball[0] + ball[3]
    top, bottom = ball[1] - ball[3], ball[1] + ball[3]
    first_column = focal * left / (near if left < 0 else far) + width / 2 - 1.0
    last_column = focal * right / (far if right < 0 else near) + width / 2 + 1.0
    first_row = focal * top / (near if top < 0 else far) + height / 2 - 1.0
    last_row = focal * bottom / (far if bottom < 0 else near) + height / 2 + 1.0
    box[0] = int(min(max(first_row, 0.0), float(height))) // _TILE
    box[1] = min(int(min(max(last_row, -1.0), float(height)) + _TILE) // _TILE, rows)
    box[2] = int(min(max(first_column, 0.0), float(width))) // _TILE
    box[3] = min(int(min(max(last_column, -1.0), float(width)) + _TILE) // _TILE, columns)


@nb.njit(cache=True, nogil=True)
def _is_hidden(ball, box, inverse_depth, tiles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether all tiles that a sphere may cover show something before it."""
    farthest, stale = tiles
    near = ball[2] - ball[3]
    if near <= NEAR:
        return False
    nearest = np.float32(_ABOVE / near)
    for row in range(box[0], box[1]):
        for column in range(box[2], box[3]):
            if farthest[row, column] >= nearest:
                continue
            if not stale[row, column]:
                return False
            farthest[row, column] = _farthest(inverse_depth, row, column)
            stale[row, column] = False
            if farthest[row, column] < nearest:
                return False
    return True


@nb.njit(cache=True, nogil=True)
def _farthest(inverse_depth, row, column):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Smallest 1 / depth in a tile."""
    height, width = inverse_depth.shape
    least = np.float32(np.inf)
    for y in range(row * _TILE, min(height, (row + 1) * _TILE)):
        for x in range(column * _TILE, min(width, (column + 1) * _TILE)):
            w = inverse_depth[y, x]
            least = w if w < least else least
    return least


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _prepare(screen, a, b, c, f, size, farthest, record, spans, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Note what it takes to draw a triangle, unless it covers no pixel or is hidden."""
    height, width = size
    ya, yb, yc = screen[a, 1], screen[b, 1], screen[c, 1]
    low, high = min(ya, yb, yc), max(ya, yb, yc)
    xa, xb, xc = screen[a, 0], screen[b, 0], screen[c, 0]
    first, last = centers_before(low, height), centers_before(high, height)
    begin = centers_before(min(xa, xb, xc), width)
    end = centers_before(max(xa, xb, xc), width)
    if last <= first or end <= begin:
        return n
    most = max(screen[a, 2], screen[b, 2], screen[c, 2])
    if _is_behind(first, last, begin, end, most, farthest):
        return n
    i, j, k = from_the_top(screen, a, b, c)
    x0, y0, w0 = screen[i, 0], screen[i, 1], screen[i, 2]
    x1, y1, w1 = screen[j, 0], screen[j, 1], screen[j, 2]
    x2, y2, w2 = screen[k, 0], screen[k, 1], screen[k, 2]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0.0:
        return n
    # 1 / depth is linear on the screen: w = w0 + dwx (x - x0) + dwy (y - y0).
    inverse = 1.0 / area
    dwx = ((w1 - w0) * (y2 - y0) - (w2 - w0) * (y1 - y0)) * inverse
    dwy = ((w2 - w0) * (x1 - x0) - (w1 - w0) * (x2 - x0)) * inverse
    record[n, 0], record[n, 1], record[n, 2], record[n, 3] = x0, y0, x1, y1
    record[n, 4] = (x2 - x0) / (y2 - y0)
    record[n, 5] = (x1 - x0) / (y1 - y0)
    record[n, 6] = (x2 - x1) / (y2 - y1)
    record[n, 7], record[n, 8], record[n, 9] = w0 + dwx * (0.5 - x0), dwx, dwy
    spans[n, 0], spans[n, 1], spans[n, 2] = first, centers_before(y1, height), last
    spans[n, 3] = f
    return n + 1


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _paint(record, spans, count, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Draw triangles row by row."""
    inverse_depth, face = out
    width = face.shape[1]
    for n in range(count):
        x0, y0, x1, y1 = record[n, 0], record[n, 1], record[n, 2], record[n, 3]
        along, upper, lower = record[n, 4], record[n, 5], record[n, 6]
        start, dwx, dwy = record[n, 7], record[n, 8], record[n, 9]
        middle, f = spans[n, 1], spans[n, 3]
        for row in range(spans[n, 0], spans[n, 2]):
            y = row + 0.5
            p = x0 + (y - y0) * along
            q = x0 + (y - y0) * upper if row < middle else x1 + (y - y1) * lower
            left, right = centers_before(min(p, q), width), centers_before(max(p, q), width)
            base = start + dwy * (y - y0)
            near, seen = inverse_depth[row, left:right], face[row, left:right]
            base += dwx * left
            for i in range(right - left):
                w, before = np.float32(base + dwx * i), near[i]
                near[i] = w if w > before else before
                seen[i] = f if w > before else seen[i]


@nb.njit(cache=True, nogil=True, forceinline=True)
def _is_behind(first, last, begin, end, nearest, farthest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether all tiles that a box of pixels touches show something before a given 1 / depth."""
    top, bottom = first // _TILE, (last - 1) // _TILE
    left, right = begin // _TILE, (end - 1) // _TILE
    if (bottom - top + 1) * (right - left + 1) > _FEW:
        return False
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            if farthest[row, column] < nearest * _ABOVE:
                return False
    return True
