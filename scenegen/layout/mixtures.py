"""Mixture densities with exact logarithms: Gaussians on a line, tilted in a plane, on a circle."""

from __future__ import annotations

import math

import torch

COMPONENTS = 10
"""Components of a mixture, as in SceneGen (Tan et al. 2021) and TrafficGen (Feng et al. 2023)."""
LEAST_SPREAD, MOST_SPREAD = 2e-3, 5.0
"""Range of deviations in standardised units: below it, values that recur would weigh without end;
at the deviation of positions, some 70 m, the least is 0.14 m."""
SHARPEST, BROADEST = 5e-3, 1.5
"""Range of deviations of angles [rad]; wider ones are near uniform."""
WRAPS = 2
"""Turns to either side that count in a wrapped density; what is left out is below 1e-13."""

_LOG_ROOT = 0.5 * math.log(2.0 * math.pi)


def gaussian_log_density(
    value: torch.Tensor, mean: torch.Tensor, log_spread: torch.Tensor
) -> torch.Tensor:
    """Give log N(value; mean, spread^2) of numbers."""
    return -0.5 * ((value - mean) * (-log_spread).exp()).square() - log_spread - _LOG_ROOT


class LineMixture:
    """Mixture of Gaussians whose axes are those of the D numbers.

    Attributes:
        log_weight: Logarithm of the weights, shape (..., K).
        mean: Centres, shape (..., K, D).
        log_spread: Logarithm of the deviations, shape (..., K, D).
    """

    def __init__(self, raw: torch.Tensor, size: int) -> None:
        """Read from the outputs of a network.

        Args:
            raw: Shape (..., line_outputs(size)).
            size: Numbers D.
        """
        weight, mean, spread = torch.split(
            raw.float(), [COMPONENTS, COMPONENTS * size, COMPONENTS * size], -1
        )
        self.log_weight = weight.log_softmax(-1)
        self.mean = mean.reshape(*mean.shape[:-1], COMPONENTS, size)
        self.log_spread = _log_spread(spread.reshape(*spread.shape[:-1], COMPONENTS, size))

    def log_density(self, value: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        """Give the logarithm of the density of some of the numbers, shape (...).

        Args:
            value: Shape (..., D).
            free: Which of the numbers count, shape (..., D); none give 0.
        """
        each = gaussian_log_density(value[..., None, :], self.mean, self.log_spread)
        each = torch.where(free[..., None, :], each, 0.0).sum(-1)
        return (self.log_weight + each).logsumexp(-1)

    def draw(self, uniform: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """Turn one uniform (...) and D normal numbers (..., D) into a sample (..., D)."""
        chosen = choose(self.log_weight, uniform)[..., None, None]
        chosen = chosen.expand(*chosen.shape[:-2], 1, self.mean.shape[-1])
        mean = self.mean.gather(-2, chosen)[..., 0, :]
        return mean + self.log_spread.gather(-2, chosen)[..., 0, :].exp() * normal


class PlaneMixture:
    """Mixture of Gaussians in a plane, each tilted: y follows x with a slope of its own.

    Attributes:
        log_weight: Logarithm of the weights, shape (..., K).
        mean: Centres, shape (..., K, 2).
        log_spread: Logarithm of the deviation of x, and of y around its line, shape (..., K, 2).
        slope: Slope of the line, shape (..., K).
    """

    def __init__(self, raw: torch.Tensor) -> None:
        """Read from the outputs of a network, shape (..., PLANE_OUTPUTS)."""
        weight, mean, spread, slope = torch.split(
            raw.float(), [COMPONENTS, 2 * COMPONENTS, 2 * COMPONENTS, COMPONENTS], -1
        )
        self.log_weight = weight.log_softmax(-1)
        self.mean = mean.reshape(*mean.shape[:-1], COMPONENTS, 2)
        self.log_spread = _log_spread(spread.reshape(*spread.shape[:-1], COMPONENTS, 2))
        self.slope = slope

    def log_density(self, value: torch.Tensor) -> torch.Tensor:
        """Give the logarithm of the density at points (..., 2), shape (...)."""
        x, y = value[..., None, 0], value[..., None, 1]
        line = self.mean[..., 1] + self.slope * (x - self.mean[..., 0])
        each = gaussian_log_density(x, self.mean[..., 0], self.log_spread[..., 0])
        each = each + gaussian_log_density(y, line, self.log_spread[..., 1])
        return (self.log_weight + each).logsumexp(-1)

    def draw(self, uniform: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """Turn one uniform (...) and two normal numbers (..., 2) into a point (..., 2)."""
        chosen = choose(self.log_weight, uniform)[..., None]
        both = chosen[..., None].expand(*chosen.shape, 2)
        mean, log_spread = (v.gather(-2, both)[..., 0, :] for v in (self.mean, self.log_spread))
        moved = log_spread.exp() * normal
        tilt = self.slope.gather(-1, chosen)[..., 0] * moved[..., 0]
        return mean + torch.stack([moved[..., 0], moved[..., 1] + tilt], -1)


class CircleMixture:
    """Mixture of wrapped normal distributions on the circle (Mardia & Jupp 2000, sec. 3.5.7).

    Attributes:
        log_weight: Logarithm of the weights, shape (..., K).
        mean: Directions [rad], shape (..., K).
        log_spread: Logarithm of the deviations, shape (..., K).
    """

    def __init__(self, raw: torch.Tensor) -> None:
        """Read from the outputs of a network, shape (..., CIRCLE_OUTPUTS)."""
        weight, cos, sin, spread = raw.float().chunk(4, -1)
        self.log_weight = weight.log_softmax(-1)
        self.mean = torch.atan2(sin, cos + 1e-6)
        self.log_spread = spread.clamp(math.log(SHARPEST), math.log(BROADEST))

    def log_density(self, angle: torch.Tensor) -> torch.Tensor:
        """Give the logarithm of the density per radian at angles (...), shape (...)."""
        gap = angle[..., None] - self.mean
        gap = gap - 2.0 * math.pi * torch.round(gap / (2.0 * math.pi))
        turns = 2.0 * math.pi * torch.arange(-WRAPS, WRAPS + 1, device=gap.device)
        each = gaussian_log_density(
            gap[..., None] + turns, torch.zeros_like(gap[..., None]), self.log_spread[..., None]
        ).logsumexp(-1)
        return (self.log_weight + each).logsumexp(-1)

    def draw(self, uniform: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """Turn one uniform and one normal number (...) into an angle (...), not wrapped."""
        chosen = choose(self.log_weight, uniform)[..., None]
        spread = self.log_spread.gather(-1, chosen)[..., 0].exp()
        return self.mean.gather(-1, chosen)[..., 0] + spread * normal


def line_outputs(size: int) -> int:
    """Give the number of outputs a LineMixture of some size is read from."""
    return COMPONENTS * (1 + 2 * size)


PLANE_OUTPUTS, CIRCLE_OUTPUTS = 6 * COMPONENTS, 4 * COMPONENTS
"""Numbers of outputs the other mixtures are read from."""


def choose(log_weight: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Choose by inverting the distribution of weights (..., K) at uniform numbers (...)."""
    below = log_weight.softmax(-1).cumsum(-1) < uniform[..., None]
    return below.sum(-1).clamp(max=log_weight.shape[-1] - 1)


def _log_spread(raw: torch.Tensor) -> torch.Tensor:
    return raw.clamp(math.log(LEAST_SPREAD), math.log(MOST_SPREAD))
