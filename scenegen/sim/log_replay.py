"""Recorded agents: exact replay, and when another agent's deviation ends it."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.collision import boxes_touch
from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import put, stay
from scenegen.sim.fields import (
    BASE,
    CRASHED,
    GAP,
    HALF_LENGTH,
    HALF_WIDTH,
    KEEPS_OFFSET,
    LEADER,
    MODE,
    MODE_LOG,
    MODE_REACTIVE,
    SPEED,
    TTC,
    VALID,
    YAW,
    YAW_RATE,
    X,
    Y,
)

STRIDE = 5
"""Steps between the instants at which the future is compared."""
INSTANTS = 5
"""Instants compared: 0.5 s to 2.5 s ahead."""
SPARE = 0.25
"""Distance kept to others in the prediction [m]."""
NEEDED = 2.0
"""Deceleration needed to avoid a leader at which the replay ends [m/s^2]."""
HABIT = 1.0
"""Offsets from the middle of the lane up to this are kept after the log [m]."""
NEAR = 80.0
"""Agents farther away than this do not disturb [m]."""


@kernel
def is_disturbed(f, k, b, i, step, logs, valid, first, last):
    """Whether an agent's recorded future does not fit what others, who left theirs, do now."""
    if b[CRASHED, i]:
        return True
    if _brakes_too_late(f, k, i):
        return True
    for j in range(f.shape[1]):
        if j == i or not b[VALID, j] or k[MODE, j] == MODE_LOG:
            continue
        dx, dy = f[X, j] - f[X, i], f[Y, j] - f[Y, i]
        if dx * dx + dy * dy < NEAR * NEAR and _meets(f, i, j, step, logs, valid, first, last):
            return True
    return False


@kernel
def _brakes_too_late(f, k, i):
    """Whether a leader that left its log forces braking the log does not contain."""
    j = k[LEADER, i]
    if j < 0 or k[MODE, j] == MODE_LOG:
        return False
    room = max(f[GAP, i] - 0.5, 0.1)
    if f[TTC, i] == math.inf:
        return f[GAP, i] < 0.5 and f[SPEED, i] > 0.5
    closing = f[GAP, i] / max(f[TTC, i], 0.01)
    return closing * closing > 2.0 * NEEDED * room


@kernel
def _meets(f, i, j, step, logs, valid, first, last):
    """Whether the log of i meets j within the horizon, if j keeps its speed and yaw rate."""
    reach = f[HALF_LENGTH, i] + f[HALF_LENGTH, j] + f[HALF_WIDTH, i] + f[HALF_WIDTH, j]
    for n in range(1, INSTANTS + 1):
        row = first + step + n * STRIDE
        if row >= last or not valid[row, i]:
            return False
        time = 0.1 * n * STRIDE
        turn = f[YAW_RATE, j] * time
        middle = f[YAW, j] + 0.5 * turn
        way = f[SPEED, j] * time
        dx = f[X, j] + way * math.cos(middle) - logs[row, i, 0]
        dy = f[Y, j] + way * math.sin(middle) - logs[row, i, 1]
        if dx * dx + dy * dy > reach * reach:
            continue
        yaw, ahead = logs[row, i, 2], f[YAW, j] + turn
        if boxes_touch(
            dx,
            dy,
            math.cos(yaw),
            math.sin(yaw),
            f[HALF_LENGTH, i] + SPARE,
            f[HALF_WIDTH, i],
            math.cos(ahead),
            math.sin(ahead),
            f[HALF_LENGTH, j],
            f[HALF_WIDTH, j],
        ):
            return True
    return False


@kernel
def leave_log(f, k, b, i):
    """Let an agent go on as REACTIVE; where in its lane it drives remains the driver's habit."""
    k[MODE, i] = MODE_REACTIVE
    b[KEEPS_OFFSET, i] = abs(f[BASE, i]) < HABIT


@kernel
def replay(f, k, b, i, step, logs, valid, first, last):
    """Put an agent at its next recorded state; where the log ends it goes on as REACTIVE.

    Returns:
        Whether the log had a next state.
    """
    row = first + step + 1
    if row >= last:
        leave_log(f, k, b, i)
        return False
    was, b[VALID, i] = b[VALID, i], valid[row, i]
    if not valid[row, i]:
        stay(f, i)
        return True
    x, y, yaw, speed = logs[row, i, 0], logs[row, i, 1], logs[row, i, 2], logs[row, i, 3]
    put(f, i, x, y, yaw, speed)
    if not was:
        put(f, i, x, y, yaw, speed)  # Appears here: there was no way before.
    return True
