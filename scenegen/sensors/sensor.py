"""What a sensor is: it announces arrays, then fills them from the world at an instant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scenegen.arrays import Array, FloatArray
from scenegen.render import Stage, Triangles
from scenegen.scene import EGO, ArraySpec
from scenegen.seeding import stream


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldView:
    """The world at one instant, as all sensors of a rig see it.

    Attributes:
        stage: Models, instances, lights, conditions and the pose of the ego.
        triangles: The stage, assembled around the ego.
        step: Number of the instant within the scenario.
        seed: Seed of the sensors' noise.
        before: The instant before; None for the first, or where no sensor looks around.
        after: The instant after; None for the last, or where no sensor looks around.
    """

    stage: Stage
    triangles: Triangles
    step: int
    seed: int
    before: Stage | None = None
    after: Stage | None = None

    def rng(self, sensor: str) -> np.random.Generator:
        """Random numbers of one sensor at this instant, independent of all others."""
        return stream(self.seed, "sensor", sensor, self.step)

    def others(self, reach: float = np.inf) -> np.ndarray:
        """Indices of the agents but the ego within a distance of it [m], ascending."""
        agents = self.stage.agents
        away = np.hypot(*(agents.position - agents.position[EGO]).T)
        index = np.flatnonzero(agents.valid & (away <= reach))
        return index[index != EGO]

    def rows(self, agents: np.ndarray) -> np.ndarray:
        """Row of each agent among the triangles' things, -1 where it is out of reach."""
        number = self.triangles.number
        row = np.full(int(max(number.max(initial=0), agents.max(initial=0) + 1)) + 1, -1)
        row[number[number > 0]] = np.flatnonzero(number > 0)
        return row[agents + 1]


class Sensor(ABC):
    """A part of a rig that gives arrays at every instant.

    The ego frame is x forward, y left, z up, with its origin at the box centre on the ground.

    Attributes:
        name: What it is called; part of the names of its arrays.
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        LOOKS_AROUND: Whether it reads the instants before and after, too.
    """

    LOOKS_AROUND: ClassVar[bool] = False
    name: str
    ego_from_sensor: FloatArray

    @abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce every array it gives."""

    @abstractmethod
    def sense(self, view: WorldView) -> dict[str, Array]:
        """Give every announced array at one instant, by name.

        Args:
            view: The world at that instant.
        """
