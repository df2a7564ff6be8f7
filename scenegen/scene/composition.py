"""What compose hands to simulate: an opening scene, everyone's plans, and the drawn script."""

from __future__ import annotations

from dataclasses import dataclass, field

from scenegen.errors import ShapeError
from scenegen.scene.plans import AgentPlans
from scenegen.scene.scenario import Provenance, Scene


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Composition:
    """A scene about to develop.

    Attributes:
        scene: The opening, agents of leading shape (N,).
        plans: What each agent means to do, leading shape (N,).
        roles: Agent index of each role of the event.
        provenance: Where it came from.
    """

    scene: Scene
    plans: AgentPlans
    provenance: Provenance
    roles: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that scene and plans are about the same agents."""
        if self.scene.agents.count != self.plans.count:
            raise ShapeError(
                f"Composition: expected as many plans as agents, got {self.plans.count} plans"
                f" and {self.scene.agents.count} agents"
            )
