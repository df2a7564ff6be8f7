"""Deciding and moving: every agent's next acceleration and curvature, then all move at once."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.collision import on_foot
from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import (
    DRY,
    DT,
    clip_acceleration,
    clip_curvature,
    curvature_of_steering,
    drive,
    spin,
    stay,
    swing,
    walk,
)
from scenegen.sim.fields import (
    ACCELERATION,
    BRAKE,
    COMFORT,
    COMMANDED,
    CRASHED,
    HALF_LENGTH,
    KIND,
    KIND_STATIC,
    LANE_LENGTH,
    MODE,
    MODE_EXTERNAL,
    MODE_HOLD,
    MODE_KNOTS,
    MODE_LOG,
    MODE_REACTIVE,
    MODE_REVERSE,
    MODE_SWING,
    MODE_WALK,
    NEED,
    NEED_AT,
    PATH,
    PATH_ALONG,
    PLANNED_A,
    PLANNED_B,
    REACTION,
    SPEED,
    VALID,
    WANTED,
)
from scenegen.sim.junctions import VIEW, halting, stopping_term
from scenegen.sim.log_replay import replay
from scenegen.sim.maneuvers import back_up, command
from scenegen.sim.pedestrians import social_force, stopping, straight_walk
from scenegen.sim.shifting import advance_shift, steer
from scenegen.sim.traffic import free_acceleration, path_acceleration, target_speed

CRASH_BRAKING = 8.0
"""Deceleration after a collision on dry asphalt [m/s^2]."""
LOST_BRAKING = 2.0
"""Deceleration of a vehicle that has no lane to follow [m/s^2]."""


@kernel
def plan_all(f, k, b, steps, s, starts, road, signals, ways, actions):
    """Write what every agent does next; nobody has moved yet, so the order does not matter."""
    friction = float(starts.friction[s])
    parameters, ignores = starts.parameters[s], starts.ignores[s]
    for i in range(f.shape[1]):
        if not b[VALID, i] or k[KIND, i] == KIND_STATIC:
            continue
        mode, kind = k[MODE, i], k[KIND, i]
        first, second = 0.0, 0.0
        if b[CRASHED, i]:
            first, second = _crash(f, k, i, friction)
        elif mode == MODE_EXTERNAL:
            first, second = _act(f, i, kind, friction, actions)
        elif mode == MODE_KNOTS:
            time = (steps + 0.5) * DT
            first, second = _code(starts.knots[s, i], time / float(starts.knots_duration[s]))
        elif mode == MODE_WALK:
            first, second = straight_walk(f, k, i, starts.maneuvers[s])
        elif mode == MODE_REVERSE:
            first, second = back_up(f, k, i, starts.maneuvers[s])
            second = clip_curvature(second, -f[SPEED, i], f[HALF_LENGTH, i], kind, friction)
        elif mode == MODE_REACTIVE and on_foot(kind):
            first, second = social_force(f, k, b, i, parameters[i], ignores[i], road, signals)
        elif mode == MODE_REACTIVE:
            first = _accelerate(f, k, b, i, parameters[i], ignores[i], road, signals, ways)
            first = clip_acceleration(first, kind, friction)
            second = steer(f, k, i, road.segments, road.lane_links)
            second = clip_curvature(second, f[SPEED, i], f[HALF_LENGTH, i], kind, friction)
        f[PLANNED_A, i], f[PLANNED_B, i] = first, second


@kernel
def _crash(f, k, i, friction):
    if on_foot(k[KIND, i]):
        return stopping(f, k, i)
    if f[SPEED, i] < 0.0:
        return min(-f[SPEED, i] / DT, CRASH_BRAKING * friction / DRY), 0.0
    return clip_acceleration(-CRASH_BRAKING, k[KIND, i], friction), 0.0


@kernel
def _act(f, i, kind, friction, actions):
    """Acceleration and curvature from an action: acceleration and front steering angle."""
    acceleration, angle = 0.0, 0.0
    if i < len(actions):
        acceleration, angle = float(actions[i, 0]), float(actions[i, 1])
        acceleration = acceleration if math.isfinite(acceleration) else 0.0
        angle = angle if math.isfinite(angle) else 0.0
    curvature = curvature_of_steering(angle, f[HALF_LENGTH, i], kind)
    curvature = clip_curvature(curvature, f[SPEED, i], f[HALF_LENGTH, i], kind, friction)
    return clip_acceleration(acceleration, kind, friction), curvature


@kernel
def _code(knots, share):
    """Acceleration and yaw rate of a motion code, linear between its knots."""
    place = min(max(share, 0.0), 1.0) * (len(knots) - 1)
    n = min(int(place), len(knots) - 2)
    rest = place - n
    return (
        knots[n, 0] + rest * (knots[n + 1, 0] - knots[n, 0]),
        knots[n, 1] + rest * (knots[n + 1, 1] - knots[n, 1]),
    )


@kernel
def _accelerate(f, k, b, i, p, ignores, road, signals, ways):
    """Acceleration of a driver: the free road, leaders, stop lines and the path [m/s^2]."""
    speed = float(f[SPEED, i])
    if b[COMMANDED, i]:
        return command(f, i, speed)
    if k[PATH, i] < 0:
        return -LOST_BRAKING
    lanes = len(road.lane_links)
    target = target_speed(k, i, p, ignores, road.lane_numbers, lanes)
    wanted = free_acceleration(speed, target, p[WANTED], p[COMFORT])
    brake = max(
        float(f[BRAKE, i]),
        stopping_term(f, k, i, p, ignores, road, signals, ways),
        _lane_end(f, k, i, p, road.lane_numbers, lanes),
    )
    wanted = min(wanted - p[WANTED] * brake, path_acceleration(f, k, i, ignores, road))
    # The driver's reaction is a first-order lag of the acceleration.
    before = float(f[ACCELERATION, i])
    return before + (max(wanted, -12.0) - before) * DT / (p[REACTION] + DT)


@kernel
def _lane_end(f, k, i, p, numbers, lanes):
    """Braking term of the end of a lane that has to be left before; 0 without one."""
    if k[NEED, i] == 0:
        return 0.0
    room = -float(f[PATH_ALONG, i]) - f[HALF_LENGTH, i]
    for q in range(k[NEED_AT, i] + 1):
        room += numbers[k[PATH + q, i] % lanes, LANE_LENGTH]
    return halting(float(f[SPEED, i]), max(room, 0.0), p) if room < VIEW else 0.0


@kernel
def move_all(f, k, b, steps, s, starts):
    """Let all agents do what they planned."""
    first, last = starts.log_begin[s], starts.log_begin[s + 1]
    for i in range(f.shape[1]):
        mode, kind = k[MODE, i], k[KIND, i]
        replays = mode == MODE_LOG and kind != KIND_STATIC
        if replays and replay(f, k, b, i, steps, starts.logs, starts.log_valid, first, last):
            continue
        if not b[VALID, i]:
            continue
        if mode == MODE_SWING and not b[CRASHED, i]:
            swing(f, i)
        elif kind == KIND_STATIC or (mode == MODE_HOLD and not b[CRASHED, i]):
            stay(f, i)
        elif mode == MODE_WALK or (on_foot(kind) and mode in (MODE_REACTIVE, MODE_HOLD, MODE_LOG)):
            walk(f, i, f[PLANNED_A, i], f[PLANNED_B, i])
        elif mode == MODE_KNOTS and not b[CRASHED, i]:
            spin(f, i, f[PLANNED_A, i], f[PLANNED_B, i])
        elif mode == MODE_REVERSE and not b[CRASHED, i]:
            pace = f[SPEED, i] + 0.5 * f[PLANNED_A, i] * DT
            spin(f, i, f[PLANNED_A, i], f[PLANNED_B, i] * pace)
        else:
            drive(f, i, f[PLANNED_A, i], f[PLANNED_B, i])
        if mode == MODE_REACTIVE:
            advance_shift(f, b, i)
