"""Staging by a diffusion model: the roles of an event are sampled under guidance of the query.

A script is only asked where on the road the ego may begin; who else takes part, where and how
everybody moves is the model's. What it makes is simulated and verified like any other try.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.errors import CheckpointError, QueryError, UnknownNameError
from scenegen.events import Event, Pinned
from scenegen.layout import Layout, LayoutModel, LayoutRequest, LearnedLayout
from scenegen.layout.decoding import decode
from scenegen.layout.diffusion import DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.learned import SceneTask, one_thread
from scenegen.layout.projection import feasible
from scenegen.layout.sampler import mixture_log_weight
from scenegen.layout.scene_batch import SceneBatch
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
        unguided: Share of the scenes that are drawn without guidance, where paths are weighed. The
            weights are those of the mixture of both and at most 1 / unguided (defensive mixture;
            Owen & Zhou 2000).
    """

    guidance: GuidanceSettings = field(default_factory=GuidanceSettings)
    sampler: Sampler = Sampler.DPM
    steps: int = 16
    event_scale: float = 1.0
    severity: bool = True
    ego: EgoMotion = EgoMotion.SAMPLED
    unguided: float = 0.0

    def __post_init__(self) -> None:
        """Check the number of steps and the share."""
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


class Place(NamedTuple):
    """Where a scene is to be staged.

    Attributes:
        pinned: A place for the event; only the ego of it is used.
        request: Road, conditions and numbers of agents; its pinned agents are not looked at.
        rng: Random numbers of the scene.
    """

    pinned: Pinned
    request: LayoutRequest
    rng: np.random.Generator


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
        return self.stage_batch([Place(pinned, request, rng)])[0]

    def stage_batch(self, places: Sequence[Place]) -> list[GuidedScene]:
        """Sample one scene per place, all in one batch, which costs less than one by one.

        A scene that is sampled among others is the same up to rounding.
        """
        if not places:
            return []
        slots = tuple(range(1, 1 + len(self.roles)))
        requests, tasks, seeds, follows = [], [], list[int](), list[bool]()
        for pinned, asked, rng in places:
            ego, plans = pinned.agents[[EGO]], _alone(pinned.plans)
            request = replace(asked, pinned=ego, plans=plans, event=self.event.name)
            requests.append(request)
            tasks.append(self.layout.task(request, slots, self.severity, rng))
            seeds.append(int(rng.integers(2**62)))
            follows.append(not self.how.unguided or bool(rng.random() >= self.how.unguided))
        tokens, weights = self.tokens(requests, tasks, seeds, follows)
        return [
            self._finished(request, task, tokens[i], None if weights is None else weights[i], rng)
            for i, (request, task, (_, _, rng)) in enumerate(
                zip(requests, tasks, places, strict=True)
            )
        ]

    def _finished(
        self,
        request: LayoutRequest,
        task: SceneTask,
        tokens: FloatArray,
        log_weight: float | None,
        rng: np.random.Generator,
    ) -> GuidedScene:
        """Turn sampled tokens into a scene: decoded, mended, checked."""
        if self.how.ego is EgoMotion.SAMPLED:
            request = _following(request, tokens, task.frame)
        staged = self.layout.staged(request, task, tokens, self.roles, rng)
        if staged is None:
            return GuidedScene(layout=None, roles={}, log_weight=log_weight)
        plans, agents = staged.layout.plans, staged.layout.agents
        _make_feasible(agents, plans, 1 + len(self.roles), request.conditions.friction)
        return GuidedScene(layout=staged.layout, roles=staged.roles, log_weight=log_weight)

    def tokens(
        self,
        requests: Sequence[LayoutRequest],
        tasks: Sequence[SceneTask],
        seeds: list[int],
        follows: Sequence[bool],
    ) -> tuple[FloatArray, list[float] | None]:
        """Sample the tokens of some scenes together.

        Args:
            requests: Their roads.
            tasks: What is known of each.
            seeds: Seed of the noise of each.
            follows: Which of them are guided.

        Returns:
            Tokens, shape (B, A, CHANNELS), and the log importance weight of each path if there are
            any: without guidance over with it, or over the mixture of both.
        """
        sites = [
            Site(roadmap=request.roadmap, frame=task.frame)
            for request, task in zip(requests, tasks, strict=True)
        ]
        guide = QueryGuide.of(
            self.query,
            {role: 1 + k for k, role in enumerate(self.roles)},
            sites,
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
        batch = SceneBatch.concatenate([task.batch for task in tasks])
        with one_thread():
            drawn = self.model.draw(batch, seeds, config, torch.tensor(follows))
        if drawn.log_weight is None:
            return drawn.tokens.numpy(), None
        return drawn.tokens.numpy(), mixture_log_weight(
            drawn.log_weight, self.how.unguided
        ).tolist()


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
