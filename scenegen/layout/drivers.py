"""How drivers differ: random parameters of the car-following and lane-change models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.scene import AgentKind, AgentPlans, Conditions

KIND_SPEED = {
    AgentKind.TRUCK: 22.2,
    AgentKind.BUS: 22.2,
    AgentKind.CYCLIST: 5.0,
    AgentKind.PEDESTRIAN: 1.34,
}
"""Highest usual speed per kind [m/s]; trucks and buses 80 km/h, walkers Helbing & Molnar (1995)."""


_FASTEST = np.array([KIND_SPEED.get(kind, np.inf) for kind in AgentKind])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriverTable:
    """Random drivers of N agents; arrays of shape (N,).

    Attributes:
        share: Share of the speed limit that each wants.
        most: Most that it drives whatever the limit: for its kind, and within its sight [m/s].
        slower: Factor on all wanted speeds that the road surface makes.
        time_headway: As in AgentPlans, like the others below.
        minimum_gap: Distance kept at a standstill [m].
        acceleration: Largest wanted acceleration [m/s^2].
        deceleration: Comfortable braking [m/s^2].
        politeness: Weight of others' losses in lane changes.
        reaction_time: Delay with which it answers [s].
    """

    share: FloatArray
    most: FloatArray
    slower: float
    time_headway: FloatArray
    minimum_gap: FloatArray
    acceleration: FloatArray
    deceleration: FloatArray
    politeness: FloatArray
    reaction_time: FloatArray

    def write(self, plans: AgentPlans, agents: IntArray, drivers: IntArray) -> None:
        """Write all but the desired speed of some drivers into plans that are being built.

        Args:
            plans: The plans.
            agents: Which agents get them.
            drivers: Which driver each of them gets.
        """
        for name in _WRITTEN:
            getattr(plans, name)[agents] = getattr(self, name)[drivers]


_WRITTEN = (
    "time_headway", "minimum_gap", "acceleration", "deceleration", "politeness", "reaction_time",
)  # fmt: skip


def draw_drivers(kinds: IntArray, conditions: Conditions, rng: np.random.Generator) -> DriverTable:
    """Draw a driver for each of N agents.

    Desired speed is the limit times N(1, 0.12), headway log-normal around 1.4 s, the other
    numbers uniform over the ranges of Treiber and Kesting, Traffic Flow Dynamics (2013), ch. 11
    and 14. Rain, fog and snow slow everyone down: in fog nobody drives faster than lets them stop
    within sight at 3 m/s^2.

    Args:
        kinds: AgentKind of each, shape (N,).
        conditions: Weather and friction.
        rng: Random numbers.
    """
    count, sight = len(kinds), float(np.sqrt(2 * 3.0 * conditions.visibility))
    share = np.clip(rng.normal(1.0, 0.12, count), 0.7, 1.3)
    most = np.minimum(_FASTEST[kinds] * rng.uniform(0.9, 1.1, count), sight)
    headway = np.clip(1.4 * np.exp(rng.normal(0.0, 0.35, count)), 0.7, 3.0)
    heavy = np.where(kinds == AgentKind.TRUCK, 0.6, 1.0)
    return DriverTable(
        share=share,
        most=most,
        slower=0.55 + 0.45 * min(1.0, conditions.friction / 0.9),
        time_headway=headway,
        minimum_gap=rng.uniform(1.0, 3.0, count),
        acceleration=rng.uniform(0.8, 2.0, count) * heavy,
        deceleration=rng.uniform(1.5, 3.0, count),
        politeness=rng.uniform(0.0, 0.5, count),
        reaction_time=rng.uniform(0.3, 1.2, count),
    )


def draw_driver(
    plans: AgentPlans,
    index: int,
    kind: AgentKind,
    speed_limit: float,
    conditions: Conditions,
    rng: np.random.Generator,
) -> None:
    """Write one random driver into a plan being built; see draw_drivers.

    Args:
        plans: The plans to write into.
        index: Which agent.
        kind: What it is.
        speed_limit: Limit on its lane [m/s].
        conditions: Weather and friction.
        rng: Random numbers.
    """
    drawn = draw_drivers(np.array([int(kind)]), conditions, rng)
    wanted = min(speed_limit * float(drawn.share[0]), float(drawn.most[0])) * drawn.slower
    plans.desired_speed[index] = wanted
    drawn.write(plans, np.array([index]), np.array([0]))
