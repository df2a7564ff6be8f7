"""The outline of single things in a view as if nothing stood in front of them."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera import View
from scenegen.render.rasterizer import clip_near, cross_edge, to_camera
from scenegen.render.triangles import Triangles


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Silhouettes:
    """Outlines of K things in a view.

    Attributes:
        box: Smallest box around the projection, also beyond the picture: column and row of the
            first and the last edge [pixels], shape (K, 4); NaN for things behind the camera.
        pixels: Pixels within the picture whose centre ray meets the thing, shape (K,).
    """

    box: FloatArray
    pixels: IntArray


def trace(triangles: Triangles, view: View, rows: IntArray) -> Silhouettes:
    """Project some things one by one, each as if it stood alone.

    Args:
        triangles: What there is.
        view: From where it is seen.
        rows: Which things.
    """
    camera = view.camera
    points = to_camera(triangles, view, rows)
    box = np.full((len(rows), 4), np.nan)
    pixels = np.zeros(len(rows), np.int64)
    stamp = np.full((camera.height_px, camera.width_px), -1, np.int32)
    _trace(points, triangles.faces, triangles.first_face, rows, camera.focal_px, stamp, box, pixels)
    return Silhouettes(box=box, pixels=pixels)


@nb.njit(cache=True, nogil=True)
def _trace(points, faces, first_face, rows, focal, stamp, box, pixels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    height, width = stamp.shape
    polygon = np.empty((4, 3))
    flat = np.empty((4, 2))
    for n in range(len(rows)):
        low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
        for f in range(first_face[rows[n]], first_face[rows[n] + 1]):
            count = clip_near(points, faces, f, polygon)
            for q in range(count):
                x = focal * polygon[q, 0] / polygon[q, 2] + width / 2
                y = focal * polygon[q, 1] / polygon[q, 2] + height / 2
                flat[q, 0], flat[q, 1] = x, y
                low_x, high_x = min(low_x, x), max(high_x, x)
                low_y, high_y = min(low_y, y), max(high_y, y)
            for q in range(count - 2):
                pixels[n] += _stamp(flat, q, n, stamp)
        if high_x >= low_x:
            box[n, 0], box[n, 1], box[n, 2], box[n, 3] = low_x, low_y, high_x, high_y


@nb.njit(cache=True, nogil=True)
def _stamp(flat, q, n, stamp):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mark the pixels of a triangle with n; gives how many were not marked so before."""
    height, width = stamp.shape
    x0, y0 = flat[0, 0], flat[0, 1]
    x1, y1, x2, y2 = flat[q + 1, 0], flat[q + 1, 1], flat[q + 2, 0], flat[q + 2, 1]
    low, high = min(y0, y1, y2), max(y0, y1, y2)
    if high < 0.5 or low > height - 0.5 or max(x0, x1, x2) < 0.5 or min(x0, x1, x2) > width - 0.5:
        return 0
    new = 0
    for row in range(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))):
        y = row + 0.5
        begin, end = 1e30, -1e30
        begin, end = cross_edge(x0, y0, x1, y1, y, begin, end)
        begin, end = cross_edge(x1, y1, x2, y2, y, begin, end)
        begin, end = cross_edge(x2, y2, x0, y0, y, begin, end)
        if end < begin:
            continue
        left = max(0, int(np.ceil(max(begin, 0.0) - 0.5)))
        for column in range(left, int(np.ceil(min(end, float(width)) - 0.5))):
            if stamp[row, column] != n:
                stamp[row, column] = n
                new += 1
    return new
