"""What a verdict says, and that it means the same agents and the same instant everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scenegen.errors import QueryError
from scenegen.query import Trace, ego, parse
from scenegen.scene import AgentKind, Conditions, Light, Weather
from scenegen.sim import pairs
from tests.builders import cars, constant_speed_scenario, straight_road
from tests.query.worlds import busy, changing_lanes, cut_in_world, from_paths


def test_the_car_that_cuts_in_has_to_be_the_one_with_the_low_ttc() -> None:
    """Another car with a low TTC does not help the car that cuts in far ahead."""
    time = np.arange(81) * 0.1
    far = changing_lanes(time, 1.0, 2.5, 3.5, 0.0)
    scenario = from_paths(
        [
            (AgentKind.CAR, 20 + 20 * time, 0 * time, 20 + 0 * time),
            (AgentKind.CAR, 65 + 20 * time, far, 20 + 0 * time),
            (AgentKind.CAR, 50 + 12 * time, 0 * time, 12 + 0 * time),
        ]
    )
    cuts, low = parse("lane_change(c)"), parse("ttc(ego,o) < 2s")

    assert cuts.evaluate(scenario).witness == {"c": 1}
    assert low.evaluate(scenario).witness == {"o": 2}
    assert parse("lane_change(c) and ttc(ego,o) < 2s").evaluate(scenario).satisfied
    assert not parse("lane_change(c) and ttc(ego,c) < 2s").evaluate(scenario).satisfied


def test_clauses_hold_at_one_instant_and_eventually_at_any() -> None:
    """Two things at different times satisfy a query only if it says `eventually`."""
    scenario = constant_speed_scenario(straight_road(), cars((50, 0, 20), (100, 3.5, 15)))

    together = "ahead(ego,c) > 45m and ahead(ego,c) < 15m"
    apart = "eventually(ahead(ego,c) > 45m) and eventually(ahead(ego,c) < 15m)"
    assert not parse(together).evaluate(scenario).satisfied
    assert parse(apart).evaluate(scenario).satisfied
    assert parse("ahead(ego,c) > 45m then ahead(ego,c) < 15m").evaluate(scenario).satisfied
    assert not parse("ahead(ego,c) < 15m then ahead(ego,c) > 45m").evaluate(scenario).satisfied


def test_a_cut_in_is_found_with_its_witness_and_time() -> None:
    """A hand-built cut-in satisfies the query as agent 1 while it crosses the line."""
    scenario = cut_in_world()
    verdict = parse("vehicle(c) and cut_in(c) and ttc(ego,c) < 3s").evaluate(scenario)

    assert verdict.satisfied
    assert verdict.witness == {"c": 1}
    assert verdict.interval is not None
    begin, end = verdict.interval
    assert 1.0 < begin <= (verdict.time or 0.0) <= end < 5.0
    assert all(clause.satisfied for clause in verdict.clauses)
    assert verdict.margin == pytest.approx(min(clause.margin for clause in verdict.clauses))


def test_roles_are_different_agents_and_never_the_ego() -> None:
    """One other car cannot play two roles, and nobody plays a role in an empty road."""
    one = constant_speed_scenario(straight_road(), cars((0, 0, 20), (30, 0, 20)))
    alone = constant_speed_scenario(straight_road(), cars((0, 0, 20)))

    assert parse("a.speed > 1m/s").evaluate(one).satisfied
    for query, scenario in (("a.speed > 1m/s and b.speed > 1m/s", one), ("vehicle(a)", alone)):
        verdict = parse(query).evaluate(scenario)
        assert not verdict.satisfied
        assert verdict.witness == {}
        assert verdict.time is None


def test_interval_ends_are_interpolated() -> None:
    """A gap that shrinks by 5 m/s falls below 20.2 m between two instants, where it is said."""
    scenario = constant_speed_scenario(straight_road(), cars((0, 0, 20), (34.5, 0, 15)))

    verdict = parse("gap(ego,c) < 20.2m and gap(ego,c) > 10m").evaluate(scenario)

    assert verdict.interval == pytest.approx(((30 - 20.2) / 5, 4.0), abs=1e-5)


def test_static_clauses_hold_throughout() -> None:
    """Light, weather and road are facts of the whole scenario."""
    scenario = from_paths(
        [(AgentKind.CAR, np.arange(10.0), np.zeros(10), np.full(10, 10.0))],
        conditions=Conditions(light=Light.NIGHT, weather=Weather.RAIN, rain_mm_per_h=8.0),
    )

    for text in ("night and rain and highway", "rain_rate > 5mm/h", "lanes >= 3", "not snow"):
        assert parse(text).evaluate(scenario).satisfied, text
    for text in ("day", "rain and snow", "rain_rate > 9mm/h", "speed_limit < 20m/s", "urban"):
        assert not parse(text).evaluate(scenario).satisfied, text


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        (AgentKind.CAR, {"agent", "vehicle", "car"}),
        (AgentKind.TRUCK, {"agent", "vehicle", "truck"}),
        (AgentKind.CYCLIST, {"agent", "cyclist"}),
        (AgentKind.PEDESTRIAN, {"agent", "pedestrian", "adult"}),
        (AgentKind.STATIC, {"agent", "obstacle"}),
    ],
)
def test_kinds_select_who_can_play_a_role(kind: AgentKind, fits: set[str]) -> None:
    """A role of a kind is only played by agents of that kind."""
    path = np.linspace(0, 10, 20)
    rows = [(k, path, np.zeros(20), np.ones(20)) for k in (AgentKind.CAR, kind)]
    scenario = from_paths(rows)

    for name in ("agent", "vehicle", "car", "truck", "cyclist", "pedestrian", "adult", "obstacle"):
        assert parse(f"{name}(a)").evaluate(scenario).satisfied == (name in fits), name


def test_a_low_pedestrian_is_a_child() -> None:
    """Children are told by their height."""
    path = np.linspace(0, 10, 20)
    kinds = (AgentKind.CAR, AgentKind.PEDESTRIAN)
    scenario = from_paths([(k, path, np.zeros(20), np.ones(20)) for k in kinds])
    scenario.agents.size[:, 1, 2] = 1.15

    assert parse("child(p)").evaluate(scenario).satisfied
    assert not parse("adult(p)").evaluate(scenario).satisfied


@pytest.mark.parametrize("seed", range(4))
def test_signals_are_those_of_the_criticality_measures(seed: int) -> None:
    """The threshold at which a verdict flips is the smallest value that the measure takes."""
    scenario = busy(seed)
    states = Trace(scenario).states
    for name in ("ttc", "gap", "thw", "distance"):
        least = float(np.min(getattr(pairs, name)(states, 0, np.arange(1, states.count))))
        if np.isfinite(least) and least > 0.01:
            unit = "s" if name in {"ttc", "thw"} else "m"
            above = parse(f"{name}(ego,a) < {least * 1.001:.9f}{unit}")
            below = parse(f"{name}(ego,a) < {least * 0.999:.9f}{unit}")
            assert above.evaluate(scenario).satisfied
            assert not below.evaluate(scenario).satisfied


def test_the_same_scenario_gives_the_same_verdict() -> None:
    """Evaluating twice, and on a shared trace, changes nothing."""
    scenario, query = busy(1), parse("ttc(ego,a) < 3s and a.speed < b.speed")
    trace = Trace(scenario)

    assert query.evaluate(scenario) == query.evaluate(trace) == query.evaluate(trace)


def test_a_verdict_is_plain_json() -> None:
    """Verdicts can be stored with the scenario."""
    verdict = parse("vehicle(c) and cut_in(c)").evaluate(cut_in_world())

    data = json.loads(json.dumps(verdict.to_json(), allow_nan=False))

    assert data["satisfied"] is verdict.satisfied
    assert data["witness"] == verdict.witness


def test_a_query_may_not_bind_too_many_roles() -> None:
    """More than four roles are refused in words."""
    with pytest.raises(QueryError, match="at most 4 roles"):
        parse(" and ".join(f"vehicle({name})" for name in "abcde"))


def test_depth_is_bounded_in_python_too() -> None:
    """A tree that is built too deep is refused before anything recurses into it."""
    query = ego.stopped()
    for _ in range(39):
        query = ~query

    with pytest.raises(QueryError, match="levels deep"):
        query.__invert__()
