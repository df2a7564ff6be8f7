"""Deferred shading: the light that every sample of a G-buffer sends to the camera."""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.render.gbuffer import GBuffer
from scenegen.render.lighting import Irradiance, LightField, grain, surroundings
from scenegen.render.sky import Illumination, sky_irradiance, sky_radiance
from scenegen.render.surfaces import SurfaceClass

_SKY, _SIDEWALK, _TERRAIN = (
    int(c) for c in (SurfaceClass.SKY, SurfaceClass.SIDEWALK, SurfaceClass.TERRAIN)
)
_SNOW_ALBEDO = 0.78
"""Albedo of fallen snow, linear (Oke, 1987: 0.40 old to 0.95 fresh)."""
_WATER_F0 = 0.02
"""Mirror reflection of water at normal incidence (Fresnel, refractive index 1.33)."""


def shade(
    gbuffer: GBuffer, field: LightField, arriving: Irradiance, wanted: BoolArray
) -> FloatArray:
    """Compute the radiance of samples, fog included.

    Args:
        gbuffer: What the samples show.
        field: What lights it.
        arriving: The light that arrives at the samples, from `irradiance`.
        wanted: Which samples matter; the others are left undefined, shape (S,).

    Returns:
        Linear RGB, shape (S, 3), float32.
    """
    return _shaded(gbuffer, field, arriving, wanted, with_clear=False)[0]


def shade_and_clear(
    gbuffer: GBuffer, field: LightField, arriving: Irradiance, wanted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Give radiance as `shade` does, and as if there were no air between; arguments as there."""
    return _shaded(gbuffer, field, arriving, wanted, with_clear=True)


def _shaded(
    gbuffer: GBuffer,
    field: LightField,
    arriving: Irradiance,
    wanted: BoolArray,
    *,
    with_clear: bool,
) -> tuple[FloatArray, FloatArray]:
    """Radiance with air and, if asked for, without; both of shape (S, 3), or (0, 3)."""
    view, camera, count = gbuffer.view, gbuffer.view.camera, len(gbuffer.depth)
    out = np.empty((count, 3), np.float32)
    clear = np.empty((count if with_clear else 0, 3), np.float32)
    light, around = field.illumination.packed(), ambient(field.illumination, field.bounce)
    _shade(
        wanted,
        (gbuffer.depth, gbuffer.semantic, gbuffer.normal, gbuffer.albedo, gbuffer.gloss),
        (gbuffer.emission, gbuffer.samples.place),
        (view.turn, view.eye, camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        (light, around[:3], around[3:], field.clouds),
        (arriving.sun, arriving.sky, arriving.water, arriving.snow),
        (arriving.lamps, arriving.headlights),
        (field.mirror, camera.width_px, camera.height_px),
        out,
        clear,
    )
    return out, clear


def ambient(light: Illumination, bounce: FloatArray) -> FloatArray:
    """Light of sky, ground and walls, and of the sky for every normal.

    Args:
        light: Sun and sky.
        bounce: Radiance of the ground by lamps, shape (3,); walls have half of it.

    Returns:
        Irradiance over pi of the open sky on the ground, radiance of the ground, radiance of
        walls, then the harmonics of Illumination; shape (12, 3).
    """
    walls = light.wall_light + 0.5 * bounce
    rows = np.stack([light.sky_light, light.ground_light + bounce, walls])
    return np.concatenate([rows, light.harmonics])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _shade(wanted, buffer, extra, optics, sky, arriving, lamps, mirror, out, clear):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, semantic, normal, albedo, gloss = buffer
    emission, place = extra
    turn, eye, focal, cx, cy = optics
    light, ambient, harmonics, clouds = sky
    sun_share, sky_share, water_share, snow_share = arriving
    from_others, from_own = lamps
    image, width, height = mirror
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
            n = (normal[i, 0], normal[i, 1], normal[i, 2])
            color = (albedo[i, 0], albedo[i, 1], albedo[i, 2])
            fine = 0.0
            if snow_share[i] > 0.0:
                fine = grain(clouds, eye[0] + dx * way, eye[1] + dy * way)
            color = _weathered(color, n, semantic[i], light[6, 2], snow_share[i], fine)
            direct = n[0] * light[0, 0] + n[1] * light[0, 1] + n[2] * light[0, 2]
            direct = direct * sun_share[i] if direct > 0.0 else direct
            red, green, blue = _diffuse(color, n, direct, sky_share[i], light, ambient, harmonics)
            if len(from_own) > 0:
                red += color[0] * (from_others[i, 0] + from_own[i, 0])
                green += color[1] * (from_others[i, 1] + from_own[i, 1])
                blue += color[2] * (from_others[i, 2] + from_own[i, 2])
            if gloss[i] > 0.005:
                view = (dx, dy, dz)
                gr, gg, gb = _gloss(gloss[i], view, n, direct, sky_share[i], light, ambient, clouds)
                red, green, blue = red + gr, green + gg, blue + gb
            if water_share[i] > 0.0 and image.shape[0] > 0:
                f = water_share[i] * (_WATER_F0 + (1 - _WATER_F0) * (1 - abs(dz)) ** 5)
                mr, mg, mb = _mirrored(place[i, 0], place[i, 1], image, width, height)
                red, green = red + f * (mr - red), green + f * (mg - green)
                blue = blue + f * (mb - blue)
            red, green, blue = red + emission[i, 0], green + emission[i, 1], blue + emission[i, 2]
            t = np.exp(-light[6, 1] * way)
        if len(clear) > 0:
            clear[i, 0], clear[i, 1], clear[i, 2] = red, green, blue
        out[i, 0] = red * t + light[7, 0] * (1 - t)
        out[i, 1] = green * t + light[7, 1] * (1 - t)
        out[i, 2] = blue * t + light[7, 2] * (1 - t)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _weathered(color, n, surface, wetness, lies, fine):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Albedo of a wet surface, partly under snow."""
    red, green, blue = color
    if n[2] > 0.5 and wetness > 0.0 and surface <= _TERRAIN:
        # Wet asphalt reflects about half as much (Lekner and Dorf, 1988).
        dark = 1.0 - (0.52 if surface <= _SIDEWALK else 0.25) * wetness
        red, green, blue = red * dark, green * dark, blue * dark
    if lies > 0.0:
        white = _SNOW_ALBEDO * (0.92 + 0.1 * fine)
        red += lies * (white - red)
        green += lies * (white - green)
        blue += lies * (white * 1.02 - blue)
    return red, green, blue


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _diffuse(color, n, direct, soft, light, ambient, harmonics):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sun, what is seen of the sky, walls in place of the rest of it, and lit ground below."""
    sun = max(direct, 0.0)
    sr, sg, sb = sky_irradiance(n[0], n[1], n[2], harmonics)
    wall, ground = (0.5 + 0.5 * n[2]) * (1.0 - soft), (0.5 - 0.5 * n[2]) * soft
    red = sun * light[1, 0] + soft * sr + wall * ambient[2, 0] + ground * ambient[1, 0]
    green = sun * light[1, 1] + soft * sg + wall * ambient[2, 1] + ground * ambient[1, 1]
    blue = sun * light[1, 2] + soft * sb + wall * ambient[2, 2] + ground * ambient[1, 2]
    return color[0] * red, color[1] * green, color[2] * blue


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _gloss(gloss, d, n, direct, soft, light, ambient, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mirror image of sky or surroundings on paint and glass, and the image of the sun."""
    color, r, cosine = surroundings(d, n, light, ambient, clouds)
    f = gloss + (1.0 - gloss) * 0.6 * (1.0 - cosine) ** 5  # Schlick (1994), dulled at the rim
    spot = 0.0
    if direct > 0.0:
        toward = max(r[0] * light[0, 0] + r[1] * light[0, 1] + r[2] * light[0, 2], 0.0)
        spot = min(direct * 4.0, 1.0) * (6.0 * toward**260 + 0.35 * toward**24)
    return (
        f * (color[0] * soft + spot * light[1, 0]),
        f * (color[1] * soft + spot * light[1, 1]),
        f * (color[2] * soft + spot * light[1, 2]),
    )


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _mirrored(x, y, image, width, height):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Read the mirrored view at the same place of the image."""
    s = x / width * image.shape[1] - 0.5
    t = y / height * image.shape[0] - 0.5
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
