"""Routes of recorded agents: the lanes their logs visit."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import IntArray
from scenegen.scene import AgentStates, RoadMap, locate
from scenegen.scene.plans import ROUTE_LENGTH
from scenegen.scene.roadmap import NO_LANE


def log_routes(roadmap: RoadMap, log: AgentStates) -> IntArray:
    """Lanes each agent's log visits, in order; changes to a neighbour restart the route there.

    Args:
        roadmap: The road.
        log: Recorded states, leading shape (T, N).

    Returns:
        Routes padded with NO_LANE, shape (N, ROUTE_LENGTH).
    """
    lanes = np.where(log.valid, locate(roadmap, log.position, log.yaw).lane, NO_LANE)
    routes = np.full((log.count, ROUTE_LENGTH), NO_LANE, np.int64)
    for i in range(log.count):
        visited = _linked(roadmap, lanes[:, i].tolist())
        routes[i, : len(visited)] = visited
    return routes


def _linked(roadmap: RoadMap, lanes: list[int]) -> list[int]:
    """Keep the lanes that follow one another; what the links do not explain is left out."""
    route: list[int] = []
    for lane in lanes:
        if lane == NO_LANE or lane in route:
            continue
        if not route or lane in roadmap.lanes[route[-1]].successors:
            route.append(lane)
            continue
        between = set(roadmap.lanes[route[-1]].successors) & set(roadmap.lanes[lane].predecessors)
        if between:
            route += [min(between), lane]
        elif _beside(roadmap, route[-1], lane):
            route[-1:] = [lane] if len(route) == 1 else [route[-1], lane]
    return route[:ROUTE_LENGTH]


def _beside(roadmap: RoadMap, a: int, b: int) -> bool:
    return b in {roadmap.lanes[a].left, roadmap.lanes[a].right}
