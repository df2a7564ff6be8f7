"""What of a scenario's looks is settled when it begins: scenery, looks, who is parked, sirens.

Recordings and the environment ask here, so that an episode looks like the recording of its
scenario: the same street, the same cars, the same style and the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render import AgentMotion, World, build_world
from scenegen.render.meshes.beacons import FLASHES_PER_SECOND, PHASES
from scenegen.scene import Conditions, RoadMap, Scenario
from scenegen.seeding import digest

BRAKE_LIGHT = -1.0
"""Brake lights are on below this acceleration [m/s^2]; UN R13-H asks for them from 1.3."""
PARKED_BELOW = 0.2
"""An agent that is never faster than this is parked, its lights off [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backdrop:
    """The part of a scenario's looks that does not change with time.

    Attributes:
        seed: Seed of scenery, looks, style and noise.
        parked: Whether each agent stands throughout, its lights off, shape (N,).
        standing: Boxes (x, y, heading, length, width) of those in the map frame, shape (n, 5).
        sirens: Indices of the agents with blue light and siren.
    """

    seed: int
    parked: BoolArray
    standing: FloatArray
    sirens: tuple[int, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, seed: int) -> Self:
        """Settle the looks of a scenario.

        Args:
            scenario: What happens.
            seed: Seed of scenery, looks and noise; mixed with the scenario's identity.
        """
        agents, parked = scenario.agents, parked_agents(scenario)
        index = np.flatnonzero(parked & agents.valid.any(0))
        first = agents.valid.argmax(0)[index]
        boxes = np.column_stack(
            [
                agents.position[first, index],
                agents.yaw[first, index],
                agents.size[first, index, :2],
            ]
        )
        own = mixed_seed(seed, scenario.id)
        return cls(seed=own, parked=parked, standing=boxes, sirens=tuple(scenario.sirens))

    @classmethod
    def plain(cls, seed: int, identity: str, count: int) -> Self:
        """Settle the looks of a scene of N agents of whom nothing is known but the opening."""
        return cls(
            seed=mixed_seed(seed, identity),
            parked=np.zeros(count, np.bool_),
            standing=np.zeros((0, 5)),
        )

    def world(self, roadmap: RoadMap, conditions: Conditions) -> World:
        """Grow the world around a road map."""
        return build_world(roadmap, conditions, self.seed, standing=self.standing)

    def motion(self, travelled: FloatArray, acceleration: FloatArray, time: float) -> AgentMotion:
        """Tell how the agents move at an instant.

        Args:
            travelled: Way each agent has come since the scenario began [m], shape (N,).
            acceleration: Their acceleration along their heading [m/s^2], shape (N,).
            time: Time since the scenario began [s].
        """
        return AgentMotion(
            travelled=travelled,
            braking=acceleration < BRAKE_LIGHT,
            parked=self.parked,
            beacons=self._beacons(time),
        )

    def _beacons(self, time: float) -> IntArray:
        """Which half of its blue light shines on each agent, 0 for none, shape (N,)."""
        out = np.zeros(len(self.parked), np.int64)
        phase = int(np.floor(time * FLASHES_PER_SECOND + 1e-6))
        out[list(self.sirens)] = 1 + phase % PHASES
        return out


def mixed_seed(seed: int, identity: str) -> int:
    """Seed of the looks of one scenario: follows from a seed and the scenario's identity."""
    return int(digest([int(seed), identity])[:12], 16)


def parked_agents(scenario: Scenario) -> BoolArray:
    """Which agents stand throughout, shape (N,)."""
    agents = scenario.agents
    return np.asarray(~np.any(agents.valid & (np.abs(agents.speed) > PARKED_BELOW), axis=0))
