"""How many background agents a scene has: p(N | road, condition), learned beside every model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from scenegen.layout.map_tokens import ATTRIBUTES
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import ROLE_SLOTS, SLOTS
from scenegen.scene import LaneKind

RANGES = (0.5, 1.0, 2.0, 3.0)
"""Radii within which road length counts [units of tokens.POSITION_SCALE]."""
WIDTH = 64
LEAST_ROWS = 8
"""Scenes that are looked at together at least."""
LENGTH_SCALE = 4.0
"""Road lengths are in units of this many tokens.POSITION_SCALE: 200 m."""


class AgentCount(nn.Module):
    """Categorical distribution of the number of background agents, 0 to SLOTS - 1 - ROLE_SLOTS.

    It looks at the length of lanes of each kind within some radii, at the mean speed limit, and
    at the condition.
    """

    def __init__(self, condition: int) -> None:
        """Build for conditions of C = `condition` values."""
        super().__init__()
        self.most = SLOTS - 1 - ROLE_SLOTS
        size = len(RANGES) * len(LaneKind) + ATTRIBUTES + 2 * condition + ROLE_SLOTS
        self.layers = nn.Sequential(
            nn.Linear(size, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(),
            nn.Linear(WIDTH, self.most + 1),
        )  # fmt: skip

    def forward(self, batch: SceneBatch) -> torch.Tensor:
        """Give the logits of 0, 1, ... background agents, shape (B, most + 1)."""
        points, valid = batch.map_points, batch.map_valid
        piece = (points[:, :, 1:, :2] - points[:, :, :-1, :2]).norm(dim=-1)
        middle = 0.5 * (points[:, :, 1:, :2] + points[:, :, :-1, :2]).norm(dim=-1)
        kind = batch.map_attributes[..., : len(LaneKind)] * valid[..., None]
        lengths = [
            torch.einsum("bm,bmk->bk", (piece * (middle < radius)).sum(-1), kind)
            for radius in RANGES
        ]
        count = valid.sum(1, keepdim=True).clamp(min=1)
        mean = (batch.map_attributes * valid[..., None]).sum(1) / count
        given = batch.given()
        roles = given.present[:, 1 : 1 + ROLE_SLOTS]
        features = [*(x / LENGTH_SCALE for x in lengths), mean, given.condition, batch.asked, roles]
        return self.layers(torch.cat([x.float() for x in features], -1))

    def loss(self, batch: SceneBatch) -> torch.Tensor:
        """Negative log-likelihood of the number of background agents [nats], a scalar."""
        found = batch.present[:, 1 + ROLE_SLOTS :].sum(1).clamp(max=self.most)
        return functional.cross_entropy(self(batch), found)

    @torch.no_grad()
    def draw(self, batch: SceneBatch, generators: Sequence[torch.Generator]) -> list[int]:
        """Draw a number of background agents per scene, whatever batch it is in.

        Args:
            batch: B scenes.
            generators: One for each, on the CPU.
        """
        # Matrix products of few rows round them differently.
        many = -(-LEAST_ROWS // len(batch))
        whole = SceneBatch.concatenate([batch] * many) if many > 1 else batch
        chance = self(whole).softmax(-1)[: len(batch)].double().cumsum(-1).cpu()
        drawn = torch.stack([torch.rand(1, generator=g, dtype=torch.double) for g in generators])
        return (drawn * chance[:, -1:] > chance).sum(-1).tolist()
