"""Staging by a diffusion model: the roles of an event are sampled under guidance of the query.

A script is only asked where on the road the ego may begin; who else takes part, where and how
everybody moves is the model's. What it makes is simulated and verified like any other try.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import CheckpointError, QueryError, UnknownNameError
from scenegen.events import Event, Pinned
from scenegen.layout import Layout, LayoutModel, LayoutRequest, LearnedLayout
from scenegen.layout.decoding import decode
from scenegen.layout.diffusion import DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.learned import SceneTask, one_thread
from scenegen.layout.projection import feasible
from scenegen.layout.tokens import ROLE_SLOTS
from scenegen.pipeline.guidance import GuidanceSettings, QueryGuide, Site
from scenegen.pipeline.wishes import Wishes
from scenegen.query import Query
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, Control

SEVERITY_SHARE = 0.75
"""Share of the time to collision a query allows that the condition asks for: margin for what the
model misses."""


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
    """

    guidance: GuidanceSettings = field(default_factory=GuidanceSettings)
    sampler: Sampler = Sampler.DPM
    steps: int = 16
    event_scale: float = 1.0
    severity: bool = True
    ego: EgoMotion = EgoMotion.SAMPLED

    def __post_init__(self) -> None:
        """Check the number of steps."""
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
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GuidedScene:
    """A scene that a model staged.

    Attributes:
        layout: Ego and roles first, then the background; None where the roles did not fit in.
        roles: Agent index of each role, by its name in the query.
        log_weight: Logarithm of the importance weight of the sampled path under the model without
            any guidance; None for samplers that give none.
    """

    layout: Layout | None
    roles: dict[str, int]
    log_weight: float | None


class ModelStager:
    """Stages the event of one query with a diffusion model."""

    def __init__(
        self,
        layout: LayoutModel,
        wishes: Wishes,
        query: Query,
        how: ModelStaging,
        duration: float,
    ) -> None:
        """Check that the model can stage what the query asks for.

        Args:
            layout: A layout with a trained diffusion model.
            wishes: What the query asks of event, road and weather.
            query: The query.
            how: How to sample and to guide.
            duration: Length of a scenario [s].

        Raises:
            CheckpointError: The layout has no diffusion model.
            QueryError: The query suggests no event.
            UnknownNameError: The model does not know the event.
        """
        if not isinstance(layout, LearnedLayout) or not isinstance(layout.model, DiffusionModel):
            found = layout.model.name if isinstance(layout, LearnedLayout) else layout.name
            raise CheckpointError(
                "staging by a model: expected a diffusion layout, which alone can be guided, got"
                f" {found!r}; name layout model 'diffusion', or give a diffusion checkpoint"
            )
        if wishes.event is None:
            raise QueryError(
                "staging by a model: expected a query that names an event or suggests one by its"
                f" motions, got {query.text!r}; use the script staging for everyday traffic"
            )
        if wishes.event.name not in layout.model.events:
            raise UnknownNameError(
                "event of the layout model", wishes.event.name, layout.model.events
            )
        self.layout, self.model = layout, layout.model
        self.event: Event = wishes.event
        self.query, self.how, self.duration = query, how, duration
        self.roles = tuple(wishes.role_names.get(role, role) for role in self.event.roles)
        self.roles = self.roles[:ROLE_SLOTS]
        self.severity = wanted_severity(query) if how.severity else None

    def stage(
        self, pinned: Pinned, request: LayoutRequest, rng: np.random.Generator
    ) -> GuidedScene:
        """Sample one scene around an ego.

        Args:
            pinned: A place for the event; only the ego of it is used.
            request: Road, conditions and numbers of agents; its pinned agents are not looked at.
            rng: Random numbers.
        """
        request = replace(
            request, pinned=pinned.agents[[EGO]], plans=_alone(pinned.plans), event=self.event.name
        )
        slots = tuple(range(1, 1 + len(self.roles)))
        task = self.layout.task(request, slots, self.severity, rng)
        tokens, log_weight = self.tokens(request, task, int(rng.integers(2**62)))
        if self.how.ego is EgoMotion.SAMPLED:
            request = _following(request, tokens, task.frame)
        staged = self.layout.staged(request, task, tokens, self.roles, rng)
        if staged is None:
            return GuidedScene(layout=None, roles={}, log_weight=log_weight)
        plans, agents = staged.layout.plans, staged.layout.agents
        _make_feasible(agents, plans, 1 + len(self.roles), request.conditions.friction)
        return GuidedScene(layout=staged.layout, roles=staged.roles, log_weight=log_weight)

    def tokens(
        self, request: LayoutRequest, task: SceneTask, seed: int
    ) -> tuple[FloatArray, float | None]:
        """Sample the tokens of one scene.

        Args:
            request: The road.
            task: What is known.
            seed: Seed of the noise.

        Returns:
            Tokens, shape (A, CHANNELS), and the log importance weight of the path if there is one.
        """
        guide = QueryGuide.of(
            self.query,
            {role: 1 + k for k, role in enumerate(self.roles)},
            [Site(roadmap=request.roadmap, frame=task.frame)],
            self.model.scale.spread,
            self.how.guidance,
            self.duration,
        )
        guided = self.how.guidance.weight > 0.0
        config = SamplerConfig(
            sampler=self.how.sampler,
            steps=self.how.steps,
            event_scale=self.how.event_scale,
            guide=guide if guided else None,
            clamp=self.how.guidance.reach,
        )
        with one_thread():
            drawn = self.model.draw(task.batch, [seed], config)
        weight = None if drawn.log_weight is None else float(drawn.log_weight[0])
        return drawn.tokens[0].numpy(), weight


def wanted_severity(query: Query) -> float | None:
    """Time to collision of the ego that a query asks to fall below, times SEVERITY_SHARE [s]."""
    bounds = {**query.later_bounds(), **query.bounds()}
    ends = [
        wanted.high
        for text, wanted in bounds.items()
        if text.startswith("ttc(ego,") and np.isfinite(wanted.high)
    ]
    return SEVERITY_SHARE * max(min(ends), 0.0) if ends else None


def _alone(plans: AgentPlans) -> AgentPlans:
    """Plan of the ego without what it was to do to others."""
    ego = plans[[EGO]]
    ego.control[:] = Control.REACTIVE
    ego.set_maneuvers(EGO)
    return ego


def _following(request: LayoutRequest, tokens: FloatArray, frame: FloatArray) -> LayoutRequest:
    """Let the ego follow its sampled motion code."""
    sampled = decode(tokens[:1], frame, request.roadmap).plans
    plans = request.plans[[EGO]]
    plans.control[:] = Control.KNOTS
    plans.knots[:] = sampled.knots
    return replace(request, plans=plans)


def _make_feasible(agents: AgentStates, plans: AgentPlans, acting: int, friction: float) -> None:
    """Bring the motion codes of ego and roles within what their vehicles can do."""
    for i in range(acting):
        on_wheels = not AgentKind(int(agents.kind[i])).is_holonomic
        if on_wheels and plans.control[i] == Control.KNOTS:
            plans.knots[i] = feasible(plans.knots[i], float(agents.speed[i]), friction)
