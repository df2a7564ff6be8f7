"""Tileable noise and the canvas that the bitmaps of all surfaces are painted on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scenegen.arrays import FloatArray

EDGE = 256
"""Texels along an edge of every bitmap, a power of two."""
UNIT = 128.0
"""Value that stands for a factor of one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canvas:
    """A bitmap before it is stored, row 0 at the bottom.

    Attributes:
        color: Factors on the albedo times UNIT in RGB and glass in A, shape (EDGE, EDGE, 4).
        finish: Factor on the roughness times UNIT, and how readily water stands there from 0 to
            255; shape (EDGE, EDGE, 2).
    """

    color: FloatArray
    finish: FloatArray


def canvas(
    factor: FloatArray, rough: FloatArray | float = 1.0, water: FloatArray | float = 0.0
) -> Canvas:
    """Make an opaque bitmap.

    Args:
        factor: Factor on the albedo, shape (EDGE, EDGE) or (EDGE, EDGE, 3).
        rough: Factor on the roughness.
        water: How readily water stands there, 0-1.
    """
    color = np.zeros((EDGE, EDGE, 4))
    color[..., :3] = UNIT * (factor[..., None] if factor.ndim == 2 else factor)
    finish = np.empty((EDGE, EDGE, 2))
    finish[..., 0], finish[..., 1] = UNIT * np.asarray(rough), 255.0 * np.asarray(water)
    return Canvas(color=np.clip(color, 0, 255), finish=np.clip(finish, 0, 255))


def noise(rng: np.random.Generator, cells: int, cells_y: int | None = None) -> FloatArray:
    """Draw smooth tileable noise of about unit variance.

    Args:
        rng: Random numbers.
        cells: Cells across, a power of two up to EDGE.
        cells_y: Cells up; as many as across by default.

    Returns:
        Shape (EDGE, EDGE).
    """
    grid = rng.normal(size=(cells_y or cells, cells))
    if grid.shape == (EDGE, EDGE):
        return grid
    padded = np.pad(grid, 2, mode="wrap").astype(np.float32)
    across, up = EDGE // grid.shape[1], EDGE // grid.shape[0]
    size = (padded.shape[1] * across, padded.shape[0] * up)
    large = cv2.resize(padded, size, interpolation=cv2.INTER_CUBIC)
    inner = large[2 * up : 2 * up + EDGE, 2 * across : 2 * across + EDGE]
    return inner.astype(np.float64)


def fractal(rng: np.random.Generator, first: int, octaves: int, fall: float = 0.6) -> FloatArray:
    """Draw noise of several sizes, each twice as fine and `fall` as strong as the one before.

    Returns:
        Shape (EDGE, EDGE), unit variance on average.
    """
    total, power = np.zeros((EDGE, EDGE)), 0.0
    for k in range(octaves):
        total += fall**k * noise(rng, min(first << k, EDGE))
        power += fall ** (2 * k)
    return total / np.sqrt(power)
