"""The discriminator of camera pictures: patches at two sizes, with a high-pass copy to look at.

Without the high-pass copy the scores stay at chance for hundreds of steps: what a regression leaves
out is fine texture, a hundredth of the contrast of the picture.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.camera_blocks import LEAK
from scenegen.appearance.camera_inputs import CHANNEL
from scenegen.appearance.camera_losses import high_pass

MAGNIFIED = 8.0
"""Factor on the high-pass copy."""
SHOWN = slice(CHANNEL["albedo_red"], CHANNEL["far"] + 1)
"""Channels of the stack that a paired discriminator sees: albedo, normal, depth."""
SCALES = 2
"""Sizes it looks at: full, and half."""


class PatchScores(nn.Module):
    """Scores of overlapping patches at one size: three strided convolutions and two more."""

    def __init__(self, channels: int, widths: tuple[int, int, int]) -> None:
        """Make the layers."""
        super().__init__()
        a, b, c = widths
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(channels, a, 4, stride=2, padding=1),
                nn.Conv2d(a, b, 4, stride=2, padding=1),
                nn.Conv2d(b, c, 4, stride=2, padding=1),
                nn.Conv2d(c, c, 3, padding=1),
            ]
        )
        self.score = nn.Conv2d(c, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Give the scores, shape (B, 1, h, w), and the features of each layer."""
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), LEAK)
            features.append(x)
        return self.score(x), features


class Discriminator(nn.Module):
    """Tells true pictures from drawn ones; with geometry beside them, or without.

    A paired one sees albedo, normal and depth of the pixels; one for real pictures, which have no
    buffers, sees the picture alone.
    """

    def __init__(self, *, paired: bool = True, widths: tuple[int, int, int] = (20, 40, 56)) -> None:
        """Make the layers of both sizes."""
        super().__init__()
        self.paired = paired
        channels = 6 + (SHOWN.stop - SHOWN.start if paired else 0)
        self.sizes = nn.ModuleList(PatchScores(channels, widths) for _ in range(SCALES))

    def forward(
        self, picture: torch.Tensor, stack: torch.Tensor | None = None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Score a picture.

        Args:
            picture: Tone, shape (B, 3, H, W).
            stack: Its inputs, shape (B, C, H, W), where the discriminator is paired.

        Returns:
            Scores of each size, shape (B, 1, h, w), and all features.
        """
        parts = [2.0 * picture - 1.0, MAGNIFIED * high_pass(picture)]
        if self.paired and stack is not None:
            parts.append(stack[:, SHOWN])
        x = torch.cat(parts, 1)
        scores, features = [], []
        for k, size in enumerate(self.sizes):
            score, inner = size(x if k == 0 else functional.avg_pool2d(x, 2))
            scores.append(score)
            features += inner
        return scores, features
