"""From compositions to scenarios: simulate each for a while and keep every state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, check_shape
from scenegen.scene import AgentStates, Composition, Scenario
from scenegen.scene.plans import Ignores
from scenegen.scene.scenario import STEP
from scenegen.sim.bank import StartBank
from scenegen.sim.simulator import Simulator


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rollout:
    """What happened to N agents over T instants, the opening included.

    Attributes:
        agents: States, leading shape (T, N).
        times: Time since the begin [s], shape (T,), STEP apart.
        collided: Whether the agent touched another during the step before, shape (T, N).
        offroad: Whether a motor vehicle was off the drivable area, shape (T, N).
    """

    agents: AgentStates
    times: FloatArray
    collided: BoolArray
    offroad: BoolArray

    def __post_init__(self) -> None:
        """Check that all arrays agree on instants and agents."""
        check_shape("agents.valid", self.agents.valid, len(self.times), self.agents.count)
        check_shape("collided", self.collided, *self.agents.valid.shape)
        check_shape("offroad", self.offroad, *self.agents.valid.shape)


def rollout(
    compositions: Sequence[Composition], duration: float = 8.0, *, threads: int = 1
) -> list[Rollout]:
    """Simulate compositions without any action from outside.

    Agents under EXTERNAL control coast; give them Control.REACTIVE for a driven ego.

    Args:
        compositions: What to simulate.
        duration: How long [s].
        threads: Worker threads.

    Returns:
        One rollout per composition, T = duration / STEP + 1 instants, padding removed.

    Raises:
        ValueError: The duration is negative.
    """
    if duration < 0.0:
        raise ValueError(f"rollout: expected a duration >= 0 s, got {duration}")
    if not compositions:
        return []
    bank = StartBank.of(compositions)
    simulator = Simulator(bank, bank.count, threads=threads)
    everyone = np.arange(bank.count)
    simulator.reset(everyone, everyone)
    states, collided, offroad = [simulator.states()], [], []
    collided.append(simulator.collided.copy())
    offroad.append(simulator.offroad.copy())
    for _ in range(round(duration / STEP)):
        simulator.step()
        states.append(simulator.states())
        collided.append(simulator.collided.copy())
        offroad.append(simulator.offroad.copy())
    simulator.close()
    joined = AgentStates.stack(states)
    times = np.arange(len(states)) * STEP
    return [
        Rollout(
            agents=joined[:, w, : c.scene.agents.count],
            times=times,
            collided=np.stack(collided)[:, w, : c.scene.agents.count],
            offroad=np.stack(offroad)[:, w, : c.scene.agents.count],
        )
        for w, c in enumerate(compositions)
    ]


def to_scenario(composition: Composition, rollout: Rollout) -> Scenario:
    """Give a rollout as the scenario that developed from its composition.

    Raises:
        ShapeError: The rollout is of other agents.
    """
    check_shape("rollout.agents.valid", rollout.agents.valid, composition.scene.agents.count)
    return Scenario(
        roadmap=composition.scene.roadmap,
        conditions=composition.scene.conditions,
        agents=rollout.agents,
        times=rollout.times,
        provenance=composition.provenance,
        roles=composition.roles,
        sirens=tuple(np.flatnonzero(composition.plans.ignores & Ignores.SIREN).tolist()),
    )
