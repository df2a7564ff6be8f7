"""From tokens back to agents with plans: motion code first, then reactive on a route."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from scenegen.arrays import FloatArray, IntArray
from scenegen.layout.motion import DURATION, integrate
from scenegen.layout.tokens import agents_of
from scenegen.scene import AgentKind, AgentPlans, AgentStates, Control, RoadMap, locate
from scenegen.scene.plans import ROUTE_LENGTH
from scenegen.scene.roadmap import NO_LANE

LOOK_EVERY = 5
"""Steps of 0.1 s between the places at which the lane of a motion is looked up."""
STANDS = 0.5
"""Who goes less than this within the motion code stands [m]."""
ROUTE_AHEAD = 500.0
"""Length of road for which a route goes on after the motion code [m]."""
SLOWEST = 1.0
"""Least speed that an agent wants on a free road [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """A scene read from tokens.

    Attributes:
        agents: States, leading shape (N,); the ego first.
        plans: Plans, leading shape (N,).
        slots: Slot of each agent, shape (N,): 1 to ROLE_SLOTS are the roles.
    """

    agents: AgentStates
    plans: AgentPlans
    slots: IntArray


def decode(values: FloatArray, frame: FloatArray, roadmap: RoadMap) -> Decoded:
    """Turn tokens into agents that follow their motion code and then react to traffic.

    The route is the chain of lanes on which the motion ends, continued on the straightest way.
    Agents that stand beside the traffic lanes, and things, are held; the drivers are average
    ones that want the speed limit. A code may lead beyond the end of the road: the simulator
    takes agents away there, whether they follow their code or react.

    Args:
        values: Tokens of one scene, shape (A, tokens.CHANNELS).
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (3,).
        roadmap: The road.
    """
    agents, knots, slots = agents_of(values, frame)
    plans = AgentPlans.reactive(agents.count)
    plans.control[:] = Control.KNOTS
    plans.knots[:] = knots
    start = np.concatenate([agents.position, agents.yaw[:, None], agents.speed[:, None]], -1)
    steps = round(DURATION / 0.1)
    motion = integrate(
        torch.from_numpy(start.astype(np.float64)),
        torch.from_numpy(knots.astype(np.float64)),
        steps,
    ).numpy()  # (N, steps + 1, 4)
    way = np.hypot(*np.diff(motion[..., :2], axis=1).T).sum(0)
    visited = motion[:, ::LOOK_EVERY]
    places = locate(roadmap, visited[..., :2], visited[..., 2])
    for i in range(agents.count):
        kind = AgentKind(int(agents.kind[i]))
        beside = places.lane[i, 0] == NO_LANE or bool(
            abs(places.offset[i, 0]) > 0.5 * places.width[i, 0]
        )
        if kind is AgentKind.STATIC or (way[i] < STANDS and (beside or kind.is_holonomic)):
            plans.control[i] = Control.HOLD
            plans.knots[i] = 0.0
            agents.speed[i] = 0.0
            continue
        fastest = max(float(visited[i, :, 3].max()), SLOWEST)
        plans.desired_speed[i] = fastest
        if kind.is_holonomic:
            continue
        against = np.abs(places.heading_error[i]) > np.pi / 2
        route = _route(roadmap, places.lane[i], against)
        plans.set_route(i, route)
        if route and kind is not AgentKind.CYCLIST:
            limit = roadmap.lanes[route[-1] % len(roadmap.lanes)].speed_limit
            plans.desired_speed[i] = max(limit, SLOWEST)
    return Decoded(agents=agents, plans=plans, slots=slots)


def _route(roadmap: RoadMap, lanes: IntArray, against: FloatArray) -> list[int]:
    """Lanes on which a motion ends and those that follow; coded as AgentPlans.route has it."""
    count, route = len(roadmap.lanes), list[int]()
    for lane, turned in zip(lanes.tolist(), against.tolist(), strict=True):
        code = lane + count * int(turned)
        if lane == NO_LANE or (route and route[-1] == code):
            continue
        link = _link(roadmap, route[-1], code) if route else None
        # A lane that no link leads to was changed into: what was before it is over.
        route = [*route, *link] if link is not None else [code]
    covered = 0.0
    while route and covered < ROUTE_AHEAD and len(route) < ROUTE_LENGTH:
        ways = [code for code in _next(roadmap, route[-1]) if code not in route]
        if not ways:
            break
        route.append(min(ways, key=lambda code: abs(roadmap.lanes[code % count].turn)))
        covered += roadmap.lanes[route[-1] % count].length
    return route[-ROUTE_LENGTH:]


def _link(roadmap: RoadMap, here: int, there: int) -> list[int] | None:
    """Lanes from `here` to `there`, over at most one lane that was passed unseen."""
    ways = _next(roadmap, here)
    if there in ways:
        return [there]
    return next(([way, there] for way in ways if there in _next(roadmap, way)), None)


def _next(roadmap: RoadMap, code: int) -> list[int]:
    """What follows a lane, driven with or against its direction."""
    count = len(roadmap.lanes)
    lane = roadmap.lanes[code % count]
    if code < count:
        return list(lane.successors)
    return [before + count for before in lane.predecessors]
