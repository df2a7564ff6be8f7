"""Distances between two sets of scenes in feature space: MMD and Frechet distance."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray, IntArray, check_shape
from scenegen.evaluate.intervals import (
    NOTHING,
    RESAMPLES,
    Estimate,
    basic_interval,
    resampled_rows,
    resampling_weights,
)


def squared_distances(x: FloatArray, y: FloatArray) -> FloatArray:
    """Squared Euclidean distances, shape (n, m), of rows (n, d) and (m, d); never negative."""
    apart = (x**2).sum(-1)[:, None] + (y**2).sum(-1) - 2.0 * (x @ y.T)
    return np.maximum(apart, 0.0)


def median_bandwidth(reference: FloatArray) -> float:
    """Median distance between different rows (the median heuristic; Gretton et al. 2012)."""
    apart = squared_distances(reference, reference)
    upper = apart[np.triu_indices(len(reference), 1)]
    return float(np.sqrt(np.median(upper))) if len(upper) else 1.0


def mmd_unbiased(x: FloatArray, y: FloatArray, bandwidth: float) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3).

    ``mean k(x, x') + mean k(y, y') - 2 mean k(x, y)`` over different pairs, with the Gaussian
    kernel ``exp(-d^2 / 2 h^2)``; it is zero on average, and may be negative, for equal laws.

    Args:
        x: Features, shape (n, d), n >= 2.
        y: Features, shape (m, d), m >= 2.
        bandwidth: h.

    Returns:
        Squared discrepancy; nan where a set has less than two scenes.
    """
    check_shape("y", y, x.shape[1])
    if min(len(x), len(y)) < 2:
        return float("nan")
    kernels = _kernels(x, y, bandwidth)
    return _unbiased(kernels, np.ones(len(x)), np.ones(len(y)))


def mmd_estimate(
    x: FloatArray,
    y: FloatArray,
    bandwidth: float,
    sites: tuple[IntArray, IntArray],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Unbiased squared MMD with a bootstrap interval that resamples the sites of both sets."""
    if min(len(x), len(y)) < 2:
        return NOTHING
    kernels = _kernels(x, y, bandwidth)
    value = _unbiased(kernels, np.ones(len(x)), np.ones(len(y)))
    drawn = np.array(
        [
            _unbiased(kernels, *(resampling_weights(site, rng, 1)[0] for site in sites))
            for _ in range(resamples)
        ]
    )
    return basic_interval(value, drawn)


def frechet_distance(x: FloatArray, y: FloatArray) -> float:
    """Frechet distance between Gaussians fitted to two sets (Dowson and Landau, 1982; FID).

    ``|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))``, not rooted; the trace of the root is
    the sum of the square roots of the eigenvalues of ``C_x^(1/2) C_y C_x^(1/2)``.

    Args:
        x: Features, shape (n, d).
        y: Features, shape (m, d).

    Returns:
        Distance; nan where a set has less than two scenes.
    """
    if min(len(x), len(y)) < 2:
        return float("nan")
    mean = x.mean(0) - y.mean(0)
    cx, cy = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    root = _root(cx)
    inner = np.linalg.eigvalsh(root @ cy @ root)
    trace = float(np.sqrt(np.maximum(inner, 0.0)).sum())
    return max(0.0, float(mean @ mean + np.trace(cx) + np.trace(cy) - 2.0 * trace))


def frechet_estimate(
    x: FloatArray,
    y: FloatArray,
    sites: tuple[IntArray, IntArray],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Frechet distance with a bootstrap interval that resamples the sites of both sets."""
    if min(len(x), len(y)) < 2:
        return NOTHING
    drawn = np.array(
        [
            frechet_distance(x[resampled_rows(sites[0], rng)], y[resampled_rows(sites[1], rng)])
            for _ in range(resamples)
        ]
    )
    return basic_interval(frechet_distance(x, y), drawn, 0.0)


def _kernels(x: FloatArray, y: FloatArray, bandwidth: float) -> tuple[FloatArray, ...]:
    """Gaussian kernels within the first set, within the second, and between them."""
    return tuple(
        np.exp(-squared_distances(a, b) / (2.0 * bandwidth**2)) for a, b in ((x, x), (y, y), (x, y))
    )


def _unbiased(kernels: tuple[FloatArray, ...], w: FloatArray, v: FloatArray) -> float:
    """MMD of weighted rows; pairs of a row with its own copies count as the pairs they are."""
    xx, yy, xy = kernels
    n, m = w.sum(), v.sum()
    left = (w @ xx @ w - (w * np.diag(xx)).sum()) / (n * (n - 1))
    right = (v @ yy @ v - (v * np.diag(yy)).sum()) / (m * (m - 1))
    return float(left + right - 2.0 * (w @ xy @ v) / (n * m))


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
