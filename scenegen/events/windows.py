"""Margins over time: what held lately, what will hold soon, all conditions at once."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.scene.scenario import STEP

FAR = 100.0
"""Margin where a condition has no meaning, as -FAR: an absent agent, another lane path."""


def all_of(*margins: FloatArray) -> FloatArray:
    """Margin of a conjunction: the least margin, cut to +-FAR, shape (T,)."""
    least = np.minimum.reduce([np.asarray(m, np.float64) for m in margins])
    return np.clip(np.nan_to_num(least, nan=-FAR), -FAR, FAR)


def known(valid: BoolArray, margin: FloatArray) -> FloatArray:
    """The margin where it means something, -FAR elsewhere, shape (T,)."""
    return np.where(valid, margin, -FAR)


def smoothed(values: FloatArray, seconds: float) -> FloatArray:
    """Centred moving average over time; at the ends the first and last value go on.

    Args:
        values: Values over time, shape (T,).
        seconds: Length of the window [s].

    Returns:
        Averages, shape (T,).
    """
    half = round(seconds / STEP) // 2
    padded = np.pad(np.asarray(values, np.float64), half, mode="edge")
    return np.convolve(padded, np.full(2 * half + 1, 1.0 / (2 * half + 1)), mode="valid")


def recently(margin: FloatArray, seconds: float, group: IntArray | None = None) -> FloatArray:
    """Largest margin over the last seconds, the present instant included.

    Args:
        margin: Margin over time, shape (T,).
        seconds: Length of the window [s].
        group: If given, only instants of the same group as the present one count, shape (T,).

    Returns:
        Windowed maximum, shape (T,).
    """
    best = np.array(margin, np.float64)
    for lag in range(1, min(round(seconds / STEP), len(best) - 1) + 1):
        past = np.asarray(margin, np.float64)[:-lag]
        if group is not None:
            past = np.where(group[:-lag] == group[lag:], past, -FAR)
        best[lag:] = np.maximum(best[lag:], past)
    return best


def soon(margin: FloatArray, seconds: float, group: IntArray | None = None) -> FloatArray:
    """Largest margin over the next seconds, the present instant included; see `recently`."""
    flipped = None if group is None else group[::-1]
    return recently(np.asarray(margin)[::-1], seconds, flipped)[::-1]
