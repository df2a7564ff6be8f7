"""Deferred shading: the light that every sample of a G-buffer sends to the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera import PinholeCamera
from scenegen.render.gbuffer import GBuffer
from scenegen.render.shadows import ShadowMap, lookup, sunlit
from scenegen.render.sky import Illumination, sky_radiance
from scenegen.render.stage import Lights
from scenegen.render.surfaces import SurfaceClass

TILE_PX = 32
"""Edge of the screen tiles that lamps are sorted into [pixels]."""
_SKY, _ROAD, _SIDEWALK, _TERRAIN = (
    int(c)
    for c in (SurfaceClass.SKY, SurfaceClass.ROAD, SurfaceClass.SIDEWALK, SurfaceClass.TERRAIN)
)
_SNOW_ALBEDO = 0.78
"""Albedo of fallen snow, linear (Oke, 1987: 0.40 old to 0.95 fresh)."""
_WATER_F0 = 0.02
"""Mirror reflection of water at normal incidence (Fresnel, refractive index 1.33)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightField:
    """Everything that sheds light on a view, prepared once per view.

    Attributes:
        illumination: Sun, sky and air.
        clouds: Field of `cloud_map`.
        sun_shadow: Shadow map of the sun.
        cover: Map of `cover_map`.
        lamps: Lamps that may reach something in the view, in the triangles' frame.
        tiles: Indices of the lamps of each screen tile, -1 for none, shape (rows, columns, most).
        mirror: Radiance of the view mirrored in the ground, (h, w, 3), or of shape (0, 0, 3).
    """

    illumination: Illumination
    clouds: FloatArray
    sun_shadow: ShadowMap
    cover: ShadowMap
    lamps: Lights
    tiles: IntArray
    mirror: FloatArray


def shade(gbuffer: GBuffer, field: LightField, *, skip: IntArray | None = None) -> FloatArray:
    """Compute the radiance of every sample, fog included.

    Args:
        gbuffer: What the samples show.
        field: What lights it.
        skip: Indices of samples to leave out; their radiance is undefined.

    Returns:
        Linear RGB, shape (S, 3), float32.
    """
    view, lamps = gbuffer.view, field.lamps
    camera = view.camera
    out = np.empty((len(gbuffer.depth), 3), np.float32)
    light = field.illumination.packed()
    ambient = np.stack([field.illumination.sky_light, _bounce(field.illumination)])
    shadow, cover = field.sun_shadow, field.cover
    wanted = np.ones(len(gbuffer.depth), np.bool_)
    if skip is not None:
        wanted[skip] = False
    _shade(
        wanted,
        (gbuffer.depth, gbuffer.semantic, gbuffer.normal, gbuffer.albedo, gbuffer.gloss),
        gbuffer.emission,
        gbuffer.samples.place,
        (view.turn, view.eye, camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        (light, ambient, field.clouds, field.illumination.snow),
        (shadow.axes, shadow.corner, shadow.texel, shadow.height),
        (cover.corner, cover.texel, cover.height),
        (
            lamps.position,
            lamps.direction,
            lamps.color,
            lamps.cone,
            lamps.reach,
            lamps.core,
            field.tiles,
        ),
        (field.mirror, camera.width_px, camera.height_px),
        out,
    )
    return out


def _bounce(light: Illumination) -> FloatArray:
    """Light thrown up by the ground, as an irradiance over pi, shape (3,)."""
    albedo = 0.14 + 0.45 * light.snow
    return albedo * (light.sun * max(light.sun_direction[2], 0.0) + light.sky_light)


def lamp_tiles(camera: PinholeCamera, gbuffer: GBuffer, lamps: Lights, most: int = 16) -> IntArray:
    """Sort lamps into screen tiles by what lies in each tile.

    Args:
        camera: The camera of the G-buffer.
        gbuffer: One sample per pixel, row by row.
        lamps: Lamps in the triangles' frame.
        most: Lamps kept per tile, the nearest first.

    Returns:
        Lamp indices, -1 for none, shape (tile rows, tile columns, most).
    """
    rows, columns = -(-camera.height_px // TILE_PX), -(-camera.width_px // TILE_PX)
    tiles = np.full((rows, columns, most), -1, np.int32)
    if len(lamps.reach):
        depth = gbuffer.depth.reshape(camera.height_px, camera.width_px)
        position = (lamps.position - gbuffer.view.eye) @ gbuffer.view.turn.T
        center = (camera.width_px / 2, camera.height_px / 2)
        _sort_lamps(depth, position, lamps.reach, camera.focal_px, center, tiles)
    return tiles


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _sort_lamps(depth, position, reach, focal, center, tiles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    height, width = depth.shape
    distance = np.empty(len(reach))
    low, high = np.empty(3), np.empty(3)
    for row in range(tiles.shape[0]):
        for column in range(tiles.shape[1]):
            low[:], high[:] = np.inf, -np.inf
            for y in range(row * TILE_PX, min(height, (row + 1) * TILE_PX)):
                for x in range(column * TILE_PX, min(width, (column + 1) * TILE_PX)):
                    z = depth[y, x]
                    if z > 0.0:
                        px = (x + 0.5 - center[0]) / focal * z
                        py = (y + 0.5 - center[1]) / focal * z
                        low[0], high[0] = min(low[0], px), max(high[0], px)
                        low[1], high[1] = min(low[1], py), max(high[1], py)
                        low[2], high[2] = min(low[2], z), max(high[2], z)
            for i in range(len(reach)):
                away = 0.0
                for axis in range(3):
                    p = position[i, axis]
                    gap = max(low[axis] - p, p - high[axis], 0.0)
                    away += gap * gap
                distance[i] = np.sqrt(away) if away < reach[i] * reach[i] else np.inf
            order = np.argsort(distance, kind="mergesort")
            for n in range(min(len(order), tiles.shape[2])):
                if distance[order[n]] < np.inf:
                    tiles[row, column, n] = order[n]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _shade(wanted, buffer, emission, place, optics, sky, shadow, cover, lamps, mirror, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, semantic, normal, albedo, gloss = buffer
    turn, eye, focal, cx, cy = optics
    light, ambient, clouds, snow = sky
    per_px = 1.0 / focal
    for i in range(len(depth)):
        if not wanted[i]:
            continue
        x, y = (place[i, 0] - cx) * per_px, (place[i, 1] - cy) * per_px
        length = np.sqrt(1.0 + x * x + y * y)
        unit = 1.0 / length
        dx = (turn[0, 0] * x + turn[1, 0] * y + turn[2, 0]) * unit
        dy = (turn[0, 1] * x + turn[1, 1] * y + turn[2, 1]) * unit
        dz = (turn[0, 2] * x + turn[1, 2] * y + turn[2, 2]) * unit
        if semantic[i] == _SKY:
            red, green, blue = sky_radiance(dx, dy, dz, light, clouds)
            # The air thickens towards the horizon and hides the sky there.
            t = np.exp(-light[6, 1] * 900.0 / (max(dz, 0.0) + 0.12))
        else:
            way = depth[i] * length
            point = (eye[0] + dx * way, eye[1] + dy * way, eye[2] + dz * way)
            n = (normal[i, 0], normal[i, 1], normal[i, 2])
            color = (albedo[i, 0], albedo[i, 1], albedo[i, 2])
            color, water = _weathered(color, point, n, semantic[i], light[6, 2], snow, clouds)
            soft = _softness(point, n, cover)
            direct = _direct(point, n, light, shadow)
            red, green, blue = _diffuse(color, n, direct, soft, light, ambient)
            lr, lg, lb = _lamp_light(point, n, place[i], lamps)
            red, green, blue = red + color[0] * lr, green + color[1] * lg, blue + color[2] * lb
            if gloss[i] > 0.005:
                gr, gg, gb = _gloss(gloss[i], (dx, dy, dz), n, direct, soft, light, ambient, clouds)
                red, green, blue = red + gr, green + gg, blue + gb
            if water > 0.0 and mirror[0].shape[0] > 0:
                f = water * (_WATER_F0 + (1 - _WATER_F0) * (1 - abs(dz)) ** 5)
                mr, mg, mb = _mirrored(place[i], mirror)
                red, green, blue = (
                    red + f * (mr - red),
                    green + f * (mg - green),
                    blue + f * (mb - blue),
                )
            red, green, blue = red + emission[i, 0], green + emission[i, 1], blue + emission[i, 2]
            t = np.exp(-light[6, 1] * way)
        out[i, 0] = red * t + light[7, 0] * (1 - t)
        out[i, 1] = green * t + light[7, 1] * (1 - t)
        out[i, 2] = blue * t + light[7, 2] * (1 - t)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _weathered(color, point, n, surface, wetness, snow, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Albedo under water and snow, and the share of the surface under a film of water."""
    red, green, blue = color
    water = 0.0
    if n[2] > 0.5 and (wetness > 0.0 or snow > 0.0):
        fine = clouds[int(np.floor(point[1] * 5.0)) & 255, int(np.floor(point[0] * 5.0)) & 255]
        broad = _patch(clouds, point[0] * 0.9, point[1] * 0.9)
        if wetness > 0.0 and surface <= _TERRAIN:
            # Wet asphalt reflects about half as much (Lekner and Dorf, 1988).
            dark = 1.0 - (0.52 if surface <= _SIDEWALK else 0.25) * wetness
            red, green, blue = red * dark, green * dark, blue * dark
            if surface <= _SIDEWALK and snow == 0.0:
                water = min(1.0, wetness * (0.45 + 0.75 * broad))
        if snow > 0.0:
            on_road = 0.55 if surface < _SIDEWALK else 1.0
            lies = min(max((snow * on_road - (0.7 * broad + 0.3 * fine) + 0.22) * 3.0, 0.0), 1.0)
            lies *= min(max(n[2] * 2.0 - 0.8, 0.0), 1.0)
            grain = _SNOW_ALBEDO * (0.92 + 0.1 * fine)
            red += lies * (grain - red)
            green += lies * (grain - green)
            blue += lies * (grain * 1.02 - blue)
    return (red, green, blue), water


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _patch(clouds, s, t):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Read the field of clouds, bilinear: puddles and patches of snow have its shape."""
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    fs, ft = s - s0, t - t0
    left, right, low, high = s0 & 255, (s0 + 1) & 255, t0 & 255, (t0 + 1) & 255
    near = clouds[low, left] * (1 - fs) + clouds[low, right] * fs
    far = clouds[high, left] * (1 - fs) + clouds[high, right] * fs
    return near * (1 - ft) + far * ft


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _softness(point, n, cover):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Share of the sky that reaches a point past things beside and above it."""
    corner, texel, height = cover
    if n[2] > 0.5 and point[2] < 0.3:
        return 1.0 - lookup(point[0], point[1], corner, texel, height)
    # Flanks darken towards the ground they stand on.
    return min(1.0, 0.62 + 0.38 * point[2] / 0.9) if point[2] < 0.9 else 1.0


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _direct(point, n, light, shadow):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Share of the sun that arrives: shadow times cosine; negative where it faces away."""
    cosine = n[0] * light[0, 0] + n[1] * light[0, 1] + n[2] * light[0, 2]
    if cosine <= 0.0 or light[1, 0] + light[1, 1] + light[1, 2] <= 0.0:
        return min(cosine, 0.0)
    axes, corner, texel, height = shadow
    bias = 0.05 + 1.2 * texel * np.sqrt(max(1.0 - cosine * cosine, 0.0)) / max(cosine, 0.25)
    return cosine * sunlit(point[0], point[1], point[2], axes, corner, texel, height, bias)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _diffuse(color, n, direct, soft, light, ambient):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sun and the two hemispheres, sky above and lit ground below."""
    up = 0.5 + 0.5 * n[2]
    sun = max(direct, 0.0)
    # Sky light is a little stronger on the side of the sun.
    lean = 1.0 + 0.12 * (n[0] * light[0, 0] + n[1] * light[0, 1])
    sky, ground = up * lean * soft, (1.0 - up) * soft
    red = color[0] * (sun * light[1, 0] + sky * ambient[0, 0] + ground * ambient[1, 0])
    green = color[1] * (sun * light[1, 1] + sky * ambient[0, 1] + ground * ambient[1, 1])
    blue = color[2] * (sun * light[1, 2] + sky * ambient[0, 2] + ground * ambient[1, 2])
    return red, green, blue


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _gloss(gloss, d, n, direct, soft, light, ambient, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mirror image of sky or surroundings on paint and glass, and the image of the sun."""
    cosine = max(-(d[0] * n[0] + d[1] * n[1] + d[2] * n[2]), 0.0)
    f = gloss + (1.0 - gloss) * 0.6 * (1.0 - cosine) ** 5  # Schlick (1994), dulled at the rim
    rx, ry, rz = d[0] + 2 * cosine * n[0], d[1] + 2 * cosine * n[1], d[2] + 2 * cosine * n[2]
    red, green, blue = sky_radiance(rx, ry, max(rz, 0.05), light, clouds)
    # Below the skyline the mirror shows houses and trees, further down the road.
    open_sky = min(max((rz - 0.02) / 0.22, 0.0), 1.0)
    red = open_sky * red + (1 - open_sky) * 1.2 * ambient[1, 0]
    green = open_sky * green + (1 - open_sky) * 1.2 * ambient[1, 1]
    blue = open_sky * blue + (1 - open_sky) * 1.2 * ambient[1, 2]
    spot = 0.0
    if direct > 0.0:
        toward = max(rx * light[0, 0] + ry * light[0, 1] + rz * light[0, 2], 0.0)
        spot = min(direct * 4.0, 1.0) * (6.0 * toward**260 + 0.35 * toward**24)
    red, green, blue = red * soft, green * soft, blue * soft
    return (
        f * (red + spot * light[1, 0]),
        f * (green + spot * light[1, 1]),
        f * (blue + spot * light[1, 2]),
    )


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _lamp_light(point, n, place, lamps):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Irradiance over pi from the lamps of the sample's tile, inverse square within the cone."""
    position, direction, color, cone, reach, core, tiles = lamps
    red, green, blue = 0.0, 0.0, 0.0
    if len(reach) == 0:
        return red, green, blue
    row, column = int(place[1]) // TILE_PX, int(place[0]) // TILE_PX
    for slot in range(tiles.shape[2]):
        i = tiles[row, column, slot]
        if i < 0:
            break
        lx, ly, lz = position[i, 0] - point[0], position[i, 1] - point[1], position[i, 2] - point[2]
        square = lx * lx + ly * ly + lz * lz
        if square > reach[i] * reach[i]:
            continue
        ahead = -(direction[i, 0] * lx + direction[i, 1] * ly + direction[i, 2] * lz)
        facing = n[0] * lx + n[1] * ly + n[2] * lz
        # Cones are narrower than a half space; squares spare the root of most lamps.
        if facing <= 0.0 or ahead <= 0.0 or ahead * ahead <= cone[i, 1] * cone[i, 1] * square:
            continue
        inverse = 1.0 / np.sqrt(max(square, 1e-6))
        cosine, spot = facing * inverse, ahead * inverse
        s = min((spot - cone[i, 1]) / (cone[i, 0] - cone[i, 1]), 1.0)
        fade = 1.0 - square / (reach[i] * reach[i])
        power = cosine * s * s * (3.0 - 2.0 * s) * fade * fade / (square + core[i] * core[i])
        red += power * color[i, 0]
        green += power * color[i, 1]
        blue += power * color[i, 2]
    return red, green, blue


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _mirrored(place, mirror):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Read the mirrored view at the same place of the image."""
    image, width, height = mirror
    s = place[0] / width * image.shape[1] - 0.5
    t = place[1] / height * image.shape[0] - 0.5
    s0 = min(max(int(np.floor(s)), 0), image.shape[1] - 1)
    t0 = min(max(int(np.floor(t)), 0), image.shape[0] - 1)
    s1, t1 = min(s0 + 1, image.shape[1] - 1), min(t0 + 1, image.shape[0] - 1)
    fs, ft = min(max(s - s0, 0.0), 1.0), min(max(t - t0, 0.0), 1.0)
    a, b, c, d = (1 - fs) * (1 - ft), fs * (1 - ft), (1 - fs) * ft, fs * ft
    return (
        a * image[t0, s0, 0] + b * image[t0, s1, 0] + c * image[t1, s0, 0] + d * image[t1, s1, 0],
        a * image[t0, s0, 1] + b * image[t0, s1, 1] + c * image[t1, s0, 1] + d * image[t1, s1, 1],
        a * image[t0, s0, 2] + b * image[t0, s1, 2] + c * image[t1, s0, 2] + d * image[t1, s1, 2],
    )
