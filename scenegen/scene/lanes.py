"""Where agents are on the road: lane, arc length, lateral offset (Frenet coordinates)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry.angles import wrap_angle
from scenegen.scene.roadmap import NO_LANE, RoadMap

REACH = 6.0
"""A place farther than this from every centreline is on no lane [m]."""
BLOCK, SLACK = 16, 1e-6
"""Segments that are passed over together where they are out of reach, and the slack of that [m]."""
AGAINST = 3.0
"""Distance that a heading against the lane costs when lanes overlap [m per radian]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LanePlace:
    """Place of each agent on the road; arrays share the leading shape of the query.

    Attributes:
        lane: Index of the nearest lane that fits the heading, NO_LANE if none is in reach.
        along: Arc length on its centreline [m].
        offset: Signed distance from the centreline [m], positive to its left.
        heading_error: Heading minus the lane's direction [rad], in (-pi, pi].
        width: Width of the lane there [m].
    """

    lane: IntArray
    along: FloatArray
    offset: FloatArray
    heading_error: FloatArray
    width: FloatArray


def locate(roadmap: RoadMap, position: FloatArray, yaw: FloatArray) -> LanePlace:
    """Find the lane each pose is on, by distance to the centreline and by heading.

    Args:
        roadmap: The road.
        position: Map-frame positions [m], shape (..., 2).
        yaw: Headings [rad], shape (...).

    Returns:
        Places, leading shape (...).
    """
    segments = _traffic_segments(roadmap)
    points = np.ascontiguousarray(position, np.float64).reshape(-1, 2)
    heading = np.ascontiguousarray(yaw, np.float64).reshape(-1)
    index, along, offset = nearest_segments(segments, _blocks(roadmap), points, heading)
    found = index >= 0
    row = segments[np.maximum(index, 0)]
    lane = np.where(found, row[:, 5].astype(np.int64), NO_LANE)
    error = np.where(found, wrap_angle(heading - np.arctan2(row[:, 3], row[:, 2])), 0.0)
    shape = np.shape(yaw)
    return LanePlace(
        lane=lane.reshape(shape),
        along=np.where(found, along, 0.0).reshape(shape),
        offset=np.where(found, offset, 0.0).reshape(shape),
        heading_error=error.reshape(shape),
        width=np.where(found, row[:, 7], 0.0).reshape(shape),
    )


def segment_tables(roadmap: RoadMap) -> tuple[FloatArray, FloatArray]:
    """Give the tables in which `nearest_segments` looks places up: segments and their blocks."""
    return _traffic_segments(roadmap), _blocks(roadmap)


@lru_cache(maxsize=64)
def _traffic_segments(roadmap: RoadMap) -> FloatArray:
    """Rows x, y, ux, uy, length, lane, arc length at begin, width of every traffic segment."""
    rows = []
    for i in roadmap.traffic_lanes:
        lane = roadmap.lanes[i]
        step = np.diff(lane.centerline, axis=0)
        length = np.hypot(*step.T)
        begin = np.concatenate([[0.0], np.cumsum(length)[:-1]])
        unit = step / np.maximum(length, 1e-9)[:, None]
        number = np.full(len(step), float(i))
        columns = [*lane.centerline[:-1].T, *unit.T, length, number, begin, lane.width[:-1]]
        rows.append(np.stack(columns, -1))
    return np.concatenate(rows) if rows else np.zeros((0, 8))


@lru_cache(maxsize=64)
def _blocks(roadmap: RoadMap) -> FloatArray:
    """Rows first, last + 1, and the x and y within reach, of BLOCK traffic segments each."""
    segments = _traffic_segments(roadmap)
    first = np.arange(0, len(segments), BLOCK)
    if not len(first):
        return np.zeros((0, 6))
    begin, end = segments[:, :2], segments[:, :2] + segments[:, 2:4] * segments[:, 4:5]
    low = np.minimum.reduceat(np.minimum(begin, end), first) - REACH - SLACK
    high = np.maximum.reduceat(np.maximum(begin, end), first) + REACH + SLACK
    last = np.minimum(first + BLOCK, len(segments))
    return np.stack([first, last, low[:, 0], high[:, 0], low[:, 1], high[:, 1]], -1)


@nb.njit(cache=True)
def nearest_segments(segments, blocks, points, heading):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Find the row of each pose's segment, -1 for none, its arc length and offset, shape (Q,)."""
    count = len(points)
    index = np.full(count, -1, np.int64)
    along, offset = np.zeros(count), np.zeros(count)
    for i in range(count):
        best = np.inf
        cos, sin = np.cos(heading[i]), np.sin(heading[i])
        for b in range(len(blocks)):
            if not blocks[b, 2] <= points[i, 0] <= blocks[b, 3]:
                continue
            if not blocks[b, 4] <= points[i, 1] <= blocks[b, 5]:
                continue
            for k in range(int(blocks[b, 0]), int(blocks[b, 1])):
                dx, dy = points[i, 0] - segments[k, 0], points[i, 1] - segments[k, 1]
                ux, uy, length = segments[k, 2], segments[k, 3], segments[k, 4]
                forward = dx * ux + dy * uy
                beyond = max(0.0, -forward, forward - length)
                if beyond > REACH:
                    continue
                side = ux * dy - uy * dx
                distance = np.sqrt(side * side + beyond * beyond)
                if distance > REACH or distance >= best:  # A turn only adds to it.
                    continue
                turn = np.arccos(min(1.0, max(-1.0, ux * cos + uy * sin)))
                cost = distance + AGAINST * turn
                if cost < best:
                    best = cost
                    index[i] = k
                    along[i] = segments[k, 6] + min(max(forward, 0.0), length)
                    offset[i] = side
    return index, along, offset
