"""Scripted actions: when they begin and what they then change.

An agent's maneuvers begin one after the other. A WALK, REVERSE, SWING or RESUME replaces what the
agent did before.
A LANE_CHANGE makes an agent that stood or replayed something REACTIVE, and leaves a SPEED in force;
a SPEED leaves a LANE_CHANGE under way to go on, and holds until RESUME. Agents under EXTERNAL
control carry none out. Distances of triggers are measured along the other agent's heading: GAP is
the bumper-to-bumper distance, zero or less where the two are side by side.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import DT
from scenegen.sim.fields import (
    BEGAN,
    COMMAND,
    COMMAND_RATE,
    COMMANDED,
    COS,
    CRASHED,
    HALF_LENGTH,
    HALF_WIDTH,
    KEEPS_OFFSET,
    LANE_CHANGE,
    MODE,
    MODE_EXTERNAL,
    MODE_REACTIVE,
    MODE_REVERSE,
    MODE_SWING,
    MODE_WALK,
    ON_ARRIVAL,
    ON_DELAY,
    ON_GAP,
    ON_TIME,
    PATH,
    RESUME,
    REVERSE,
    ROUTE_AT,
    SET_SPEED,
    SIN,
    SLOT,
    SPEED,
    SWING,
    VALID,
    WALK,
    WALKED,
    X,
    Y,
)
from scenegen.sim.path import enter_lane, place_in_route
from scenegen.sim.shifting import begin_shift

TICK = 1e-4
"""Times that differ by less are equal [s]: single precision at 600 s."""
M_KIND, M_TRIGGER, M_THRESHOLD, M_OTHER, M_A, M_B, M_C, M_D = range(8)
"""Columns of a maneuver."""


@kernel
def begin_due(f, k, b, i, steps, maneuvers, road, routes):
    """Begin all maneuvers of an agent whose turn and trigger have come."""
    if k[MODE, i] == MODE_EXTERNAL or b[CRASHED, i]:
        return
    while k[SLOT, i] < maneuvers.shape[1]:
        m = maneuvers[i, k[SLOT, i]]
        if m[M_KIND] == 0.0 or not _is_due(f, b, i, steps * DT, m):
            return
        k[SLOT, i] += 1
        f[BEGAN, i] = steps * DT
        _begin(f, k, b, i, steps, m, road, routes)


@kernel
def _is_due(f, b, i, time, m):
    """Whether the trigger of a maneuver has fired (TriggerKind says when)."""
    kind, threshold, j = int(m[M_TRIGGER]), float(m[M_THRESHOLD]), int(m[M_OTHER])
    if kind == ON_TIME:
        return time >= threshold - TICK
    if kind == ON_DELAY:
        return time - f[BEGAN, i] >= threshold - TICK
    if j < 0 or j >= f.shape[1] or j == i or not b[VALID, j]:
        return False
    cos, sin = float(f[COS, j]), float(f[SIN, j])
    ahead = (f[X, i] - f[X, j]) * cos + (f[Y, i] - f[Y, j]) * sin
    front = float(f[HALF_LENGTH, j])
    speed = float(f[SPEED, j])
    if kind == ON_ARRIVAL:
        return speed > 0.0 and ahead > -front and (ahead - front) < threshold * speed
    dot = f[COS, i] * cos + f[SIN, i] * sin
    cross = f[COS, i] * sin - f[SIN, i] * cos
    reach = f[HALF_LENGTH, i] * abs(dot) + f[HALF_WIDTH, i] * abs(cross)
    gap = abs(ahead) - front - reach
    if kind == ON_GAP:
        return gap < threshold
    closing = speed - f[SPEED, i] * dot
    return ahead > 0.0 and closing > 0.0 and gap < threshold * closing


@kernel
def _begin(f, k, b, i, steps, m, road, routes):
    """Change an agent's state as its maneuver says (ManeuverKind)."""
    kind = int(m[M_KIND])
    if kind == LANE_CHANGE:
        _begin_lane_change(f, k, b, i, steps, m, road, routes)
    elif kind == SET_SPEED:
        if k[MODE, i] != MODE_WALK:
            k[MODE, i] = MODE_REACTIVE
        b[COMMANDED, i] = True
        f[COMMAND, i] = m[M_A]
        f[COMMAND_RATE, i] = abs(m[M_B])
    elif kind == WALK:
        k[MODE, i] = MODE_WALK
        b[COMMANDED, i] = False
        f[COMMAND, i], f[COMMAND_RATE, i] = m[M_B], abs(m[M_C])
        f[WALKED, i] = 0.0
    elif kind in (REVERSE, SWING):
        k[MODE, i] = MODE_REVERSE if kind == REVERSE else MODE_SWING
        b[COMMANDED, i] = False
        f[COMMAND, i], f[COMMAND_RATE, i] = m[M_A], abs(m[M_B])
        f[WALKED, i] = 0.0
    elif kind == RESUME:
        k[MODE, i] = MODE_REACTIVE
        b[COMMANDED, i] = False


@kernel
def _begin_lane_change(f, k, b, i, steps, m, road, routes):
    if k[MODE, i] != MODE_REACTIVE:
        k[MODE, i] = MODE_REACTIVE
        b[COMMANDED, i] = False
    lane, shift = int(m[M_C]), float(m[M_A])
    stays = lane < 0 or lane >= 2 * len(road.lane_links)
    if not stays and k[PATH, i] != lane:
        at = place_in_route(road.lane_links, routes, i, lane, k[ROUTE_AT, i])
        enter_lane(f, k, i, lane, at, road, routes)
    begin_shift(f, k, b, i, shift, 2.0 * abs(shift) / max(abs(m[M_B]), 0.05), steps)
    b[KEEPS_OFFSET, i] = stays


@kernel
def command(f, i, speed):
    """Acceleration towards the commanded speed, reached exactly [m/s^2]."""
    missing = (f[COMMAND, i] - speed) / DT
    return min(max(missing, -f[COMMAND_RATE, i]), f[COMMAND_RATE, i])


@kernel
def back_up(f, k, i, maneuvers):
    """Acceleration and curvature of the REVERSE that is under way [m/s^2, 1/m]."""
    curvature, distance = 0.0, 0.0
    for q in range(k[SLOT, i]):
        if int(maneuvers[i, q, M_KIND]) == REVERSE:
            curvature, distance = float(maneuvers[i, q, M_C]), float(maneuvers[i, q, M_D])
    rate, before = max(float(f[COMMAND_RATE, i]), 0.1), -float(f[SPEED, i])
    rest = max(distance - f[WALKED, i] - 0.5 * before * DT, 0.0)
    speed = min(abs(float(f[COMMAND, i])), math.sqrt(2.0 * rate * rest))
    speed = min(max(speed, before - rate * DT), before + rate * DT)
    f[WALKED, i] += 0.5 * (before + speed) * DT
    return (before - speed) / DT, curvature


@kernel
def walking_angle(i, slot, maneuvers):
    """Heading of the walk that is under way [rad] and the distance after which it ends [m]."""
    for q in range(slot - 1, -1, -1):
        if int(maneuvers[i, q, M_KIND]) == WALK:
            return float(maneuvers[i, q, M_A]), float(maneuvers[i, q, M_D])
    return 0.0, math.inf
