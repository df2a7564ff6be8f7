"""The deferred resolve: geometry, labels and material of every pixel, from the visibility.

Each face that is seen is prepared once: all its attributes are planes over the image divided by
its depth, so that a pixel takes one division and one look at a bitmap.
"""

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

_PER_UNIT, _PER_STEP = np.float32(1.0 / (256.0 * UNIT)), np.float32(1.0 / (256.0 * 255.0))
_START = LEVEL_START.astype(np.int64)
_HEAD, _TAIL, _STREET, _ALWAYS = (
    int(lamp) for lamp in (Lamp.HEAD, Lamp.TAIL, Lamp.STREET, Lamp.ALWAYS)
)
WINDOW_LIGHT = (1.5, 1.05, 0.55)
"""Radiance of a lit pane, linear RGB, in the units of Material.emission."""
_BRIGHTEST, _PANE_GLOSS = np.float32(0.9), np.float32(0.09)
_EVEN_BYTES, _LANE = np.uint64(0x00FF00FF), np.uint64(0xFFFF)
_ONE_BYTE, _ONE_LANE, _TWO_LANES, _THREE_LANES = (np.uint64(bits) for bits in (8, 16, 32, 48))
_FACING, _HEIGHT, _ACROSS, _UP, _LENGTH, _FINE = 0, 3, 4, 7, 10, 11
_TINT, _SHINE, _GLOSS, _NORMAL, _OWN, _PLAN = 12, 15, 18, 19, 28, 31
"""Columns of a prepared face: its normal in camera axes (3), its distance times the length of
that, planes of both texture coordinates (3 + 3), length of the normal, squared texels per metre
times pixel, albedo (3), emission (3), gloss, planes of the normal in map axes (9; of a flat face
the normal (3)), its own normal in map axes towards the camera (3)."""


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
    samples: Samples,
    textures: Textures,
    *,
    lamps_on: float,
) -> GBuffer:
    """Interpolate normals and textures and look up labels for every sample.

    Args:
        triangles: What there is.
        view: From where it is seen.
        samples: Which face each sample sees.
        textures: Bitmaps of the materials.
        lamps_on: How far street lamps and window lights are on, 0-1.
    """
    table = _material_table(textures.names)
    out = _allocate(view, samples)
    camera = view.camera
    slot = np.full(triangles.count, -1, np.int32)
    seen = np.empty(min(len(samples.face), triangles.count), np.int32)
    seen = np.sort(seen[: _list_faces(samples.face, slot, seen)])  # In order of memory.
    slot[seen] = np.arange(len(seen), dtype=np.int32)
    plan, kind = np.empty((len(seen), _PLAN)), np.empty((len(seen), 5), np.int32)
    mesh = (triangles.vertices, triangles.faces, triangles.normals, triangles.uv)
    pose = (np.ascontiguousarray(view.turn), view.eye)
    _prepare(seen, mesh, pose, triangles.material, table.tile, plan)
    _describe(
        seen,
        (triangles.material, triangles.owner),
        (triangles.surface, triangles.number, triangles.tint, triangles.lamps),
        (table.albedo, table.gloss, table.texture, table.tile, table.is_tinted, table.lamp),
        (table.emission, lamps_on, 1.0 / camera.focal_px),
        plan,
        kind,
    )
    _resolve(
        samples.face,
        samples.place,
        slot,
        (camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        (plan, kind),
        textures.texels.view(np.uint32)[..., 0],
        lamps_on,
        (out.depth, out.semantic, out.instance, out.normal, out.albedo, out.gloss, out.emission),
    )
    return out


@lru_cache(maxsize=8)
def _material_table(names: tuple[str, ...]) -> MaterialTable:
    return MaterialTable.of(names)


def _allocate(view: View, samples: Samples) -> GBuffer:
    """Make room for all arrays in two blocks: few large ones spare most page faults.

    Labels, which are often kept, lie apart from the rest.
    """
    count = len(samples.face)
    rest, labels = np.empty((10, count), np.float32), np.empty(7 * count, np.uint8)
    rest[6:9] = 0.0  # Few things shine: only they are written.
    return GBuffer(
        view=view,
        samples=samples,
        depth=labels[: 4 * count].view(np.float32),
        instance=labels[4 * count : 6 * count].view(np.uint16),
        semantic=labels[6 * count :],
        normal=rest[:3].reshape(count, 3),
        albedo=rest[3:6].reshape(count, 3),
        emission=rest[6:9].reshape(count, 3),
        gloss=rest[9],
    )


@nb.njit(cache=True, nogil=True)
def _list_faces(face, slot, seen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """List the faces that are seen in `seen`, and mark them in `slot`; gives how many."""
    count, last = 0, -1
    for i in range(len(face)):
        f = face[i]
        if f == last or f < 0:
            continue
        last = f
        if slot[f] < 0:
            slot[f], seen[count] = 0, f
            count += 1
    return count


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _prepare(seen, mesh, pose, material, tile, plan):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the geometry of the faces that are seen.

    The weight of a corner is the triple product of the ray with the other two corners: exact in
    space, hence correct in perspective and at the near plane (Olano and Greer, 1997).
    """
    vertices, faces, normals, uv = mesh
    weight = np.empty((3, 3))
    for s in range(len(seen)):
        f, row = seen[s], plan[s]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        p, q, r = _seen(vertices, a, pose), _seen(vertices, b, pose), _seen(vertices, c, pose)
        _cross(q, r, weight[0])
        _cross(r, p, weight[1])
        _cross(p, q, weight[2])
        per_tile = 1.0 / tile[material[f]]
        square = 0.0
        for axis in range(3):
            wa, wb, wc = weight[0, axis], weight[1, axis], weight[2, axis]
            row[_FACING + axis] = wa + wb + wc
            row[_ACROSS + axis] = (wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]) * per_tile
            row[_UP + axis] = (wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]) * per_tile
            square += row[_FACING + axis] * row[_FACING + axis]
        row[_HEIGHT] = p[0] * row[0] + p[1] * row[1] + p[2] * row[2]
        row[_LENGTH] = np.sqrt(square)
        _prepare_normal(normals, a, b, c, weight, pose[0], row)


@nb.njit(cache=True, nogil=True, forceinline=True)
def _seen(vertices, i, pose):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bring a vertex into the camera frame."""
    turn, eye = pose
    x, y, z = vertices[i, 0] - eye[0], vertices[i, 1] - eye[1], vertices[i, 2] - eye[2]
    return (
        turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z,
        turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z,
        turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z,
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _cross(p, q, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out[0], out[1] = p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2]
    out[2] = p[0] * q[1] - p[1] * q[0]


@nb.njit(cache=True, nogil=True, forceinline=True)
def _prepare_normal(normals, a, b, c, weight, turn, row):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the planes of a smooth normal, or the normal of a flat face.

    The face's own normal decides which side is seen: a smooth normal may point away near a
    silhouette without the face doing so.
    """
    side = -1.0 if row[_HEIGHT] > 0.0 else 1.0
    agree, smooth = 0.0, False
    for axis in range(3):
        own = turn[0, axis] * row[0] + turn[1, axis] * row[1] + turn[2, axis] * row[2]
        row[_OWN + axis] = side * own
        na, nb_, nc = normals[a, axis], normals[b, axis], normals[c, axis]
        agree += side * own * na
        smooth = smooth or na != nb_ or na != nc
        for d in range(3):
            blend = na * weight[0, d] + nb_ * weight[1, d] + nc * weight[2, d]
            row[_NORMAL + 3 * axis + d] = blend
    row[_FINE] = 1.0 if smooth else 0.0
    if not smooth:
        sign = 1.0 if agree > 0.0 else -1.0
        for axis in range(3):
            row[_NORMAL + axis] = sign * normals[a, axis]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _describe(seen, mesh, things, table, light, plan, kind):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in labels and material of the faces that are seen."""
    material, owner = mesh
    surface, number, tint, lamps = things
    albedo, gloss, texture, tile, is_tinted, lamp = table
    shine, lamps_on, per_px = light
    for s in range(len(seen)):
        k, m = int(owner[seen[s]]), int(material[seen[s]])
        bright = _brightness(lamp[m], lamps[k, 0], lamps[k, 1], lamps_on)
        kind[s, 0], kind[s, 1], kind[s, 2] = surface[k], number[k], texture[m]
        kind[s, 3], kind[s, 4] = int(plan[s, _FINE]), int(bright > 0.0)
        for channel in range(3):
            hue = tint[k, channel] if is_tinted[m] else 1.0
            plan[s, _TINT + channel] = albedo[m, channel] * hue
            plan[s, _SHINE + channel] = bright * shine[m, channel]
        plan[s, _GLOSS] = gloss[m]
        fine = per_px / tile[m] * EDGE * 1.4142
        plan[s, _FINE] = fine * fine


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _resolve(face, place, slot, optics, prepared, texels, lamps_on, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth_out, semantic_out, instance_out, normal_out, albedo_out, gloss_out, emission_out = out
    plan, kind = prepared
    per_px = 1.0 / optics[0]
    one, lit_per_alpha = np.float32(1.0), np.float32(lamps_on / 0.6)
    for i in range(len(face)):
        if face[i] < 0:
            depth_out[i], semantic_out[i], instance_out[i], gloss_out[i] = 0.0, 0, 0, 0.0
            for channel in range(3):
                normal_out[i, channel], albedo_out[i, channel] = 0.0, 0.0
            continue
        s = slot[face[i]]
        bitmap = kind[s, 2]
        x, y = (place[i, 0] - optics[1]) * per_px, (place[i, 1] - optics[2]) * per_px
        facing = x * plan[s, 0] + y * plan[s, 1] + plan[s, 2]
        q = 1.0 / facing if facing != 0.0 else 0.0
        depth = plan[s, _HEIGHT] * q
        depth_out[i], semantic_out[i], instance_out[i] = depth, kind[s, 0], kind[s, 1]
        nx, ny, nz = plan[s, _NORMAL], plan[s, _NORMAL + 1], plan[s, _NORMAL + 2]
        if kind[s, 3] > 0:
            nx, ny, nz = _smooth_normal(plan, s, x, y, q)
        normal_out[i, 0], normal_out[i, 1], normal_out[i, 2] = nx, ny, nz
        red, green, blue, alpha = one, one, one, np.float32(0.0)
        if bitmap >= 0:
            u = (x * plan[s, _ACROSS] + y * plan[s, _ACROSS + 1] + plan[s, _ACROSS + 2]) * q
            v = (x * plan[s, _UP] + y * plan[s, _UP + 1] + plan[s, _UP + 2]) * q
            level = _mip_level(
                plan[s, _FINE] * depth * depth * _footprint(plan[s, _LENGTH] * q, x, y)
            )
            red, green, blue, alpha = _look_up(texels, bitmap, u, v, level)
        albedo_out[i, 0] = min(red * np.float32(plan[s, _TINT]), _BRIGHTEST)
        albedo_out[i, 1] = min(green * np.float32(plan[s, _TINT + 1]), _BRIGHTEST)
        albedo_out[i, 2] = min(blue * np.float32(plan[s, _TINT + 2]), _BRIGHTEST)
        # Alpha 0.4 is a dark pane, 1 a lit one; below 0.4 wall and pane mix in one pixel.
        pane = _PANE_GLOSS * min(alpha * np.float32(2.5), one)
        gloss_out[i] = max(np.float32(plan[s, _GLOSS]), pane)
        lit = max(alpha - np.float32(0.4), np.float32(0.0)) * lit_per_alpha
        if lit > 0.0 or kind[s, 4] > 0:
            for channel in range(3):
                emission_out[i, channel] = plan[s, _SHINE + channel] + lit * WINDOW_LIGHT[channel]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _smooth_normal(plan, s, x, y, q):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Interpolate the unit normal on the side that is seen."""
    nx = (x * plan[s, _NORMAL] + y * plan[s, _NORMAL + 1] + plan[s, _NORMAL + 2]) * q
    ny = (x * plan[s, _NORMAL + 3] + y * plan[s, _NORMAL + 4] + plan[s, _NORMAL + 5]) * q
    nz = (x * plan[s, _NORMAL + 6] + y * plan[s, _NORMAL + 7] + plan[s, _NORMAL + 8]) * q
    agree = plan[s, _OWN] * nx + plan[s, _OWN + 1] * ny + plan[s, _OWN + 2] * nz
    scale = 1.0 / max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
    scale = scale if agree > 0.0 else -scale
    return scale * nx, scale * ny, scale * nz


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _footprint(length, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Squared edge of a pixel's footprint on a surface at depth 1, in squared pixels.

    Isotropic, between the short and the long axis of the true ellipse; `length` is that of the
    normal over its product with the ray.
    """
    square = 1.0 + x * x + y * y
    return square * min(np.sqrt(square) * abs(length), 50.0)


@nb.njit(cache=True, nogil=True, forceinline=True)
def _mip_level(square):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Level at which a footprint, its squared edge in the finest texels, spans 1 to 2 texels."""
    level = 0
    while square >= 4.0 and level < LEVELS - 1:
        square *= 0.25
        level += 1
    return level


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _look_up(texels, bitmap, u, v, level):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Blend four texels of a level with weights of eight bits, as graphics hardware does.

    The four channels of a texel lie in one word, and are weighed by one multiplication.
    """
    edge = EDGE >> level
    # Places in 1/256 of a texel; half a texel less, for texel centres are at half integers.
    s, t = int(np.floor(u * (256 * edge))) - 128, int(np.floor(v * (256 * edge))) - 128
    fs, ft, mask = s & 255, t & 255, edge - 1
    left, right = (s >> 8) & mask, ((s >> 8) + 1) & mask
    low = _START[level] + ((t >> 8) & mask) * edge
    high = _START[level] + (((t >> 8) + 1) & mask) * edge
    corner = (fs * ft + 128) >> 8
    sum4 = _lanes(texels[bitmap, low + left]) * np.uint64(256 - fs - ft + corner)
    sum4 += _lanes(texels[bitmap, low + right]) * np.uint64(fs - corner)
    sum4 += _lanes(texels[bitmap, high + left]) * np.uint64(ft - corner)
    sum4 += _lanes(texels[bitmap, high + right]) * np.uint64(corner)
    return (
        np.float32(np.int64(sum4 & _LANE)) * _PER_UNIT,
        np.float32(np.int64((sum4 >> _TWO_LANES) & _LANE)) * _PER_UNIT,
        np.float32(np.int64((sum4 >> _ONE_LANE) & _LANE)) * _PER_UNIT,
        np.float32(np.int64(sum4 >> _THREE_LANES)) * _PER_STEP,
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _lanes(texel):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Spread four bytes over lanes of 16 bits: red, blue, green, alpha."""
    wide = np.uint64(texel)
    return (wide & _EVEN_BYTES) | (((wide >> _ONE_BYTE) & _EVEN_BYTES) << _TWO_LANES)


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
