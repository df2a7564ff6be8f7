"""Novelty: whether a model made its scenes or remembers those it was trained on."""

from __future__ import annotations

import math

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.evaluate.intervals import NOTHING, RESAMPLES, Estimate
from scenegen.evaluate.two_sample import squared_distances

CHUNK = 512
"""Rows whose distances are looked at together."""
SAME = 1e-3
"""Tokens that differ by less than this in every channel are one scene: 5 cm, 1 cm/s."""


def nearest_distances(features: FloatArray, train: FloatArray) -> FloatArray:
    """Distance of each row to its nearest training row, shape (n,); inf without training rows."""
    out = np.full(len(features), np.inf)
    for low in range(0, len(features), CHUNK):
        if len(train):
            part = features[low : low + CHUNK]
            out[low : low + CHUNK] = np.sqrt(squared_distances(part, train).min(1))
    return out


def novelty_ratio(
    found: FloatArray,
    held_out: FloatArray,
    train: FloatArray,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Median nearest-training distance of generated scenes over that of held-out scenes.

    1 means as new as reality; 0 means copied. Held-out scenes, which no model has seen, set the
    scale (the data-copying test of Meehan et al. 2020 compares the same two samples).

    Args:
        found: Features of generated scenes, shape (n, d).
        held_out: Features of held-out scenes, shape (m, d).
        train: Features of training scenes, shape (t, d).
        rng: Random numbers of the bootstrap.
        resamples: Bootstrap samples.
    """
    if min(len(found), len(held_out), len(train)) == 0:
        return NOTHING
    ours, theirs = nearest_distances(found, train), nearest_distances(held_out, train)
    scale = float(np.median(theirs))
    if scale == 0.0:
        return NOTHING
    drawn = [
        np.median(rng.choice(ours, len(ours)))
        / max(np.median(rng.choice(theirs, len(theirs))), 1e-9)
        for _ in range(resamples)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value=float(np.median(ours)) / scale, low=float(low), high=float(high))


def exact_copies(found: FloatArray, train: FloatArray) -> float:
    """Share of generated scenes whose tokens are those of a training scene, 0-1.

    Compared are the sorted tokens of filled slots, so that another order of the background does
    not hide a copy.

    Args:
        found: Tokens, shape (S, A, C).
        train: Tokens, shape (R, A, C).

    Returns:
        Share; nan without generated scenes.
    """
    if len(found) == 0:
        return math.nan
    if len(train) == 0:
        return 0.0
    ours, theirs = (_sorted(values) for values in (found, train))
    flat = theirs.reshape(len(theirs), -1)
    hits = 0
    for row in ours.reshape(len(ours), -1):
        # A few channels first: nearly every scene differs there.
        near = np.flatnonzero((np.abs(flat[:, :16] - row[:16]) < SAME).all(1))
        hits += bool((np.abs(flat[near] - row) < SAME).all(1).any()) if len(near) else 0
    return hits / len(found)


def _sorted(values: FloatArray) -> FloatArray:
    """Tokens of each scene in the order of their rounded place, empty ones last."""
    rounded = np.round(values[..., :2].astype(np.float64), 2)
    key = rounded[..., 0] * 1e3 + rounded[..., 1] - 1e9 * (values[..., -1] > 0)
    order = np.argsort(key, axis=1, kind="stable")
    return np.take_along_axis(values, order[..., None], 1)
