"""One instant (Scene), its development (Scenario), and where it came from (Provenance)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from scenegen.arrays import FloatArray, check_shape
from scenegen.scene.agents import AgentStates
from scenegen.scene.conditions import Conditions
from scenegen.scene.roadmap import RoadMap
from scenegen.seeding import digest

STEP = 0.1
"""Time between the stored instants of a scenario [s]: frames and query truth are at 10 Hz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Everything a scenario follows from; its id is a hash of these, never a clock.

    Attributes:
        query: Text of the query that asked for it.
        seed: Seed of the request.
        index: Number of the scenario within the request.
        attempt: Number of the draw that was accepted, from 0.
        script: Event family and the numbers drawn for it.
        map_source: Where the road map came from.
        digests: SHA-256 of every checkpoint and file that took part.
        options: Settings of the request that shape the result: duration, density, ego driver.
        version: Version of scenegen.
    """

    query: str
    seed: int
    index: int
    attempt: int
    script: dict[str, Any]
    map_source: dict[str, Any]
    digests: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    version: str = ""

    @property
    def id(self) -> str:
        """Identity: 16 hexadecimal digits, equal for equal provenance."""
        return digest(self.to_json())[:16]

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_json`."""
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One instant: who is where, on what road, under what sky.

    Attributes:
        roadmap: The road.
        agents: States, leading shape (N,); index EGO is the ego vehicle.
        conditions: Light and weather.
        time: Time since the scenario began [s].
    """

    roadmap: RoadMap
    agents: AgentStates
    conditions: Conditions
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """The development of a scene (ISO 21448).

    Attributes:
        roadmap: The road.
        conditions: Light and weather, constant throughout.
        agents: States, leading shape (T, N).
        times: Time since the begin [s], shape (T,), STEP apart.
        roles: Agent index of each role of the event, for example {"c": 3}.
        provenance: Where it came from.
        sirens: Indices of the agents that drive with blue light and siren throughout.
    """

    roadmap: RoadMap
    conditions: Conditions
    agents: AgentStates
    times: FloatArray
    provenance: Provenance
    roles: dict[str, int] = field(default_factory=dict)
    sirens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that states and times agree."""
        check_shape("agents.valid", self.agents.valid, len(self.times), self.agents.count)

    @property
    def id(self) -> str:
        """Identity of the scenario, from its provenance."""
        return self.provenance.id

    @property
    def steps(self) -> int:
        """Number of instants T."""
        return len(self.times)

    @property
    def duration(self) -> float:
        """Time from the first instant to the last [s]."""
        return float(self.times[-1] - self.times[0])

    def at(self, step: int) -> Scene:
        """Give one instant."""
        return Scene(
            roadmap=self.roadmap,
            agents=self.agents[step],
            conditions=self.conditions,
            time=float(self.times[step]),
        )

    def acceleration(self) -> FloatArray:
        """Longitudinal acceleration by central differences [m/s^2], shape (T, N), float64."""
        if self.steps < 2:
            return np.zeros(self.agents.valid.shape)
        return np.gradient(self.agents.speed.astype(np.float64), self.times, axis=0)
