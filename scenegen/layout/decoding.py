"""From tokens back to agents with plans: motion code first, then reactive on a route."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.layout.following import follow, rates
from scenegen.layout.road_arrays import road_arrays
from scenegen.layout.tokens import agents_of
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, Control, RoadMap
from scenegen.scene.lanes import nearest_segments
from scenegen.scene.plans import ROUTE_LENGTH

LOOK_EVERY = 5
"""Steps of 0.1 s between the places at which the lane of a motion is looked up."""
STANDS = 0.5
"""Who goes less than this within the motion code stands [m]."""
ROUTE_AHEAD = 500.0
"""Length of road for which a route goes on after the motion code [m]."""
SLOWEST = 1.0
"""Least speed that an agent wants on a free road [m/s]."""

_HOLD, _KNOTS = int(Control.HOLD), int(Control.KNOTS)
_STATIC, _CYCLIST = int(AgentKind.STATIC), int(AgentKind.CYCLIST)
_PEDESTRIAN, _ANIMAL = int(AgentKind.PEDESTRIAN), int(AgentKind.ANIMAL)


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
    pose = np.concatenate([agents.position, agents.yaw[:, None], agents.speed[:, None]], -1)
    plans = AgentPlans.reactive(agents.count)
    _plan(
        road_arrays(roadmap), pose, agents.kind, knots, rates(),
        plans.control, plans.route, plans.desired_speed,
    )  # fmt: skip
    held = plans.control == Control.HOLD
    knots[held] = 0.0
    agents.speed[held] = 0.0
    plans.knots[:] = knots
    return Decoded(agents=agents, plans=plans, slots=slots)


def with_code_of_ego(plans: AgentPlans, sampled: Decoded) -> AgentPlans:
    """Let the ego follow its sampled motion code; the others do as planned.

    Args:
        plans: Plans of some agents, the ego first.
        sampled: What was sampled, the ego first.
    """
    out = plans[list(range(plans.count))]
    out.control[EGO] = Control.KNOTS
    out.knots[EGO] = sampled.plans.knots[EGO]
    return out


@nb.njit(cache=True)
def _plan(road, pose, kind, knots, matrices, control, route, desired):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write control, route and desired speed of each agent from where its motion code leads."""
    for i in range(len(pose)):
        control[i] = _KNOTS
        motion = follow(pose[i], knots[i], matrices)
        lanes, offset, width = _visited(road, motion)
        way, fastest = 0.0, SLOWEST
        for t in range(1, len(motion)):
            way += np.hypot(motion[t, 0] - motion[t - 1, 0], motion[t, 1] - motion[t - 1, 1])
        for t in range(0, len(motion), LOOK_EVERY):
            fastest = max(fastest, motion[t, 3])
        on_foot = kind[i] in (_PEDESTRIAN, _ANIMAL)
        beside = lanes[0] < 0 or abs(offset) > 0.5 * width
        if kind[i] == _STATIC or (way < STANDS and (beside or on_foot)):
            control[i] = _HOLD
            continue
        desired[i] = fastest
        if on_foot:
            continue
        found, length = _route(road, lanes)
        for k in range(max(0, length - ROUTE_LENGTH), length):
            route[i, k - max(0, length - ROUTE_LENGTH)] = found[k]
        if length and kind[i] != _CYCLIST:
            desired[i] = max(road.limits[found[length - 1] % len(road.limits)], SLOWEST)


@nb.njit(cache=True)
def _visited(road, motion):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Codes of the lanes under a motion, NO_LANE beside the road; offset and width at its begin."""
    seen = motion[::LOOK_EVERY]
    points, yaw = seen[:, :2].copy(), seen[:, 2].copy()
    index, _, offset = nearest_segments(road.segments, road.blocks, points, yaw)
    lanes, count = np.full(len(seen), -1, np.int64), len(road.limits)
    for t in range(len(seen)):
        if index[t] >= 0:
            row = road.segments[index[t]]
            against = row[2] * np.cos(yaw[t]) + row[3] * np.sin(yaw[t]) < 0.0
            lanes[t] = int(row[5]) + (count if against else 0)
    return lanes, offset[0], road.segments[index[0], 7] if index[0] >= 0 else 0.0


@nb.njit(cache=True)
def _route(road, lanes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Lanes on which a motion ends and those that follow, and their number; coded as routes are."""
    out, count = np.empty(2 * len(lanes) + ROUTE_LENGTH, np.int64), 0
    for code in lanes:
        if code < 0 or (count and out[count - 1] == code):
            continue
        # A lane that no link leads to was changed into: what was before it is over.
        between = _link(road, out[count - 1], code) if count else -1
        if between == -1:
            count = 0
        elif between >= 0:
            out[count] = between
            count += 1
        out[count] = code
        count += 1
    covered = 0.0
    while 0 < count < ROUTE_LENGTH and covered < ROUTE_AHEAD:
        best, least = -1, np.inf
        begin, end, ahead = _links(road, out[count - 1])
        for k in range(begin, end):
            code = _coded(road, k, ahead)
            turn = abs(road.turns[code % len(road.turns)])
            if turn < least and not (out[:count] == code).any():
                best, least = code, turn
        if best < 0:
            break
        out[count] = best
        count += 1
        covered += road.lengths[best % len(road.lengths)]
    return out, count


@nb.njit(cache=True)
def _link(road, here, there):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Lane between two that was passed unseen; -2 where one leads to the other, -1 where none."""
    begin, end, ahead = _links(road, here)
    for k in range(begin, end):
        if _coded(road, k, ahead) == there:
            return -2
    for k in range(begin, end):
        way = _coded(road, k, ahead)
        first, last, onward = _links(road, way)
        for m in range(first, last):
            if _coded(road, m, onward) == there:
                return way
    return -1


@nb.njit(cache=True)
def _links(road, code):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Rows of what follows a lane, and whether it is driven in its direction."""
    count = len(road.lengths)
    if code < count:
        return road.after_first[code], road.after_first[code + 1], True
    return road.before_first[code - count], road.before_first[code - count + 1], False


@nb.njit(cache=True)
def _coded(road, row, ahead):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return road.after[row] if ahead else road.before[row] + len(road.lengths)
