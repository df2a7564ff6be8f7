"""Signals and right of way: where an agent has to stop before a junction.

Gap acceptance compares times: an agent enters when nobody with priority would be in the conflict
area between its own arrival and its leaving, with a margin. From standstill that is a critical gap
of about 5 s, as observed at priority junctions (HCM 2010, ch. 19: 4.1 to 6.5 s).
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.collision import on_foot
from scenegen.sim.compiled import kernel
from scenegen.sim.conflicts import FIRST_COME, RIGHT_FIRST
from scenegen.sim.fields import (
    CON_ENTER,
    CON_EXIT,
    CON_OTHER_ENTER,
    CON_OTHER_EXIT,
    CRASHED,
    HALF_LENGTH,
    IGNORES_PRIORITY,
    IGNORES_SIGNALS,
    KIND,
    LANE_CONFLICT_FIRST,
    LANE_CONFLICT_LAST,
    LANE_CONTESTED,
    LANE_LENGTH,
    LANE_SIGNAL,
    LANE_STOP,
    MINIMUM_GAP,
    MODE,
    MODE_HOLD,
    PATH,
    PATH_ALONG,
    PATHS,
    RED,
    SIG_ALWAYS,
    SIG_CYCLE,
    SIG_GREEN,
    SIG_START,
    SIG_YELLOW,
    SPEED,
    VALID,
    WANTED,
    YELLOW,
)
from scenegen.sim.places import LONG, clear
from scenegen.sim.traffic import hindrance

VIEW = 80.0
"""Distance to a junction within which others count [m]."""
HARD_STOP, EASY_STOP = 5.0, 3.0
"""Deceleration one accepts for red, and for yellow [m/s^2] (dilemma zone; Gazis et al. 1960)."""
PASSED = -1.0
"""A front bumper this far beyond the stop line does not stop any more [m]."""
LEAST_SPEED = 2.5
"""Speed others are taken to have at least: who stands may start [m/s]."""
AFTER, BEFORE = 1.0, 0.5
"""Time to spare before another arrives, and after it has left [s]."""
STANDS = 0.3
"""Below this speed an agent stands [m/s]."""
STOP_SHORT = 1.0
"""Distance kept to a stop line or conflict area [m]."""


@kernel
def show_signals(states, plans, time):
    """Write what every signal of a map shows; states beyond them stay NONE."""
    for g in range(len(plans)):
        if plans[g, SIG_ALWAYS] > 0:
            states[g] = int(plans[g, SIG_ALWAYS])
            continue
        phase = (time - plans[g, SIG_START]) % plans[g, SIG_CYCLE]
        states[g] = 3
        if phase < plans[g, SIG_GREEN]:
            states[g] = 1
        elif phase < plans[g, SIG_GREEN] + plans[g, SIG_YELLOW]:
            states[g] = 2


@kernel
def list_approaches(f, k, b, road, signals, lists):
    """List for each contested lane who is on it or coming to it, and how far away its begin is."""
    heads, entries, numbers, count = lists
    clear(heads, entries, count)
    links, lanes = road.lane_links, len(road.lane_links)
    for i in range(f.shape[1]):
        if not b[VALID, i] or on_foot(k[KIND, i]) or b[CRASHED, i] or k[MODE, i] == MODE_HOLD:
            continue
        begin = -float(f[PATH_ALONG, i])
        for q in range(PATHS):
            code = k[PATH + q, i]
            if code < 0 or begin > VIEW:
                break
            lane = code % lanes
            signal = links[lane, LANE_SIGNAL]
            if q > 0 and signal >= 0 and signals[signal] == RED and _can_stop(f, i, begin):
                break
            if links[lane, LANE_CONTESTED] and code < lanes:
                e = count[0]
                count[0] = e + 1
                entries[e, 0], entries[e, 1], entries[e, 2] = heads[lane], i, lane
                heads[lane] = e
                numbers[e, 0] = begin
            begin += road.lane_numbers[lane, LANE_LENGTH]


@kernel
def _can_stop(f, i, distance):
    room = max(distance - f[HALF_LENGTH, i], 0.1)
    return f[SPEED, i] * f[SPEED, i] < 2.0 * HARD_STOP * room


@kernel
def stopping_term(f, k, i, p, ignores, road, signals, lists):
    """Braking term of the nearest place where the agent has to stop; 0 where there is none."""
    links, numbers, lanes = road.lane_links, road.lane_numbers, len(road.lane_links)
    speed, front = float(f[SPEED, i]), float(f[HALF_LENGTH, i])
    begin = -float(f[PATH_ALONG, i])
    for q in range(PATHS):
        code = k[PATH + q, i]
        room = begin - front
        if code < 0 or room > VIEW:
            break
        lane = code % lanes
        line = room - numbers[lane, LANE_STOP]
        signal = links[lane, LANE_SIGNAL]
        heeded = q > 0 and code < lanes and signal >= 0 and not ignores & IGNORES_SIGNALS
        if heeded and line > PASSED and _must_stop(signals[signal], speed, line):
            return halting(speed, line, p)
        contested = links[lane, LANE_CONFLICT_FIRST] < links[lane, LANE_CONFLICT_LAST]
        near = room < 12.0 + speed * speed / 4.0
        if contested and code < lanes and near and not ignores & IGNORES_PRIORITY:
            stop = _give_way(f, i, p, lane, begin, road, lists)
            if stop < math.inf:
                return halting(speed, min(stop, line) if q > 0 and line > 0.0 else stop, p)
        begin += numbers[lane, LANE_LENGTH]
    return 0.0


@kernel
def _must_stop(state, speed, room):
    """Whether a signal holds back a driver at a distance: not one who could not stop any more."""
    braking = HARD_STOP if state == RED else EASY_STOP
    return state in (RED, YELLOW) and (
        speed < STANDS or speed * speed < 2.0 * braking * max(room, 0.1)
    )


@kernel
def halting(speed, room, p):
    """Braking term of a line to stop short of."""
    gap = room - STOP_SHORT + p[MINIMUM_GAP]
    return hindrance(speed, 0.0, max(gap, 0.1), p)


@kernel
def _travel_time(distance, speed, wanted):
    """Time to cover a distance while accelerating [s]; 0 if it is behind."""
    if distance <= 0.0:
        return 0.0
    return (math.sqrt(speed * speed + 2.0 * wanted * distance) - speed) / wanted


@kernel
def _give_way(f, i, p, lane, begin, road, lists):
    """Distance to where the agent must wait for others; inf if nobody with priority comes."""
    heads, entries, numbers, _ = lists
    links, ranges = road.lane_links, road.conflict_range
    speed, front = float(f[SPEED, i]), float(f[HALF_LENGTH, i])
    wanted = 0.8 * p[WANTED]
    stop = math.inf
    for c in range(links[lane, LANE_CONFLICT_FIRST], links[lane, LANE_CONFLICT_LAST]):
        enter = begin + ranges[c, CON_ENTER] - front
        # Inside the area it is too late to wait.
        if enter < 0.2 or enter > stop:
            continue
        arrive = _travel_time(enter, speed, wanted)
        leave = _travel_time(begin + ranges[c, CON_EXIT] + front, speed, wanted)
        e = heads[road.conflict_lane[c, 0]]
        while e >= 0:
            j = entries[e, 1]
            minds = road.conflict_lane[c, 2] == 0 or front > LONG or f[HALF_LENGTH, j] > LONG
            if (
                j != i
                and minds
                and _goes_first(
                    f,
                    i,
                    j,
                    road.conflict_lane[c, 1],
                    ranges[c],
                    enter,
                    numbers[e, 0],
                    arrive,
                    leave,
                )
            ):
                # Whoever is not yet in the junction waits at its begin.
                stop = min(stop, begin - front if begin > front else enter)
            e = entries[e, 0]
    return stop


@kernel
def _goes_first(f, i, j, rule, ranges, enter, distance, arrive, leave):
    """Whether agent j passes the conflict area before agent i."""
    length, speed = float(f[HALF_LENGTH, j]), float(f[SPEED, j])
    pace = max(speed, LEAST_SPEED)
    other_enter = distance + ranges[CON_OTHER_ENTER] - length
    other_leave = distance + ranges[CON_OTHER_EXIT] + length
    if other_leave < 0.0 or other_leave / pace < arrive - BEFORE:
        return False
    if other_enter / pace > leave + AFTER:
        return False
    if rule == FIRST_COME:
        mine = enter / max(float(f[SPEED, i]), LEAST_SPEED)
        return other_enter / pace < mine or (other_enter / pace == mine and j < i)
    if rule == RIGHT_FIRST and speed < STANDS and f[SPEED, i] < STANDS and distance > 0.0:
        return j < i
    return True
