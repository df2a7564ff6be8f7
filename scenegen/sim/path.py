"""The lanes an agent is going to drive, and where it is along them.

A path lane is a lane index, or lane + len(lanes) if it is driven against its direction. Distances
along, offsets and headings of a path count in the direction of travel.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import wrap
from scenegen.sim.fields import (
    CROSSWALK,
    LANE_BEFORE,
    LANE_FIRST,
    LANE_KIND,
    LANE_LAST,
    LANE_LEFT,
    LANE_LENGTH,
    LANE_NEXT_FIRST,
    LANE_NEXT_LAST,
    LANE_RIGHT,
    LANE_STRAIGHT_ON,
    NEED,
    NEED_AT,
    PATH,
    PATH_ALONG,
    PATH_HEADING,
    PATH_OFFSET,
    PATHS,
    ROUTE_AT,
    SEG_HEAD,
    SEG_HEAD_END,
    SEG_LENGTH,
    SEG_S,
    SEG_UX,
    SEG_UY,
    SEG_X,
    SEG_Y,
    SEGMENT,
    SIDEWALK,
    X,
    Y,
)

HORIZON = 150.0
"""Length of path that is looked at [m]."""
NOT_BESIDE = 99
"""Steps between lanes that are not side by side."""
ARRIVED = 1.0
"""Who is on foot and this near to the next lane's begin has arrived there [m]."""
MOST_BESIDE = 6
"""Lanes that are counted to one side."""


@kernel
def steps_beside(links, lane, other):
    """Lanes from one to the other, left positive; NOT_BESIDE if no neighbours leads there."""
    if lane == other:
        return 0
    left, right = lane, lane
    for step in range(1, MOST_BESIDE):
        if left >= 0:
            left = links[left, LANE_LEFT]
        if right >= 0:
            right = links[right, LANE_RIGHT]
        if left == other:
            return step
        if right == other:
            return -step
    return NOT_BESIDE


@kernel
def best_successor(links, successors, lane, wanted):
    """Successor that is the wanted lane or the nearest beside it; -1 if there is none."""
    best, nearest = -1, NOT_BESIDE
    for q in range(links[lane, LANE_NEXT_FIRST], links[lane, LANE_NEXT_LAST]):
        steps = abs(steps_beside(links, successors[q], wanted))
        if steps < nearest:
            best, nearest = successors[q], steps
    return best


@kernel
def side_towards(links, successors, lane, wanted):
    """Side (+1 left, -1 right) on which a lane leads to the wanted one; 0 if none does."""
    left, right = links[lane, LANE_LEFT], links[lane, LANE_RIGHT]
    for _ in range(1, MOST_BESIDE):
        if left >= 0:
            if best_successor(links, successors, left, wanted) >= 0:
                return 1
            left = links[left, LANE_LEFT]
        if right >= 0:
            if best_successor(links, successors, right, wanted) >= 0:
                return -1
            right = links[right, LANE_RIGHT]
    return 0


@kernel
def without_route(links, code):
    """Next path lane and the lane change needed where no route says: the straightest successor."""
    lanes = len(links)
    if code >= lanes:
        before = links[code - lanes, LANE_BEFORE]
        return (before + lanes if before >= 0 else -1), 0
    onward = links[code, LANE_STRAIGHT_ON]
    if onward >= 0:
        return onward, 0
    left, right = links[code, LANE_LEFT], links[code, LANE_RIGHT]
    if left >= 0 and links[left, LANE_STRAIGHT_ON] >= 0:
        return -1, 1
    if right >= 0 and links[right, LANE_STRAIGHT_ON] >= 0:
        return -1, -1
    return -1, 0


@kernel
def follow(links, successors, routes, i, code, at):
    """Go one lane on.

    Returns:
        Next path lane (-1: the road ends or a lane change is needed), its place in the route, and
        the side of the lane change needed (0: none).
    """
    wanted = routes[i, at + 1] if at + 1 < routes.shape[1] else -1
    if wanted >= 0:
        # Against a lane, and on foot, the route is all there is to go by.
        if code >= len(links) or wanted >= len(links) or links[wanted, LANE_KIND] >= SIDEWALK:
            return wanted, at + 1, 0
        onward = best_successor(links, successors, code, wanted)
        if onward >= 0:
            return onward, at + 1, 0
        beside = steps_beside(links, code, wanted)
        if beside not in (0, NOT_BESIDE):
            return -1, at, (1 if beside > 0 else -1)
        side = side_towards(links, successors, code, wanted)
        if side != 0:
            return -1, at, side
    onward, side = without_route(links, code)
    return onward, at, side


@kernel
def place_in_route(links, routes, i, lane, at):
    """Where a lane is in an agent's route: the lane itself or one beside it, else the end."""
    last = routes.shape[1]
    for q in range(at, last):
        if routes[i, q] == lane:
            return q
    for q in range(at, last):
        code = routes[i, q]
        if 0 <= code < len(links) and steps_beside(links, lane, code) != NOT_BESIDE:
            return q
    return last - 1


@kernel
def lay_path(k, i, code, at, links, successors, numbers, routes):
    """Write the lanes ahead, beginning with a path lane, as far as HORIZON."""
    lanes = len(links)
    k[ROUTE_AT, i] = at
    k[NEED, i] = 0
    covered = 0.0
    for q in range(PATHS):
        k[PATH + q, i] = code
        if code < 0 or covered > HORIZON:
            code = -1
            continue
        if q > 0:
            covered += numbers[code % lanes, LANE_LENGTH]
        following, at, side = follow(links, successors, routes, i, code, at)
        if side != 0 and k[NEED, i] == 0:
            k[NEED, i] = side
            k[NEED_AT, i] = q
        code = following


@kernel
def enter_lane(f, k, i, code, at, road, routes):
    """Make a path lane the agent's present one and find its place on it."""
    links = road.lane_links
    lay_path(k, i, code, at, links, road.successors, road.lane_numbers, routes)
    if code < 0:
        return
    lane = code % len(links)
    k[SEGMENT, i] = nearest_segment(
        road.segments, links[lane, LANE_FIRST], links[lane, LANE_LAST], f[X, i], f[Y, i]
    )
    project(f, k, i, code, road.segments, links, road.lane_numbers)


@kernel
def nearest_segment(segments, first, last, x, y):
    """Segment of a lane that is nearest to a place."""
    best, nearest = first, math.inf
    for r in range(first, last):
        dx, dy = x - segments[r, SEG_X], y - segments[r, SEG_Y]
        forward = dx * segments[r, SEG_UX] + dy * segments[r, SEG_UY]
        side = segments[r, SEG_UX] * dy - segments[r, SEG_UY] * dx
        beyond = max(0.0, -forward, forward - segments[r, SEG_LENGTH])
        distance = side * side + beyond * beyond
        if distance < nearest:
            best, nearest = r, distance
    return best


@kernel
def project(f, k, i, code, segments, links, numbers):
    """Find the place along the present path lane, walking on from the last known segment."""
    lane = code % len(links)
    first, last = links[lane, LANE_FIRST], links[lane, LANE_LAST]
    r, x, y = k[SEGMENT, i], float(f[X, i]), float(f[Y, i])
    forward = _forward(segments, r, x, y)
    climbed = False
    while forward > segments[r, SEG_LENGTH] and r + 1 < last:
        r += 1
        forward = _forward(segments, r, x, y)
        climbed = True
    while forward < 0.0 and r > first and not climbed:
        r -= 1
        forward = _forward(segments, r, x, y)
    k[SEGMENT, i] = r
    length = float(segments[r, SEG_LENGTH])
    inner = min(max(forward, 0.0), length)
    if (r == first and forward < 0.0) or (r + 1 == last and forward > length):
        along = segments[r, SEG_S] + forward
    else:
        along = segments[r, SEG_S] + inner
    side = segments[r, SEG_UX] * (y - segments[r, SEG_Y]) - segments[r, SEG_UY] * (
        x - segments[r, SEG_X]
    )
    begin, end = segments[r, SEG_HEAD], segments[r, SEG_HEAD_END]
    heading = begin + (end - begin) * inner / length
    if code >= len(links):
        along, side, heading = numbers[lane, LANE_LENGTH] - along, -side, heading + math.pi
    f[PATH_ALONG, i] = along
    f[PATH_OFFSET, i] = side
    f[PATH_HEADING, i] = heading


@kernel
def _forward(segments, r, x, y):
    return (x - segments[r, SEG_X]) * segments[r, SEG_UX] + (y - segments[r, SEG_Y]) * segments[
        r, SEG_UY
    ]


@kernel
def crossover(code, following, segments, links):
    """Where someone on foot goes over to the next lane: at the end of the crosswalk of the two."""
    lanes = len(links)
    leaves = links[code % lanes, LANE_KIND] == CROSSWALK
    lane = (code if leaves else following) % lanes
    at_end = leaves == (code < lanes) if leaves else following >= lanes
    r = links[lane, LANE_LAST] - 1 if at_end else links[lane, LANE_FIRST]
    length = float(segments[r, SEG_LENGTH]) if at_end else 0.0
    return (
        segments[r, SEG_X] + length * segments[r, SEG_UX],
        segments[r, SEG_Y] + length * segments[r, SEG_UY],
    )


@kernel
def track_on_foot(f, k, i, road, routes):
    """Update the place of someone on foot, who goes over to the next lane where it begins."""
    code, following = k[PATH, i], k[PATH + 1, i]
    if following >= 0:
        x, y = crossover(code, following, road.segments, road.lane_links)
        if math.hypot(x - f[X, i], y - f[Y, i]) < ARRIVED:
            _, at, _ = follow(road.lane_links, road.successors, routes, i, code, k[ROUTE_AT, i])
            enter_lane(f, k, i, following, at, road, routes)
            return
    project(f, k, i, code, road.segments, road.lane_links, road.lane_numbers)


@kernel
def track(f, k, i, road, routes):
    """Update the place along the path after a move; pass on to the next lanes as they come."""
    links, numbers = road.lane_links, road.lane_numbers
    for _ in range(PATHS):
        code = k[PATH, i]
        if code < 0:
            return
        project(f, k, i, code, road.segments, links, numbers)
        following = k[PATH + 1, i]
        if f[PATH_ALONG, i] <= numbers[code % len(links), LANE_LENGTH] or following < 0:
            return
        _, at, _ = follow(links, road.successors, routes, i, code, k[ROUTE_AT, i])
        lay_path(k, i, following, at, links, road.successors, numbers, routes)
        lane = following % len(links)
        against = following >= len(links)
        k[SEGMENT, i] = links[lane, LANE_LAST] - 1 if against else links[lane, LANE_FIRST]


@kernel
def heading_ahead(f, k, i, distance, segments, links):
    """Heading of the path some distance ahead [rad], not wrapped."""
    lanes, r, q = len(links), k[SEGMENT, i], 0
    code = k[PATH, i]
    sign = -1 if code >= lanes else 1
    x, y = float(f[X, i]), float(f[Y, i])
    inner = min(max(_forward(segments, r, x, y), 0.0), float(segments[r, SEG_LENGTH]))
    while True:
        length = float(segments[r, SEG_LENGTH])
        rest = length - inner if sign > 0 else inner
        if distance <= rest:
            inner += sign * distance
            break
        lane = code % lanes
        end = r + 1 == links[lane, LANE_LAST] if sign > 0 else r == links[lane, LANE_FIRST]
        if end:
            following = k[PATH + q + 1, i] if q + 1 < PATHS else -1
            if following < 0:
                inner = length if sign > 0 else 0.0
                break
            q, code = q + 1, following
            sign = -1 if code >= lanes else 1
            lane = code % lanes
            r = links[lane, LANE_FIRST] if sign > 0 else links[lane, LANE_LAST] - 1
        else:
            r += sign
        distance -= rest
        inner = 0.0 if sign > 0 else float(segments[r, SEG_LENGTH])
    begin, stop = segments[r, SEG_HEAD], segments[r, SEG_HEAD_END]
    heading = begin + (stop - begin) * inner / segments[r, SEG_LENGTH]
    return heading + (math.pi if sign < 0 else 0.0)


@kernel
def path_curvature(f, k, i, distance, segments, links):
    """Mean curvature of the path over the next metres [1/m]."""
    ahead = heading_ahead(f, k, i, distance, segments, links)
    return wrap(ahead - f[PATH_HEADING, i]) / distance
