"""Paths: the line through a sequence of lanes, with places and routes along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.scene.roadmap import NO_LANE, RoadMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Path:
    """The centreline through linked lanes.

    Attributes:
        roadmap: The road.
        lanes: Lane indices in driving order.
        points: Vertices [m], shape (P, 2).
        grid: Arc length of each vertex [m], shape (P,).
        width: Lane width at each vertex [m], shape (P,).
        starts: Arc length at which each lane begins, then the length of the path,
            shape (len(lanes) + 1,).
    """

    roadmap: RoadMap
    lanes: tuple[int, ...]
    points: FloatArray
    grid: FloatArray
    width: FloatArray
    starts: FloatArray

    @classmethod
    def through(cls, roadmap: RoadMap, lanes: Sequence[int]) -> Path:
        """Join the centrelines of linked lanes; points closer than 1 cm are merged."""
        points = [np.asarray(roadmap.lanes[lanes[0]].centerline, np.float64)]
        width = [np.asarray(roadmap.lanes[lanes[0]].width, np.float64)]
        ends = [polylines.arc_length(points[0])[-1]]
        for k in lanes[1:]:
            line, wide = roadmap.lanes[k].centerline, roadmap.lanes[k].width
            skip = int(np.hypot(*(line[0] - points[-1][-1])) < 0.01)
            points.append(np.asarray(line[skip:], np.float64))
            width.append(np.asarray(wide[skip:], np.float64))
            ends.append(polylines.arc_length(np.concatenate(points))[-1])
        line = np.concatenate(points)
        return cls(
            roadmap=roadmap,
            lanes=tuple(lanes),
            points=line,
            grid=polylines.arc_length(line),
            width=np.concatenate(width),
            starts=np.array([0.0, *ends]),
        )

    @property
    def length(self) -> float:
        """Length of the path [m]."""
        return float(self.starts[-1])

    @property
    def length_to_junction(self) -> float:
        """Arc length at which the first junction lane begins, or the end of the path [m]."""
        for k, lane in enumerate(self.lanes):
            if self.roadmap.lanes[lane].in_junction:
                return float(self.starts[k])
        return self.length

    def pose(self, along: float, offset: float = 0.0) -> tuple[float, float, float]:
        """Give x [m], y [m] and heading [rad] at an arc length, shifted to the left [m]."""
        found = int(self.grid.searchsorted(along, side="right")) - 1
        begin = min(max(found, 0), len(self.grid) - 2)
        (x, y), (next_x, next_y) = self.points[begin : begin + 2].tolist()
        before, after = self.grid[begin : begin + 2].tolist()
        share = (along - before) / max(after - before, 1e-9)
        yaw = float(np.arctan2(next_y - y, next_x - x))
        x, y = x + (next_x - x) * share, y + (next_y - y) * share
        return x - offset * math.sin(yaw), y + offset * math.cos(yaw), yaw

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Give arc length and signed offset [m] of the nearest place to a point."""
        along, offset = polylines.project(self.points, np.array([x, y]))
        return float(along), float(offset)

    def width_at(self, along: float) -> float:
        """Width of the lane at an arc length [m]."""
        return float(np.interp(along, self.grid, self.width))

    def number_at(self, along: float) -> int:
        """Position in `lanes` of the lane at an arc length."""
        found = int(np.searchsorted(self.starts, along, side="right")) - 1
        return min(max(found, 0), len(self.lanes) - 1)

    def lane_at(self, along: float) -> int:
        """Index of the lane at an arc length."""
        return self.lanes[self.number_at(along)]

    def route_from(self, along: float) -> tuple[int, ...]:
        """Lanes from an arc length to the end, as a plan's route."""
        return self.lanes[self.number_at(along) :]

    def route_back_from(self, along: float) -> tuple[int, ...]:
        """Lanes from an arc length back to the begin, driven against their direction."""
        count = len(self.roadmap.lanes)
        return tuple(k + count for k in reversed(self.lanes[: self.number_at(along) + 1]))

    def bend(self, low: float, high: float) -> float:
        """Largest change of heading between two arc lengths [rad]."""
        along = np.linspace(low, max(high, low + 1.0), 16)
        yaw = polylines.heading_at(self.points, along)
        turned = wrap_angle(yaw - yaw[0])
        return float(turned.max() - turned.min())


def straight_on(roadmap: RoadMap, lane: int, ahead: float, back: float = 0.0) -> Path:
    """Follow a lane both ways by the links that turn least.

    Args:
        roadmap: The road.
        lane: Lane to begin with.
        ahead: Length wanted from the begin of the lane [m]; less where the road ends.
        back: Length wanted before the lane [m].

    Returns:
        The path.
    """
    lanes, forward, behind = [lane], roadmap.lanes[lane].length, 0.0
    while forward < ahead:
        following = _straightest(roadmap, lanes, roadmap.lanes[lanes[-1]].successors)
        if following is None:
            break
        lanes.append(following)
        forward += roadmap.lanes[following].length
    while behind < back:
        before = _straightest(roadmap, lanes, roadmap.lanes[lanes[0]].predecessors)
        if before is None:
            break
        lanes.insert(0, before)
        behind += roadmap.lanes[before].length
    return Path.through(roadmap, lanes)


def _straightest(roadmap: RoadMap, lanes: list[int], choices: Sequence[int]) -> int | None:
    fresh = [k for k in choices if k not in lanes]
    if not fresh:
        return None
    return min(fresh, key=lambda k: (abs(roadmap.lanes[k].turn), abs(_turned(roadmap, k)), k))


def _turned(roadmap: RoadMap, lane: int) -> float:
    line = roadmap.lanes[lane].centerline
    first, last = line[1] - line[0], line[-1] - line[-2]
    yaw = math.atan2(last[1], last[0]) - math.atan2(first[1], first[0])
    return float(wrap_angle(np.array(yaw)))


def path_beside(path: Path, along: float, side: str) -> Path | None:
    """Follow the neighbour lane of the same direction.

    Args:
        path: A path.
        along: Arc length on it where the neighbour is wanted [m].
        side: "left" or "right".

    Returns:
        The path through the neighbour lane, as long both ways; None if there is none.
    """
    neighbour: int = getattr(path.roadmap.lanes[path.lane_at(along)], side)
    if neighbour == NO_LANE:
        return None
    return straight_on(path.roadmap, neighbour, path.length, back=path.length)
