"""The first instant of an agent, and keeping the path of agents that do not follow one."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.scene.lanes import REACH
from scenegen.sim.collision import on_foot
from scenegen.sim.compiled import kernel
from scenegen.sim.fields import (
    BASE,
    COS,
    HALF_LENGTH,
    KEEPS_OFFSET,
    KIND,
    KIND_CYCLIST,
    KIND_STATIC,
    LANE,
    LANE_FIRST,
    LANE_LAST,
    LANE_LENGTH,
    MID_COS,
    MID_SIN,
    MID_X,
    MID_Y,
    MODE,
    MODE_EXTERNAL,
    MODE_KNOTS,
    MODE_LOG,
    MODE_REACTIVE,
    NEED,
    PATH,
    PATH_ALONG,
    PATH_OFFSET,
    PATHS,
    SEG_LENGTH,
    SEG_UX,
    SEG_UY,
    SEG_X,
    SEG_Y,
    SHIFT,
    SIN,
    VALID,
    X,
    Y,
)
from scenegen.sim.path import enter_lane, nearest_segment, place_in_route, track, track_on_foot


@kernel
def open_agent(f, k, b, i, road, routes):
    """Put an agent on the lane of its route that is nearest, or on the lane it stands on."""
    f[MID_X, i], f[MID_Y, i], f[MID_COS, i], f[MID_SIN, i] = f[X, i], f[Y, i], f[COS, i], f[SIN, i]
    for q in range(PATHS):
        k[PATH + q, i] = -1
    if not b[VALID, i] or k[KIND, i] == KIND_STATIC:
        return
    at, nearest = -1, math.inf
    for q in range(routes.shape[1]):
        code = routes[i, q]
        if code < 0:
            break
        distance = _distance(f, i, code % len(road.lane_links), road)
        if distance < nearest - 0.1:
            at, nearest = q, distance
    if at >= 0:
        enter_lane(f, k, i, routes[i, at], at, road, routes)
    elif k[LANE, i] >= 0 and not on_foot(k[KIND, i]):
        enter_lane(f, k, i, k[LANE, i], routes.shape[1] - 1, road, routes)
    f[BASE, i] = f[PATH_OFFSET, i]
    b[KEEPS_OFFSET, i] = k[KIND, i] == KIND_CYCLIST or on_foot(k[KIND, i])


@kernel
def _distance(f, i, lane, road):
    """Squared distance from an agent to a lane's centreline [m^2]."""
    links, segments = road.lane_links, road.segments
    r = nearest_segment(segments, links[lane, LANE_FIRST], links[lane, LANE_LAST], f[X, i], f[Y, i])
    dx, dy = f[X, i] - segments[r, SEG_X], f[Y, i] - segments[r, SEG_Y]
    forward = dx * segments[r, SEG_UX] + dy * segments[r, SEG_UY]
    side = segments[r, SEG_UX] * dy - segments[r, SEG_UY] * dx
    beyond = max(0.0, -forward, forward - segments[r, SEG_LENGTH])
    return side * side + beyond * beyond


@kernel
def track_all(f, k, b, road, routes):
    """Update everybody's place along the path; whose front reaches the road's end is gone."""
    for i in range(f.shape[1]):
        if not b[VALID, i] or k[PATH, i] < 0:
            continue
        if on_foot(k[KIND, i]):
            track_on_foot(f, k, i, road, routes)
            continue
        track(f, k, i, road, routes)
        code = k[PATH, i]
        gone = (
            f[PATH_ALONG, i] + f[HALF_LENGTH, i]
            > road.lane_numbers[code % len(road.lane_links), LANE_LENGTH]
            and k[PATH + 1, i] < 0
            and k[NEED, i] == 0
        )
        # A replay goes on where its recording was; what acts from outside is told that it left.
        if gone and (k[MODE, i] == MODE_REACTIVE or k[MODE, i] == MODE_KNOTS):
            b[VALID, i] = False


@kernel
def anchor_all(f, k, b, road, routes):
    """Let the path of agents that are moved by others begin on the lane they are on."""
    for i in range(f.shape[1]):
        if not b[VALID, i] or on_foot(k[KIND, i]) or k[KIND, i] == KIND_STATIC:
            continue
        mode = k[MODE, i]
        if mode not in (MODE_EXTERNAL, MODE_LOG, MODE_KNOTS):
            continue
        lane = k[LANE, i]
        if lane >= 0 and lane != k[PATH, i] and k[PATH, i] < len(road.lane_links):
            at = place_in_route(road.lane_links, routes, i, lane, 0)
            enter_lane(f, k, i, lane, at, road, routes)
        elif lane < 0 and abs(f[PATH_OFFSET, i]) > REACH:
            for q in range(PATHS):
                k[PATH + q, i] = -1
        f[BASE, i] = f[PATH_OFFSET, i]
        f[SHIFT, i] = 0.0
