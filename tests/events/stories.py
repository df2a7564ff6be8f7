"""Hand-made developments: each agent moves as told, without a simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import (
    AgentKind,
    AgentStates,
    Conditions,
    Lane,
    LineMarking,
    RoadKind,
    RoadMap,
    Scenario,
    Signal,
)
from scenegen.scene.agents import SIZE
from tests.builders import provenance

TIMES = np.arange(101) * 0.1
"""Ten seconds at 10 Hz."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mover:
    """One agent of a story: its positions over TIMES [m], shape (T, 2), and what it is."""

    track: FloatArray
    yaw: float | None = None
    kind: AgentKind = AgentKind.CAR
    size: tuple[float, float, float] | None = None


def along_x(
    x: float, y: FloatArray | float, speed: FloatArray | float, yaw: float | None = None
) -> Mover:
    """A car on a straight road: start, lateral place over time, speed over time."""
    speeds = np.broadcast_to(speed, TIMES.shape)
    way = x + np.concatenate([[0.0], np.cumsum(speeds[:-1] * 0.1)])
    return Mover(track=np.stack([way, np.broadcast_to(y, TIMES.shape)], -1), yaw=yaw)


def ramp(begin: float, end: float, start: float, stop: float) -> FloatArray:
    """A value that goes evenly from one to the other between two times, shape (T,)."""
    return np.interp(TIMES, [start, stop], [begin, end])


def tell(roadmap: RoadMap, movers: Sequence[Mover]) -> Scenario:
    """Make a scenario; headings and speeds follow from the tracks, the first mover is the ego."""
    states = AgentStates.empty(len(TIMES), len(movers))
    for i, mover in enumerate(movers):
        velocity = np.gradient(mover.track, TIMES, axis=0)
        moving = np.hypot(*velocity.T) > 0.05
        heading = np.arctan2(velocity[:, 1], velocity[:, 0])
        still = 0.0 if mover.yaw is None else mover.yaw
        states.position[:, i] = mover.track
        states.yaw[:, i] = np.where(moving & (mover.yaw is None), heading, still)
        states.speed[:, i] = np.hypot(*velocity.T)
        states.kind[:, i] = mover.kind
        states.size[:, i] = mover.size or SIZE[mover.kind]
    states.valid[:] = True
    return Scenario(
        roadmap=roadmap,
        conditions=Conditions(),
        agents=states,
        times=TIMES,
        provenance=provenance(),
    )


def lane(x0: float, y0: float, x1: float, y1: float, **changes: object) -> Lane:
    """A straight lane of 3.5 m between two points."""
    share = np.linspace(0.0, 1.0, 41)[:, None]
    line = np.array([x0, y0]) * (1 - share) + np.array([x1, y1]) * share
    return Lane(centerline=line, width=np.full(41, 3.5), **changes)  # type: ignore[arg-type]


def two_way_road() -> RoadMap:
    """A road along x with one lane per direction; the opposite one is at y = 3.5."""
    return RoadMap(
        name="two-way",
        kind=RoadKind.RURAL,
        lanes=(
            lane(0, 0, 400, 0, left_marking=LineMarking.DASHED),
            lane(400, 3.5, 0, 3.5),
        ),
    )


def crossing_roads(green_for_x: bool = True) -> RoadMap:
    """A one-way road along x and one along y that cross under signals at the origin.

    Lanes 0-2 run along x at y = 0, lanes 3-5 along y at x = 0; the junction is 10 m wide. The
    roads' lights never change: the one along x is green, the other red, or the other way round.
    """
    lanes = []
    for k, (ux, uy) in enumerate([(1.0, 0.0), (0.0, 1.0)]):
        cuts, first = (-150.0, -5.0, 5.0, 150.0), 3 * k
        for n in range(3):
            a, b = cuts[n], cuts[n + 1]
            lanes.append(
                lane(
                    a * ux,
                    a * uy,
                    b * ux,
                    b * uy,
                    predecessors=(first + n - 1,) if n else (),
                    successors=(first + n + 1,) if n < 2 else (),
                    in_junction=n == 1,
                )
            )
    lines = [np.array([[-5.0, 1.75], [-5.0, -1.75]]), np.array([[-1.75, -5.0], [1.75, -5.0]])]
    cycle = [(0.0, 500.0), (-600.0, 500.0)]
    order = cycle if green_for_x else cycle[::-1]
    signals = tuple(
        Signal(
            lanes=(3 * k + 1,),
            stop_line=lines[k],
            position=lines[k][1],
            cycle=1100.0,
            green_start=order[k][0],
            green=order[k][1],
        )
        for k in range(2)
    )
    return RoadMap(name="crossing", kind=RoadKind.INTERSECTION, lanes=tuple(lanes), signals=signals)


def left_turn_junction() -> RoadMap:
    """A junction where lane 1 turns left off a road along x; lanes 3-5 come the other way."""
    angle = np.linspace(0.0, np.pi / 2, 41)
    arc = np.stack([-10.0 + 12.0 * np.sin(angle), 12.0 - 12.0 * np.cos(angle)], -1)
    turn = Lane(
        centerline=arc,
        width=np.full(41, 3.5),
        in_junction=True,
        turn=1,
        yields=True,
        predecessors=(0,),
        successors=(2,),
    )
    return RoadMap(
        name="left-turn",
        kind=RoadKind.INTERSECTION,
        lanes=(
            lane(-150, 0, -10, 0, successors=(1,)),
            turn,
            lane(2, 12, 2, 150, predecessors=(1,)),
            lane(150, 3.5, 12, 3.5, successors=(4,)),
            lane(12, 3.5, -10, 3.5, in_junction=True, predecessors=(3,), successors=(5,)),
            lane(-10, 3.5, -150, 3.5, predecessors=(4,)),
        ),
    )


def turning_left(speed: float, start: float) -> Mover:
    """A car that drives lanes 0, 1, 2 of `left_turn_junction`, from a distance before the turn."""
    road = left_turn_junction()
    line = np.concatenate([road.lanes[k].centerline[(k > 0) :] for k in (0, 1, 2)])
    grid = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    way = 140.0 - start + speed * TIMES
    return Mover(track=np.stack([np.interp(way, grid, line[:, c]) for c in (0, 1)], -1))
