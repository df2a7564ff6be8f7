"""The table tells models from cheats, and knows its own noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scenegen.evaluate.scorecard import METRICS, Facts, Metric, Score, Yardstick, score, sd_scaled
from scenegen.evaluate.traps import TRAPS
from tests.evaluate.sets import random_set


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    """Held-out and training scenes of one law."""
    torch.set_num_threads(1)
    return Yardstick.of(random_set(100, 1), random_set(50, 2))


@pytest.fixture(scope="module")
def floor(yardstick: Yardstick) -> Score:
    """One half of the held-out scenes against the other."""
    return score(yardstick.floor, yardstick, len(yardstick.floor.scenes), resamples=10)


def test_every_metric_is_measured(floor: Score) -> None:
    """The score has the lines of the table, in its order, each within its interval."""
    assert list(floor.figures) == list(METRICS)
    for name, figure in floor.figures.items():
        # Families are too small here, and no two scenes share a road: see test_likelihood.
        if name not in {"worst family JSD", "road likelihood"}:
            assert not math.isnan(figure.value), name
        if not math.isnan(figure.low):
            assert figure.low <= figure.value + 1e-9, name
            assert figure.value <= figure.high + 1e-9, name


def test_scenes_of_the_same_law_pass(yardstick: Yardstick, floor: Score) -> None:
    """Fresh scenes of the very law miss none of the goals that do not depend on luck."""
    fresh = random_set(len(yardstick.floor.scenes), 9)

    missed = score(Facts.of(fresh), yardstick, len(fresh), resamples=10).failures(floor)

    steady = {"returned", "MMD^2", "recall", "coverage", "exact copies"}
    assert not steady & set(missed), missed


@pytest.mark.parametrize("name", sorted(TRAPS))
def test_every_cheat_is_caught_by_the_metric_meant_for_it(
    name: str, yardstick: Yardstick, floor: Score
) -> None:
    """Copies, shuffles, empty roads and refusals each miss a goal that honest scenes meet."""
    trap = TRAPS[name]

    made = trap.make(yardstick.train.scenes, yardstick.floor.scenes, np.random.default_rng(0))
    found = score(Facts.of(made), yardstick, len(yardstick.floor.scenes), resamples=10)

    assert trap.fails in found.failures(floor)
    assert trap.fails not in floor.failures(floor)


def test_the_same_scenes_have_the_same_score(yardstick: Yardstick, floor: Score) -> None:
    """Nothing depends on a clock or a global seed."""
    again = score(yardstick.floor, yardstick, len(yardstick.floor.scenes), resamples=10)

    for name, figure in floor.figures.items():
        np.testing.assert_equal(again.figures[name].value, figure.value)
        np.testing.assert_equal(again.figures[name].low, figure.low)


def test_halves_share_no_site() -> None:
    """A road is on one side only, so that the floor does not profit from having seen it."""
    scenes = random_set(40, 3)
    sites = np.repeat(np.arange(10), 4)
    grouped = type(scenes).of_tokens(scenes.values, scenes.road, scenes.family, sites)

    found = Yardstick.of(grouped, scenes)

    a, b = found.reference.scenes.site, found.floor.scenes.site
    assert not set(a.tolist()) & set(b.tolist())
    assert len(a) == len(b) == 20


def test_too_few_scenes_are_refused() -> None:
    """Five scenes compare nothing."""
    with pytest.raises(ValueError, match="at least 20 held-out scenes"):
        Yardstick.of(random_set(5, 0), random_set(5, 1))


@pytest.mark.parametrize(
    ("metric", "figure", "passes"),
    [
        (Metric(axis="a", most=0.1), 0.1, True),
        (Metric(axis="a", most=0.1), 0.11, False),
        (Metric(axis="a", least=0.5), 0.4, False),
        (Metric(axis="a", most_of_floor=2.0), 0.39, True),
        (Metric(axis="a", most_of_floor=2.0), 0.41, False),
        (Metric(axis="a", least_of_floor=0.9), 0.17, False),
        (Metric(axis="a", most=1.0), math.nan, False),
    ],
)
def test_goals_are_what_they_say(metric: Metric, figure: float, passes: bool) -> None:
    """Bounds hold inclusively; what could not be measured does not pass."""
    assert metric.passes(figure, 0.2) is passes
    assert metric.goal()


def test_scenario_dreamers_factors_are_applied(floor: Score) -> None:
    """Ten for gaps and lateral deviation, a hundred for the rest."""
    scaled = sd_scaled(floor.figures)

    assert scaled["speed"] == pytest.approx(100 * floor.figures["speed JSD"].value)
    assert scaled["nearest gap"] == pytest.approx(10 * floor.figures["nearest gap JSD"].value)
