"""Every maneuver and trigger fires at the time computed by hand, and does what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.scene import (
    AgentKind,
    AgentPlans,
    AgentStates,
    Control,
    Maneuver,
    ManeuverKind,
    Trigger,
)
from scenegen.scene.plans import TriggerKind
from scenegen.scene.roadmap import NO_LANE
from scenegen.sim import Rollout, rollout
from tests.builders import cars, composition, straight_road

STOP = {"kind": ManeuverKind.SPEED, "a": 0.0, "b": 5.0}


def plans_with(count: int, agent: int, *maneuvers: Maneuver) -> AgentPlans:
    """Give drivers who stay in lane at 10 m/s, of whom one has maneuvers."""
    plans = AgentPlans.reactive(count)
    plans.politeness[:] = -1
    plans.desired_speed[:] = 10.0
    plans.reaction_time[:] = 0.0
    plans.set_maneuvers(agent, *maneuvers)
    return plans


def run(states: AgentStates, plans: AgentPlans, duration: float = 8.0) -> Rollout:
    """Roll out on a road of three lanes."""
    return rollout([composition(straight_road(3, 900.0), states, plans)], duration)[0]


def first_step(ro: Rollout, agent: int) -> int:
    """Step during which an agent began to brake hard."""
    return int(np.argmax(np.diff(ro.agents.speed[:, agent]) < -0.4))


def test_speed_is_reached_at_the_given_rate_and_held() -> None:
    """From 10 to 4 m/s at 3 m/s^2, beginning at 2 s, takes until 4 s."""
    slow = Maneuver(kind=ManeuverKind.SPEED, trigger=Trigger(threshold=2.0), a=4.0, b=3.0)
    ro = run(cars((50, 0, 10)), plans_with(1, 0, slow))

    expected = np.clip(10 - 3 * (ro.times - 2), 4, 10)
    np.testing.assert_allclose(ro.agents.speed[:, 0], expected, atol=0.02)


def test_speed_ignores_leaders() -> None:
    """An agent commanded to a speed drives into the car that stands ahead."""
    plans = plans_with(2, 1, Maneuver(kind=ManeuverKind.SPEED, a=10.0, b=3.0))
    plans.control[0] = Control.HOLD
    ro = run(cars((100, 0, 0), (50, 0, 10)), plans)

    assert ro.collided[:, 1].any()


def test_resume_hands_back_to_the_driver() -> None:
    """After RESUME the driver accelerates to the desired speed again."""
    resume = Maneuver(
        kind=ManeuverKind.RESUME, trigger=Trigger(kind=TriggerKind.DELAY, threshold=3.0)
    )
    ro = run(cars((50, 0, 10)), plans_with(1, 0, Maneuver(**STOP), resume), 30.0)

    assert ro.agents.speed[29, 0] == pytest.approx(0.0, abs=1e-4)
    assert ro.agents.speed[-1, 0] == pytest.approx(10.0, abs=0.2)


@pytest.mark.parametrize("peak", [0.8, 1.5, 2.5])
def test_a_lane_change_has_its_peak_lateral_speed(peak: float) -> None:
    """It lasts 2 d / peak, its lateral speed peaks at `peak`, and it ends in the lane."""
    change = Maneuver(
        kind=ManeuverKind.LANE_CHANGE, trigger=Trigger(threshold=1.0), a=3.5, b=peak, c=1.0
    )
    plans = plans_with(1, 0, change)
    plans.desired_speed[:] = 25.0
    ro = run(cars((50, 0, 25)), plans, 13.0)

    y = ro.agents.position[:, 0, 1]
    duration = 2 * 3.5 / peak
    assert np.abs(y[:11]).max() < 1e-3
    assert y[round((1 + duration / 2) * 10)] == pytest.approx(3.5 / 2, abs=0.15)
    assert y[min(round((1 + duration) * 10), 130)] == pytest.approx(3.5, abs=0.15)
    assert np.diff(y).max() / 0.1 == pytest.approx(peak, rel=0.06)
    assert y[-1] == pytest.approx(3.5, abs=0.05)


def test_a_shift_without_a_lane_keeps_its_offset() -> None:
    """With c = NO_LANE the agent stays displaced on its route."""
    shift = Maneuver(kind=ManeuverKind.LANE_CHANGE, a=-0.8, b=0.5, c=float(NO_LANE))
    ro = run(cars((50, 3.5, 10)), plans_with(1, 0, shift), 10.0)

    assert ro.agents.position[-1, 0, 1] == pytest.approx(3.5 - 0.8, abs=0.05)


def test_a_parked_car_pulls_out() -> None:
    """A LANE_CHANGE moves an agent that held still: it accelerates into the lane."""
    change = Maneuver(
        kind=ManeuverKind.LANE_CHANGE, trigger=Trigger(threshold=1.0), a=2.4, b=1.0, c=0.0
    )
    plans = plans_with(1, 0, change)
    plans.control[:] = Control.HOLD
    ro = run(cars((50, -2.4, 0)), plans, 12.0)

    assert (ro.agents.position[:11, 0] == ro.agents.position[0, 0]).all()
    assert ro.agents.position[-1, 0, 1] == pytest.approx(0.0, abs=0.15)
    assert ro.agents.speed[-1, 0] > 5.0


def test_walk_goes_straight_and_stops_after_its_distance() -> None:
    """A pedestrian crosses at a right angle, 6 m far, from 1 s on."""
    walk = Maneuver(
        kind=ManeuverKind.WALK,
        trigger=Trigger(threshold=1.0),
        a=math.pi / 2,
        b=1.5,
        c=2.0,
        d=6.0,
    )
    states = AgentStates.of([(AgentKind.PEDESTRIAN, 50.0, -3.0, 0.0, 0.0)])
    plans = plans_with(1, 0, walk)
    plans.control[:] = Control.HOLD
    ro = run(states, plans, 10.0)

    where = ro.agents.position[:, 0]
    assert (where[:11] == where[0]).all()
    np.testing.assert_allclose(where[:, 0], 50.0, atol=1e-4)
    assert ro.agents.speed[25, 0] == pytest.approx(1.5, abs=1e-4)
    assert where[-1, 1] == pytest.approx(-3.0 + 6.0, abs=0.1)
    assert ro.agents.speed[-1, 0] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("gap", [8.0, 20.0])
def test_gap_trigger(gap: float) -> None:
    """Agent 0 at 10 m/s nears a standing car whose maneuver waits for the gap."""
    trigger = Trigger(kind=TriggerKind.GAP, threshold=gap, other=0)
    go = Maneuver(kind=ManeuverKind.SPEED, trigger=trigger, a=10.0, b=4.0)
    plans = plans_with(2, 1, go)
    plans.control[:] = Control.EXTERNAL, Control.HOLD
    ro = run(cars((50, 0, 10), (100, 3.5, 0)), plans, 5.0)

    due = (50 - 4.5 - gap) / 10.0
    assert first_move(ro, 1) == math.floor(due * 10) + 1


def first_move(ro: Rollout, agent: int) -> int:
    """Step during which an agent that stood began to move."""
    return int(np.argmax(ro.agents.speed[:, agent] > 0)) - 1


@pytest.mark.parametrize("threshold", [1.0, 2.5])
def test_ttc_trigger(threshold: float) -> None:
    """The gap of 45.5 m closes at 10 m/s: the maneuver begins when gap / 10 < threshold."""
    trigger = Trigger(kind=TriggerKind.TTC, threshold=threshold, other=0)
    go = Maneuver(kind=ManeuverKind.SPEED, trigger=trigger, a=10.0, b=4.0)
    plans = plans_with(2, 1, go)
    plans.control[:] = Control.EXTERNAL, Control.HOLD
    ro = run(cars((50, 0, 10), (100, 3.5, 0)), plans, 5.0)

    due = 4.55 - threshold
    assert first_move(ro, 1) == math.floor(due * 10 + 1e-6) + 1


@pytest.mark.parametrize("threshold", [0.55, 2.05])
def test_arrival_trigger(threshold: float) -> None:
    """The other's front is at 52.25 m and the walker's line at 100 m: it arrives after 4.775 s."""
    trigger = Trigger(kind=TriggerKind.ARRIVAL, threshold=threshold, other=0)
    walk = Maneuver(
        kind=ManeuverKind.WALK, trigger=trigger, a=math.pi / 2, b=1.5, c=2.0, d=math.inf
    )
    states = AgentStates.of(
        [(AgentKind.CAR, 50.0, 0.0, 0.0, 10.0), (AgentKind.PEDESTRIAN, 100.0, -6.0, 0.0, 0.0)]
    )
    plans = plans_with(2, 1, walk)
    plans.control[:] = Control.EXTERNAL, Control.HOLD
    ro = run(states, plans, 6.0)

    assert first_move(ro, 1) == math.floor((4.775 - threshold) * 10) + 1


def test_delay_counts_from_the_maneuver_before() -> None:
    """The second begins 1.5 s after the first, which began at 1 s."""
    first = Maneuver(kind=ManeuverKind.SPEED, trigger=Trigger(threshold=1.0), a=12.0, b=1.0)
    second = Maneuver(trigger=Trigger(kind=TriggerKind.DELAY, threshold=1.5), **STOP)
    ro = run(cars((50, 0, 10)), plans_with(1, 0, first, second))

    assert first_step(ro, 0) == 25


def test_maneuvers_wait_for_their_turn() -> None:
    """A second maneuver whose time has passed begins with the first, not before it."""
    first = Maneuver(kind=ManeuverKind.SPEED, trigger=Trigger(threshold=2.0), a=12.0, b=1.0)
    second = Maneuver(trigger=Trigger(threshold=0.5), **STOP)
    ro = run(cars((50, 0, 10)), plans_with(1, 0, first, second))

    assert first_step(ro, 0) == 20


def test_external_agents_ignore_maneuvers() -> None:
    """What an agent under test does is said by its actions alone."""
    plans = plans_with(1, 0, Maneuver(**STOP))
    plans.control[:] = Control.EXTERNAL
    ro = run(cars((50, 0, 10)), plans)

    np.testing.assert_allclose(ro.agents.speed[:, 0], 10.0)
