"""Samplers of diffusion models: deterministic ones, and one whose every step is a Gaussian.

They know nothing of scenes: a denoiser gives the estimate of the clean data at a noise level, and
once more as it is steered by guidance. The log-ratio of the two path densities is exact for the
stochastic sampler, so that what guidance makes frequent can be weighted back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch


class Estimate(NamedTuple):
    """A denoised estimate.

    Attributes:
        base: That of the model, shape (B, ...).
        steered: That after guidance, the same tensor where there is none.
    """

    base: torch.Tensor
    steered: torch.Tensor


Denoise = Callable[[torch.Tensor, float], Estimate]
"""Estimate of the clean data from noisy data (B, ...) at a noise level."""


class SceneNoise:
    """Standard normal numbers, for each scene from a stream of its own."""

    def __init__(self, seeds: Sequence[int], slots: int = 0) -> None:
        """Start the streams of the scenes of a batch.

        Args:
            seeds: Seed of each scene.
            slots: Rows drawn at a time, however few of them are taken: what a scene gets does not
                depend on how many rows its batch needs. 0 to draw just those.
        """
        self.streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.slots = slots

    def draw(self, shape: Sequence[int]) -> torch.Tensor:
        """Give noise of shape (B, *shape)."""
        rows, *rest = shape
        full = (max(rows, self.slots), *rest)
        return torch.stack([torch.randn(*full, generator=s)[:rows] for s in self.streams])


def sample_heun(denoise: Denoise, x: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Second-order reference sampler (Karras et al. 2022, algorithm 1); 2 passes per step.

    Args:
        denoise: The denoiser.
        x: Noise of deviation sigmas[0], shape (B, ...).
        sigmas: Falling levels, the last zero, shape (steps + 1,).
    """
    levels = sigmas.tolist()
    for now, after in itertools.pairwise(levels):
        slope = (x - denoise(x, now).steered) / now
        moved = x + (after - now) * slope
        if after > 0.0:
            again = (moved - denoise(moved, after).steered) / after
            moved = x + (after - now) * 0.5 * (slope + again)
        x = moved
    return x


def sample_ddim(denoise: Denoise, x: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """First-order deterministic sampler, one pass per step (DDIM, Song et al. 2021).

    Args:
        denoise: The denoiser.
        x: Noise of deviation sigmas[0], shape (B, ...).
        sigmas: Falling levels, the last zero, shape (steps + 1,).
    """
    for now, after in itertools.pairwise(sigmas.double().tolist()):
        found = denoise(x, now).steered
        x = found + (after / now) * (x - found)
    return x


def sample_dpm(denoise: Denoise, x: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """DPM-Solver++(2M), data prediction, one pass per step (Lu et al. 2022, algorithm 2).

    Args:
        denoise: The denoiser.
        x: Noise of deviation sigmas[0], shape (B, ...).
        sigmas: Falling levels, the last zero, shape (steps + 1,).
    """
    levels = sigmas.double()
    last: torch.Tensor | None = None
    for k in range(len(levels) - 1):
        now, after = float(levels[k]), float(levels[k + 1])
        found = denoise(x, now).steered
        if after == 0.0:
            return found
        step = float(torch.log(levels[k] / levels[k + 1]))
        aim = found
        if last is not None:
            ratio = float(torch.log(levels[k - 1] / levels[k])) / step
            aim = (1.0 + 0.5 / ratio) * found - (0.5 / ratio) * last
        share = after / now
        x = share * x + (1.0 - share) * aim
        last = found
    return x


def sample_ancestral(
    denoise: Denoise,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    noise: SceneNoise,
    follows: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stochastic sampler whose steps are the Gaussian posteriors of the noising process.

    A step goes to N(x0 + (after/now)^2 (x - x0), after^2 (1 - after^2/now^2)) with the estimate
    x0 (the DDPM posterior of Ho et al. 2020 in the variance-exploding form of Song et al. 2021).
    Base and steered steps differ in the mean alone, so the log-ratio of the probability density of
    the sampled path under the base model to that under the steered one is a sum of differences of
    squares. The last step, to zero, is no random step: it is the base estimate for both.

    Scenes that do not follow the steered chain are drawn by the base one, and their log-ratio tells
    how likely the steered one would have been to draw them: what a mixture of both needs.

    Args:
        denoise: The denoiser.
        x: Noise of deviation sigmas[0], shape (B, ...).
        sigmas: Falling levels, the last zero, shape (steps + 1,).
        noise: Streams of the scenes.
        follows: Which scenes follow the steered chain, shape (B,), bool; all if left out.

    Returns:
        Samples, shape (B, ...), and log p_base(path) - log p_steered(path), shape (B,), float64:
        the log importance weight under the base sampler.
    """
    log_weight = torch.zeros(len(x), dtype=torch.float64)
    levels = sigmas.double().tolist()
    led = torch.ones(len(x), dtype=torch.bool) if follows is None else follows.cpu()
    chosen = led.to(x.device).view(-1, *[1] * (x.dim() - 1))
    sign = torch.where(led, -0.5, 0.5).double()
    for now, after in itertools.pairwise(levels):
        found = denoise(x, now)
        if after == 0.0:
            return found.base, log_weight
        share = (after / now) ** 2
        deviation = after * (1.0 - share) ** 0.5
        drawn = noise.draw(x.shape[1:]).to(x)
        aim = torch.where(chosen, found.steered, found.base)
        x = aim + share * (x - aim) + deviation * drawn
        if found.steered is not found.base:
            moved = ((1.0 - share) / deviation) * (found.steered - found.base).double().cpu()
            seen = drawn.double().cpu()
            cross = (moved * seen).flatten(1).sum(1)
            log_weight += sign * moved.square().flatten(1).sum(1) - cross
    return x, log_weight


def mixture_log_weight(log_ratio: torch.Tensor, unguided: float) -> torch.Tensor:
    """Log weight of paths that are drawn with guidance or, with a probability, without.

    With p without and q with guidance, and the share a drawn from p, a path counts
    p / (a p + (1 - a) q), whichever of both drew it: at most 1 / a (Owen & Zhou 2000).

    Args:
        log_ratio: log p - log q of each path, any shape.
        unguided: The share a, at least 0 and below 1.
    """
    if unguided == 0.0:
        return log_ratio
    rest = math.log1p(-unguided) - log_ratio
    return -torch.logaddexp(torch.full_like(rest, math.log(unguided)), rest)
