"""Speeds at which traffic can begin, so that nobody has to brake hard from the first instant on."""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.layout.model import LayoutRequest
from scenegen.layout.road_arrays import road_arrays
from scenegen.scene import AgentStates, SignalState, locate

LOOK = 150.0
"""Road ahead and behind that is looked at [m]."""
BRAKING = 2.0
"""Deceleration that the traffic behind somebody slower may need, on dry asphalt [m/s^2]."""
REACTION = 1.0
"""Time before it begins [s]."""
ROOM = 2.0
"""Distance left at the end of it [m]."""
LATERAL = 2.0
"""Lateral acceleration in the curves ahead on dry asphalt [m/s^2] (Reymond 2001: up to 3)."""
APPROACH = 1.2
"""Deceleration towards a curve or a lower limit [m/s^2]."""
SPACING = 3.0
"""Distance between the places at which the bend of the road is measured [m]."""
DRY, GRIPPY = 0.9, 0.6
"""Friction of dry asphalt, and friction above which curves are taken as on it."""
LEAST = 0.3
"""A speed below this counts as standing, which only a red signal is a reason for [m/s]."""

_RED, _YELLOW = int(SignalState.RED), int(SignalState.YELLOW)
_PLACES = int(LOOK / SPACING) + 3


def opening_speed(
    request: LayoutRequest,
    route: tuple[int, ...],
    along: float,
    wanted: float,
    half_length: float,
    placed: AgentStates,
) -> float | None:
    """Give the highest safe speed of a new vehicle up to the one it wants.

    Safe is what RSS calls a safe distance, with comfortable braking for both (Shalev-Shwartz et
    al. 2017, def. 1): v t + v^2 / 2b <= gap + v_ahead^2 / 2b.

    Args:
        request: The road, the weather.
        route: Lanes it is going to drive; the first is the one it is on.
        along: Place on that lane [m].
        wanted: Speed it would have alone [m/s].
        half_length: Half its length [m].
        placed: Everybody on the road so far, shape (N,).

    Returns:
        A speed [m/s], or None where no speed lets it and the next one behind live.
    """
    place = locate(request.roadmap, placed.position, placed.yaw)
    speed = safe_speed(
        road_arrays(request.roadmap),
        np.array(route, np.int64),
        along,
        wanted,
        half_length,
        np.where(placed.valid, place.lane, -1).astype(np.int64),
        place.along,
        placed.speed.astype(np.float64),
        placed.size[:, 0].astype(np.float64),
        request.conditions.friction,
    )
    return None if speed < 0.0 else float(speed)


@nb.njit(cache=True)
def safe_speed(  # type: ignore[no-untyped-def]  # noqa: ANN201
    road,  # noqa: ANN001
    route,  # noqa: ANN001
    along,  # noqa: ANN001
    wanted,  # noqa: ANN001
    half_length,  # noqa: ANN001
    lanes,  # noqa: ANN001
    places,  # noqa: ANN001
    speeds,  # noqa: ANN001
    lengths,  # noqa: ANN001
    friction,  # noqa: ANN001
):
    """Do the same from arrays, those of the placed of shape (N,); -1 where there is no speed."""
    braking = BRAKING * min(1.0, friction / DRY)
    speed = min(wanted, _road_speed(road, route, along, friction))
    for j in range(len(lanes)):
        if lanes[j] >= 0:
            way = _begin_ahead(road, route, along, lanes[j]) + places[j]
            if 0.0 < way < LOOK:
                gap = way - half_length - 0.5 * lengths[j]
                speed = min(speed, _following_speed(gap, speeds[j], braking))
    behind = _behind(road, route[0], along)
    for j in range(len(lanes)):
        if lanes[j] >= 0:
            way = behind[lanes[j]] - places[j]
            gap = way - half_length - 0.5 * lengths[j]
            if 0.0 <= way < LOOK and _following_speed(gap, speed, braking) < speeds[j]:
                return -1.0
    signal = road.signals[route[1]] if len(route) > 1 else -1
    if signal in (_RED, _YELLOW):
        stop = road.lengths[route[0]] - along - half_length - 1.0
        speed = min(speed, np.sqrt(2.0 * BRAKING * max(stop, 0.0)))
    return speed if speed > LEAST or (speed >= 0.0 and signal == _RED) else -1.0


@nb.njit(cache=True)
def _following_speed(gap, ahead, braking):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Speed at which `gap` is a safe distance to somebody ahead [m/s]; -1 if none is."""
    if gap < ROOM:
        return -1.0
    start = braking * REACTION
    return np.sqrt(start**2 + 2.0 * braking * (gap - ROOM) + ahead**2) - start


@nb.njit(cache=True)
def _begin_ahead(road, route, along, lane):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Distance from the vehicle to the begin of a lane of its route within LOOK [m], else inf."""
    begin = -along
    for here in route:
        if begin > LOOK:
            break
        if here == lane:
            return begin
        begin += road.lengths[here]
    return np.inf


@nb.njit(cache=True)
def _behind(road, lane, along):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Distance from the begin of each lane that leads here within LOOK to the vehicle [m], (L,)."""
    found = np.full(len(road.lengths), np.inf)
    stack = np.empty(len(road.lengths), np.int64)
    found[lane], stack[0], count = along, lane, 1
    while count:
        count -= 1
        here = stack[count]
        for k in range(road.before_first[here], road.before_first[here + 1]):
            before = road.before[k]
            if np.isinf(found[before]) and found[here] < LOOK:
                found[before] = found[here] + road.lengths[before]
                stack[count] = before
                count += 1
    return found


@nb.njit(cache=True)
def _road_speed(road, route, along, friction):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Speed from which all curves and limits ahead can be met at APPROACH [m/s]."""
    allowed, begin = road.limits[route[0]], -along
    for lane in route:
        if begin > LOOK:
            break
        reached = np.sqrt(road.limits[lane] ** 2 + 2.0 * APPROACH * max(begin, 0.0))
        allowed, begin = min(allowed, reached), begin + road.lengths[lane]
    line, count = _line(road, route, along)
    if count < 4:
        return allowed
    lateral = LATERAL * min(1.0, friction / GRIPPY)
    for k in range(count - 3):
        ax, ay = line[k + 1, 0] - line[k, 0], line[k + 1, 1] - line[k, 1]
        mx, my = line[k + 2, 0] - line[k + 1, 0], line[k + 2, 1] - line[k + 1, 1]
        bx, by = line[k + 3, 0] - line[k + 2, 0], line[k + 3, 1] - line[k + 2, 1]
        turn = np.arctan2(ax * my - ay * mx, ax * mx + ay * my)
        turn += np.arctan2(mx * by - my * bx, mx * bx + my * by)
        bend = abs(turn) / (2.0 * SPACING)
        reached = np.sqrt(lateral / max(bend, 1e-4) + 2.0 * APPROACH * SPACING * k)
        allowed = min(allowed, reached)
    return allowed


@nb.njit(cache=True)
def _line(road, route, along):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Points on the route from the vehicle on, SPACING apart, as far as LOOK; and their number."""
    out, count = np.empty((_PLACES, 2)), 0
    start, begin, gone = max(along - SPACING, 0.0), -along, 0.0
    last_x, last_y, fresh = 0.0, 0.0, True
    for lane in route:
        if begin > LOOK:
            break
        begin += road.lengths[lane]
        first = road.points_first[lane] + (0 if fresh else 1)
        for k in range(first, road.points_first[lane + 1]):
            x, y = road.points[k, 0], road.points[k, 1]
            length = 0.0 if fresh else np.hypot(x - last_x, y - last_y)
            # What lies at the end of a piece belongs to the next one, as of the last it does not.
            while start + SPACING * count < min(gone + length, along + LOOK) and count < _PLACES:
                share = (start + SPACING * count - gone) / length
                out[count, 0] = last_x + share * (x - last_x)
                out[count, 1] = last_y + share * (y - last_y)
                count += 1
            gone += length
            last_x, last_y, fresh = x, y, False
    return out, count
