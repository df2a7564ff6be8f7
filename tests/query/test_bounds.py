"""What a query asks of the numbers before anything is generated."""

from __future__ import annotations

import math

import pytest

from scenegen.errors import QueryError
from scenegen.events.ranges import Range
from scenegen.query import parse
from scenegen.scene import Light, RoadKind, Weather


def test_bounds_of_top_level_clauses_meet() -> None:
    """Comparisons of one signal cut its range from both sides, in SI units."""
    query = parse(
        "ego.speed > 36km/h and 72km/h >= ego.speed and gap(ego,c) in [5m,10m]"
        " and not ttc(ego,c) > 2s and visibility < 80m and abs(c.accel) < 2m/s^2"
        " and (c.speed > 1m/s or c.speed < 2m/s) and eventually(c.speed > 9m/s)"
        " and always(c.speed < 30m/s)"
    )

    bounds = query.bounds()

    speed = bounds.pop("ego.speed")
    assert (speed.low, speed.high) == pytest.approx((10.0, 20.0))
    assert bounds == {
        "gap(ego,c)": Range(5.0, 10.0),
        "ttc(ego,c)": Range(-math.inf, 2.0),
        "visibility": Range(-math.inf, 80.0),
        "abs(c.accel)": Range(0.0, 2.0),
        "c.accel": Range(-2.0, 2.0),
        "c.speed": Range(-math.inf, 30.0),
    }


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("ego.speed > 20m/s and ego.speed < 10m/s", "ego.speed > 20m/s", "ego.speed < 10m/s"),
        ("gap(ego,c) < 5m and gap(ego,c) in [5m,9m]", "gap(ego,c) in", "gap(ego,c) < 5m"),
        ("day and cut_in(c) and night", "day", "night"),
        ("(rain or fog) and snow", "rain or fog", "snow"),
        ("highway and not highway", "highway", "not highway"),
        ("always(ego.speed < 5m/s) and ego.speed > 18km/h", "ego.speed > 18km/h", "< 5m/s"),
        ("abs(ego.accel) < 1m/s^2 and ego.accel > 2m/s^2", "abs(ego.accel)", "ego.accel > 2"),
    ],
)
def test_contradictions_name_both_clauses(text: str, first: str, second: str) -> None:
    """A query that nothing can satisfy is refused before any search, with the two clauses."""
    with pytest.raises(QueryError, match="contradict") as caught:
        parse(text).bounds()

    assert first in str(caught.value)
    assert second in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ego.speed >= 10m/s and ego.speed <= 10m/s",
        "eventually(ego.speed > 20m/s) and eventually(ego.speed < 10m/s)",
        "ego.speed > 20m/s and c.speed < 10m/s",
        "ego.speed > 20m/s or ego.speed < 10m/s",
        "day or night",
    ],
)
def test_what_can_hold_is_no_contradiction(text: str) -> None:
    """Touching closed bounds, other instants, other agents and alternatives are fine."""
    parse(text).bounds()


def test_static_demands_leave_combinations() -> None:
    """Negations and alternatives of conditions leave the light, weather and roads they allow."""
    demand = parse("not day and (rain or fog) and (highway or rural) and lanes >= 3").static()

    assert demand.lights == (Light.DUSK, Light.NIGHT)
    assert demand.weathers == (Weather.RAIN, Weather.FOG)
    assert demand.roads == (RoadKind.HIGHWAY, RoadKind.RURAL)
    assert demand.ranges == {"lanes": Range(3.0, math.inf)}


def test_linked_alternatives_keep_their_combinations() -> None:
    """Alternatives that mix light and weather are kept as pairs, not as a product."""
    demand = parse("(day and rain) or (night and fog)").static()

    pairs = {(light, weather) for light, weather, _ in demand.combinations}
    assert pairs == {(Light.DAY, Weather.RAIN), (Light.NIGHT, Weather.FOG)}


def test_event_calls_are_listed_in_order_and_not_those_denied() -> None:
    """What has to happen is listed with roles and options."""
    calls = parse(
        "night and cut_in(c,right) and not stopped(c) then[0,9s] eventually[0s,1s](occluded(p))"
    ).event_calls()

    assert [(call.name, call.roles, call.options) for call in calls] == [
        ("cut_in", ("c",), {"side": "right"}),
        ("occluded", ("p",), {}),
    ]
