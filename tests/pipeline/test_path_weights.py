"""Weights of guided paths: even enough to be believed, and right where the truth is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from scenegen.evaluate.exposure import estimate_rate
from scenegen.layout.sampler import (
    Estimate,
    SceneNoise,
    mixture_log_weight,
    sample_ancestral,
)
from scenegen.pipeline.guidance import GuidanceSettings
from scenegen.pipeline.guided import ModelStaging

LEVELS = [20.0 / 2**k for k in range(7)]
SIGMAS = torch.tensor([*LEVELS, 0.0], dtype=torch.float64)
PATHS = 2000


class OneStream(SceneNoise):
    """Noise of many paths from one stream, which is faster."""

    def draw(self, shape: tuple[int, ...]) -> torch.Tensor:  # type: ignore[override]
        """Give noise of shape (PATHS, *shape)."""
        return torch.randn(PATHS, *shape, generator=self.streams[0], dtype=torch.float64)


class Chain:
    """The base sampler of data N(0, 1), whose estimate is linear: all its steps are Gaussian.

    Attributes:
        deviation: That of the samples.
        final: What the mean of the samples is per unit of x at each level.
        left: Variance of the samples that the steps from each level on add.
        moves: What a shift of the estimate at each level is worth in the samples, per unit of what
            the samples lack: that of least cost over the remaining steps.
    """

    def __init__(self) -> None:
        """Go through the steps backwards."""
        gain = [1.0 / (1.0 + sigma**2) for sigma in LEVELS]
        self.final, self.left, self.moves = {LEVELS[-1]: gain[-1]}, 0.0, dict[float, float]()
        for (now, after), g in reversed(list(zip(itertools.pairwise(LEVELS), gain, strict=False))):
            share = (after / now) ** 2
            worth, variance = self.final[after], after**2 * (1.0 - share)
            self.left += worth**2 * variance
            self.moves[now] = variance * worth / self.left / (1.0 - share)
            self.final[now] = worth * (g + share * (1.0 - g))
        self.deviation = math.sqrt(self.left + (self.final[LEVELS[0]] * LEVELS[0]) ** 2)


CHAIN = Chain()


def paths(threshold: float, seed: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples pulled to a threshold, a share of them unguided, and their log-ratios."""

    def denoise(x: torch.Tensor, sigma: float) -> Estimate:
        base = x / (1.0 + sigma**2)  # The posterior mean of data N(0, 1).
        lacking = (threshold - CHAIN.final[sigma] * x).clamp(min=0.0)
        return Estimate(base=base, steered=base + CHAIN.moves.get(sigma, 0.0) * lacking)

    noise = OneStream([seed])
    start = LEVELS[0] * noise.draw((1,))
    follows = torch.arange(PATHS) >= PATHS * share
    return sample_ancestral(denoise, start, SIGMAS, noise, follows)


@pytest.mark.parametrize("deviations", [3.0, 4.5, 5.6])
def test_a_defensive_mixture_tells_rates_down_to_one_in_a_hundred_million(
    deviations: float,
) -> None:
    """Guided and unguided samples together: the closed-form tail lies in the interval.

    The tail of a linear Gaussian chain is known exactly; 5.6 deviations are 1.1e-8. No path
    counts more than one over the share that is drawn without guidance.
    """
    threshold, share = deviations * CHAIN.deviation, 0.2

    found = []
    for seed in range(12):
        x, ratio = paths(threshold, seed, share)
        weights = mixture_log_weight(ratio, share)
        assert float(weights.max()) <= -math.log(share) + 1e-9
        assert float(weights.exp().mean()) == pytest.approx(1.0, abs=0.05)
        found.append(estimate_rate(x[:, 0].numpy() > threshold, weights.numpy()))

    truth = 0.5 * math.erfc(deviations / math.sqrt(2.0))
    assert sum(rate.low <= truth <= rate.high for rate in found) >= 10
    assert np.mean([rate.value for rate in found]) == pytest.approx(truth, rel=0.08)


def test_ratios_of_unguided_paths_mirror_those_of_guided_ones() -> None:
    """E_p[q / p] and E_q[p / q] are both 1: the ratio is right whichever chain drew the path."""
    _, guided = paths(-1.5 * CHAIN.deviation, 1, 0.0)
    _, unguided = paths(-1.5 * CHAIN.deviation, 2, 1.0)

    assert float(guided.exp().mean()) == pytest.approx(1.0, abs=0.05)
    assert float((-unguided).exp().mean()) == pytest.approx(1.0, abs=0.05)
    assert float(unguided.mean()) > 0.0 > float(guided.mean())


def test_without_a_share_the_weight_is_the_ratio() -> None:
    """And with a share of nearly one it is nearly 1 for all."""
    ratio = torch.linspace(-30.0, 30.0, 7, dtype=torch.float64)

    assert torch.equal(mixture_log_weight(ratio, 0.0), ratio)
    assert float(mixture_log_weight(ratio, 1.0 - 1e-12).max()) < 1e-9


def test_shares_and_levels_are_checked() -> None:
    """A share of all, and a level below zero, mean nothing."""
    with pytest.raises(ValueError, match="unguided"):
        ModelStaging(unguided=1.0)
    with pytest.raises(ValueError, match="GuidanceSettings"):
        GuidanceSettings(above=-1.0)
