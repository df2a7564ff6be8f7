"""Rain and snow between camera and scene: streaks and flakes in the picture."""

from __future__ import annotations

import cv2
import numba as nb
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import Conditions

DROP_SPEED, FLAKE_SPEED = 6.5, 1.2
"""Fall of rain drops of 2 mm (Gunn and Kinzer, 1949) and of snow flakes [m/s]."""
SHUTTER = 1 / 120
"""Exposure time [s]."""


def add_precipitation(
    radiance: FloatArray,
    depth: FloatArray,
    air: FloatArray,
    conditions: Conditions,
    speed: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw falling rain or snow over a picture.

    The number of drops in the air follows Marshall and Palmer (1948) through the rain rate; a
    drop blurs to a streak over the exposure and mixes the light of the sky into the picture.

    Args:
        radiance: Linear RGB, shape (H, W, 3).
        depth: Depth [m], 0 for sky, shape (H, W).
        air: Radiance that a drop or flake shows, linear RGB, shape (3,).
        conditions: Rain and snow rate.
        speed: Speed of the camera [m/s]; the faster, the more the streaks lean outward.
        rng: Random numbers for where the drops are.

    Returns:
        Linear RGB, shape (H, W, 3), float32; the argument itself when nothing falls.
    """
    height, width = depth.shape
    rain, snow = conditions.rain_mm_per_h, conditions.snow_mm_per_h
    if rain <= 0 and snow <= 0:
        return radiance
    layer = np.zeros((height, width), np.float32)
    if rain > 0:
        _draw(
            layer,
            rng,
            round(150 * rain**0.6),
            DROP_SPEED,
            speed,
            nearest=1.2,
            thickness=0.0035,
            strength=0.34,
        )
    if snow > 0:
        _draw(
            layer,
            rng,
            round(420 * snow**0.6),
            FLAKE_SPEED,
            speed,
            nearest=2.6,
            thickness=0.008,
            strength=0.8,
        )
    soft = cv2.GaussianBlur(layer, (0, 0), 0.55)
    out = np.empty((height, width, 3), np.float32)
    shine = (1.25 * air).astype(np.float32)
    _veil(np.ascontiguousarray(radiance, np.float32).reshape(-1), soft.reshape(-1), shine, out)
    return out


@nb.njit(cache=True, nogil=True)
def _veil(radiance, share, shine, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mix the light of drops into that of pixels; all flat, so that this is vectorised."""
    red, green, blue, flat = shine[0], shine[1], shine[2], out.reshape(-1)
    for i in range(len(share)):
        s = min(max(share[i], np.float32(0.0)), np.float32(0.9))
        through = np.float32(1.0) - s
        flat[3 * i] = radiance[3 * i] * through + red * s
        flat[3 * i + 1] = radiance[3 * i + 1] * through + green * s
        flat[3 * i + 2] = radiance[3 * i + 2] * through + blue * s


def _draw(
    layer: FloatArray,
    rng: np.random.Generator,
    count: int,
    fall: float,
    speed: float,
    *,
    nearest: float,
    thickness: float,
    strength: float,
) -> None:
    """Draw particles as short lines from where they are to where they go while it is exposed."""
    height, width = layer.shape
    focal = 0.6 * width
    depth = nearest + 14.0 * rng.random(count) ** 1.5
    x = (rng.random(count) - 0.5) * width
    y = (rng.random(count) - 0.5) * height
    # A point at image place (x, y) moves by f v / z downward and outward by (x, y) speed / z.
    out = speed * SHUTTER / depth
    end_x, end_y = x * (1 + out), y * (1 + out) + focal * fall * SHUTTER / depth
    wide = focal * thickness / depth
    value = strength * np.minimum(1.0, wide) / (1 + 0.05 * depth)
    # In eighths of a pixel, as cv2 is told to read them.
    places = np.stack([x + width / 2, y + height / 2, end_x + width / 2, end_y + height / 2])
    corners = np.rint(8 * places).astype(np.int64).T.tolist()
    thick = np.maximum(1, np.rint(wide)).astype(np.int64).tolist()
    for (left, top, right, low), shine, line in zip(corners, value.tolist(), thick, strict=True):
        cv2.line(layer, (left, top), (right, low), shine, line, cv2.LINE_AA, 3)
