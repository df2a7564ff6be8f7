"""Car-following: the intelligent driver model (IDM; Treiber, Hennecke and Helbing 2000)."""
# ruff: noqa: ANN001, ANN201 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.compiled import kernel
from scenegen.sim.fields import (
    COMFORT,
    DESIRED,
    HEADWAY,
    IGNORES_LIMIT,
    LANE_ENTRY_SPEED,
    LANE_LENGTH,
    LANE_LIMIT,
    MINIMUM_GAP,
    PATH,
    PATH_ALONG,
    PATHS,
    SEG_LENGTH,
    SEG_S,
    SEG_SPEED,
    SEGMENT,
    SPEED,
    WANTED,
)

EXPONENT = 4
"""IDM's delta."""
NEAREST = 0.1
"""Smallest gap that enters the formula [m]."""
SETTLE = 0.5
"""Time in which a driver matches the speed a curve allows [s]."""
APPROACH = 1.5
"""Deceleration towards a slower part of the path [m/s^2]."""
CURVE_BRAKING = 4.0
"""Strongest braking for a curve [m/s^2]."""


@kernel
def wish(speed, leader_speed, headway, minimum_gap, wanted, comfort):
    """Gap a driver wants, s* = s0 + v T + v dv / (2 sqrt(a b)) (Treiber et al. 2000, eq. 4) [m]."""
    closing = speed * (speed - leader_speed) / (2.0 * math.sqrt(wanted * comfort))
    return minimum_gap + max(0.0, speed * headway + closing)


@kernel
def hindrance(speed, leader_speed, gap, p):
    """Braking term (s* / s)^2 of one leader; p is a driver's row of parameters."""
    ratio = wish(speed, leader_speed, p[HEADWAY], p[MINIMUM_GAP], p[WANTED], p[COMFORT]) / max(
        gap, NEAREST
    )
    return ratio * ratio


@kernel
def free_acceleration(speed, target, wanted, comfort):
    """Acceleration on a free road towards a target speed [m/s^2].

    IDM's a (1 - (v/v0)^4); above v0 the milder form of the improved IDM,
    -b (1 - (v0/v)^(4 a / b)) (Treiber and Kesting 2013, eq. 11.23).
    """
    if speed <= target:
        ratio = speed / max(target, 0.1)
        ratio *= ratio
        return wanted * (1.0 - ratio * ratio)
    return -comfort * (1.0 - (target / speed) ** (EXPONENT * wanted / comfort))


@kernel
def target_speed(k, i, p, ignores, numbers, lanes):
    """Desired speed within the limit of the present lane [m/s]."""
    code = k[PATH, i]
    if code < 0 or ignores & IGNORES_LIMIT:
        return float(p[DESIRED])
    return min(float(p[DESIRED]), float(numbers[code % lanes, LANE_LIMIT]))


@kernel
def path_acceleration(f, k, i, ignores, road):
    """Acceleration that keeps to the speeds the path ahead allows: curves and limits [m/s^2]."""
    speed = float(f[SPEED, i])
    lanes, r = len(road.lane_links), k[SEGMENT, i]
    code = k[PATH, i]
    allowed = float(road.segments[r, SEG_SPEED])
    if code < lanes and r + 1 < len(road.segments) and road.segment_lane[r + 1] == code:
        rest = road.segments[r, SEG_S] + road.segments[r, SEG_LENGTH] - f[PATH_ALONG, i]
        following = float(road.segments[r + 1, SEG_SPEED])
        allowed = min(allowed, math.sqrt(following * following + 2.0 * APPROACH * max(rest, 0.0)))
    distance = road.lane_numbers[code % lanes, LANE_LENGTH] - f[PATH_ALONG, i]
    reach = speed * speed / (2.0 * APPROACH)
    for q in range(1, PATHS):
        code = k[PATH + q, i]
        if code < 0 or distance > reach:
            break
        entry = float(road.lane_numbers[code % lanes, LANE_ENTRY_SPEED])
        if not ignores & IGNORES_LIMIT:
            entry = min(entry, float(road.lane_numbers[code % lanes, LANE_LIMIT]))
        if entry < allowed:
            room = max(distance - speed * SETTLE, 0.0)
            allowed = min(allowed, math.sqrt(entry * entry + 2.0 * APPROACH * room))
        distance += road.lane_numbers[code % lanes, LANE_LENGTH]
    return max((allowed - speed) / SETTLE, -CURVE_BRAKING)
