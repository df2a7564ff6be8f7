"""Other ways to draw the same pictures, of about the same size, to be judged in one table.

All take what the generator takes and give what it gives. They are re-built in small from their
papers: none corrects a base, so each has to draw the whole picture.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.camera_blocks import LEAK
from scenegen.appearance.camera_condition import CONDITION_NAMES
from scenegen.appearance.camera_generator import STYLE_SIZE
from scenegen.appearance.camera_inputs import CHANNELS

CODES = len(CONDITION_NAMES) + STYLE_SIZE
"""Numbers of condition and style together."""


class Pix2Pix(nn.Module):
    """A U-Net of strided convolutions with instance norms (Isola et al. 2017).

    The dropout that stands for its noise is left out: a picture would change from call to call.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 52, 72)) -> None:
        """Make the layers."""
        super().__init__()
        channels = (len(CHANNELS) + CODES, *widths)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels)
        )
        wide = [widths[-1], *(2 * w for w in widths[-2::-1])]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)
            for a, b in zip(wide, [*widths[-2::-1], 3], strict=True)
        )

    def forward(
        self, stack: torch.Tensor, condition: torch.Tensor, style: torch.Tensor
    ) -> torch.Tensor:
        """Draw a picture; see CameraGenerator."""
        x = _spread(stack, condition, style)
        skips = []
        for k, layer in enumerate(self.down):
            x = layer(x if k == 0 else functional.leaky_relu(x, LEAK))
            x = functional.instance_norm(x) if k > 0 else x
            skips.append(x)
        for k, layer in enumerate(self.up):
            x = x if k == 0 else torch.cat([x, skips[-1 - k]], 1)
            x = layer(functional.relu(x))
            if k < len(self.up) - 1:
                x = functional.instance_norm(x)
        return 0.5 + 0.5 * torch.tanh(x)


class SpadeNorm(nn.Module):
    """Instance norm with gain and shift drawn from the buffers (Park et al. 2019, eq. 1)."""

    def __init__(self, width: int, hidden: int) -> None:
        """Make the layers."""
        super().__init__()
        self.shared = nn.Conv2d(len(CHANNELS), hidden, 3, padding=1)
        self.modulate = nn.Conv2d(hidden, 2 * width, 3, padding=1)

    def forward(self, x: torch.Tensor, stack: torch.Tensor) -> torch.Tensor:
        """Normalise x and modulate it by the stack, which is as large."""
        gain, shift = self.modulate(functional.relu(self.shared(stack))).chunk(2, 1)
        out: torch.Tensor = functional.instance_norm(x) * (1.0 + gain) + shift
        return out


class Spade(nn.Module):
    """A decoder whose norms are modulated by the buffers at every size (Park et al. 2019)."""

    def __init__(self, widths: tuple[int, ...] = (104, 72, 44, 24, 12), hidden: int = 16) -> None:
        """Make the layers; `widths` from the sixteenth of the size upwards."""
        super().__init__()
        self.widths = widths
        self.first = nn.Linear(CODES, widths[0])
        pairs = list(pairwise((*widths, widths[-1])))
        self.norms = nn.ModuleList(SpadeNorm(a, hidden) for a, _ in pairs)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.last = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(
        self, stack: torch.Tensor, condition: torch.Tensor, style: torch.Tensor
    ) -> torch.Tensor:
        """Draw a picture; see CameraGenerator."""
        pyramid = [stack]
        for _ in self.widths[1:]:
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
        code = self.first(torch.cat([condition, style], 1))[:, :, None, None]
        x = code.expand(-1, -1, *pyramid[-1].shape[-2:])
        for k, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            if k > 0:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(functional.leaky_relu(norm(x, pyramid[-1 - k]), LEAK))
        return 0.5 + 0.5 * torch.tanh(self.last(functional.leaky_relu(x, LEAK)))


class BlurryVae(nn.Module):
    """A conditional variational autoencoder with a narrow waist: a control that must look blurred.

    The waist is an eighth of the size, without any way around it (Kingma and Welling, 2014). What
    goes through it is expected from the stack, as by Sohn et al. (2015): with a prior that knows
    nothing, the picture of its mean is no picture at all.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 80), waist: int = 8) -> None:
        """Make encoder, prior, posterior and decoder."""
        super().__init__()
        self.waist = waist
        self.encode = _tower(len(CHANNELS) + CODES, widths)
        self.expect = nn.Conv2d(widths[-1], 2 * waist, 1)
        self.observe = _tower(3, (*widths[:2], 2 * waist))
        sizes = (widths[-1] + waist, *widths[::-1])
        self.decode = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sizes))
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(
        self, stack: torch.Tensor, condition: torch.Tensor, style: torch.Tensor
    ) -> torch.Tensor:
        """Draw the picture of the mean of the prior."""
        seen = _through(self.encode, _spread(stack, condition, style))
        return self._decoded(seen, self.expect(seen)[:, : self.waist])

    def reconstruct(
        self,
        stack: torch.Tensor,
        condition: torch.Tensor,
        style: torch.Tensor,
        target: torch.Tensor,
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a picture whose target is known, for training.

        Returns:
            The picture, and the mean divergence of the posterior from the prior [nat / number].
        """
        seen = _through(self.encode, _spread(stack, condition, style))
        mean, spread = _through(self.observe, target).chunk(2, 1)
        wanted, wide = self.expect(seen).chunk(2, 1)
        spread, wide = spread.clamp(-8.0, 8.0), wide.clamp(-8.0, 8.0)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        z = mean + noise * torch.exp(0.5 * spread)
        apart = (mean - wanted).square() * torch.exp(-wide)
        divergence = 0.5 * (apart + torch.exp(spread - wide) - 1.0 + wide - spread).mean()
        return self._decoded(seen, z), divergence

    def _decoded(self, seen: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        x = torch.cat([seen, z], 1)
        for layer in self.decode:
            x = functional.leaky_relu(layer(x), LEAK)
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return 0.5 + 0.5 * torch.tanh(self.last(x))


def _tower(channels: int, widths: tuple[int, ...]) -> nn.ModuleList:
    """Strided convolutions, each halving the size."""
    sizes = (channels, *widths)
    return nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(sizes))


def _through(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    for k, layer in enumerate(layers):
        x = layer(x if k == 0 else functional.leaky_relu(x, LEAK))
    return x


def _spread(stack: torch.Tensor, condition: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Join condition and style to the stack, the same at every pixel."""
    code = torch.cat([condition, style], 1)[:, :, None, None]
    return torch.cat([stack, code.expand(-1, -1, *stack.shape[-2:])], 1)
