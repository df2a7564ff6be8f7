"""Detectors of junction conflicts where somebody turns, or comes out of a minor road."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.events import RightTurnConflict, StopSignRunner, Tracks, TurningPedestrian
from scenegen.scene import AgentKind, Lane, RoadKind, RoadMap, Scenario
from tests.events.stories import (
    TIMES,
    Mover,
    along_x,
    crossing_roads,
    lane,
    left_turn_junction,
    tell,
    turning_left,
)


def minor_road(yields: bool = True) -> RoadMap:
    """The roads of `crossing_roads` without signals; the one along y gives way."""
    road = crossing_roads()
    lanes = tuple(
        replace(one, yields=yields and k == 4 and one.in_junction)
        for k, one in enumerate(road.lanes)
    )
    return replace(road, lanes=lanes, signals=())


def up_y(y: float, speed: FloatArray | float) -> Mover:
    """A car along y at x = 0."""
    speeds = np.broadcast_to(speed, TIMES.shape)
    way = y + np.concatenate([[0.0], np.cumsum(speeds[:-1] * 0.1)])
    return Mover(track=np.stack([np.zeros(len(TIMES)), way], -1), yaw=np.pi / 2)


def run(road: RoadMap, runner: Mover, ego_x: float = -50.0) -> Tracks:
    """An ego along x at 12 m/s, and somebody along y."""
    return Tracks(scenario=tell(road, [along_x(ego_x, 0.0, 12.0), runner]))


def test_who_comes_out_of_the_minor_road_at_speed_runs_it() -> None:
    """10 m/s over the line, 3 s before the ego: a run by whoever is there first."""
    view = run(minor_road(), up_y(-30.0, 10.0))

    assert (StopSignRunner.margin(view, (1,), {}) > 0).any()
    assert (StopSignRunner.margin(view, (1,), {"first": "runner"}) > 0).any()
    assert (StopSignRunner.margin(view, (1,), {"first": "ego"}) <= 0).all()
    assert (1,) in StopSignRunner.candidates(view)


def test_who_stops_first_runs_nothing() -> None:
    """A vehicle that stood at the line and then drove off misjudged, but did stop."""
    speed = np.interp(TIMES, [0.0, 2.0, 3.0, 4.0, 5.0], [10.0, 0.0, 0.0, 0.0, 6.0])

    view = run(minor_road(), up_y(-18.0, speed), ego_x=-60.0)

    assert (StopSignRunner.margin(view, (1,), {}) <= 0).all()


def test_without_a_line_to_give_way_at_nobody_runs_it() -> None:
    """The same motion where the roads are equal is no run."""
    view = run(minor_road(yields=False), up_y(-30.0, 10.0))

    assert (StopSignRunner.margin(view, (1,), {}) <= 0).all()
    assert StopSignRunner.candidates(view) == []


def test_a_runner_who_is_long_gone_is_none() -> None:
    """Crossing 8 s before the ego arrives disturbs nobody."""
    view = run(minor_road(), up_y(-10.0, 15.0), ego_x=-140.0)

    assert (StopSignRunner.margin(view, (1,), {}) <= 0).all()


def right_turn_junction() -> RoadMap:
    """A road along x (lanes 0-2) that lane 4 joins from the south, turning right."""
    angle = np.linspace(0.0, np.pi / 2, 41)
    arc = np.stack([12.0 - 12.0 * np.cos(angle), -12.0 + 12.0 * np.sin(angle)], -1)
    turn = Lane(
        centerline=arc,
        width=np.full(41, 3.5),
        in_junction=True,
        turn=-1,
        yields=True,
        predecessors=(3,),
        successors=(2,),
    )
    return RoadMap(
        name="right-turn",
        kind=RoadKind.T_JUNCTION,
        lanes=(
            lane(-150, 0, -10, 0, successors=(1,)),
            lane(-10, 0, 12, 0, in_junction=True, predecessors=(0,), successors=(2,)),
            lane(12, 0, 200, 0, predecessors=(1, 4)),
            lane(0, -150, 0, -12, successors=(4,)),
            turn,
        ),
    )


def turning_right(speed: float, start: float) -> Mover:
    """A car that drives lanes 3, 4, 2 of `right_turn_junction`, from a distance before the turn."""
    road = right_turn_junction()
    line = np.concatenate([road.lanes[k].centerline[(k != 3) :] for k in (3, 4, 2)])
    grid = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    way = 138.0 - start + speed * TIMES
    return Mover(track=np.stack([np.interp(way, grid, line[:, c]) for c in (0, 1)], -1))


@pytest.mark.parametrize("turns", ["ego", "other"])
def test_turning_right_close_before_another_is_a_conflict(turns: str) -> None:
    """3 s ahead of a vehicle at 12 m/s is too near; the option tells who turned."""
    movers = [turning_right(4.0, 10.0), along_x(-90.0, 0.0, 12.0)]
    order = movers if turns == "ego" else movers[::-1]
    view = Tracks(scenario=tell(right_turn_junction(), order))
    other = {"ego": "other", "other": "ego"}[turns]

    assert (RightTurnConflict.margin(view, (1,), {"turns": turns}) > 0).any()
    assert (RightTurnConflict.margin(view, (1,), {"turns": other}) <= 0).all()
    assert (1,) in RightTurnConflict.candidates(view)


def test_turning_right_far_ahead_is_none() -> None:
    """140 m ahead of a vehicle at 12 m/s there is time."""
    movers = [turning_right(6.0, 5.0), along_x(-148.0, 0.0, 9.0)]
    view = Tracks(scenario=tell(right_turn_junction(), movers))

    assert (RightTurnConflict.margin(view, (1,), {}) <= 0).all()


def test_following_through_the_same_turn_is_none() -> None:
    """Who turns right behind the ego from the same road follows it."""
    movers = [turning_right(5.0, 5.0), turning_right(5.0, 17.0)]
    view = Tracks(scenario=tell(right_turn_junction(), movers))

    assert (RightTurnConflict.margin(view, (1,), {}) <= 0).all()


def walker(y: float, x0: float, x1: float) -> Mover:
    """A pedestrian who walks along x at a place on the exit road of `left_turn_junction`."""
    way = np.interp(TIMES, [0.0, 10.0], [x0, x1])
    return Mover(track=np.stack([way, np.full(TIMES.shape, y)], -1), kind=AgentKind.PEDESTRIAN)


def test_a_pedestrian_behind_the_turn_counts() -> None:
    """Somebody crosses the road that the ego turns left into, from its right to its left."""
    movers = [turning_left(5.0, 15.0), walker(22.0, 9.0, -4.0)]
    view = Tracks(scenario=tell(left_turn_junction(), movers))

    assert (TurningPedestrian.margin(view, (1,), {"turn": "left", "from": "near"}) > 0).any()
    assert (TurningPedestrian.margin(view, (1,), {"turn": "right"}) <= 0).all()
    assert (TurningPedestrian.margin(view, (1,), {"from": "far"}) <= 0).all()
    assert TurningPedestrian.candidates(view) == [(1,)]


def scene_without_turn() -> Scenario:
    """The same pedestrian, far up the road, and an ego that never turned."""
    straight = np.stack([np.full(TIMES.shape, 2.0), 60.0 + 5.0 * TIMES], -1)
    return tell(left_turn_junction(), [Mover(track=straight), walker(95.0, 9.0, -4.0)])


def test_without_a_turn_it_is_another_event() -> None:
    """Straight on it is a jaywalker or a crossing, not a turn into somebody."""
    view = Tracks(scenario=scene_without_turn())

    assert (TurningPedestrian.margin(view, (1,), {}) <= 0).all()


def test_who_waits_at_the_kerb_is_not_crossing() -> None:
    """A pedestrian who stands beside the lane is no conflict."""
    movers = [turning_left(5.0, 15.0), walker(22.0, 9.0, 9.0)]
    view = Tracks(scenario=tell(left_turn_junction(), movers))

    assert (TurningPedestrian.margin(view, (1,), {}) <= 0).all()
