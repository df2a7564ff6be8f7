"""Preconditioning and samplers: closed forms on Gaussian data."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from scenegen.layout.edm import NoiseConfig, draw_sigma, preconditioning, sampling_sigmas
from scenegen.layout.sampler import (
    Denoise,
    Estimate,
    SceneNoise,
    sample_ancestral,
    sample_dpm,
    sample_heun,
)

MEAN = torch.tensor([0.7, -0.4], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.5], [0.5, 0.6]], dtype=torch.float64)
SCENES = 8000
WIDE = NoiseConfig(most=20.0)


class OneStream(SceneNoise):
    """Noise of many scenes from one stream, which is faster."""

    def __init__(self, seed: int) -> None:
        """Start the stream."""
        super().__init__([seed])

    def draw(self, shape: Sequence[int]) -> torch.Tensor:
        """Give noise of shape (SCENES, *shape)."""
        return torch.randn(SCENES, *shape, generator=self.streams[0])


def gaussian(shift: float = 0.0) -> Denoise:
    """The exact denoiser of N(MEAN, COVARIANCE); guidance moves the estimate within the noise."""

    def denoise(x: torch.Tensor, sigma: float) -> Estimate:
        noisy = COVARIANCE + sigma**2 * torch.eye(2, dtype=torch.float64)
        base = MEAN + (x.double() - MEAN) @ torch.linalg.solve(noisy, COVARIANCE)
        base = base.to(x)
        moved = base + shift * min(sigma**2, 1.0)
        return Estimate(base, moved if shift else base)

    return denoise


def begin(sigmas: torch.Tensor, seed: int) -> tuple[torch.Tensor, SceneNoise]:
    """Noise of the first level for many scenes."""
    noise = OneStream(seed)
    return sigmas[0].float() * noise.draw((2,)), noise


@pytest.mark.parametrize("sigma", [1e-4, 0.3, 1.0, 7.0, 1e4])
def test_preconditioned_inputs_and_targets_have_unit_deviation(sigma: float) -> None:
    """Karras et al. 2022, eqs. 114 to 138: variance one for data of unit variance."""
    skip, out, into, _ = preconditioning(torch.tensor(sigma, dtype=torch.float64))

    assert float(into**2 * (1.0 + sigma**2)) == pytest.approx(1.0)
    target = (1.0 - skip) ** 2 + (skip * sigma) ** 2
    assert float(target / out**2) == pytest.approx(1.0)


def test_without_noise_the_input_is_the_estimate() -> None:
    """At sigma 0 nothing is left to the network; at huge sigma nothing to the input."""
    skip, out, _, _ = preconditioning(torch.tensor([1e-8, 1e8], dtype=torch.float64))

    assert skip.tolist() == pytest.approx([1.0, 0.0], abs=1e-12)
    assert out.tolist() == pytest.approx([0.0, 1.0], abs=1e-7)


def test_training_levels_are_log_normal() -> None:
    """Stratified levels have the mean and deviation asked for."""
    config = NoiseConfig()

    log = draw_sigma(config, 4096, torch.Generator().manual_seed(0)).log()

    assert float(log.mean()) == pytest.approx(config.mean, abs=0.01)
    assert float(log.std()) == pytest.approx(config.deviation, rel=0.01)


def test_sampling_levels_fall_from_most_to_least_to_zero() -> None:
    """Both ends of the range are met."""
    config = NoiseConfig()

    sigmas = sampling_sigmas(config, 8)

    assert sigmas[0] == pytest.approx(config.most)
    assert sigmas[-2] == pytest.approx(config.least)
    assert sigmas[-1] == 0.0
    assert (sigmas.diff() < 0).all()


@pytest.mark.parametrize("name", ["heun", "dpm", "ancestral"])
def test_samplers_reach_a_gaussian(name: str) -> None:
    """With the exact denoiser, mean and covariance of the samples are those of the data."""
    # The posterior of an ancestral step given a sure estimate is too narrow by O(1 / steps).
    sigmas = sampling_sigmas(WIDE, 400 if name == "ancestral" else 32)
    x, noise = begin(sigmas, 1)

    if name == "heun":
        found = sample_heun(gaussian(), x, sigmas)
    elif name == "dpm":
        found = sample_dpm(gaussian(), x, sigmas)
    else:
        found, _ = sample_ancestral(gaussian(), x, sigmas, noise)

    assert torch.allclose(found.mean(0).double(), MEAN, atol=0.05)
    assert torch.allclose(torch.cov(found.T).double(), COVARIANCE, atol=0.06)


@pytest.mark.parametrize(("steps", "bound"), [(8, 0.15), (16, 0.04), (32, 0.01)])
def test_the_solver_converges_to_the_reference(steps: int, bound: float) -> None:
    """DPM-Solver++(2M) comes nearer to Heun's method in 126 passes with every step."""
    coarse, fine = sampling_sigmas(WIDE, steps), sampling_sigmas(WIDE, 64)
    x, _ = begin(coarse, 2)

    quick, exact = sample_dpm(gaussian(), x, coarse), sample_heun(gaussian(), x, fine)

    assert float((quick - exact).norm() / exact.norm()) < bound


def test_path_weights_undo_guidance() -> None:
    """Guided samples, weighted, have the mean and mass of unguided ones."""
    sigmas = sampling_sigmas(WIDE, 16)
    x, noise = begin(sigmas, 3)

    guided, log_weight = sample_ancestral(gaussian(0.3), x, sigmas, noise)
    x, noise = begin(sigmas, 4)
    plain, none = sample_ancestral(gaussian(), x, sigmas, noise)

    weight = log_weight.exp()
    assert float(weight.mean()) == pytest.approx(1.0, abs=0.05)
    assert float((guided - plain).mean(0).abs().min()) > 0.05
    weighted = (weight[:, None] * guided).mean(0)
    assert torch.allclose(weighted, plain.double().mean(0), atol=0.08)
    assert not none.any()


def test_noise_of_a_scene_does_not_depend_on_the_others() -> None:
    """Streams belong to scenes, not to batches."""
    many, one = SceneNoise([5, 6, 7]), SceneNoise([6])

    for _ in range(3):
        assert torch.equal(many.draw((4, 3))[1], one.draw((4, 3))[0])
