"""Rates from weighted scenes agree with closed forms, or are refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from scenegen.errors import EstimateError, ShapeError
from scenegen.evaluate.exposure import (
    NHTSA_SHARE,
    Rate,
    estimate_rate,
    path_log_weight,
    stratum_weights,
)
from scenegen.evaluate.pareto import fit_pareto, pareto_k, smoothed, tail_size
from scenegen.events import EVENTS
from scenegen.layout.sampler import Estimate, SceneNoise, sample_ancestral

STEPS = 8


def normal_tail(z: float) -> float:
    """P(Z > z) of a standard normal variable, closed form."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def steered_chain(z: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Eight Gaussian steps steered so that the sum ends at z on average.

    Returns:
        Whether each chain ends beyond z (in standard deviations of the unsteered end), and the
        log weight of its path.
    """
    rng = np.random.default_rng(seed)
    deviation = np.linspace(0.5, 1.5, STEPS)
    total = math.sqrt(float((deviation**2).sum()))
    drift = z * deviation**2 / total  # The cheapest steering moves each step by its variance.
    x, moved, base, steered = np.zeros(count), [], [], []
    for k in range(STEPS):
        mean = x + drift[k]
        after = rng.normal(mean, deviation[k])
        moved.append(after)
        base.append(x)
        steered.append(mean)
        x = after
    stacked = [np.stack(part, -1)[..., None] for part in (moved, base, steered)]
    return x > z * total, path_log_weight(*stacked, deviation)


@pytest.mark.parametrize("z", [1.0, 3.0, 5.612])
def test_a_steered_chain_gives_the_closed_form_probability(z: float) -> None:
    """Down to 1e-8 the true tail lies in 90 to 99 of 100 intervals of 2,000 chains each."""
    truth = normal_tail(z)

    found = [estimate_rate(*steered_chain(z, 2000, seed)) for seed in range(100)]

    covered = sum(rate.low <= truth <= rate.high for rate in found)
    assert 90 <= covered <= 99
    assert np.mean([rate.value for rate in found]) == pytest.approx(truth, rel=0.02)


def test_one_in_a_hundred_million_costs_two_thousand_chains() -> None:
    """The interval is narrow, and the variance millions of times that of counting."""
    rate = estimate_rate(*steered_chain(5.612, 2000, 0))

    assert rate.value == pytest.approx(1e-8, rel=0.2)
    half = (rate.high - rate.low) / 2
    counting = 1.96 * math.sqrt(1e-8 / 2000)
    assert (counting / half) ** 2 > 1e6
    assert rate.bits == pytest.approx(math.log2(1e8), abs=0.4)
    assert rate.pareto_k < 0.7


def test_without_steering_both_estimates_are_the_share() -> None:
    """Weights of one: plain and self-normalised are the mean, the effective size the count."""
    hits = np.arange(200) < 60

    plain, normalised = (
        estimate_rate(hits, np.zeros(200), normalised=which) for which in (False, True)
    )

    assert plain.value == normalised.value == pytest.approx(0.3)
    assert plain.effective_size == pytest.approx(60)
    assert normalised.effective_size == pytest.approx(200)
    assert normalised.high - normalised.value == pytest.approx(
        1.96 * math.sqrt(0.21 / 200), rel=1e-3
    )


def test_the_self_normalised_estimate_does_not_need_the_factor() -> None:
    """Weights times e^30 give the same rate; the plain estimate would not."""
    hits, log_weights = steered_chain(0.5, 3000, 1)

    a = estimate_rate(hits, log_weights, normalised=True)
    b = estimate_rate(hits, log_weights + 30.0, normalised=True)

    assert b.value == pytest.approx(a.value)


def test_self_normalised_intervals_cover_the_truth() -> None:
    """The true tail lies in 90 to 99 of 100 intervals."""
    found = [estimate_rate(*steered_chain(0.5, 1000, seed), normalised=True) for seed in range(100)]

    assert 90 <= sum(rate.low <= normal_tail(0.5) <= rate.high for rate in found) <= 99


def test_a_path_weight_is_the_ratio_of_the_densities() -> None:
    """Brute force: products of normal densities, step by step."""
    rng = np.random.default_rng(0)
    moved, base, steered = rng.normal(size=(3, 5, 4, 2))
    deviation = rng.uniform(0.5, 2.0, 4)

    def log_density(mean: np.ndarray) -> np.ndarray:
        z = (moved - mean) / deviation[:, None]
        return (-0.5 * z**2 - np.log(deviation)[:, None]).sum(axis=(1, 2))

    np.testing.assert_allclose(
        path_log_weight(moved, base, steered, deviation), log_density(base) - log_density(steered)
    )


def test_what_is_not_steered_adds_nothing() -> None:
    """Channels whose mean is not moved leave the weight as it is."""
    rng = np.random.default_rng(0)
    moved, base = rng.normal(size=(2, 5, 4, 3))

    assert (path_log_weight(moved, base, base, np.ones(4)) == 0.0).all()
    with pytest.raises(ShapeError):
        path_log_weight(moved, base, base, np.ones(3))


def test_steering_too_hard_is_refused() -> None:
    """Weights of e^N(0, 4^2) have no useful mean; the sentence says what to do."""
    rng = np.random.default_rng(0)

    with pytest.raises(EstimateError, match=r"steer less, or draw more scenes"):
        estimate_rate(np.ones(2000, bool), 4.0 * rng.normal(size=2000))


def test_a_heavy_tail_is_refused_though_many_scenes_count() -> None:
    """Pareto weights of shape 1 have no mean, whatever the sample shows."""
    rng = np.random.default_rng(2)
    weights = rng.random(5000) ** -1.0

    with pytest.raises(EstimateError, match="Pareto shape"):
        estimate_rate(np.ones(5000, bool), np.log(weights), least_size=0.0)


def test_no_hits_and_no_weights_are_refused() -> None:
    """Nothing seen is not a rate of zero; a repaired scene has no weight."""
    with pytest.raises(EstimateError, match="none of 50"):
        estimate_rate(np.zeros(50, bool), np.zeros(50))
    with pytest.raises(EstimateError, match="repaired"):
        estimate_rate(np.ones(50, bool), np.full(50, np.nan))
    with pytest.raises(EstimateError, match="worth only"):
        estimate_rate(np.arange(50) < 3, np.zeros(50))


def test_a_rate_of_zero_is_infinitely_rare() -> None:
    """The rarity of what never happens has no number."""
    rate = Rate(value=0.0, low=0.0, high=0.1, effective_size=9, pareto_k=0.1, scenes=9, hits=0)

    assert rate.bits == math.inf


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.9])
def test_the_fit_finds_the_shape_of_a_pareto_distribution(k: float) -> None:
    """Samples from the quantile function sigma ((1-p)^-k - 1) / k: shape and scale come back."""
    rng = np.random.default_rng(0)
    sigma = 2.0

    found = [fit_pareto(sigma * np.expm1(-k * np.log1p(-rng.random(2000))) / k) for _ in range(20)]

    assert np.mean([shape for shape, _ in found]) == pytest.approx(k, abs=0.02)
    assert np.mean([scale for _, scale in found]) == pytest.approx(sigma, rel=0.03)


def test_an_exponential_tail_has_shape_zero() -> None:
    """The limit between bounded and heavy tails."""
    shape, scale = fit_pareto(np.random.default_rng(0).exponential(3.0, 5000))

    assert shape == pytest.approx(0.0, abs=0.04)
    assert scale == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("k", [0.3, 0.6, 1.0])
def test_k_hat_of_weights_is_the_shape_of_their_tail(k: float) -> None:
    """Weights u^-k have a Pareto tail of shape k."""
    rng = np.random.default_rng(1)

    found = [pareto_k(-k * np.log(rng.random(10_000))) for _ in range(10)]

    assert np.mean(found) == pytest.approx(k, abs=0.06)


def test_k_hat_does_not_see_a_factor() -> None:
    """Weights known up to a constant have the same tail."""
    log_weights = np.random.default_rng(0).normal(size=500)

    assert pareto_k(log_weights + 700.0) == pytest.approx(pareto_k(log_weights))


def test_equal_weights_have_no_tail_and_few_weights_tell_nothing() -> None:
    """-inf: nothing to fear; inf: nothing known."""
    assert pareto_k(np.zeros(100)) == -math.inf
    assert pareto_k(np.zeros(10)) == math.inf
    assert tail_size(100) == 20
    assert tail_size(10_000) == 300


def test_smoothing_keeps_the_order_and_tames_the_largest_weight() -> None:
    """Only the tail changes, it stays sorted, and nothing grows beyond the largest raw weight."""
    log_weights = -1.2 * np.log(np.random.default_rng(3).random(1000))

    found = smoothed(log_weights)

    order = np.argsort(log_weights)
    tail = tail_size(1000)
    np.testing.assert_array_equal(found[order[:-tail]], log_weights[order[:-tail]])
    assert (np.diff(found[order]) >= -1e-12).all()
    assert found.max() <= log_weights.max()


def test_too_few_excesses_are_an_error() -> None:
    """Four numbers have no shape."""
    with pytest.raises(ValueError, match="at least 5"):
        fit_pareto(np.ones(4))


def test_strata_are_weighted_back_exactly() -> None:
    """A corpus that is half staged gives the natural mean of any number."""
    family = np.array([0] * 500 + [1] * 250 + [2] * 250)
    sampling = np.array([0.5] * 500 + [0.25] * 500)
    natural = {0: 0.9, 1: 0.08, 2: 0.02}

    weights = stratum_weights(family, sampling, natural)

    for stratum, share in natural.items():
        assert (weights * (family == stratum)).mean() == pytest.approx(share)
    with pytest.raises(ValueError, match="above 0"):
        stratum_weights(family, 0.0 * sampling, natural)


def test_published_shares_are_of_families_that_exist() -> None:
    """Every family with a share of crashes is in the registry; together they are most of them."""
    assert set(NHTSA_SHARE) <= set(EVENTS)
    assert 50.0 < sum(NHTSA_SHARE.values()) < 100.0


def test_the_diffusion_sampler_gives_weights_that_these_estimates_take() -> None:
    """Guided samples of a Gaussian, weighted back, give the base sampler's tail probability.

    With an estimate that is linear in its input every step of the base sampler is a linear
    Gaussian one, so that its law, and with it the tail, is known in closed form.
    """
    sigmas = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25, 0.0], dtype=torch.float64)
    variance, reached = 16.0, 0.0  # Of the base samples; where a push of 1 takes the mean.
    for now, after in itertools.pairwise(sigmas.tolist()):
        gain, share = 1.0 / (1.0 + now**2), (after / now) ** 2
        slope = gain + share * (1.0 - gain)
        variance = slope**2 * variance + after**2 * (1.0 - share)
        reached = slope * reached + (1.0 - share) * (1.0 - gain) * (after > 0.0)
    threshold = 2.2 * math.sqrt(variance)
    push = threshold / reached

    def denoise(x: torch.Tensor, sigma: float) -> Estimate:
        base = x / (1.0 + sigma**2)  # The posterior mean of data N(0, 1).
        return Estimate(base=base, steered=base + push * sigma**2 / (1.0 + sigma**2))

    found = []
    for seed in range(20):
        noise = SceneNoise(range(2000 * seed, 2000 * (seed + 1)))
        start = 4.0 * noise.draw([1]).double()
        x, weights = sample_ancestral(denoise, start, sigmas, noise)
        found.append(estimate_rate(x[:, 0].numpy() > threshold, weights.numpy()))

    truth = normal_tail(2.2)
    assert 17 <= sum(rate.low <= truth <= rate.high for rate in found) <= 20
    assert np.mean([rate.value for rate in found]) == pytest.approx(truth, rel=0.05)
