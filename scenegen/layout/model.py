"""The one door of all layout models: pinned agents in, a filled scene with plans out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.errors import ShapeError
from scenegen.scene import AgentPlans, AgentStates, Conditions, RoadMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayoutRequest:
    """What a layout model is asked to complete.

    Attributes:
        roadmap: The road.
        conditions: Light and weather.
        pinned: Agents that stay exactly as they are, leading shape (P,); index EGO is the ego.
        plans: Their plans, leading shape (P,).
        agents: Number of agents in the finished scene, pinned ones included; at most.
        density: Wanted traffic on driving lanes [vehicles per lane kilometre].
        radius: Traffic is placed within this distance of the ego [m].
        event: Event family around which the scene is built, "" for none.
    """

    roadmap: RoadMap
    conditions: Conditions
    pinned: AgentStates
    plans: AgentPlans
    agents: int = 32
    density: float = 18.0
    radius: float = 140.0
    event: str = ""

    def __post_init__(self) -> None:
        """Check that pinned agents and plans agree and fit in."""
        if not 1 <= self.pinned.count == self.plans.count <= self.agents:
            raise ShapeError(
                f"LayoutRequest: expected 1 to {self.agents} pinned agents with a plan each, got"
                f" {self.pinned.count} agents and {self.plans.count} plans"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """A filled scene: the pinned agents first and untouched, then the background.

    Attributes:
        agents: States, leading shape (N,).
        plans: Plans, leading shape (N,).
        notes: Counts of what the model mended or left out, by reason.
    """

    agents: AgentStates
    plans: AgentPlans
    notes: Mapping[str, int] = field(default_factory=dict)


class LayoutModel(ABC):
    """A model that fills a road with traffic."""

    name: ClassVar[str]

    @abstractmethod
    def sample(self, request: LayoutRequest, rng: np.random.Generator) -> Layout:
        """Fill one scene.

        Args:
            request: The road and the pinned agents.
            rng: Random numbers; the same state gives the same layout.

        Returns:
            The pinned agents, unchanged and first, followed by background agents that overlap
            neither them nor each other.
        """

    def sample_many(
        self, requests: Sequence[LayoutRequest], rngs: Sequence[np.random.Generator]
    ) -> list[Layout]:
        """Fill many scenes; what a learned model samples is sampled together, which costs less.

        Args:
            requests: The roads and the pinned agents; scenes on one road share what is read off it.
            rngs: Random numbers of each.

        Returns:
            A layout per request: the same, to the bit, as `sample` gives with the same random
            numbers, whatever the other requests are.

        Raises:
            ShapeError: There are not as many random generators as requests.
        """
        check_alike(requests, rngs)
        return [self.sample(*pair) for pair in zip(requests, rngs, strict=True)]

    @abstractmethod
    def digests(self) -> dict[str, str]:
        """Give the SHA-256 of every file the model's answers depend on, by asset name."""


def check_alike(requests: Sequence[LayoutRequest], rngs: Sequence[np.random.Generator]) -> None:
    """Check that every request has random numbers of its own."""
    if len(requests) != len(rngs):
        raise ShapeError(
            f"sample_many: expected one random generator per request, got {len(rngs)} generators"
            f" and {len(requests)} requests"
        )
