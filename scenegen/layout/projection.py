"""From sampled agents to agents that keep the promises of a layout: repaired, or left out.

Positions of a sample are right to a few decimetres; what that breaks is mended by moving a whole
agent with its motion, never a part of it. What cannot be mended is left out, and everything is
counted, so that nobody mistakes the repair for the model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.geometry.boxes import box_corners, boxes_overlap
from scenegen.geometry.transforms import to_local
from scenegen.layout.decoding import Decoded
from scenegen.layout.drivers import draw_driver
from scenegen.layout.model import Layout, LayoutRequest
from scenegen.layout.opening_speed import opening_speed
from scenegen.layout.rollouts import rollouts
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, Control, locate
from scenegen.scene.roadmap import NO_LANE

ROUTE_AHEAD = 500.0
"""Length of road for which a route is chosen [m]."""
CLEAR_AHEAD, CLEAR_ASIDE = 14.0, 5.5
"""Background traffic keeps this far from the area spanned by the roles [m]."""
SHIFTS = (0.0, 1.0, -1.0, 2.0, -2.0, 3.5, -3.5, 5.0, -5.0, 8.0, -8.0)
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


class Background(StrEnum):
    """What moves the background."""

    REACTIVE = "reactive"
    """Traffic models from the sampled opening on."""
    KNOTS = "knots"
    """The sampled motion for 8 s, then traffic models."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """What is settled so far: states, plans, and where everybody is over time in KNOTS mode."""

    agents: AgentStates
    plans: AgentPlans


def complete(
    request: LayoutRequest,
    sampled: Decoded,
    chosen: list[int],
    background: Background,
    rng: np.random.Generator,
) -> Layout:
    """Add sampled agents to the pinned ones, one after the other.

    Args:
        request: The road and the pinned agents.
        sampled: Agents as decoded.
        chosen: Those that are to be added, indices into `sampled`, the nearest first.
        background: What is to move them.
        rng: Draws drivers.

    Returns:
        Pinned agents, then those that fit in; `notes` counts what was sampled, moved ("snapped",
        "shifted", "slowed") and left out ("far", "off_road", "astray", "against", "in_the_way",
        "overlap", "no_room", "collision", "beyond" the number asked for).
    """
    notes: Counter[str] = Counter(sampled=len(chosen))
    placed = _Placed(request.pinned, request.plans)
    for i in chosen:
        if placed.agents.count >= request.agents:
            notes["beyond"] += 1
            continue
        found = _settle(request, sampled, i, background, placed, notes, rng)
        if isinstance(found, str):
            notes[found] += 1
            continue
        placed = _Placed(
            AgentStates.concatenate([placed.agents, found.agents]),
            AgentPlans.concatenate([placed.plans, found.plans]),
        )
    notes["kept"] = placed.agents.count - request.pinned.count
    return Layout(agents=placed.agents, plans=placed.plans, notes=dict(notes))


def _settle(
    request: LayoutRequest,
    sampled: Decoded,
    i: int,
    background: Background,
    placed: _Placed,
    notes: Counter[str],
    rng: np.random.Generator,
) -> _Placed | str:
    """Give one agent with its plan, or why it is left out."""
    # Indexed with a list, the arrays are copies.
    state, plan = sampled.agents[[i]], sampled.plans[[i]]
    kind = AgentKind(int(state.kind[0]))
    holds = plan.control[0] == Control.HOLD
    travels = not (holds or kind.is_holonomic or kind is AgentKind.STATIC)
    wrong = _settle_place(request, state, placed.agents, notes, travels=travels)
    if not wrong and travels:
        plan.knots[0] = feasible(plan.knots[0], float(state.speed[0]), request.conditions.friction)
        wrong = _start(request, state, plan, placed.agents, notes, rng)
    if wrong:
        return wrong
    if background is Background.REACTIVE and plan.control[0] == Control.KNOTS:
        plan.control[0] = Control.REACTIVE
    found = _Placed(state, plan)
    return "collision" if _collides(found, placed) else found


def _settle_place(
    request: LayoutRequest,
    state: AgentStates,
    others: AgentStates,
    notes: Counter[str],
    *,
    travels: bool,
) -> str:
    """Bring one agent to a place of its own, on its lane if it travels; why there is none."""
    away = state.position[0] - request.pinned.position[EGO]
    if np.hypot(*away) > request.radius:
        return "far"
    wrong = _onto_lane(request, state, notes) if travels else ""
    if wrong:
        return wrong
    if travels and in_event_area(request.pinned, state.position[0]):
        return "in_the_way"
    if not _find_room(request, state, others, notes, travels=travels):
        return "overlap"
    kind = AgentKind(int(state.kind[0]))
    if kind.is_motor_vehicle:
        return "" if is_on_road(request, state) else "off_road"
    return "" if _is_beside_road(request, state.position[0]) else "astray"


def _onto_lane(request: LayoutRequest, state: AgentStates, notes: Counter[str]) -> str:
    """Bring a vehicle between the bounds of its lane and onto its direction; why it cannot."""
    place = locate(request.roadmap, state.position, state.yaw)
    if place.lane[0] == NO_LANE:
        return "off_road"
    error = float(place.heading_error[0])
    if abs(error) > np.pi / 2:
        return "against"
    free = max(0.0, 0.5 * float(place.width[0] - state.size[0, 1]) - 0.1)
    offset = float(place.offset[0])
    aim = float(np.clip(offset, -free, free))
    if abs(error) < SNAPPED:
        state.yaw[0] -= error
    moved = aim - offset
    if abs(moved) > 0.01:
        notes["snapped"] += 1
        across = float(state.yaw[0]) + (0.0 if abs(error) < SNAPPED else -error)
        state.position[0] += moved * np.array([-np.sin(across), np.cos(across)], np.float32)
    return ""


def _find_room(
    request: LayoutRequest,
    state: AgentStates,
    others: AgentStates,
    notes: Counter[str],
    *,
    travels: bool,
) -> bool:
    """Move an agent along its lane, or straight on, to the nearest free place."""
    begin, yaw = state.position[0].copy(), float(state.yaw[0])
    margin = np.array([ROOM if travels else ROOM_STANDING, ASIDE, 0.0])
    place = locate(request.roadmap, state.position, state.yaw)
    lane = int(place.lane[0]) if travels else NO_LANE
    for shift in SHIFTS:
        if lane == NO_LANE:
            state.position[0] = begin + shift * np.array([np.cos(yaw), np.sin(yaw)])
        else:
            line = request.roadmap.lanes[lane].centerline
            along = np.array([0.0, shift]) + float(place.along[0])
            here, there = polylines.point_at(line, along)
            turn = polylines.heading_at(line, along)
            delta = turn[1] - turn[0]
            side = float(place.offset[0])
            normal = np.stack([-np.sin(turn), np.cos(turn)], -1)
            state.position[0] = begin + there - here + side * (normal[1] - normal[0])
            state.yaw[0] = np.arctan2(np.sin(yaw + delta), np.cos(yaw + delta))
        hits = boxes_overlap(
            state.position, state.yaw, state.size + margin, others.position, others.yaw, others.size
        )
        if not hits.any():
            notes["shifted"] += int(shift != 0.0)
            return True
    return False


def _start(
    request: LayoutRequest,
    state: AgentStates,
    plan: AgentPlans,
    others: AgentStates,
    notes: Counter[str],
    rng: np.random.Generator,
) -> str:
    """Choose route, driver and a speed that traffic leaves room for; why there is none."""
    place = locate(request.roadmap, state.position, state.yaw)
    lane = int(place.lane[0])
    if lane == NO_LANE:
        return "off_road"
    wanted = {code for code in plan.route[0].tolist() if code != NO_LANE}
    routes = list(request.roadmap.routes(lane, ROUTE_AHEAD))
    best = max(routes, key=lambda route: len(wanted.intersection(route)))
    plan.set_route(0, best)
    speed = float(state.speed[0])
    kind = AgentKind(int(state.kind[0]))
    draw_driver(plan, 0, kind, request.roadmap.lanes[lane].speed_limit, request.conditions, rng)
    plan.desired_speed[0] = max(float(plan.desired_speed[0]), speed)
    half = float(state.size[0, 0]) / 2
    safe = opening_speed(request, best, float(place.along[0]), max(speed, 0.5), half, others)
    if safe is None:
        return "no_room"
    if safe < speed - 0.01:
        notes["slowed"] += 1
    state.speed[0] = min(speed, safe)
    return ""


def _collides(one: _Placed, others: _Placed) -> bool:
    """Whether the motion of an agent that follows its code meets another's that does, too."""
    follows = others.plans.control == Control.KNOTS
    if one.plans.control[0] != Control.KNOTS or not follows.any():
        return False
    mine = rollouts(one.agents, one.plans.knots)  # (1, T, 3)
    theirs = rollouts(others.agents[follows], others.plans.knots[follows])
    hits = boxes_overlap(
        mine[..., :2],
        mine[..., 2],
        one.agents.size[:, None],
        theirs[..., :2],
        theirs[..., 2],
        others.agents.size[follows][:, None],
    )
    return bool(hits.any())


def feasible(knots: FloatArray, speed: float, friction: float) -> FloatArray:
    """Bring the motion code of a vehicle within what it and the road can do.

    Args:
        knots: Accelerations [m/s^2] and yaw rates [rad/s], shape (KNOTS, 2).
        speed: Speed at the begin [m/s].
        friction: Coefficient of friction of the road.

    Returns:
        Knots within BRAKING and THROTTLE, with lateral acceleration below friction times gravity
        and curvature below CURVATURE at every knot; shape (KNOTS, 2).
    """
    out = knots.copy()
    out[:, 0] = np.clip(out[:, 0], BRAKING, THROTTLE)
    step = 8.0 / (len(out) - 1)
    gained = np.concatenate([[0.0], np.cumsum(0.5 * step * (out[1:, 0] + out[:-1, 0]))])
    speeds = np.maximum(speed + gained, 0.0)
    most = np.minimum(friction * GRAVITY / np.maximum(speeds, 0.1), CURVATURE * speeds)
    out[:, 1] = np.clip(out[:, 1], -most, most)
    return out


def is_on_road(request: LayoutRequest, state: AgentStates) -> bool:
    """Whether all corners of the box of one agent lie on the drivable area."""
    corners = box_corners(state.position, state.yaw, state.size[:, :2])[0]
    return bool(shapely.contains_xy(request.roadmap.drivable_area, *corners.T).all())


def _is_beside_road(request: LayoutRequest, position: FloatArray) -> bool:
    """Whether a place is on or near any lane, sidewalks included."""
    return any(
        abs(polylines.project(lane.centerline, position[None].astype(np.float64))[1][0]) < STRAY
        for lane in request.roadmap.lanes
    )


def in_event_area(pinned: AgentStates, position: FloatArray) -> bool:
    """Whether a place lies in the area spanned by the ego and the other roles."""
    if pinned.count < 2:
        return False
    local = to_local(pinned.position, pinned.position[EGO], pinned.yaw[EGO])
    low = local.min(0) - np.array([CLEAR_AHEAD, CLEAR_ASIDE])
    high = local.max(0) + np.array([CLEAR_AHEAD, CLEAR_ASIDE])
    here = to_local(position, pinned.position[EGO], pinned.yaw[EGO])
    return bool(((here > low) & (here < high)).all())
