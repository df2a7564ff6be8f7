"""Tone space: how bright radiance looks through our camera at one fixed exposure per condition.

Learned renderers work in tone space, where an error of one hundredth looks alike in light and in
shade. The curve is the camera's own; exposure follows from the conditions alone, never from the
picture, so that two cameras of one scenario agree.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera_response import COMPENSATION, LUMINANCE, RESPONSES
from scenegen.render.sky import illuminate
from scenegen.render.world.world import lamps_on
from scenegen.scene import Conditions, Light

REFLECTANCE, SNOW_REFLECTANCE = 0.105, 0.4
"""Mean reflectance of streets as a windscreen camera meters them, and what lying snow adds."""
LAMPLIGHT = 0.08
"""Irradiance over pi that street lamps and headlamps add where they are on, as metered."""
SPEED = 0.66
"""Factor on the exposure before the filmic curve, as in `camera_response`."""
BRIGHTEST = 7.2
"""Exposure, times SPEED, from which everything is white; the curve has 1 at 7.24."""
ENTRIES = 4096
"""Steps of the table of the curve, even in the root of the exposure: off by less than 1e-6."""
INVERSE_ENTRIES = 16384
"""Steps of the table of its inverse, even in the tone: off by less than 1e-5 of the exposure for
tones from 0.002 to 0.9998, by less than 1e-3 next to black and white."""


def _tone_curve(x: FloatArray) -> FloatArray:
    """Tone of exposures that are already times SPEED."""
    film = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    light = 1.055 * np.maximum(film, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(film <= 0.0031308, 12.92 * film, light).astype(np.float32)


def _inverse_curve(tone: FloatArray) -> FloatArray:
    """Exposures, times SPEED, of tones: the positive root of the filmic curve's quadratic."""
    film = np.where(tone <= 0.04045, tone / 12.92, ((tone + 0.055) / 1.055) ** 2.4)
    # (2.51 - 2.43 y) x^2 + (0.03 - 0.59 y) x - 0.14 y = 0
    a, b, c = 2.51 - 2.43 * film, 0.03 - 0.59 * film, -0.14 * film
    root = (-b + np.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)
    return np.asarray(np.minimum(root, BRIGHTEST), np.float32)


_TABLE = _tone_curve(BRIGHTEST * (np.arange(ENTRIES + 1) / ENTRIES) ** 2)
_INVERSE = _inverse_curve(np.arange(INVERSE_ENTRIES + 1) / INVERSE_ENTRIES)
_TO_ENTRY, _FROM_TONE = np.float32(1.0 / BRIGHTEST), np.float32(INVERSE_ENTRIES)
_ONE, _NOTHING, _STEPS = np.float32(1.0), np.float32(0.0), np.float32(ENTRIES)


def fixed_exposure(conditions: Conditions) -> float:
    """Exposure factor for conditions, as an incident-light meter sets it.

    Args:
        conditions: Light and weather.

    Returns:
        Factor on radiance; the key of the camera's response over the light that a street sends
        back, within the limits of its aperture.
    """
    light, response = illuminate(conditions), RESPONSES[conditions.light]
    key = response.key
    if conditions.light is not Light.NIGHT:
        key *= COMPENSATION.get(conditions.weather, 1.0)
    arriving = light.sun * max(float(light.sun_direction[2]), 0.0) + light.sky_light
    metered = float(arriving @ LUMINANCE) + LAMPLIGHT * lamps_on(conditions)
    return min(key / ((REFLECTANCE + SNOW_REFLECTANCE * light.snow) * metered), response.gain)


def to_tone(radiance: FloatArray, exposure: float) -> FloatArray:
    """Filmic curve (Narkowicz, 2015) and sRGB transfer of exposed radiance.

    Args:
        radiance: Linear RGB, shape (...); negative values count as zero.
        exposure: Factor of `fixed_exposure`.

    Returns:
        Tone from 0 to 1, the shape of the argument, float32.
    """
    flat = np.ascontiguousarray(radiance, np.float32).reshape(-1)
    out = np.empty_like(flat)
    _to_tone(flat, np.float32(exposure * SPEED), out)
    return out.reshape(radiance.shape)


def from_tone(tone: FloatArray, exposure: float) -> FloatArray:
    """Radiance that has a tone: the inverse of `to_tone` below white.

    Args:
        tone: Tone, shape (...); values outside 0 to 1 count as the nearer end.
        exposure: Factor of `fixed_exposure`.

    Returns:
        Linear RGB, the shape of the argument, float32.
    """
    flat = np.ascontiguousarray(tone, np.float32).reshape(-1)
    out = np.empty_like(flat)
    _from_tone(flat, np.float32(1.0 / (exposure * SPEED)), out)
    return out.reshape(tone.shape)


def to_bytes(tone: FloatArray) -> IntArray:
    """Picture of a tone: uint8, the shape of the argument."""
    return np.asarray(np.rint(255.0 * np.clip(tone, 0.0, 1.0)), np.uint8)


def carried_over(
    tone: FloatArray, base: FloatArray, exposure: float, radiance: FloatArray, passed: FloatArray
) -> FloatArray:
    """Put what a picture differs from a base behind the air of the base's radiance.

    Args:
        tone: Picture in tone space, without air, shape (3, H, W).
        base: The base likewise.
        exposure: Factor of `fixed_exposure` that tones are made with.
        radiance: Linear RGB of the base, air included, shape (H, W, 3), float32.
        passed: Share of the light that the air lets through, shape (H, W), float32.

    Returns:
        Linear RGB, not negative, shape (H, W, 3), float32; where tone and base are the same, the
        base's radiance to the last bit.
    """
    out = np.empty(radiance.shape, np.float32)
    planes = tuple(np.ascontiguousarray(plane, np.float32).reshape(-1) for plane in (*tone, *base))
    _carry_over(
        planes[:3],
        planes[3:],
        np.ascontiguousarray(passed).reshape(-1),
        np.float32(1.0 / (exposure * SPEED)),
        np.ascontiguousarray(radiance).reshape(-1),
        out.reshape(-1),
    )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _to_tone(radiance, factor, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(len(radiance)):
        out[i] = tone_of(radiance[i] * factor)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _from_tone(tone, factor, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(len(tone)):
        out[i] = exposure_of(tone[i]) * factor


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _carry_over(tone, base, passed, factor, radiance, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    red, green, blue = tone
    base_red, base_green, base_blue = base
    for i in range(len(passed)):
        through = factor * passed[i]
        r = (exposure_of(red[i]) - exposure_of(base_red[i])) * through
        g = (exposure_of(green[i]) - exposure_of(base_green[i])) * through
        b = (exposure_of(blue[i]) - exposure_of(base_blue[i])) * through
        out[3 * i] = max(radiance[3 * i] + r, _NOTHING)
        out[3 * i + 1] = max(radiance[3 * i + 1] + g, _NOTHING)
        out[3 * i + 2] = max(radiance[3 * i + 2] + b, _NOTHING)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def tone_of(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Tone of an exposure, float32 and already times SPEED, between the entries of the table."""
    place = np.sqrt(min(max(x, _NOTHING) * _TO_ENTRY, _ONE)) * _STEPS
    entry = min(np.int32(place), np.int32(ENTRIES - 1))
    part = place - np.float32(entry)
    return _TABLE[entry] + part * (_TABLE[entry + 1] - _TABLE[entry])


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def exposure_of(tone):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Exposure times SPEED of a tone, float32, between the entries of the table."""
    place = min(max(tone, _NOTHING), _ONE) * _FROM_TONE
    entry = min(np.int32(place), np.int32(INVERSE_ENTRIES - 1))
    part = place - np.float32(entry)
    return _INVERSE[entry] + part * (_INVERSE[entry + 1] - _INVERSE[entry])
