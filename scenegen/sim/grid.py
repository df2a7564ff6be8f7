"""Look-up grid of a road map: which lane segments and road edges are near a place."""

from __future__ import annotations

import numpy as np
import shapely

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.scene import RoadMap
from scenegen.scene.lanes import REACH
from scenegen.sim.fields import CELL
from scenegen.sim.near_cells import near_cells

EDGE_REACH = 7.0
"""Road edges nearer than this to a cell can touch a box centred in it [m]: half of a 13.9 m bus."""
LANE_MARGIN = REACH + 0.05
"""Lanes nearer than this to a cell can hold an agent centred in it [m]."""
APART = 2.6
"""A segment this far from all other lanes is alone: who is near its centre is on its lane [m]."""
MARGIN = 15.0
"""Width of the rim of the grid around the road [m]."""


def edges_of(roadmap: RoadMap) -> FloatArray:
    """Middle, direction and half length of each straight piece of the road edge, shape (E, 5)."""
    rows = []
    for points in _rings(roadmap):
        step = np.diff(points, axis=0)
        length = np.hypot(*step.T)
        good = length > 1e-9
        middle = (points[:-1] + points[1:])[good] / 2
        rows.append(np.column_stack([middle, step[good] / length[good, None], length[good] / 2]))
    return np.concatenate(rows) if rows else np.zeros((0, 5))


def _rings(roadmap: RoadMap) -> list[FloatArray]:
    return [
        np.asarray(shapely.LineString(ring).simplify(0.01).coords) for ring in roadmap.road_edges
    ]


def _inside(roadmap: RoadMap, points: FloatArray) -> BoolArray:
    """Whether places are within an odd number of rings: by the very edges that are baked."""
    inside = np.zeros(len(points), np.bool_)
    for ring in _rings(roadmap):
        inside ^= shapely.contains_xy(shapely.Polygon(ring), *points.T)
    return inside


def bake_grid(
    roadmap: RoadMap,
    segments: FloatArray,
    segment_lane: IntArray,
    traffic: BoolArray,
    edges: FloatArray,
) -> tuple[FloatArray, IntArray, IntArray]:
    """List what is near each cell.

    Args:
        roadmap: The road.
        segments: Baked segments, shape (S, 10).
        segment_lane: Lane of each, in ascending order, shape (S,).
        traffic: Whether motor vehicles travel along it, shape (S,).
        edges: Road edges, shape (E, 5).

    Returns:
        Head, cells and items as BakedMap has them.
    """
    x0, y0, x1, y1 = roadmap.bounds
    x0, y0 = x0 - MARGIN, y0 - MARGIN
    columns = int(np.ceil((x1 + MARGIN - x0) / CELL))
    rows = int(np.ceil((y1 + MARGIN - y0) / CELL))
    xs, ys = np.meshgrid(np.arange(columns), np.arange(rows))
    low = np.stack([xs.ravel(), ys.ravel()], -1) * CELL + (x0, y0)
    used = np.flatnonzero(traffic)
    place = (x0, y0), CELL, (rows, columns)
    ends = segments[used, :2] + segments[used, 2:4] * segments[used, 4:5]
    near_lane = near_cells(np.hstack([segments[used, :2], ends]), *place, LANE_MARGIN)
    near_lane = (near_lane[0], used[near_lane[1]])
    middle, half = edges[:, :2], edges[:, 2:4] * edges[:, 4:5]
    near_edge = near_cells(np.hstack([middle - half, middle + half]), *place, EDGE_REACH)
    cell = np.concatenate([near_lane[0], near_edge[0]])
    item = np.concatenate([near_lane[1], near_edge[1]])
    is_edge = np.repeat([0, 1], [len(near_lane[0]), len(near_edge[0])])
    order = np.lexsort([item, is_edge, cell])
    keys = (2 * cell + is_edge)[order]
    bounds = np.searchsorted(keys, np.arange(2 * len(low) + 1))
    inside = _inside(roadmap, low + CELL / 2)
    cells = np.stack([bounds[:-1:2], bounds[1::2], bounds[2::2], inside], -1)
    head = np.array([x0, y0, columns, rows], np.float32)
    return head, cells.astype(np.int32), item[order].astype(np.int32)


def alone(
    roadmap: RoadMap, segments: FloatArray, segment_lane: IntArray, traffic: BoolArray
) -> IntArray:
    """Mark traffic segments that no lane overlaps, save the lanes before and after."""
    lines = shapely.linestrings(
        np.stack([segments[:, :2], segments[:, :2] + segments[:, 2:4] * segments[:, 4:5]], 1)
    )
    used = np.flatnonzero(traffic)
    tree = shapely.STRtree(lines[used])
    first, second = tree.query(lines[used], predicate="dwithin", distance=APART)
    mine, other = segment_lane[used[first]], segment_lane[used[second]]
    chained = np.array(
        [
            a == b or b in roadmap.lanes[a].successors or b in roadmap.lanes[a].predecessors
            for a, b in zip(mine.tolist(), other.tolist(), strict=True)
        ],
        bool,
    )
    out = np.zeros(len(segments), np.uint8)
    out[used] = 1
    out[used[first[~chained]]] = 0
    return out
