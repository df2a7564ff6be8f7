"""Small roads for the simulator's tests: a curve, a crossing, a crosswalk."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import Crossing, Lane, LaneKind, RoadKind, RoadMap, Signal, SignalState


def lane(points: FloatArray, **changes: object) -> Lane:
    """Build a lane 3.5 m wide through points."""
    line = np.asarray(points, np.float64)
    return Lane(centerline=line, width=np.full(len(line), 3.5), **changes)  # type: ignore[arg-type]


def line(x0: float, y0: float, x1: float, y1: float) -> FloatArray:
    """Points every 5 m or less on a straight line."""
    count = int(np.hypot(x1 - x0, y1 - y0) / 5) + 2
    return np.linspace((x0, y0), (x1, y1), count)


def curved_road(radius: float = 60.0, speed_limit: float = 30.0) -> RoadMap:
    """100 m straight, a quarter circle to the left, 100 m straight, all in one lane."""
    angle = np.linspace(0.0, np.pi / 2, 60)
    arc = np.stack([100 + radius * np.sin(angle), radius * (1 - np.cos(angle))], -1)
    end = line(100 + radius, radius, 100 + radius, radius + 100)
    points = np.concatenate([line(0, 0, 100, 0)[:-1], arc, end[1:]])
    return RoadMap(
        name="curve", kind=RoadKind.RURAL, lanes=(lane(points, speed_limit=speed_limit),)
    )


def crossing(
    *, minor_yields: bool = False, signal: SignalState | None = None, green_at: float = 1e4
) -> RoadMap:
    """Two one-way roads that cross at the origin: lanes 0, 1, 2 run east, 3, 4, 5 north.

    Args:
        minor_yields: Whether the road to the north gives way.
        signal: State shown for ever to the road to the east, None for no signal.
        green_at: With `signal` NONE: when its red ends [s].
    """
    signals = ()
    if signal is not None:
        signals = (
            Signal(
                lanes=(1,),
                stop_line=np.array([[-8.0, 2.0], [-8.0, -2.0]]),
                position=np.array([-8.0, -4.0]),
                cycle=1e6,
                green_start=green_at,
                green=20.0,
                always=signal,
            ),
        )
    return RoadMap(
        name="crossing",
        kind=RoadKind.INTERSECTION,
        lanes=(
            lane(line(-150, 0, -8, 0), successors=(1,)),
            lane(line(-8, 0, 8, 0), predecessors=(0,), successors=(2,), in_junction=True),
            lane(line(8, 0, 300, 0), predecessors=(1,)),
            lane(line(0, -150, 0, -8), successors=(4,)),
            lane(
                line(0, -8, 0, 8),
                predecessors=(3,),
                successors=(5,),
                in_junction=True,
                yields=minor_yields,
            ),
            lane(line(0, 8, 0, 300), predecessors=(4,)),
        ),
        signals=signals,
    )


def crosswalk_road() -> RoadMap:
    """One lane east, sidewalks on both sides, and a crosswalk over it at x = 100."""
    return RoadMap(
        name="crosswalk",
        kind=RoadKind.URBAN,
        lanes=(
            lane(line(0, 0, 300, 0)),
            lane(line(0, -3, 300, -3), kind=LaneKind.SIDEWALK),
            lane(line(300, 3, 0, 3), kind=LaneKind.SIDEWALK),
            lane(line(100, -2.2, 100, 2.2), kind=LaneKind.CROSSWALK),
        ),
        crossings=(
            Crossing(
                outline=np.array([[98, -2], [102, -2], [102, 2], [98, 2.0]]),
                path=np.array([[100, -2.2], [100, 2.2]]),
                lanes=(0,),
            ),
        ),
    )


def merging_road() -> RoadMap:
    """Two lanes east of which the right one, lane 0, ends at x = 250."""
    return RoadMap(
        name="merge",
        kind=RoadKind.HIGHWAY,
        lanes=(
            lane(line(0, 0, 250, 0), left=1, speed_limit=25.0),
            lane(line(0, 3.5, 250, 3.5), right=0, successors=(2,), speed_limit=25.0),
            lane(line(250, 3.5, 600, 3.5), predecessors=(1,), speed_limit=25.0),
        ),
    )
