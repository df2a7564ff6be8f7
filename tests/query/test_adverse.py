"""Conditions with numbers: heavy rain, dense fog, heavy snow and low sun."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from scenegen.errors import QueryError
from scenegen.query import STATICS, parse
from scenegen.query.statics import FIELDS
from scenegen.scene import Conditions, Light, Scenario, Weather
from scenegen.scene.climate import draw_conditions
from tests.builders import cars, constant_speed_scenario, straight_road

NUMBERED = sorted(name for name, fact in STATICS.items() if fact.ranges)


def under(conditions: Conditions) -> Scenario:
    """An ego under a sky."""
    calm = constant_speed_scenario(straight_road(2), cars((20, 0, 10)))
    return replace(calm, conditions=conditions)


def drawn(name: str, seed: int) -> Conditions:
    """Conditions as they are drawn for a word."""
    demand = parse(name).static()
    light, weather, _ = demand.combinations[0]
    ranges = {FIELDS[n]: (r.low, r.high) for n, r in demand.ranges.items()}
    return draw_conditions(np.random.default_rng(seed), [light], [weather], ranges)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", NUMBERED)
def test_what_is_drawn_for_a_word_satisfies_it(name: str, seed: int) -> None:
    """The word holds, its negation does not, and the light and weather it implies hold too."""
    scenario = under(drawn(name, seed))

    assert parse(name).evaluate(scenario).satisfied
    assert not parse(f"not {name}").evaluate(scenario).satisfied


@pytest.mark.parametrize("name", NUMBERED)
def test_numbers_outside_do_not_satisfy_it(name: str) -> None:
    """The same weather with a number beyond the range is not meant."""
    for quantity, wanted in STATICS[name].ranges.items():
        beyond = wanted.low * 0.9 if math.isinf(wanted.high) else wanted.high * 1.5
        conditions = replace(drawn(name, 0), **{FIELDS[quantity]: beyond})

        assert not parse(name).evaluate(under(conditions)).satisfied


def test_rain_that_is_not_heavy_can_be_asked_for() -> None:
    """The negation of a numbered condition does not rule out its weather."""
    demand = parse("rain and not heavy_rain").static()

    assert {weather for _, weather, _ in demand.combinations} == {Weather.RAIN}


def test_contradicting_numbers_are_refused() -> None:
    """Heavy rain of 2 mm/h does not exist."""
    with pytest.raises(QueryError, match="heavy_rain contradicts"):
        parse("heavy_rain and rain_rate < 2mm/h").static()


def test_two_numbered_weathers_contradict() -> None:
    """It does not snow in dense fog."""
    with pytest.raises(QueryError):
        parse("dense_fog and heavy_snow").static()


@pytest.mark.parametrize(("low", "high"), [(55.0, 80.0), (0.2, 0.8), (10.0, math.inf)])
def test_rain_is_drawn_over_the_range_asked_for(low: float, high: float) -> None:
    """Inside the usual range or outside, draws spread, and what follows from rain fits."""
    ranges = {"rain_mm_per_h": (low, high)}
    rates = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        conditions = draw_conditions(rng, [Light.DAY], [Weather.RAIN], ranges)
        rates.append(conditions.rain_mm_per_h)
        visible = 2996.0 / (0.312 * conditions.rain_mm_per_h**0.67)
        assert conditions.visibility == pytest.approx(min(visible, 20_000.0))

    assert low <= min(rates) < max(rates) <= high
    assert len(set(rates)) == len(rates)
