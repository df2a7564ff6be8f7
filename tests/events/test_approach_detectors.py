"""Detectors of what the ego comes up on, of what comes up on it, and of merging traffic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.events import (
    AlongRoad,
    Debris,
    MergeConflict,
    ParkedCarPullsOut,
    SlowerLead,
    Tailgater,
    Tracks,
)
from scenegen.events.approaching import needed_braking
from scenegen.scene import AgentKind, RoadMap
from scenegen.scene.roadmap import LaneKind
from tests.builders import straight_road
from tests.events.stories import TIMES, Mover, along_x, ramp, tell

LATE = ramp(20.0, 0.0, 4.0, 8.0)
"""Speed of an ego that brakes at 5 m/s^2 from 20 m/s at 4 s, over 40 m [m/s]."""


def ahead(x: float, kind: AgentKind, y: float = 0.0, speed: float = 0.0, yaw: float = 0.0) -> Mover:
    """Something at a place on the road that moves along it."""
    track = np.stack([x + np.cos(yaw) * speed * TIMES, np.full(TIMES.shape, y)], -1)
    return Mover(track=track, yaw=yaw, kind=kind)


def story(other: Mover, ego_speed: FloatArray | float = LATE) -> Tracks:
    """An ego that begins at x = 50 and somebody else."""
    return Tracks(scenario=tell(straight_road(3), [along_x(50, 0, ego_speed), other]))


def test_needed_braking_is_the_kinematic_one() -> None:
    """closing^2 / (2 gap), in closed form, while the ego approaches; 0 once it stands."""
    view = story(ahead(200, AgentKind.CAR))

    assert needed_braking(view, 1)[0] == pytest.approx(20.0**2 / (2 * (150 - 4.5)), rel=1e-3)
    assert needed_braking(view, 1)[-1] == pytest.approx(0.0, abs=1e-6)


def test_a_stopped_lead_that_takes_hard_braking_counts() -> None:
    """Braking late for a car that stands is the event; its option tells stopped from slower."""
    view = story(ahead(180, AgentKind.CAR))

    assert (SlowerLead.margin(view, (1,), {"lead": "stopped"}) > 0).any()
    assert (SlowerLead.margin(view, (1,), {"lead": "slower"}) <= 0).all()


def test_a_slower_lead_is_not_stopped() -> None:
    """A vehicle at 5 m/s is slower."""
    view = story(along_x(120, 0, 5.0), ramp(20.0, 4.0, 3.5, 6.5))

    assert (SlowerLead.margin(view, (1,), {"lead": "slower"}) > 0).any()
    assert (SlowerLead.margin(view, (1,), {"lead": "stopped"}) <= 0).all()


def test_a_gentle_approach_is_none() -> None:
    """Braking early, at 2 m/s^2, is what drivers do at every queue."""
    view = story(ahead(180, AgentKind.CAR), ramp(20.0, 0.0, 1.0, 11.0))

    assert (SlowerLead.margin(view, (1,), {}) <= 0).all()


def test_a_lead_that_brakes_is_no_slower_lead() -> None:
    """A vehicle that brakes at 5 m/s^2 itself is another family."""
    view = story(along_x(75, 0, ramp(20.0, 0.0, 3.0, 7.0)), 20.0)
    braking = (TIMES > 3.5) & (TIMES < 6.5)

    assert (SlowerLead.margin(view, (1,), {})[braking] <= 0).all()


@pytest.mark.parametrize(("y", "counts"), [(0.0, True), (3.5, False)])
def test_debris_counts_in_the_way_only(y: float, counts: bool) -> None:
    """An object in the next lane forces nobody to brake."""
    view = story(ahead(180, AgentKind.STATIC, y))

    assert (Debris.margin(view, (1,), {}) > 0).any() == counts
    assert Debris.candidates(view) == ([(1,)] if counts else [])


def test_a_parked_car_is_no_debris() -> None:
    """Debris is an object."""
    assert Debris.candidates(story(ahead(180, AgentKind.CAR))) == []


@pytest.mark.parametrize(
    ("who", "kind", "speed"),
    [("pedestrian", AgentKind.PEDESTRIAN, 1.4), ("cyclist", AgentKind.CYCLIST, 4.0)],
)
def test_along_the_road_knows_who_goes_there(who: str, kind: AgentKind, speed: float) -> None:
    """Pedestrians are not cyclists, and nobody at the kerb is in the way."""
    other = {"pedestrian": "cyclist", "cyclist": "pedestrian"}[who]
    ego = ramp(20.0, speed, 4.0, 7.5)
    inside = story(ahead(170 - 6 * speed, kind, -0.4, speed), ego)
    beside = story(ahead(170 - 6 * speed, kind, -2.2, speed), ego)

    assert (AlongRoad.margin(inside, (1,), {"who": who}) > 0).any()
    assert (AlongRoad.margin(inside, (1,), {"who": other}) <= 0).all()
    assert (AlongRoad.margin(beside, (1,), {}) <= 0).all()


def test_who_comes_towards_the_ego_does_not_go_along() -> None:
    """A pedestrian who walks against the traffic is another story."""
    view = story(ahead(180, AgentKind.PEDESTRIAN, -0.4, 1.4, np.pi))

    assert (AlongRoad.margin(view, (1,), {}) <= 0).all()


def tailgate(gap: float, y: float = 0.0, speed: float = 20.0) -> FloatArray:
    """Margin of a car that follows an ego at constant speed, both equally fast."""
    ego, rear = along_x(100, 0, speed), along_x(100 - 4.5 - gap, y, speed)
    return Tailgater.margin(Tracks(scenario=tell(straight_road(3), [ego, rear])), (1,), {})


def test_tailgating_is_a_matter_of_headway() -> None:
    """At 20 m/s, 12 m are too close and 24 m are not; in the next lane nothing is."""
    assert (tailgate(12.0) > 0).any()
    assert (tailgate(24.0) <= 0).all()
    assert (tailgate(12.0, y=3.5) <= 0).all()


def test_queueing_is_no_tailgating() -> None:
    """At 3 m/s everybody is close."""
    assert (tailgate(2.0, speed=3.0) <= 0).all()


def test_tailgating_must_last() -> None:
    """A vehicle that comes near for half a second and falls back does not tailgate."""
    gap = np.interp(TIMES, [0, 4.0, 5.0, 10.0], [43.0, 22.0, 28.0, 60.0])
    rear = Mover(track=np.stack([100 + 20 * TIMES - 4.5 - gap, np.zeros(TIMES.shape)], -1))
    view = Tracks(scenario=tell(straight_road(3), [along_x(100, 0, 20), rear]))

    assert (Tailgater.margin(view, (1,), {}) <= 0).all()


def ramp_road(kind: LaneKind) -> RoadMap:
    """Two lanes along x, of which the right one is of some kind; the ego drives at y = 3.5."""
    road = straight_road(2)
    return replace(road, lanes=(replace(road.lanes[0], kind=kind), road.lanes[1]))


def merge(kind: LaneKind, end: float) -> FloatArray:
    """Margin of a car that moves from y = 0 to `end` ahead of an ego at y = 3.5."""
    movers = [along_x(50, 3.5, 20), along_x(75, ramp(0.0, end, 3.0, 6.0), 18)]
    return MergeConflict.margin(Tracks(scenario=tell(ramp_road(kind), movers)), (1,), {})


def test_a_merge_comes_from_a_ramp() -> None:
    """The same move from a through lane is a plain cut-in."""
    assert (merge(LaneKind.RAMP, 3.5) > 0).any()
    assert (merge(LaneKind.DRIVING, 3.5) <= 0).all()


def test_a_vehicle_that_stays_on_the_ramp_does_not_merge() -> None:
    """Half a metre short of the line is a near miss."""
    assert (merge(LaneKind.RAMP, 0.3) <= 0).all()


def pull_out(begin: float, end: float) -> FloatArray:
    """Margin of a car that stands at y = begin until 3 s and then drives off to y = end."""
    x = 50 + 20 * 2.5 + np.where(TIMES > 3, 0.75 * (TIMES - 3) ** 2, 0.0)
    parked = Mover(track=np.stack([x, ramp(begin, end, 4.0, 7.0)], -1))
    ego = along_x(40, 0, ramp(8.0, 3.0, 4.0, 8.0))
    view = Tracks(scenario=tell(straight_road(3), [ego, parked]))
    return ParkedCarPullsOut.margin(view, (1,), {})


def test_a_car_that_stood_beside_the_way_pulls_out() -> None:
    """From the kerb into the ego's strip; along the kerb is a near miss, from far off another."""
    assert (pull_out(-2.4, 0.0) > 0).any()
    assert (pull_out(-2.4, -2.2) <= 0).all()
    assert (pull_out(0.0, 0.0) <= 0).all()
