"""Explanations: who is to blame, and that the change they name is enough."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenegen.errors import QueryError
from scenegen.query import Query, Trace, parse
from scenegen.query.expression import Formula
from tests.builders import cars, constant_speed_scenario, straight_road
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy, cut_in_world

WORLDS = [Trace(busy(seed)) for seed in range(3)]


def test_each_clause_says_how_near_it_came() -> None:
    """Value, unit, time and agent of each clause are those of the nearest assignment."""
    scenario = constant_speed_scenario(
        straight_road(), cars((0, 0, 20), (34.5, 0, 20), (80, 3.5, 10)), steps=21
    )

    found = parse("vehicle(c) and gap(ego,c) < 25m and c.speed > 54km/h").explain(scenario)

    assert not found.satisfied
    assert found.blame == "gap(ego,c) < 25m"
    assert found.witness == {"c": 1}
    gap, speed = found.clauses[1:]
    assert (gap.value, gap.unit, gap.satisfied) == (pytest.approx(30.0, abs=1e-4), "m", False)
    assert gap.margin == pytest.approx(-5.0, abs=1e-4)
    assert (speed.value, speed.unit) == (pytest.approx(72.0, abs=1e-4), "km/h")
    assert speed.agents == {"c": 1}
    assert found.relaxation is not None
    assert (found.relaxation.old, found.relaxation.new) == ("25m", "30.1m")
    assert found.without == ("gap(ego,c) < 25m",)


NUMBER = re.compile(r"-?[0-9.]+(e-?[0-9]+)?")
NEAR_MISSES = [
    "ttc(ego,a) < {}s and a.speed > 1m/s",
    "vehicle(a) and thw(ego,a) < {}s and lead(a)",
    "distance(ego,a) < {}m and abs(left(ego,a)) < 1.5m",
    "a.speed - ego.speed > {}m/s",
    "not (a.speed < 2{}m/s)",
    "gap(ego,a) in [0m,{}m] and ego.speed > 0m/s",
    "eventually(gap(ego,a) < {}m) and not stopped(a)",
    "{}m > gap(ego,a)",
    "drac(a,b) > 1{}m/s^2",
]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_the_relaxation_named_is_enough_and_nearly_necessary(text: str) -> None:
    """The relaxed query matches; four fifths of the change are not enough."""
    checked = 0
    for seed in range(8):
        scenario, query = busy(seed), parse(text.format("0.3"))
        change = query.explain(scenario).relaxation
        if change is None:
            continue
        assert parse(change.query).evaluate(scenario).satisfied
        old, new = (float(NUMBER.match(n).group()) for n in (change.old, change.new))  # type: ignore[union-attr]
        unit = NUMBER.sub("", change.old, count=1)
        tighter = query.text.replace(change.old, f"{old + 0.8 * (new - old)}{unit}", 1)
        if abs(new - old) > 0.05 * abs(old):  # else the three digits given are the change
            assert not parse(tighter).evaluate(scenario).satisfied
            checked += 1

    assert checked > 0


def test_a_satisfied_query_needs_no_relaxation() -> None:
    """Nothing is to blame where all is well."""
    found = parse("vehicle(c) and cut_in(c)").explain(cut_in_world())

    assert found.satisfied
    assert found.blame is None
    assert found.relaxation is None
    assert found.without == ()


def test_an_event_that_did_not_happen_is_blamed() -> None:
    """Where no number would help, the clause without which it matches is named."""
    scenario = constant_speed_scenario(straight_road(), cars((0, 0, 20), (40, 0, 15)))

    found = parse("lane_change(c) and gap(ego,c) < 30m").explain(scenario)

    assert found.blame == "lane_change(c)"
    assert found.relaxation is None
    assert found.without == ("lane_change(c)",)


def test_an_empty_road_is_explained() -> None:
    """Nobody to play a role is not an error."""
    scenario = constant_speed_scenario(straight_road(), cars((0, 0, 20)))

    found = parse("vehicle(c) and ttc(ego,c) < 1s").explain(scenario)

    assert not found.satisfied
    assert found.clauses == ()
    assert found.time is None


def test_an_explanation_is_plain_json() -> None:
    """Explanations can be stored and sent, without infinities."""
    found = parse("vehicle(a) and ttc(ego,a) < 0.1s and gap(ego,a) > 5m").explain(busy(2))

    data = json.loads(json.dumps(found.to_json(), allow_nan=False))

    assert data["query"] == found.query
    assert len(data["clauses"]) == 3


def test_the_nearest_instant_is_told_even_where_one_clause_is_out_of_reach() -> None:
    """By day a query for night is nearest where its other clauses hold, not at the begin."""
    scenario = cut_in_world()
    moving = parse("cut_in(c) and ttc(ego,c) < 1.5s")

    by_day = parse("night and cut_in(c) and ttc(ego,c) < 1.5s").explain(scenario)

    assert not by_day.satisfied
    assert by_day.blame == "night"
    assert by_day.witness == moving.evaluate(scenario).witness
    assert [clause.satisfied for clause in by_day.clauses] == [False, True, True]
    assert by_day.without == ("night",)


def test_value_and_margin_are_of_the_same_instant() -> None:
    """The value shown beside a margin is the one it comes from, the best is apart."""
    scenario = cut_in_world()

    found = parse("night and cut_in(c) and ttc(ego,c) < 1.5s").explain(scenario)

    ttc = found.clauses[2]
    assert ttc.value is not None
    assert ttc.best_value is not None
    assert ttc.best_value <= ttc.value
    assert (ttc.value < 1.5) is ttc.satisfied
    again = parse("ttc(ego,c) < 1.5s").explain(scenario).clauses[0]
    assert again.value == again.best_value
    assert again.best_time == ttc.best_time


def test_two_roles_are_told_apart_where_a_clause_is_out_of_reach() -> None:
    """Each role goes to the agent that fits it."""
    found = parse("fog and stopped(o) and cut_in(c)").explain(cut_in_world())

    assert found.witness == {"o": 2, "c": 1}


def relaxed(formula: Formula, world: int) -> bool:
    """Whether a relaxation is named; if so it turns the verdict, and so does its text."""
    try:
        query = Query(formula)
    except QueryError:
        return False
    found = query.explain(WORLDS[world])
    if found.satisfied or found.relaxation is None:
        return False
    assert not query.evaluate(WORLDS[world]).satisfied
    assert parse(found.relaxation.query).evaluate(WORLDS[world]).satisfied
    assert found.relaxation.query != query.text
    return True


@given(FORMULAS, st.sampled_from(range(3)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_relaxation_named_turns_the_verdict(formula: Formula, world: int) -> None:
    """Whatever the formula and the scenario."""
    relaxed(formula, world)


@pytest.mark.parametrize("seed", range(6))
def test_the_relaxation_named_turns_the_verdict_of_what_has_an_order(seed: int) -> None:
    """The same for random numbers within `then`, `until`, `at`, `for` and `eventually`."""
    rng = np.random.default_rng(seed)
    shapes = [
        "ttc(ego,a) < {}s then[0s,2s] a.speed < {}m/s",
        "gap(ego,a) > {}m until[0s,3s] thw(ego,a) < 0.{}s",
        "at(a.speed > {}m/s, gap(ego,a) < {}m)",
        "a.accel < -{}m/s^2 for 0.5s then ego.speed < {}m/s",
        "eventually[0s,1s](distance(ego,a) < {}m) and b.speed > 1{}m/s",
        "not (a.speed > {}m/s then[0s,1s] b.speed > {}m/s)",
    ]
    turned = 0
    for shape in shapes:
        for _ in range(4):
            text = shape.format(*(int(x) for x in rng.integers(1, 9, 2)))
            turned += relaxed(parse(text).formula, int(rng.integers(3)))

    assert turned > 3


def test_both_parts_of_an_order_are_told_with_their_times() -> None:
    """First the parts before `then`, at one instant, then those after it, at a later one."""
    scenario = cut_in_world()

    found = parse(
        "cut_in(c) and ttc(ego,c) < 3s then[0.5s,2s] (gap(ego,c) < 5m and c.speed < 90m/s)"
    ).explain(scenario)

    assert [row.text for row in found.clauses] == [
        *("cut_in(c)", "ttc(ego,c) < 3s", "gap(ego,c) < 5m", "c.speed < 90m/s"),
    ]
    first, second, third, fourth = (row.time for row in found.clauses)
    assert first == second == found.time
    assert third == fourth
    assert first + 0.5 - 1e-9 <= third <= first + 2.0 + 1e-9
    assert all(row.agents == {"c": 1} for row in found.clauses)


def test_an_order_out_of_reach_is_told_where_its_first_part_holds() -> None:
    """If nothing can follow, the first part is still shown at its best instant."""
    found = parse("cut_in(c) and ttc(ego,c) < 3s then stopped(c)").explain(cut_in_world())

    assert not found.satisfied
    assert [row.satisfied for row in found.clauses] == [True, True, False]
    assert found.blame == "stopped(c)"


@pytest.mark.parametrize(
    "text",
    [
        "gap(ego,c) > 3m until[0s,3s] cut_in(c)",
        "at(cut_in(c), c.speed > 10m/s)",
        "eventually[0s,3s](cut_in(c) then ttc(ego,c) < 2s)",
        "cut_in(c) then (lead(c) then[0s,1s] ttc(ego,c) < 9s)",
    ],
)
def test_rows_agree_with_the_verdict(text: str) -> None:
    """Where a query holds, every row of it holds at its own time."""
    scenario = cut_in_world()
    found = parse(text).explain(scenario)

    assert found.satisfied
    assert all(row.satisfied for row in found.clauses)
