"""Detectors of what happens along the road: positive, near miss, left and right."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.events import CutIn, CutOutToStopped, LeadHardBrake, Tracks, WrongWayDriver
from scenegen.scene import AgentKind
from tests.builders import straight_road
from tests.events.stories import TIMES, Mover, along_x, ramp, tell, two_way_road


def cut_in(*movers: Mover, **options: str) -> FloatArray:
    """Margin of agent 1 cutting in."""
    return CutIn.margin(Tracks(scenario=tell(straight_road(3), movers)), (1,), options)


def test_a_cut_in_begins_at_the_marking_and_lasts_two_seconds() -> None:
    """It holds from the frame in which the box crosses the marking until 2 s later."""
    # The near side is 0.925 m from the centre: it touches the marking at y = 1.75 + 0.925.
    y = ramp(3.5, 0.0, 3.0, 6.5)  # 1 m/s
    margin = cut_in(along_x(50, 0, 20), along_x(80, y, 18))
    crossing = 3.0 + (3.5 - 2.675) / 1.0

    held = TIMES[margin > 0]
    assert held[0] == pytest.approx(crossing, abs=0.15)
    assert held[-1] == pytest.approx(crossing + 2.0, abs=0.15)


@pytest.mark.parametrize(("side", "start"), [("left", 3.5), ("right", -3.5)])
def test_a_cut_in_knows_its_side(side: str, start: float) -> None:
    """From the left is not from the right, whoever asks."""
    movers = (along_x(50, 0, 20), along_x(80, ramp(start, 0.0, 3.0, 6.0), 18))
    other = {"left": "right", "right": "left"}[side]

    assert (cut_in(*movers) > 0).any()
    assert (cut_in(*movers, side=side) > 0).any()
    assert (cut_in(*movers, side=other) <= 0).all()


def test_a_vehicle_that_only_touches_the_marking_does_not_cut_in() -> None:
    """A wheel 0.2 m over the line and back is not a cut-in."""
    y = ramp(3.5, 2.475, 3.0, 4.5) + ramp(0.0, 1.025, 4.5, 6.0)

    assert (cut_in(along_x(50, 0, 20), along_x(80, y, 18)) <= 0).all()


def test_a_vehicle_that_merges_behind_does_not_cut_in() -> None:
    """Behind the ego's front bumper nobody cuts in."""
    y = ramp(3.5, 0.0, 3.0, 6.0)

    assert (cut_in(along_x(80, 0, 20), along_x(70, y, 20)) <= 0).all()


def test_the_ego_that_changes_lanes_is_not_cut_in_on() -> None:
    """Whoever was in the new lane before the ego came did not cut in."""
    y = ramp(3.5, 0.0, 3.0, 6.0)

    assert (cut_in(along_x(50, y, 20), along_x(80, 0, 18)) <= 0).all()


def brake(speed: FloatArray, y: float = 0.0) -> FloatArray:
    """Margin of agent 1 braking hard ahead of an ego at 20 m/s."""
    ego = along_x(50, 0, np.minimum(20.0, speed + 2))
    view = Tracks(scenario=tell(straight_road(3), [ego, along_x(75, y, speed)]))
    return LeadHardBrake.margin(view, (1,), {})


def test_a_hard_brake_is_harder_than_a_firm_one() -> None:
    """Braking at 6 m/s^2 counts, at 3 m/s^2 it does not."""
    assert (brake(ramp(20.0, 2.0, 3.0, 6.0)) > 0).any()
    assert (brake(ramp(20.0, 2.0, 3.0, 9.0)) <= 0).all()


def test_braking_in_the_next_lane_does_not_count() -> None:
    """The vehicle must lead the ego."""
    assert (brake(ramp(20.0, 2.0, 3.0, 6.0), y=3.5) <= 0).all()


def test_a_jerk_of_one_frame_is_not_braking() -> None:
    """Noise in the speed of a recorded track does not trigger the detector."""
    speed = np.full(TIMES.shape, 20.0)
    speed[50] -= 1.0

    assert (brake(speed) <= 0).all()


def cut_out(y: FloatArray | float, obstacle_y: float = 0.0, **options: str) -> FloatArray:
    """Margin of a leader leaving the lane ahead of a car that stands at x = 220."""
    parked = Mover(track=np.tile([220.0, obstacle_y], (len(TIMES), 1)), yaw=0.0)
    speed = ramp(20.0, 5.0, 5.5, 8.5)
    movers = [along_x(50, 0, speed), along_x(80, y, 20), parked]
    view = Tracks(scenario=tell(straight_road(3), movers))
    return CutOutToStopped.margin(view, (1, 2), options)


@pytest.mark.parametrize(("side", "end"), [("left", 3.5), ("right", -3.5)])
def test_a_cut_out_reveals_what_stands_in_the_lane(side: str, end: float) -> None:
    """The leader moves out to a side, the obstacle remains; the other side does not match."""
    y = ramp(0.0, end, 3.0, 6.0)
    other = {"left": "right", "right": "left"}[side]

    assert (cut_out(y) > 0).any()
    assert (cut_out(y, side=side) > 0).any()
    assert (cut_out(y, side=other) <= 0).all()


def test_a_leader_that_stays_cuts_nothing_out() -> None:
    """Half a metre of drift is not a cut-out."""
    assert (cut_out(ramp(0.0, 0.5, 3.0, 6.0)) <= 0).all()


def test_an_obstacle_in_another_lane_is_none() -> None:
    """What stands beside the ego's lane is not revealed in it."""
    assert (cut_out(ramp(0.0, 3.5, 3.0, 6.0), obstacle_y=-3.5) <= 0).all()


def wrong_way(y: FloatArray | float, **options: str) -> FloatArray:
    """Margin of an oncoming car with a lateral course, for an ego at y = 0."""
    oncoming = along_x(300, y, -15.0, yaw=np.pi)
    view = Tracks(scenario=tell(two_way_road(), [along_x(50, 0, 15), oncoming]))
    return WrongWayDriver.margin(view, (1,), options)


def test_oncoming_traffic_in_its_own_lane_is_no_wrong_way_driver() -> None:
    """A car in the opposite lane does not count, nor one 0.2 m over the line."""
    assert (wrong_way(3.5) <= 0).all()
    assert (wrong_way(1.75 + 0.925 - 0.2) <= 0).all()


def test_an_oncoming_car_in_the_lane_is_a_wrong_way_driver() -> None:
    """One that stays differs from one that returns."""
    returns = ramp(0.0, 3.5, 4.0, 6.0)

    assert (wrong_way(0.0, course="stays") > 0).any()
    assert (wrong_way(0.0, course="returns") <= 0).all()
    assert (wrong_way(returns, course="returns") > 0).any()
    assert (wrong_way(returns, course="stays") <= 0).all()


def test_a_leader_is_no_wrong_way_driver() -> None:
    """Who drives the same way is not against the traffic."""
    view = Tracks(scenario=tell(two_way_road(), [along_x(50, 0, 15), along_x(90, 0, 10)]))

    assert (WrongWayDriver.margin(view, (1,), {}) <= 0).all()
    assert WrongWayDriver.candidates(view) == []
    assert view.kind[1] == AgentKind.CAR
