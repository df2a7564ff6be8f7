"""The road as numbers a network reads: short polylines around the ego, each with attributes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.geometry import polylines
from scenegen.geometry.transforms import rotation, to_local
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
    pieces, rows = _pieces(roadmap, time)
    local = to_local(pieces[..., :2], frame[:2], frame[2])
    ahead = pieces[..., 2:] @ rotation(frame[2])
    distance = np.hypot(*np.moveaxis(local, -1, 0)).min(-1)
    # Millimetres, so that rounding errors of a moved scene do not reorder what is equally far.
    chosen = np.argsort(np.round(distance, 3), kind="stable")[:count]
    points = np.zeros((count, POINTS, 4), np.float32)
    attributes = np.zeros((count, ATTRIBUTES), np.float32)
    points[: len(chosen), :, :2] = local[chosen] / POSITION_SCALE
    points[: len(chosen), :, 2:] = ahead[chosen]
    attributes[: len(chosen)] = rows[chosen]
    return MapTokens(points=points, attributes=attributes, valid=np.arange(count) < len(chosen))


def _pieces(roadmap: RoadMap, time: float) -> tuple[FloatArray, FloatArray]:
    """Cut lanes and crossings: points with directions, (P, POINTS, 4), and their attributes."""
    points, rows, lanes = _lasting(roadmap)
    shown = {lane: _signal(roadmap, lane, time) for lane in np.unique(lanes).tolist()}
    signals = np.stack([shown[lane] for lane in lanes.tolist()])
    return points, np.concatenate([rows, signals], -1)


@lru_cache(maxsize=16)
def _lasting(roadmap: RoadMap) -> tuple[FloatArray, FloatArray, IntArray]:
    """What does not change: points, (P, POINTS, 4), attributes before the signal, and lanes."""
    parts, rows, lanes = [], [], []
    for i, lane in enumerate(roadmap.lanes):
        row = np.zeros(_SIGNAL)
        row[lane.kind] = 1.0
        row[_FLAGS : _FLAGS + 3] = lane.in_junction, lane.yields, lane.turn
        row[_FLAGS + 3] = (lane.speed_limit - LIMIT_MEAN) / LIMIT_SCALE
        row[_FLAGS + 4] = (float(lane.width.mean()) - WIDTH_MEAN) / WIDTH_SCALE
        cut = _cut(lane.centerline)
        parts.append(cut)
        rows += [row] * len(cut)
        lanes += [i] * len(cut)
    for crossing in roadmap.crossings:
        row = np.zeros(_SIGNAL)
        row[LaneKind.CROSSWALK] = 1.0
        row[_FLAGS + 3] = -LIMIT_MEAN / LIMIT_SCALE
        parts.append(_cut(crossing.path)[:1])
        rows.append(row)
        lanes.append(NO_LANE)
    return np.concatenate(parts), np.stack(rows), np.array(lanes)


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


def _cut(line: FloatArray) -> FloatArray:
    """Cut a polyline into equal pieces of POINTS points with directions, (P, POINTS, 4)."""
    line = line.astype(np.float64)
    length = float(polylines.arc_length(line)[-1])
    pieces = max(1, int(np.ceil(length / LONGEST)))
    along = (np.arange(pieces)[:, None] + np.linspace(0.0, 1.0, POINTS)) * length / pieces
    yaw = polylines.heading_at(line, along)
    return np.concatenate(
        [polylines.point_at(line, along), np.cos(yaw)[..., None], np.sin(yaw)[..., None]], -1
    )
