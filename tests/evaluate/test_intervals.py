"""Intervals hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.evaluate.intervals import (
    NOTHING,
    basic_interval,
    bootstrap,
    ratio_of_sums,
    resampling_weights,
    wilson,
)


def test_wilson_agrees_with_a_published_example() -> None:
    """81 of 263 gives 0.255 to 0.366 (Newcombe, 1998, table I, method 3)."""
    found = wilson(81, 263)

    assert found.low == pytest.approx(0.2553, abs=5e-5)
    assert found.high == pytest.approx(0.3662, abs=5e-5)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5])
def test_wilson_covers_the_truth(share: float) -> None:
    """About 95 of 100 intervals hold the true share, also near zero."""
    rng = np.random.default_rng(1)
    hits = rng.binomial(1000, share, 2000)

    covered = [wilson(int(h), 1000).low <= share <= wilson(int(h), 1000).high for h in hits]

    assert 0.92 <= np.mean(covered) <= 0.98


def test_nothing_tried_is_nothing_known() -> None:
    """Without trials the interval is 0 to 1."""
    found = wilson(0, 0)

    assert math.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


def test_more_hits_than_trials_is_an_error() -> None:
    """The message holds both numbers."""
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_a_ratio_weighs_scenes_by_what_is_in_them() -> None:
    """2 of 4 and 0 of 1 are 2 of 5, not the mean of the shares."""
    rng = np.random.default_rng(0)

    found = ratio_of_sums(np.array([2.0, 0.0]), np.array([4.0, 1.0]), np.arange(2), rng)

    assert found.value == pytest.approx(0.4)
    assert found.low <= 0.4 <= found.high
    assert ratio_of_sums(np.zeros(0), np.zeros(0), np.zeros(0, int), rng) is NOTHING


def test_scenes_of_one_site_are_drawn_together() -> None:
    """A bootstrap sample takes a site as a whole, so that repeats do not narrow the interval."""
    rng = np.random.default_rng(0)
    sites = np.repeat([7, 9, 11], 4)

    weights = resampling_weights(sites, rng, 50)

    assert (weights.reshape(50, 3, 4) == weights.reshape(50, 3, 4)[..., :1]).all()
    assert (weights.reshape(50, 3, 4)[..., 0].sum(1) == 3).all()


def test_copies_of_scenes_do_not_narrow_an_interval() -> None:
    """Each scene four times over, as one site, has the interval of the single scenes."""
    values = np.random.default_rng(3).random(50)
    one = ratio_of_sums(
        values, np.ones(50), np.arange(50), np.random.default_rng(0), resamples=2000
    )

    four = ratio_of_sums(
        np.repeat(values, 4),
        np.ones(200),
        np.repeat(np.arange(50), 4),
        np.random.default_rng(0),
        resamples=2000,
    )

    assert four.high - four.low == pytest.approx(one.high - one.low, rel=1e-9)


def test_the_bootstrap_of_a_mean_is_the_normal_one() -> None:
    """With many values the interval is 1.96 standard errors to each side."""
    values = np.random.default_rng(2).normal(size=400)

    found = bootstrap(
        lambda rows: float(values[rows].mean()), np.arange(400), np.random.default_rng(0), 2000
    )

    half = 1.96 * values.std() / 20.0
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)


def test_the_basic_interval_holds_its_value() -> None:
    """Whatever the resamples say, the figure itself lies within, and above the least value."""
    found = basic_interval(0.1, np.array([0.3, 0.4, 0.5]), 0.0)

    assert found.low == 0.0
    assert found.low <= found.value <= found.high
