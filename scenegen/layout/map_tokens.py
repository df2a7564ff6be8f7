"""The road as numbers a network reads: short polylines around the ego, each with attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.layout.tokens import POSITION_SCALE
from scenegen.scene import LaneKind, RoadMap, SignalState
from scenegen.scene.roadmap import NO_LANE

POLYLINES, POINTS = 64, 10
"""Polylines per scene, and points on each."""
LONGEST = 90.0
"""A lane is cut into equal pieces no longer than this [m]: points at most 10 m apart, chords within
0.13 m of a curve of 100 m radius."""
HORIZON = 8.0
"""Time over which a signal's share of green is taken [s]."""
LIMIT_MEAN, LIMIT_SCALE = 15.0, 10.0
"""Speed limits [m/s]: 30 to 130 km/h become -0.7 to 2.1."""
WIDTH_MEAN, WIDTH_SCALE = 3.5, 1.0
"""Lane widths [m]; 3.5 m is the usual lane of a main road."""
KEPT = 64
"""Roads whose pieces are kept in memory."""

_KINDS, _STATES = len(LaneKind), len(SignalState)
ATTRIBUTES = _KINDS + 5 + _STATES + 1
"""Numbers per polyline: kind (one-hot), in a junction, gives way, turn, speed limit, width, state
of the signal at its entry (one-hot), and the share of green of that signal over HORIZON."""
_FLAGS, _SIGNAL = _KINDS, _KINDS + 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapTokens:
    """The road around the ego as tokens, nearest first.

    Attributes:
        points: x, y in units of tokens.POSITION_SCALE and the unit direction, in the ego frame,
            shape (M, POINTS, 4), float32.
        attributes: As in ATTRIBUTES, shape (M, ATTRIBUTES), float32.
        valid: Whether the slot is filled, shape (M,).
    """

    points: FloatArray
    attributes: FloatArray
    valid: BoolArray

    def __post_init__(self) -> None:
        """Check that the arrays agree on the number of polylines."""
        sizes = check_shape("points", self.points, "M", POINTS, 4)
        check_shape("attributes", self.attributes, sizes["M"], ATTRIBUTES)
        check_shape("valid", self.valid, sizes["M"])


def encode_map(
    roadmap: RoadMap, frame: FloatArray, time: float = 0.0, count: int = POLYLINES
) -> MapTokens:
    """Turn the road around the ego into tokens.

    Args:
        roadmap: The road.
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (3,).
        time: Time since the scenario began, for the signals [s].
        count: Number of polylines M; the farthest ones beyond are left out.
    """
    check_shape("frame", frame, 3)
    points = np.zeros((count, POINTS, 4), np.float32)
    attributes = np.zeros((count, ATTRIBUTES), np.float32)
    filled = _fill(*_pieces(roadmap, time), frame.astype(np.float64), points, attributes)
    return MapTokens(points=points, attributes=attributes, valid=np.arange(count) < filled)


@nb.njit(cache=True)
def _fill(pieces, rows, frame, points, attributes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the nearest pieces into tokens of M polylines, in the frame; how many there are."""
    cos, sin = np.cos(frame[2]), np.sin(frame[2])
    distance = np.empty(len(pieces))
    for i in range(len(pieces)):
        nearest = np.inf
        for k in range(POINTS):
            dx, dy = pieces[i, k, 0] - frame[0], pieces[i, k, 1] - frame[1]
            nearest = min(nearest, dx * dx + dy * dy)
        # Millimetres, so that rounding errors of a moved scene do not reorder what is equally far.
        distance[i] = np.rint(1000.0 * np.sqrt(nearest))
    chosen = np.argsort(distance, kind="mergesort")[: len(points)]
    for row in range(len(chosen)):
        i = chosen[row]
        for k in range(POINTS):
            dx, dy = pieces[i, k, 0] - frame[0], pieces[i, k, 1] - frame[1]
            ux, uy = pieces[i, k, 2], pieces[i, k, 3]
            points[row, k, 0] = (cos * dx + sin * dy) / POSITION_SCALE
            points[row, k, 1] = (cos * dy - sin * dx) / POSITION_SCALE
            points[row, k, 2] = cos * ux + sin * uy
            points[row, k, 3] = cos * uy - sin * ux
        attributes[row] = rows[i]
    return len(chosen)


@lru_cache(maxsize=KEPT)
def _pieces(roadmap: RoadMap, time: float) -> tuple[FloatArray, FloatArray]:
    """Cut lanes and crossings: points with directions, (P, POINTS, 4), and their attributes."""
    points, rows, lanes = _lasting(roadmap)
    shown = {lane: _signal(roadmap, lane, time) for lane in np.unique(lanes).tolist()}
    signals = np.stack([shown[lane] for lane in lanes.tolist()])
    return points, np.concatenate([rows, signals], -1)


@lru_cache(maxsize=KEPT)
def _lasting(roadmap: RoadMap) -> tuple[FloatArray, FloatArray, IntArray]:
    """What does not change: points, (P, POINTS, 4), attributes before the signal, and lanes."""
    rows, lanes = list[FloatArray](), list[int]()
    for i, lane in enumerate(roadmap.lanes):
        row = np.zeros(_SIGNAL)
        row[lane.kind] = 1.0
        row[_FLAGS : _FLAGS + 3] = lane.in_junction, lane.yields, lane.turn
        row[_FLAGS + 3] = (lane.speed_limit - LIMIT_MEAN) / LIMIT_SCALE
        row[_FLAGS + 4] = (float(lane.width.mean()) - WIDTH_MEAN) / WIDTH_SCALE
        rows.append(row)
        lanes.append(i)
    for _ in roadmap.crossings:
        row = np.zeros(_SIGNAL)
        row[LaneKind.CROSSWALK] = 1.0
        row[_FLAGS + 3] = -LIMIT_MEAN / LIMIT_SCALE
        rows.append(row)
        lanes.append(NO_LANE)
    lines = [lane.centerline for lane in roadmap.lanes]
    lines += [crossing.path for crossing in roadmap.crossings]
    most = np.full(len(lines), np.iinfo(np.int64).max)
    most[len(roadmap.lanes) :] = 1  # Of a crossing the first piece.
    points, owner = _cut(lines, most)
    return points, np.stack(rows)[owner], np.array(lanes)[owner]


def _signal(roadmap: RoadMap, lane: int, time: float) -> FloatArray:
    """One-hot state of the signal at the entry of a lane, then its coming share of green."""
    out = np.zeros(_STATES + 1)
    index = roadmap.signal_of_lane.get(lane)
    if index is None:
        out[SignalState.NONE] = 1.0
        return out
    signal = roadmap.signals[index]
    out[signal.state(time)] = 1.0
    moments = time + np.arange(0.0, HORIZON, 0.5)
    out[-1] = np.mean([signal.state(float(t)) is SignalState.GREEN for t in moments])
    return out


def _cut(lines: Sequence[FloatArray], most: IntArray) -> tuple[FloatArray, IntArray]:
    """Cut polylines into equal pieces of POINTS points with directions, at most so many of each.

    Returns:
        Pieces, shape (P, POINTS, 4), and the polyline of each, shape (P,).
    """
    first = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    joined = np.concatenate(lines).astype(np.float64)
    points, step, owner = _cut_joined(joined, first, most, np.linspace(0.0, 1.0, POINTS))
    yaw = np.arctan2(step[..., 1], step[..., 0])
    return np.concatenate([points, np.cos(yaw)[..., None], np.sin(yaw)[..., None]], -1), owner


@nb.njit(cache=True)
def _cut_joined(joined, first, most, shares):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Points, the segments they lie on as vectors, and the polyline of every piece."""
    count, along = len(first) - 1, np.zeros(len(joined))
    pieces = np.empty(count, np.int64)
    for i in range(count):
        for k in range(first[i] + 1, first[i + 1]):
            dx, dy = joined[k, 0] - joined[k - 1, 0], joined[k, 1] - joined[k - 1, 1]
            along[k] = along[k - 1] + np.hypot(dx, dy)
        pieces[i] = max(1, int(np.ceil(along[first[i + 1] - 1] / LONGEST)))
    total = np.minimum(pieces, most).sum()
    points, step = np.empty((total, POINTS, 2)), np.empty((total, POINTS, 2))
    owner, row = np.empty(total, np.int64), 0
    for i in range(count):
        length, last = along[first[i + 1] - 1], first[i + 1] - 2
        for piece in range(min(pieces[i], most[i])):
            k = first[i]
            for p in range(POINTS):
                here = (piece + shares[p]) * length / pieces[i]
                while k < last and along[k + 1] <= here:
                    k += 1
                ratio = (here - along[k]) / max(along[k + 1] - along[k], 1e-9)
                step[row, p] = joined[k + 1] - joined[k]
                points[row, p] = joined[k] + (joined[k + 1] - joined[k]) * ratio
            owner[row] = i
            row += 1
    return points, step, owner
