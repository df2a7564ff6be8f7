"""Drivers follow, keep lanes, change lanes and slow down as their models say."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.geometry import polylines
from scenegen.geometry.boxes import box_corners
from scenegen.scene import AgentKind, AgentPlans, AgentStates, RoadMap
from scenegen.sim import rollout
from tests.builders import cars, composition, straight_road
from tests.sim.roads import curved_road, merging_road


def random_traffic(road: RoadMap, seed: int, lanes: int) -> tuple[RoadMap, AgentPlans, list]:  # type: ignore[type-arg]
    """Draw twelve drivers with their own wishes, 20 m apart or more."""
    rng = np.random.default_rng(seed)
    rows = [
        (10 + (i // lanes) * 45 + float(rng.uniform(0, 15)), (i % lanes) * 3.5, v)
        for i, v in enumerate(rng.uniform(10, 20, 4 * lanes))
    ]
    plans = AgentPlans.reactive(len(rows))
    plans.desired_speed[:] = rng.uniform(10, 28, len(rows))
    plans.time_headway[:] = rng.lognormal(np.log(1.4), 0.3, len(rows))
    plans.reaction_time[:] = rng.uniform(0.2, 0.8, len(rows))
    return road, plans, rows


@pytest.mark.parametrize("speed", [5.0, 10.0, 15.0])
def test_a_follower_settles_at_the_equilibrium_gap(speed: float) -> None:
    """At equal speeds IDM's gap is (s0 + v T) / sqrt(1 - (v / v0)^4) (Treiber et al. 2000)."""
    plans = AgentPlans.reactive(2)
    plans.politeness[:] = -1
    plans.desired_speed[:] = speed, 25.0
    expected = (2.0 + speed * 1.4) / np.sqrt(1 - (speed / 25.0) ** 4)
    start = cars((100, 0, speed), (100 - 4.5 - expected - 5, 0, speed))

    ro = rollout([composition(straight_road(1, 2500.0), start, plans)], 90.0)[0]

    gap = ro.agents.position[-1, 0, 0] - ro.agents.position[-1, 1, 0] - 4.5
    np.testing.assert_allclose(gap, expected, rtol=0.01)


def test_a_free_driver_reaches_the_desired_speed() -> None:
    """Nobody ahead, no curve: the desired speed is reached and kept."""
    plans = AgentPlans.reactive(1)
    plans.desired_speed[:] = 20.0
    ro = rollout([composition(straight_road(1, 2000.0), cars((10, 0, 5)), plans)], 40.0)[0]

    np.testing.assert_allclose(ro.agents.speed[-1, 0], 20.0, atol=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_nominal_traffic_does_not_collide(seed: int) -> None:
    """Random drivers on a straight and on a curved road never touch and never leave it."""
    straight, plans, rows = random_traffic(straight_road(3, 900.0), seed, 3)
    curve, others, more = random_traffic(curved_road(), seed, 1)
    more = [(x * 0.5, y, v * 0.8) for x, y, v in more]

    pair = rollout(
        [composition(straight, cars(*rows), plans), composition(curve, cars(*more), others)], 15.0
    )

    for ro in pair:
        assert not ro.collided.any()
        assert not ro.offroad.any()


@pytest.mark.parametrize("radius", [20.0, 60.0, 200.0])
def test_curves_are_taken_on_the_centreline(radius: float) -> None:
    """The lateral error stays below 0.3 m and lateral acceleration below 3.5 m/s^2."""
    road = curved_road(radius)
    plans = AgentPlans.reactive(1)
    plans.desired_speed[:] = 25.0

    ro = rollout([composition(road, cars((5, 0, 15)), plans)], 40.0)[0]

    valid = ro.agents.valid[:, 0]
    _, offset = polylines.project(road.lanes[0].centerline, ro.agents.position[valid, 0])
    turn = np.diff(np.unwrap(ro.agents.yaw[valid, 0])) / 0.1
    assert np.abs(offset).max() < 0.3
    assert np.abs(turn * ro.agents.speed[valid, 0][1:]).max() < 3.5


@pytest.mark.parametrize("speed", [5.0, 20.0, 40.0])
def test_an_initial_error_dies_away_without_wobble(speed: float) -> None:
    """A car that starts 0.8 m off centre comes back without crossing the centreline."""
    plans = AgentPlans.reactive(1)
    plans.desired_speed[:] = speed
    road = straight_road(1, 1500.0)
    ro = rollout([composition(road, cars((10, 0.8, speed)), plans)], 15.0)[0]

    offset = ro.agents.position[ro.agents.valid[:, 0], 0, 1]
    assert offset.min() > -0.05
    assert abs(offset[-1]) < 0.1
    assert (np.diff(offset) < 1e-3).all()


def test_a_driver_overtakes_a_slow_leader() -> None:
    """MOBIL changes lane behind a slow truck, in 2 to 6 s, and ends on the new centreline."""
    plans = AgentPlans.reactive(2)
    plans.desired_speed[:] = 8.0, 20.0
    plans.politeness[:] = -1, 0.2
    ro = rollout([composition(straight_road(2, 1500.0), cars((90, 0, 8), (20, 0, 15)), plans)], 20)[
        0
    ]

    y = ro.agents.position[:, 1, 1]
    moving = np.flatnonzero((y > 0.1) & (y < 3.4))
    assert y[-1] == pytest.approx(3.5, abs=0.1)
    assert 2.0 < 0.1 * (moving[-1] - moving[0]) < 6.0
    assert not ro.collided.any()


def test_negative_politeness_never_changes_lanes() -> None:
    """The driver stays behind the slow leader."""
    plans = AgentPlans.reactive(2)
    plans.desired_speed[:] = 8.0, 20.0
    plans.politeness[:] = -1
    ro = rollout([composition(straight_road(2, 900.0), cars((90, 0, 8), (20, 0, 15)), plans)], 15)[
        0
    ]

    assert np.abs(ro.agents.position[:, :, 1]).max() < 0.01


def test_a_lane_that_ends_is_left_in_time() -> None:
    """Where lane 0 ends everybody merges into lane 1 and drives on."""
    plans = AgentPlans.reactive(3)
    plans.desired_speed[:] = 20.0
    start = cars((20, 0, 18), (60, 0, 18), (40, 3.5, 18))
    ro = rollout([composition(merging_road(), start, plans)], 18.0)[0]

    assert not ro.collided.any()
    assert (ro.agents.position[-1, :, 0] > 250).all()
    np.testing.assert_allclose(ro.agents.position[-1, :, 1], 3.5, atol=0.2)


def test_who_reaches_the_end_of_the_road_is_removed() -> None:
    """A car is gone when its front reaches the end, never earlier."""
    plans = AgentPlans.reactive(1)
    plans.desired_speed[:] = 20.0
    ro = rollout([composition(straight_road(1, 400.0), cars((350, 0, 20)), plans)], 5.0)[0]

    gone = int(np.argmin(ro.agents.valid[:, 0]))
    assert gone == 1 + int((400 - 350 - 2.25) / 2.0)
    assert not ro.agents.valid[gone:, 0].any()
    assert (ro.agents.position[gone:, 0] == 0).all()


def test_reaction_time_delays_braking() -> None:
    """With a longer reaction time the follower has braked less after half a second."""
    speeds = []
    for delay in (0.1, 0.8):
        plans = AgentPlans.reactive(2)
        plans.reaction_time[:] = delay
        plans.politeness[:] = -1
        start = cars((60, 0, 2), (35, 0, 14))
        ro = rollout([composition(straight_road(1), start, plans)], 0.5)[0]
        speeds.append(float(ro.agents.speed[-1, 1]))

    assert speeds[1] > speeds[0] + 0.5


@pytest.mark.parametrize("kind", [AgentKind.TRUCK, AgentKind.BUS])
def test_long_vehicles_move_inwards_in_a_curve(kind: AgentKind) -> None:
    """The ends stand out by less than l^2 / 2r, as they would with the centre on the line."""
    radius = 25.0
    road = curved_road(radius)
    plans = AgentPlans.reactive(1)
    start = AgentStates.of([(kind, 20.0, 0.0, 0.0, 5.0)])

    ro = rollout([composition(road, start, plans)], 30.0)[0]

    valid = ro.agents.valid[:, 0]
    agents = ro.agents[valid]
    corners = box_corners(agents.position[:, 0], agents.yaw[:, 0], agents.size[:, 0])
    _, offset = polylines.project(road.lanes[0].centerline, corners.reshape(-1, 2))
    length, width = agents.size[0, 0, :2] / 2
    stands_out = -offset.min() - width
    assert 0.2 < stands_out < 0.92 * length**2 / (2 * radius)
    assert offset.max() < width + 0.6 * length**2 / (2 * radius)
