"""How often events come unasked, with an interval that knows of shared roads."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.evaluate.intervals import wilson
from scenegen.pipeline.corpus_info import rate_over_roads


def test_rows_on_different_roads_have_the_interval_of_wilson() -> None:
    """Independent rows: nothing is lost."""
    hits = np.arange(200) < 30

    found = rate_over_roads(hits, np.arange(200))

    wanted = wilson(30, 200)
    assert (found.value, found.low, found.high) == pytest.approx(
        (wanted.value, wanted.low, wanted.high)
    )


@pytest.mark.parametrize("copies", [2, 8])
def test_copies_of_rows_tell_nothing_new(copies: int) -> None:
    """Rows of one road that are all alike count once."""
    hits, roads = np.arange(200) < 30, np.arange(200)

    found = rate_over_roads(np.repeat(hits, copies), np.repeat(roads, copies))

    wanted = wilson(30, 200)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=0.02)


def test_without_a_hit_each_road_counts_once() -> None:
    """The upper end is that of as many trials as there are roads."""
    found = rate_over_roads(np.zeros(80, np.bool_), np.repeat(np.arange(10), 8))

    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == wilson(0, 10).high


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_holds_the_truth_as_often_as_it_says(seed: int) -> None:
    """Over simulated sites with shared luck the rate is inside in about 95 of 100 cases."""
    rng = np.random.default_rng(seed)
    truth, inside = 0.05, 0
    for _ in range(200):
        site = rng.beta(0.5, 9.5, 120)  # mean 0.05, very different roads
        hits = rng.random((120, 8)) < site[:, None]
        found = rate_over_roads(hits.ravel(), np.repeat(np.arange(120), 8))
        inside += found.low <= truth <= found.high

    assert inside >= 180
