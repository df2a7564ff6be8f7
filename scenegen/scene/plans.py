"""What every agent means to do: who controls it, its route, its driver, its maneuvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum, IntFlag
from typing import Any, Self

import numpy as np

from scenegen.arrays import FloatArray, IntArray, check_shape
from scenegen.scene.agents import AgentStates

ROUTE_LENGTH = 16
"""Lanes in a route; shorter routes are padded with NO_LANE."""
MANEUVER_SLOTS = 3
"""Maneuvers an agent can carry; they begin one after the other."""
MANEUVER_WIDTH = 8
"""Numbers per maneuver: kind, trigger, threshold, other agent, and four parameters."""
KNOTS = 10
"""Knots of a motion code over 8 s (10 knots reconstruct to 1.9 cm; see ARCHITECTURE.md)."""


class Control(IntEnum):
    """Who moves an agent."""

    EXTERNAL = 0
    """Actions given at every step (an agent under test)."""
    REACTIVE = 1
    """Car-following and lane changes on its route, or social force on foot."""
    LOG = 2
    """Its recorded trajectory until another agent disturbs it, then REACTIVE."""
    KNOTS = 3
    """Its motion code (acceleration and yaw rate), then REACTIVE."""
    HOLD = 4
    """Stands where it is until a maneuver moves it."""


class Ignores(IntFlag):
    """Rules an agent breaks."""

    NOTHING = 0
    SIGNALS = 1
    PRIORITY = 2
    LEADERS = 4
    SPEED_LIMIT = 8
    SIREN = 16
    """Drives with blue light and siren: drivers ahead in its lane change lanes to let it pass."""


class ManeuverKind(IntEnum):
    """What a maneuver does from the moment its trigger fires."""

    NONE = 0
    LANE_CHANGE = 1
    """Move sideways: a = displacement [m, left positive], b = peak lateral speed [m/s],
    c = index of the lane it ends in (NO_LANE: stay on the route with an offset)."""
    SPEED = 2
    """Reach a speed, ignoring leaders: a = speed [m/s], b = acceleration magnitude [m/s^2]."""
    WALK = 3
    """Go straight, also without a road: a = heading [rad], b = speed [m/s],
    c = acceleration [m/s^2], d = distance after which it stops [m] (inf: never)."""
    RESUME = 4
    """Hand over to REACTIVE control on the route."""
    REVERSE = 5
    """Drive backwards, also without a road, and stand then: a = speed [m/s, positive],
    b = acceleration [m/s^2], c = curvature [1/m, positive: steered to the left, the tail swings
    to its left], d = distance after which it stops [m]."""
    SWING = 6
    """Turn about a hinge in the middle of the front end of the box, as a car door does:
    a = angle [rad, left positive], b = angular speed [rad/s]. The only motion of STATIC agents;
    their speed stays 0."""


class TriggerKind(IntEnum):
    """When a maneuver begins."""

    TIME = 0
    """Scenario time reaches the threshold [s]."""
    GAP = 1
    """Bumper-to-bumper distance to the other agent falls below the threshold [m]."""
    ARRIVAL = 2
    """The other agent, at its present speed, reaches the line through this agent's box centre
    across the other's heading in less than the threshold [s] (counted to its front bumper)."""
    DELAY = 3
    """The threshold has passed since the maneuver before it began [s]."""
    TTC = 4
    """Time to collision with the other agent along the other's heading falls below [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When a maneuver begins: kind, threshold, and the agent it watches."""

    kind: TriggerKind = TriggerKind.TIME
    threshold: float = 0.0
    other: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Maneuver:
    """One scripted action; what a, b, c and d mean is said at ManeuverKind."""

    kind: ManeuverKind
    trigger: Trigger = Trigger()
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0

    def row(self) -> tuple[float, ...]:
        """Give the numbers as the simulator reads them, MANEUVER_WIDTH of them."""
        t = self.trigger
        return (self.kind, t.kind, t.threshold, t.other, self.a, self.b, self.c, self.d)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgentPlans:
    """Plans of N agents; all arrays share the leading shape (..., N).

    Attributes:
        control: Control, shape (..., N).
        route: Lane indices to follow, padded with NO_LANE, shape (..., N, ROUTE_LENGTH). An index
            i + len(lanes) means lane i driven against its direction.
        desired_speed: Speed on a free road [m/s], shape (..., N).
        time_headway: Time gap kept to a leader [s], shape (..., N) (IDM's T; Treiber et al. 2000).
        minimum_gap: Distance kept at a standstill [m], shape (..., N) (IDM's s0).
        acceleration: Largest wanted acceleration [m/s^2], shape (..., N) (IDM's a).
        deceleration: Comfortable braking, positive [m/s^2], shape (..., N) (IDM's b).
        politeness: Weight of others' losses in lane changes, 0-1, shape (..., N)
            (MOBIL's p; Kesting et al. 2007). Negative: the agent never changes lanes by itself.
        reaction_time: Delay with which it answers a leader's change [s], shape (..., N).
        ignores: Ignores, shape (..., N).
        maneuvers: Rows of Maneuver.row(), zero where none, shape (..., N, MANEUVER_SLOTS,
            MANEUVER_WIDTH).
        knots: Motion code: acceleration [m/s^2] and yaw rate [rad/s] at KNOTS equidistant times
            over `knots_duration`, shape (..., N, KNOTS, 2).
        knots_duration: Time the motion code covers [s].
        log: Recorded states at 10 Hz, leading shape (..., T, N), or None.
    """

    control: IntArray
    route: IntArray
    desired_speed: FloatArray
    time_headway: FloatArray
    minimum_gap: FloatArray
    acceleration: FloatArray
    deceleration: FloatArray
    politeness: FloatArray
    reaction_time: FloatArray
    ignores: IntArray
    maneuvers: FloatArray
    knots: FloatArray
    knots_duration: float = 8.0
    log: AgentStates | None = None

    def __post_init__(self) -> None:
        """Check that all arrays agree on the leading shape."""
        lead = self.control.shape
        for name in _PER_AGENT:
            check_shape(name, getattr(self, name), *lead)
        check_shape("route", self.route, *lead, ROUTE_LENGTH)
        check_shape("maneuvers", self.maneuvers, *lead, MANEUVER_SLOTS, MANEUVER_WIDTH)
        check_shape("knots", self.knots, *lead, KNOTS, 2)

    @classmethod
    def reactive(cls, count: int) -> Self:
        """Give average reactive drivers without a route (IDM city values, Treiber et al. 2000)."""

        def full(name: str) -> FloatArray:
            return np.full(count, _AVERAGE[name], np.float32)

        return cls(
            control=np.full(count, Control.REACTIVE, np.int8),
            route=np.full((count, ROUTE_LENGTH), -1, np.int32),
            desired_speed=full("desired_speed"),
            time_headway=full("time_headway"),
            minimum_gap=full("minimum_gap"),
            acceleration=full("acceleration"),
            deceleration=full("deceleration"),
            politeness=full("politeness"),
            reaction_time=full("reaction_time"),
            ignores=np.zeros(count, np.int8),
            maneuvers=np.zeros((count, MANEUVER_SLOTS, MANEUVER_WIDTH), np.float32),
            knots=np.zeros((count, KNOTS, 2), np.float32),
        )

    @property
    def count(self) -> int:
        """Number of agents N."""
        return int(self.control.shape[-1])

    def __getitem__(self, key: Any) -> Self:  # noqa: ANN401 - anything numpy indexes with
        """Select agents of one scene; the log follows."""
        changed = {name: getattr(self, name)[key] for name in (*_PER_AGENT, *_WIDE)}
        log = self.log[:, key] if self.log is not None else None
        return replace(self, **changed, log=log)

    @classmethod
    def concatenate(cls, parts: Sequence[AgentPlans]) -> Self:
        """Join the agents of one scene; where only some parts have a log, the others' is empty."""
        names = (*_PER_AGENT, *_WIDE)
        joined = {n: np.concatenate([getattr(p, n) for p in parts]) for n in names}
        logs = [p.log for p in parts if p.log is not None]
        log = None
        if logs:
            steps = len(logs[0].valid)
            log = AgentStates.concatenate(
                [p.log if p.log is not None else AgentStates.empty(steps, p.count) for p in parts]
            )
        return cls(**joined, knots_duration=parts[0].knots_duration, log=log)

    def padded(self, count: int) -> Self:
        """Give the same plans in `count` slots; the new ones belong to empty slots."""
        return type(self).concatenate([self, type(self).reactive(count - self.count)])

    def set_maneuvers(self, agent: int, *maneuvers: Maneuver) -> None:
        """Write an agent's maneuvers, replacing those it had; meant for a plan being built.

        Raises:
            ValueError: There are more maneuvers than MANEUVER_SLOTS.
        """
        if len(maneuvers) > MANEUVER_SLOTS:
            raise ValueError(f"expected at most {MANEUVER_SLOTS} maneuvers, got {len(maneuvers)}")
        self.maneuvers[agent] = 0.0
        for k, maneuver in enumerate(maneuvers):
            self.maneuvers[agent, k] = maneuver.row()

    def set_route(self, agent: int, lanes: Sequence[int]) -> None:
        """Write an agent's route, cut to ROUTE_LENGTH; meant for a plan being built."""
        self.route[agent] = -1
        kept = lanes[:ROUTE_LENGTH]
        self.route[agent, : len(kept)] = kept


_AVERAGE = {
    "desired_speed": 13.9,
    "time_headway": 1.4,
    "minimum_gap": 2.0,
    "acceleration": 1.4,
    "deceleration": 2.0,
    "politeness": 0.3,
    "reaction_time": 0.4,
}
_PER_AGENT = ("control", *_AVERAGE, "ignores")
_WIDE = ("route", "maneuvers", "knots")

assert {f.name for f in fields(AgentPlans)} == {*_PER_AGENT, *_WIDE, "knots_duration", "log"}
