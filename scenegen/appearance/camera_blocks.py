"""Building blocks of the camera networks: convolutions without normalisation.

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


class Block(nn.Module):
    """Depthwise 5x5 and two 1x1: a ConvNeXt block (Liu et al. 2022) without its norm.

    With maps it is modulated: h g(maps) + b(maps) after the depthwise layer, 1x1 convolutions in
    place of SPADE's 3x3 (Park et al. 2019). Gain and shift are layers of their own, and nothing is
    activated after a sum: ONNX Runtime keeps such blocks in its blocked layout, and folds every
    sum into a convolution.
    """

    def __init__(self, width: int, maps: int = 0, expansion: int = 2) -> None:
        """Make the layers; `maps` is the number of channels of the maps, 0 for none."""
        super().__init__()
        self.spread = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.gain = nn.Conv2d(maps, width, 1) if maps else None
        self.shift = nn.Conv2d(maps, width, 1) if maps else None
        self.widen = nn.Conv2d(width, expansion * width, 1)
        self.narrow = nn.Conv2d(expansion * width, width, 1)
        with torch.no_grad():
            for layer, bias in ((self.gain, 1.0), (self.shift, 0.0), (self.narrow, 0.0)):
                if layer is not None and layer.bias is not None:
                    layer.weight.mul_(GENTLE)
                    layer.bias.fill_(bias)

    def forward(self, x: torch.Tensor, maps: torch.Tensor | None = None) -> torch.Tensor:
        """Add the block's change to x (B, width, H, W); maps (B, maps, H, W)."""
        h = self.spread(x)
        if maps is not None and self.gain is not None and self.shift is not None:
            h = h * self.gain(maps) + self.shift(maps)
        out: torch.Tensor = x + self.narrow(functional.leaky_relu(self.widen(h), LEAK))
        return out


class Levels(nn.Module):
    """A U-Net of modulated blocks over pictures whose sides are multiples of 2^(levels - 1)."""

    def __init__(self, widths: tuple[int, ...], maps: int, depth: tuple[int, ...]) -> None:
        """Make encoder and decoder.

        Args:
            widths: Channels of each level, the finest first.
            maps: Channels of the modulating maps.
            depth: Blocks of each level on the way down, and again on the way up.
        """
        super().__init__()
        pairs = list(pairwise(widths))
        levels = list(zip(widths, depth, strict=True))
        self.down = nn.ModuleList(_blocks(w, maps, n) for w, n in levels)
        self.up = nn.ModuleList(_blocks(w, maps, n) for w, n in levels[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairs)
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)

    def forward(self, x: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        """Transform x (B, widths[0], H, W) under maps (B, maps, H, W)."""
        pyramid, skips = [maps], []
        for level, blocks in enumerate(self.down):
            if level > 0:
                skips.append(x)
                x = self.shrink[level - 1](x)
                pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, pyramid[level])
        for level in reversed(range(len(skips))):
            x = functional.interpolate(self.grow[level](x), scale_factor=2.0, mode="nearest")
            x = x + skips[level]
            for block in self.up[level]:  # type: ignore[attr-defined]
                x = block(x, pyramid[level])
        return x


def _blocks(width: int, maps: int, depth: int) -> nn.ModuleList:
    return nn.ModuleList(Block(width, maps) for _ in range(depth))
