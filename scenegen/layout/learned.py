"""Learned layout models behind the door of all layout models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.errors import CheckpointError, ShapeError, UnknownNameError, UnsatisfiedError
from scenegen.geometry.boxes import boxes_overlap
from scenegen.layout.autoregressive import AutoregressiveModel
from scenegen.layout.cvae import VaeModel
from scenegen.layout.ddpm import DdpmModel
from scenegen.layout.decoding import Decoded, decode, with_code_of_ego
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.flow_matching import FlowMatchingModel
from scenegen.layout.layout_gan import GanModel
from scenegen.layout.model import Layout, LayoutModel, LayoutRequest, check_alike
from scenegen.layout.normalizing_flow import FlowModel
from scenegen.layout.projection import Background, complete, is_beside_road, is_on_road
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel, scene_seeds
from scenegen.layout.scene_tasks import (
    Opening,
    SceneTask,
    batch_of,
    draw_counts,
    one_thread,
    open_scene,
)
from scenegen.layout.student import StudentModel
from scenegen.layout.tokens import (
    ROLE_SLOTS,
    SLOTS,
)
from scenegen.scene import EGO, AgentKind, AgentPlans, AgentStates, Control
from scenegen.training import Checkpoint, load_checkpoint

__all__ = [
    "GROUP",
    "SCENE_MODELS",
    "TRIES",
    "LearnedLayout",
    "SceneTask",
    "Staged",
    "model_of",
    "one_thread",
]

SCENE_MODELS: dict[str, type[SceneModel]] = {
    "diffusion": DiffusionModel,
    "vae": VaeModel,
    "autoregressive": AutoregressiveModel,
    "flow": FlowModel,
    "gan": GanModel,
    "ddpm": DdpmModel,
    "flow_matching": FlowMatchingModel,
    "student": StudentModel,
}
"""Every learned family by name; `scenegen train layout --model` reads it."""
GROUP = 32
"""Scenes that are sampled together; more cost no less each, and wait longer for the first."""
TRIES = 8
"""Samples drawn for a scene whose roles, or whose added agents, must fit in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Staged:
    """A scene whose roles the model made up itself.

    Attributes:
        layout: Ego and roles first, then the background; the roles follow their motion codes.
        roles: Agent index of each role, as an event's script would give.
        tries: Samples it took.
    """

    layout: Layout
    roles: dict[str, int]
    tries: int


class LearnedLayout(LayoutModel):
    """A trained scene model that fills a road with traffic.

    Attributes:
        model: The trained model.
        background: What moves the agents it adds.
        sha256: Digest of the checkpoint, "" for a model that was never stored.
    """

    name: ClassVar[str] = "learned"

    def __init__(
        self, model: SceneModel, background: Background = Background.REACTIVE, sha256: str = ""
    ) -> None:
        """Take a trained model.

        Args:
            model: The model.
            background: What moves the agents it adds.
            sha256: Digest of its checkpoint.
        """
        self.model = model.eval()
        self.background = background
        self.sha256 = sha256

    @classmethod
    def load(cls, path: Path, background: Background = Background.REACTIVE) -> LearnedLayout:
        """Read a checkpoint of any family.

        Raises:
            CheckpointError: The file is missing, damaged, or of a family that does not exist.
        """
        checkpoint = load_checkpoint(path)
        return LearnedLayout(model_of(checkpoint), background, checkpoint.sha256)

    def digests(self) -> dict[str, str]:
        """Give the digest of the checkpoint."""
        return {f"layout_{self.model.name}": self.sha256} if self.sha256 else {}

    def sample(self, request: LayoutRequest, rng: np.random.Generator) -> Layout:
        """Fill the road around the pinned agents; see LayoutModel.sample."""
        return self._sampled([request], [rng])[0]

    def sample_many(
        self, requests: Sequence[LayoutRequest], rngs: Sequence[np.random.Generator]
    ) -> list[Layout]:
        """Fill many scenes, GROUP at a time; see LayoutModel.sample_many."""
        check_alike(requests, rngs)
        step = GROUP if isinstance(self.model, DiffusionModel) else 1
        parts = [slice(at, at + step) for at in range(0, len(requests), step)]
        return [made for part in parts for made in self._sampled(requests[part], rngs[part])]

    def _sampled(
        self, requests: Sequence[LayoutRequest], rngs: Sequence[np.random.Generator]
    ) -> list[Layout]:
        openings = [self._opened(request, (), None, None) for request in requests]
        counts = draw_counts(self.model.count, openings, rngs)
        for request, opening, count in zip(requests, openings, counts, strict=True):
            _release(request, opening, count, 0)
        tokens = self._tokens(batch_of(openings), rngs)
        return [
            self._filled(request, opening, found, rng)
            for request, opening, found, rng in zip(requests, openings, tokens, rngs, strict=True)
        ]

    def generate(
        self,
        request: LayoutRequest,
        roles: Sequence[str],
        rng: np.random.Generator,
        severity: float | None = None,
    ) -> Staged:
        """Stage the event of a request around its ego without any script.

        Args:
            request: The road and the ego, alone among the pinned agents; `event` says what.
            roles: Names of the roles, at most ROLE_SLOTS.
            rng: Random numbers.
            severity: Wanted least time to collision of the ego [s], None for any.

        Raises:
            ShapeError: Others than the ego are pinned, or there are too many roles.
            UnknownNameError: The model does not know the event.
            UnsatisfiedError: In no sample within TRIES did the roles fit in.
        """
        if request.pinned.count != 1 or not 1 <= len(roles) <= ROLE_SLOTS:
            raise ShapeError(
                f"generate: expected the ego alone and 1 to {ROLE_SLOTS} roles, got"
                f" {request.pinned.count} pinned agents and {len(roles)} roles"
            )
        if request.event not in self.model.events:
            raise UnknownNameError("event of the layout model", request.event, self.model.events)
        slots = tuple(range(1, 1 + len(roles)))
        for attempt in range(TRIES):
            task = self.task(request, slots, severity, rng)
            found = self.staged(request, task, self._tokens(task.batch, [rng])[0], roles, rng)
            if found is not None:
                return replace(found, tries=attempt + 1)
        raise UnsatisfiedError(
            f"{request.event}: in none of {TRIES} samples did all of {', '.join(roles)} fit in"
            " without touching or leaving the road"
        )

    def edit(
        self,
        request: LayoutRequest,
        layout: Layout,
        rng: np.random.Generator,
        *,
        keep: Sequence[int],
        add: int = 1,
        kind: AgentKind | None = None,
    ) -> Layout:
        """Keep some agents of a scene to the bit, drop the others, and add new ones.

        Args:
            request: The road; its pinned agents are not looked at.
            layout: The scene.
            rng: Random numbers.
            keep: Indices of the agents to keep, the ego's first.
            add: Number of agents to add.
            kind: What they are to be, None for what fits.

        Raises:
            ShapeError: The ego is not the first to be kept, or there are too many agents.
            UnsatisfiedError: In no sample within TRIES did the new agents fit in.
        """
        chosen = list(keep)
        if not chosen or chosen[0] != EGO or len(chosen) + add > SLOTS - ROLE_SLOTS:
            raise ShapeError(
                f"edit: expected to keep the ego first and at most {SLOTS - ROLE_SLOTS} agents in"
                f" all, got keep={chosen} and add={add}"
            )
        kept = replace(
            request,
            pinned=layout.agents[chosen],
            plans=layout.plans[chosen],
            agents=len(chosen) + add,
        )
        best = 0
        for _ in range(TRIES):
            task = self.task(kept, (), None, rng, count=add, kind=kind)
            found = self._completed(kept, task, rng)
            if found.agents.count == len(chosen) + add:
                return found
            best = max(best, found.agents.count - len(chosen))
        raise UnsatisfiedError(
            f"edit: at most {best} of {add} new agents fit in, in {TRIES} samples"
        )

    def filled(
        self, request: LayoutRequest, task: SceneTask, tokens: FloatArray, rng: np.random.Generator
    ) -> Layout:
        """Turn sampled tokens into a layout: decoded, mended, checked.

        Args:
            request: The road and the pinned agents.
            task: What the tokens are a sample of.
            tokens: Tokens of the scene, shape (A, CHANNELS).
            rng: Draws drivers.
        """
        return self._filled(request, task, tokens, rng)

    def _filled(
        self,
        request: LayoutRequest,
        task: SceneTask | Opening,
        tokens: FloatArray,
        rng: np.random.Generator,
    ) -> Layout:
        sampled = decode(tokens, task.frame, request.roadmap)
        new = [i for i, slot in enumerate(sampled.slots.tolist()) if slot not in task.pinned_slots]
        return complete(request, sampled, new, self.background, rng)

    def staged(
        self,
        request: LayoutRequest,
        task: SceneTask,
        tokens: FloatArray,
        roles: Sequence[str],
        rng: np.random.Generator,
        *,
        ego_follows: bool = False,
    ) -> Staged | None:
        """Turn sampled tokens into a scene whose roles the model made up.

        Args:
            request: The road, the ego, and bystanders that stay as they are.
            task: What the tokens are a sample of, with the slots of the roles open.
            tokens: Tokens of the scene, shape (A, CHANNELS).
            roles: Names of the roles, in the order of their slots.
            rng: Draws drivers.
            ego_follows: Whether the ego follows its sampled motion code instead of its plan.

        Returns:
            The scene: the ego, the roles, pinned bystanders, then the background. None where the
            roles touch somebody or are off the road.
        """
        sampled = decode(tokens, task.frame, request.roadmap)
        slots = range(1, 1 + len(roles))
        acting = [int(np.flatnonzero(sampled.slots == slot)[0]) for slot in slots]
        if ego_follows:
            request = replace(request, plans=with_code_of_ego(request.plans, sampled))
        cast = _cast(request, sampled, acting)
        if cast is None:
            return None
        given = {*range(1 + ROLE_SLOTS), *task.pinned_slots}
        rest = [i for i, slot in enumerate(sampled.slots.tolist()) if slot not in given]
        layout = complete(cast, sampled, rest, self.background, rng)
        named = {role: 1 + k for k, role in enumerate(roles)}
        return Staged(layout=layout, roles=named, tries=1)

    def _completed(
        self, request: LayoutRequest, task: SceneTask, rng: np.random.Generator
    ) -> Layout:
        return self.filled(request, task, self._tokens(task.batch, [rng])[0], rng)

    def _tokens(self, batch: SceneBatch, rngs: Sequence[np.random.Generator]) -> FloatArray:
        """Sample the tokens of scenes with a stream each, shape (B, A, CHANNELS)."""
        generators = [torch.Generator().manual_seed(int(rng.integers(2**62))) for rng in rngs]
        with one_thread():
            if isinstance(self.model, DiffusionModel):
                seeds = [seed for generator in generators for seed in scene_seeds(generator, 1)]
                return self.model.draw(batch, seeds, self.model.sampling).tokens.numpy()
            (generator,) = generators
            return self.model.sample(batch, generator).numpy()

    def task(
        self,
        request: LayoutRequest,
        open_roles: tuple[int, ...],
        severity: float | None,
        rng: np.random.Generator,
        *,
        count: int | None = None,
        kind: AgentKind | None = None,
        acting: FloatArray | None = None,
    ) -> SceneTask:
        """Write down what is known, draw how many agents there are to be, and open their slots.

        What is sampled for it, by whatever sampler and guidance, `filled` makes a layout of.

        Args:
            request: The road and the pinned agents. Where roles are to be made up, those that are
                pinned beside the ego are bystanders.
            open_roles: Slots of roles the model is to make up.
            severity: Wanted least time to collision of the ego [s], None for any.
            rng: Draws the number of background agents.
            count: That number, None to draw it.
            kind: What they are to be, None for what fits.
            acting: Tokens of a scene whose ego, roles and pinned bystanders are settled, motion
                and all, shape (A, CHANNELS); None if they are to be sampled.
        """
        opening = self._opened(request, open_roles, severity, acting)
        if count is None:
            count = draw_counts(self.model.count, [opening], [rng])[0]
        _release(request, opening, count, len(open_roles), kind)
        return SceneTask(
            batch=batch_of([opening]), frame=opening.frame, pinned_slots=opening.pinned_slots
        )

    def _opened(
        self,
        request: LayoutRequest,
        open_roles: tuple[int, ...],
        severity: float | None,
        acting: FloatArray | None,
    ) -> Opening:
        opening = open_scene(request, self.model.events, severity, pins_roles=not open_roles)
        for slot in open_roles:
            opening.release(slot)
        if acting is not None:
            settled = [*range(1 + ROLE_SLOTS), *opening.pinned_slots]
            opening.tokens[settled] = acting[settled]
            opening.known[settled] = True
        return opening


def _release(
    request: LayoutRequest, opening: Opening, count: int, roles: int, kind: AgentKind | None = None
) -> None:
    """Open the slots of background agents, as many as the request has room for."""
    room = request.agents - request.pinned.count - roles
    for slot in opening.free_slots[: max(0, min(count, room))]:
        opening.release(slot, kind)


def model_of(checkpoint: Checkpoint) -> SceneModel:
    """Build the model of a checkpoint with its weights.

    Raises:
        CheckpointError: Its family does not exist, or the weights do not fit.
    """
    if checkpoint.model not in SCENE_MODELS:
        raise CheckpointError(
            f"checkpoint: expected one of {', '.join(SCENE_MODELS)}, got {checkpoint.model!r}"
        )
    try:
        model = SCENE_MODELS[checkpoint.model].from_config(checkpoint.config)
        now = model.state_dict()
        tensors = {name: v.to(now[name].dtype) for name, v in checkpoint.tensors.items()}
        model.load_state_dict(tensors)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint of {checkpoint.model!r}: its weights or settings do not fit this version"
            f" ({error})"
        ) from error
    return model.eval()


def _cast(request: LayoutRequest, sampled: Decoded, acting: Sequence[int]) -> LayoutRequest | None:
    """Pin sampled roles after the ego, with their motion; None where they do not fit in."""
    old, others = request.pinned, slice(EGO + 1, None)
    agents = AgentStates.concatenate([old[[EGO]], sampled.agents[list(acting)], old[others]])
    hits = boxes_overlap(
        agents.position[:, None], agents.yaw[:, None], agents.size[:, None],
        agents.position, agents.yaw, agents.size,
    )  # fmt: skip
    if hits.sum() > agents.count:
        return None
    for i in acting:
        motor = AgentKind(int(sampled.agents.kind[i])).is_motor_vehicle
        parked = sampled.plans.control[i] == Control.HOLD
        if parked and not is_beside_road(request, sampled.agents.position[i]):
            return None
        if motor and not parked and not is_on_road(request, sampled.agents[[i]]):
            return None
    kept = request.plans
    plans = AgentPlans.concatenate([kept[[EGO]], sampled.plans[list(acting)], kept[others]])
    return replace(request, pinned=agents, plans=plans)
