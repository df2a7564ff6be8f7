"""The light that arrives at every sample of a G-buffer, before any of it is sent on."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.camera import PinholeCamera
from scenegen.render.enclosure import LAYERS, Enclosure, open_sky
from scenegen.render.gbuffer import GBuffer
from scenegen.render.shadows import ShadowMap, lookup, sunlit
from scenegen.render.sky import Illumination, sky_radiance
from scenegen.render.spot_shadows import SpotShadows, lamplit
from scenegen.render.stage import Lights
from scenegen.render.surfaces import SurfaceClass

TILE_PX = 32
"""Edge of the screen tiles that lamps are sorted into [pixels]."""
_SKY, _SIDEWALK, _BUILDING, _VEGETATION = (
    int(SurfaceClass[name]) for name in ("SKY", "SIDEWALK", "BUILDING", "VEGETATION")
)
_IN_LEAVES, _ON_WALLS = 0.55, 0.65
"""Share of the sky that leaves among leaves see, and walls past ledges and reveals, at large, of
what no house hides; the latter from rays in a street."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightField:
    """Everything that sheds light on a view, prepared once per view.

    Attributes:
        illumination: Sun, sky and air.
        clouds: Field of `cloud_map`.
        sun_shadow: Shadow map of the sun, fine and near.
        far_shadow: Shadow map of the sun for what lies beyond it.
        enclosure: What sky houses leave open.
        cover: Map of `cover_map`.
        lamps: Lamps that may reach something in the view, in the triangles' frame.
        own_lamp: Which of the lamps are the ego's own, shape (L,).
        tiles: Indices of the lamps of each screen tile, -1 for none, shape (rows, columns, most).
        spots: Shadows of the lamps.
        bounce: Radiance of the ground in the light of the lamps around, at large, shape (3,).
        mirror: Radiance of the view mirrored in the ground, (h, w, 3), or of shape (0, 0, 3).
        reflection: What the mirrored view shows, None where the ground is dry.
    """

    illumination: Illumination
    clouds: FloatArray
    sun_shadow: ShadowMap
    far_shadow: ShadowMap
    enclosure: Enclosure
    cover: ShadowMap
    lamps: Lights
    own_lamp: BoolArray
    tiles: IntArray
    spots: SpotShadows
    bounce: FloatArray
    mirror: FloatArray
    reflection: GBuffer | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Irradiance:
    """What arrives at S samples; 0 for sky. Irradiances are over pi, as in Illumination.

    Attributes:
        sun: Share of the sun's disc that a sample sees, 0-1; 0 where it faces away. Soft over
            one texel of the shadow map (0.1 m near, 0.6 m far); shape (S,), float32.
        sky: Share of the open sky that reaches it, 0-1: past houses by their horizon, past what
            stands close by from a blurred height field on the ground, and from the height above
            it on flanks; shape (S,).
        water: Share of the surface under a film of water, 0-1, shape (S,).
        snow: Share of the surface under snow, 0-1, shape (S,).
        lamps: From lamps that others carry or that stand by the road, shadows included, linear
            RGB, shape (S, 3); (0, 3) where no lamp is on.
        headlights: From the ego's own lamps, shadows included, shaped alike.
        unshadowed: From all lamps, as if nothing threw a shadow, shaped alike.
    """

    sun: FloatArray
    sky: FloatArray
    water: FloatArray
    snow: FloatArray
    lamps: FloatArray
    headlights: FloatArray
    unshadowed: FloatArray


def irradiance(gbuffer: GBuffer, field: LightField, wanted: BoolArray) -> Irradiance:
    """Gather the light that arrives at samples.

    Args:
        gbuffer: What the samples show.
        field: What lights it.
        wanted: Which samples matter; the others are left undefined, shape (S,).
    """
    view, lamps, count = gbuffer.view, field.lamps, len(gbuffer.depth)
    camera, lit = view.camera, count if len(field.lamps.reach) else 0
    one, three = np.empty((4, count), np.float32), np.empty((3, lit, 3), np.float32)
    out = Irradiance(
        sun=one[0],
        sky=one[1],
        water=one[2],
        snow=one[3],
        lamps=three[0],
        headlights=three[1],
        unshadowed=three[2],
    )
    near, far, cover = field.sun_shadow, field.far_shadow, field.cover
    walls = field.enclosure
    _gather(
        wanted,
        (gbuffer.depth, gbuffer.semantic, gbuffer.normal, gbuffer.samples.place),
        (view.turn, view.eye, camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        (field.illumination.packed(), field.clouds, field.illumination.snow),
        (near.axes, near.corner, near.texel, near.height, far.corner, far.texel, far.height),
        (cover.corner, cover.texel, cover.height),
        (walls.corner, walls.cell, walls.moments, LAYERS),
        (_lamp_rows(lamps, field.own_lamp), field.tiles),
        field.spots.packed,
        (out.sun, out.sky, out.water, out.snow, out.lamps, out.headlights, out.unshadowed),
    )
    return out


def _lamp_rows(lamps: Lights, own: BoolArray) -> FloatArray:
    """What compiled code reads of each lamp, side by side, shape (L, 16)."""
    cone, reach = lamps.cone.astype(np.float64), lamps.reach.astype(np.float64)
    with np.errstate(divide="ignore"):  # A cone may have no rim.
        rim, window = 1.0 / (cone[:, 0] - cone[:, 1]), 1.0 / (reach * reach)
    return np.column_stack(
        [
            *(lamps.position, lamps.direction, lamps.color),
            *(reach * reach, cone[:, 1] * cone[:, 1], cone[:, 1], rim),
            *(lamps.core.astype(np.float64) ** 2, np.where(own, 3.0, 0.0), window),
        ]
    )


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
def _gather(wanted, buffer, optics, sky, shadow, cover, walls, lamps, spots, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, semantic, normal, place = buffer
    sun_out, sky_out, water_out, snow_out, lamps_out, head_out, all_out = out
    turn, eye, focal, cx, cy = optics
    light, clouds, snow = sky
    # Arrays are taken out of their tuples here: within the loop each would be counted as in use,
    # and no longer, at every sample.
    axes, near_corner, near_texel, near_height, far_corner, far_texel, far_height = shadow
    cover_corner, cover_texel, cover_height = cover
    corner, cell, moments, layers = walls
    lamp, tiles = lamps
    slot, lamp_turn, lamp_focal, lamp_depth = spots
    sums = np.zeros(9)
    for i in range(len(depth)):
        if not wanted[i]:
            continue
        sums[:] = 0.0
        sun_out[i], sky_out[i], water_out[i], snow_out[i] = 0.0, 0.0, 0.0, 0.0
        if semantic[i] != _SKY:
            x, y = (place[i, 0] - cx) / focal, (place[i, 1] - cy) / focal
            z = depth[i]
            point = (
                eye[0] + z * (turn[0, 0] * x + turn[1, 0] * y + turn[2, 0]),
                eye[1] + z * (turn[0, 1] * x + turn[1, 1] * y + turn[2, 1]),
                eye[2] + z * (turn[0, 2] * x + turn[1, 2] * y + turn[2, 2]),
            )
            n = (normal[i, 0], normal[i, 1], normal[i, 2])
            water, lies = _weather_cover(point, n, semantic[i], light[6, 2], snow, clouds)
            water_out[i], snow_out[i] = water, lies
            sky_out[i] = _openness(point, n, semantic[i], cover_corner, cover_texel, cover_height)
            sky_out[i] *= open_sky(point, n, corner, cell, moments, layers)
            cosine = n[0] * light[0, 0] + n[1] * light[0, 1] + n[2] * light[0, 2]
            if cosine > 0.0 and light[1, 0] + light[1, 1] + light[1, 2] > 0.0:
                share = sunlit(point, n, cosine, axes, near_corner, near_texel, near_height)
                if share < 0.0:
                    share = sunlit(point, n, cosine, axes, far_corner, far_texel, far_height)
                sun_out[i] = share if share >= 0.0 else 1.0
            if len(lamps_out) > 0:
                row, column = int(place[i, 1]) // TILE_PX, int(place[i, 0]) // TILE_PX
                _lamp_light(
                    point,
                    n,
                    row,
                    column,
                    lamp,
                    tiles,
                    slot,
                    lamp_turn,
                    lamp_focal,
                    lamp_depth,
                    sums,
                )
        if len(lamps_out) > 0:
            for channel in range(3):
                lamps_out[i, channel] = sums[channel]
                head_out[i, channel] = sums[3 + channel]
                all_out[i, channel] = sums[6 + channel]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _weather_cover(point, n, surface, wetness, snow, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Shares of the surface under a film of water and under snow."""
    water, lies = 0.0, 0.0
    if n[2] > 0.5 and (wetness > 0.0 or snow > 0.0):
        broad = patch(clouds, point[0] * 0.9, point[1] * 0.9)
        if wetness > 0.0 and surface <= _SIDEWALK and snow == 0.0:
            water = min(1.0, wetness * (0.45 + 0.75 * broad))
        if snow > 0.0:
            fine = grain(clouds, point[0], point[1])
            on_road = 0.55 if surface < _SIDEWALK else 1.0
            lies = min(max((snow * on_road - (0.7 * broad + 0.3 * fine) + 0.22) * 3.0, 0.0), 1.0)
            lies *= min(max(n[2] * 2.0 - 0.8, 0.0), 1.0)
    return water, lies


@nb.njit(cache=True, nogil=True, forceinline=True)
def grain(clouds, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Read the field of clouds in cells of 0.2 m: the grain of fallen snow."""
    return clouds[int(np.floor(y * 5.0)) & 255, int(np.floor(x * 5.0)) & 255]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def patch(clouds, s, t):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Read the field of clouds, bilinear: puddles and patches of snow have its shape."""
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    fs, ft = s - s0, t - t0
    left, right, low, high = s0 & 255, (s0 + 1) & 255, t0 & 255, (t0 + 1) & 255
    near = clouds[low, left] * (1 - fs) + clouds[low, right] * fs
    far = clouds[high, left] * (1 - fs) + clouds[high, right] * fs
    return near * (1 - ft) + far * ft


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _openness(point, n, surface, corner, texel, height):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Share of the sky that reaches a point past things close beside and above it."""
    if surface == _VEGETATION:
        return _IN_LEAVES
    if n[2] > 0.5 and point[2] < 0.3:
        return 1.0 - lookup(point[0], point[1], corner, texel, height)
    most = _ON_WALLS if surface == _BUILDING else 1.0
    # Flanks darken towards the ground they stand on.
    return most * min(1.0, 0.62 + 0.38 * point[2] / 0.9) if point[2] < 0.9 else most


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _lamp_light(point, n, row, column, lamp, tiles, slots, turn, focal, inverse_depth, sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add up the lamps of a screen tile, inverse square within the cone.

    Fills `sums` with others' light and the ego's, both with shadows, and all without, RGB each.
    """
    for entry in range(tiles.shape[2]):
        i = tiles[row, column, entry]
        if i < 0:
            break
        lx, ly, lz = lamp[i, 0] - point[0], lamp[i, 1] - point[1], lamp[i, 2] - point[2]
        square, reach2 = lx * lx + ly * ly + lz * lz, lamp[i, 9]
        if square > reach2:
            continue
        ahead = -(lamp[i, 3] * lx + lamp[i, 4] * ly + lamp[i, 5] * lz)
        facing = n[0] * lx + n[1] * ly + n[2] * lz
        # Cones are narrower than a half space; squares spare the root of most lamps.
        if facing <= 0.0 or ahead <= 0.0 or ahead * ahead <= lamp[i, 10] * square:
            continue
        inverse = 1.0 / np.sqrt(max(square, 1e-6))
        cosine, spot = facing * inverse, ahead * inverse
        s = min((spot - lamp[i, 11]) * lamp[i, 12], 1.0)
        far = square * lamp[i, 15]
        fade = 1.0 - far * far  # Inverse square, windowed at the reach (Karis, 2013).
        power = cosine * s * s * (3.0 - 2.0 * s) * fade * fade / (square + lamp[i, 13])
        slot, seen = slots[i], 1.0
        if slot >= 0:
            seen = lamplit(slot, lx, ly, lz, turn, focal, inverse_depth)
        first = int(lamp[i, 14])
        for channel in range(3):
            sums[first + channel] += seen * power * lamp[i, 6 + channel]
            sums[6 + channel] += power * lamp[i, 6 + channel]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def surroundings(d, n, light, ambient, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What a mirror with normal n shows to a ray d: the sky, and its colour near the horizon.

    Gives radiance (3), the mirrored direction (3), and the cosine of the angle of incidence.
    """
    cosine = max(-(d[0] * n[0] + d[1] * n[1] + d[2] * n[2]), 0.0)
    rx, ry, rz = d[0] + 2 * cosine * n[0], d[1] + 2 * cosine * n[1], d[2] + 2 * cosine * n[2]
    red, green, blue = sky_radiance(rx, ry, max(rz, 0.05), light, clouds)
    # Below the skyline the mirror shows houses and trees, further down the road.
    open_sky = min(max((rz - 0.02) / 0.22, 0.0), 1.0)
    red = open_sky * red + (1 - open_sky) * 1.2 * ambient[1, 0]
    green = open_sky * green + (1 - open_sky) * 1.2 * ambient[1, 1]
    blue = open_sky * blue + (1 - open_sky) * 1.2 * ambient[1, 2]
    return (red, green, blue), (rx, ry, rz), cosine
