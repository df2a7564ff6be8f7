"""Token channels brought to zero mean and unit deviation, group by group."""

from __future__ import annotations

import torch
from torch import nn

from scenegen.layout.tokens import BOX, CHANNELS, DYNAMICS, KIND, MOTION, POSE, PRESENCE
from scenegen.scene import EGO
from scenegen.scene.plans import KNOTS

GROUPS: dict[str, slice] = {
    "position": slice(POSE.start, POSE.start + 2),
    "heading": slice(POSE.start + 2, POSE.stop),
    "speed": slice(DYNAMICS.start, DYNAMICS.start + 1),
    "acceleration": slice(DYNAMICS.start + 1, DYNAMICS.stop),
    "acceleration_knots": slice(MOTION.start, MOTION.start + KNOTS),
    "yaw_rate_knots": slice(MOTION.start + KNOTS, MOTION.stop),
    "box": BOX,
    "kind": KIND,
}
"""Channels that share a deviation, so that neither a rare kind nor a direction on the ground is
blown up. Presence is +-1 already."""
LEAST_SPREAD = 1e-3
"""Least deviation: a corpus of one scene has none."""


class Standardizer(nn.Module):
    """Affine map of every channel; identity until it is fitted.

    Attributes:
        mean: Mean per channel, shape (CHANNELS,); zero for positions, headings and presence.
        spread: Deviation per channel, shape (CHANNELS,).
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self) -> None:
        """Start as the identity."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("spread", torch.ones(CHANNELS))

    @torch.no_grad()
    def fit(self, agents: torch.Tensor) -> None:
        """Take mean and deviation of the agents that are present.

        The ego's pose, always the same, does not count.

        Args:
            agents: Agent tokens of a corpus, shape (B, A, CHANNELS).
        """
        there = agents[..., PRESENCE] > 0.0
        others = there.clone()
        others[:, EGO] = False
        for name, channels in GROUPS.items():
            placed = name in {"position", "heading"}
            values = agents[others if placed else there][:, channels].double()
            mean = torch.zeros(values.shape[1]) if placed else values.mean(0)
            deviation = (values - mean).square().mean().sqrt() if len(values) else torch.ones(())
            self.mean[channels] = mean.to(self.mean)
            self.spread[channels] = max(float(deviation), LEAST_SPREAD)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Standardise tokens (..., CHANNELS)."""
        return (tokens - self.mean) / self.spread

    def inverse(self, values: torch.Tensor) -> torch.Tensor:
        """Give tokens from standardised values (..., CHANNELS)."""
        return values * self.spread + self.mean
