"""Extremes over windows of time, along the first axis."""

from __future__ import annotations

import math

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.windows import FAR
from scenegen.query.atoms import Interval

ROUNDING = 1e-6
"""Part of a step by which an interval may miss an instant that it is meant to contain."""


def offsets(interval: Interval, step: float) -> tuple[int, int]:
    """First and last instant of an interval, in steps from now; first > last if none is inside."""
    low, high = interval.low.value / step, interval.high.value / step
    return math.ceil(low - ROUNDING), math.floor(high + ROUNDING)


def largest_ahead(margin: FloatArray, first: int, last: int, beyond: float = -FAR) -> FloatArray:
    """Largest value among the instants `first` to `last` steps ahead of each instant.

    Args:
        margin: Values over time, shape (T, ...).
        first: First step of the window, >= 0.
        last: Last step of the window.
        beyond: Value assumed after the end.

    Returns:
        Windowed maxima, shape (T, ...); `beyond` where the window holds no instant.
    """
    steps = len(margin)
    first, last = min(first, steps), min(last, steps)
    if first > last:
        return np.full(margin.shape, beyond)
    padding = np.full((last, *margin.shape[1:]), beyond)
    best = np.concatenate([margin, padding])
    width, wanted = 1, last - first + 1
    while 2 * width <= wanted:  # best[t] covers t .. t + width - 1
        best = np.maximum(best[:-width], best[width:])
        width *= 2
    if width < wanted:
        shift = wanted - width
        best = np.maximum(best[:-shift], best[shift:])
    return best[first : first + steps]


def smallest_ahead(margin: FloatArray, first: int, last: int, beyond: float = -FAR) -> FloatArray:
    """Smallest value among the instants `first` to `last` steps ahead; see `largest_ahead`.

    A window without any instant, or that runs past the end, holds `beyond`: what lies there is
    unknown, and the unknown is not taken for true.
    """
    if first > last:
        return np.full(margin.shape, beyond)
    return -largest_ahead(-margin, first, last, -beyond)
