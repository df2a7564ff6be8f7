"""Road maps as flat arrays that compiled code can read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.scene import Lane, LineMarking, RoadMap
from scenegen.scene.roadmap import NO_LANE
from scenegen.sim import grid
from scenegen.sim.conflicts import conflicts_of
from scenegen.sim.straights import straights

FARTHEST = 50_000.0
"""Largest coordinate that single precision keeps to 4 mm [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BakedMap:
    """A road map as arrays; the columns are named in sim.fields.

    Attributes:
        segments: Straight pieces of all centrelines, lane after lane, shape (S, 10), float32.
        segment_lane: Lane of each, shape (S,).
        segment_alone: Whether no lane but the one before and the one after is near, shape (S,).
        lane_numbers: Length, limit, stop line, entry speed, shape (L, 4), float32.
        lane_links: Ranges and links, shape (L, 16), int32.
        successors: Successor lists of all lanes, shape (K,).
        conflict_lane: Other lane, rule, and whether only long vehicles mind, shape (C, 3).
        conflict_range: Begin and end on this and on the other lane, shape (C, 4), float32.
        edges: Pieces of the boundary of the drivable area, shape (E, 5), float32.
        grid_head: Origin, columns and rows of the look-up grid, shape (4,), float32.
        cells: Ranges into `cell_items` and whether its centre is drivable: first traffic segment,
            first edge, end, inside; shape (cells, 4).
        cell_items: Segments, then edges, near each cell, shape (I,).
        signals: Plan of each signal, shape (G, 5), float32.
    """

    segments: FloatArray
    segment_lane: IntArray
    segment_alone: IntArray
    lane_numbers: FloatArray
    lane_links: IntArray
    successors: IntArray
    conflict_lane: IntArray
    conflict_range: FloatArray
    edges: FloatArray
    grid_head: FloatArray
    cells: IntArray
    cell_items: IntArray
    signals: FloatArray


def bake(roadmap: RoadMap) -> BakedMap:
    """Flatten a road map.

    Raises:
        MapError: The map lies farther than FARTHEST from its origin.
    """
    far = max(abs(value) for value in roadmap.bounds)
    if far > FARTHEST:
        raise MapError(
            f"map {roadmap.name!r}: expected coordinates within {FARTHEST:.0f} m of the origin,"
            f" got {far:.0f} m; shift the map first"
        )
    pieces = [_segments(lane) for lane in roadmap.lanes]
    ends = np.cumsum([len(p) for p in pieces])
    firsts = np.concatenate([[0], ends[:-1]])
    segments = np.concatenate(pieces)
    segment_lane = np.repeat(np.arange(len(pieces)), [len(p) for p in pieces])
    ranges, rules, owners = conflicts_of(roadmap)
    links = _links(roadmap, segments, firsts, ends)
    links[:, 11] = np.searchsorted(owners, np.arange(len(pieces)), "left")
    links[:, 12] = np.searchsorted(owners, np.arange(len(pieces)), "right")
    links[:, 15] = np.isin(np.arange(len(pieces)), [*owners, *rules[:, 0]])
    traffic = np.isin(segment_lane, roadmap.traffic_lanes)
    edges = grid.edges_of(roadmap)
    head, cells, items = grid.bake_grid(roadmap, segments, segment_lane, traffic, edges)
    return BakedMap(
        segments=segments.astype(np.float32),
        segment_lane=segment_lane.astype(np.int32),
        segment_alone=grid.alone(roadmap, segments, segment_lane, traffic),
        lane_numbers=_numbers(roadmap, segments, firsts),
        lane_links=links,
        successors=np.array([k for ln in roadmap.lanes for k in ln.successors], np.int32),
        conflict_lane=rules.astype(np.int32),
        conflict_range=ranges.astype(np.float32),
        edges=edges.astype(np.float32),
        grid_head=head,
        cells=cells,
        cell_items=items,
        signals=_signals(roadmap),
    )


def _segments(lane: Lane) -> FloatArray:
    """Straight pieces of the centreline of a lane, see `straights`."""
    pieces = straights(lane.centerline, polylines.arc_length(lane.centerline), lane.width)
    if not len(pieces):
        raise MapError("lane: expected a centreline longer than 1e-6 m, got a point")
    return pieces


def _numbers(roadmap: RoadMap, segments: FloatArray, firsts: IntArray) -> FloatArray:
    """Length, limit, distance from stop line to begin, speed at the begin; shape (L, 4)."""
    table = np.zeros((len(roadmap.lanes), 4), np.float32)
    for i, lane in enumerate(roadmap.lanes):
        first = segments[firsts[i]]
        table[i, 0] = lane.length
        table[i, 1] = lane.speed_limit
        signal = roadmap.signal_of_lane.get(i)
        if signal is not None:
            middle = roadmap.signals[signal].stop_line.mean(0)
            before = -float((middle - first[:2]) @ first[2:4])
            table[i, 2] = np.clip(before, 0.0, 10.0)
        table[i, 3] = first[9]
    return table


def _links(roadmap: RoadMap, segments: FloatArray, firsts: IntArray, ends: IntArray) -> IntArray:
    lanes = roadmap.lanes
    counts = np.cumsum([0, *(len(lane.successors) for lane in lanes)])
    table = np.zeros((len(lanes), 16), np.int32)
    for i, lane in enumerate(lanes):
        table[i, :11] = (
            firsts[i],
            ends[i],
            _neighbour(roadmap, i, lane.left),
            _neighbour(roadmap, i, lane.right),
            roadmap.signal_of_lane.get(i, -1),
            lane.in_junction,
            lane.kind,
            _may_cross(lane.left_marking),
            _may_cross(lane.right_marking),
            counts[i],
            counts[i + 1],
        )
        table[i, 13] = _straight_on(roadmap, i)
        table[i, 14] = lane.predecessors[0] if lane.predecessors else NO_LANE
    return table


def _neighbour(roadmap: RoadMap, lane: int, beside: int) -> int:
    """Only a lane of traffic beside a lane of traffic is one to change to."""
    if beside == NO_LANE:
        return NO_LANE
    both = roadmap.lanes[lane].kind.carries_traffic and roadmap.lanes[beside].kind.carries_traffic
    return beside if both else NO_LANE


def _may_cross(marking: LineMarking) -> bool:
    return marking in {LineMarking.NONE, LineMarking.DASHED}


def _straight_on(roadmap: RoadMap, lane: int) -> int:
    """Choose the successor that bends least; without a route that is where one goes."""
    ways = roadmap.lanes[lane].successors
    if not ways:
        return NO_LANE
    bends = [_bend(roadmap.lanes[k]) for k in ways]
    return ways[int(np.argmin(bends))]


def _bend(lane: Lane) -> float:
    step = np.diff(lane.centerline, axis=0)
    headings = [np.arctan2(y, x) for x, y in step]
    return abs(sum(np.remainder(b - a + np.pi, 2 * np.pi) - np.pi for a, b in pairwise(headings)))


def _signals(roadmap: RoadMap) -> FloatArray:
    rows = [(s.cycle, s.green_start, s.green, s.yellow, s.always) for s in roadmap.signals]
    return np.array(rows, np.float32).reshape(-1, 5)
