"""Who is ahead: the nearest agent on the path, how near, and how much it hinders."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.collision import on_foot
from scenegen.sim.compiled import kernel
from scenegen.sim.corridor import corridor_gap, corridor_length
from scenegen.sim.fields import (
    ALONE,
    ALONG,
    BASE,
    BRAKE,
    COS,
    GAP,
    HALF_LENGTH,
    HALF_WIDTH,
    HEADING_ERROR,
    IGNORES_LEADERS,
    KIND,
    KIND_STATIC,
    LANE,
    LANE_LENGTH,
    LANE_WIDTH,
    LEADER,
    LOOSE,
    OFFSET,
    PATH,
    PATH_ALONG,
    PATH_OFFSET,
    PATHS,
    PRESSED,
    SHIFT,
    SIN,
    SIREN,
    SPEED,
    THW,
    TTC,
    VALID,
    X,
    Y,
)
from scenegen.sim.places import (
    ALIGNED,
    E_AGENT,
    E_ALONG,
    E_DRIFT,
    E_HALF,
    E_NEXT,
    E_OFFSET,
    E_REACH,
    E_SPEED,
    FORESIGHT,
)
from scenegen.sim.traffic import hindrance

SIGHT = 120.0
"""Distance to which leaders are seen [m]."""
INTRUSION = 0.3
"""A box this far beyond the line and still moving is coming in [m] (UN R157, par. 5.2.5.2)."""
SLOW_DRIFT = 0.2
"""Slower lateral motion is keeping the lane [m/s]."""
HEARD = 60.0
"""Gap at which drivers make way for a siren [m] (CARLA yield_to_emergency_vehicle: 50 m)."""
MARGIN = 0.15
"""Lateral distance below which one does not pass another [m]."""


@kernel
def lead_all(f, k, b, parameters, ignores, road, lists):
    """Find everybody's leader, gap, time to collision, headway and braking term."""
    loose = _list_loose(k, b)
    for i in range(f.shape[1]):
        k[LEADER, i] = -1
        f[GAP, i] = math.inf
        f[TTC, i] = math.inf
        f[THW, i] = math.inf
        f[BRAKE, i] = 0.0
        if (
            b[VALID, i]
            and k[PATH, i] >= 0
            and not on_foot(k[KIND, i])
            and k[KIND, i] != KIND_STATIC
        ):
            _look_ahead(f, k, i, parameters[i], road.lane_numbers, len(road.lane_links), lists)
            _look_beside(f, k, i, parameters[i], lists)
            _look_around(f, k, b, i, parameters[i], road, loose)
            if ignores[i] & IGNORES_LEADERS:
                f[BRAKE, i] = 0.0
    _press(f, k, b, ignores)


@kernel
def _press(f, k, b, ignores):
    """Find out who has a siren close behind."""
    for i in range(f.shape[1]):
        b[PRESSED, i] = False
    for i in range(f.shape[1]):
        if ignores[i] & SIREN and b[VALID, i] and k[LEADER, i] >= 0 and f[GAP, i] < HEARD:
            b[PRESSED, k[LEADER, i]] = True


@kernel
def _look_ahead(f, k, i, p, numbers, lanes, lists):
    """Search the lanes of the path."""
    now, then = float(f[PATH_OFFSET, i]), float(f[BASE, i] + f[SHIFT, i])
    low = min(now, then) - f[HALF_WIDTH, i] - MARGIN
    high = max(now, then) + f[HALF_WIDTH, i] + MARGIN
    begin = -float(f[PATH_ALONG, i])
    for q in range(PATHS):
        code = k[PATH + q, i]
        if code < 0 or begin > SIGHT:
            break
        lane = code % lanes
        length = float(numbers[lane, LANE_LENGTH])
        _search_lane(f, k, i, p, lists, lane, begin, length, code >= lanes, low, high)
        begin += length


@kernel
def _look_beside(f, k, i, p, lists):
    """Search the lane under the agent too while that is not yet its path: in a lane change."""
    lane = k[LANE, i]
    if lane < 0 or lane == k[PATH, i] or abs(f[HEADING_ERROR, i]) > ALIGNED:
        return
    reach = f[HALF_WIDTH, i] + MARGIN
    low, high = f[OFFSET, i] - reach, f[OFFSET, i] + reach
    _search_lane(f, k, i, p, lists, lane, -float(f[ALONG, i]), 0.0, False, low, high)


@kernel
def _list_loose(k, b):
    """List who is on several lanes, or on none, and count them."""
    count = 0
    for j in range(k.shape[1]):
        if b[VALID, j] and not b[ALONE, j]:
            k[LOOSE, count] = j
            count += 1
    return count


@kernel
def _look_around(f, k, b, i, p, road, loose):
    """Look for boxes in the corridor that the lists of the path's lanes do not tell of.

    Between two agents that are both ALONE the lists tell all.
    """
    front, alone = float(f[HALF_LENGTH, i]), b[ALONE, i]
    x, y, cos, sin = f[X, i], f[Y, i], f[COS, i], f[SIN, i]
    speed = float(f[SPEED, i])
    view = min(corridor_length(speed), float(f[GAP, i]))
    reach = view + front
    for n in range(loose if alone else f.shape[1]):
        j = k[LOOSE, n] if alone else n
        dx, dy = f[X, j] - x, f[Y, j] - y
        ahead, side = dx * cos + dy * sin, abs(dy * cos - dx * sin)
        radius = f[HALF_LENGTH, j] + f[HALF_WIDTH, j]
        if ahead <= 0.0 or ahead > reach + radius or side > ahead + radius + front:
            continue
        if j == i or not b[VALID, j]:
            continue
        gap, pace = corridor_gap(f, k, i, j, view, road)
        # Who is beside rather than ahead cannot be followed.
        if gap < view and gap > -0.5 * (front + f[HALF_LENGTH, j]):
            _heed(f, k, i, p, j, gap, speed, pace)
            view = min(view, gap)


@kernel
def _search_lane(f, k, i, p, lists, lane, begin, length, against, low, high):
    """Look at everyone on one lane; `low` and `high` bound the agent's own corridor there."""
    heads, entries, numbers, _ = lists
    sign = -1.0 if against else 1.0
    speed, front = float(f[SPEED, i]), float(f[HALF_LENGTH, i])
    e = heads[lane]
    while e >= 0:
        j, following = entries[e, E_AGENT], entries[e, E_NEXT]
        along = length - numbers[e, E_ALONG] if against else float(numbers[e, E_ALONG])
        ahead, reach = begin + along, float(numbers[e, E_REACH])
        gap = ahead - front - reach
        # Who is beside rather than ahead cannot be followed.
        if j != i and gap < SIGHT and ahead > 0.5 * (front + reach):
            offset, half = sign * numbers[e, E_OFFSET], numbers[e, E_HALF]
            sweep = 0.0
            if on_foot(k[KIND, j]) or _comes_in(f, i, numbers[e]):
                sweep = sign * numbers[e, E_DRIFT] * FORESIGHT
            left, right = offset + half + max(sweep, 0.0), offset - half + min(sweep, 0.0)
            if right < high and left > low:
                _heed(f, k, i, p, j, gap, speed, sign * numbers[e, E_SPEED])
        e = following


@kernel
def _comes_in(f, i, entry):
    """Whether a vehicle is on its way into the lane rather than keeping to the one beside it.

    It is from the instant at which the near side is INTRUSION beyond the line and goes on: the
    instant at which UN Regulation 157 (par. 5.2.5.2) takes a cut-in to be recognisable.
    """
    offset, drift = float(entry[E_OFFSET]), float(entry[E_DRIFT])
    inside = 0.5 * f[LANE_WIDTH, i] - abs(offset) + entry[E_HALF]
    return inside > INTRUSION and offset * drift < 0.0 and abs(drift) > SLOW_DRIFT


@kernel
def _heed(f, k, i, p, j, gap, speed, leader_speed):
    """Take a leader into account: the nearest is remembered, the worst decides the braking."""
    f[BRAKE, i] = max(float(f[BRAKE, i]), hindrance(speed, leader_speed, gap, p))
    if gap >= f[GAP, i]:
        return
    k[LEADER, i] = j
    f[GAP, i] = gap
    closing = speed - leader_speed
    f[TTC, i] = max(gap, 0.0) / closing if closing > 1e-3 else math.inf
    f[THW, i] = max(gap, 0.0) / speed if speed > 0.1 else math.inf
