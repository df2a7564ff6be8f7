"""The painted lines of a road map around the ego, joined and sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry import polylines
from scenegen.render.world.ground import PaintedLine, painted_lines
from scenegen.scene import LineMarking, RoadMap

SPACING = 1.0
"""Distance between the points of a line [m]."""
JOINT = 0.35
"""Lines of one marking are joined where the end of one is this near the begin of the next [m]."""
BESIDE = 8.0
"""A line is beside the ego if it has a point within this distance ahead or behind [m]."""
MARKINGS = tuple(marking.name.lower() for marking in LineMarking)
"""Name of each marking."""
COLORS = ("white", "yellow")
"""Name of each colour of paint."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LaneLines:
    """L lines with V points in all, in the ego frame.

    Attributes:
        points: Places on the ground [m], shape (V, 2).
        line: Line that each point belongs to, ascending, shape (V,).
        marking: LineMarking of each line, shape (L,).
        color: Index into COLORS of each line, shape (L,).
        position: Which line beside the ego: 1 the first on its left, -1 the first on its right,
            and so on; 0 for lines that are not beside it or cross its way; shape (L,).
    """

    points: FloatArray
    line: IntArray
    marking: IntArray
    color: IntArray
    position: IntArray


def gather_lines(
    roadmap: RoadMap, ego_from_map: FloatArray, reach: float, *, yellow_centers: bool
) -> LaneLines:
    """Give the lines within reach of the ego.

    Args:
        roadmap: The road.
        ego_from_map: Pose of the map in the ego frame, shape (4, 4).
        reach: Largest distance from the ego [m].
        yellow_centers: Whether double lines are yellow.
    """
    pieces: list[FloatArray] = []
    lines: list[PaintedLine] = []
    for line in _all_lines(roadmap, yellow_centers):
        local = line.points @ ego_from_map[:2, :2].T + ego_from_map[:2, 3]
        near = np.hypot(local[:, 0], local[:, 1]) <= reach
        for run in np.split(np.arange(len(local)), np.flatnonzero(np.diff(near)) + 1):
            if near[run[0]] and len(run) > 1:
                pieces.append(local[run])
                lines.append(line)
    return LaneLines(
        points=np.concatenate(pieces) if pieces else np.zeros((0, 2)),
        line=np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces]),
        marking=np.array([line.marking for line in lines], np.int64),
        color=np.array([int(line.is_yellow) for line in lines], np.int64),
        position=_positions(pieces),
    )


@lru_cache(maxsize=8)
def _all_lines(roadmap: RoadMap, yellow_centers: bool) -> tuple[PaintedLine, ...]:
    """Lines of the whole map, joined, with a point every SPACING metres."""
    joined: list[PaintedLine] = []
    for line in painted_lines(roadmap, yellow_centers=yellow_centers):
        _join(joined, line)
    return tuple(
        PaintedLine(
            points=polylines.resample(line.points, SPACING),
            marking=line.marking,
            is_yellow=line.is_yellow,
        )
        for line in joined
    )


def _join(lines: list[PaintedLine], line: PaintedLine) -> None:
    """Add a line to a list, as part of a line there that it goes on or leads up to."""
    for k, other in enumerate(lines):
        if (other.marking, other.is_yellow) != (line.marking, line.is_yellow):
            continue
        if np.hypot(*(other.points[-1] - line.points[0])) < JOINT:
            chain = (other.points, line.points[1:])
        elif np.hypot(*(line.points[-1] - other.points[0])) < JOINT:
            chain = (line.points, other.points[1:])
        else:
            continue
        del lines[k]
        whole = PaintedLine(
            points=np.concatenate(chain), marking=line.marking, is_yellow=line.is_yellow
        )
        _join(lines, whole)
        return
    lines.append(line)


def _positions(pieces: list[FloatArray]) -> IntArray:
    """Number the lines beside the ego outwards, shape (L,)."""
    out = np.zeros(len(pieces), np.int64)
    beside = np.full(len(pieces), np.nan)
    for k, piece in enumerate(pieces):
        nearest = int(np.abs(piece[:, 0]).argmin())
        step = np.diff(piece[max(nearest - 1, 0) : nearest + 2], axis=0)[0]
        if abs(piece[nearest, 0]) < BESIDE and abs(step[0]) > abs(step[1]):
            beside[k] = piece[nearest, 1]
    for side in (1, -1):
        there = np.flatnonzero(np.nan_to_num(beside) * side > 0)
        order = there[np.argsort(np.abs(beside[there]), kind="stable")]
        out[order] = side * (np.arange(len(order)) + 1)
    return out
