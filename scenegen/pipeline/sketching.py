"""Drawing sketches: ego and roles are sampled by a diffusion model, then the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.layout import LayoutRequest, LearnedLayout
from scenegen.layout.diffusion import DiffusionModel, SamplerConfig
from scenegen.layout.learned import SceneTask, one_thread
from scenegen.layout.projection import feasible
from scenegen.layout.sampler import mixture_log_weight
from scenegen.layout.scene_batch import SceneBatch
from scenegen.pipeline.guidance import QueryGuide, Site
from scenegen.pipeline.model_staging import EgoMotion, ModelStaging
from scenegen.pipeline.sketches import Sketch
from scenegen.query import Query
from scenegen.scene import AgentKind, AgentPlans, AgentStates, Control

PRESSED = 2.0
"""Scale of classifier-free guidance that presses the event (Ho & Salimans 2022): of the sketches of
hard queries 1.5 to 2.5 times as many keep them then, at a quarter more of the cost."""


class Pull(StrEnum):
    """What pulls sketches towards the query."""

    CONDITION = "condition"
    """The event, its severity and the like, as the model has learned them: the quickest."""
    PRESSED = "pressed"
    """The same condition, its event pressed by classifier-free guidance."""
    GUIDANCE = "guidance"
    """The query itself, besides the condition: the slowest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketcher:
    """Draws ego and roles of one event, and the background around them.

    Attributes:
        layout: The layout.
        model: Its diffusion model.
        query: What guides.
        roles: Names of the roles in the query, in the order of their slots.
        severity: Wanted least time to collision of the ego [s], None for any.
        how: How to sample and to guide.
        duration: Length of a scenario [s].
    """

    layout: LearnedLayout
    model: DiffusionModel
    query: Query
    roles: tuple[str, ...]
    severity: float | None
    how: ModelStaging
    duration: float

    def task(self, request: LayoutRequest) -> SceneTask:
        """Open the slots of the roles, and no others."""
        nothing_drawn = np.random.default_rng(0)
        return self.layout.task(request, self._slots, self.severity, nothing_drawn, count=0)

    def whole_task(self, request: LayoutRequest, rng: np.random.Generator) -> SceneTask:
        """Open the slots of the roles, and those of as many others as the model says."""
        return self.layout.task(request, self._slots, self.severity, rng)

    def sketches(
        self,
        requests: Sequence[LayoutRequest],
        tasks: Sequence[SceneTask],
        seeds: Sequence[int],
        follows: Sequence[bool],
        pull: Pull = Pull.GUIDANCE,
    ) -> tuple[list[Sketch], list[float | None]]:
        """Sample one sketch per request, all in one batch.

        Args:
            requests: Road and pinned agents of each.
            tasks: Which slots of each are open.
            seeds: Seed of each.
            follows: Whether guidance pulls each of them where it does.
            pull: What pulls them towards the query.

        Returns:
            The sketches, and the log importance weight of the path of each.
        """
        rngs = [np.random.default_rng(seed) for seed in seeds]
        draws = [int(rng.integers(2**62)) for rng in rngs]
        weights: list[float] | None = None
        if pull is Pull.GUIDANCE:
            tokens, weights = self.tokens(requests, tasks, draws, follows)
        else:
            tokens = self.background(tasks, draws, pressed=pull is Pull.PRESSED)
        found = [
            self._finished(request, task, tokens[k], rng)
            for k, (request, task, rng) in enumerate(zip(requests, tasks, rngs, strict=True))
        ]
        return found, list(weights) if weights is not None else [None] * len(found)

    def surrounded(
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
        sampled = self.how.ego is EgoMotion.SAMPLED
        staged = self.layout.staged(request, task, tokens, self.roles, rng, ego_follows=sampled)
        if staged is None:
            return Sketch(tokens=tokens, cast=None, roles={})
        plans, agents = staged.layout.plans, staged.layout.agents
        acting = request.pinned.count + len(self.roles)
        _make_feasible(agents, plans, acting, request.conditions.friction)
        return Sketch(tokens=tokens, cast=staged.layout, roles=staged.roles)

    def background(
        self, tasks: Sequence[SceneTask], seeds: list[int], *, pressed: bool = False
    ) -> FloatArray:
        """Sample what is open in some scenes, no query guides it, (B, A, CHANNELS)."""
        batch, how = SceneBatch.concatenate([task.batch for task in tasks]), self.model.sampling
        if pressed:
            how = replace(how, event_scale=PRESSED)
        with one_thread():
            return self.model.draw(batch, seeds, how).tokens.numpy()

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


def _make_feasible(agents: AgentStates, plans: AgentPlans, acting: int, friction: float) -> None:
    """Bring the motion codes of ego and roles within what their vehicles can do."""
    for i in range(acting):
        on_wheels = not AgentKind(int(agents.kind[i])).is_holonomic
        if on_wheels and plans.control[i] == Control.KNOTS:
            plans.knots[i] = feasible(plans.knots[i], float(agents.speed[i]), friction)
