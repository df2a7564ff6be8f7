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
from scenegen.pipeline.sketches import Picks, Sketch, keeps, rounds_of
from scenegen.pipeline.wishes import Wishes
from scenegen.query import Query
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, Control
from scenegen.seeding import stream

BACKGROUNDS = 4
"""Backgrounds drawn around ego and roles that keep the query, until one leaves them be."""
WHOLES = 8
"""Whole scenes drawn, one by one, where no sketch with its background kept the query."""
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
        sketches: Most sketches of ego and roles per scene, of which the first that keeps the query
            is taken; 1 to take what comes, which is what path weights need. The first half is
            drawn quickly and without guidance, which costs a fifth.
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
        requests, seeds, follows = [], list[int](), list[bool]()
        for pinned, asked, rng in places:
            ego, plans = pinned.agents[[EGO]], _alone(pinned.plans)
            requests.append(replace(asked, pinned=ego, plans=plans, event=self.event.name))
            seeds.append(int(rng.integers(2**62)))
            follows.append(not self.how.unguided or bool(rng.random() >= self.how.unguided))
        rngs = [rng for _, _, rng in places]
        if self.how.sketches == 1:
            return self._first(requests, seeds, follows, rngs)
        sketched, made = Picks(len(requests)), Picks(len(requests))
        quick = rounds_of(self.how.sketches // 2)
        slow = rounds_of(self.how.sketches - self.how.sketches // 2)
        for number, size in enumerate([*quick, *slow]):
            guides = follows if number >= len(quick) else None
            self._draw(sketched, requests, seeds, guides, (number, size), alone=True)
        for _ in range(BACKGROUNDS):
            self._surround(made, sketched, requests, rngs)
        # What the query needs may be neither ego nor role, such as what hides somebody.
        for number in range(WHOLES):
            self._draw(made, requests, seeds, None, (-1 - number, 1), alone=False)
        return [
            GuidedScene(layout=sketch.cast, roles=sketch.roles, log_weight=None)
            for sketch in made.best
            if sketch is not None
        ]

    def _first(
        self,
        requests: Sequence[LayoutRequest],
        seeds: Sequence[int],
        follows: Sequence[bool],
        rngs: Sequence[np.random.Generator],
    ) -> list[GuidedScene]:
        """Take the first sketch of each scene and the first background around it."""
        sketches, weights = self._sketches(requests, seeds, follows, alone=True)
        made = self._surrounded(requests, sketches, rngs)
        return [
            GuidedScene(layout=sketch.cast, roles=sketch.roles, log_weight=weight)
            for sketch, weight in zip(made, weights, strict=True)
        ]

    def _draw(
        self,
        picks: Picks,
        requests: Sequence[LayoutRequest],
        seeds: Sequence[int],
        follows: Sequence[bool] | None,
        numbered: tuple[int, int],
        *,
        alone: bool,
    ) -> None:
        """Draw some sketches of every scene that lacks one that keeps the query.

        Args:
            picks: What was found so far.
            requests: Road and ego of each scene.
            seeds: Seed of each scene.
            follows: Whether each is guided; None to draw quickly, without guidance.
            numbered: Number of the round, and sketches per scene.
            alone: Whether of ego and roles alone, or of whole scenes.
        """
        number, size = numbered
        at = [k for k in picks.missing for _ in range(size)]
        if not at:
            return
        inner = [i for _ in picks.missing for i in range(size)]
        here = [requests[k] for k in at]
        found, weights = self._sketches(
            here,
            [_seed_of(seeds[k], number, i) for k, i in zip(at, inner, strict=True)],
            None if follows is None else [follows[k] for k in at],
            alone=alone,
        )
        kept = keeps(self.query, here, found, self.duration, margins=follows is not None)
        picks.consider(at, found, weights, *kept)

    def _sketches(
        self,
        requests: Sequence[LayoutRequest],
        seeds: Sequence[int],
        follows: Sequence[bool] | None,
        *,
        alone: bool,
    ) -> tuple[list[Sketch], list[float | None]]:
        """Sample one sketch per request, all in one batch."""
        rngs = [np.random.default_rng(seed) for seed in seeds]
        tasks = [
            self.layout.task(request, self._slots, self.severity, rng, count=0 if alone else None)
            for request, rng in zip(requests, rngs, strict=True)
        ]
        draws = [int(rng.integers(2**62)) for rng in rngs]
        tokens, weights = self.tokens(requests, tasks, draws, follows)
        found = [
            self._finished(request, task, tokens[k], rng)
            for k, (request, task, rng) in enumerate(zip(requests, tasks, rngs, strict=True))
        ]
        return found, list(weights) if weights is not None else [None] * len(found)

    def _surround(
        self,
        made: Picks,
        sketched: Picks,
        requests: Sequence[LayoutRequest],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        """Draw a background for every scene whose backgrounds so far spoilt the event."""
        at = list(made.missing)
        if not at:
            return
        here = [requests[k] for k in at]
        sketches = [sketch for k in at if (sketch := sketched.best[k]) is not None]
        found = self._surrounded(here, sketches, [rngs[k] for k in at])
        kept, margins = keeps(self.query, here, found, self.duration)
        made.consider(at, found, [None] * len(at), kept, margins)

    def _surrounded(
        self,
        requests: Sequence[LayoutRequest],
        sketches: Sequence[Sketch],
        rngs: Sequence[np.random.Generator],
    ) -> list[Sketch]:
        """Sample the background around ego and roles; nothing guides it."""
        tasks = [
            self.layout.task(request, self._slots, self.severity, rng, acting=sketch.tokens)
            for request, sketch, rng in zip(requests, sketches, rngs, strict=True)
        ]
        tokens = self.background(tasks, [int(rng.integers(2**62)) for rng in rngs])
        return [
            self._finished(request, task, tokens[k], rng)
            for k, (request, task, rng) in enumerate(zip(requests, tasks, rngs, strict=True))
        ]

    @property
    def _slots(self) -> tuple[int, ...]:
        return tuple(range(1, 1 + len(self.roles)))

    def _finished(
        self,
        request: LayoutRequest,
        task: SceneTask,
        tokens: FloatArray,
        rng: np.random.Generator,
    ) -> Sketch:
        """Turn sampled tokens into a scene: decoded, mended, checked."""
        if self.how.ego is EgoMotion.SAMPLED:
            request = _following(request, tokens, task.frame)
        staged = self.layout.staged(request, task, tokens, self.roles, rng)
        if staged is None:
            return Sketch(tokens=tokens, cast=None, roles={})
        plans, agents = staged.layout.plans, staged.layout.agents
        _make_feasible(agents, plans, 1 + len(self.roles), request.conditions.friction)
        return Sketch(tokens=tokens, cast=staged.layout, roles=staged.roles)

    def background(self, tasks: Sequence[SceneTask], seeds: list[int]) -> FloatArray:
        """Sample what is open in some scenes, nothing guides it, (B, A, CHANNELS)."""
        batch = SceneBatch.concatenate([task.batch for task in tasks])
        with one_thread():
            return self.model.draw(batch, seeds, self.model.sampling).tokens.numpy()

    def tokens(
        self,
        requests: Sequence[LayoutRequest],
        tasks: Sequence[SceneTask],
        seeds: list[int],
        follows: Sequence[bool] | None,
    ) -> tuple[FloatArray, list[float] | None]:
        """Sample the tokens of some scenes together.

        Args:
            requests: Their roads.
            tasks: What is known of each.
            seeds: Seed of the noise of each.
            follows: Which of them are guided; None to sample as the model does by itself.

        Returns:
            Tokens, shape (B, A, CHANNELS), and the log importance weight of each path if there are
            any: without guidance over with it, or over the mixture of both.
        """
        if follows is None:
            return self.background(tasks, seeds), None
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


def _seed_of(seed: int, round_: int, number: int) -> int:
    """Seed of a sketch of a scene."""
    return int(stream(seed, "sketch", round_, number).integers(2**62))


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
