"""Detectors of doors, road works, sirens, skids, drifts and backing vehicles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.events import (
    BackingVehicle,
    CyclistDooring,
    DoorOpening,
    EmergencyVehicle,
    LaneClosure,
    LaneDrift,
    LossOfControl,
    Tracks,
)
from scenegen.scene import AgentKind, AgentStates, Scenario
from tests.builders import straight_road
from tests.events.stories import TIMES, Mover, along_x, ramp, tell


def still(x: float, y: float, size: tuple[float, float, float], yaw: float = 0.0) -> Mover:
    """A thing that stands at a place."""
    track = np.stack([np.full(TIMES.shape, x), np.full(TIMES.shape, y)], -1)
    return Mover(track=track, yaw=yaw, kind=AgentKind.STATIC, size=size)


def turned(scenario: Scenario, agent: int, **arrays: np.ndarray) -> Tracks:
    """The same scenario with other values of one agent."""
    agents = scenario.agents
    changed = {name: getattr(agents, name).copy() for name in arrays}
    for name, values in arrays.items():
        changed[name][:, agent] = values
    states: AgentStates = replace(agents, **changed)
    return Tracks(scenario=replace(scenario, agents=states))


DOOR = (1.0, 0.08, 1.1)
SWING = np.interp(TIMES, [3.0, 3.8], [0.0, -1.2])
"""Heading of a door that opens at 3 s [rad]."""


def door_story(clearance: float, yaw: np.ndarray = SWING) -> Tracks:
    """An ego at y = 0 that passes a car parked at x = 110, whose door is agent 2."""
    side = -(0.925 + clearance)
    car = Mover(
        track=np.stack([np.full(TIMES.shape, 110.0), np.full(TIMES.shape, side - 1.0)], -1), yaw=0.0
    )
    scenario = tell(straight_road(3), [along_x(60, 0, 10.0), car, still(110.0, side - 0.04, DOOR)])
    hinge = np.array([110.5, side - 0.04])
    place = hinge - 0.5 * np.stack([np.cos(yaw), np.sin(yaw)], -1)
    return turned(scenario, 2, yaw=yaw, position=place)


def test_a_door_that_opens_into_the_way_counts() -> None:
    """Half a metre beside the ego's way; the candidates name car and door."""
    view = door_story(0.5)

    margin = DoorOpening.margin(view, (1, 2), {})
    assert (margin > 0).any()
    assert TIMES[np.argmax(margin > 0)] > 2.9
    assert DoorOpening.candidates(view) == [(1, 2)]


def test_a_door_far_aside_or_closed_is_none() -> None:
    """A door 2.5 m away opens beside the ego's way, and a closed one is no event."""
    assert (DoorOpening.margin(door_story(2.5), (1, 2), {}) <= 0).all()
    assert (DoorOpening.margin(door_story(0.5, 0.0 * SWING), (1, 2), {}) <= 0).all()
    assert DoorOpening.candidates(door_story(0.5, 0.0 * SWING)) == []


def dooring(aside: float, x: float = 100.0) -> Tracks:
    """A cyclist who goes to y = aside at 3.5 s when a door opens ahead of it."""
    rider = Mover(
        track=np.stack([x + 4.0 * (TIMES - 3.0), ramp(-1.5, aside, 3.4, 4.6)], -1),
        kind=AgentKind.CYCLIST,
    )
    movers = [along_x(60, 0, ramp(8.0, 3.0, 3.5, 6.0)), rider, still(108.0, -2.3, DOOR)]
    return turned(tell(straight_road(3), movers), 2, yaw=SWING)


def test_a_cyclist_who_swerves_round_a_door_counts() -> None:
    """Into the ego's way; along the door is a near miss, and so is a swerve far from it."""
    assert (CyclistDooring.margin(dooring(-0.3), (1, 2), {}) > 0).any()
    assert CyclistDooring.candidates(dooring(-0.3)) == [(1, 2)]
    assert (CyclistDooring.margin(dooring(-1.4), (1, 2), {}) <= 0).all()
    assert (CyclistDooring.margin(dooring(-0.3, x=70.0), (1, 2), {}) <= 0).all()


def works(offsets: list[float], lane: float = 0.0) -> Tracks:
    """An ego that comes up on cones at x = 120, 128 ... and a trailer behind them."""
    cones = [still(120.0 + 8.0 * k, lane + off, (0.4, 0.4, 0.7)) for k, off in enumerate(offsets)]
    trailer = still(120.0 + 8.0 * len(offsets) + 8.0, lane, (2.5, 1.9, 2.4))
    return Tracks(scenario=tell(straight_road(3), [along_x(40, 0, 14.0), trailer, *cones]))


def test_a_taper_across_the_lane_closes_it() -> None:
    """From the right marking to the left one: the lane is closed from the right."""
    view = works([-1.4, -0.5, 0.5, 1.4])

    assert (LaneClosure.margin(view, (1,), {"side": "right"}) > 0).any()
    assert (LaneClosure.margin(view, (1,), {"side": "left"}) <= 0).all()
    assert (1,) in LaneClosure.candidates(view)


@pytest.mark.parametrize(
    "view",
    [works([-1.4, -0.5, 0.5, 1.4], lane=3.5), works([-1.4, -1.4, -1.4, -1.4]), works([0.0, 1.4])],
    ids=["next lane", "along the edge", "two cones"],
)
def test_cones_elsewhere_close_nothing(view: Tracks) -> None:
    """In the next lane, in a row along the edge, or too few, they are no closure."""
    assert (LaneClosure.margin(view, (1,), {}) <= 0).all()


def siren(x: float, speed: float, sirens: tuple[int, ...] = (1,)) -> Tracks:
    """A vehicle behind an ego at 15 m/s."""
    scenario = tell(straight_road(3), [along_x(100, 0, 15.0), along_x(x, 0.0, speed)])
    return Tracks(scenario=replace(scenario, sirens=sirens))


def test_only_a_siren_that_comes_up_counts() -> None:
    """30 m behind and 5 m/s faster; without siren, far behind or ahead it does not."""
    assert (EmergencyVehicle.margin(siren(60, 20.0), (1,), {}) > 0).any()
    assert (EmergencyVehicle.margin(siren(60, 20.0, ()), (1,), {}) <= 0).all()
    assert (EmergencyVehicle.margin(siren(60, 15.0), (1,), {}) <= 0).all()
    assert (EmergencyVehicle.margin(siren(130, 20.0), (1,), {}) <= 0).all()
    assert EmergencyVehicle.candidates(siren(60, 20.0, ())) == []


def test_the_ego_yields_or_not() -> None:
    """An ego that stays in its lane does not; one that changes lanes does."""
    stays = siren(60, 19.0)
    leaves = [along_x(100, ramp(0.0, 3.5, 2.0, 6.0), 15.0), along_x(60, 0.0, 19.0)]
    moved = Tracks(scenario=replace(tell(straight_road(3), leaves), sirens=(1,)))

    assert (EmergencyVehicle.margin(stays, (1,), {"yields": "no"}) > 0).any()
    assert (EmergencyVehicle.margin(stays, (1,), {"yields": "yes"}) <= 0).all()
    assert (EmergencyVehicle.margin(moved, (1,), {"yields": "yes"}) > 0).any()


def slide(end: float, during: float, x: float = 90.0) -> Tracks:
    """A car that goes from y = 3.5 to another place within some seconds from 3 s on."""
    other = along_x(x, ramp(3.5, end, 3.0, 3.0 + during), ramp(18.0, 10.0, 3.0, 6.0))
    return Tracks(scenario=tell(straight_road(3), [along_x(50, 0, 18.0), other]))


def test_a_slide_across_the_lane_is_loss_of_control() -> None:
    """3.5 m in 1 s is a slide; a lane change in 4 s, or a slide out of reach, is none."""
    assert (LossOfControl.margin(slide(0.0, 1.0), (1,), {}) > 0).any()
    assert (LossOfControl.margin(slide(0.0, 1.0), (1,), {"side": "left"}) > 0).any()
    assert (LossOfControl.margin(slide(0.0, 1.0), (1,), {"side": "ahead"}) <= 0).all()
    assert (LossOfControl.margin(slide(0.0, 4.0), (1,), {}) <= 0).all()
    assert (LossOfControl.margin(slide(7.0, 1.0), (1,), {}) <= 0).all()
    assert (LossOfControl.margin(slide(0.0, 1.0, x=250.0), (1,), {}) <= 0).all()


def drift(begin: float, end: float, during: float) -> Tracks:
    """A car ahead that moves sideways from 2 s on."""
    other = along_x(80, ramp(begin, end, 2.0, 2.0 + during), 18.0)
    return Tracks(scenario=tell(straight_road(3), [along_x(50, 0, 18.0), other]))


def test_a_slow_intrusion_is_a_drift() -> None:
    """Half a metre over the line; a whole lane change or a quick move is none."""
    over = drift(3.5, 3.5 - 0.825 - 0.5, 3.0)

    assert (LaneDrift.margin(over, (1,), {"towards": "ego"}) > 0).any()
    assert (LaneDrift.margin(over, (1,), {"towards": "edge"}) <= 0).all()
    assert (LaneDrift.margin(drift(3.5, 0.0, 4.5), (1,), {}) <= 0).all()
    assert (LaneDrift.margin(drift(3.5, 2.1, 0.4), (1,), {}) <= 0).all()
    assert (LaneDrift.margin(drift(3.5, 3.0, 3.0), (1,), {}) <= 0).all()
    assert (1,) in LaneDrift.candidates(over)


def test_leaving_the_road_slowly_is_a_drift_over_the_edge() -> None:
    """The road ends 1.75 m right of the ego's lane centre."""
    off = drift(0.0, -1.4, 4.0)

    assert (LaneDrift.margin(off, (1,), {"towards": "edge"}) > 0).any()
    assert (LaneDrift.margin(drift(0.0, -0.7, 4.0), (1,), {}) <= 0).all()


def backing(speed: float, reach: float) -> Tracks:
    """A car whose middle moves from y = -6 to the ego's lane, nose away from the road."""
    place = np.minimum(-6.0 + np.maximum(TIMES - 2.0, 0.0) * 2.0, reach)
    track = np.stack([np.full(TIMES.shape, 110.0), place], -1)
    movers = [along_x(50, 0, ramp(10.0, 0.0, 3.0, 7.0)), Mover(track=track, yaw=-np.pi / 2)]
    moving = np.gradient(place, TIMES) > 0.1
    return turned(tell(straight_road(1), movers), 1, speed=np.where(moving, speed, 0.0))


def test_a_car_that_backs_into_the_way_counts() -> None:
    """Backwards into the lane; forwards it is another event, and behind the kerb none."""
    inside = backing(-2.0, -1.5)

    assert (BackingVehicle.margin(inside, (1,), {}) > 0).any()
    assert (BackingVehicle.margin(inside, (1,), {"from": "near"}) > 0).any()
    assert (BackingVehicle.margin(inside, (1,), {"from": "far"}) <= 0).all()
    assert BackingVehicle.candidates(inside) == [(1,)]
    assert (BackingVehicle.margin(backing(2.0, -1.5), (1,), {}) <= 0).all()
    assert (BackingVehicle.margin(backing(-2.0, -4.5), (1,), {}) <= 0).all()
