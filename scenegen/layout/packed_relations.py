"""Compiled relations of pairs, scene by scene: features and the biases of attention.

The same numbers as relations.agent_relations, relations.map_relations and network.RelationEncoder
give, without what is not there. Loops run over the partners of one agent, in whole blocks of LANES.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.layout.fast_math import exp, silu, tanh
from scenegen.layout.relations import (
    BESIDE,
    FAR,
    HALF_PIECE,
    NEAR,
    REACH,
)
from scenegen.layout.tokens import POSITION_SCALE

LANES = 8
"""Partners that are treated together."""
COLUMNS = 16
"""Columns of features, whole LANES of them."""
HIDDEN = np.float32(-1e4)
"""Bias towards partners that fill up the last block."""

_F = np.float32
_SCALE, _NEAR, _FAR, _HALF = _F(POSITION_SCALE), _F(1 / NEAR), _F(1 / FAR), _F(HALF_PIECE)
_BESIDE, _REACH, _WIDE = _F(1 / BESIDE), _F(1 / REACH), _F(0.25 / REACH)
_SHORT, _TINY, _ZERO, _TWO = _F(0.1), _F(1e-6), _F(0.0), _F(2.0)


@nb.njit(cache=True, error_model="numpy")
def headings(pose, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write places [m] and headings, of unit length unless they are all but zero, (R, 4)."""
    for i in range(len(pose)):
        x, y = pose[i, 2], pose[i, 3]
        long = max(np.sqrt(x * x + y * y), _SHORT)
        out[i, 0], out[i, 1] = pose[i, 0] * _SCALE, pose[i, 1] * _SCALE
        out[i, 2], out[i, 3] = x / long, y / long


@nb.njit(cache=True, error_model="numpy")
def relate_agents(poses, first, features, bias, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Relate all agents of each scene to each other.

    Args:
        poses: From `headings`, shape (R, 4).
        first: Row at which each scene begins, shape (B + 1,).
        features: Written, shape (R, K, COLUMNS), zero behind the last feature.
        bias: Written, one row per block and head, shape (R, H, K).
        weights: Of the encoder: (W1, b1, W2, b2).
    """
    most = bias.shape[2]
    seen = np.empty((weights[0].shape[1], most), np.float32)
    columns = np.zeros((4, most), np.float32)
    hidden = np.empty((len(weights[1]), most), np.float32)
    for s in range(len(first) - 1):
        begin, count = first[s], first[s + 1] - first[s]
        wide = -(-count // LANES) * LANES
        columns[:] = 0.0
        for j in range(count):
            for c in range(4):
                columns[c, j] = poses[begin + j, c]
        for i in range(begin, begin + count):
            _agent_features(poses[i], columns, wide, seen)
            _encode(seen, wide, weights, hidden, bias[i])
            _turned(seen, wide, features[i])
            bias[i, :, count:wide] = HIDDEN


@nb.njit(cache=True, error_model="numpy")
def _agent_features(pose, columns, wide, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    px, py, cos, sin = pose[0], pose[1], pose[2], pose[3]
    for j in range(wide):
        dx, dy = columns[0, j] - px, columns[1, j] - py
        x, y = cos * dx + sin * dy, cos * dy - sin * dx
        out[0, j], out[1, j] = tanh(x * _NEAR), tanh(y * _NEAR)
        out[2, j], out[3, j] = tanh(x * _FAR), tanh(y * _FAR)
        out[4, j], out[5, j] = tanh(dx * _FAR), tanh(dy * _FAR)
        out[6, j] = cos * columns[2, j] + sin * columns[3, j]
        out[7, j] = cos * columns[3, j] - sin * columns[2, j]
        distance = np.sqrt(dx * dx + dy * dy)
        out[8, j], out[9, j] = exp(-distance * _NEAR), exp(-distance * _FAR)


@nb.njit(cache=True, error_model="numpy")
def relate_road(poses, first, road, points, lines, features, bias, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Relate the agents of each scene to its polylines.

    Args:
        poses: From `headings`, shape (R, 4).
        first: Row at which each scene begins, shape (B + 1,).
        road: Which road each scene has, shape (B,).
        points: Places [m] and directions of the points of polylines, shape (R, P, 4, M).
        lines: Number of polylines of each road, shape (R,).
        features: Written, shape (R, M, COLUMNS), zero behind the last feature.
        bias: Written, shape (R, H, M).
        weights: Of the encoder: (W1, b1, W2, b2).
    """
    most = bias.shape[2]
    seen = np.empty((weights[0].shape[1], most), np.float32)
    nearest, square = np.empty((4, most), np.float32), np.empty(most, np.float32)
    hidden = np.empty((len(weights[1]), most), np.float32)
    for s in range(len(road)):
        r = road[s]
        wide = -(-lines[r] // LANES) * LANES
        for i in range(first[s], first[s + 1]):
            _nearest_points(poses[i, 0], poses[i, 1], points[r], wide, square, nearest)
            _road_features(poses[i], nearest, wide, seen)
            _encode(seen, wide, weights, hidden, bias[i])
            _turned(seen, wide, features[i])
            bias[i, :, lines[r] : wide] = HIDDEN


@nb.njit(cache=True, error_model="numpy")
def _nearest_points(x, y, points, wide, square, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write gap [m] to and direction at the nearest point of each polyline, (4, M)."""
    for p in range(len(points)):
        for j in range(wide):
            dx, dy = points[p, 0, j] - x, points[p, 1, j] - y
            far = dx * dx + dy * dy
            closer = p == 0 or far < square[j]
            square[j] = far if closer else square[j]
            out[0, j] = dx if closer else out[0, j]
            out[1, j] = dy if closer else out[1, j]
            out[2, j] = points[p, 2, j] if closer else out[2, j]
            out[3, j] = points[p, 3, j] if closer else out[3, j]


@nb.njit(cache=True, error_model="numpy")
def _road_features(pose, nearest, wide, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    cos, sin = pose[2], pose[3]
    for j in range(wide):
        dx, dy, ux, uy = nearest[0, j], nearest[1, j], nearest[2, j], nearest[3, j]
        along = -(dx * ux + dy * uy)
        held = min(max(along, -_HALF), _HALF)
        x, y = dx + held * ux, dy + held * uy
        distance = np.sqrt(x * x + y * y + _TINY)
        out[0, j], out[1, j] = tanh(x * _BESIDE), tanh(y * _BESIDE)
        out[2, j], out[3, j] = tanh(x * _REACH), tanh(y * _REACH)
        out[4, j] = tanh((uy * x - ux * y) * _BESIDE)
        out[5, j] = tanh((along - held) * _REACH)
        out[6, j], out[7, j] = cos * ux + sin * uy, sin * ux - cos * uy
        out[8, j] = exp(-distance * _BESIDE)
        out[9, j], out[10, j] = exp(-distance * _REACH), exp(-distance * _WIDE)


@nb.njit(cache=True, error_model="numpy")
def _encode(features, wide, weights, hidden, bias):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Two layers over the features of the partners of one agent; (F, K) to (H, K)."""
    into, into_bias, out, out_bias = weights
    for h in range(len(into_bias)):
        _combine(features, wide, into[h], into_bias[h], hidden[h])
        for j in range(wide):
            hidden[h, j] = silu(hidden[h, j])
    for h in range(len(out_bias)):
        _combine(hidden, wide, out[h], out_bias[h], bias[h])


@nb.njit(cache=True, error_model="numpy")
def _combine(rows, wide, weight, begin, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the weighted sum of rows, four at a time and then one by one."""
    fours = len(weight) // 4 * 4
    for j in range(wide):
        out[j] = begin
    for f in range(0, fours, 4):
        a, b, c, d = weight[f], weight[f + 1], weight[f + 2], weight[f + 3]
        for j in range(wide):
            out[j] += (a * rows[f, j] + b * rows[f + 1, j]) + (
                c * rows[f + 2, j] + d * rows[f + 3, j]
            )
    for f in range(fours, len(weight)):
        for j in range(wide):
            out[j] += weight[f] * rows[f, j]


@nb.njit(cache=True, error_model="numpy")
def _turned(features, wide, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write features (F, K) as (K, COLUMNS)."""
    for f in range(len(features)):
        for j in range(wide):
            out[j, f] = features[f, j]
