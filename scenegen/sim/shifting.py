"""Lateral motion: the planned offset from the path, and the steering that follows it.

A sideways move follows the cycloid y(u) = u - sin(2 pi u) / (2 pi), whose lateral speed and
acceleration begin and end at zero; its peak speed is 2 / duration. The steering is linear state
feedback in the distance domain, e'' + 2 e' / l + e / l^2 = 0 (critically damped), on top of the
curvature of the path and of the move.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import DT, wrap
from scenegen.sim.fields import (
    BASE,
    COOLDOWN,
    HALF_LENGTH,
    KEEPS_OFFSET,
    PATH,
    PATH_HEADING,
    PATH_OFFSET,
    PROGRESS,
    SHIFT,
    SHIFT_TIME,
    SPEED,
    YAW,
)
from scenegen.sim.path import path_curvature
from scenegen.sim.places import LONG

PREVIEW_TIME = 0.8
"""Length l of the feedback as time [s]; about the driver's preview (MacAdam 1981)."""
LEAST_PREVIEW = 3.0
"""Smallest length of the feedback [m]."""
STEEPEST = 0.3
"""Largest slope of a sideways move to the path; slower vehicles take longer instead."""
RETURN_TIME = 2.5
"""Time constant with which an offset that is not wanted dies away [s]."""
RETURN_SPEED = 0.4
"""Fastest such return [m/s]."""

MOST_INSET = 0.5
"""Long vehicles stay at most this far inwards of the middle of a curve [m]."""


@kernel
def begin_shift(f, k, b, i, shift, duration, steps):
    """Begin a sideways move by `shift` from the present offset."""
    f[BASE, i] = f[PATH_OFFSET, i]
    f[SHIFT, i] = shift
    f[PROGRESS, i] = 0.0
    f[SHIFT_TIME, i] = max(duration, 0.2)
    b[KEEPS_OFFSET, i] = False
    k[COOLDOWN, i] = steps


@kernel
def is_shifting(f, i):
    """Whether a sideways move is under way."""
    return f[SHIFT, i] != 0.0


@kernel
def advance_shift(f, b, i):
    """Carry the sideways move on by a step, or let an unwanted offset die away."""
    if is_shifting(f, i):
        f[PROGRESS, i] += _rate(f, i) * DT
        if f[PROGRESS, i] >= 1.0:
            f[BASE, i] += f[SHIFT, i]
            f[SHIFT, i] = 0.0
        return
    if not b[KEEPS_OFFSET, i]:
        speed = min(max(f[BASE, i] / RETURN_TIME, -RETURN_SPEED), RETURN_SPEED)
        f[BASE, i] -= speed * DT * min(1.0, f[SPEED, i])


@kernel
def _rate(f, i):
    """Share of the move done per second; a slow vehicle cannot move sideways fast."""
    fastest = STEEPEST * max(f[SPEED, i], 0.0) / (2.0 * abs(f[SHIFT, i]))
    return min(1.0 / f[SHIFT_TIME, i], fastest)


@kernel
def steer(f, k, i, segments, links):
    """Curvature that keeps the vehicle on its path and its move [1/m]; 0 without a path."""
    if k[PATH, i] < 0:
        return 0.0
    speed = max(float(f[SPEED, i]), 0.5)
    offset, slope, bend = float(f[BASE, i]), 0.0, 0.0
    if is_shifting(f, i):
        u, rate = float(f[PROGRESS, i]), _rate(f, i) / speed
        angle = 2.0 * math.pi * u
        offset += f[SHIFT, i] * (u - math.sin(angle) / (2.0 * math.pi))
        slope = f[SHIFT, i] * (1.0 - math.cos(angle)) * rate
        bend = f[SHIFT, i] * 2.0 * math.pi * math.sin(angle) * rate * rate
    length = max(LEAST_PREVIEW, PREVIEW_TIME * speed)
    if f[HALF_LENGTH, i] > LONG:
        offset += _inset(f, k, i, segments, links)
        length = max(length, float(f[HALF_LENGTH, i]))
    error = f[PATH_OFFSET, i] - offset
    turn = wrap(float(f[YAW, i]) - float(f[PATH_HEADING, i]))
    curvature = path_curvature(f, k, i, max(speed * DT, 1.0), segments, links)
    curvature /= max(1.0 - curvature * f[PATH_OFFSET, i], 0.3)
    lateral = min(max(-error / length, -0.5), 0.5)
    return curvature + bend + (lateral - 2.0 * (math.sin(turn) - slope)) / length


@kernel
def _inset(f, k, i, segments, links):
    """How far the centre of a long vehicle stays inwards of the middle of a curve [m].

    Its ends stand out by l^2 / 2r, l being half its length; half of that on either side is least.
    """
    half = float(f[HALF_LENGTH, i])
    inset = 0.25 * half * half * path_curvature(f, k, i, half, segments, links)
    return min(max(inset, -MOST_INSET), MOST_INSET)
