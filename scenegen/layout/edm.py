"""Noise levels and preconditioning of diffusion models as in EDM (Karras et al. 2022).

Data are standardised, so that sigma_data is 1. Channels that are known have no noise: the mask
that says which they are is an input of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

SIGMA_DATA = 1.0
"""Deviation of the standardised data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseConfig:
    """Noise levels in training and sampling, in units of the standardised data.

    One unit of position is some 50 m, so that placing a car to 0.1 m takes levels down to 0.005;
    the last step goes on to zero, and lower levels would cost steps that those above need.
    Training looks at lower levels than for pictures (there P_mean is -1.2 at sigma_data 0.5).
    Sampling begins at 5, with the deviation that noisy data have there: begun at 20, the 8 steps
    are so wide that the deviation of Gaussian data comes out 16 % too large, from 5 on 10 %.

    Attributes:
        mean: Mean of log sigma in training (P_mean).
        deviation: Its deviation (P_std).
        least: Last noise level above zero in sampling (sigma_min).
        most: First noise level in sampling (sigma_max).
        rho: Exponent of the levels between them; larger puts more of them low.
    """

    mean: float = -1.6
    deviation: float = 1.7
    least: float = 0.005
    most: float = 5.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (0.0 < self.least < self.most and self.deviation > 0.0 and self.rho > 0.0):
            raise ValueError(f"NoiseConfig: expected 0 < least < most and the like, got {self}")


def preconditioning(
    sigma: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give c_skip, c_out, c_in and c_noise (Karras et al. 2022, table 1).

    The denoised estimate is c_skip x + c_out F(c_in x; c_noise).
    """
    total = sigma.square() + SIGMA_DATA**2
    skip = SIGMA_DATA**2 / total
    out = sigma * SIGMA_DATA / total.sqrt()
    return skip, out, total.rsqrt(), 0.25 * sigma.log()


def draw_sigma(config: NoiseConfig, scenes: int, generator: torch.Generator) -> torch.Tensor:
    """Draw training noise levels, log-normal and stratified over the batch, shape (B,).

    One uniform number shifts B equal strata of the distribution: every batch covers all levels,
    which makes the loss less noisy (as in variational diffusion models, Kingma et al. 2021).
    """
    shift = torch.rand((), generator=generator)
    place = (torch.arange(scenes) + shift) / scenes
    order = torch.randperm(scenes, generator=generator)
    place = place[order].clamp(1e-4, 1.0 - 1e-4)
    return (config.mean + config.deviation * torch.special.ndtri(place)).exp()


def sampling_sigmas(config: NoiseConfig, steps: int) -> torch.Tensor:
    """Give the noise levels of a sampler, falling to zero (Karras et al. 2022, eq. 5).

    Args:
        config: The range of levels.
        steps: Number of steps, at least 1.

    Returns:
        Levels, shape (steps + 1,), float64; the last one is zero.
    """
    if steps < 1:
        raise ValueError(f"sampling_sigmas: expected at least 1 step, got {steps}")
    levels = _levels(config, torch.arange(steps, dtype=torch.float64) / max(steps - 1, 1))
    return torch.cat([levels, levels.new_zeros(1)])


def schedule(config: NoiseConfig, place: torch.Tensor) -> torch.Tensor:
    """Give the noise level at places on the way from noise (0) to data (1), where it is zero.

    Args:
        config: The range of levels.
        place: Places, 0 to 1, of any shape.
    """
    return torch.where(place < 1.0, _levels(config, place.double()), 0.0)


def _levels(config: NoiseConfig, place: torch.Tensor) -> torch.Tensor:
    high, low = config.most ** (1.0 / config.rho), config.least ** (1.0 / config.rho)
    return (high + place * (low - high)) ** config.rho
