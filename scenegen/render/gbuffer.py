"""The deferred resolve: geometry, labels and material of every pixel, from the visibility."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera import View
from scenegen.render.rasterizer import Visibility
from scenegen.render.surfaces import Lamp, MaterialTable
from scenegen.render.textures import EDGE, LEVEL_START, LEVELS, UNIT, Textures
from scenegen.render.triangles import Triangles

_EDGE = float(EDGE)
_PER_UNIT, _PER_STEP = 1.0 / float(UNIT), 1.0 / 255.0
_START = LEVEL_START.astype(np.int64)
_HEAD, _TAIL, _STREET, _ALWAYS = (
    int(lamp) for lamp in (Lamp.HEAD, Lamp.TAIL, Lamp.STREET, Lamp.ALWAYS)
)
WINDOW_LIGHT = (1.5, 1.05, 0.55)
"""Radiance of a lit pane, linear RGB, in the units of Material.emission."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Points on the image plane and the face that each of them sees.

    Attributes:
        face: Face index, NOTHING for sky, shape (S,).
        place: Image coordinates (column, row) [pixels], shape (S, 2), float64.
    """

    face: IntArray
    place: FloatArray

    @classmethod
    def centers(cls, visibility: Visibility) -> Samples:
        """One sample in the middle of every pixel, row by row."""
        height, width = visibility.face.shape
        return cls(face=visibility.face.reshape(-1), place=_centers(height, width))


@lru_cache(maxsize=8)
def _centers(height: int, width: int) -> FloatArray:
    """Centres of all pixels, row by row, (height * width, 2); shared, hence read-only."""
    rows, columns = np.divmod(np.arange(height * width), width)
    place = np.stack([columns + 0.5, rows + 0.5], -1)
    place.flags.writeable = False
    return place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GBuffer:
    """What every sample of a view shows, before any light falls on it.

    Attributes:
        view: The view.
        samples: The samples; the other arrays share their leading shape (S,).
        depth: Distance along the optical axis [m], 0 for sky, float32.
        semantic: SurfaceClass, uint8.
        instance: Instance number, uint16.
        normal: Unit normal towards the viewer, map axes, 0 for sky, shape (S, 3), float32.
        albedo: Diffuse reflectance, linear RGB, shape (S, 3), float32.
        gloss: Share of mirror reflection at normal incidence, float32.
        emission: Radiance it gives off by itself, linear RGB, shape (S, 3), float32.
    """

    view: View
    samples: Samples
    depth: FloatArray
    semantic: IntArray
    instance: IntArray
    normal: FloatArray
    albedo: FloatArray
    gloss: FloatArray
    emission: FloatArray


def resolve(
    triangles: Triangles,
    view: View,
    points: FloatArray,
    samples: Samples,
    textures: Textures,
    *,
    lamps_on: float,
) -> GBuffer:
    """Interpolate normals and textures and look up labels for every sample.

    Args:
        triangles: What there is.
        view: From where it is seen.
        points: Vertices in the camera frame, as `rasterize` gives them.
        samples: Which face each sample sees.
        textures: Bitmaps of the materials.
        lamps_on: How far street lamps and window lights are on, 0-1.
    """
    table = MaterialTable.of(textures.names)
    count = len(samples.face)
    out = GBuffer(
        view=view,
        samples=samples,
        depth=np.zeros(count, np.float32),
        semantic=np.zeros(count, np.uint8),
        instance=np.zeros(count, np.uint16),
        normal=np.zeros((count, 3), np.float32),
        albedo=np.zeros((count, 3), np.float32),
        gloss=np.zeros(count, np.float32),
        emission=np.zeros((count, 3), np.float32),
    )
    camera = view.camera
    optics = np.array([camera.focal_px, camera.width_px / 2, camera.height_px / 2])
    _resolve(
        samples.face,
        samples.place,
        points,
        view.turn,
        optics,
        (triangles.faces, triangles.normals, triangles.uv, triangles.material, triangles.owner),
        (triangles.surface, triangles.number, triangles.tint, triangles.lamps),
        (table.albedo, table.gloss, table.texture, table.tile, table.is_tinted, table.lamp),
        table.emission,
        textures.texels,
        lamps_on,
        (out.depth, out.semantic, out.instance, out.normal, out.albedo, out.gloss, out.emission),
    )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _resolve(  # type: ignore[no-untyped-def]  # noqa: ANN202
    face,  # noqa: ANN001
    place,  # noqa: ANN001
    points,  # noqa: ANN001
    turn,  # noqa: ANN001
    optics,  # noqa: ANN001
    mesh,  # noqa: ANN001
    things,  # noqa: ANN001
    table,  # noqa: ANN001
    shine,  # noqa: ANN001
    texels,  # noqa: ANN001
    lamps_on,  # noqa: ANN001
    out,  # noqa: ANN001
):
    faces, normals, uv, material, owner = mesh
    surface, number, tint, lamps = things
    albedo, gloss, texture, tile, is_tinted, lamp = table
    depth_out, semantic_out, instance_out, normal_out, albedo_out, gloss_out, emission_out = out
    per_px = 1.0 / optics[0]
    plane, normal = np.empty(16), np.empty(3)
    a, b, c, k, m, last = 0, 0, 0, 0, 0, -1
    for i in range(len(face)):
        f = face[i]
        if f < 0:
            continue
        x, y = (place[i, 0] - optics[1]) * per_px, (place[i, 1] - optics[2]) * per_px
        if f != last:
            last, a, b, c = f, int(faces[f, 0]), int(faces[f, 1]), int(faces[f, 2])
            k, m = int(owner[f]), int(material[f])
            _set_up(points, a, b, c, turn, plane)
        wa, wb, wc, facing = _weigh(plane, x, y)
        depth = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
        depth_out[i] = depth
        semantic_out[i] = surface[k]
        instance_out[i] = number[k]
        _blend(normals, a, b, c, wa, wb, wc, plane, facing, normal)
        for axis in range(3):
            normal_out[i, axis] = normal[axis]
        red, green, blue, alpha = 1.0, 1.0, 1.0, 0.0
        if texture[m] >= 0:
            per_tile = 1.0 / tile[m]
            u = (wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]) * per_tile
            v = (wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]) * per_tile
            size = depth * _footprint(plane[15], facing, x, y) * per_px * per_tile
            red, green, blue, alpha = sample(texels, texture[m], u, v, size)
        if is_tinted[m]:
            red, green, blue = red * tint[k, 0], green * tint[k, 1], blue * tint[k, 2]
        albedo_out[i, 0] = min(red * albedo[m, 0], 0.9)
        albedo_out[i, 1] = min(green * albedo[m, 1], 0.9)
        albedo_out[i, 2] = min(blue * albedo[m, 2], 0.9)
        # Alpha 0.4 is a dark pane, 1 a lit one; below 0.4 wall and pane mix in one pixel.
        gloss_out[i] = max(gloss[m], 0.09 * min(alpha * 2.5, 1.0))
        lit = max(alpha - 0.4, 0.0) * (1.0 / 0.6) * lamps_on
        bright = _brightness(lamp[m], lamps[k, 0], lamps[k, 1], lamps_on)
        if lit <= 0.0 and bright <= 0.0:
            continue
        for channel in range(3):
            emission_out[i, channel] = bright * shine[m, channel] + lit * WINDOW_LIGHT[channel]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _set_up(points, a, b, c, turn, plane):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Prepare a face for its pixels.

    Fills `plane` with the cross products of its corners two by two, which give the weights (9),
    its normal in map axes (3), its normal in camera axes (3), and the normal's length.
    """
    ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
    bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
    cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
    plane[0], plane[1], plane[2] = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    plane[3], plane[4], plane[5] = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    plane[6], plane[7], plane[8] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    for axis in range(3):
        plane[9 + axis] = turn[0, axis] * nx + turn[1, axis] * ny + turn[2, axis] * nz
    plane[12], plane[13], plane[14] = nx, ny, nz
    plane[15] = np.sqrt(nx * nx + ny * ny + nz * nz)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _weigh(plane, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Barycentric weights where the ray (x, y, 1) meets the plane of a face, and n . ray.

    The weight of a vertex is the triple product of the ray with the other two vertices: exact in
    space, hence correct in perspective and at the near plane (Olano and Greer, 1997).
    """
    wa = x * plane[0] + y * plane[1] + plane[2]
    wb = x * plane[3] + y * plane[4] + plane[5]
    wc = x * plane[6] + y * plane[7] + plane[8]
    total = wa + wb + wc
    scale = 1.0 / total if total != 0.0 else 0.0
    facing = x * plane[12] + y * plane[13] + plane[14]
    return wa * scale, wb * scale, wc * scale, facing


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _footprint(length, facing, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Edge of a pixel's footprint on a surface at depth 1, in pixels.

    Isotropic, between the short and the long axis of the true ellipse.
    """
    square = 1.0 + x * x + y * y
    slant = max(abs(facing) / max(length * np.sqrt(square), 1e-30), 0.02)
    return np.sqrt(square / slant)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _blend(normals, a, b, c, wa, wb, wc, plane, facing, normal):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Interpolate the unit normal on the side that is seen into `normal`.

    The face's own normal decides which side is seen: a smooth normal may point away near a
    silhouette without the face doing so.
    """
    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
    agrees = plane[9] * nx + plane[10] * ny + plane[11] * nz > 0.0
    scale = 1.0 / max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
    if (facing > 0.0) == agrees:
        scale = -scale
    normal[0], normal[1], normal[2] = scale * nx, scale * ny, scale * nz


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sample(texels, bitmap, u, v, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Read a bitmap, bilinear at the mip level of a footprint.

    Args:
        texels: All levels of all bitmaps, shape (B, texels, 4).
        bitmap: Which bitmap.
        u: Coordinate across, one unit per repetition.
        v: Coordinate up.
        size: Edge of the pixel's footprint in the same unit.

    Returns:
        Three factors for the albedo and the alpha.
    """
    texel = size * _EDGE * 1.4142
    level = 0
    while texel >= 2.0 and level < LEVELS - 1:
        texel *= 0.5
        level += 1
    edge = EDGE >> level
    s, t = (u - np.floor(u)) * edge + (edge - 0.5), (v - np.floor(v)) * edge + (edge - 0.5)
    s0, t0 = int(s), int(t)
    fs, ft = s - s0, t - t0
    mask = edge - 1
    left, right = s0 & mask, (s0 + 1) & mask
    start = _START[level]
    low, high = start + (t0 & mask) * edge, start + ((t0 + 1) & mask) * edge
    w00, w01 = (1 - ft) * (1 - fs), (1 - ft) * fs
    w10, w11 = ft * (1 - fs), ft * fs
    p, q, r, o = low + left, low + right, high + left, high + right
    red = w00 * texels[bitmap, p, 0] + w01 * texels[bitmap, q, 0]
    red += w10 * texels[bitmap, r, 0] + w11 * texels[bitmap, o, 0]
    green = w00 * texels[bitmap, p, 1] + w01 * texels[bitmap, q, 1]
    green += w10 * texels[bitmap, r, 1] + w11 * texels[bitmap, o, 1]
    blue = w00 * texels[bitmap, p, 2] + w01 * texels[bitmap, q, 2]
    blue += w10 * texels[bitmap, r, 2] + w11 * texels[bitmap, o, 2]
    alpha = w00 * texels[bitmap, p, 3] + w01 * texels[bitmap, q, 3]
    alpha += w10 * texels[bitmap, r, 3] + w11 * texels[bitmap, o, 3]
    return red * _PER_UNIT, green * _PER_UNIT, blue * _PER_UNIT, alpha * _PER_STEP


@nb.njit(cache=True, nogil=True, forceinline=True)
def _brightness(lamp, head, tail, lamps_on):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """How bright a material shines, by its switch."""
    if lamp == _HEAD:
        return head
    if lamp == _TAIL:
        return tail
    if lamp == _STREET:
        return lamps_on
    return 1.0 if lamp == _ALWAYS else 0.0
