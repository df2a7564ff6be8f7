"""Who is on which lane: every agent's place on the road, and a list of agents for each lane."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.scene.lanes import AGAINST, REACH
from scenegen.sim.collision import cell_of
from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import wrap
from scenegen.sim.fields import (
    ALONE,
    ALONG,
    COS,
    HALF_LENGTH,
    HALF_WIDTH,
    HEADING_ERROR,
    KIND,
    KIND_CYCLIST,
    LANE,
    LANE_LENGTH,
    LANE_WIDTH,
    OFFSET,
    PATH,
    PATH_ALONG,
    PATH_OFFSET,
    SEG_HEAD,
    SEG_HEAD_END,
    SEG_LENGTH,
    SEG_S,
    SEG_UX,
    SEG_UY,
    SEG_WIDTH,
    SEG_X,
    SEG_Y,
    SEGMENT,
    SIN,
    SPEED,
    VALID,
    WRONG_WAY,
    YAW,
    X,
    Y,
)

E_NEXT, E_AGENT, E_LANE = range(3)
E_ALONG, E_OFFSET, E_REACH, E_HALF, E_SPEED, E_DRIFT = range(6)
"""Columns of an entry: place, half extents along and across, speed along and across the lane."""
NEAR_CENTRE = 1.2
"""An agent this near to a lane that is alone is on it [m]: the next lane is 2.6 m away."""
ALIGNED = 0.3
"""Largest heading error for the same [rad]."""
FORESIGHT = 1.5
"""Time over which a walker's way is foreseen [s]."""
RUNS_AGAINST, RUNS_ALONG = 1, 2
"""How a lane runs that an agent is on."""
LONG = 3.0
"""Half length beyond which a vehicle is entered in three parts [m]."""
AGAINST_COSINE = -0.5
"""Cosine of the angle to a lane below which one drives against it."""


@kernel
def clear(heads, entries, count):
    """Empty the lists that were in use."""
    for e in range(count[0]):
        heads[entries[e, E_LANE]] = -1
    count[0] = 0


@kernel
def add(lists, lane, i, along, offset, reach, half, speed, drift):
    """Enter an agent into a lane's list."""
    heads, entries, numbers, count = lists
    e = count[0]
    if e >= len(entries):
        return
    count[0] = e + 1
    entries[e, E_NEXT], entries[e, E_AGENT], entries[e, E_LANE] = heads[lane], i, lane
    heads[lane] = e
    numbers[e, E_ALONG], numbers[e, E_OFFSET] = along, offset
    numbers[e, E_REACH], numbers[e, E_HALF] = reach, half
    numbers[e, E_SPEED], numbers[e, E_DRIFT] = speed, drift


@kernel
def place_all(f, k, b, road, lists):
    """Find all agents' places, as scene.locate defines them, and fill the lists of the lanes."""
    clear(lists[0], lists[1], lists[3])
    for i in range(f.shape[1]):
        if not b[VALID, i]:
            k[LANE, i] = -1
            continue
        b[ALONE, i] = _known(f, k, b, i, road, lists)
        if not b[ALONE, i]:
            _search(f, k, b, i, road, lists)


@kernel
def _known(f, k, b, i, road, lists):
    """Take the place from the path where no other lane can be meant; False where one can."""
    lane = k[PATH, i]
    if lane < 0 or lane >= len(road.lane_links):
        return False
    r = k[SEGMENT, i]
    offset, along = float(f[PATH_OFFSET, i]), float(f[PATH_ALONG, i])
    if not road.segment_alone[r] or abs(offset) > NEAR_CENTRE or along < 0.0:
        return False
    if along > road.lane_numbers[lane, LANE_LENGTH]:
        return False
    ux, uy = float(road.segments[r, SEG_UX]), float(road.segments[r, SEG_UY])
    cos, sin = float(f[COS, i]), float(f[SIN, i])
    dot, cross = ux * cos + uy * sin, ux * sin - uy * cos
    half = f[HALF_LENGTH, i] * abs(cross) + f[HALF_WIDTH, i] * dot
    width = float(road.segments[r, SEG_WIDTH])
    # In a curve the ends of a long box stand out by l^2 / 2r.
    bend = abs(road.segments[r, SEG_HEAD_END] - road.segments[r, SEG_HEAD])
    bulge = 0.5 * f[HALF_LENGTH, i] * f[HALF_LENGTH, i] * bend / road.segments[r, SEG_LENGTH]
    if dot < 0.0 or abs(cross) > ALIGNED or abs(offset) + half + bulge > 0.5 * width:
        return False
    k[LANE, i] = lane
    f[ALONG, i], f[OFFSET, i], f[LANE_WIDTH, i] = along, offset, width
    f[HEADING_ERROR, i] = math.asin(cross)
    b[WRONG_WAY, i] = False
    reach = f[HALF_LENGTH, i] * dot + f[HALF_WIDTH, i] * abs(cross)
    speed = float(f[SPEED, i])
    add(lists, lane, i, along, offset, reach, half, speed * dot, speed * cross)
    return True


@kernel
def _search(f, k, b, i, road, lists):
    """Look at all lanes near the agent's grid cell."""
    k[LANE, i] = -1
    f[ALONG, i], f[OFFSET, i], f[HEADING_ERROR, i] = 0.0, 0.0, 0.0
    b[WRONG_WAY, i] = False
    inside = _scan(f, k, i, 0.0, road, lists)
    b[WRONG_WAY, i] = inside == RUNS_AGAINST and k[KIND, i] < KIND_CYCLIST
    if f[HALF_LENGTH, i] > LONG:
        # The ends of a bus may be on other lanes than its middle.
        _scan(f, k, i, f[HALF_LENGTH, i] * 2.0 / 3.0, road, lists)
        _scan(f, k, i, -f[HALF_LENGTH, i] * 2.0 / 3.0, road, lists)


@kernel
def _scan(f, k, i, shift, road, lists):
    """Enter an agent, or the part of it `shift` ahead of its centre, into the lanes it overlaps.

    Returns:
        RUNS_ALONG if the place is inside a lane in whose direction the agent points, 0 if it is
        inside none, RUNS_AGAINST if it is only inside lanes that run against it.
    """
    x, y = f[X, i] + shift * f[COS, i], f[Y, i] + shift * f[SIN, i]
    cell = cell_of(road.grid_head, x, y)
    if cell < 0:
        return 0
    length = float(f[HALF_LENGTH, i])
    length = length / 3.0 if length > LONG else length
    last, q = road.cells[cell, 1], road.cells[cell, 0]
    best, found = math.inf, 0
    while q < last:
        lane = road.segment_lane[road.cell_items[q]]
        chosen, nearest = -1, math.inf
        while q < last:
            r = road.cell_items[q]
            if road.segment_lane[r] != lane:
                break
            distance, cost = _costs(f, i, x, y, road.segments, r, best if shift == 0.0 else 0.0)
            if cost < best:
                best = cost
                _settle(f, k, i, road.segments, r, lane)
            if distance < nearest:
                chosen, nearest = r, distance
            q += 1
        found = max(found, _enter(f, i, x, y, length, road.segments, chosen, lane, lists))
    return found


@kernel
def _costs(f, i, x, y, segments, r, best):
    """Distance to a segment, and the cost scene.locate compares: distance plus turn."""
    dx, dy = x - segments[r, SEG_X], y - segments[r, SEG_Y]
    ux, uy = segments[r, SEG_UX], segments[r, SEG_UY]
    forward, side = dx * ux + dy * uy, ux * dy - uy * dx
    beyond = max(0.0, -forward, forward - segments[r, SEG_LENGTH])
    distance = math.sqrt(side * side + beyond * beyond)
    if distance > REACH or distance >= best:
        return distance, math.inf
    dot = ux * f[COS, i] + uy * f[SIN, i]
    return distance, distance + AGAINST * math.acos(min(1.0, max(-1.0, dot)))


@kernel
def _settle(f, k, i, segments, r, lane):
    """Write the place on a segment as the agent's place."""
    dx, dy = f[X, i] - segments[r, SEG_X], f[Y, i] - segments[r, SEG_Y]
    ux, uy = segments[r, SEG_UX], segments[r, SEG_UY]
    k[LANE, i] = lane
    inner = min(max(dx * ux + dy * uy, 0.0), segments[r, SEG_LENGTH])
    f[ALONG, i] = segments[r, SEG_S] + inner
    f[OFFSET, i] = ux * dy - uy * dx
    f[HEADING_ERROR, i] = wrap(f[YAW, i] - math.atan2(uy, ux))
    f[LANE_WIDTH, i] = segments[r, SEG_WIDTH]


@kernel
def _enter(f, i, x, y, length, segments, r, lane, lists):
    """Enter a box that overlaps a lane; says how the lane runs if its centre is inside."""
    dx, dy = x - segments[r, SEG_X], y - segments[r, SEG_Y]
    ux, uy = segments[r, SEG_UX], segments[r, SEG_UY]
    forward, side = dx * ux + dy * uy, ux * dy - uy * dx
    dot = ux * f[COS, i] + uy * f[SIN, i]
    cross = ux * f[SIN, i] - uy * f[COS, i]
    width = float(f[HALF_WIDTH, i])
    reach, half = length * abs(dot) + width * abs(cross), length * abs(cross) + width * abs(dot)
    drift = f[SPEED, i] * cross
    beyond = max(0.0, -forward, forward - segments[r, SEG_LENGTH])
    room = 0.5 * segments[r, SEG_WIDTH]
    # Someone who walks towards the lane is entered before arriving there.
    towards = max(0.0, -drift if side > 0.0 else drift) * FORESIGHT
    if beyond > reach or abs(side) - half > room + towards:
        return 0
    along = segments[r, SEG_S] + min(max(forward, 0.0), segments[r, SEG_LENGTH])
    add(lists, lane, i, along, side, reach, half, f[SPEED, i] * dot, drift)
    if beyond > 0.0 or abs(side) > room:
        return 0
    return RUNS_AGAINST if dot < AGAINST_COSINE else RUNS_ALONG
