"""How drivers differ: random parameters of the car-following and lane-change models."""

from __future__ import annotations

import numpy as np

from scenegen.scene import AgentKind, AgentPlans, Conditions

KIND_SPEED = {
    AgentKind.TRUCK: 22.2,
    AgentKind.BUS: 22.2,
    AgentKind.CYCLIST: 5.0,
    AgentKind.PEDESTRIAN: 1.34,
}
"""Highest usual speed per kind [m/s]; trucks and buses 80 km/h, walkers Helbing & Molnar (1995)."""


def draw_driver(
    plans: AgentPlans,
    index: int,
    kind: AgentKind,
    speed_limit: float,
    conditions: Conditions,
    rng: np.random.Generator,
) -> None:
    """Write one random driver into a plan being built.

    Desired speed is the limit times N(1, 0.12), headway log-normal around 1.4 s, the other
    numbers uniform over the ranges of Treiber and Kesting, Traffic Flow Dynamics (2013), ch. 11
    and 14. Rain, fog and snow slow everyone down: in fog nobody drives faster than lets them stop
    within sight at 3 m/s^2.

    Args:
        plans: The plans to write into.
        index: Which agent.
        kind: What it is.
        speed_limit: Limit on its lane [m/s].
        conditions: Weather and friction.
        rng: Random numbers.
    """
    wanted = speed_limit * float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.3))
    wanted = min(wanted, KIND_SPEED.get(kind, np.inf) * float(rng.uniform(0.9, 1.1)))
    wanted = min(wanted, float(np.sqrt(2 * 3.0 * conditions.visibility)))
    wanted *= 0.55 + 0.45 * min(1.0, conditions.friction / 0.9)
    plans.desired_speed[index] = wanted
    plans.time_headway[index] = np.clip(1.4 * np.exp(rng.normal(0.0, 0.35)), 0.7, 3.0)
    plans.minimum_gap[index] = rng.uniform(1.0, 3.0)
    plans.acceleration[index] = rng.uniform(0.8, 2.0) * (0.6 if kind is AgentKind.TRUCK else 1.0)
    plans.deceleration[index] = rng.uniform(1.5, 3.0)
    plans.politeness[index] = rng.uniform(0.0, 0.5)
    plans.reaction_time[index] = rng.uniform(0.3, 1.2)
