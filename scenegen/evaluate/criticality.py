"""Criticality: how often an ego that was not part of the making collides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np

from scenegen.arrays import BoolArray
from scenegen.evaluate.intervals import Estimate, wilson
from scenegen.scene import EGO, AgentPlans, Composition, Control, Scenario
from scenegen.sim import rollout

BATCH = 64
"""Scenarios simulated together."""


class Ego(StrEnum):
    """Who drives the ego."""

    REPLAY = "replay"
    """Its recorded motion: a policy that does not see anything."""
    IDM = "idm"
    """The simulator's driver with average parameters, from the opening on."""
    COAST = "coast"
    """Nobody: it rolls on at its speed, straight ahead."""


def as_composition(scenario: Scenario, ego: Ego = Ego.REPLAY) -> Composition:
    """Give a scenario as something to simulate: everybody replays the log, the ego as told.

    The others leave their log only where the simulator says that the ego's deviation ends it.
    """
    plans = AgentPlans.reactive(scenario.agents.count)
    control = np.full(scenario.agents.count, Control.LOG, np.int8)
    control[EGO] = {
        Ego.REPLAY: Control.LOG,
        Ego.IDM: Control.REACTIVE,
        Ego.COAST: Control.EXTERNAL,
    }[ego]
    wanted = plans.desired_speed.copy()
    wanted[EGO] = max(float(scenario.agents.speed[:, EGO].max()), 1.0)
    return Composition(
        scene=scenario.at(0),
        plans=replace(plans, control=control, desired_speed=wanted, log=scenario.agents),
        provenance=scenario.provenance,
        roles=scenario.roles,
    )


def collides(scenarios: Sequence[Scenario], ego: Ego) -> BoolArray:
    """Whether the ego collides with anybody, judged by the simulator at 20 Hz, shape (n,).

    Contact at the opening counts.
    """
    out = np.zeros(len(scenarios), np.bool_)
    for low in range(0, len(scenarios), BATCH):
        part = scenarios[low : low + BATCH]
        duration = max(scenario.duration for scenario in part)
        found = rollout([as_composition(scenario, ego) for scenario in part], duration)
        for k, (scenario, result) in enumerate(zip(part, found, strict=True)):
            out[low + k] = result.collided[: scenario.steps, EGO].any()
    return out


def collision_rate(scenarios: Sequence[Scenario], ego: Ego) -> Estimate:
    """Share of scenarios in which the ego collides, with its Wilson interval."""
    return wilson(int(collides(scenarios, ego).sum()), len(scenarios))
