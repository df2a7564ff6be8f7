"""How bodies move: bicycle, unicycle and walking, with the limits of each kind.

A vehicle is a kinematic bicycle whose box centre moves along its heading (Rajamani 2011, ch. 2,
with the slip angle left out), so that speed and heading of a state are its velocity. Over a step
acceleration and curvature are constant, and the motion is integrated exactly: it is an arc.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from scenegen.sim.compiled import kernel
from scenegen.sim.fields import (
    ACCELERATION,
    COMMAND,
    COMMAND_RATE,
    COS,
    HALF_LENGTH,
    MID_COS,
    MID_SIN,
    MID_X,
    MID_Y,
    SIN,
    SPEED,
    WALKED,
    YAW,
    YAW_RATE,
    X,
    Y,
)

DT = 0.1
"""Duration of a step [s]; scene.scenario.STEP."""
WHEELBASE = 0.6
"""Wheelbase as a share of the length: 2.7 m for a 4.5 m car."""
DRY = 0.9
"""Friction of dry asphalt, at which the limits below hold."""
LATERAL_GRIP = 0.85 * 9.81
"""Largest lateral acceleration on dry asphalt [m/s^2]."""
LIMITS = np.array(
    [
        # braking, acceleration [m/s^2], steering angle [rad]
        [9.0, 4.0, 0.60],  # car
        [7.0, 2.0, 0.60],  # truck
        [7.0, 2.0, 0.70],  # bus
        [9.0, 5.0, 0.60],  # motorcycle
        [5.0, 1.5, 0.70],  # cyclist
        [5.0, 3.0, 0.00],  # pedestrian
        [8.0, 6.0, 0.00],  # animal
        [9.0, 0.0, 0.00],  # static
    ]
)
"""Limits per kind on dry asphalt; braking and acceleration shrink with friction."""
TOP_SPEED = 70.0
"""No agent is faster [m/s]."""


@kernel
def wrap(angle):
    """Map an angle to (-pi, pi] [rad]."""
    if -math.pi < angle <= math.pi:
        return angle
    turned = math.pi - (math.pi - angle) % (2.0 * math.pi)
    return turned if turned > -math.pi else math.pi


@kernel
def clip_acceleration(acceleration, kind, friction):
    """Keep an acceleration within what the kind and the road allow [m/s^2]."""
    grip = friction / DRY
    return max(-LIMITS[kind, 0] * grip, min(acceleration, LIMITS[kind, 1] * min(1.0, grip)))


@kernel
def clip_curvature(curvature, speed, half_length, kind, friction):
    """Keep a curvature within the steering lock and the lateral grip [1/m]."""
    most = math.tan(LIMITS[kind, 2]) / (WHEELBASE * 2.0 * half_length)
    if speed > 1.0:
        most = min(most, LATERAL_GRIP * friction / DRY / (speed * speed))
    return max(-most, min(curvature, most))


@kernel
def curvature_of_steering(angle, half_length, kind):
    """Curvature of a bicycle's path at a front steering angle, tan(delta) / wheelbase [1/m]."""
    lock = LIMITS[kind, 2]
    return math.tan(max(-lock, min(angle, lock))) / (WHEELBASE * 2.0 * half_length)


@kernel
def distance_covered(speed, acceleration, duration):
    """Distance driven in a time; a vehicle that brakes stops and does not roll back [m]."""
    if speed >= 0.0 and speed + acceleration * duration < 0.0:
        return -0.5 * speed * speed / acceleration
    return speed * duration + 0.5 * acceleration * duration * duration


@kernel
def sinc(angle):
    """sin(a)/a, also at zero."""
    if abs(angle) < 1e-3:
        return 1.0 - angle * angle / 6.0
    return math.sin(angle) / angle


@kernel
def drive(f, i, acceleration, curvature):
    """Advance a vehicle by DT along an arc; the pose at half time is kept for collision checks."""
    speed = float(f[SPEED, i])
    after = speed + acceleration * DT
    if speed >= 0.0 and after < 0.0:
        after = 0.0
    after = min(after, TOP_SPEED)
    way = distance_covered(speed, acceleration, DT)
    first = distance_covered(speed, acceleration, 0.5 * DT)
    _arc(f, i, way, first, curvature)
    f[ACCELERATION, i] = (after - speed) / DT
    f[SPEED, i] = after
    f[YAW_RATE, i] = curvature * way / DT


@kernel
def spin(f, i, acceleration, yaw_rate):
    """Advance a unicycle by DT: acceleration and yaw rate are given (a motion code)."""
    speed = float(f[SPEED, i])
    way = speed * DT + 0.5 * acceleration * DT * DT
    first = 0.5 * speed * DT + 0.125 * acceleration * DT * DT
    turn = yaw_rate * DT
    _move(f, i, way, first, turn, 0.5 * turn)
    f[ACCELERATION, i] = acceleration
    f[SPEED, i] = speed + acceleration * DT
    f[YAW_RATE, i] = yaw_rate


@kernel
def _arc(f, i, way, first, curvature):
    _move(f, i, way, first, curvature * way, curvature * first)


@kernel
def _move(f, i, way, first, turn, first_turn):
    """Go `way` metres while turning; `first` of it and of the turn is done at half time."""
    yaw, x, y = float(f[YAW, i]), float(f[X, i]), float(f[Y, i])
    cos, sin = float(f[COS, i]), float(f[SIN, i])
    if turn == 0.0:
        f[MID_X, i], f[MID_Y, i] = x + first * cos, y + first * sin
        f[MID_COS, i], f[MID_SIN, i] = cos, sin
        f[X, i], f[Y, i] = x + way * cos, y + way * sin
        return
    chord = first * sinc(0.5 * first_turn)
    f[MID_X, i] = x + chord * math.cos(yaw + 0.5 * first_turn)
    f[MID_Y, i] = y + chord * math.sin(yaw + 0.5 * first_turn)
    f[MID_COS, i], f[MID_SIN, i] = math.cos(yaw + first_turn), math.sin(yaw + first_turn)
    chord = way * sinc(0.5 * turn)
    f[X, i] = x + chord * math.cos(yaw + 0.5 * turn)
    f[Y, i] = y + chord * math.sin(yaw + 0.5 * turn)
    yaw = wrap(yaw + turn)
    f[YAW, i] = yaw
    f[COS, i], f[SIN, i] = math.cos(yaw), math.sin(yaw)


@kernel
def stay(f, i):
    """Keep an agent where it is for a step."""
    f[MID_X, i], f[MID_Y, i] = f[X, i], f[Y, i]
    f[MID_COS, i], f[MID_SIN, i] = f[COS, i], f[SIN, i]
    f[SPEED, i] = 0.0
    f[ACCELERATION, i] = 0.0
    f[YAW_RATE, i] = 0.0


@kernel
def swing(f, i):
    """Turn a box about the middle of its front end for DT, up to the angle commanded."""
    left = float(f[COMMAND, i]) - float(f[WALKED, i])
    most = float(f[COMMAND_RATE, i]) * DT
    turn = max(-most, min(left, most))
    half, yaw = float(f[HALF_LENGTH, i]), float(f[YAW, i])
    x, y = f[X, i] + half * f[COS, i], f[Y, i] + half * f[SIN, i]
    cos, sin = math.cos(yaw + 0.5 * turn), math.sin(yaw + 0.5 * turn)
    f[MID_X, i], f[MID_Y, i], f[MID_COS, i], f[MID_SIN, i] = (
        x - half * cos,
        y - half * sin,
        cos,
        sin,
    )
    yaw = wrap(yaw + turn)
    cos, sin = math.cos(yaw), math.sin(yaw)
    f[X, i], f[Y, i], f[YAW, i] = x - half * cos, y - half * sin, yaw
    f[COS, i], f[SIN, i] = cos, sin
    f[SPEED, i], f[ACCELERATION, i] = 0.0, 0.0
    f[YAW_RATE, i] = turn / DT
    f[WALKED, i] += turn


@kernel
def put(f, i, x, y, yaw, speed):
    """Put an agent at a recorded pose; at half time it was half way."""
    turn = wrap(yaw - f[YAW, i])
    f[ACCELERATION, i] = (speed - f[SPEED, i]) / DT
    f[YAW_RATE, i] = turn / DT
    f[MID_X, i], f[MID_Y, i] = 0.5 * (f[X, i] + x), 0.5 * (f[Y, i] + y)
    middle = f[YAW, i] + 0.5 * turn
    f[MID_COS, i], f[MID_SIN, i] = math.cos(middle), math.sin(middle)
    f[X, i], f[Y, i], f[YAW, i], f[SPEED, i] = x, y, yaw, speed
    f[COS, i], f[SIN, i] = math.cos(yaw), math.sin(yaw)


@kernel
def walk(f, i, vx, vy):
    """Advance someone on foot by DT to a new velocity; standing, they keep their heading."""
    before = float(f[SPEED, i])
    way_x = 0.5 * (before * f[COS, i] + vx) * DT
    way_y = 0.5 * (before * f[SIN, i] + vy) * DT
    speed = math.sqrt(vx * vx + vy * vy)
    f[MID_X, i], f[MID_Y, i] = f[X, i] + 0.5 * way_x, f[Y, i] + 0.5 * way_y
    f[X, i] += way_x
    f[Y, i] += way_y
    turn = 0.0
    if speed > 0.02:
        yaw = math.atan2(vy, vx)
        turn = wrap(yaw - f[YAW, i])
        f[YAW, i], f[COS, i], f[SIN, i] = yaw, vx / speed, vy / speed
    f[MID_COS, i], f[MID_SIN, i] = f[COS, i], f[SIN, i]
    f[ACCELERATION, i] = (speed - before) / DT
    f[SPEED, i] = speed
    f[YAW_RATE, i] = turn / DT
