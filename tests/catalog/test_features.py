"""The row of features says what the scenario shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.catalog import features
from scenegen.scene import AgentKind, AgentStates, Conditions, Light, Scenario, Weather
from tests.builders import cars, constant_speed_scenario, provenance, straight_road
from tests.data.recordings import random_scenario


def approach(gap: float = 50.0, ego: float = 20.0, other: float = 10.0) -> Scenario:
    """Let the ego catch up with a car ahead for 2 s."""
    agents = cars((0.0, 0.0, ego), (gap + 4.5, 0.0, other))
    return constant_speed_scenario(straight_road(3), agents, steps=21, roles={"lead": 1})


def test_an_approach_has_the_criticality_of_the_closed_forms() -> None:
    """50 m closing at 10 m/s for 2 s: 30 m are left, so TTC 3 s, headway 1.5 s, DRAC 10/6."""
    row = features(approach())

    assert row["min_gap"] == pytest.approx(30.0, abs=1e-4)
    assert row["min_distance"] == pytest.approx(30.0, abs=1e-4)
    assert row["min_ttc"] == pytest.approx(3.0, abs=1e-4)
    assert row["min_ttc_time"] == pytest.approx(2.0)
    assert row["min_thw"] == pytest.approx(1.5, abs=1e-4)
    assert row["max_drac"] == pytest.approx(10**2 / 60, abs=1e-4)
    assert row["collision"] is False


def test_a_crash_is_a_collision() -> None:
    """A car that is hit has no gap and no time left."""
    row = features(approach(gap=10.0))

    assert row["collision"] is True
    assert row["min_ttc"] == row["min_gap"] == row["min_distance"] == 0.0
    assert row["max_drac"] == np.inf


def test_alone_nothing_is_near() -> None:
    """Without others all times are infinite and no braking is needed."""
    row = features(constant_speed_scenario(straight_road(), cars((0.0, 0.0, 10.0)), steps=5))

    assert row["min_ttc"] == row["min_gap"] == row["min_thw"] == row["min_distance"] == np.inf
    assert row["min_ttc_time"] is None
    assert row["max_drac"] == 0.0


def test_where_it_came_from_and_what_is_around() -> None:
    """Query, event, roles, conditions, road and counts are columns."""
    scenario = replace(
        approach(),
        provenance=provenance(query="cut_in(c)", seed=7, script={"event": "cut_in"}),
        conditions=Conditions(light=Light.NIGHT, weather=Weather.FOG, visibility=80.0),
    )

    row = features(scenario)

    expected = {
        "id": scenario.id, "query": "cut_in(c)", "seed": 7, "event": "cut_in", "roles": "lead=1",
        "light": "night", "weather": "fog", "visibility": 80.0, "road": "highway",
        "traffic_lanes": 3, "speed_limit": 30.0, "duration": 2.0, "steps": 21,
        "agent_count": 2, "car_count": 2, "pedestrian_count": 0,
        "ego_speed_min": 20.0, "ego_speed_mean": 20.0, "ego_speed_max": 20.0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert row["ego_accel_max"] == pytest.approx(0.0, abs=1e-9)


def test_slots_that_are_never_filled_do_not_count() -> None:
    """Padding changes no feature."""
    scenario = approach()

    padded = replace(scenario, agents=scenario.agents.padded(9))

    assert features(padded) == features(scenario)


def test_kinds_are_counted() -> None:
    """Each road user counts once, under its kind."""
    rows = [(AgentKind.CAR, 0.0, 0.0, 0.0, 1.0), (AgentKind.CYCLIST, 50.0, 3.0, 0.0, 1.0)]
    scenario = constant_speed_scenario(straight_road(), AgentStates.of(rows), steps=3)

    row = features(scenario)

    counts = {name: n for name, n in row.items() if str(name).endswith("_count") and n}
    assert counts == {"agent_count": 2, "car_count": 1, "cyclist_count": 1}


@pytest.mark.parametrize("seed", range(10))
def test_every_scenario_has_a_row_of_plain_scalars(seed: int) -> None:
    """Also without agents, without an ego, and for one instant; the columns are always the same."""
    row = features(random_scenario(np.random.default_rng(seed)))

    assert all(value is None or type(value) in {str, int, float, bool} for value in row.values())
    assert row.keys() == features(approach()).keys()
