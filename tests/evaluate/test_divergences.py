"""Divergences agree with closed forms and with brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scenegen.errors import ShapeError
from scenegen.evaluate.classifier import auc, c2st
from scenegen.evaluate.divergences import histogram_rows, js_divergence, wasserstein
from scenegen.evaluate.two_sample import (
    frechet_distance,
    median_bandwidth,
    mmd_unbiased,
    squared_distances,
)


def test_js_divergence_of_two_coins() -> None:
    """Of (1, 0) and (1/2, 1/2): (KL(p|m) + KL(q|m)) / 2 by hand, in nats."""
    m = np.array([0.75, 0.25])
    by_hand = 0.5 * math.log(1 / m[0]) + 0.5 * (
        0.5 * math.log(0.5 / m[0]) + 0.5 * math.log(0.5 / m[1])
    )

    assert float(js_divergence(np.array([4.0, 0.0]), np.array([3.0, 3.0]))) == pytest.approx(
        by_hand
    )


@pytest.mark.parametrize("seed", range(5))
def test_js_divergence_is_symmetric_and_bounded(seed: int) -> None:
    """It has no order, is zero only for equal shapes, and at most ln 2."""
    p, q = np.random.default_rng(seed).random((2, 7))

    assert js_divergence(p, q) == pytest.approx(float(js_divergence(q, p)))
    assert 0.0 < js_divergence(p, q) <= math.log(2)
    assert js_divergence(p, 3.0 * p) == pytest.approx(0.0, abs=1e-15)


def test_an_empty_histogram_has_no_divergence() -> None:
    """Nothing cannot be compared; the answer is nan, not zero."""
    assert np.isnan(js_divergence(np.zeros(3), np.ones(3)))
    assert np.isnan(wasserstein(np.zeros(3), np.ones(3), 1.0))


def test_wasserstein_moves_mass_by_its_way() -> None:
    """All mass moved by three bins of 0.5 costs 1.5."""
    p, q = np.eye(6)[1], np.eye(6)[4]

    assert float(wasserstein(p, q, 0.5)) == pytest.approx(1.5)


@pytest.mark.parametrize("seed", range(3))
def test_wasserstein_is_the_area_between_quantiles(seed: int) -> None:
    """Brute force: sorted values at bin centres, paired one by one."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 12, (2, 400))

    found = wasserstein(np.bincount(a, minlength=12), np.bincount(b, minlength=12), 1.0)

    assert float(found) == pytest.approx(np.abs(np.sort(a) - np.sort(b)).mean())


def test_histograms_are_those_of_numpy() -> None:
    """Scene by scene, with outliers in the outer bins and nan left out."""
    rng = np.random.default_rng(0)
    values, rows = rng.normal(0, 2, 300), rng.integers(0, 4, 300)
    edges = np.linspace(-3, 3, 13)

    found = histogram_rows(np.append(values, np.nan), np.append(rows, 0), 4, edges)

    for k in range(4):
        clipped = np.clip(values[rows == k], -2.999, 2.999)
        np.testing.assert_array_equal(found[k], np.histogram(clipped, edges)[0])


def test_values_and_rows_must_agree() -> None:
    """A value without a scene is an error."""
    with pytest.raises(ShapeError):
        histogram_rows(np.zeros(3), np.zeros(2, int), 1, np.arange(3.0))


def test_mmd_is_the_double_sum() -> None:
    """Brute force over all pairs of different rows."""
    rng = np.random.default_rng(0)
    x, y, h = rng.normal(size=(6, 3)), rng.normal(size=(5, 3)) + 1.0, 1.3

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-float(((a - b) ** 2).sum()) / (2 * h * h))

    xx = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert mmd_unbiased(x, y, h) == pytest.approx(xx + yy - 2 * xy)


def test_mmd_of_equal_laws_is_zero_on_average() -> None:
    """Unbiased: over many draws of one law the mean is zero within three standard errors."""
    rng = np.random.default_rng(1)

    found = np.array(
        [mmd_unbiased(rng.normal(size=(20, 2)), rng.normal(size=(20, 2)), 1.0) for _ in range(300)]
    )

    assert abs(found.mean()) < 3 * found.std() / math.sqrt(300)


def test_frechet_distance_of_gaussians_on_a_line() -> None:
    """In one dimension it is (m1 - m2)^2 + (s1 - s2)^2 of the samples."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 2.0, (500, 1)), rng.normal(-1.0, 0.5, (400, 1))

    by_hand = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2

    assert frechet_distance(x, y) == pytest.approx(by_hand)


def test_frechet_distance_does_not_turn_with_the_axes() -> None:
    """Rotating both sets leaves it as it is; a set has none to itself."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(60, 3)) * np.array([1, 2, 3])
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]

    assert frechet_distance(x @ turn, y @ turn) == pytest.approx(frechet_distance(x, y))
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)


def test_too_few_scenes_have_no_distance() -> None:
    """One scene has no spread: nan."""
    assert math.isnan(frechet_distance(np.zeros((1, 2)), np.zeros((5, 2))))
    assert math.isnan(mmd_unbiased(np.zeros((1, 2)), np.zeros((5, 2)), 1.0))


def test_the_bandwidth_is_the_median_distance() -> None:
    """Of 0, 1 and 4 on a line: distances 1, 3, 4."""
    x = np.array([[0.0], [1.0], [4.0]])

    assert median_bandwidth(x) == pytest.approx(3.0)
    assert squared_distances(x, x)[0, 2] == pytest.approx(16.0)


@pytest.mark.parametrize("seed", range(3))
def test_auc_counts_pairs(seed: int) -> None:
    """Brute force over all pairs; a tie is half a win."""
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 5, 60) / 4.0, rng.integers(0, 2, 60)
    ones, zeros = scores[labels == 1], scores[labels == 0]

    wins = np.mean([(a > b) + 0.5 * (a == b) for a in ones for b in zeros])

    assert auc(scores, labels) == pytest.approx(wins)


def _cloud(count: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1.0, (count, 4, 3)), np.ones((count, 4), bool)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.3, 0.7), (1.5, 0.95, 1.0)])
def test_the_classifier_tells_different_sets_apart(shift: float, low: float, high: float) -> None:
    """Near 0.5 for equal laws, near 1 for shifted ones."""
    torch.set_num_threads(1)
    sites = (np.arange(100), np.arange(100, 200))

    found = c2st(
        *_cloud(100, 0.0, 1),
        *_cloud(100, shift, 2),
        sites,
        np.random.default_rng(0),
        epochs=10,
        resamples=20,
    )

    assert low <= found.value <= high


def test_a_classifier_needs_scenes() -> None:
    """With fewer than eight on a side nothing is said."""
    sites = (np.arange(4), np.arange(4, 8))

    found = c2st(*_cloud(4, 0.0, 1), *_cloud(4, 0.0, 2), sites, np.random.default_rng(0))

    assert math.isnan(found.value)
