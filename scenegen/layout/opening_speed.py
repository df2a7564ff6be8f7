"""Speeds at which traffic can begin, so that nobody has to brake hard from the first instant on."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.layout.model import LayoutRequest
from scenegen.scene import AgentStates, RoadMap, SignalState, locate

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
    grip = min(1.0, request.conditions.friction / DRY)
    speed = min(wanted, _road_speed(request, route, along))
    place = locate(request.roadmap, placed.position, placed.yaw)
    lane = np.where(placed.valid, place.lane, -1)
    begins = _ahead(request.roadmap, route, along)
    behind = _behind(request.roadmap, route[0], along)
    for j in np.flatnonzero(lane >= 0).tolist():
        reach = half_length + float(placed.size[j, 0]) / 2
        other, here = float(placed.speed[j]), int(lane[j])
        way = begins.get(here, np.inf) + float(place.along[j])
        if 0.0 < way < LOOK:
            speed = min(speed, _safe_speed(way - reach, other, grip))
    for j in np.flatnonzero(lane >= 0).tolist():
        reach = half_length + float(placed.size[j, 0]) / 2
        way = behind.get(int(lane[j]), np.inf) - float(place.along[j])
        if 0.0 <= way < LOOK and _safe_speed(way - reach, speed, grip) < float(placed.speed[j]):
            return None
    state = _signal_ahead(request, route)
    if state in {SignalState.RED, SignalState.YELLOW}:
        stop = request.roadmap.lanes[route[0]].length - along - half_length - 1.0
        speed = min(speed, float(np.sqrt(2 * BRAKING * max(stop, 0.0))))
    return speed if speed > 0.3 or (speed >= 0.0 and state is SignalState.RED) else None


def _safe_speed(gap: float, ahead: float, grip: float) -> float:
    """Speed at which `gap` is a safe distance to somebody ahead [m/s]; -1 if none is."""
    braking = BRAKING * grip
    if gap < ROOM:
        return -1.0
    start = braking * REACTION
    return float(np.sqrt(start**2 + 2 * braking * (gap - ROOM) + ahead**2) - start)


def _ahead(roadmap: RoadMap, route: tuple[int, ...], along: float) -> dict[int, float]:
    """Distance from the vehicle to the begin of each lane of its route within LOOK [m]."""
    begins, begin = {}, -along
    for lane in route:
        if begin > LOOK:
            break
        begins[lane] = begin
        begin += roadmap.lanes[lane].length
    return begins


def _behind(roadmap: RoadMap, lane: int, along: float) -> dict[int, float]:
    """Distance from the begin of each lane that leads here within LOOK to the vehicle [m]."""
    found, stack = {lane: along}, [lane]
    while stack:
        here = stack.pop()
        for before in roadmap.lanes[here].predecessors:
            if before not in found and found[here] < LOOK:
                found[before] = found[here] + roadmap.lanes[before].length
                stack.append(before)
    return found


def _road_speed(request: LayoutRequest, route: tuple[int, ...], along: float) -> float:
    """Speed from which all curves and limits ahead can be met at APPROACH [m/s]."""
    lanes = request.roadmap.lanes
    allowed = lanes[route[0]].speed_limit
    for lane, begin in _ahead(request.roadmap, route, along).items():
        allowed = min(allowed, _after(lanes[lane].speed_limit, begin))
    points = _line(request.roadmap, route, along)
    if len(points) < 4:
        return allowed
    step = np.diff(points, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    bend = np.abs(heading[2:] - heading[:-2]) / (2 * SPACING)
    lateral = LATERAL * min(1.0, request.conditions.friction / GRIPPY)
    speeds = np.sqrt(lateral / np.maximum(bend, 1e-4))
    reached = np.sqrt(speeds**2 + 2 * APPROACH * SPACING * np.arange(len(speeds)))
    return float(min(allowed, reached.min()))


def _after(speed: float, distance: float) -> float:
    """Speed from which another one is reached within a distance [m/s]."""
    return float(np.sqrt(speed**2 + 2 * APPROACH * max(distance, 0.0)))


def _line(roadmap: RoadMap, route: tuple[int, ...], along: float) -> FloatArray:
    """Points on the route from the vehicle on, SPACING apart, as far as LOOK; shape (P, 2)."""
    pieces = [roadmap.lanes[lane].centerline for lane in _ahead(roadmap, route, along)]
    joined = np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
    end = min(along + LOOK, float(polylines.arc_length(joined)[-1]))
    return polylines.point_at(joined, np.arange(max(along - SPACING, 0.0), end, SPACING))


def _signal_ahead(request: LayoutRequest, route: tuple[int, ...]) -> SignalState:
    for lane in route[1:2]:
        index = request.roadmap.signal_of_lane.get(lane)
        if index is not None:
            return request.roadmap.signals[index].state(0.0)
    return SignalState.NONE
