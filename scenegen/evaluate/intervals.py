"""How sure a figure is: Wilson intervals of shares, bootstrap intervals of everything else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray

Z95 = 1.959963984540054
"""Quantile of the normal distribution that leaves 2.5 % above it."""
RESAMPLES = 200
"""Bootstrap samples unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        value: The figure.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def text(self, digits: int = 3) -> str:
        """Give it as ``0.0123 [0.0101, 0.0150]``; nan reads as a dash."""
        if math.isnan(self.value):
            return "-"
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.value:.{digits}g}"
        return f"{self.value:.{digits}g} [{self.low:.{digits}g}, {self.high:.{digits}g}]"


NOTHING = Estimate(value=math.nan, low=math.nan, high=math.nan)
"""The figure of something that could not be measured."""


def wilson(hits: int, trials: int) -> Estimate:
    """Share with its score interval (Wilson, 1927).

    ``(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``; it stays within 0 and 1 and has
    a length above zero even where nothing or everything was a hit.

    Args:
        hits: Number of hits.
        trials: Number of trials; without any, nothing is known: the interval is 0 to 1.

    Raises:
        ValueError: There are more hits than trials, or less than none.

    >>> wilson(0, 10).low, round(wilson(0, 10).high, 4)
    (0.0, 0.2775)
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"wilson: expected 0 <= hits <= trials, got {hits} of {trials}")
    if trials == 0:
        return Estimate(value=math.nan, low=0.0, high=1.0)
    share, z2 = hits / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = share * (1 - share) / trials + z2 / (4 * trials**2)
    half = Z95 * math.sqrt(spread) / (1 + z2 / trials)
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == trials else min(1.0, centre + half)
    return Estimate(value=share, low=low, high=high)


def resampling_weights(
    sites: IntArray, rng: np.random.Generator, resamples: int = RESAMPLES
) -> FloatArray:
    """How often each scene is drawn in each bootstrap sample, shape (resamples, S).

    Scenes of one site share a road and often a simulated world; whole sites are drawn, so that
    what they have in common does not make an interval too short (cluster bootstrap; Davison and
    Hinkley, 1997, sec. 3.8).

    Args:
        sites: Number of the site of each scene, shape (S,).
        rng: Random numbers.
        resamples: Bootstrap samples.
    """
    _, index = np.unique(sites, return_inverse=True)
    count = int(index.max(initial=-1)) + 1
    if count == 0:
        return np.zeros((resamples, 0))
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=resamples)
    return drawn[:, index].astype(np.float64)


def resampled_rows(sites: IntArray, rng: np.random.Generator) -> IntArray:
    """Rows of one bootstrap sample of whole sites; about as many as there are scenes."""
    weights = resampling_weights(sites, rng, 1)[0].astype(np.int64)
    return np.repeat(np.arange(len(sites)), weights)


def ratio_of_sums(
    above: FloatArray,
    below: FloatArray,
    sites: IntArray,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Share over all scenes, with sites as the unit of resampling (Efron and Tibshirani, 1993).

    Agents of one scene depend on each other; resampling whole sites keeps that.

    Args:
        above: What counts in each scene, shape (S,).
        below: What there is in each scene, shape (S,).
        sites: Site of each scene, shape (S,).
        rng: Random numbers of the bootstrap.
        resamples: Bootstrap samples.

    Returns:
        ``sum(above) / sum(below)`` with its percentile interval; nan where there is nothing.
    """
    total = float(np.sum(below))
    if len(below) == 0 or total == 0.0:
        return NOTHING
    weights = resampling_weights(sites, rng, resamples)
    bottom = weights @ np.asarray(below, np.float64)
    drawn = (weights @ np.asarray(above, np.float64)) / np.where(bottom > 0, bottom, np.nan)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value=float(np.sum(above)) / total, low=float(low), high=float(high))


def basic_interval(value: float, drawn: FloatArray, least: float = -math.inf) -> Estimate:
    """Interval of a statistic that resampling biases upwards, such as a divergence.

    The basic bootstrap ``[2 v - q97.5, 2 v - q2.5]`` (Davison and Hinkley, 1997, sec. 5.2): a
    resample repeats scenes, so that its divergence is too large by about as much as the
    sample's is; the percentile interval would add that bias a second time.

    Args:
        value: Statistic of the sample.
        drawn: Statistics of the bootstrap samples, shape (R,).
        least: Smallest value the statistic can have.
    """
    if math.isnan(value) or not np.isfinite(drawn).any():
        return Estimate(value=value, low=math.nan, high=math.nan)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    ends = (max(least, 2 * value - float(high)), max(least, 2 * value - float(low)))
    return Estimate(value=value, low=min(ends[0], value), high=max(ends[1], value))


def bootstrap(
    statistic: Callable[[IntArray], float],
    sites: IntArray,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Percentile interval of a statistic of chosen rows.

    Args:
        statistic: Gives the figure for row numbers, which may repeat.
        sites: Site of each row, shape (n,); different numbers for independent rows.
        rng: Random numbers.
        resamples: Bootstrap samples.
    """
    if len(sites) == 0:
        return NOTHING
    value = statistic(np.arange(len(sites)))
    drawn = [statistic(resampled_rows(sites, rng)) for _ in range(resamples)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value=float(value), low=float(low), high=float(high))
