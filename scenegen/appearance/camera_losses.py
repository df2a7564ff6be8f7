"""Losses of the camera networks, each a plain function of pictures or of a discriminator's scores.

Pictures are tones of shape (B, 3, H, W). No network here was trained on anything: features are
those of fixed random convolutions, which tell textures apart about as well (Lee et al., AAAI 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.camera_inputs import CHANNEL

SKY_WEIGHT = 0.25
"""Weight of pixels that show nothing but sky in the absolute error."""
LOW_PASS = 8
"""Edge of the squares whose means the low-pass loss compares [pixels]."""
FEATURE_SEED = 2026
"""Seed of the random features that are trained against; those of the metrics are others."""


def absolute_error(drawn: torch.Tensor, target: torch.Tensor, stack: torch.Tensor) -> torch.Tensor:
    """Mean absolute error, sky counting SKY_WEIGHT of the rest."""
    cover = stack[:, CHANNEL["sky_coverage"], None]
    weight = 1.0 - (1.0 - SKY_WEIGHT) * cover
    return (weight * (drawn - target).abs()).sum() / (3.0 * weight.sum())


def low_pass_error(drawn: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the means over squares of LOW_PASS pixels."""
    return (
        (functional.avg_pool2d(drawn, LOW_PASS) - functional.avg_pool2d(target, LOW_PASS))
        .abs()
        .mean()
    )


class RandomFeatures(nn.Module):
    """Three layers of fixed random convolutions, scaled to keep the variance (He et al. 2015)."""

    def __init__(self, seed: int = FEATURE_SEED, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        """Draw the weights from a seed."""
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = (3, *widths)
        self.layers = nn.ModuleList()
        for k, (before, after) in enumerate(pairwise(sizes)):
            layer = nn.Conv2d(before, after, 3, stride=1 if k == 0 else 2, padding=1, bias=False)
            scale = (2.0 / (9 * before)) ** 0.5
            layer.weight = nn.Parameter(
                scale * torch.randn(layer.weight.shape, generator=generator), requires_grad=False
            )
            self.layers.append(layer)

    def forward(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """Features of each layer, the finest first."""
        out, x = [], 2.0 * picture - 1.0
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
            out.append(x)
        return out


def feature_error(
    features: RandomFeatures, drawn: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Mean absolute difference of random features, the mean over their layers."""
    with torch.no_grad():
        wanted = features(target)
    pairs = zip(features(drawn), wanted, strict=True)
    return torch.stack([(a - b).abs().mean() for a, b in pairs]).mean()


def moved_error(
    here: torch.Tensor, there: torch.Tensor, motion: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """Mean absolute difference between a picture and another one, read where things moved to.

    Args:
        here: Values at each pixel, shape (B, F, H, W).
        there: Values of the other picture, alike.
        motion: Columns and rows that each pixel moves by [pixels], shape (B, 2, H, W).
        seen: Which pixels are seen in both, shape (B, H, W).
    """
    moved, inside = warped(there, motion)
    weight = (seen & inside)[:, None].to(here.dtype)
    return (weight * (here - moved).abs()).sum() / (here.shape[1] * weight.sum()).clamp_min(1.0)


def warped(there: torch.Tensor, motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Read a picture where the pixels of another one moved to, bilinear.

    Returns:
        The values, shape (B, F, H, W), and which lie inside the picture, shape (B, H, W).
    """
    height, width = there.shape[-2:]
    columns = torch.arange(width, dtype=there.dtype, device=there.device) + motion[:, 0]
    rows = torch.arange(height, dtype=there.dtype, device=there.device)[:, None] + motion[:, 1]
    inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    place = torch.stack([2.0 * columns / (width - 1) - 1.0, 2.0 * rows / (height - 1) - 1.0], -1)
    read = functional.grid_sample(there, place, align_corners=True, padding_mode="border")
    return read, inside


def relativistic(better: torch.Tensor, worse: torch.Tensor) -> torch.Tensor:
    """Mean of softplus(worse - better) (Jolicoeur-Martineau, 2018; as in R3GAN).

    The discriminator passes scores of true and drawn pictures, the generator the other way round;
    scores of equal scores cost log 2.
    """
    return functional.softplus(worse - better).mean()


def gradient_penalty(
    score: Callable[[torch.Tensor], list[torch.Tensor]], picture: torch.Tensor
) -> torch.Tensor:
    """Mean squared norm of the gradient of the scores at a picture (R1 and R2; Mescheder 2018)."""
    at = picture.detach().requires_grad_(True)
    total = torch.stack([part.mean(dim=tuple(range(1, part.ndim))).sum() for part in score(at)])
    (gradient,) = torch.autograd.grad(total.sum(), at, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def gradient_ratio(
    wanted: torch.Tensor, other: torch.Tensor, weight: torch.Tensor, share: float
) -> torch.Tensor:
    """Weight of another loss whose gradient at a weight is `share` times that of the wanted one.

    Args:
        wanted: The loss that leads.
        other: The loss to be weighed.
        weight: Parameter at which gradients are compared (Esser et al. 2021, eq. 7).
        share: Length of the other gradient over the length of the leading one.
    """
    lengths = [
        torch.autograd.grad(loss, weight, retain_graph=True)[0].norm() for loss in (wanted, other)
    ]
    return (share * lengths[0] / lengths[1].clamp_min(1e-8)).detach()


def high_pass(picture: torch.Tensor) -> torch.Tensor:
    """What a blur of 5 x 5 takes away from a picture."""
    blurred = functional.avg_pool2d(picture, 5, stride=1, padding=2, count_include_pad=False)
    return picture - blurred
