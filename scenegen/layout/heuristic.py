"""The heuristic layout: uniform on lanes, boxes rejected, everyone reactive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.boxes import box_corners, boxes_overlap
from scenegen.geometry.transforms import to_local
from scenegen.layout.drivers import draw_driver
from scenegen.layout.model import Layout, LayoutModel, LayoutRequest
from scenegen.layout.opening_speed import opening_speed
from scenegen.scene import (
    EGO,
    AgentKind,
    AgentPlans,
    AgentStates,
    Control,
    LaneKind,
    RoadKind,
)
from scenegen.scene.agents import SIZE
from scenegen.scene.roadmap import NO_LANE

ROUTE_AHEAD = 500.0
"""Length of road for which a route is chosen [m]."""
CLEAR_AHEAD, CLEAR_ASIDE = 14.0, 5.5
"""Background traffic keeps this far from the area spanned by the roles [m]."""
TRIES = 12
"""Draws per wanted agent."""
SHORTEST_LANE = 12.0
"""Lanes shorter than this stay empty [m]."""
PARKED_PER_KM, WALKERS_PER_KM = 90.0, 25.0
"""Parked cars per kilometre of parking lane; people per kilometre of sidewalk."""
LONG = 3.0
"""Half length from which a vehicle needs more room in bends [m]."""
WANDER = 0.1
"""Least distance of a long vehicle's corners from the edge of its lane in a bend [m]."""
TURN = 6.0
"""Distance over which a bend is judged [m]."""
WALKING = 1.3
"""Speed of people on sidewalks [m/s]."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A candidate: where on which lane, and what."""

    lane: int
    along: float
    kind: AgentKind
    scale: float


@dataclass(frozen=True, slots=True)
class _Supply:
    """Lanes of one use, the share each gets, and how many agents in all."""

    lanes: tuple[int, ...]
    share: FloatArray
    count: int


class HeuristicLayout(LayoutModel):
    """Uniform placement on lanes with rejection; the baseline every learned model must beat."""

    name: ClassVar[str] = "heuristic"

    def digests(self) -> dict[str, str]:
        """Give nothing: the model has no files."""
        return {}

    def sample(self, request: LayoutRequest, rng: np.random.Generator) -> Layout:
        """Fill the road around the pinned agents; see LayoutModel.sample."""
        placed, drafts = request.pinned, []
        supplies = _supplies(request, rng)
        for k, supply in enumerate(supplies):
            reserved = sum(later.count for later in supplies[k + 1 :])
            wanted = supply.count
            for _ in range(supply.count * TRIES):
                if placed.count + reserved >= request.agents or wanted == 0:
                    break
                spot = _draw_spot(request, supply, rng)
                state = _state(request, spot, placed)
                if state is None:
                    continue
                plan = _plan(request, spot, rng)
                if not _has_room(request, spot, plan):
                    continue
                speed = _speed(request, spot, plan, state, placed)
                if speed is None:
                    continue
                state.speed[0] = speed
                placed = AgentStates.concatenate([placed, state])
                drafts.append(plan)
                wanted -= 1
        return Layout(agents=placed, plans=AgentPlans.concatenate([request.plans, *drafts]))


def _supplies(request: LayoutRequest, rng: np.random.Generator) -> list[_Supply]:
    """Lanes of one use and how many agents they get: traffic, walking, parking.

    Parked cars and people get at most a share of the slots, so that traffic always has the rest.
    """
    lanes = request.roadmap.lanes
    uses = (
        ((LaneKind.PARKING,), PARKED_PER_KM, 0.25),
        ((LaneKind.SIDEWALK,), WALKERS_PER_KM, 0.2),
        ((LaneKind.DRIVING, LaneKind.RAMP), request.density, 1.0),
    )
    out, slots = [], request.agents - request.pinned.count
    for kinds, density, most in uses:
        fit = [i for i, lane in enumerate(lanes) if lane.kind in kinds and not lane.in_junction]
        near = np.array([_near_length(request, i) for i in fit])
        if near.sum() > 0:
            wanted = int(rng.poisson(density * near.sum() / 1000.0))
            count = min(wanted, int(most * slots))
            out.append(_Supply(tuple(fit), near / near.sum(), count))
    return out[::-1]


def _near_length(request: LayoutRequest, index: int) -> float:
    """Length of a lane within the radius around the ego [m]; 0 for stubs too short to use."""
    lane = request.roadmap.lanes[index]
    if lane.length < SHORTEST_LANE:
        return 0.0
    points = polylines.resample(lane.centerline, 5.0)
    inside = np.hypot(*(points - request.pinned.position[EGO]).T) < request.radius
    return float(lane.length * inside.mean())


def _draw_spot(request: LayoutRequest, supply: _Supply, rng: np.random.Generator) -> _Spot:
    index = supply.lanes[int(rng.choice(len(supply.lanes), p=supply.share))]
    lane = request.roadmap.lanes[index]
    kind = _draw_kind(lane.kind, request.roadmap.kind, rng)
    along = float(rng.uniform(3.0, lane.length - 3.0))
    return _Spot(index, along, kind, float(rng.uniform(0.92, 1.1)))


def _draw_kind(lane: LaneKind, road: RoadKind, rng: np.random.Generator) -> AgentKind:
    if lane is LaneKind.SIDEWALK:
        return AgentKind.PEDESTRIAN
    if lane is LaneKind.PARKING:
        return AgentKind.CAR
    slow = 0.0 if road is RoadKind.HIGHWAY else 0.05
    kinds = (AgentKind.CAR, AgentKind.TRUCK, AgentKind.BUS, AgentKind.MOTORCYCLE, AgentKind.CYCLIST)
    return kinds[int(rng.choice(5, p=[0.84 - slow, 0.1, 0.02, 0.04, slow]))]


def _state(request: LayoutRequest, spot: _Spot, placed: AgentStates) -> AgentStates | None:
    """Put an agent on its spot, or nothing if the place is taken, too near, or too far away."""
    lane = request.roadmap.lanes[spot.lane]
    position = polylines.point_at(lane.centerline, np.array(spot.along))
    if np.hypot(*(position - request.pinned.position[EGO])) > request.radius:
        return None
    state = AgentStates.empty(1)
    state.position[0] = position
    state.yaw[0] = polylines.heading_at(lane.centerline, np.array(spot.along))
    state.kind[0], state.valid[0] = spot.kind, True
    state.size[0] = np.array(SIZE[spot.kind]) * spot.scale
    if lane.kind.carries_traffic and _spoils_event(request.pinned, position):
        return None
    if lane.kind.is_drivable and not _is_on_road(request, state):
        return None
    margin = np.array([3.0 if lane.kind.carries_traffic else 1.0, 0.3, 0.0])
    taken = boxes_overlap(
        state.position, state.yaw, state.size + margin, placed.position, placed.yaw, placed.size
    )
    if taken.any():
        return None
    return state


def _is_on_road(request: LayoutRequest, state: AgentStates) -> bool:
    """Whether all corners of a box are on the drivable area: long vehicles stand out in curves."""
    corners = box_corners(state.position, state.yaw, state.size[:, :2])[0]
    return bool(shapely.contains_xy(request.roadmap.drivable_area, *corners.T).all())


def _spoils_event(pinned: AgentStates, position: FloatArray) -> bool:
    """Whether a place lies in the area spanned by the ego and the other roles."""
    if pinned.count < 2:
        return False
    local = to_local(pinned.position, pinned.position[EGO], pinned.yaw[EGO])
    low = local.min(0) - np.array([CLEAR_AHEAD, CLEAR_ASIDE])
    high = local.max(0) + np.array([CLEAR_AHEAD, CLEAR_ASIDE])
    here = to_local(position, pinned.position[EGO], pinned.yaw[EGO])
    return bool(((here > low) & (here < high)).all())


def _speed(
    request: LayoutRequest, spot: _Spot, plan: AgentPlans, state: AgentStates, placed: AgentStates
) -> float | None:
    """Give the speed an agent begins with, None where traffic leaves no room for it."""
    kind = request.roadmap.lanes[spot.lane].kind
    if not kind.carries_traffic:
        return WALKING if kind is LaneKind.SIDEWALK else 0.0
    route = tuple(lane for lane in plan.route[0].tolist() if lane != NO_LANE)
    wanted, half = float(plan.desired_speed[0]), float(state.size[0, 0]) / 2
    return opening_speed(request, route, spot.along, wanted, half, placed)


def _plan(request: LayoutRequest, spot: _Spot, rng: np.random.Generator) -> AgentPlans:
    plan = AgentPlans.reactive(1)
    lane = request.roadmap.lanes[spot.lane]
    draw_driver(plan, 0, spot.kind, lane.speed_limit, request.conditions, rng)
    if lane.kind is LaneKind.PARKING:
        plan.control[0] = Control.HOLD
        return plan
    routes = list(request.roadmap.routes(spot.lane, ROUTE_AHEAD))
    plan.set_route(0, routes[int(rng.integers(len(routes)))])
    return plan


def _has_room(request: LayoutRequest, spot: _Spot, plan: AgentPlans) -> bool:
    """Whether the lanes of a route are wide enough for a long vehicle in their tightest bends.

    The ends of a box of half length l stand out by l^2 / 2r on a radius r; the driver shares that
    between both sides, so that half of it is needed beside the box, and WANDER on either side.
    """
    half, half_width = (size * spot.scale / 2 for size in SIZE[spot.kind][:2])
    if half < LONG:
        return True
    for index in plan.route[0]:
        if index == NO_LANE:
            break
        lane = request.roadmap.lanes[index]
        bend = _tightest(lane.centerline)
        if 2.0 * (half_width + WANDER) + half * half * bend / 2.0 > float(lane.width.min()):
            return False
    return True


def _tightest(line: FloatArray) -> float:
    """Largest curvature of a centreline over TURN metres [1/m]."""
    length = float(polylines.arc_length(line)[-1])
    begin = np.arange(0.0, max(length - TURN, 0.0) + 0.1, 2.0)
    ends = np.minimum(begin + TURN, length)
    turned = polylines.heading_at(line, ends) - polylines.heading_at(line, begin)
    return float((np.abs(wrap_angle(turned)) / np.maximum(ends - begin, 1.0)).max())
