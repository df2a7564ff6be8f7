"""Who is how far from the goals, and who beats whom."""

from __future__ import annotations

import math

import pytest

from scenegen.evaluate.intervals import Estimate
from scenegen.evaluate.scorecard import Metric
from scenegen.evaluate.standing import LARGEST, compare, distance, pooled, shortfall, tally

NAN = math.nan


def _estimate(value: float, spread: float = 0.0) -> Estimate:
    return Estimate(value=value, low=value - spread, high=value + spread)


@pytest.mark.parametrize(
    ("metric", "figure", "octaves"),
    [
        (Metric(axis="a", most=0.1), 0.1, 0.0),
        (Metric(axis="a", most=0.1), 0.2, 1.0),
        (Metric(axis="a", most=0.1), 100.0, LARGEST),
        (Metric(axis="a", most=0.0), 0.001, 1.0),
        (Metric(axis="a", least=0.8), 0.2, 2.0),
        (Metric(axis="a", least=0.8), 0.0, LARGEST),
        (Metric(axis="a", most_of_floor=2.0), 1.6, 2.0),
        (Metric(axis="a", least_of_floor=0.5), 0.05, 1.0),
        (Metric(axis="a", most=0.1), NAN, LARGEST),
        (Metric(axis="a"), 7.0, 0.0),
    ],
)
def test_a_shortfall_counts_doublings(metric: Metric, figure: float, octaves: float) -> None:
    """Twice as bad as the goal is one octave; the floor here is 0.2."""
    assert shortfall(metric, figure, 0.2) == pytest.approx(octaves)


def test_axes_count_alike() -> None:
    """Many metrics of one axis weigh as much as the one of another."""
    metrics = {f"a{k}": Metric(axis="a", most=1.0) for k in range(9)}
    metrics |= {"b": Metric(axis="b", most=1.0), "free": Metric(axis="c")}
    figures = dict.fromkeys(metrics, 1.0) | {"b": 2.0, "free": 99.0}

    assert distance(figures, {}, metrics) == pytest.approx(0.5)


def test_nothing_makes_up_for_a_missed_goal() -> None:
    """A figure far better than its goal leaves the distance as it is."""
    metrics = {"a": Metric(axis="a", most=1.0), "b": Metric(axis="a", most=1.0)}

    just = distance({"a": 1.0, "b": 4.0}, {}, metrics)

    assert distance({"a": 1e-6, "b": 4.0}, {}, metrics) == just


@pytest.mark.parametrize(
    ("metric", "ours", "theirs", "side"),
    [
        (Metric(axis="a", most=1.0), _estimate(1.0), _estimate(2.0), 1),
        (Metric(axis="a", least=1.0), _estimate(1.0), _estimate(2.0), -1),
        (Metric(axis="a", most=1.0), _estimate(1.0, 0.6), _estimate(2.0, 0.6), 0),
        (Metric(axis="a", most=1.0), _estimate(1.0), _estimate(NAN), 1),
        (Metric(axis="a", most=1.0), _estimate(NAN), _estimate(NAN), 0),
        (Metric(axis="a"), _estimate(1.0), _estimate(2.0), 0),
    ],
)
def test_who_is_better_needs_intervals_apart(
    metric: Metric, ours: Estimate, theirs: Estimate, side: int
) -> None:
    """The better figure wins only where the intervals do not overlap; the roles are symmetric."""
    assert compare(metric, ours, theirs) == side
    assert compare(metric, theirs, ours) == -side


def test_seeds_are_pooled_with_both_their_intervals() -> None:
    """Two runs that differ make a wide interval."""
    found = pooled([_estimate(1.0, 0.1), _estimate(3.0, 0.1), _estimate(NAN)])

    assert (found.value, found.low, found.high) == pytest.approx((2.0, 0.9, 3.1))
    assert math.isnan(pooled([]).value)


def test_a_tally_names_both_sides() -> None:
    """Where we are better, and where we are not."""
    metrics = {"speed": Metric(axis="a", most=1.0), "recall": Metric(axis="b", least=1.0)}
    ours = {"speed": _estimate(1.0), "recall": _estimate(0.2)}
    theirs = {"speed": _estimate(2.0), "recall": _estimate(0.3)}

    assert tally(metrics, ours, theirs) == (["speed"], ["recall"])
