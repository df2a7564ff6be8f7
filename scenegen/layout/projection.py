"""From sampled agents to agents that keep the promises of a layout: repaired, or left out.

Positions of a sample are right to a few decimetres; what that breaks is mended by moving a whole
agent with its motion, never a part of it. What cannot be mended is left out, and everything is
counted, so that nobody mistakes the repair for the model.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import shapely

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry.boxes import box_corners
from scenegen.geometry.transforms import to_local
from scenegen.layout.decoding import Decoded
from scenegen.layout.drivers import DriverTable, draw_drivers
from scenegen.layout.following import rates
from scenegen.layout.model import Layout, LayoutRequest
from scenegen.layout.road_arrays import near_any_lane, road_arrays
from scenegen.layout.settling import (
    BRAKING,
    CLEAR_AHEAD,
    CLEAR_ASIDE,
    GRAVITY,
    REASONS,
    STRAY,
    Crowd,
    Terms,
    bound_knots,
    settle,
)
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, Control, locate
from scenegen.scene.plans import KNOTS

__all__ = [
    "BRAKING",
    "GRAVITY",
    "Background",
    "complete",
    "feasible",
    "is_beside_road",
    "is_on_road",
]


class Background(StrEnum):
    """What moves the background."""

    REACTIVE = "reactive"
    """Traffic models from the sampled opening on."""
    KNOTS = "knots"
    """The sampled motion for 8 s, then traffic models."""


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
    if not chosen:
        nobody = {"sampled": 0, "kept": 0}
        return Layout(agents=request.pinned, plans=request.plans, notes=nobody)
    first, rows = request.pinned.count, np.array(chosen, np.int64)
    drivers = draw_drivers(sampled.agents.kind[rows], request.conditions, rng)
    crowd = _crowd(request, sampled, rows, drivers)
    source, counts = settle(
        road_arrays(request.roadmap), crowd, first, _terms(request, drivers, background), rates()
    )
    taken = source[first:] - first
    notes = {reason: n for reason, n in zip(REASONS, counts.tolist(), strict=True) if n}
    agents, plans = _added(request, sampled, crowd, drivers, rows, taken)
    return Layout(
        agents=agents, plans=plans, notes={"sampled": len(rows), **notes, "kept": len(taken)}
    )


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
    bound_knots(out, float(speed), float(friction))
    return out


def is_on_road(request: LayoutRequest, state: AgentStates) -> bool:
    """Whether all corners of the box of one agent lie on the drivable area."""
    corners = box_corners(state.position, state.yaw, state.size[:, :2])[0]
    return bool(shapely.contains_xy(request.roadmap.drivable_area, *corners.T).all())


def is_beside_road(request: LayoutRequest, position: FloatArray) -> bool:
    """Whether a place is on or near any lane, sidewalks included."""
    road = road_arrays(request.roadmap)
    return bool(near_any_lane(road, float(position[0]), float(position[1]), STRAY))


def _crowd(request: LayoutRequest, sampled: Decoded, rows: IntArray, drivers: DriverTable) -> Crowd:
    """Lay out the pinned agents, then those that are to be placed."""
    old, new, first = request.pinned, sampled.agents, request.pinned.count
    kept, wanted = request.plans, sampled.plans
    total = first + len(rows)
    pose, driver = np.empty((total, 4), np.float32), np.zeros((total, 3))
    pose[:first, :2], pose[first:, :2] = old.position, new.position[rows]
    pose[:first, 2], pose[first:, 2] = old.yaw, new.yaw[rows]
    pose[:first, 3], pose[first:, 3] = old.speed, new.speed[rows]
    driver[first:, 0] = wanted.desired_speed[rows]
    driver[first:, 1], driver[first:, 2] = drivers.share, drivers.most
    place = locate(request.roadmap, old.position, old.yaw)
    lane, along = np.full(total, -1), np.zeros(total)
    lane[:first] = np.where(old.valid, place.lane, -1)
    along[:first] = place.along
    knots = np.empty((total, KNOTS, 2), np.float32)
    knots[:first], knots[first:] = kept.knots, wanted.knots[rows]
    return Crowd(
        pose=pose,
        size=np.concatenate([old.size, new.size[rows]]).astype(np.float32),
        kind=np.concatenate([old.kind, new.kind[rows]]).astype(np.int8),
        control=np.concatenate([kept.control, wanted.control[rows]]).astype(np.int8),
        route=np.concatenate([kept.route, wanted.route[rows]]).astype(np.int32),
        knots=knots,
        driver=driver,
        lane=lane,
        along=along,
    )


def _terms(request: LayoutRequest, drivers: DriverTable, background: Background) -> Terms:
    pinned, area = request.pinned, np.zeros(0)
    if pinned.count > 1:
        ego, yaw = pinned.position[EGO], float(pinned.yaw[EGO])
        local = to_local(pinned.position, ego, pinned.yaw[EGO])
        low, high = local.min(0), local.max(0)
        area = np.array(
            [
                *ego, np.cos(yaw), np.sin(yaw),
                low[0] - CLEAR_AHEAD, high[0] + CLEAR_AHEAD,
                low[1] - CLEAR_ASIDE, high[1] + CLEAR_ASIDE,
            ],
            np.float64,
        )  # fmt: skip
    return Terms(
        most=request.agents,
        radius=float(request.radius),
        friction=float(request.conditions.friction),
        slower=drivers.slower,
        reactive=background is Background.REACTIVE,
        area=area,
    )


def _added(
    request: LayoutRequest,
    sampled: Decoded,
    crowd: Crowd,
    drivers: DriverTable,
    rows: IntArray,
    taken: IntArray,
) -> tuple[AgentStates, AgentPlans]:
    """Put those that were placed behind the pinned ones; `taken` says which were."""
    first = request.pinned.count
    where = slice(first, first + len(taken))
    plans = sampled.plans[rows[taken]]
    plans.control[:], plans.route[:] = crowd.control[where], crowd.route[where]
    plans.knots[:], plans.desired_speed[:] = crowd.knots[where], crowd.driver[where, 0]
    travels = (plans.control != Control.HOLD) & (crowd.kind[where] < AgentKind.PEDESTRIAN)
    drivers.write(plans, np.flatnonzero(travels), taken[travels])
    pose = crowd.pose[where]
    agents = AgentStates(
        position=pose[:, :2].copy(),
        yaw=pose[:, 2].copy(),
        speed=pose[:, 3].copy(),
        size=crowd.size[where],
        kind=crowd.kind[where],
        valid=np.ones(len(taken), np.bool_),
    )
    return (
        AgentStates.concatenate([request.pinned, agents]),
        AgentPlans.concatenate([request.plans, plans]),
    )
