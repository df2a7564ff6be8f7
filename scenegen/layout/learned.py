"""Learned layout models behind the door of all layout models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from scenegen.arrays import BoolArray, FloatArray
from scenegen.errors import CheckpointError, ShapeError, UnknownNameError, UnsatisfiedError
from scenegen.geometry.boxes import boxes_overlap
from scenegen.layout.autoregressive import AutoregressiveModel
from scenegen.layout.condition_tokens import Condition, encode_condition
from scenegen.layout.cvae import VaeModel
from scenegen.layout.ddpm import DdpmModel
from scenegen.layout.decoding import Decoded, decode
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.flow_matching import FlowMatchingModel
from scenegen.layout.layout_gan import GanModel
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.model import Layout, LayoutModel, LayoutRequest
from scenegen.layout.normalizing_flow import FlowModel
from scenegen.layout.projection import Background, complete, is_on_road
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.standardize import GROUPS
from scenegen.layout.student import StudentModel
from scenegen.layout.tokens import (
    BIT,
    CHANNELS,
    KIND,
    MOTION,
    PRESENCE,
    ROLE_SLOTS,
    SLOTS,
    encode,
)
from scenegen.scene import EGO, AgentKind, AgentStates, Control, Scene
from scenegen.scene.plans import KNOTS
from scenegen.training import Checkpoint, load_checkpoint

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneTask:
    """What is to be sampled.

    Attributes:
        batch: One scene: what is known, and which slots are to be filled.
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (3,).
        pinned_slots: Slots of the pinned agents.
    """

    batch: SceneBatch
    frame: FloatArray
    pinned_slots: tuple[int, ...]


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
        task = self.task(request, (), None, rng)
        return self._completed(request, task, rng)

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
            found = self.staged(request, task, self._tokens(task, rng), roles, rng)
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
        sampled = decode(tokens, task.frame, request.roadmap)
        new = [i for i, slot in enumerate(sampled.slots) if int(slot) not in task.pinned_slots]
        return complete(request, sampled, new, self.background, rng)

    def staged(
        self,
        request: LayoutRequest,
        task: SceneTask,
        tokens: FloatArray,
        roles: Sequence[str],
        rng: np.random.Generator,
    ) -> Staged | None:
        """Turn sampled tokens into a scene whose roles the model made up.

        Args:
            request: The road and the ego, alone among the pinned agents.
            task: What the tokens are a sample of, with the slots of the roles open.
            tokens: Tokens of the scene, shape (A, CHANNELS).
            roles: Names of the roles, in the order of their slots.
            rng: Draws drivers.

        Returns:
            The scene, None where the roles touch somebody or are off the road.
        """
        sampled = decode(tokens, task.frame, request.roadmap)
        slots = range(1, 1 + len(roles))
        acting = [int(np.flatnonzero(sampled.slots == slot)[0]) for slot in slots]
        cast = _cast(request, sampled, acting)
        if cast is None:
            return None
        rest = [i for i, slot in enumerate(sampled.slots) if slot > ROLE_SLOTS]
        layout = complete(cast, sampled, rest, self.background, rng)
        named = {role: 1 + k for k, role in enumerate(roles)}
        return Staged(layout=layout, roles=named, tries=1)

    def _completed(
        self, request: LayoutRequest, task: SceneTask, rng: np.random.Generator
    ) -> Layout:
        return self.filled(request, task, self._tokens(task, rng), rng)

    def _tokens(self, task: SceneTask, rng: np.random.Generator) -> FloatArray:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        with one_thread():
            return self.model.sample(task.batch, generator)[0].numpy()

    def task(
        self,
        request: LayoutRequest,
        open_roles: tuple[int, ...],
        severity: float | None,
        rng: np.random.Generator,
        *,
        count: int | None = None,
        kind: AgentKind | None = None,
    ) -> SceneTask:
        """Write down what is known, draw how many agents there are to be, and open their slots.

        What is sampled for it, by whatever sampler and guidance, `filled` makes a layout of.

        Args:
            request: The road and the pinned agents.
            open_roles: Slots of roles the model is to make up.
            severity: Wanted least time to collision of the ego [s], None for any.
            rng: Draws the number of background agents.
            count: That number, None to draw it.
            kind: What they are to be, None for what fits.
        """
        tokens, known, slots, frame = _pinned_tokens(request)
        for slot in open_roles:
            tokens[slot, PRESENCE] = 1.0
            known[slot, :PRESENCE] = False
        batch = self._batch(request, tokens, known, frame, severity)
        free = [slot for slot in range(1 + ROLE_SLOTS, SLOTS) if slot not in slots]
        if count is None:
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            with one_thread():
                drawn = int(self.model.count.draw(batch, generator)[0])
            count = max(0, drawn - (SLOTS - 1 - ROLE_SLOTS - len(free)))
        room = request.agents - request.pinned.count - len(open_roles)
        for slot in free[: max(0, min(count, room))]:
            tokens[slot, PRESENCE] = 1.0
            known[slot, :PRESENCE] = False
            if kind is not None:
                tokens[slot, KIND] = -BIT
                tokens[slot, KIND.start + kind] = BIT
                known[slot, KIND] = True
        return SceneTask(
            batch=self._batch(request, tokens, known, frame, severity),
            frame=frame,
            pinned_slots=tuple(slots),
        )

    def _batch(
        self,
        request: LayoutRequest,
        tokens: FloatArray,
        known: BoolArray,
        frame: FloatArray,
        severity: float | None,
    ) -> SceneBatch:
        road = encode_map(request.roadmap, frame)
        asked = Condition(
            event=request.event if request.event in ("", *self.model.events) else None,
            severity=severity,
            light=request.conditions.light,
            weather=request.conditions.weather,
            density=request.density,
            ego_speed=float(request.pinned.speed[EGO]),
        )
        condition, given = encode_condition(asked, self.model.events)
        return SceneBatch(
            agents=torch.from_numpy(tokens.copy())[None],
            map_points=torch.from_numpy(road.points)[None],
            map_attributes=torch.from_numpy(road.attributes)[None],
            map_valid=torch.from_numpy(road.valid)[None],
            condition=torch.from_numpy(condition)[None],
            asked=torch.from_numpy(given)[None],
            known=torch.from_numpy(known.copy())[None],
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread.

    Sums over several threads depend on how many there are, and a scene would, too; one scene is
    too small for several threads to help.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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


def _pinned_tokens(
    request: LayoutRequest,
) -> tuple[FloatArray, BoolArray, list[int], FloatArray]:
    """Tokens, known channels and slots of the pinned agents, and the frame of the ego.

    Of an agent that follows its motion code, or stands, the motion is known; how others are going
    to move is decided while they do.
    """
    plans = request.plans
    scene = Scene(roadmap=request.roadmap, agents=request.pinned, conditions=request.conditions)
    knots = np.where(
        (plans.control == Control.KNOTS)[:, None, None], plans.knots, np.zeros((1, KNOTS, 2))
    )
    roles = {str(k): k for k in range(1, min(request.pinned.count, 1 + ROLE_SLOTS))}
    encoded = encode(scene, knots, knots[:, 0, 0], roles)
    settled = np.isin(plans.control, [Control.KNOTS, Control.HOLD])
    known = np.ones((SLOTS, CHANNELS), np.bool_)
    filled = np.flatnonzero(encoded.agents >= 0)
    for slot in filled.tolist():
        if not settled[encoded.agents[slot]]:
            known[slot, MOTION] = False
            known[slot, GROUPS["acceleration"]] = False
    return encoded.values, known, filled.tolist(), encoded.frame


def _cast(request: LayoutRequest, sampled: Decoded, acting: Sequence[int]) -> LayoutRequest | None:
    """Pin sampled roles beside the ego, with their motion; None where they do not fit in."""
    agents = AgentStates.concatenate([request.pinned, sampled.agents[list(acting)]])
    hits = boxes_overlap(
        agents.position[:, None], agents.yaw[:, None], agents.size[:, None],
        agents.position, agents.yaw, agents.size,
    )  # fmt: skip
    if hits.sum() > agents.count:
        return None
    for i in acting:
        motor = AgentKind(int(sampled.agents.kind[i])).is_motor_vehicle
        if motor and not is_on_road(request, sampled.agents[[i]]):
            return None
    plans = type(request.plans).concatenate([request.plans, sampled.plans[list(acting)]])
    return replace(request, pinned=agents, plans=plans)
