"""Scenes as tensors: what every learned layout model is trained on and asked to complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch

from scenegen.errors import ShapeError
from scenegen.layout.shards import CorpusBatch
from scenegen.layout.tokens import CHANNELS, POSE, PRESENCE, ROLE_SLOTS
from scenegen.scene import EGO

BLOCK = 8
"""Slots and polylines are left out in blocks of this size: matrix products of other sizes round the
rows at their ends differently, and a scene would depend on its place in the batch."""
ACTING = BLOCK
"""Slots of a scene of the ego and the roles alone: theirs, in whole blocks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneBatch:
    """B scenes of A agent slots and M polylines, with what is known and what is asked.

    A model leaves known channels as they are and fills in the others. In training all channels
    hold the truth, and those not known are what the loss is about.

    Attributes:
        agents: Agent tokens as in tokens.CHANNELS, shape (B, A, CHANNELS), float32.
        map_points: Points of polylines as in map_tokens.MapTokens, shape (B, M, P, 4), float32.
        map_attributes: Their attributes, shape (B, M, K), float32.
        map_valid: Whether the polyline is there, shape (B, M), bool.
        condition: Values as in condition_tokens, shape (B, C), float32; where nothing is asked
            they are not looked at.
        asked: Whether each value is asked, shape (B, C), bool.
        known: Whether each channel is given, shape (B, A, CHANNELS), bool.
    """

    agents: torch.Tensor
    map_points: torch.Tensor
    map_attributes: torch.Tensor
    map_valid: torch.Tensor
    condition: torch.Tensor
    asked: torch.Tensor
    known: torch.Tensor

    def __post_init__(self) -> None:
        """Check that the tensors agree on the number of scenes, slots and polylines."""
        scenes, slots = self.agents.shape[:2]
        lines, wide = self.map_valid.shape[1], self.condition.shape[1]
        wanted = {
            "agents": (scenes, slots, CHANNELS),
            "map_points": (scenes, lines, *self.map_points.shape[2:]),
            "map_attributes": (scenes, lines, *self.map_attributes.shape[2:]),
            "map_valid": (scenes, lines),
            "condition": (scenes, wide),
            "asked": (scenes, wide),
            "known": (scenes, slots, CHANNELS),
        }
        for name, shape in wanted.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise ShapeError(f"SceneBatch.{name}: expected shape {shape}, got {found}")

    def __len__(self) -> int:
        """Number of scenes B."""
        return len(self.agents)

    def __getitem__(self, key: Any) -> Self:  # noqa: ANN401 - anything torch indexes with
        """Select scenes; a single number gives a batch of one."""
        if isinstance(key, int):
            key = slice(key, key + 1) if key != -1 else slice(-1, None)
        return replace(self, **{f.name: getattr(self, f.name)[key] for f in fields(self)})

    @property
    def present(self) -> torch.Tensor:
        """Whether the token of a slot says that an agent is there, shape (B, A)."""
        return self.agents[..., PRESENCE] > 0.0

    @property
    def possible(self) -> torch.Tensor:
        """Whether a slot may hold an agent: all but those known to be empty, shape (B, A)."""
        return self.present | ~self.known[..., PRESENCE]

    def to(self, device: torch.device | str) -> Self:
        """Give the same batch on another device."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        return replace(self, **moved)

    def given(self) -> Self:
        """Give what a model may look at: unknown channels and values not asked are zero."""
        return replace(
            self,
            agents=torch.where(self.known, self.agents, 0.0),
            condition=torch.where(self.asked, self.condition, 0.0),
        )

    def trimmed(self) -> Self:
        """Leave out the last slots and polylines that are empty in every scene.

        Slots of the ego and the roles stay; what is left out is out of sight for any model.
        """
        slots = _whole(max(1 + ROLE_SLOTS, 1 + _last(self.possible)))
        lines = _whole(max(1, 1 + _last(self.map_valid)))
        cut = {name: getattr(self, name)[:, :slots] for name in ("agents", "known")}
        roads = ("map_points", "map_attributes", "map_valid")
        return replace(self, **cut, **{name: getattr(self, name)[:, :lines] for name in roads})

    def acting(self) -> Self:
        """Keep the ego and the roles alone; nobody stands in the slots that are left over."""
        agents, known = self.agents[:, :ACTING].clone(), self.known[:, :ACTING].clone()
        agents[:, 1 + ROLE_SLOTS :] = 0.0
        agents[:, 1 + ROLE_SLOTS :, PRESENCE] = -1.0
        known[:, 1 + ROLE_SLOTS :] = True
        return replace(self, agents=agents, known=known)

    @classmethod
    def concatenate(cls, parts: Sequence[SceneBatch]) -> Self:
        """Join batches along the scenes."""
        names = [f.name for f in fields(cls)]
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})

    @classmethod
    def from_corpus(
        cls, rows: CorpusBatch, condition: torch.Tensor, asked: torch.Tensor | None = None
    ) -> Self:
        """Take rows of a corpus as fresh scenes, see `known_of_fresh`.

        Args:
            rows: From CorpusReader.batch.
            condition: Their conditions, from CorpusReader.conditions, shape (B, C).
            asked: Which values are asked, shape (B, C); all if left out.
        """
        return cls(
            agents=rows.agents,
            map_points=rows.map_points,
            map_attributes=rows.map_attributes,
            map_valid=rows.map_valid,
            condition=condition,
            asked=torch.ones_like(condition, dtype=torch.bool) if asked is None else asked,
            known=known_of_fresh(rows.agents),
        )


def _whole(count: int) -> int:
    """Round up to whole BLOCKs."""
    return -(-count // BLOCK) * BLOCK


def _last(there: torch.Tensor) -> int:
    """Largest index along the second axis at which anything is there; -1 for none."""
    found = there.any(0).nonzero()
    return int(found[-1]) if len(found) else -1


def known_of_fresh(agents: torch.Tensor) -> torch.Tensor:
    """Give the mask of a scene of which only the number of agents is fixed.

    Known is who is there, what an empty slot holds, and where the ego is in its own frame.

    Args:
        agents: Agent tokens, shape (B, A, CHANNELS).

    Returns:
        Known channels, shape (B, A, CHANNELS), bool.
    """
    known = (agents[..., PRESENCE] <= 0.0).unsqueeze(-1).expand(agents.shape).clone()
    known[..., PRESENCE] = True
    known[:, EGO, POSE] = True
    return known
