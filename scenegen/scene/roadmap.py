"""The road: lanes with links, signals, crossings, and what is beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property

import numpy as np
import shapely

from scenegen.arrays import FloatArray, check_shape
from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.scene.signals import Signal, SignalState

NO_LANE = -1
"""Index that stands for no lane."""


class LaneKind(IntEnum):
    """What a lane is for; the numbers are stored in datasets and never change."""

    DRIVING = 0
    RAMP = 1
    SHOULDER = 2
    PARKING = 3
    CYCLE = 4
    SIDEWALK = 5
    CROSSWALK = 6

    @property
    def is_drivable(self) -> bool:
        """Whether motor vehicles may be there."""
        return self <= LaneKind.PARKING

    @property
    def carries_traffic(self) -> bool:
        """Whether motor vehicles travel along it."""
        return self <= LaneKind.RAMP


class LineMarking(IntEnum):
    """Paint along a lane bound."""

    NONE = 0
    DASHED = 1
    SOLID = 2
    DOUBLE_SOLID = 3
    KERB = 4


class RoadKind(StrEnum):
    """What the road is like as a whole; the static clauses of a query ask for it."""

    HIGHWAY = "highway"
    RURAL = "rural"
    URBAN = "urban"
    INTERSECTION = "intersection"
    T_JUNCTION = "t_junction"
    ROUNDABOUT = "roundabout"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lane:
    """One lane; `predecessors`, `successors`, `left` and `right` are indices into RoadMap.lanes.

    Attributes:
        centerline: Points along the middle in driving direction [m], shape (P, 2).
        width: Width at each point [m], shape (P,).
        kind: What the lane is for.
        speed_limit: Legal limit [m/s].
        predecessors: Lanes that lead into this one.
        successors: Lanes this one leads into.
        left: Neighbour on the left with the same direction, or NO_LANE.
        right: Neighbour on the right with the same direction, or NO_LANE.
        left_marking: Paint along the left bound.
        right_marking: Paint along the right bound.
        in_junction: Whether the lane crosses a junction.
        yields: Whether traffic must give way before entering (minor road, roundabout entry).
        turn: Direction through a junction: +1 left, -1 right, 0 straight or no junction.
        length: Length along the centreline [m]; follows from it.
    """

    centerline: FloatArray
    width: FloatArray
    kind: LaneKind = LaneKind.DRIVING
    speed_limit: float = 13.9
    predecessors: tuple[int, ...] = ()
    successors: tuple[int, ...] = ()
    left: int = NO_LANE
    right: int = NO_LANE
    left_marking: LineMarking = LineMarking.DASHED
    right_marking: LineMarking = LineMarking.DASHED
    in_junction: bool = False
    yields: bool = False
    turn: int = 0
    length: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check shapes and that the lane has a length."""
        sizes = check_shape("centerline", self.centerline, "P", 2)
        check_shape("width", self.width, sizes["P"])
        if sizes["P"] < 2 or not np.isfinite(self.centerline).all():
            raise MapError(f"lane: expected >= 2 finite points, got {self.centerline.tolist()[:4]}")
        if (self.width < 0).any():
            raise MapError(f"lane: expected widths >= 0 m, got {float(self.width.min())}")
        # Asked for so often that computing it each time took a tenth of composing a scene.
        object.__setattr__(self, "length", float(polylines.arc_length(self.centerline)[-1]))

    @property
    def left_bound(self) -> FloatArray:
        """Points along the left edge [m], shape (P, 2)."""
        return polylines.offset(self.centerline, self.width / 2)

    @property
    def right_bound(self) -> FloatArray:
        """Points along the right edge [m], shape (P, 2)."""
        return polylines.offset(self.centerline, -self.width / 2)

    @property
    def polygon(self) -> FloatArray:
        """Outline, counter-clockwise [m], shape (2P, 2)."""
        return np.concatenate([self.right_bound, self.left_bound[::-1]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crossing:
    """A pedestrian crossing.

    Attributes:
        outline: Corners, counter-clockwise [m], shape (K, 2).
        path: Where people walk, from kerb to kerb [m], shape (2, 2).
        lanes: Indices of the driving lanes it crosses.
    """

    outline: FloatArray
    path: FloatArray
    lanes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadMap:
    """Lanes, signals and crossings of one place, in a right-handed map frame [m].

    Attributes:
        name: What the place is called.
        kind: What the road is like as a whole.
        lanes: All lanes; their links are indices into this tuple.
        signals: All signals.
        crossings: All pedestrian crossings.
        source: Where it came from: generator with its parameters and seed, or a file's digest.
    """

    name: str
    kind: RoadKind
    lanes: tuple[Lane, ...]
    signals: tuple[Signal, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    source: dict[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that every link points at a lane."""
        if not self.lanes:
            raise MapError(f"map {self.name!r}: expected at least one lane, got none")
        for i, lane in enumerate(self.lanes):
            links = (*lane.predecessors, *lane.successors, lane.left, lane.right)
            wrong = [k for k in links if not NO_LANE <= k < len(self.lanes)]
            if wrong:
                raise MapError(
                    f"map {self.name!r}: lane {i} links to lane {wrong[0]}, which is"
                    f" not one of its {len(self.lanes)} lanes"
                )

    @cached_property
    def traffic_lanes(self) -> tuple[int, ...]:
        """Indices of the lanes that motor vehicles travel along."""
        return tuple(i for i, lane in enumerate(self.lanes) if lane.kind.carries_traffic)

    @cached_property
    def signal_of_lane(self) -> dict[int, int]:
        """Index of the signal that governs the entry of a lane."""
        return {lane: k for k, signal in enumerate(self.signals) for lane in signal.lanes}

    @cached_property
    def drivable_area(self) -> shapely.Geometry:
        """Union of all drivable lanes; gaps under 0.2 m between lanes are closed."""
        return self.area(LaneKind.DRIVING, LaneKind.RAMP, LaneKind.SHOULDER, LaneKind.PARKING)

    @cached_property
    def road_edges(self) -> tuple[FloatArray, ...]:
        """Boundary of the drivable area as closed rings [m], each of shape (K, 2)."""
        area = self.drivable_area
        parts = area.geoms if hasattr(area, "geoms") else (area,)
        rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
        return tuple(np.asarray(ring.coords)[:, :2] for ring in rings)

    @cached_property
    def outlines(self) -> tuple[FloatArray, ...]:
        """Outline of each lane [m], counter-clockwise, each of shape (2P, 2)."""
        return tuple(lane.polygon for lane in self.lanes)

    @cached_property
    def zebras(self) -> tuple[shapely.Polygon, ...]:
        """Area of each pedestrian crossing."""
        return tuple(shapely.Polygon(crossing.outline) for crossing in self.crossings)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest x, y and largest x, y over all lane outlines [m]."""
        points = np.concatenate(self.outlines)
        low, high = points.min(0), points.max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def area(self, *kinds: LaneKind) -> shapely.Geometry:
        """Union of the outlines of the lanes of some kinds, small gaps closed."""
        shapes = [
            _valid(outline)
            for lane, outline in zip(self.lanes, self.outlines, strict=True)
            if lane.kind in kinds
        ]
        # Grown first, lanes overlap instead of sharing edges up to rounding, which the union of
        # floating-point polygons sometimes gets wrong by a whole lane.
        grown = shapely.buffer(shapes, 0.1, join_style="mitre")
        return shapely.union_all(grown).buffer(-0.1, join_style="mitre")

    def signal_states(self, time: float) -> list[SignalState]:
        """State of every signal at a time [s] since the scenario began."""
        return [signal.state(time) for signal in self.signals]

    def routes(self, start: int, length: float) -> Iterable[tuple[int, ...]]:
        """List the lane sequences that go on from a lane for at least a length, or to its end.

        Args:
            start: Index of the first lane.
            length: Distance to cover from the begin of the first lane [m].

        Yields:
            Sequences of lane indices, in the order of the successors.
        """
        stack: list[tuple[tuple[int, ...], float]] = [((start,), self.lanes[start].length)]
        while stack:
            path, covered = stack.pop()
            ways = [k for k in self.lanes[path[-1]].successors if k not in path]
            if covered >= length or not ways:
                yield path
                continue
            stack += [((*path, k), covered + self.lanes[k].length) for k in reversed(ways)]


def _valid(polygon: FloatArray) -> shapely.Geometry:
    shape = shapely.Polygon(polygon)
    return shape if shape.is_valid else shape.buffer(0)
