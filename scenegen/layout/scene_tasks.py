"""What is to be sampled, written down: known tokens, the road, the condition, open slots.

Many scenes are laid out at once: their arrays are stacked before they become tensors, and the
numbers of agents of all are drawn in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from scenegen.arrays import BoolArray, FloatArray
from scenegen.layout.agent_count import AgentCount
from scenegen.layout.condition_tokens import Condition, encode_condition
from scenegen.layout.map_tokens import MapTokens, encode_map
from scenegen.layout.model import LayoutRequest
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.standardize import GROUPS
from scenegen.layout.tokens import BIT, CHANNELS, KIND, MOTION, PRESENCE, ROLE_SLOTS, SLOTS, encode
from scenegen.scene import EGO, AgentKind, Control, Scene
from scenegen.scene.plans import KNOTS


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


class Opening(NamedTuple):
    """A scene being written down; `tokens` and `known` are changed while it is.

    Attributes:
        tokens: Tokens, shape (SLOTS, CHANNELS), float32.
        known: Which channels are given, shape (SLOTS, CHANNELS).
        pinned_slots: Slots of the pinned agents.
        frame: As in SceneTask.
        road: The road around the ego.
        condition: As in SceneBatch, shape (C,).
        asked: As in SceneBatch, shape (C,).
    """

    tokens: FloatArray
    known: BoolArray
    pinned_slots: tuple[int, ...]
    frame: FloatArray
    road: MapTokens
    condition: FloatArray
    asked: BoolArray

    @property
    def free_slots(self) -> list[int]:
        """Slots of the background that no pinned agent has."""
        return [slot for slot in range(1 + ROLE_SLOTS, SLOTS) if slot not in self.pinned_slots]

    def release(self, slot: int, kind: AgentKind | None = None) -> None:
        """Say that somebody is in a slot whom the model is to make up, of a kind or of any."""
        self.tokens[slot, PRESENCE] = 1.0
        self.known[slot, :PRESENCE] = False
        if kind is not None:
            self.tokens[slot, KIND] = -BIT
            self.tokens[slot, KIND.start + kind] = BIT
            self.known[slot, KIND] = True


def open_scene(
    request: LayoutRequest,
    events: Sequence[str],
    severity: float | None,
    *,
    pins_roles: bool = True,
) -> Opening:
    """Write down what a request fixes.

    Of an agent that follows its motion code, or stands, the motion is known; how others are going
    to move is decided while they do.

    Args:
        request: The road and the pinned agents.
        events: Event families of the model's condition.
        severity: Wanted least time to collision of the ego [s], None for any.
        pins_roles: Whether the first pinned agents after the ego play the roles of the event;
            else they are bystanders.
    """
    pinned, plans = request.pinned, request.plans
    scene = Scene(roadmap=request.roadmap, agents=pinned, conditions=request.conditions)
    settled = (plans.control == Control.KNOTS) | (plans.control == Control.HOLD)
    knots = np.zeros((pinned.count, KNOTS, 2))
    coded = plans.control == Control.KNOTS
    knots[coded] = plans.knots[coded]
    acting = min(pinned.count, 1 + ROLE_SLOTS) if pins_roles else 1
    roles = {str(k): k for k in range(1, acting)}
    encoded = encode(scene, knots, knots[:, 0, 0], roles)
    known = np.ones((SLOTS, CHANNELS), np.bool_)
    filled = np.flatnonzero(encoded.agents >= 0).tolist()
    for slot in filled:
        if not settled[encoded.agents[slot]]:
            known[slot, MOTION] = False
            known[slot, GROUPS["acceleration"]] = False
    asked = Condition(
        event=request.event if request.event in ("", *events) else None,
        severity=severity,
        light=request.conditions.light,
        weather=request.conditions.weather,
        density=request.density,
        ego_speed=float(pinned.speed[EGO]),
    )
    road = encode_map(request.roadmap, encoded.frame)
    return Opening(
        encoded.values, known, tuple(filled), encoded.frame, road,
        *encode_condition(asked, events),
    )  # fmt: skip


def batch_of(openings: Sequence[Opening]) -> SceneBatch:
    """Stack scenes as tensors of their own."""

    def stacked(arrays: Iterator[FloatArray | BoolArray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(list(arrays)))

    return SceneBatch(
        agents=stacked(o.tokens for o in openings),
        map_points=stacked(o.road.points for o in openings),
        map_attributes=stacked(o.road.attributes for o in openings),
        map_valid=stacked(o.road.valid for o in openings),
        condition=stacked(o.condition for o in openings),
        asked=stacked(o.asked for o in openings),
        known=stacked(o.known for o in openings),
    )


def draw_counts(
    model: AgentCount, openings: Sequence[Opening], rngs: Sequence[np.random.Generator]
) -> list[int]:
    """Draw how many background agents each scene is to have beside the pinned ones."""
    generators = [torch.Generator().manual_seed(int(rng.integers(2**62))) for rng in rngs]
    with one_thread():
        drawn = model.draw(batch_of(openings), generators)
    most = SLOTS - 1 - ROLE_SLOTS
    return [
        max(0, number - (most - len(opening.free_slots)))
        for number, opening in zip(drawn, openings, strict=True)
    ]


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
