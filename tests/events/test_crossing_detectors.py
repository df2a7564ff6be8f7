"""Detectors of what crosses the ego's way: people, red-light runners, oncoming traffic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.events import (
    Jaywalker,
    OccludedPedestrian,
    RedLightRunner,
    Tracks,
    UnprotectedLeft,
)
from scenegen.scene import AgentKind, Crossing
from tests.events.stories import (
    TIMES,
    Mover,
    along_x,
    crossing_roads,
    left_turn_junction,
    ramp,
    tell,
    turning_left,
    two_way_road,
)

WALKING = ramp(-5.0, 5.0, 2.0, 9.0)
"""Lateral place of someone who crosses from the right between 2 and 9 s [m]."""


def walker(y: FloatArray, x: float = 150.0, height: float = 1.75) -> Mover:
    """A pedestrian on a line across the road."""
    return Mover(
        track=np.stack([np.full(TIMES.shape, x), y], -1),
        kind=AgentKind.PEDESTRIAN,
        size=(0.5, 0.6, height),
    )


def jaywalk(y: FloatArray, *, crossing: bool = False, **options: str) -> FloatArray:
    """Margin of a pedestrian crossing ahead of an ego at 10 m/s that slows down."""
    road = two_way_road()
    if crossing:
        outline = np.array([[148.0, -2.0], [152.0, -2.0], [152.0, 5.5], [148.0, 5.5]])
        path = np.array([[150.0, -2.0], [150.0, 5.5]])
        road = replace(road, crossings=(Crossing(outline=outline, path=path, lanes=(0, 1)),))
    view = Tracks(scenario=tell(road, [along_x(60, 0, ramp(12, 4, 3, 7)), walker(y)]))
    return Jaywalker.margin(view, (1,), options)


def test_a_jaywalker_counts_while_in_the_lane() -> None:
    """It holds from the first touch of the lane (half width 1.75 m) to the last."""
    margin = jaywalk(WALKING)
    inside = TIMES[np.abs(WALKING) < 1.75 + 0.25]  # they walk sideways, so their length counts

    held = TIMES[margin > 0]
    assert held[0] == pytest.approx(inside[0], abs=0.11)
    assert held[-1] == pytest.approx(inside[-1], abs=0.11)


@pytest.mark.parametrize(("side", "y"), [("near", WALKING), ("far", -WALKING)])
def test_a_jaywalker_comes_from_a_side(side: str, y: FloatArray) -> None:
    """Near is the ego's right, far its left."""
    other = {"near": "far", "far": "near"}[side]

    assert (jaywalk(y, **{"from": side}) > 0).any()
    assert (jaywalk(y, **{"from": other}) <= 0).all()


def test_a_pedestrian_on_a_crossing_does_not_jaywalk() -> None:
    """Where there is a pedestrian crossing, people may cross."""
    assert (jaywalk(WALKING, crossing=True) <= 0).all()


def test_a_pedestrian_who_stops_at_the_kerb_does_not_jaywalk() -> None:
    """Half a metre short of the lane is a near miss."""
    assert (jaywalk(ramp(-5.0, -2.5, 2.0, 5.0)) <= 0).all()


def occluded(van_y: float, **options: str) -> FloatArray:
    """Margin of a child crossing at x = 150 past a van that ends 1 m before."""
    van = Mover(track=np.tile([146.3, van_y], (len(TIMES), 1)), yaw=0.0, size=(5.4, 2.0, 2.4))
    ego = along_x(70, 0, ramp(10, 3, 4, 7))
    child = walker(ramp(-3.6, 4.0, 4.0, 8.0), height=1.15)
    return OccludedPedestrian.margin(
        Tracks(scenario=tell(two_way_road(), [ego, child, van])), (1, 2), options
    )


def test_a_child_from_behind_a_van_is_occluded() -> None:
    """The van at the kerb hides the child until it steps out."""
    assert (occluded(-3.2) > 0).any()
    assert (occluded(-3.2, who="child") > 0).any()
    assert (occluded(-3.2, who="adult") <= 0).all()


def test_a_van_across_the_road_hides_nobody() -> None:
    """Parked on the other side it does not matter."""
    assert (occluded(7.0) <= 0).all()


def run_red(*, green_for_x: bool, runner_x: float = 0.0, begin: float = -60.0) -> FloatArray:
    """Margin of a car along y at 12 m/s, for an ego along x at 10 m/s."""
    runner = Mover(track=np.stack([np.full(TIMES.shape, runner_x), begin + 12.0 * TIMES], -1))
    scenario = tell(crossing_roads(green_for_x), [along_x(-75, 0, 10), runner])
    return RedLightRunner.margin(Tracks(scenario=scenario), (1,), {})


def test_a_runner_is_one_who_crosses_at_red() -> None:
    """The same drive at green is no offence."""
    assert (run_red(green_for_x=True) > 0).any()
    assert (run_red(green_for_x=False) <= 0).all()


def test_a_runner_counts_from_the_stop_line() -> None:
    """It begins when the front bumper crosses the line at y = -5."""
    margin = run_red(green_for_x=True)

    assert TIMES[margin > 0][0] == pytest.approx((60 - 5 - 2.25) / 12, abs=0.11)


def test_one_who_waits_at_the_line_runs_nothing() -> None:
    """A car that stands before the line is a near miss."""
    track = np.stack([np.zeros(TIMES.shape), np.minimum(-60 + 12 * TIMES, -7.5)], -1)
    scenario = tell(crossing_roads(), [along_x(-75, 0, 10), Mover(track=track, yaw=np.pi / 2)])
    view = Tracks(scenario=scenario)

    assert RedLightRunner.candidates(view) == []
    assert (RedLightRunner.margin(view, (1,), {}) <= 0).all()


def turn_left(oncoming_x: float, speed: float = 12.0) -> FloatArray:
    """Margin of an ego that turns left at 5 m/s while a car comes the other way."""
    ego, oncoming = turning_left(5.0, 15.0), along_x(oncoming_x, 3.5, -speed, yaw=np.pi)
    scenario = tell(left_turn_junction(), [ego, oncoming])
    return UnprotectedLeft.margin(Tracks(scenario=scenario), (1,), {})


def test_a_left_turn_close_before_oncoming_traffic_counts() -> None:
    """The ego is in the other's lane at about 5 s; the other is there about 1 s later."""
    assert (turn_left(75.0) > 0).any()


def test_a_left_turn_with_a_long_gap_does_not_count() -> None:
    """Oncoming traffic 6 s away, or long gone, is no conflict."""
    assert (turn_left(150.0, speed=12.0) <= 0).all()
    assert (turn_left(-60.0) <= 0).all()


def test_going_straight_on_is_no_left_turn() -> None:
    """Without the turn nothing is unprotected."""
    scenario = tell(left_turn_junction(), [along_x(-140, 0, 12), along_x(75, 3.5, -12, yaw=np.pi)])
    view = Tracks(scenario=scenario)

    assert (UnprotectedLeft.margin(view, (1,), {}) <= 0).all()
