"""Compiled attention over packed scenes: each agent looks at the partners of its own scene.

What network.Block computes between its matrix products: modulated norms, softmax over keys with
biases of pairs, means of values and of features of pairs. Every scene is computed by itself in one
fixed order, so that its bits do not depend on the others.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.layout.fast_math import exp, silu
from scenegen.layout.packed_relations import COLUMNS, LANES

UNROLLED = 8
"""Rows that are added up at a time."""

_F = np.float32
_EPSILON, _ONE, _ZERO = _F(1e-5), _F(1.0), _F(0.0)


@nb.njit(cache=True, error_model="numpy")
def gate_and_norm(x, gate, added, shift, scale, owner, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Add a gated layer to x in place; write the norm of that, scaled and shifted.

    Args:
        x: Tokens, shape (R, d).
        gate: Per scene, shape (B, d).
        added: What the layer gave, shape (R, d).
        shift: Per scene, shape (B, d).
        scale: Per scene, one less than the factor, shape (B, d).
        owner: Scene of each row, shape (R,).
        out: Written, shape (R, d).
    """
    width = x.shape[1]
    total, square = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for i in range(len(x)):
        s = owner[i]
        total[:], square[:] = 0.0, 0.0
        for block in range(0, width, LANES):
            for k in range(LANES):
                c = block + k
                x[i, c] += gate[s, c] * added[i, c]
                total[k] += x[i, c]
        mean = total.sum() / _F(width)
        for block in range(0, width, LANES):
            for k in range(LANES):
                away = x[i, block + k] - mean
                square[k] += away * away
        factor = _ONE / np.sqrt(square.sum() / _F(width) + _EPSILON)
        for c in range(width):
            out[i, c] = (x[i, c] - mean) * factor * (_ONE + scale[s, c]) + shift[s, c]


@nb.njit(cache=True, error_model="numpy")
def attend_agents(qkv, first, bias, features, count_of, heads, layer, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Let the agents of each scene look at each other.

    Args:
        qkv: Queries, keys and values, shape (R, 3 * d).
        first: Row at which each scene begins, shape (B + 1,).
        bias: Of all blocks and heads, shape (R, L * heads, K).
        features: Of pairs, shape (R, K, COLUMNS).
        count_of: Number of features F.
        heads: Number of heads.
        layer: Which block.
        out: Written: means of values, then those of features per head, shape (R, d + heads * F).
    """
    width, most = qkv.shape[1] // 3, bias.shape[2]
    each = width // heads
    keys, values = np.zeros((each, most), np.float32), np.zeros((most, each), np.float32)
    weight, pair = np.zeros(most, np.float32), np.zeros(COLUMNS, np.float32)
    for s in range(len(first) - 1):
        begin, count = first[s], first[s + 1] - first[s]
        wide = -(-count // LANES) * LANES
        for head in range(heads):
            at = head * each
            keys[:, count:wide] = 0.0
            values[count:wide] = 0.0
            for c in range(each):
                for j in range(count):
                    keys[c, j] = qkv[begin + j, width + at + c]
            for j in range(count):
                for c in range(each):
                    values[j, c] = qkv[begin + j, 2 * width + at + c]
            for i in range(begin, begin + count):
                query = qkv[i, at : at + each]
                _weights(query, keys, bias[i, layer * heads + head], wide, weight)
                _mean(weight, values, wide, out[i, at : at + each])
                _mean(weight, features[i], wide, pair)
                out[i, width + head * count_of : width + (head + 1) * count_of] = pair[:count_of]


@nb.njit(cache=True, error_model="numpy")
def attend_road(queries, first, road, keys, values, lines, bias, pairs, count, heads, layer, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Let the agents of each scene look at its road.

    Args:
        queries: Shape (R, d).
        first: Row at which each scene begins, shape (B + 1,).
        road: Which road each scene has, shape (B,).
        keys: Keys of the roads, shape (R, L, heads, d / heads, M).
        values: Values of the roads, shape (R, L, heads, M, d / heads).
        lines: Number of polylines of each road, shape (R,).
        bias: Of all blocks and heads, shape (R, L * heads, M).
        pairs: Features of pairs, shape (R, M, COLUMNS).
        count: Number of features F.
        heads: Number of heads.
        layer: Which block.
        out: Written as by `attend_agents`.
    """
    width, each = queries.shape[1], queries.shape[1] // heads
    weight = np.zeros(bias.shape[2], np.float32)
    pair = np.zeros(COLUMNS, np.float32)
    for s in range(len(road)):
        r = road[s]
        wide = -(-lines[r] // LANES) * LANES
        for head in range(heads):
            at = head * each
            here, there = keys[r, layer, head], values[r, layer, head]
            for i in range(first[s], first[s + 1]):
                query = queries[i, at : at + each]
                _weights(query, here, bias[i, layer * heads + head], wide, weight)
                _mean(weight, there, wide, out[i, at : at + each])
                _mean(weight, pairs[i], wide, pair)
                out[i, width + head * count : width + (head + 1) * count] = pair[:count]


@nb.njit(cache=True, error_model="numpy")
def _weights(query, keys, bias, wide, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Softmax of a query over keys (d, K) with their biases; columns beyond `wide` are left."""
    scale = _ONE / np.sqrt(_F(len(query)))
    for j in range(wide):
        out[j] = bias[j]
    for c in range(0, len(query), UNROLLED):
        q0, q1, q2, q3 = query[c], query[c + 1], query[c + 2], query[c + 3]
        q4, q5, q6, q7 = query[c + 4], query[c + 5], query[c + 6], query[c + 7]
        for j in range(wide):
            near = (q0 * keys[c, j] + q1 * keys[c + 1, j]) + (
                q2 * keys[c + 2, j] + q3 * keys[c + 3, j]
            )
            far = (q4 * keys[c + 4, j] + q5 * keys[c + 5, j]) + (
                q6 * keys[c + 6, j] + q7 * keys[c + 7, j]
            )
            out[j] += scale * (near + far)
    most = _greatest(out, wide)
    for j in range(wide):
        out[j] = exp(out[j] - most)
    factor = _ONE / _total(out, wide)
    for j in range(wide):
        out[j] *= factor


@nb.njit(cache=True, error_model="numpy")
def _mean(weight, values, wide, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mean of values (K, d) under weights, of which there are whole LANES."""
    for c in range(len(out)):
        out[c] = _ZERO
    for j in range(0, wide, UNROLLED):
        w0, w1, w2, w3 = weight[j], weight[j + 1], weight[j + 2], weight[j + 3]
        w4, w5, w6, w7 = weight[j + 4], weight[j + 5], weight[j + 6], weight[j + 7]
        for c in range(len(out)):
            near = (w0 * values[j, c] + w1 * values[j + 1, c]) + (
                w2 * values[j + 2, c] + w3 * values[j + 3, c]
            )
            far = (w4 * values[j + 4, c] + w5 * values[j + 5, c]) + (
                w6 * values[j + 6, c] + w7 * values[j + 7, c]
            )
            out[c] += near + far


@nb.njit(cache=True, error_model="numpy")
def _greatest(x, wide):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Greatest of whole LANES, in four chains that run side by side."""
    a, b, c, d = x[0], x[1], x[2], x[3]
    for j in range(0, wide, 4):
        a, b = max(a, x[j]), max(b, x[j + 1])
        c, d = max(c, x[j + 2]), max(d, x[j + 3])
    return max(a, b, c, d)


@nb.njit(cache=True, error_model="numpy")
def _total(x, wide):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sum of whole LANES, in four chains that run side by side."""
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    for j in range(0, wide, 4):
        a, b = a + x[j], b + x[j + 1]
        c, d = c + x[j + 2], d + x[j + 3]
    return (a + b) + (c + d)


@nb.njit(cache=True, error_model="numpy")
def deal(split, first, keys, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Deal out keys and values of the polylines of all roads for `attend_road`.

    Args:
        split: Shape (rows, 2, L, heads, d / heads).
        first: Row at which the polylines of each road begin, shape (R + 1,).
        keys: Written, see `attend_road`.
        values: Written, see `attend_road`.
    """
    _, _, layers, heads, each = split.shape
    for s in range(len(first) - 1):
        count = first[s + 1] - first[s]
        for layer in range(layers):
            for head in range(heads):
                for j in range(count):  # In this order, what is read lies side by side.
                    for c in range(each):
                        keys[s, layer, head, c, j] = split[first[s] + j, 0, layer, head, c]
                    for c in range(each):
                        values[s, layer, head, j, c] = split[first[s] + j, 1, layer, head, c]


@nb.njit(cache=True, error_model="numpy")
def pool_points(points, weight, added, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Greatest and mean value over the points of each polyline of a layer with `silu`.

    Args:
        points: Shape (rows, P, 4).
        weight: Of the four numbers of a point, shape (4, d).
        added: What the attributes of the polyline give, shape (rows, d).
        out: Written: greatest values, then means, shape (rows, 2 * d).
    """
    width = weight.shape[1]
    value, share = np.empty(width, np.float32), _ONE / _F(points.shape[1])
    for i in range(len(points)):
        out[i, :width], out[i, width:] = -np.inf, 0.0
        for p in range(points.shape[1]):
            a, b, c, d = points[i, p, 0], points[i, p, 1], points[i, p, 2], points[i, p, 3]
            for k in range(width):
                total = added[i, k] + a * weight[0, k] + b * weight[1, k]
                value[k] = silu(total + c * weight[2, k] + d * weight[3, k])
            for k in range(width):
                out[i, k] = max(out[i, k], value[k])
                out[i, width + k] += value[k]
        for k in range(width):
            out[i, width + k] *= share


@nb.njit(cache=True, error_model="numpy")
def mean_rows(rows, first, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the mean row of each scene, shape (B, d); zero where it has none."""
    for s in range(len(out)):
        out[s] = 0.0
        for i in range(first[s], first[s + 1]):
            for c in range(rows.shape[1]):
                out[s, c] += rows[i, c]
        share = _ONE / _F(max(first[s + 1] - first[s], 1))
        for c in range(rows.shape[1]):
            out[s, c] *= share
