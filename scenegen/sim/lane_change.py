"""Lane changes by choice or need: MOBIL (Kesting, Treiber and Helbing 2007).

Drivers who hear a siren close behind take any neighbour lane that is safe.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.compiled import kernel
from scenegen.sim.fields import (
    BRAKE,
    COMFORT,
    COMMANDED,
    COOLDOWN,
    GAP,
    HALF_LENGTH,
    HALF_WIDTH,
    KIND,
    KIND_MOTORCYCLE,
    LANE_BEFORE,
    LANE_FIRST,
    LANE_JUNCTION,
    LANE_KIND,
    LANE_LAST,
    LANE_LEFT,
    LANE_LENGTH,
    LANE_MAY_LEFT,
    LANE_MAY_RIGHT,
    LANE_RIGHT,
    LANE_STRAIGHT_ON,
    LEADER,
    MODE,
    MODE_REACTIVE,
    NEED,
    NEED_AT,
    PATH,
    PATH_ALONG,
    PATH_OFFSET,
    POLITENESS,
    PRESSED,
    RAMP,
    ROUTE_AT,
    SEG_LENGTH,
    SEG_S,
    SEG_UX,
    SEG_UY,
    SEG_WIDTH,
    SEG_X,
    SEG_Y,
    SPEED,
    VALID,
    WANTED,
    X,
    Y,
)
from scenegen.sim.leaders import SIGHT
from scenegen.sim.path import enter_lane, follow, nearest_segment, place_in_route
from scenegen.sim.places import E_AGENT, E_ALONG, E_NEXT, E_REACH, E_SPEED
from scenegen.sim.shifting import begin_shift, is_shifting
from scenegen.sim.traffic import free_acceleration, hindrance, target_speed

PERIOD = 10
"""Steps between two decisions of a driver; drivers take turns."""
SAFE = 4.0
"""Braking a change may force on the follower [m/s^2] (MOBIL's b_safe)."""
URGENT_SAFE = 6.0
"""The same when the lane ends."""
THRESHOLD = 0.2
"""Advantage below which nobody changes [m/s^2]."""
PAUSE = 40
"""Steps between two changes of one driver."""
NEED_HORIZON = 250.0
"""Distance before a needed change at which drivers begin to look for a gap [m]."""
LEAST_SPEED = 1.5
"""Slower vehicles do not change lanes unless they must [m/s]."""
DURATION = 4.0
"""Duration of a lane change [s] (mean 4 to 5 s; Toledo and Zohar 2007)."""
WIDEST = 5.0
"""Lanes whose centres are farther apart are not yet beside each other [m]: a ramp's nose."""
CLEAR = 1.0
"""Smallest gap to the vehicles in the new lane [m]."""


@kernel
def consider_all(f, k, b, steps, parameters, ignores, road, routes, lists):
    """Let the drivers whose turn it is decide about a lane change, and begin it."""
    for i in range(f.shape[1]):
        if (steps + 3 * i) % PERIOD != 0 or k[PATH, i] < 0 or k[PATH, i] >= len(road.lane_links):
            continue
        lane = k[PATH, i]
        if road.lane_links[lane, LANE_LEFT] < 0 and road.lane_links[lane, LANE_RIGHT] < 0:
            continue
        if _may_change(f, k, b, i, steps, parameters[i], road):
            _consider(f, k, b, i, steps, parameters, ignores, road, routes, lists)


@kernel
def _consider(f, k, b, i, steps, parameters, ignores, road, routes, lists):
    """Compare the lanes to both sides and begin the change that is worth it."""
    links, lane = road.lane_links, k[PATH, i]
    needed = k[NEED, i] if k[NEED_AT, i] == 0 else 0
    if road.lane_numbers[lane, LANE_LENGTH] - f[PATH_ALONG, i] > NEED_HORIZON:
        needed = 0
    best, best_side = -math.inf, 0
    for side in (1, -1):
        target = links[lane, LANE_LEFT if side > 0 else LANE_RIGHT]
        allowed = links[lane, LANE_MAY_LEFT if side > 0 else LANE_MAY_RIGHT]
        if target < 0 or not allowed or (needed not in (0, side)):
            continue
        if needed == 0 and not _leads_on(k, i, target, road, routes):
            continue
        urgent = needed != 0 or b[PRESSED, i]
        gain = _gain(f, k, i, target, urgent, parameters, ignores, road, lists)
        if gain > best:
            best, best_side = gain, side
    if best_side != 0 and (needed != 0 or b[PRESSED, i] or best > THRESHOLD):
        change(
            f, k, b, i, links[lane, LANE_LEFT if best_side > 0 else LANE_RIGHT], steps, road, routes
        )


@kernel
def _may_change(f, k, b, i, steps, p, road):
    if not b[VALID, i] or k[MODE, i] != MODE_REACTIVE or b[COMMANDED, i]:
        return False
    if k[KIND, i] > KIND_MOTORCYCLE or p[POLITENESS] < 0.0 or is_shifting(f, i):
        return False
    if road.lane_links[k[PATH, i], LANE_JUNCTION]:
        return False
    stands = f[SPEED, i] < LEAST_SPEED and k[NEED, i] == 0
    if stands or f[PATH_ALONG, i] < 0.0:
        return False
    return k[NEED, i] != 0 or b[PRESSED, i] or steps - k[COOLDOWN, i] >= PAUSE


@kernel
def _leads_on(k, i, target, road, routes):
    """Whether a lane is one to stay on: no ramp, and leading where the route goes."""
    links = road.lane_links
    if links[target, LANE_KIND] == RAMP:
        return False
    at = place_in_route(links, routes, i, target, k[ROUTE_AT, i])
    _, _, side = follow(links, road.successors, routes, i, target, at)
    return side == 0


@kernel
def change(f, k, b, i, target, steps, road, routes):
    """Begin to move to another lane, which becomes the path at once."""
    at = place_in_route(road.lane_links, routes, i, target, k[ROUTE_AT, i])
    enter_lane(f, k, i, target, at, road, routes)
    begin_shift(f, k, b, i, -f[PATH_OFFSET, i], DURATION, steps)


@kernel
def _gain(f, k, i, target, urgent, parameters, ignores, road, lists):
    """MOBIL's incentive: own gain plus politeness times the followers' [m/s^2]; -inf if unsafe."""
    _links, numbers, lanes = road.lane_links, road.lane_numbers, len(road.lane_links)
    p, lane = parameters[i], k[PATH, i]
    here, apart = _abreast(f, i, target, road)
    if apart > WIDEST:
        return -math.inf
    ahead, ahead_gap, ahead_speed = _next_on(f, i, target, here, road, lists, True)
    behind, behind_gap, _ = _next_on(f, i, target, here, road, lists, False)
    if ahead_gap < CLEAR or behind_gap < CLEAR:
        return -math.inf
    speed = float(f[SPEED, i])
    free = free_acceleration(
        speed, target_speed(k, i, p, ignores[i], numbers, lanes), p[WANTED], p[COMFORT]
    )
    after = free
    if ahead >= 0:
        after -= p[WANTED] * hindrance(speed, ahead_speed, ahead_gap, p)
    safe = URGENT_SAFE if urgent else SAFE
    if after < -safe:
        return -math.inf
    others = 0.0
    if behind >= 0:
        q = parameters[behind]
        pressed = hindrance(float(f[SPEED, behind]), speed, behind_gap, q)
        if q[WANTED] * pressed > safe:
            return -math.inf
        others += q[WANTED] * (float(f[BRAKE, behind]) - max(pressed, 0.0))
    follower, follower_gap, _ = _next_on(f, i, lane, float(f[PATH_ALONG, i]), road, lists, False)
    if follower >= 0:
        others += _relief(f, k, i, follower, follower_gap, parameters[follower])
    return after - (free - p[WANTED] * f[BRAKE, i]) + p[POLITENESS] * others


@kernel
def _abreast(f, i, target, road):
    """Place along a lane abreast of the agent, and the distance to it; inf beyond its ends [m]."""
    links, segments = road.lane_links, road.segments
    first, last = links[target, LANE_FIRST], links[target, LANE_LAST]
    r = nearest_segment(segments, first, last, f[X, i], f[Y, i])
    dx, dy = f[X, i] - segments[r, SEG_X], f[Y, i] - segments[r, SEG_Y]
    forward = dx * segments[r, SEG_UX] + dy * segments[r, SEG_UY]
    side = segments[r, SEG_UX] * dy - segments[r, SEG_UY] * dx
    if (r == first and forward < 0.0) or (r + 1 == last and forward > segments[r, SEG_LENGTH]):
        return 0.0, math.inf
    # Where a lane opens or closes it is not yet wide enough to drive on.
    if segments[r, SEG_WIDTH] < 2.0 * f[HALF_WIDTH, i] + 0.3:
        return 0.0, math.inf
    return segments[r, SEG_S] + forward, abs(side)


@kernel
def _relief(f, k, i, follower, gap, q):
    """What the present follower gains if the agent leaves: its leader is then the agent's."""
    relief = float(f[BRAKE, follower])
    leader = k[LEADER, i]
    if leader >= 0:
        room = gap + 2.0 * f[HALF_LENGTH, i] + max(float(f[GAP, i]), 0.0)
        relief -= hindrance(float(f[SPEED, follower]), float(f[SPEED, leader]), room, q)
    return q[WANTED] * max(relief, 0.0)


@kernel
def _next_on(f, i, lane, here, road, lists, forwards):
    """Nearest agent ahead or behind on a lane and the one that continues it.

    Returns:
        Its index (-1: none), the gap [m] (inf: none) and its speed along the lane [m/s].
    """
    heads, entries, numbers, _ = lists
    best, best_gap, best_speed = -1, math.inf, 0.0
    half, shift = float(f[HALF_LENGTH, i]), 0.0
    links = road.lane_links
    for _ in range(2):
        e = heads[lane]
        while e >= 0:
            j = entries[e, E_AGENT]
            way = numbers[e, E_ALONG] + shift - here
            gap = abs(way) - half - numbers[e, E_REACH]
            # Who is beside counts both ways: there is no gap.
            if j != i and gap < min(best_gap, SIGHT) and (gap < CLEAR or (way > 0.0) == forwards):
                best, best_gap, best_speed = j, gap, float(numbers[e, E_SPEED])
            e = entries[e, E_NEXT]
        if forwards:
            shift += road.lane_numbers[lane, LANE_LENGTH]
            lane = links[lane, LANE_STRAIGHT_ON]
        else:
            lane = links[lane, LANE_BEFORE]
            if lane >= 0:
                shift -= road.lane_numbers[lane, LANE_LENGTH]
        if lane < 0:
            break
    return best, best_gap, best_speed
