"""A road as flat arrays: what compiled code that places agents on it reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry import polylines
from scenegen.scene import RoadMap, SignalState
from scenegen.scene.lanes import segment_tables

BIN = 2.0
"""Height of the strips in which edges of the drivable area are looked up [m]."""
MOST_BINS = 2000
"""Strips at most, however far the road goes."""


class RoadArrays(NamedTuple):
    """One road of L lanes; lists of lists are flat, list i being rows first[i] to first[i + 1].

    Attributes:
        segments: Traffic segments, see scene.lanes.
        blocks: Blocks of them.
        lengths: Lengths of lanes [m], shape (L,).
        limits: Speed limits [m/s], shape (L,).
        turns: Directions through a junction, shape (L,).
        signals: SignalState at the entry at time zero, shape (L,).
        after: Successors of all lanes.
        after_first: Where those of each lane begin, shape (L + 1,).
        before: Predecessors of all lanes.
        before_first: Where those of each lane begin, shape (L + 1,).
        points: x, y and arc length of the centreline points of all lanes [m], shape (P, 3).
        points_first: Where those of each lane begin, shape (L + 1,).
        edges: Edges of the drivable area by strip, x, y at both ends [m], shape (E, 4).
        edges_first: Where those of each strip begin.
        strips: y at which the first strip begins, and the height of one [m], shape (2,).
    """

    segments: FloatArray
    blocks: FloatArray
    lengths: FloatArray
    limits: FloatArray
    turns: IntArray
    signals: IntArray
    after: IntArray
    after_first: IntArray
    before: IntArray
    before_first: IntArray
    points: FloatArray
    points_first: IntArray
    edges: FloatArray
    edges_first: IntArray
    strips: FloatArray


@lru_cache(maxsize=64)
def road_arrays(roadmap: RoadMap) -> RoadArrays:
    """Lay a road out in arrays; kept for the last 64 roads."""
    segments, blocks = segment_tables(roadmap)
    lanes = roadmap.lanes
    after, after_first = _flat([lane.successors for lane in lanes])
    before, before_first = _flat([lane.predecessors for lane in lanes])
    counts = [len(lane.centerline) for lane in lanes]
    line = np.concatenate([lane.centerline for lane in lanes]).astype(np.float64)
    along = np.concatenate([polylines.arc_length(lane.centerline) for lane in lanes])
    signals = np.full(len(lanes), int(SignalState.NONE))
    for lane, index in roadmap.signal_of_lane.items():
        signals[lane] = roadmap.signals[index].state(0.0)
    edges, edges_first, strips = _strips(roadmap)
    return RoadArrays(
        segments=segments,
        blocks=blocks,
        lengths=np.array([lane.length for lane in lanes]),
        limits=np.array([lane.speed_limit for lane in lanes], np.float64),
        turns=np.array([lane.turn for lane in lanes], np.int64),
        signals=signals,
        after=after,
        after_first=after_first,
        before=before,
        before_first=before_first,
        points=np.concatenate([line, along[:, None]], -1),
        points_first=np.concatenate([[0], np.cumsum(counts)]),
        edges=edges,
        edges_first=edges_first,
        strips=strips,
    )


def _flat(lists: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """Lay lists of indices end to end; values, and where each begins."""
    values = np.array([k for one in lists for k in one], np.int64)
    return values, np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)


def _strips(roadmap: RoadMap) -> tuple[FloatArray, IntArray, FloatArray]:
    """Sort the edges of the drivable area into strips across y; each lies in all it touches."""
    rings = [np.concatenate([ring[:-1], ring[1:]], -1) for ring in roadmap.road_edges]
    edges = np.concatenate(rings).astype(np.float64) if rings else np.zeros((0, 4))
    if not len(edges):
        return edges, np.zeros(2, np.int64), np.array([0.0, 1.0])
    low, high = np.minimum(edges[:, 1], edges[:, 3]), np.maximum(edges[:, 1], edges[:, 3])
    begin = float(low.min())
    height = max(BIN, (float(high.max()) - begin) / MOST_BINS)
    first = ((low - begin) / height).astype(np.int64)
    last = ((high - begin) / height).astype(np.int64)
    spans = last - first + 1
    rows = np.repeat(np.arange(len(edges)), spans)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(spans) - spans, spans)
    strip = np.repeat(first, spans) + within
    order = np.argsort(strip, kind="stable")
    counts = np.bincount(strip, minlength=int(last.max()) + 1)
    begins = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.ascontiguousarray(edges[rows[order]]), begins, np.array([begin, height])


@nb.njit(cache=True)
def on_drivable(road, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether a point lies on the drivable area: an odd number of edges to its right."""
    strip = int(np.floor((y - road.strips[0]) / road.strips[1]))
    if strip < 0 or strip >= len(road.edges_first) - 1:
        return False
    inside = False
    for k in range(road.edges_first[strip], road.edges_first[strip + 1]):
        xa, ya = road.edges[k, 0], road.edges[k, 1]
        xb, yb = road.edges[k, 2], road.edges[k, 3]
        if (ya > y) != (yb > y) and x < xa + (y - ya) * (xb - xa) / (yb - ya):
            inside = not inside
    return inside


@nb.njit(cache=True)
def box_on_drivable(road, x, y, yaw, length, width):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether all corners of a box lie on the drivable area."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    for i in range(4):
        a = 0.5 * length if i in (0, 3) else -0.5 * length
        b = 0.5 * width if i < 2 else -0.5 * width
        if not on_drivable(road, x + cos * a - sin * b, y + sin * a + cos * b):
            return False
    return True


@nb.njit(cache=True)
def near_any_lane(road, x, y, reach):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether a point is nearer than a distance to the middle of any lane, sidewalks included."""
    points, first = road.points, road.points_first
    for lane in range(len(first) - 1):
        for k in range(first[lane], first[lane + 1] - 1):
            dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
            square = max(dx * dx + dy * dy, 1e-18)
            gx, gy = x - points[k, 0], y - points[k, 1]
            share = min(1.0, max(0.0, (gx * dx + gy * dy) / square))
            ax, ay = gx - share * dx, gy - share * dy
            if ax * ax + ay * ay < reach * reach:
                return True
    return False


@nb.njit(cache=True)
def lane_point(road, lane, along):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Place and heading at an arc length of a lane; beyond the ends it goes on straight."""
    points = road.points
    begin, end = road.points_first[lane], road.points_first[lane + 1]
    k = begin
    while k < end - 2 and points[k + 1, 2] <= along:
        k += 1
    dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
    share = (along - points[k, 2]) / max(points[k + 1, 2] - points[k, 2], 1e-9)
    return points[k, 0] + share * dx, points[k, 1] + share * dy, np.arctan2(dy, dx)
