"""Detectors of what the ego itself does: a lane change into a conflict, a late look up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events import CyclistCrossing, EgoLaneChangeConflict, StoppedInPoorSight, Tracks
from scenegen.scene import AgentKind, Conditions, Weather
from tests.builders import straight_road
from tests.events.stories import TIMES, Mover, along_x, ramp, tell, two_way_road


def moves_over(speed: float, begin: float = 60.0, lane: FloatArray | float = 3.5) -> Tracks:
    """An ego at 20 m/s that moves to the left lane from 2 s on, and a car there from behind."""
    ego = along_x(begin, ramp(0.0, 3.5, 2.0, 5.0), 20.0)
    return Tracks(scenario=tell(straight_road(3), [ego, along_x(5.0, lane, speed)]))


def test_a_lane_change_in_front_of_a_faster_car_counts() -> None:
    """11 m/s faster and close; to the left, not to the right."""
    view = moves_over(31.0)

    assert (EgoLaneChangeConflict.margin(view, (1,), {}) > 0).any()
    assert (EgoLaneChangeConflict.margin(view, (1,), {"side": "left"}) > 0).any()
    assert (EgoLaneChangeConflict.margin(view, (1,), {"side": "right"}) <= 0).all()
    assert (1,) in EgoLaneChangeConflict.candidates(view)


def test_a_lane_change_with_room_is_none() -> None:
    """At the same speed, or far ahead, or where the other one moved over, it is no conflict."""
    other_moves = moves_over(31.0, lane=ramp(7.0, 0.0, 2.0, 5.0))

    assert (EgoLaneChangeConflict.margin(moves_over(20.0), (1,), {}) <= 0).all()
    assert (EgoLaneChangeConflict.margin(moves_over(24.0, 150.0), (1,), {}) <= 0).all()
    assert (EgoLaneChangeConflict.margin(other_moves, (1,), {}) <= 0).all()


def stands_ahead(speed: FloatArray | float, leader: bool = True) -> Tracks:
    """An ego that comes up on a car at x = 200, behind a leader that leaves the lane at 4 s."""
    still = Mover(track=np.stack([np.full(TIMES.shape, 200.0), np.zeros(TIMES.shape)], -1), yaw=0.0)
    movers = [along_x(30.0, 0.0, speed), still]
    if leader:
        movers.append(along_x(55.0, ramp(0.0, 3.5, 4.0, 6.0), 25.0))
    return Tracks(scenario=tell(straight_road(3), movers))


def test_holding_the_speed_towards_a_hidden_standing_car_counts() -> None:
    """The leader hid it until late and the ego does not brake."""
    view = stands_ahead(25.0)

    assert (StoppedInPoorSight.margin(view, (1,), {}) > 0).any()
    assert StoppedInPoorSight.candidates(view) == [(1,)]


def test_in_plain_view_or_with_braking_it_is_none() -> None:
    """Seen all the time it is an approach; who brakes hard in time is attentive."""
    brakes = np.maximum(25.0 - 5.0 * np.maximum(TIMES - 1.0, 0.0), 0.0)

    assert (StoppedInPoorSight.margin(stands_ahead(25.0, leader=False), (1,), {}) <= 0).all()
    assert (StoppedInPoorSight.margin(stands_ahead(brakes), (1,), {}) <= 0).all()


def test_fog_hides_as_a_leader_does() -> None:
    """Farther away than the meteorological visibility within the last 3 s."""
    clear = stands_ahead(25.0, leader=False).scenario
    thick = replace(clear, conditions=Conditions(weather=Weather.FOG, visibility=80.0))

    assert (StoppedInPoorSight.margin(Tracks(scenario=thick), (1,), {}) > 0).any()


def crosses_behind(van: bool) -> Tracks:
    """A cyclist who comes from the right, with or without a van at the kerb before it."""
    track = np.stack([np.full(TIMES.shape, 150.6), ramp(-12.0, 16.0, 0.0, 10.0)], -1)
    movers = [along_x(106.0, 0.0, 8.0), Mover(track=track, kind=AgentKind.CYCLIST)]
    if van:
        place = np.stack([np.full(TIMES.shape, 146.0), np.full(TIMES.shape, -3.2)], -1)
        movers.append(Mover(track=place, yaw=0.0, size=(5.4, 2.0, 2.4)))
    return Tracks(scenario=tell(two_way_road(), movers))


def test_cover_tells_a_hidden_cyclist_from_one_in_plain_view() -> None:
    """From behind a van it is covered, without one it is not; without the option both count."""
    hidden, plain = crosses_behind(True), crosses_behind(False)

    for view, cover in ((hidden, "parked"), (plain, "none")):
        other = {"parked": "none", "none": "parked"}[cover]
        assert (CyclistCrossing.margin(view, (1,), {}) > 0).any()
        assert (CyclistCrossing.margin(view, (1,), {"cover": cover}) > 0).any()
        assert (CyclistCrossing.margin(view, (1,), {"cover": other}) <= 0).all()
