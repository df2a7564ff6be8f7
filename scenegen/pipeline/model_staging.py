"""How a model stages an event: the settings of `--staging model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from scenegen.layout.diffusion import Sampler
from scenegen.pipeline.guidance import GuidanceSettings


class Staging(StrEnum):
    """Who stages the event of a query."""

    SCRIPT = "script"
    """The event's script, with numbers drawn."""
    MODEL = "model"
    """A diffusion model, guided by the query."""


class EgoMotion(StrEnum):
    """What moves the ego of a scene that a model staged."""

    SAMPLED = "sampled"
    """Its sampled motion for 8 s, which is what the guidance sees, then traffic models."""
    REACTIVE = "reactive"
    """Traffic models from the opening on; the guidance only guesses what it will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStaging:
    """How a model stages an event.

    Attributes:
        guidance: How hard the query pulls; weight 0 leaves it to the condition.
        sampler: How samples are drawn; only ANCESTRAL gives path weights.
        steps: Its number of steps.
        event_scale: Classifier-free guidance towards the event, 1 for none.
        severity: Whether the condition also asks for the time to collision of the query.
        ego: What moves the ego.
        unguided: Share of the scenes that are drawn without guidance, where paths are weighed. The
            weights are those of the mixture of both and at most 1 / unguided (defensive mixture;
            Owen & Zhou 2000).
        sketches: Most sketches of ego and roles per scene, of which the first that keeps the query
            is taken; 1 to take what comes, which is what path weights need. All but the last
            quarter are drawn quickly, by the condition alone, which costs a tenth.
    """

    guidance: GuidanceSettings = field(default_factory=GuidanceSettings)
    sampler: Sampler = Sampler.DPM
    steps: int = 16
    event_scale: float = 1.0
    severity: bool = True
    ego: EgoMotion = EgoMotion.SAMPLED
    unguided: float = 0.0
    sketches: int = 64

    def __post_init__(self) -> None:
        """Check the numbers of steps and sketches and the share."""
        if self.sketches < 1 or (self.sketches > 1 and self.sampler is Sampler.ANCESTRAL):
            raise ValueError(
                "ModelStaging.sketches: expected at least 1, and just 1 where paths are weighed"
                f" (sampler ancestral), got {self.sketches}"
            )
        if not 0.0 <= self.unguided < 1.0:
            raise ValueError(f"ModelStaging.unguided: expected 0 to 1, got {self.unguided}")
        if self.steps < 1:
            raise ValueError(f"ModelStaging.steps: expected at least 1, got {self.steps}")

    def to_json(self) -> dict[str, Any]:
        """Give the settings as plain JSON values."""
        return {**asdict(self), "sampler": self.sampler.value, "ego": self.ego.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`."""
        return cls(
            guidance=GuidanceSettings(**data["guidance"]),
            sampler=Sampler(data["sampler"]),
            steps=data["steps"],
            event_scale=data["event_scale"],
            severity=data["severity"],
            ego=EgoMotion(data["ego"]),
            unguided=data.get("unguided", 0.0),
            sketches=data.get("sketches", 1),
        )
