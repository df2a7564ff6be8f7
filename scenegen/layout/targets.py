"""What scene models are judged by, whatever their family: clean channels, which count, and how."""

from __future__ import annotations

import torch

from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_losses import overlap_depth, rollout_error
from scenegen.layout.standardize import GROUPS, Standardizer
from scenegen.layout.tokens import CHANNELS, PRESENCE

EMPHASIS = {"position": 4.0, "heading": 2.0}
"""Weight of squared errors of a group of channels; that of the others is 1."""


def emphasis() -> torch.Tensor:
    """Give the weight of each channel, shape (CHANNELS,)."""
    weight = torch.ones(CHANNELS)
    for name, value in EMPHASIS.items():
        weight[GROUPS[name]] = value
    return weight


def clean_tokens(scale: Standardizer, batch: SceneBatch) -> torch.Tensor:
    """Give standardised tokens (B, A, CHANNELS); what lies in empty slots is zero."""
    clean = torch.where(batch.present[..., None], scale(batch.agents), 0.0)
    clean[..., PRESENCE] = batch.agents[..., PRESENCE]
    return clean


def counted(batch: SceneBatch) -> torch.Tensor:
    """Say which channels a loss is about, shape (B, A, CHANNELS).

    Those not known of agents that are there, and presence wherever it is not known.
    """
    counts = ~batch.known & batch.present[..., None]
    counts[..., PRESENCE] = ~batch.known[..., PRESENCE]
    return counts


def scene_loss(
    batch: SceneBatch, tokens: torch.Tensor, scale: torch.Tensor, fine: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the losses of decoded estimates: where motion leads, and boxes that overlap.

    Args:
        batch: The truth.
        tokens: Estimates of it, shape (B, A, CHANNELS).
        scale: Distance at which errors of places turn linear [m], shape (B,).
        fine: Whether the boxes of a scene are certain enough to be judged, shape (B,).

    Returns:
        Mean rollout error, and mean depth of overlaps beyond those of the truth [m].
    """
    moving = batch.present & (~batch.known[..., :PRESENCE]).any(-1)
    error = rollout_error(tokens, batch.agents, scale[:, None].expand(batch.present.shape))
    rollout = torch.where(moving, error, 0.0).sum() / moving.sum().clamp(min=1)
    depth = overlap_depth(tokens, batch.present) - overlap_depth(batch.agents, batch.present)
    judged = fine[:, None, None] & moving[..., None]
    deep = torch.where(judged, depth.clamp(min=0.0), 0.0).sum() / judged.sum().clamp(min=1)
    return rollout, deep
