"""Adding a watermark to a picture: stronger in texture, weaker on even ground, within a bound.

Texture hides a mark (Podilchuk and Zeng, 1998, "Image-adaptive watermarking using visual models"),
so its strength follows the standard deviation of brightness around each pixel.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import Array, FloatArray, IntArray, check_shape

WEAKEST, STRONGEST = 0.65, 3.5
"""Standard deviation of the mark on even ground and in texture [grey levels of 255]."""
GAIN = 0.2
"""Strength gained per grey level of the picture's own standard deviation."""
REACH = 4
"""Half the edge of the window in which that is taken, less the middle [pixels]."""
LOWEST_PSNR = 40.5
"""Bound on what the mark changes in any picture [dB]; rounding takes less than half a dB of it."""


def add_pattern(rgb: Array, pattern: FloatArray) -> IntArray:
    """Give a picture with a pattern added to all its channels.

    The peak signal to noise ratio against the picture is at least 40 dB: where the strengths
    would change it more, all are lowered together.

    Args:
        rgb: Picture, uint8, shape (H, W, 3).
        pattern: One period of the pattern, mean 0, variance 1, float32, shape (T, T).

    Returns:
        The marked picture, uint8, of the same shape; a picture of one colour stays as it is.

    Raises:
        ShapeError: The picture has another shape.
        ValueError: The picture is not uint8.
    """
    check_shape("rgb", rgb, "H", "W", 3)
    if rgb.dtype != np.uint8 or rgb.ndim != 3:
        raise ValueError(f"rgb: expected one picture of uint8, got {rgb.dtype} of {rgb.shape}")
    picture = np.ascontiguousarray(rgb, np.uint8)
    if _is_even(picture):
        return picture.copy()
    strength, power = _strengths(_brightness(picture), WEAKEST, STRONGEST, GAIN, REACH)
    allowed = 255.0**2 / 10 ** (LOWEST_PSNR / 10)
    scale = min(1.0, float(np.sqrt(allowed / power)))
    return _add(picture, strength, np.float32(scale), pattern)


@nb.njit(cache=True, nogil=True)
def _is_even(rgb):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether all pixels are alike."""
    for row in range(rgb.shape[0]):
        for column in range(rgb.shape[1]):
            for channel in range(3):
                if rgb[row, column, channel] != rgb[0, 0, channel]:
                    return False
    return True


@nb.njit(cache=True, nogil=True)
def _brightness(rgb):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Brightness in whole grey levels, weights of ITU-R BT.601."""
    height, width = rgb.shape[0], rgb.shape[1]
    out = np.empty((height, width), np.int32)
    for row in range(height):
        for column in range(width):
            red, green = np.int64(rgb[row, column, 0]), np.int64(rgb[row, column, 1])
            out[row, column] = (77 * red + 150 * green + 29 * np.int64(rgb[row, column, 2])) >> 8
    return out


@nb.njit(cache=True, nogil=True)
def _strengths(grey, weakest, strongest, gain, reach):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Strength at every pixel, and its mean square; sums are of integers, so exact."""
    height, width = grey.shape
    out = np.empty((height, width), np.float32)
    total, square = np.zeros(width, np.int32), np.zeros(width, np.int32)
    for row in range(min(reach, height)):
        _shift(grey[row], 1, total, square)
    power = 0.0
    for row in range(height):
        if row + reach < height:
            _shift(grey[row + reach], 1, total, square)
        if row > reach:
            _shift(grey[row - reach - 1], -1, total, square)
        rows = min(row + reach, height - 1) - max(row - reach, 0) + 1
        first, second, columns = np.int64(0), np.int64(0), min(reach, width)
        for column in range(columns):
            first, second = first + total[column], second + square[column]
        for column in range(width):
            if column + reach < width:
                first, second = first + total[column + reach], second + square[column + reach]
                columns += 1
            if column > reach:
                gone = column - reach - 1
                first, second = first - total[gone], second - square[gone]
                columns -= 1
            share = 1.0 / (rows * columns)
            mean = first * share
            spread = np.sqrt(max(second * share - mean * mean, 0.0))
            value = min(weakest + gain * spread, strongest)
            out[row, column] = value
            power += value * value
    return out, power / (height * width)


@nb.njit(cache=True, nogil=True)
def _shift(line, sign, total, square):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for column in range(len(line)):
        total[column] += sign * line[column]
        square[column] += sign * line[column] * line[column]


@nb.njit(cache=True, nogil=True)
def _add(rgb, strength, scale, pattern):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    height, width = strength.shape
    period = len(pattern)
    out = np.empty_like(rgb)
    for row in range(height):
        line = pattern[row % period]
        for column in range(width):
            mark = scale * strength[row, column] * line[column % period]
            change = np.int32(np.floor(mark + np.float32(0.5)))
            for channel in range(3):
                value = np.int32(rgb[row, column, channel]) + change
                out[row, column, channel] = min(max(value, 0), 255)
    return out
