"""Places on the road agree with scene.locate, leaders with the geometry."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.scene import AgentPlans, AgentStates, Control, locate
from scenegen.sim import Simulator, StartBank, bake
from tests.builders import cars, composition, straight_road
from tests.sim.roads import crossing, curved_road, merging_road

ROADS = {
    "straight": straight_road(3, 200.0),
    "curve": curved_road(),
    "crossing": crossing(),
    "merge": merging_road(),
}


@pytest.mark.parametrize("name", ROADS)
@pytest.mark.parametrize("seed", range(3))
def test_places_are_those_of_locate(name: str, seed: int) -> None:
    """Random poses near lanes: the lane is the same and the offset agrees to 2 cm.

    Off centre in a curve the arc length may be that of the next segment, 0.3 m away.
    """
    rng, road = np.random.default_rng(seed), ROADS[name]
    states = AgentStates.empty(60)
    for i in range(60):
        lane = road.lanes[rng.integers(len(road.lanes))]
        at = rng.integers(1, len(lane.centerline) - 1)
        step = lane.centerline[at + 1] - lane.centerline[at]
        states.position[i] = lane.centerline[at] + rng.normal(0, 1.2, 2)
        states.yaw[i] = np.arctan2(step[1], step[0]) + rng.normal(0, 0.4)
    states.size[:], states.valid[:] = (4.5, 1.8, 1.5), True
    plans = AgentPlans.reactive(60)
    plans.control[:] = Control.HOLD

    simulator = Simulator(StartBank.of([composition(road, states, plans)]), 1)

    expected = locate(road, states.position, states.yaw)
    np.testing.assert_array_equal(simulator.lane[0], expected.lane)
    on = expected.lane >= 0
    np.testing.assert_allclose(simulator.along[0][on], expected.along[on], atol=0.3)
    np.testing.assert_allclose(simulator.offset[0][on], expected.offset[on], atol=0.02)
    np.testing.assert_allclose(
        simulator.heading_error[0][on], expected.heading_error[on], atol=0.04
    )


def test_places_follow_a_moving_agent() -> None:
    """Along the whole drive the tracked place is what locate finds from scratch."""
    road = curved_road()
    simulator = Simulator(StartBank.of([composition(road, cars((5, 0.4, 12)))]), 1)
    for _ in range(150):
        simulator.step()
        place = locate(road, np.stack([simulator.x, simulator.y], -1)[0], simulator.yaw[0])
        assert simulator.lane[0, 0] == place.lane[0]
        assert simulator.along[0, 0] == pytest.approx(place.along[0], abs=0.05)
        assert simulator.offset[0, 0] == pytest.approx(place.offset[0], abs=0.02)


def test_the_leader_is_the_nearest_ahead_in_the_lane() -> None:
    """Gap, time to collision and headway are bumper to bumper."""
    start = cars((10, 0, 20), (60, 0, 10), (30, 3.5, 5), (100, 0, 0))
    simulator = Simulator(StartBank.of([composition(straight_road(), start)]), 1)

    assert simulator.leader[0].tolist() == [1, 3, -1, -1]
    np.testing.assert_allclose(simulator.gap[0, :2], (45.5, 35.5), atol=1e-3)
    np.testing.assert_allclose(simulator.ttc[0, :2], (45.5 / 10, 35.5 / 10), atol=1e-3)
    np.testing.assert_allclose(simulator.thw[0, 0], 45.5 / 20, atol=1e-3)
    assert np.isinf(simulator.gap[0, 2:]).all()


def test_a_car_across_two_lanes_leads_in_both() -> None:
    """Who straddles the marking hinders both lanes."""
    start = cars((10, 0, 10), (10, 3.5, 10), (50, 1.75, 5))
    simulator = Simulator(StartBank.of([composition(straight_road(), start)]), 1)

    assert simulator.leader[0, :2].tolist() == [2, 2]


def test_leaders_are_found_across_lane_borders() -> None:
    """A car on the next lane of the route is a leader; one on another way is not."""
    states = cars((-30, 0, 10), (20, 0, 5))
    simulator = Simulator(StartBank.of([composition(crossing(), states)]), 1)

    assert simulator.leader[0, 0] == 1
    assert simulator.gap[0, 0] == pytest.approx(50 - 4.5, abs=0.01)


def test_an_oncoming_car_in_the_lane_closes_with_both_speeds() -> None:
    """Time to collision with a wrong-way driver counts both speeds."""
    states = cars((10, 0, 10), (110, 0, 10))
    states.yaw[1] = np.pi
    simulator = Simulator(StartBank.of([composition(straight_road(1), states)]), 1)

    assert simulator.leader[0, 0] == 1
    assert simulator.ttc[0, 0] == pytest.approx(95.5 / 20, abs=0.01)


def test_baking_keeps_the_length_of_lanes() -> None:
    """Simplified centrelines keep the arc length of the original."""
    for road in ROADS.values():
        baked = bake(road)
        for i, lane in enumerate(road.lanes):
            last = baked.segments[baked.lane_links[i, 1] - 1]
            assert last[5] + last[4] == pytest.approx(lane.length, rel=2e-3)
