"""The picture observation: what is around the ego, seen from above, one channel per meaning.

The image is PIXELS square, METRES_PER_PX wide per pixel; the ego points up and stands
BEHIND metres above the lower edge. uint8, shape (PIXELS, PIXELS, CHANNELS):

| channel | what | values |
| --- | --- | --- |
| 0 | drivable area | 0, 255 |
| 1 | lane lines and road edges | 0, 255 |
| 2 | pedestrian crossings | 0, 255 |
| 3 | the route of the vehicle, a band 2 m wide | 0, 255 |
| 4 | motor vehicles | 0, or 95 at rest to 255 at 40 m/s |
| 5 | people, cyclists, animals | 0, or 95 at rest to 255 at 10 m/s |
| 6 | other obstacles | 0, 255 |
| 7 | stop lines of signals | 0, 85 green, 170 yellow, 255 red |

The vehicle itself is not drawn: it is always in the same place.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.scene import AgentKind, LaneKind, LineMarking, RoadMap
from scenegen.sim import fields

PIXELS = 96
METRES_PER_PX = 0.75
BEHIND = 18.0
"""Ground behind the ego that is seen [m]."""
CHANNELS = 8
RESOLUTION = 0.5
"""Size of a cell of the baked road picture [m]."""
MARGIN = 2.0

DRIVABLE, LINE, CROSSING = 1, 2, 4
"""Bits of the baked road picture."""

_F = np.float32
_AHEAD = _F(PIXELS * METRES_PER_PX - BEHIND)
_SIDE = _F(PIXELS * METRES_PER_PX / 2)
_PX, _PER_PX = _F(METRES_PER_PX), _F(1 / METRES_PER_PX)
_PER_RESOLUTION = _F(1 / RESOLUTION)
_HALF, _ZERO = _F(0.5), _F(0.0)
_LAST_MOTOR, _LAST_VULNERABLE = int(AgentKind.MOTORCYCLE), int(AgentKind.ANIMAL)
_ROUTE_HALF_WIDTH, _STOP_HALF_WIDTH = _F(1.0), _F(0.6)
_SHIFT = 4
_LINE_CELLS = 2  # 1 m: wider than a pixel, so that no line is lost between two pixel centres


class RoadPictures(NamedTuple):
    """Baked road pictures of all maps: bits per cell `bits`, and where each map's part lies.

    `origin` (M, 2) [m], `size` (M, 2: columns, rows), `first` (M,); `stop` (G, 4: x, y of both
    ends) lists every map's stop lines, `stop_first` (M + 1,) where each map's begin.
    """

    bits: IntArray
    origin: FloatArray
    size: IntArray
    first: IntArray
    stop: FloatArray
    stop_first: IntArray


@lru_cache(maxsize=8)
def road_pictures(roadmaps: tuple[RoadMap, ...]) -> RoadPictures:
    """Draw the roads once, RESOLUTION metres per cell."""
    drawn = [_draw(roadmap) for roadmap in roadmaps]
    stops = [np.array([s.stop_line.ravel() for s in r.signals]).reshape(-1, 4) for r in roadmaps]
    return RoadPictures(
        bits=np.concatenate([bits.ravel() for bits, _ in drawn]),
        origin=np.array([origin for _, origin in drawn], np.float32),
        size=np.array([bits.shape[::-1] for bits, _ in drawn], np.int32),
        first=np.cumsum([0, *(bits.size for bits, _ in drawn[:-1])]).astype(np.int64),
        stop=np.concatenate(stops).astype(np.float32),
        stop_first=np.cumsum([0, *(len(stop) for stop in stops)]).astype(np.int32),
    )


def _draw(roadmap: RoadMap) -> tuple[IntArray, FloatArray]:
    west, south, east, north = roadmap.bounds
    origin = np.array([west - MARGIN, south - MARGIN])
    columns = int(np.ceil((east - west + 2 * MARGIN) / RESOLUTION))
    rows = int(np.ceil((north - south + 2 * MARGIN) / RESOLUTION))

    def cells(points: FloatArray) -> IntArray:
        # OpenCV takes pixel centres at whole numbers, in fixed point.
        scaled = ((points - origin) / RESOLUTION - 0.5) * (1 << _SHIFT)
        return np.round(scaled).astype(np.int32)

    drivable = np.zeros((rows, columns), np.uint8)
    line, crossing = drivable.copy(), drivable.copy()
    for lane in roadmap.lanes:
        if lane.kind.is_drivable:
            cv2.fillPoly(drivable, [cells(lane.polygon)], DRIVABLE, cv2.LINE_8, _SHIFT)
        if lane.kind is LaneKind.CROSSWALK:
            cv2.fillPoly(crossing, [cells(lane.polygon)], CROSSING, cv2.LINE_8, _SHIFT)
    for place in roadmap.crossings:
        cv2.fillPoly(crossing, [cells(place.outline)], CROSSING, cv2.LINE_8, _SHIFT)
    for index in roadmap.traffic_lanes:
        lane = roadmap.lanes[index]
        bounds = ((lane.left_bound, lane.left_marking), (lane.right_bound, lane.right_marking))
        painted = [cells(bound) for bound, marking in bounds if marking is not LineMarking.NONE]
        cv2.polylines(line, painted, False, LINE, _LINE_CELLS, cv2.LINE_8, _SHIFT)
    edges = [cells(ring) for ring in roadmap.road_edges]
    cv2.polylines(line, edges, False, LINE, _LINE_CELLS, cv2.LINE_8, _SHIFT)
    return drivable | line | crossing, origin


@nb.njit(cache=True, nogil=True)
def observe(rows, count, state, map_of, pictures, roads, out):
    """Write the pictures of the first `count` vehicles of some worlds.

    Args:
        rows: Indices of the worlds, shape (K,).
        count: Vehicles observed per world C.
        state: Blocks of the simulator: floats, ints, flags, signals, start.
        map_of: Map of every start.
        pictures: RoadPictures.
        roads: RoadTables.
        out: Where to write, shape (W, C, PIXELS, PIXELS, CHANNELS), uint8.
    """
    floats, ints, flags, signals, start = state
    for world in rows:
        f, n, g = floats[world], ints[world], flags[world]
        number = map_of[start[world]]
        for i in range(count):
            image = out[world, i]
            image[:] = 0
            if not g[fields.VALID, i]:
                continue
            pose = (f[fields.X, i], f[fields.Y, i], f[fields.COS, i], f[fields.SIN, i])
            _paint_road(image, pose, pictures, number)
            _paint_route(image, pose, n, i, f[fields.PATH_ALONG, i], roads, number)
            _paint_signals(image, pose, pictures, number, signals[world])
            for j in range(f.shape[1]):
                if j != i and g[fields.VALID, j]:
                    _paint_agent(image, pose, f, n, j)


@nb.njit(cache=True)
def _paint_road(image, pose, pictures, number):
    x, y, cos, sin = pose
    columns, rows = pictures.size[number, 0], pictures.size[number, 1]
    first = pictures.first[number]
    west, south = pictures.origin[number, 0], pictures.origin[number, 1]
    for r in range(PIXELS):
        forward = _AHEAD - (_F(r) + _HALF) * _PX
        # Left edge of the row, then one pixel to the right (-y in the own frame) per column.
        px = (x + forward * cos - _SIDE * sin - west) * _PER_RESOLUTION
        py = (y + forward * sin + _SIDE * cos - south) * _PER_RESOLUTION
        for q in range(PIXELS):
            left = (_F(q) + _HALF) * _PX * _PER_RESOLUTION
            u = int(np.floor(px + left * sin))
            v = int(np.floor(py - left * cos))
            if 0 <= u < columns and 0 <= v < rows:
                bits = pictures.bits[first + v * columns + u]
                image[r, q, 0] = 255 * (bits & DRIVABLE)
                image[r, q, 1] = 255 * ((bits & LINE) >> 1)
                image[r, q, 2] = 255 * ((bits & CROSSING) >> 2)


@nb.njit(cache=True)
def _paint_route(image, pose, n, i, along, roads, number):
    """Draw the route from the vehicle on, lane by lane."""
    first = roads.lane_first[number]
    end = (
        len(roads.lane_signal)
        if number + 1 == len(roads.lane_first)
        else roads.lane_first[number + 1]
    )
    lanes = end - first
    for k in range(fields.PATHS):
        lane = n[fields.PATH + k, i]
        if lane < 0:
            return
        row = first + lane % lanes
        begin, count = roads.line_first[row], roads.line_count[row]
        spacing = roads.lane[row, 0] / _F(count - 1)
        skip = max(int(along / spacing), 0) if k == 0 else 0
        for q in range(skip, count - 1):
            a = begin + (q if lane < lanes else count - 1 - q)
            b = begin + (q + 1 if lane < lanes else count - 2 - q)
            _paint_line(image, pose, roads.line[a], roads.line[b], _ROUTE_HALF_WIDTH, 3, 255)


@nb.njit(cache=True)
def _paint_line(image, pose, a, b, half_width, channel, value):
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = max(np.sqrt(dx * dx + dy * dy), _F(1e-3))
    middle = ((a[0] + b[0]) * _HALF, (a[1] + b[1]) * _HALF, dx / length, dy / length)
    _paint_box(image, pose, middle, length * _HALF + _HALF * _PX, half_width, channel, value)


@nb.njit(cache=True)
def _paint_signals(image, pose, pictures, number, shown):
    begin = pictures.stop_first[number]
    for k in range(begin, pictures.stop_first[number + 1]):
        state = shown[k - begin]
        if state > 0:
            ends = pictures.stop[k]
            _paint_line(image, pose, ends[:2], ends[2:], _STOP_HALF_WIDTH, 7, 85 * state)


@nb.njit(cache=True)
def _paint_agent(image, pose, f, n, j):
    box = (f[fields.X, j], f[fields.Y, j], f[fields.COS, j], f[fields.SIN, j])
    kind, speed = n[fields.KIND, j], abs(f[fields.SPEED, j])
    channel, value = 6, 255
    if kind <= _LAST_MOTOR:
        channel, value = 4, 95 + int(min(speed * _F(4.0), _F(160.0)))
    elif kind <= _LAST_VULNERABLE:
        channel, value = 5, 95 + int(min(speed * _F(16.0), _F(160.0)))
    half_length = max(f[fields.HALF_LENGTH, j], _HALF * _PX)
    half_width = max(f[fields.HALF_WIDTH, j], _HALF * _PX)
    _paint_box(image, pose, box, half_length, half_width, channel, value)


@nb.njit(cache=True)
def _paint_box(image, pose, box, half_length, half_width, channel, value):
    """Fill the pixels whose centre lies in an oriented box given in the map frame."""
    x, y, cos, sin = pose
    dx, dy = box[0] - x, box[1] - y
    # Image frame: u pixels to the right, v pixels down; forward is -v, left is -u.
    u0 = (_SIDE - (dy * cos - dx * sin)) * _PER_PX - _HALF
    v0 = (_AHEAD - (dx * cos + dy * sin)) * _PER_PX - _HALF
    along = box[2] * cos + box[3] * sin
    across = box[3] * cos - box[2] * sin
    reach_u = (abs(across) * half_length + abs(along) * half_width) * _PER_PX
    reach_v = (abs(along) * half_length + abs(across) * half_width) * _PER_PX
    if not (abs(u0) < _F(1e4) and abs(v0) < _F(1e4)):
        return
    limit_l, limit_w = half_length * _PER_PX, half_width * _PER_PX
    for v in range(
        max(0, int(np.ceil(v0 - reach_v))), min(PIXELS, int(np.floor(v0 + reach_v)) + 1)
    ):
        for u in range(
            max(0, int(np.ceil(u0 - reach_u))), min(PIXELS, int(np.floor(u0 + reach_u)) + 1)
        ):
            forward, left = v0 - _F(v), u0 - _F(u)
            if abs(forward * along + left * across) > limit_l:
                continue
            if abs(left * along - forward * across) <= limit_w:
                image[v, u, channel] = value
