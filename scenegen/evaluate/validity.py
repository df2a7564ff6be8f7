"""Whether scenes are possible at all: overlaps, leaving the road, motion no vehicle can do.

Everything is measured on raw samples, before any projection, repair or rejection; a rate after a
check says nothing without the share that passed it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.evaluate.contacts import RoadPlaces
from scenegen.evaluate.intervals import Estimate, ratio_of_sums, wilson
from scenegen.evaluate.scene_set import SceneSet
from scenegen.geometry.transforms import to_map
from scenegen.scene import AgentKind
from scenegen.sim.dynamics import LATERAL_GRIP, LIMITS, WHEELBASE

CIRCLES = 5
"""Circles that cover a vehicle in the rule of Scenario Dreamer (Rowe et al. 2025)."""
CIRCLE_SHARE = np.sqrt(3.8)
"""Two circles touch within (w_i + w_j) / sqrt(3.8): 2.6 % farther than half the widths reach."""
EDGE_TOLERANCE = 0.25
"""Centres up to this far outside of the road still count as on it [m]: map points are rounded to
5 cm, chords leave curves by 13 cm, and a piece of a lane has one mean width."""
CONSTRUCTION = 1e-3
"""Rounding of differences of single-precision speeds and yaws, as a share of the limits."""
MOVING = 0.5
"""Who is never faster is parked [m/s]."""
SLOW = 1.0
"""Below this speed only the steering lock limits the curvature [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Shares of raw scenes that cannot be, all 0-1, lower is better.

    Attributes:
        overlap: Share of motor vehicles whose exact box touches another's at the opening.
        circle_overlap: The same by the 5-circle rule of Scenario Dreamer.
        collision: Share of background agents that touch anybody within the motion, the opening
            included; ego and roles may be meant to.
        offroad: Share of instants at which a motor vehicle that moves has its centre outside of
            all drivable lanes; who is parked may stand on the kerb.
        acceleration: Share of vehicle steps with an acceleration beyond the limits of the kind.
        curvature: Share of vehicle steps with a path more bent than steering or grip allow.
        clean: Share of scenes with none of overlap, collision and offroad: what a checker passes.
    """

    overlap: Estimate
    circle_overlap: Estimate
    collision: Estimate
    offroad: Estimate
    acceleration: Estimate
    curvature: Estimate
    clean: Estimate


def measure_validity(
    scenes: SceneSet, contacts: IntArray, places: RoadPlaces, rng: np.random.Generator
) -> Validity:
    """Measure all shares with scenes as the unit of resampling.

    Args:
        scenes: The scenes.
        contacts: From contacts.first_contacts.
        places: From contacts.road_places.
        rng: Random numbers of the bootstrap.
    """
    vehicles, sites = scenes.vehicles, scenes.site
    pairs = vehicles[:, :, None] & vehicles[:, None, :]
    overlap = ((contacts == 0) & pairs).any(-1)
    circles = circle_overlaps(scenes)
    bystanders = scenes.bystanders
    collided = (contacts >= 0).any(-1) & bystanders
    outside, looked = off_road(scenes, places)
    fast, bent, steps = infeasible_steps(scenes)
    bad = overlap.any(-1) | collided.any(-1) | outside.any(axis=(1, 2))
    return Validity(
        overlap=ratio_of_sums(overlap.sum(-1), vehicles.sum(-1), sites, rng),
        circle_overlap=ratio_of_sums(circles.sum(-1), vehicles.sum(-1), sites, rng),
        collision=ratio_of_sums(collided.sum(-1), bystanders.sum(-1), sites, rng),
        offroad=ratio_of_sums(outside.sum(axis=(1, 2)), looked.sum(axis=(1, 2)), sites, rng),
        acceleration=ratio_of_sums(fast.sum(axis=(1, 2)), steps.sum(axis=(1, 2)), sites, rng),
        curvature=ratio_of_sums(bent.sum(axis=(1, 2)), steps.sum(axis=(1, 2)), sites, rng),
        clean=wilson(int((~bad).sum()), len(bad)),
    )


def circle_overlaps(scenes: SceneSet) -> BoolArray:
    """Which motor vehicles overlap another one at the opening by the 5-circle rule, (S, A).

    Five circles stand evenly on the middle line, the outer ones half a width from the ends; two
    vehicles overlap if two of their circles' centres are within (w_i + w_j) / sqrt(3.8).
    """
    opening, vehicles = scenes.opening, scenes.vehicles
    size = opening.size.astype(np.float64)
    reach = np.maximum(size[..., 0] - size[..., 1], 0.0) / 2
    along = np.linspace(-1.0, 1.0, CIRCLES) * reach[..., None]
    local = np.stack([along, np.zeros_like(along)], -1)
    centre = to_map(
        local, opening.position[..., None, :].astype(np.float64), opening.yaw[..., None]
    )
    out = np.zeros(vehicles.shape, np.bool_)
    for i in range(vehicles.shape[1]):
        limit = (size[:, i, None, 1] + size[..., 1]) / CIRCLE_SHARE
        apart = centre[:, i, None, :, None, :] - centre[:, :, None, :, :]
        near = (np.hypot(apart[..., 0], apart[..., 1]) < limit[..., None, None]).any(axis=(-1, -2))
        near[:, i] = False
        out[:, i] = (near & vehicles).any(-1) & vehicles[:, i]
    return out


def off_road(scenes: SceneSet, places: RoadPlaces) -> tuple[BoolArray, BoolArray]:
    """Which moving motor vehicles are off the road, and which could be judged; both (S, K, A)."""
    moving = np.abs(scenes.agents.speed).max(1, initial=0.0) > MOVING
    looked = places.covered & (scenes.vehicles & moving)[:, None]
    return looked & (places.clearance < -EDGE_TOLERANCE), looked


def infeasible_steps(scenes: SceneSet) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Steps no vehicle can drive on dry asphalt, by the limits of the simulator's vehicles.

    The acceleration must lie within the braking and the drive of the kind; the curvature, yaw
    rate over speed, within tan(lock) / wheelbase and within lateral grip over speed squared.

    Returns:
        Too strong accelerations, too bent paths, and the steps that were judged: those of filled
        slots on wheels; all of shape (S, T - 1, A).
    """
    kind = scenes.agents.kind[:, 0].astype(np.int64)
    wheels = scenes.present & (kind <= AgentKind.CYCLIST)
    judged = np.broadcast_to(wheels[:, None], scenes.acceleration.shape)
    limits: FloatArray = LIMITS[kind]
    slack = 1.0 + CONSTRUCTION
    acceleration = scenes.acceleration
    fast = (acceleration > limits[:, None, :, 1] * slack) | (
        acceleration < -limits[:, None, :, 0] * slack
    )
    speed = np.abs(scenes.agents.speed[:, :-1] + scenes.agents.speed[:, 1:]) / 2
    length = np.maximum(scenes.agents.size[:, 0, :, 0], 0.5)
    lock = np.tan(limits[..., 2]) / (WHEELBASE * length)
    most = np.broadcast_to(lock[:, None], speed.shape)
    grip = LATERAL_GRIP / np.maximum(speed, SLOW) ** 2
    most = np.where(speed > SLOW, np.minimum(most, grip), most)
    rate = np.abs(scenes.yaw_rate)
    bent = rate > most * speed * slack + CONSTRUCTION
    return fast & judged, bent & judged, judged
