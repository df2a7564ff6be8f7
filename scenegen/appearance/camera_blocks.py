"""Building blocks of the camera networks: convolutions without normalisation, modulated per pixel.

A block never looks beyond its picture, so that a picture comes out the same alone or in a batch.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

LEAK = 0.2
"""Slope of the activation below zero (as in R3GAN, Huang et al. 2024)."""
GENTLE = 0.3
"""Factor on the first weights of the last layer of a block, so that deep stacks start calm."""


class ModulatedBlock(nn.Module):
    """Depthwise 5x5, modulation, two 1x1: a ConvNeXt block (Liu et al. 2022) without its norm.

    The modulation is h (1 + g(maps) + g(code)) + b(maps): 1x1 convolutions of the G-buffer maps in
    place of SPADE's 3x3 (Park et al. 2019), and one gain per channel from the code.
    """

    def __init__(self, width: int, maps: int, code: int, expansion: int = 2) -> None:
        """Make the layers; `maps` and `code` are the numbers of their channels."""
        super().__init__()
        self.spread = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.of_maps = nn.Conv2d(maps, 2 * width, 1)
        self.of_code = nn.Linear(code, width)
        self.widen = nn.Conv2d(width, expansion * width, 1)
        self.narrow = nn.Conv2d(expansion * width, width, 1)
        with torch.no_grad():
            for layer in (self.of_maps, self.of_code, self.narrow):
                layer.weight.mul_(GENTLE)
                if layer.bias is not None:
                    layer.bias.zero_()

    def forward(self, x: torch.Tensor, maps: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Add the block's change to x (B, width, H, W); maps (B, maps, H, W), code (B, code)."""
        gain, shift = self.of_maps(maps).chunk(2, 1)
        gain = gain + self.of_code(code)[:, :, None, None]
        h = self.spread(x) * (1.0 + gain) + shift
        out: torch.Tensor = x + self.narrow(functional.leaky_relu(self.widen(h), LEAK))
        return out


class Levels(nn.Module):
    """A U-Net of modulated blocks over pictures whose sides are multiples of 2^(levels - 1)."""

    def __init__(
        self, widths: tuple[int, ...], maps: int, code: int, depth: tuple[int, ...]
    ) -> None:
        """Make encoder and decoder.

        Args:
            widths: Channels of each level, the finest first.
            maps: Channels of the modulating maps.
            code: Numbers of the code.
            depth: Blocks of each level on the way down, and again on the way up.
        """
        super().__init__()
        pairs = list(pairwise(widths))
        levels = list(zip(widths, depth, strict=True))
        self.down = nn.ModuleList(_blocks(w, maps, code, n) for w, n in levels)
        self.up = nn.ModuleList(_blocks(w, maps, code, n) for w, n in levels[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairs)
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)

    def forward(self, x: torch.Tensor, maps: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Transform x (B, widths[0], H, W) under maps (B, maps, H, W) and code (B, code)."""
        pyramid, skips = [maps], []
        for level, blocks in enumerate(self.down):
            if level > 0:
                skips.append(x)
                x = self.shrink[level - 1](x)
                pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, pyramid[level], code)
        for level in reversed(range(len(skips))):
            x = functional.interpolate(self.grow[level](x), scale_factor=2.0, mode="nearest")
            x = x + skips[level]
            for block in self.up[level]:  # type: ignore[attr-defined]
                x = block(x, pyramid[level], code)
        return x


def _blocks(width: int, maps: int, code: int, depth: int) -> nn.ModuleList:
    return nn.ModuleList(ModulatedBlock(width, maps, code) for _ in range(depth))
