"""The outline of single things in a view as if nothing stood in front of them."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera import View
from scenegen.render.screen import (
    centers_before,
    clip_near,
    flatten,
    from_the_top,
    project_thing,
)
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
    box = np.full((len(rows), 4), np.nan)
    pixels = np.zeros(len(rows), np.int64)
    stamp = np.full((camera.height_px, camera.width_px), -1, np.int32)
    _trace(
        (triangles.vertices, triangles.faces, triangles.first_vertex, triangles.first_face),
        rows,
        (np.ascontiguousarray(view.turn), view.eye, camera.focal_px),
        stamp,
        box,
        pixels,
    )
    return Silhouettes(box=box, pixels=pixels)


@nb.njit(cache=True, nogil=True)
def _trace(mesh, rows, pose, stamp, box, pixels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    vertices, faces, first_vertex, first_face = mesh
    height, width = stamp.shape
    most = 1
    for k in rows:
        most = max(most, first_vertex[k + 1] - first_vertex[k])
    points, screen = np.empty((most, 3)), np.empty((most, 3))
    polygon, flat = np.empty((4, 3)), np.empty((4, 3))
    for n in range(len(rows)):
        low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
        base = first_vertex[rows[n]]
        end = first_vertex[rows[n] + 1]
        project_thing(vertices, base, end, pose, height, width, points, screen)
        for f in range(first_face[rows[n]], first_face[rows[n] + 1]):
            a, b, c = faces[f, 0] - base, faces[f, 1] - base, faces[f, 2] - base
            count = clip_near(points, a, b, c, polygon)
            flatten(polygon, count, pose[2], height, width, flat)
            for q in range(count):
                low_x, high_x = min(low_x, flat[q, 0]), max(high_x, flat[q, 0])
                low_y, high_y = min(low_y, flat[q, 1]), max(high_y, flat[q, 1])
            for q in range(count - 2):
                pixels[n] += _stamp(flat, q, n, stamp)
        if high_x >= low_x:
            box[n, 0], box[n, 1], box[n, 2], box[n, 3] = low_x, low_y, high_x, high_y


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _stamp(flat, q, n, stamp):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mark the pixels of a triangle with n; gives how many were not marked so before."""
    height, width = stamp.shape
    i, j, k = from_the_top(flat, 0, q + 1, q + 2)
    x0, y0, x1, y1, x2, y2 = flat[i, 0], flat[i, 1], flat[j, 0], flat[j, 1], flat[k, 0], flat[k, 1]
    if max(x0, x1, x2) < 0.0 or min(x0, x1, x2) > width:
        return 0
    along, upper, lower = (x2 - x0) / (y2 - y0), (x1 - x0) / (y1 - y0), (x2 - x1) / (y2 - y1)
    middle, new = centers_before(y1, height), 0
    for row in range(centers_before(y0, height), centers_before(y2, height)):
        y = row + 0.5
        p = x0 + (y - y0) * along
        r = x0 + (y - y0) * upper if row < middle else x1 + (y - y1) * lower
        for column in range(centers_before(min(p, r), width), centers_before(max(p, r), width)):
            if stamp[row, column] != n:
                stamp[row, column] = n
                new += 1
    return new
