"""From radiance to the picture a camera stores: exposure, glare, lens, noise, tone curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.scene import Conditions, Light, Weather
from scenegen.seeding import stream

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear RGB in luminance (ITU-R BT.709)."""
COMPENSATION = {Weather.SNOW: 1.7, Weather.FOG: 1.5}
"""Factor on the key where snow or fog makes all of the picture bright."""
WHITE = 16.0
"""Exposure beyond which everything is white."""
COLORFULNESS = 1.06
"""How far colours are pulled away from grey."""
_GRAIN = 512
"""Edge of the noise field [pixels]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Settings of a camera's picture pipeline.

    Attributes:
        key: Luminance that the geometric mean of the picture is brought to, 0-1.
        gain: Largest exposure factor, the limit of aperture and sensor.
        bloom: Share of the light that the lens scatters.
        vignette: Loss of light in the corners, 0-1.
        shot: Variance of the noise per unit of signal.
        read: Standard deviation of the noise in the dark.
        balance: How far the white balance goes towards a grey mean of the lower picture, 0-1.
    """

    key: float = 0.135
    gain: float = 8.0
    bloom: float = 0.05
    vignette: float = 0.25
    shot: float = 3e-4
    read: float = 0.004
    balance: float = 0.5


RESPONSES: dict[Light, Response] = {
    Light.DAY: Response(),
    Light.DUSK: Response(key=0.115, gain=9.0, bloom=0.09, shot=4e-4, read=0.005, balance=0.45),
    Light.NIGHT: Response(key=0.07, gain=14.0, bloom=0.14, shot=4e-4, read=0.006, balance=0.2),
}
"""How a camera answers to each light: at night it opens up, but not all the way."""


def develop(radiance: FloatArray, conditions: Conditions, rng: np.random.Generator) -> IntArray:
    """Turn linear radiance into a stored picture.

    Args:
        radiance: Linear RGB, shape (H, W, 3).
        conditions: Light, which sets exposure and noise.
        rng: Random numbers for the noise.

    Returns:
        sRGB picture, shape (H, W, 3), uint8.
    """
    response = RESPONSES[conditions.light]
    if conditions.light is not Light.NIGHT:
        # Bright surroundings fool the meter; drivers' cameras compensate snow and fog by +0.7 EV.
        response = replace(response, key=response.key * COMPENSATION.get(conditions.weather, 1.0))
    gain = exposure(radiance, response) * white_balance(radiance, response)
    image = np.ascontiguousarray(radiance, np.float32) * gain.astype(np.float32)
    narrow, wide = _scattered(image)
    shift = rng.integers(0, _GRAIN, 2)
    out = np.empty(image.shape, np.uint8)
    levels = (response.bloom, response.vignette, response.shot, response.read**2)
    _finish(image, narrow, wide, _grain(), int(shift[0]), int(shift[1]), levels, _TABLE, out)
    return out


def exposure(radiance: FloatArray, response: Response) -> float:
    """Exposure factor: the geometric mean of the lower three fifths goes to the key.

    The sky is left out as far as it goes, as the metering of a windscreen camera does.
    """
    lower = radiance[2 * len(radiance) // 5 :]
    luminance = lower @ LUMINANCE
    mean = float(np.exp(np.log(luminance + 1e-4).mean()))
    return min(response.key / mean, response.gain)


def white_balance(radiance: FloatArray, response: Response) -> FloatArray:
    """Gains of red, green and blue, shape (3,): part of the way to a grey mean (Buchsbaum, 1980).

    Luminance is kept. The sky, bright lights and vivid things are left out: a red truck does not
    turn the road green.
    """
    # Every fourth row and column is enough for a mean.
    lower = radiance[2 * len(radiance) // 5 :: 4, ::4].reshape(-1, 3)
    luminance = lower @ LUMINANCE
    high, low = lower.max(-1), lower.min(-1)
    used = (luminance < 4 * np.median(luminance) + 1e-6) & (high - low < 0.45 * high)
    if used.sum() < 0.05 * len(used):
        return np.ones(3)
    mean = lower[used].mean(0).astype(np.float64) + 1e-6
    gain = np.clip((mean @ LUMINANCE / mean) ** response.balance, 0.6, 1.6)
    return np.asarray(gain * (mean @ LUMINANCE) / ((gain * mean) @ LUMINANCE))


def _scattered(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Highlights spread narrowly (half size) and widely (a quarter), by a scattering lens."""
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = np.minimum(half, 24.0)
    small = cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    wide = 0.6 * cv2.GaussianBlur(small, (0, 0), 1.8) + 0.4 * cv2.GaussianBlur(small, (0, 0), 5.0)
    wide = cv2.resize(wide, (half.shape[1], half.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(half, (0, 0), 0.9), np.float32), np.asarray(wide, np.float32)


@lru_cache(maxsize=1)
def _grain() -> FloatArray:
    """Standard normal noise that is read at a random shift per picture, (_GRAIN, _GRAIN, 3)."""
    return stream(0, "grain").standard_normal((_GRAIN, _GRAIN, 3), np.float32)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _finish(image, narrow, wide, grain, shift_y, shift_x, levels, table, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add glare, vignette and noise, then the tone curve with a little more colour."""
    bloom, loss, shot, dark = levels
    height, width = image.shape[:2]
    last_y, last_x = narrow.shape[0] - 1, narrow.shape[1] - 1
    entries = len(table)
    for y in range(height):
        v = (y + 0.5 - height / 2) / (width / 2)
        for x in range(width):
            u = (x + 0.5 - width / 2) / (width / 2)
            dim = 1 - loss * (u * u + v * v) / 1.25
            j, i = min(y // 2, last_y), min(x // 2, last_x)
            gy, gx = (y + shift_y) % grain.shape[0], (x + shift_x) % grain.shape[1]
            red = _expose(image[y, x, 0], narrow[j, i, 0], wide[j, i, 0], bloom, dim)
            green = _expose(image[y, x, 1], narrow[j, i, 1], wide[j, i, 1], bloom, dim)
            blue = _expose(image[y, x, 2], narrow[j, i, 2], wide[j, i, 2], bloom, dim)
            red += grain[gy, gx, 0] * np.sqrt(shot * red + dark)
            green += grain[gy, gx, 1] * np.sqrt(shot * green + dark)
            blue += grain[gy, gx, 2] * np.sqrt(shot * blue + dark)
            grey = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            out[y, x, 0] = _encode(grey, red, table, entries)
            out[y, x, 1] = _encode(grey, green, table, entries)
            out[y, x, 2] = _encode(grey, blue, table, entries)


@nb.njit(cache=True, nogil=True)
def _expose(value, narrow, wide, bloom, dim):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return ((1 - bloom) * value + bloom * (0.55 * narrow + 0.45 * wide)) * dim


@nb.njit(cache=True, nogil=True)
def _encode(grey, value, table, entries):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    full = max(grey + COLORFULNESS * (value - grey), 0.0)
    return table[min(int(full * (entries / WHITE)), entries - 1)]


def _tone_table() -> IntArray:
    """Filmic curve (Narkowicz, 2015), then the sRGB transfer, for exposures 0 to WHITE."""
    x = 0.66 * (np.arange(16384) + 0.5) / 16384 * WHITE
    tone = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    srgb = np.where(tone <= 0.0031308, 12.92 * tone, 1.055 * tone ** (1 / 2.4) - 0.055)
    return np.rint(255 * srgb).astype(np.uint8)


_TABLE = _tone_table()
