"""Ranges: intervals that scripts are drawn from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.errors import QueryError
from scenegen.events.ranges import Range, draw_coupled


@pytest.mark.parametrize("seed", range(5))
def test_draws_stay_inside(seed: int) -> None:
    """Every number drawn lies in the interval."""
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.uniform(-50, 50, 2))
    span = Range(low, high)

    assert all(span.draw(rng) in span for _ in range(200))


@pytest.mark.parametrize("seed", range(5))
def test_intersection_holds_what_both_hold(seed: int) -> None:
    """A number is in the common part exactly if it is in both intervals."""
    rng = np.random.default_rng(seed)
    a, b = (Range(*sorted(rng.uniform(0, 10, 2))) for _ in range(2))
    common = a.intersect(b)

    for value in rng.uniform(0, 10, 200):
        assert (common is not None and value in common) == (value in a and value in b)


def test_a_reversed_range_is_refused() -> None:
    """Low above high is a mistake of the caller."""
    with pytest.raises(ValueError, match="low <= high"):
        Range(2.0, 1.0)


def test_an_infinite_range_cannot_be_drawn_from() -> None:
    """Bounds of a query may be infinite, ranges of a draw may not."""
    with pytest.raises(ValueError, match="finite"):
        Range(0.0, math.inf).draw(np.random.default_rng(0))


def test_contradicting_ranges_end_with_a_sentence() -> None:
    """Numbers that can never agree give an error, not an endless loop."""
    with pytest.raises(QueryError, match="contradict"):
        draw_coupled(
            "thing", np.random.default_rng(0), lambda r: float(r.random()), lambda x: x > 2.0
        )
