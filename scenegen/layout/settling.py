"""Compiled placing of sampled agents, one after the other: each is mended, or left out.

What projection.complete promises is kept here; the reasons are counted by their number.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.layout.following import follow
from scenegen.layout.opening_speed import safe_speed
from scenegen.layout.road_arrays import box_on_drivable, lane_point, near_any_lane
from scenegen.scene.agents import AgentKind
from scenegen.scene.lanes import nearest_segments
from scenegen.scene.plans import KNOTS, ROUTE_LENGTH, Control

ROUTE_AHEAD = 500.0
"""Length of road for which a route is chosen [m]."""
CLEAR_AHEAD, CLEAR_ASIDE = 14.0, 5.5
"""Background traffic keeps this far from the area spanned by the roles [m]."""
SHIFTS = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 3.5, -3.5, 5.0, -5.0, 8.0, -8.0])
"""Moves along the lane that are tried where a place is taken [m]."""
ROOM, ROOM_STANDING = 3.0, 0.6
"""Distance along the road that moving and standing agents keep from others' boxes [m]."""
ASIDE = 0.2
"""Distance across the road that they keep [m]."""
SNAPPED = 0.5
"""Headings that differ less than this from the lane's are brought onto it [rad]."""
BRAKING, THROTTLE = -9.0, 4.0
"""Range of accelerations of road vehicles [m/s^2]: full braking on dry asphalt, a fast car."""
CURVATURE = 0.2
"""Largest curvature of a vehicle's path [1/m]: a turning circle of 10 m."""
GRAVITY = 9.81
STRAY = 5.0
"""People and things farther than this from the middle of every lane are nowhere [m]."""

REASONS = (
    "", "far", "off_road", "against", "in_the_way", "overlap", "astray", "no_room", "collision",
    "beyond", "snapped", "shifted", "slowed",
)  # fmt: skip
"""What is counted, by number; the first is for those that fit in."""
(FITS, FAR, OFF_ROAD, AGAINST, IN_THE_WAY, OVERLAP, ASTRAY, NO_ROOM, COLLISION, BEYOND) = range(10)
MOVED_ASIDE, SHIFTED, SLOWED = 10, 11, 12
_HOLD, _REACTIVE, _KNOTS = int(Control.HOLD), int(Control.REACTIVE), int(Control.KNOTS)
_MOTOR, _PEDESTRIAN = int(AgentKind.MOTORCYCLE), int(AgentKind.PEDESTRIAN)


class Crowd(NamedTuple):
    """Agents as arrays of numbers, those that are settled and those that are to be.

    Attributes:
        pose: x, y [m], yaw [rad] and speed [m/s], shape (N, 4), float32.
        size: Length, width and height [m], shape (N, 3), float32.
        kind: AgentKind, shape (N,).
        control: Control, shape (N,).
        route: Routes as in AgentPlans, shape (N, ROUTE_LENGTH).
        knots: Motion codes, shape (N, KNOTS, 2), float32.
        driver: Desired speed [m/s], share of the limit that is wanted, and most that the kind
            drives [m/s], shape (N, 3).
        lane: Lane that each is on, NO_LANE where none, shape (N,).
        along: Arc length on it [m], shape (N,).
    """

    pose: FloatArray
    size: FloatArray
    kind: IntArray
    control: IntArray
    route: IntArray
    knots: FloatArray
    driver: FloatArray
    lane: IntArray
    along: FloatArray


class Terms(NamedTuple):
    """What placing depends on beside the road.

    Attributes:
        most: Number of agents in the finished scene, at most.
        radius: Agents farther from the ego are left out [m].
        friction: Coefficient of friction of the road.
        slower: Factor on wanted speeds that the road surface makes.
        reactive: Whether traffic models move what is added.
        area: Ego's x, y, cos and sin of its yaw, then the least and greatest x and y of the area
            that is kept clear, in its frame, shape (8,); empty for none.
    """

    most: int
    radius: float
    friction: float
    slower: float
    reactive: bool
    area: FloatArray


@nb.njit(cache=True)
def settle(road, crowd, count, terms, rates):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Place the agents of a crowd from the row `count` on; those before are settled.

    Those that fit in are moved to the front, in their order.

    Args:
        road: From road_arrays.
        crowd: The settled, then those to be placed, the nearest first; changed in place.
        count: Number of the settled.
        terms: What placing depends on.
        rates: Matrices of the motion code, see `following.rates`.

    Returns:
        Row that each placed agent came from, and how often each of REASONS came up.
    """
    notes = np.zeros(len(REASONS), np.int64)
    total = len(crowd.kind)
    source = np.arange(total)
    begun = count
    for row in range(begun, total):
        if count >= terms.most:
            notes[BEYOND] += 1
            continue
        _move(crowd, row, count)
        wrong = _settle_one(road, crowd, count, terms, notes)
        if wrong == FITS and _collides(crowd, count, rates):
            wrong = COLLISION
        if wrong != FITS:
            notes[wrong] += 1
            continue
        source[count] = row
        count += 1
    return source[:count], notes


@nb.njit(cache=True)
def _move(crowd, row, to):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Copy one agent to a row further in front."""
    if row == to:
        return
    crowd.pose[to], crowd.size[to], crowd.kind[to] = (
        crowd.pose[row],
        crowd.size[row],
        crowd.kind[row],
    )
    crowd.control[to], crowd.route[to] = crowd.control[row], crowd.route[row]
    crowd.knots[to], crowd.driver[to] = crowd.knots[row], crowd.driver[row]


@nb.njit(cache=True)
def _settle_one(road, crowd, i, terms, notes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0911
    """Bring agent i to a place and a speed that the i before it leave; why there is none."""
    kind, pose = crowd.kind[i], crowd.pose
    travels = crowd.control[i] != _HOLD and kind < _PEDESTRIAN
    if np.hypot(pose[i, 0] - pose[0, 0], pose[i, 1] - pose[0, 1]) > terms.radius:
        return FAR
    if travels:
        wrong = _onto_lane(road, crowd, i, notes)
        if wrong != FITS:
            return wrong
        if _in_event_area(terms.area, pose[i, 0], pose[i, 1]):
            return IN_THE_WAY
    if not _find_room(road, crowd, i, notes, travels):
        return OVERLAP
    if kind <= _MOTOR:
        length, width = crowd.size[i, 0], crowd.size[i, 1]
        if not box_on_drivable(road, pose[i, 0], pose[i, 1], pose[i, 2], length, width):
            return OFF_ROAD
    elif not near_any_lane(road, pose[i, 0], pose[i, 1], STRAY):
        return ASTRAY
    _locate(road, crowd, i)
    if travels:
        wrong = _start(road, crowd, i, terms, notes)
        if wrong != FITS:
            return wrong
    if terms.reactive and crowd.control[i] == _KNOTS:
        crowd.control[i] = _REACTIVE
    return FITS


@nb.njit(cache=True)
def _locate(road, crowd, i):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Note the lane that agent i is on; row of its segment, and the offset from its middle."""
    point, yaw = np.empty((1, 2)), np.empty(1)
    point[0, 0], point[0, 1], yaw[0] = crowd.pose[i, 0], crowd.pose[i, 1], crowd.pose[i, 2]
    index, along, offset = nearest_segments(road.segments, road.blocks, point, yaw)
    crowd.lane[i] = int(road.segments[index[0], 5]) if index[0] >= 0 else -1
    crowd.along[i] = along[0]
    return index[0], offset[0]


@nb.njit(cache=True)
def _onto_lane(road, crowd, i, notes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bring a vehicle between the bounds of its lane and onto its direction; why it cannot."""
    row, offset = _locate(road, crowd, i)
    if row < 0:
        return OFF_ROAD
    ahead = np.arctan2(road.segments[row, 3], road.segments[row, 2])
    error = np.pi - np.mod(np.pi - (crowd.pose[i, 2] - ahead), 2.0 * np.pi)
    if abs(error) > 0.5 * np.pi:
        return AGAINST
    free = max(0.0, 0.5 * (road.segments[row, 7] - crowd.size[i, 1]) - 0.1)
    moved = min(max(offset, -free), free) - offset
    across = crowd.pose[i, 2] - error
    if abs(error) < SNAPPED:
        crowd.pose[i, 2] = across
    if abs(moved) > 0.01:
        notes[MOVED_ASIDE] += 1
        crowd.pose[i, 0] -= moved * np.sin(across)
        crowd.pose[i, 1] += moved * np.cos(across)
    return FITS


@nb.njit(cache=True)
def _in_event_area(area, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a place lies in the area spanned by the ego and the other roles."""
    if len(area) == 0:
        return False
    dx, dy = x - area[0], y - area[1]
    ahead, aside = area[2] * dx + area[3] * dy, area[2] * dy - area[3] * dx
    return area[4] < ahead < area[5] and area[6] < aside < area[7]


@nb.njit(cache=True)
def _find_room(road, crowd, i, notes, travels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move an agent along its lane, or straight on, to the nearest free place."""
    pose = crowd.pose
    x, y, yaw = pose[i, 0], pose[i, 1], pose[i, 2]
    room, lane, along, side = ROOM_STANDING, -1, 0.0, 0.0
    if travels:
        room = ROOM
        _, side = _locate(road, crowd, i)
        lane, along = crowd.lane[i], crowd.along[i]
    for shift in SHIFTS:
        if lane < 0:
            pose[i, 0], pose[i, 1] = x + shift * np.cos(yaw), y + shift * np.sin(yaw)
        elif shift != 0.0:
            hx, hy, before = lane_point(road, lane, along)
            tx, ty, after = lane_point(road, lane, along + shift)
            pose[i, 0] = x + tx - hx - side * (np.sin(after) - np.sin(before))
            pose[i, 1] = y + ty - hy + side * (np.cos(after) - np.cos(before))
            turned = yaw + after - before
            pose[i, 2] = np.arctan2(np.sin(turned), np.cos(turned))
        else:
            pose[i, 2] = np.arctan2(np.sin(yaw), np.cos(yaw))
        if not _touches(crowd, i, room):
            notes[SHIFTED] += shift != 0.0
            return True
    return False


@nb.njit(cache=True)
def _touches(crowd, i, room):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether the box of agent i, grown by the room it wants, meets one of those before it."""
    length, width = crowd.size[i, 0] + room, crowd.size[i, 1] + ASIDE
    for j in range(i):
        apart = _boxes_apart(
            crowd.pose[i, 0], crowd.pose[i, 1], crowd.pose[i, 2], length, width,
            crowd.pose[j, 0], crowd.pose[j, 1], crowd.pose[j, 2],
            crowd.size[j, 0], crowd.size[j, 1],
        )  # fmt: skip
        if not apart:
            return True
    return False


@nb.njit(cache=True)
def _boxes_apart(x, y, yaw, length, width, u, v, turn, long, wide):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether two boxes share no point (separating axis theorem; Gottschalk 1996)."""
    dx, dy = u - x, v - y
    far = 0.5 * (np.hypot(length, width) + np.hypot(long, wide))
    if dx * dx + dy * dy > far * far * 1.0001:
        return True
    cos, sin = abs(np.cos(yaw - turn)), abs(np.sin(yaw - turn))
    ca, sa, cb, sb = np.cos(yaw), np.sin(yaw), np.cos(turn), np.sin(turn)
    return (
        abs(ca * dx + sa * dy) > 0.5 * (length + long * cos + wide * sin)
        or abs(ca * dy - sa * dx) > 0.5 * (width + long * sin + wide * cos)
        or abs(cb * dx + sb * dy) > 0.5 * (long + length * cos + width * sin)
        or abs(cb * dy - sb * dx) > 0.5 * (wide + length * sin + width * cos)
    )


@nb.njit(cache=True)
def _start(road, crowd, i, terms, notes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Choose a route and a speed that traffic leaves room for; why there is none."""
    speed = float(crowd.pose[i, 3])
    bound_knots(crowd.knots[i], speed, terms.friction)
    lane = crowd.lane[i]
    if lane < 0:
        return OFF_ROAD
    best = _best_route(road, lane, crowd.route[i])
    crowd.route[i] = -1
    for k in range(min(len(best), ROUTE_LENGTH)):
        crowd.route[i, k] = best[k]
    wanted = min(road.limits[lane] * crowd.driver[i, 1], crowd.driver[i, 2]) * terms.slower
    crowd.driver[i, 0] = max(wanted, speed)
    safe = safe_speed(
        road, best, crowd.along[i], max(speed, 0.5), 0.5 * crowd.size[i, 0],
        crowd.lane[:i], crowd.along[:i], crowd.pose[:i, 3], crowd.size[:i, 0], terms.friction,
    )  # fmt: skip
    if safe < 0.0:
        return NO_ROOM
    if safe < speed - 0.01:
        notes[SLOWED] += 1
    crowd.pose[i, 3] = min(speed, safe)
    return FITS


@nb.njit(cache=True)
def _best_route(road, lane, wanted):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Of the routes that RoadMap.routes lists the first with most lanes of another route."""
    lanes = len(road.lengths)
    path, child = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    covered, shared = np.empty(lanes), np.empty(lanes, np.int64)
    best, most = path[:0].copy(), -1
    path[0], child[0], covered[0] = lane, road.after_first[lane], road.lengths[lane]
    shared[0], depth, leaf = _is_in(wanted, lane), 0, True
    while depth >= 0:
        here, k = path[depth], child[depth]
        if k < road.after_first[here + 1] and covered[depth] < ROUTE_AHEAD:
            child[depth] += 1
            there = road.after[k]
            if not _is_in(path[: depth + 1], there):
                depth, leaf = depth + 1, True
                path[depth], child[depth] = there, road.after_first[there]
                covered[depth] = covered[depth - 1] + road.lengths[there]
                shared[depth] = shared[depth - 1] + _is_in(wanted, there)
            continue
        if leaf and shared[depth] > most:
            best, most = path[: depth + 1].copy(), shared[depth]
        depth, leaf = depth - 1, False
    return best


@nb.njit(cache=True)
def _is_in(values, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for other in values:
        if other == value:
            return 1
    return 0


@nb.njit(cache=True)
def bound_knots(knots, speed, friction):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Bring a motion code within what vehicle and road can do, in place, shape (KNOTS, 2)."""
    step, gained = 8.0 / (KNOTS - 1), 0.0
    for k in range(KNOTS):
        knots[k, 0] = min(max(knots[k, 0], BRAKING), THROTTLE)
        if k:
            gained += 0.5 * step * (knots[k, 0] + knots[k - 1, 0])
        now = max(speed + gained, 0.0)
        most = min(friction * GRAVITY / max(now, 0.1), CURVATURE * now)
        knots[k, 1] = min(max(knots[k, 1], -most), most)


@nb.njit(cache=True)
def _collides(crowd, i, rates):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether the motion of an agent that follows its code meets another's that does, too."""
    if crowd.control[i] != _KNOTS:
        return False
    mine = follow(crowd.pose[i], crowd.knots[i], rates)
    for j in range(i):
        if crowd.control[j] != _KNOTS:
            continue
        theirs = follow(crowd.pose[j], crowd.knots[j], rates)
        for t in range(0, len(mine), 2):
            apart = _boxes_apart(
                mine[t, 0], mine[t, 1], mine[t, 2], crowd.size[i, 0], crowd.size[i, 1],
                theirs[t, 0], theirs[t, 1], theirs[t, 2], crowd.size[j, 0], crowd.size[j, 1],
            )  # fmt: skip
            if not apart:
                return True
    return False
