"""Extremes over windows of time, along the first axis."""

from __future__ import annotations

import math

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events.windows import FAR
from scenegen.query.atoms import Interval

ROUNDING = 1e-6
"""Part of a step by which an interval may miss an instant that it is meant to contain."""
FARTHEST = 1e12
"""Steps after which every scenario has ended; intervals that reach further are cut there."""


def offsets(interval: Interval, step: float) -> tuple[int, int]:
    """First and last instant of an interval, in steps from now; first > last if none is inside."""
    low, high = (min(end.value / step, FARTHEST) for end in (interval.low, interval.high))
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


def until(
    meanwhile: FloatArray, then: FloatArray, first: int, last: int, beyond: float
) -> FloatArray:
    """Largest, over the instants of a window ahead, of `then` there and `meanwhile` before it.

    Args:
        meanwhile: Values over time, shape (T, ...).
        then: Values over time, the same shape.
        first: First step of the window, >= 0.
        last: Last step of the window.
        beyond: Value that both are assumed to have after the end.

    Returns:
        For each instant t the maximum over k in first..last of
        ``min(then[t + k], meanwhile[t], ..., meanwhile[t + k - 1])``, shape (T, ...).
    """
    if first > last:
        return np.full(then.shape, beyond)
    steps = len(then)
    first, span = min(first, steps), min(last, steps)
    padding = np.full((span, *then.shape[1:]), beyond)
    later = np.concatenate([then, padding])
    passed = np.concatenate([meanwhile, padding])
    best, least = np.full(then.shape, -FAR), np.full(then.shape, FAR)
    for k in range(span + 1):
        if k >= first:
            best = np.maximum(best, np.minimum(later[k : k + steps], least))
        least = np.minimum(least, passed[k : k + steps])
    return best


def begins(holds: BoolArray) -> IntArray:
    """First instant of the run of True that each instant is in, itself outside, shape (T, ...)."""
    steps = np.arange(len(holds)).reshape(-1, *(1 for _ in holds.shape[1:]))
    runs_on = holds & np.concatenate([np.zeros_like(holds[:1]), holds[:-1]])
    return np.maximum.accumulate(np.where(runs_on, 0, steps), axis=0)
