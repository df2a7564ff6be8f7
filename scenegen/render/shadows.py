"""Shadow maps: how far light comes down along parallel rays, from the sun or from overhead."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.render.screen import cross_edge
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.triangles import Triangles

CASTERS = np.array(
    [
        c
        not in {
            SurfaceClass.ROAD,
            SurfaceClass.MARKING,
            SurfaceClass.SIDEWALK,
            SurfaceClass.TERRAIN,
        }
        for c in SurfaceClass
    ]
)
"""Whether things of a class throw shadows; the ground does not."""
FARTHEST = 600.0
"""Things with a larger radius (hills) throw no shadow [m]."""
UNDER = 1.6
"""Things count as cover up to this height for the shade beneath and beside them [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShadowMap:
    """Heights along an axis at which parallel light first meets something.

    Attributes:
        axes: Rows are two axes across the light and the axis towards it, shape (3, 3).
        corner: Coordinates of the map's corner along the first two axes [m], shape (2,).
        texel: Edge of a texel [m].
        height: Coordinate along the light where it first meets something, -inf where nothing,
            shape (edge, edge), float32.
    """

    axes: FloatArray
    corner: FloatArray
    texel: float
    height: FloatArray


def shadow_map(
    triangles: Triangles,
    direction: FloatArray,
    center: FloatArray,
    half: float,
    edge: int,
    casters: BoolArray | None = None,
) -> ShadowMap:
    """Follow parallel light down onto the triangles.

    Args:
        triangles: What there is.
        direction: Unit vector towards the light, map axes, shape (3,).
        center: Middle of the lit region, relative to the triangles' origin [m], shape (3,).
        half: Half the edge of the region [m].
        edge: Texels along the edge.
        casters: Which things throw shadows, shape (K,); by default all but the ground and hills.
    """
    helper = np.array([0.0, 1.0, 0.0]) if abs(direction[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
    across = np.cross(helper, direction)
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(direction, across), direction])
    texel = 2 * half / edge
    # Whole texels, so that shadows do not crawl when the ego moves.
    corner = np.round((axes[:2] @ center - half) / texel) * texel
    ball = triangles.sphere
    place = ball[:, :3] @ axes[:2].T - corner - half
    near = (np.abs(place) < half + ball[:, 3:]).all(-1)
    if casters is None:
        casters = CASTERS[triangles.surface] & (ball[:, 3] < FARTHEST)
    rows = np.flatnonzero(near & casters)
    height = np.full((edge, edge), -np.inf, np.float32)
    _cast_down(
        triangles.vertices,
        triangles.faces,
        triangles.first_vertex,
        triangles.first_face,
        rows,
        axes,
        corner,
        texel,
        height,
    )
    return ShadowMap(axes=axes, corner=corner, texel=texel, height=height)


def cover_map(triangles: Triangles, center: FloatArray, half: float, edge: int) -> ShadowMap:
    """How much things stand over and beside the ground: their height, capped and blurred.

    Gives a map from overhead whose `height` is the share of the sky they hide from the
    ground, 0-1: the soft contact shadow that is there even without sun.
    """
    top = shadow_map(triangles, np.array([0.0, 0.0, 1.0]), center, half, edge)
    rise = np.clip(top.height, 0.0, UNDER) / UNDER
    near = cv2.GaussianBlur(rise, (0, 0), 0.35 / top.texel)
    wide = cv2.GaussianBlur(rise, (0, 0), 1.4 / top.texel)
    share = np.clip(0.55 * near + 0.35 * wide, 0.0, 0.85)
    return ShadowMap(axes=top.axes, corner=top.corner, texel=top.texel, height=share)


@nb.njit(cache=True, nogil=True)
def _cast_down(vertices, faces, first_vertex, first_face, rows, axes, corner, texel, height):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    most = 1
    for k in rows:
        most = max(most, first_vertex[k + 1] - first_vertex[k])
    points, flat = np.empty((most, 3)), vertices.reshape(-1)
    light = (
        *(axes[0, 0], axes[0, 1], axes[0, 2], axes[1, 0], axes[1, 1], axes[1, 2]),
        *(axes[2, 0], axes[2, 1], axes[2, 2], corner[0], corner[1], texel),
    )
    for k in rows:
        base = first_vertex[k]
        _to_light(flat[3 * base : 3 * first_vertex[k + 1]], light, points.reshape(-1))
        for f in range(first_face[k], first_face[k + 1]):
            _fill_flat(points, faces[f, 0] - base, faces[f, 1] - base, faces[f, 2] - base, height)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _to_light(vertices, light, points):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bring vertices into texels and heights along the light; all in a row, to be vectorised."""
    ax, ay, az, bx, by, bz, cx, cy, cz, left, low, texel = light
    for i in range(len(vertices) // 3):
        x, y, z = vertices[3 * i], vertices[3 * i + 1], vertices[3 * i + 2]
        points[3 * i] = (ax * x + ay * y + az * z - left) / texel
        points[3 * i + 1] = (bx * x + by * y + bz * z - low) / texel
        points[3 * i + 2] = cx * x + cy * y + cz * z


@nb.njit(cache=True, nogil=True, forceinline=True)
def _fill_flat(points, a, b, c, height):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    edge = height.shape[0]
    x0, y0, h0 = points[a, 0], points[a, 1], points[a, 2]
    x1, y1, h1 = points[b, 0], points[b, 1], points[b, 2]
    x2, y2, h2 = points[c, 0], points[c, 1], points[c, 2]
    if min(x0, x1, x2) > edge or max(x0, x1, x2) < 0 or min(y0, y1, y2) > edge:
        return
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0.0:
        return
    dhx = ((h1 - h0) * (y2 - y0) - (h2 - h0) * (y1 - y0)) / area
    dhy = ((h2 - h0) * (x1 - x0) - (h1 - h0) * (x2 - x0)) / area
    first = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
    last = min(edge - 1, int(np.ceil(max(y0, y1, y2) - 0.5)) - 1)
    for row in range(first, last + 1):
        y = row + 0.5
        begin, end = 1e30, -1e30
        begin, end = cross_edge(x0, y0, x1, y1, y, begin, end)
        begin, end = cross_edge(x1, y1, x2, y2, y, begin, end)
        begin, end = cross_edge(x2, y2, x0, y0, y, begin, end)
        if end < begin:
            continue
        left = max(0, int(np.ceil(max(begin, 0.0) - 0.5)))
        right = int(np.ceil(min(end, float(edge)) - 0.5))
        for column in range(left, right):
            h = np.float32(h0 + dhx * (column + 0.5 - x0) + dhy * (y - y0))
            height[row, column] = max(height[row, column], h)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sunlit(point, n, cosine, axes, corner, texel, height):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Share of the light that reaches a surface, 0-1, from the four texels around it.

    Args:
        point: Place on the surface [m].
        n: Its unit normal.
        cosine: Cosine of the angle between the normal and the light, above 0.
        axes: ShadowMap.axes.
        corner: ShadowMap.corner.
        texel: ShadowMap.texel.
        height: ShadowMap.height.

    Returns:
        The share, -1 off the map.
    """
    # A texel's width off a slanting surface, so that it does not shade itself (Holbert, 2011).
    off = 1.1 * texel * np.sqrt(max(1.0 - cosine * cosine, 0.0))
    x, y, z = point[0] + off * n[0], point[1] + off * n[1], point[2] + off * n[2]
    s = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - corner[0]) / texel - 0.5
    t = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - corner[1]) / texel - 0.5
    h = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z + 0.03 + 0.1 * texel
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    edge = height.shape[0]
    if s0 < 0 or t0 < 0 or s0 >= edge - 1 or t0 >= edge - 1:
        return -1.0
    fs, ft = s - s0, t - t0
    low = (1 - fs) * (height[t0, s0] <= h) + fs * (height[t0, s0 + 1] <= h)
    high = (1 - fs) * (height[t0 + 1, s0] <= h) + fs * (height[t0 + 1, s0 + 1] <= h)
    return (1 - ft) * low + ft * high


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def lookup(x, y, corner, texel, height):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Read a map from overhead bilinearly at a place; 0 outside."""
    s, t = (x - corner[0]) / texel - 0.5, (y - corner[1]) / texel - 0.5
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    edge = height.shape[0]
    if s0 < 0 or t0 < 0 or s0 >= edge - 1 or t0 >= edge - 1:
        return 0.0
    fs, ft = s - s0, t - t0
    low = (1 - fs) * height[t0, s0] + fs * height[t0, s0 + 1]
    high = (1 - fs) * height[t0 + 1, s0] + fs * height[t0 + 1, s0 + 1]
    return (1 - ft) * low + ft * high
