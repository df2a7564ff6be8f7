"""Distances between histograms: Jensen-Shannon divergence and Wasserstein distance."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import ShapeError


def js_divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence of histograms, in nats and not rooted (Lin, 1991).

    ``(KL(p || m) + KL(q || m)) / 2`` with ``m = (p + q) / 2``: 0 for equal shapes, ln 2 for
    histograms that share no bin.

    Args:
        p: Counts, shape (..., B); each row is normalised here.
        q: Counts, shape (..., B), broadcast.

    Returns:
        Divergence [nat], shape (...): nan where a histogram is empty.

    >>> float(js_divergence(np.array([1.0, 0.0]), np.array([0.0, 5.0]))) == float(np.log(2))
    True
    """
    p, q = _normalised(p), _normalised(q)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log(p / middle), 0.0).sum(-1)
        right = np.where(q > 0, q * np.log(q / middle), 0.0).sum(-1)
    known = np.isfinite(p).all(-1) & np.isfinite(q).all(-1)
    return np.where(known, np.maximum((left + right) / 2, 0.0), np.nan)


def wasserstein(p: FloatArray, q: FloatArray, width: float) -> FloatArray:
    """Wasserstein-1 distance of histograms with equal bins: area between the cumulative sums.

    Args:
        p: Counts, shape (..., B); normalised here.
        q: Counts, shape (..., B), broadcast.
        width: Width of a bin, in the unit of the quantity.

    Returns:
        Distance in that unit, shape (...): nan where a histogram is empty.
    """
    apart = np.cumsum(_normalised(p), -1) - np.cumsum(_normalised(q), -1)
    return np.abs(apart)[..., :-1].sum(-1) * width


def histogram_rows(values: FloatArray, rows: IntArray, count: int, edges: FloatArray) -> FloatArray:
    """Histograms of many scenes at once; values beyond the ends fall into the outer bins.

    Args:
        values: Values of all scenes in a row, shape (K,); nan is left out.
        rows: Scene of each value, shape (K,).
        count: Number of scenes S.
        edges: Edges of the bins, increasing, shape (B + 1,).

    Returns:
        Counts, shape (S, B).
    """
    if values.shape != rows.shape:
        raise ShapeError(
            f"values and rows: expected equal shapes, got {values.shape}, {rows.shape}"
        )
    bins = len(edges) - 1
    kept = ~np.isnan(values)
    index = np.searchsorted(edges, values[kept], side="right") - 1
    place = rows[kept].astype(np.int64) * bins + np.clip(index, 0, bins - 1)
    return np.bincount(place, minlength=count * bins).reshape(count, bins).astype(np.float64)


def _normalised(counts: FloatArray) -> FloatArray:
    counts = np.asarray(counts, np.float64)
    total = counts.sum(-1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
