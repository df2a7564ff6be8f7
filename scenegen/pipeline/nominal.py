"""Scenes without an event: the ego somewhere on the road."""

from __future__ import annotations

import numpy as np

from scenegen.events import Pinned
from scenegen.geometry import polylines
from scenegen.geometry.boxes import boxes_overlap
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, RoadMap

ROOM_BEHIND, ROOM_AHEAD = 20.0, 60.0
"""Road kept behind and ahead of the ego [m]."""
TRIES = 20


def pin_nominal(
    roadmap: RoadMap,
    speed: tuple[float, float],
    rng: np.random.Generator,
    log: AgentStates | None,
) -> Pinned | None:
    """Place the ego on a random traffic lane.

    Args:
        roadmap: The road.
        speed: Range its speed must lie in [m/s]; within it the lane's limit is aimed at.
        rng: Random numbers.
        log: Recorded traffic it must not touch, leading shape (T, M), or None.

    Returns:
        The ego alone, or None if no free place was found.
    """
    lanes = [
        i
        for i in roadmap.traffic_lanes
        if not roadmap.lanes[i].in_junction and roadmap.lanes[i].length > ROOM_BEHIND + 10.0
    ]
    if not lanes:
        return None
    length = np.array([roadmap.lanes[i].length for i in lanes])
    for _ in range(TRIES):
        index = lanes[int(rng.choice(len(lanes), p=length / length.sum()))]
        lane = roadmap.lanes[index]
        along = float(rng.uniform(5.0, max(lane.length - ROOM_AHEAD, 6.0)))
        place = polylines.point_at(lane.centerline, np.array(along))
        yaw = float(polylines.heading_at(lane.centerline, np.array(along)))
        wanted = float(np.clip(lane.speed_limit * rng.uniform(0.8, 1.0), *speed))
        ego = AgentStates.of([(AgentKind.CAR, float(place[0]), float(place[1]), yaw, wanted)])
        if log is not None and _touches(ego, log[0]):
            continue
        plans = AgentPlans.reactive(1)
        plans.desired_speed[EGO] = max(wanted, 1.0)
        routes = list(roadmap.routes(index, 400.0))
        plans.set_route(EGO, routes[int(rng.integers(len(routes)))])
        return Pinned(agents=ego, plans=plans, roles={}, replaces=())
    return None


def _touches(ego: AgentStates, others: AgentStates) -> bool:
    margin = np.array([4.0, 0.4, 0.0])
    hits = boxes_overlap(
        ego.position, ego.yaw, ego.size + margin, others.position, others.yaw, others.size
    )
    return bool((hits & others.valid).any())
