"""How well lost echoes and reflectivities are told, and how like real scans look from above.

Nothing is measured under the mask of the echoes that really came back, unless it is said so:
where an intensity is judged, the model's own draw decides which rays have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scenegen.arrays import BoolArray, FloatArray, check_shape

Floats = npt.NDArray[np.float64]

_STEPS = 4096
"""Bins that scores are counted in; an area under the curve is exact to their width."""
BEV_NEAR, BEV_FAR, BEV_CELLS, BEV_EDGE = 3.0, 70.0, 100, 160.0
"""Constants of the measures from above: ranges [m], cells along an edge, edge [m] (R2DM, Nakashima
and Kurazume 2024, metrics/bev.py)."""
BEV_SIGMA = 0.5
"""Width of the kernel of the mean discrepancy (R2DM)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DropCounts:
    """Scores of lost and of returned echoes, counted in bins by block of a scan.

    Attributes:
        lost: Lost echoes by block and bin, shape (K, S).
        returned: Returned echoes, likewise.
    """

    lost: Floats
    returned: Floats

    def chosen(self, rows: npt.NDArray[np.int64]) -> DropCounts:
        """Give some blocks, with repetition."""
        return DropCounts(lost=self.lost[rows], returned=self.returned[rows])


def count_drops(score: FloatArray, lost: BoolArray, known: BoolArray, blocks: int) -> DropCounts:
    """Count the scores of one scan by sectors of azimuth.

    Args:
        score: Probability that an echo is lost, shape (B, A).
        lost: Whether it is, shape (B, A).
        known: Which rays count, shape (B, A).
        blocks: Number of sectors, for `bootstrap`: rays of a sector are not independent.
    """
    sizes = check_shape("score", score, "B", "A")
    columns = sizes["A"]
    block = np.broadcast_to(np.arange(columns) * blocks // columns, score.shape)
    bins = np.clip((np.asarray(score, np.float64) * _STEPS).astype(np.int64), 0, _STEPS - 1)
    place = block * _STEPS + bins
    parts = [
        np.bincount(place[known & chosen], minlength=blocks * _STEPS).reshape(blocks, _STEPS)
        for chosen in (lost, ~lost)
    ]
    return DropCounts(lost=parts[0].astype(np.float64), returned=parts[1].astype(np.float64))


def joined(counts: Sequence[DropCounts]) -> DropCounts:
    """Put the blocks of several scans together."""
    return DropCounts(
        lost=np.concatenate([c.lost for c in counts]),
        returned=np.concatenate([c.returned for c in counts]),
    )


def auc(counts: DropCounts) -> float:
    """Area under the ROC curve: how often a lost echo scores higher than a returned one.

    Ties count half (Mann and Whitney, 1947). NaN where there are only lost or only returned ones.
    """
    lost, returned = counts.lost.sum(0), counts.returned.sum(0)
    pairs = lost.sum() * returned.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(returned) - returned
    return float((lost * (below + returned / 2)).sum() / pairs)


def matched_iou(counts: DropCounts) -> float:
    """Intersection over union of lost echoes, of as many as were lost with the highest scores.

    Of a bin that is taken in part, that part of its lost echoes is counted.
    """
    lost, every = counts.lost.sum(0)[::-1], (counts.lost + counts.returned).sum(0)[::-1]
    wanted = float(lost.sum())
    before = np.cumsum(every) - every
    share = np.clip((wanted - before) / np.maximum(every, 1.0), 0.0, 1.0)
    hit = float((share * lost).sum())
    return hit / (2 * wanted - hit) if wanted > 0 else float("nan")


def bootstrap(
    counts: DropCounts, other: DropCounts | None, rng: np.random.Generator, rounds: int = 200
) -> tuple[float, float]:
    """Give the 95 % interval of an AUC, or of its lead over another's, by drawing blocks.

    Args:
        counts: Counts of a model.
        other: Counts of another on the same blocks; None for the AUC itself.
        rng: Random numbers.
        rounds: Draws.
    """
    values = []
    for _ in range(rounds):
        rows = rng.integers(len(counts.lost), size=len(counts.lost))
        value = auc(counts.chosen(rows))
        values.append(value if other is None else value - auc(other.chosen(rows)))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)


def bird_view(points: Floats) -> Floats:
    """Count points in cells seen from above, shape (BEV_CELLS, BEV_CELLS).

    Args:
        points: In the frame of the lidar [m], shape (n, 3).
    """
    check_shape("points", points, "n", 3)
    away = np.linalg.norm(points, axis=1)
    near = points[(away > BEV_NEAR) & (away < BEV_FAR)]
    half = BEV_EDGE / 2
    counts, _, _ = np.histogram2d(
        near[:, 0], near[:, 1], bins=BEV_CELLS, range=((-half, half), (-half, half))
    )
    return np.asarray(counts, np.float64)


def bev_distance(ours: Sequence[Floats], real: Sequence[Floats]) -> tuple[float, float]:
    """Distances of two sets of scans seen from above: JSD and MMD with the constants of R2DM.

    JSD is the root of the Jensen-Shannon divergence of the pooled histograms in nats; MMD is the
    biased squared discrepancy between the scans' normalised histograms with a Gaussian kernel.
    """
    pooled = [np.sum(views, axis=0).ravel() for views in (ours, real)]
    p, q = (v / max(v.sum(), 1e-12) for v in pooled)
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log(p / m), 0.0).sum()
        right = np.where(q > 0, q * np.log(q / m), 0.0).sum()
    one, two = (np.array([v.ravel() / max(v.sum(), 1e-12) for v in s]) for s in (ours, real))
    mmd = _kernel(one, one).mean() + _kernel(two, two).mean() - 2 * _kernel(one, two).mean()
    return float(np.sqrt(max(left + right, 0.0) / 2)), float(max(mmd, 0.0))


def _kernel(one: Floats, two: Floats) -> Floats:
    apart = (one**2).sum(1)[:, None] + (two**2).sum(1) - 2 * one @ two.T
    return np.asarray(np.exp(-np.maximum(apart, 0.0) / (2 * BEV_SIGMA**2)))
