"""The networks of the learned lidar: a small U-Net over the range image, and its critic.

The U-Net has three levels with depthwise blocks and some 70,000 weights. Azimuth is round: columns
are padded by those of the other side, so that turning the scan turns the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.lidar_image import CHANNELS, PRESETS

STRIDE = 4
"""Columns that the coarsest level takes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarNetworkConfig:
    """Size of the U-Net.

    Attributes:
        widths: Channels of the three levels.
        critic: Channels of the critic's first level; 0 for none.
    """

    widths: tuple[int, int, int] = (24, 48, 64)
    critic: int = 24

    def __post_init__(self) -> None:
        """Check the sizes."""
        if min(self.widths) < 1 or self.critic < 0:
            raise ValueError(f"LidarNetworkConfig: expected positive widths, got {self}")


def padded(
    x: torch.Tensor, left: int, right: int, *, is_round: bool, rows: bool = True
) -> torch.Tensor:
    """Pad columns by the other side of the scan, or by repetition; rows by repetition.

    Args:
        x: Images, shape (N, C, B, A).
        left: Columns before.
        right: Columns after.
        is_round: Whether the last column is beside the first.
        rows: Whether to pad one row above and one below, too.
    """
    x = functional.pad(x, (left, right, 0, 0), mode="circular" if is_round else "replicate")
    return functional.pad(x, (0, 0, 1, 1), mode="replicate") if rows else x


class RoundConv(nn.Module):
    """A 3 x 3 convolution that keeps the size; see `padded`."""

    def __init__(self, inputs: int, outputs: int, groups: int = 1) -> None:
        """Build with fresh weights."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, groups=groups)

    def forward(self, x: torch.Tensor, is_round: bool) -> torch.Tensor:
        """Apply it."""
        return self.conv(padded(x, 1, 1, is_round=is_round))


class Block(nn.Module):
    """A residual block: depthwise 3 x 3, then two pointwise layers with GELU between."""

    def __init__(self, width: int) -> None:
        """Build with fresh weights."""
        super().__init__()
        self.spread = RoundConv(width, width, groups=width)
        self.wide = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: torch.Tensor, is_round: bool) -> torch.Tensor:
        """Apply it."""
        return x + self.narrow(functional.gelu(self.wide(self.spread(x, is_round))))


class LidarUNet(nn.Module):
    """From features of rays to the logit of a lost echo and the root of its reflectivity."""

    def __init__(self, config: LidarNetworkConfig) -> None:
        """Build with fresh weights."""
        super().__init__()
        one, two, three = config.widths
        self.preset = nn.Embedding(len(PRESETS), one)
        # One channel of noise beside the features.
        self.enter = RoundConv(len(CHANNELS) + 1, one)
        self.down = nn.ModuleList([Block(one), Block(two), Block(three)])
        self.shrink = nn.ModuleList([nn.Conv2d(one, two, 2, 2), nn.Conv2d(two, three, 2, 2)])
        self.grow = nn.ModuleList([nn.Conv2d(two, one, 1), nn.Conv2d(three, two, 1)])
        self.up = nn.ModuleList([Block(one), Block(two)])
        self.leave = nn.Conv2d(one, 2, 1)

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor, preset: torch.Tensor, is_round: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer for every ray.

        Args:
            x: Features, shape (N, len(CHANNELS), B, A).
            noise: Standard normal numbers, shape (N, 1, B, A).
            preset: Place in PRESETS, shape (N,).
            is_round: Whether the last column is beside the first.

        Returns:
            Logit that the echo is lost, and the square root of the reported reflectivity over 255,
            0-1; both of shape (N, B, A).
        """
        rows, columns = x.shape[-2:]
        both = torch.cat([x, noise], 1)
        extra_columns, extra_rows = -columns % STRIDE, -rows % STRIDE
        if extra_columns:
            both = padded(both, 0, extra_columns, is_round=is_round, rows=False)
        if extra_rows:
            both = functional.pad(both, (0, 0, 0, extra_rows), mode="replicate")
        h = self.enter(both, is_round) + self.preset(preset)[:, :, None, None]
        levels = []
        for k, block in enumerate(self.down):
            h = block(h, is_round)
            levels.append(h)
            if k < len(self.shrink):
                h = self.shrink[k](h)
        for k in (1, 0):
            finer = functional.interpolate(self.grow[k](h), scale_factor=2.0, mode="nearest")
            h = self.up[k](finer + levels[k], is_round)
        out = self.leave(h)[:, :, :rows, :columns]
        return out[:, 0], torch.sigmoid(out[:, 1])


class LidarCritic(nn.Module):
    """Tells patches of real scans from made ones, given what there was to be seen."""

    def __init__(self, width: int) -> None:
        """Build with fresh weights."""
        super().__init__()
        # Echo, range where it came back, reflectivity; solid and range of the geometry.
        sizes = (5, width, 2 * width, 2 * width)
        self.layers = nn.ModuleList([nn.Conv2d(sizes[k], sizes[k + 1], 4, 2) for k in range(3)])
        self.score = nn.Conv2d(sizes[-1], 1, 1)

    def forward(self, seen: torch.Tensor, given: torch.Tensor, is_round: bool) -> torch.Tensor:
        """Score patches of 22 x 22 rays, higher for real, shape (N, patches).

        Args:
            seen: Echo (0-1), scaled range times echo, root of reflectivity times echo,
                shape (N, 3, B, A).
            given: Features of the rays, shape (N, len(CHANNELS), B, A).
            is_round: Whether the last column is beside the first.
        """
        h = torch.cat([seen, given[:, :2]], 1)
        for layer in self.layers:
            h = functional.leaky_relu(layer(padded(h, 1, 1, is_round=is_round)), 0.2)
        return self.score(h).flatten(1)
