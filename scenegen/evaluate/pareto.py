"""How heavy the tail of importance weights is: Pareto-smoothed importance sampling (PSIS)."""

from __future__ import annotations

import math

import numpy as np

from scenegen.arrays import FloatArray

SHAPE_PRIOR, SHAPE_CENTRE = 10, 0.5
"""Weight, in samples, and centre of the weak prior of the shape (Vehtari et al. 2024, app. C)."""
LEAST_TAIL = 5
"""With fewer weights in the tail nothing can be said about it."""


def fit_pareto(excess: FloatArray) -> tuple[float, float]:
    """Fit a generalised Pareto distribution to excesses over a threshold.

    The empirical-Bayes estimate of Zhang and Stephens (2009): profile likelihood over a grid of
    ``theta = -k / sigma``, averaged by its posterior; the shape is drawn towards 0.5 by a prior
    worth ten samples (Vehtari et al. 2024, app. C).

    Args:
        excess: Excesses, positive, shape (n,); the order does not matter.

    Returns:
        Shape k, with ``P(X > x) = (1 + k x / sigma)^(-1/k)``, and scale sigma.

    Raises:
        ValueError: There are fewer than LEAST_TAIL excesses, or one is not positive.
    """
    x = np.sort(np.asarray(excess, np.float64))
    count = len(x)
    if count < LEAST_TAIL or x[0] < 0.0 or x[-1] <= 0.0:
        raise ValueError(
            f"fit_pareto: expected at least {LEAST_TAIL} positive excesses, got {count} from"
            f" {x[0] if count else math.nan}"
        )
    grid = 30 + int(math.sqrt(count))
    quartile = x[max(int(count / 4 + 0.5) - 1, 0)]
    spread = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    theta = spread / (3.0 * max(quartile, 1e-300)) + 1.0 / x[-1]
    shape = np.log1p(-theta[:, None] * x).mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = count * (np.log(-theta / shape) - shape - 1.0)
    likelihood = np.where(np.isfinite(likelihood), likelihood, -np.inf)
    weight = np.exp(likelihood - likelihood.max())
    best = float((weight * theta).sum() / weight.sum())
    k = float(np.log1p(-best * x).mean())
    sigma = -k / best
    shrunk = (count * k + SHAPE_PRIOR * SHAPE_CENTRE) / (count + SHAPE_PRIOR)
    return shrunk, sigma


def tail_size(count: int) -> int:
    """Number of the largest weights that count as the tail: min(n / 5, 3 sqrt(n))."""
    return math.ceil(min(0.2 * count, 3.0 * math.sqrt(count)))


def pareto_k(log_weights: FloatArray) -> float:
    """Shape of the tail of importance weights, k-hat (Vehtari et al. 2024, sec. 3).

    Up to 0.5 the variance of an estimate is finite, up to 0.7 it converges at a rate that is of
    practical use, above it the estimate is not to be believed.

    Args:
        log_weights: Logarithms of the weights, shape (n,); -inf for a weight of zero.

    Returns:
        k-hat: inf where the tail is too short to tell, -inf where all weights in it are equal.
    """
    finite = np.sort(log_weights[np.isfinite(log_weights)])
    tail = tail_size(len(finite))
    if tail < LEAST_TAIL:
        return math.inf
    weights = np.exp(finite - finite[-1])
    excess = weights[-tail:] - weights[-tail - 1]
    if excess[-1] <= 1e-12:
        return -math.inf
    return fit_pareto(excess)[0]


def smoothed(log_weights: FloatArray) -> FloatArray:
    """Replace the largest weights by the quantiles of the Pareto fit (Vehtari et al. 2024, alg. 1).

    Args:
        log_weights: Logarithms of the weights, shape (n,).

    Returns:
        Smoothed logarithms in the same order; no weight exceeds the largest raw one. The input,
        where the tail is too short or flat.
    """
    out = np.array(log_weights, np.float64)
    finite = np.flatnonzero(np.isfinite(out))
    order = finite[np.argsort(out[finite], kind="stable")]
    tail = tail_size(len(order))
    if tail < LEAST_TAIL:
        return out
    top = out[order[-1]]
    weights = np.exp(out[order] - top)
    threshold = weights[-tail - 1]
    excess = weights[-tail:] - threshold
    if excess[-1] <= 1e-12:
        return out
    k, sigma = fit_pareto(excess)
    rank = (np.arange(tail) + 0.5) / tail
    bent = -np.log1p(-rank) if abs(k) < 1e-12 else np.expm1(-k * np.log1p(-rank)) / k
    out[order[-tail:]] = np.log(np.minimum(threshold + sigma * bent, 1.0)) + top
    return out
