"""The nouns keep their promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scenegen.errors import MapError, ShapeError
from scenegen.scene import (
    AgentPlans,
    AgentStates,
    Conditions,
    Lane,
    Light,
    Maneuver,
    ManeuverKind,
    Provenance,
    RoadKind,
    RoadMap,
    Signal,
    SignalState,
    Weather,
    draw_conditions,
    locate,
)
from scenegen.scene.plans import MANEUVER_SLOTS
from tests.builders import cars, constant_speed_scenario, provenance, straight_road


def test_states_must_agree_on_their_number() -> None:
    """A yaw too many is found when the struct is built."""
    states = cars((0, 0, 1), (9, 0, 1))

    with pytest.raises(ShapeError, match="yaw"):
        dataclasses.replace(states, yaw=np.zeros(3, np.float32))


def test_padding_adds_only_empty_slots() -> None:
    """The agents stay, the new slots are invalid and zero."""
    padded = cars((1, 2, 3)).padded(4)

    assert padded.valid.tolist() == [True, False, False, False]
    assert not padded.position[1:].any()


def test_stacking_and_indexing_are_inverse() -> None:
    """Scenes stacked to a scenario come out as they went in."""
    scenes = [cars((k, 0, 1), (9, k, 2)) for k in range(3)]

    stacked = AgentStates.stack(scenes)

    for k in range(3):
        np.testing.assert_array_equal(stacked[k].position, scenes[k].position)


def test_a_lane_link_must_lead_somewhere() -> None:
    """A link to a lane that is not there names the lane."""
    lane = Lane(centerline=np.array([[0.0, 0], [9, 0]]), width=np.full(2, 3.5), successors=(4,))

    with pytest.raises(MapError, match="lane 0 links to lane 4"):
        RoadMap(name="x", kind=RoadKind.RURAL, lanes=(lane,))


def test_every_agent_is_found_on_its_lane() -> None:
    """Lane, arc length and offset of placed cars come back, also against the direction."""
    road = straight_road(3)

    place = locate(road, np.array([[50.0, 0.4], [80.0, 7.0], [60.0, 50.0]]), np.zeros(3))

    assert place.lane.tolist() == [0, 2, -1]
    np.testing.assert_allclose(place.along[:2], [50, 80])
    np.testing.assert_allclose(place.offset[:2], [0.4, 0.0], atol=1e-9)


def test_road_edges_enclose_the_lanes() -> None:
    """Two lanes of 3.5 m are one strip of 7 m."""
    road = straight_road(2, length=100.0)

    assert road.drivable_area.area == pytest.approx(700.0, rel=1e-6)
    assert len(road.road_edges) == 1


def test_a_signal_runs_its_plan() -> None:
    """Green, yellow, red, and green again after the cycle."""
    signal = Signal(
        lanes=(0,), stop_line=np.zeros((2, 2)), position=np.zeros(2), cycle=60.0,
        green_start=10.0, green=20.0, yellow=3.0,
    )  # fmt: skip

    shown = [signal.state(t) for t in (9.9, 10.0, 29.9, 30.0, 33.0, 70.0)]

    red, green, yellow = SignalState.RED, SignalState.GREEN, SignalState.YELLOW
    assert shown == [red, green, green, yellow, red, green]


def test_an_id_follows_from_the_provenance_alone() -> None:
    """Equal provenance, equal id; any change changes it; JSON keeps it."""
    first = provenance(seed=1)

    assert first.id == provenance(seed=1).id == Provenance.from_json(first.to_json()).id
    assert first.id != provenance(seed=2).id


def test_acceleration_of_constant_speed_is_zero() -> None:
    """Nobody accelerates in a constant-speed scenario."""
    scenario = constant_speed_scenario(straight_road(), cars((0, 0, 10), (30, 0, 20)))

    np.testing.assert_allclose(scenario.acceleration(), 0.0, atol=1e-9)


def test_plans_hold_a_bounded_number_of_maneuvers() -> None:
    """One maneuver too many is refused, the others are kept as rows."""
    plans = AgentPlans.reactive(2)
    step = Maneuver(kind=ManeuverKind.SPEED, a=5.0, b=2.0)

    plans.set_maneuvers(1, step)

    assert plans.maneuvers[1, 0].tolist() == [2, 0, 0, 0, 5, 2, 0, 0]
    with pytest.raises(ValueError, match="at most"):
        plans.set_maneuvers(0, *[step] * (MANEUVER_SLOTS + 1))


@pytest.mark.parametrize("seed", range(30))
def test_drawn_conditions_fit_each_other(seed: int) -> None:
    """Rain wets the road, snow makes it slippery, night has no sun; JSON keeps all."""
    drawn = draw_conditions(np.random.default_rng(seed))

    assert (drawn.rain_mm_per_h > 0) == (drawn.weather is Weather.RAIN)
    assert (drawn.friction < 0.45) == (drawn.weather is Weather.SNOW)
    assert (drawn.sun_elevation > 0.2) == (drawn.light is Light.DAY)
    assert Conditions.from_json(drawn.to_json()) == drawn


def test_asked_conditions_are_kept() -> None:
    """A bound on visibility holds for every draw."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = draw_conditions(rng, [Light.NIGHT], [Weather.FOG], {"visibility": (50, 80)})
        assert (drawn.light, drawn.weather) == (Light.NIGHT, Weather.FOG)
        assert 50 <= drawn.visibility <= 80
