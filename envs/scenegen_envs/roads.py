"""Roads as observations read them: points to see, lanes to follow, limits and signals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry import polylines
from scenegen.scene import Lane, LineMarking, RoadMap
from scenegen.scene.roadmap import NO_LANE

SPACING = 4.0
"""Distance between the points of a road edge or lane line [m]."""
LANE_SPACING = 2.0
"""Distance between the points of a lane's centreline [m]."""
CELL = 5.0
"""Edge of a cell of the look-up grid [m]."""
NEAREST = 64
"""Road points seen from a cell."""
MARGIN = 20.0
"""How far the grid reaches beyond the road [m]."""
TICK = 1 / 128
"""Resolution of a road point's place within what is seen from a cell [m]."""

DASHED, SOLID, EDGE = 1, 2, 4
"""Codes of a road point: dashed line, solid line, border of the drivable area; 0 is no point."""
_CODE = {
    LineMarking.DASHED: DASHED,
    LineMarking.SOLID: SOLID,
    LineMarking.DOUBLE_SOLID: SOLID,
    LineMarking.KERB: SOLID,
}
TILE = 6
"""Cells in a row that are looked at together when the grid is made."""


class RoadTables(NamedTuple):
    """All maps of a pool, one after the other; every index is into the joined arrays.

    `origin` (M, 2) [m] and `grid` (M, 3: columns, rows, first cell) place each map's grid; `seen`
    (cells, 2, NEAREST) are the road points nearest to each cell's centre, nearest first, as x and
    y from that centre [TICK], and `code` (cells, NEAREST) what they are. `lane_first` (M,) is the
    first lane of each map; `lane` (L, 5: length [m], limit [m/s], has left, has right, centreline
    points per metre), `lane_signal` (L,) the signal at a lane's entry (-1: none), `line_first` and
    `line_count` (L,) the centreline points `line` (Q, 2), LANE_SPACING apart or a little less.
    """

    origin: FloatArray
    grid: IntArray
    seen: IntArray
    code: IntArray
    lane_first: IntArray
    lane: FloatArray
    lane_signal: IntArray
    line_first: IntArray
    line_count: IntArray
    line: FloatArray


@lru_cache(maxsize=8)
def road_tables(roadmaps: tuple[RoadMap, ...]) -> RoadTables:
    """Prepare maps for observation.

    Args:
        roadmaps: The maps, in the order of the simulator's bank.

    Returns:
        Their tables, joined.
    """
    points = [_road_points(roadmap) for roadmap in roadmaps]
    grids = [_grid(p) for p in points]
    lanes = [lane for roadmap in roadmaps for lane in roadmap.lanes]
    lines = [_centerline(lane) for lane in lanes]
    first_cell = np.cumsum([0, *(len(g[2]) for g in grids)])
    first_lane = np.cumsum([0, *(len(roadmap.lanes) for roadmap in roadmaps)])
    counts = np.array([len(line) for line in lines])
    return RoadTables(
        origin=np.array([g[0] for g in grids], np.float32),
        grid=np.array(
            [(*g[1], first) for g, first in zip(grids, first_cell, strict=False)], np.int32
        ),
        seen=np.concatenate([g[2] for g in grids]),
        code=np.concatenate([g[3] for g in grids]),
        lane_first=first_lane[:-1].astype(np.int32),
        lane=np.array(
            [_lane_row(lane, len(line)) for lane, line in zip(lanes, lines, strict=True)],
            np.float32,
        ),
        lane_signal=np.concatenate([_entry_signals(r) for r in roadmaps]).astype(np.int32),
        line_first=(np.cumsum(counts) - counts).astype(np.int32),
        line_count=counts.astype(np.int32),
        line=np.concatenate(lines).astype(np.float32),
    )


def _lane_row(lane: Lane, points: int) -> tuple[float, ...]:
    beside = (lane.left != NO_LANE, lane.right != NO_LANE)
    return lane.length, lane.speed_limit, *beside, (points - 1) / lane.length


def _centerline(lane: Lane) -> FloatArray:
    return polylines.resample(lane.centerline, LANE_SPACING)


def _entry_signals(roadmap: RoadMap) -> IntArray:
    governed = roadmap.signal_of_lane
    return np.array([governed.get(i, -1) for i in range(len(roadmap.lanes))])


def _road_points(roadmap: RoadMap) -> FloatArray:
    """Rows x, y, code of every road edge and lane line, shape (P, 3)."""
    rows = [_coded(ring, EDGE) for ring in roadmap.road_edges]
    for index in roadmap.traffic_lanes:
        rows += [_coded(bound, code) for bound, code in _painted(roadmap.lanes[index])]
    return np.concatenate(rows)


def _painted(lane: Lane) -> Sequence[tuple[FloatArray, int]]:
    """Bounds of a lane that carry paint; a line between two lanes is taken from its right one."""
    bounds = [(lane.left_bound, lane.left_marking)]
    if lane.right == NO_LANE:
        bounds.append((lane.right_bound, lane.right_marking))
    return [(bound, _CODE[mark]) for bound, mark in bounds if mark in _CODE]


def _coded(points: FloatArray, code: int) -> FloatArray:
    if polylines.arc_length(points)[-1] < 1e-6:
        return np.zeros((0, 3))
    spread = polylines.resample(points, SPACING)
    return np.column_stack([spread, np.full(len(spread), code)])


def _grid(
    points: FloatArray,
) -> tuple[tuple[float, float], tuple[int, int], IntArray, IntArray]:
    """Origin, columns and rows, and per cell the nearest points and their codes."""
    low, high = points[:, :2].min(0) - MARGIN, points[:, :2].max(0) + MARGIN
    columns, rows = (max(1, math.ceil((high[k] - low[k]) / CELL)) for k in (0, 1))
    x = low[0] + (np.arange(columns) + 0.5) * CELL
    y = low[1] + (np.arange(rows) + 0.5) * CELL
    centres = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    seen = np.zeros((len(centres), 2, NEAREST), np.int16)
    code = np.zeros((len(centres), NEAREST), np.uint8)
    index = np.arange(len(centres)).reshape(rows, columns)
    for top in range(0, rows, TILE):
        for left in range(0, columns, TILE):
            part = index[top : top + TILE, left : left + TILE].ravel()
            near = _candidates(points, centres[part])
            most = min(NEAREST, len(near))
            seen[part, :, :most], code[part, :most] = _see(near, centres[part])
    return (float(low[0]), float(low[1])), (columns, rows), seen, code


def _candidates(points: FloatArray, centres: FloatArray) -> FloatArray:
    """Leave out the points that are among the nearest of none of some neighbouring places.

    NEAREST points lie within r of the middle of the places, so within r + h of each place, h
    being how far the places lie from the middle: what is nearer than that to one of them lies
    within r + 2 h of the middle.
    """
    middle = centres.mean(0)
    reach = np.hypot(*(centres - middle).T).max()
    away = np.hypot(*(points[:, :2] - middle).T)
    most = min(NEAREST, len(points))
    return points[away <= np.partition(away, most - 1)[most - 1] + 2 * reach + 1e-6]


def _see(points: FloatArray, centres: FloatArray) -> tuple[IntArray, IntArray]:
    """Give what is nearest to some places; points too far to be written down are left out."""
    squared = ((centres[:, None] - points[None, :, :2]) ** 2).sum(-1)
    chosen = np.argsort(squared, axis=1, kind="stable")[:, :NEAREST]
    ticks = np.round((points[chosen, :2] - centres[:, None]) / TICK)
    near = np.abs(ticks).max(-1) < np.iinfo(np.int16).max
    return np.moveaxis(ticks * near[..., None], -1, 1), points[chosen, 2] * near
