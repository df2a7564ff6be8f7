"""Reference drivers of UN Regulation No. 157: what a careful human, and a fuzzy model, can avoid.

Both keep to the path that the ego took and change only its speed, so that they judge families in
which braking is the answer. Constants are those of the regulation's annex 4, appendix 3, and of
the open implementation of the Joint Research Centre (ec-jrc/JRC-FSM).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.geometry import polylines
from scenegen.scene import EGO, Scenario
from scenegen.scene.scenario import STEP

GRAVITY = 9.81
DELAY = 0.75
"""From the perception of a risk to the begin of braking [s] (UN R157)."""
HARDEST = 0.774 * GRAVITY
"""Deceleration of the human reference driver [m/s^2] (UN R157)."""
JERK = HARDEST / 0.6
"""It builds up in 0.6 s [m/s^3] (UN R157): 12.65."""
CRITICAL_TTC = 2.0
"""Time to collision below which the human reference driver brakes [s] (UN R157)."""
EMERGENCY_BRAKING = 5.0
"""A leader that brakes harder is an emergency, whatever the time to collision [m/s^2] (UN R157)."""
WANDERING, EVALUATION = 0.375, 0.72
"""Lateral wandering that means nothing, and way in 0.4 s at 1.8 m/s while it is judged [m]."""
LANE_WIDTH = 3.5
"""Lane width of the regulation's reference cases [m]."""
COMFORT, EMERGENCY, LEADER = 4.0, 6.0, 7.0
"""Braking of the ego, mild and hard, and of the leader in the fuzzy model [m/s^2] (JRC-FSM)."""
MARGIN, SPARE = 2.0, 2.0
"""Distance kept, and added to the safe distance, in the fuzzy model [m] (JRC-FSM)."""
BEYOND = 300.0
"""Length by which the ego's path is continued straight [m]."""

LONGITUDINAL = frozenset(
    {"cut_in", "cut_out_to_stopped", "debris", "lead_hard_brake", "merge_conflict", "slower_lead"}
)
"""Event families in which braking on one's own path is the answer of the regulation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lead:
    """The others along the ego's path, at each instant.

    Attributes:
        along: Arc length of the box centre [m], shape (T, M).
        aside: Distance of the box centre from the path [m], shape (T, M).
        speed: Speed along the path [m/s], shape (T, M).
        acceleration: Its change [m/s^2], shape (T, M).
        half: Half the sums of lengths and of widths with the ego's [m], shape (M, 2).
        valid: Whether each is there, shape (T, M).
    """

    along: FloatArray
    aside: FloatArray
    speed: FloatArray
    acceleration: FloatArray
    half: FloatArray
    valid: FloatArray

    def gap(self, step: int, place: float) -> FloatArray:
        """Bumper-to-bumper distance to each one ahead [m], inf behind or absent, shape (M,)."""
        away = self.along[step] - place
        ahead = (away > 0) & (self.valid[step] > 0)
        return np.where(ahead, np.maximum(away - self.half[:, 0], 0.0), np.inf)

    def apart(self, step: int) -> FloatArray:
        """Lateral distance between the boxes [m], zero or less where they are in line, (M,)."""
        return np.abs(self.aside[step]) - self.half[:, 1]

    def approach(self, step: int) -> FloatArray:
        """Rate at which each comes nearer to the path sideways [m/s], shape (M,)."""
        before = np.abs(self.aside[max(step - 1, 0)])
        return (before - np.abs(self.aside[step])) / STEP


def path_of(scenario: Scenario) -> FloatArray:
    """The ego's recorded path, continued straight, shape (P, 2)."""
    track = scenario.agents.position[:, EGO].astype(np.float64)
    step = np.hypot(*np.diff(track, axis=0).T)
    kept = track[np.concatenate([[True], step > 1e-3])]
    yaw = float(scenario.agents.yaw[-1, EGO])
    end = kept[-1] + BEYOND * np.array([np.cos(yaw), np.sin(yaw)])
    return np.concatenate([kept, end[None]])


def leads_of(scenario: Scenario, path: FloatArray) -> Lead:
    """Project everybody else on a path."""
    others = np.arange(scenario.agents.count) != EGO
    agents = scenario.agents
    along, aside = polylines.project(path, agents.position[:, others].astype(np.float64))
    heading = polylines.heading_at(path, along)
    speed = agents.speed[:, others] * np.cos(agents.yaw[:, others] - heading)
    size = agents.size.max(axis=0).astype(np.float64)
    return Lead(
        along=along,
        aside=aside,
        speed=speed,
        acceleration=np.gradient(speed, STEP, axis=0),
        half=(size[others, :2] + size[EGO, :2]) / 2,
        valid=agents.valid[:, others].astype(np.float64),
    )


def careful_human(leads: Lead, speed: float, steps: int) -> FloatArray:
    """Speeds of the competent and careful human driver (UN R157, annex 4, appendix 3).

    It keeps its speed until somebody ahead is in line, or has left the wandering zone of its lane
    for longer than the evaluation, and has a time to collision below 2 s or brakes harder than
    5 m/s^2; after 0.75 s it brakes, 0.774 g within 0.6 s, until it is as slow as the other.

    Args:
        leads: The others.
        speed: Speed at the begin [m/s].
        steps: Steps of 0.1 s.

    Returns:
        Speeds [m/s], shape (steps + 1,).
    """
    out = np.full(steps + 1, speed)
    place, wait, braking = 0.0, DELAY, 0.0
    near = LANE_WIDTH - leads.half[:, 1] - WANDERING - EVALUATION
    for k in range(steps):
        gap, closing = leads.gap(k, place), out[k] - leads.speed[k]
        brakes = np.isfinite(gap) & (leads.acceleration[k] < -EMERGENCY_BRAKING)
        pressing = (gap < CRITICAL_TTC * closing) | brakes
        risky = (leads.apart(k) <= np.maximum(near, 0.0)) & pressing
        if risky.any() or wait < DELAY:
            wait -= STEP
        if wait <= 0.0:
            in_line = (leads.apart(k) <= np.maximum(near, 0.0)) & np.isfinite(gap)
            still = bool((in_line & (closing > 0.0)).any())
            braking = min(braking + JERK * STEP, HARDEST) if still else 0.0
        out[k + 1] = max(out[k] - braking * STEP, 0.0)
        place += (out[k] + out[k + 1]) / 2 * STEP
    return out


def fuzzy_driver(leads: Lead, speed: float, steps: int) -> FloatArray:
    """Speeds of the fuzzy safety model (Mattas et al. 2020; performance model 2 of UN R157).

    The proactive measure PFS grows from 0 at a safe following distance to 1 at an unsafe one; the
    critical measure CFS does so with the distance that the present closing speed needs. The
    deceleration is PFS times 4 m/s^2, or between 4 and 6 m/s^2 with CFS, after a delay of 0.75 s.
    Who comes from aside counts if it will be in line before it has been passed.

    Args:
        leads: The others.
        speed: Speed at the begin [m/s].
        steps: Steps of 0.1 s.

    Returns:
        Speeds [m/s], shape (steps + 1,).
    """
    out = np.full(steps + 1, speed)
    place, wait, braking = 0.0, DELAY, 0.0
    for k in range(steps):
        gap, lead = leads.gap(k, place), np.maximum(leads.speed[k], 0.0)
        counts = np.isfinite(gap) & _in_the_way(leads, k, gap, out[k] - lead)
        wanted = 0.0
        if counts.any():
            past = (out[k] - out[max(k - 1, 0)]) / STEP
            proactive = proactive_measure(gap[counts], out[k], lead[counts]).max()
            critical = critical_measure(gap[counts], out[k], lead[counts], past).max()
            wanted = proactive * COMFORT
            if critical > 0:
                wanted = critical * (EMERGENCY - COMFORT) + COMFORT
        if wanted > 0.0 or wait < DELAY:
            wait -= STEP
        braking = min(braking + JERK * STEP, HARDEST, wanted) if wait <= 0.0 else 0.0
        out[k + 1] = max(out[k] - braking * STEP, 0.0)
        place += (out[k] + out[k + 1]) / 2 * STEP
    return out


def proactive_measure(gap: FloatArray, speed: float, lead: FloatArray) -> FloatArray:
    """Proactive fuzzy safety PFS, 0 safe to 1 unsafe (Mattas et al. 2020)."""
    shared = speed * DELAY - lead**2 / (2 * LEADER)
    safe = shared + speed**2 / (2 * COMFORT) + SPARE
    unsafe = shared + speed**2 / (2 * EMERGENCY)
    return np.clip((gap - MARGIN - safe) / (unsafe - safe), 0.0, 1.0)


def critical_measure(
    gap: FloatArray, speed: float, lead: FloatArray, acceleration: float
) -> FloatArray:
    """Critical fuzzy safety CFS, 0 safe to 1 unsafe (Mattas et al. 2020).

    The ego goes on with its present acceleration, at least -4 m/s^2, during the delay; the safe
    and the unsafe distance are what braking at 4 and at 6 m/s^2 then needs.
    """
    rate = max(acceleration, -COMFORT)
    after = speed + rate * DELAY
    during = (speed + rate * DELAY / 2 - lead) * DELAY
    rest = np.maximum(after - lead, 0.0) ** 2
    safe, unsafe = during + rest / (2 * COMFORT), during + rest / (2 * EMERGENCY)
    width = np.maximum(safe - unsafe, 1e-9)
    fuzzy = np.clip((safe - gap) / width, 0.0, 1.0)
    # Slow enough already: only the distance in which the present braking ends the approach counts.
    braked = (speed - lead) ** 2 / np.maximum(2 * abs(acceleration), 1e-9)
    crisp = np.where(gap < braked, 1.0, 0.0)
    return np.where(speed <= lead, 0.0, np.where(after < lead, crisp, fuzzy))


def as_path(path: FloatArray, speeds: FloatArray) -> FloatArray:
    """Drive along a path at given speeds: x, y, yaw, speed, shape (steps + 1, 4)."""
    way = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2 * STEP)])
    yaw = np.unwrap(polylines.heading_at(path, way))
    return np.concatenate([polylines.point_at(path, way), yaw[:, None], speeds[:, None]], -1)


def _in_the_way(leads: Lead, step: int, gap: FloatArray, closing: FloatArray) -> BoolArray:
    """Whether each is in line, or will be before the ego has passed it."""
    apart, approach = leads.apart(step), leads.approach(step)
    with np.errstate(divide="ignore", invalid="ignore"):
        sideways = np.where(approach > 0, apart / approach, np.inf)
        passing = np.where(closing > 0, (gap + 2 * leads.half[:, 0]) / closing, np.inf)
    return np.asarray((apart <= 0) | ((approach > 0) & (sideways <= passing + 0.1)))
