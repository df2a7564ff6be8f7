"""Straight pieces of a centreline: what the simulator takes a lane for."""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray

LATERAL_COMFORT = 2.5
"""Lateral acceleration at which drivers take a curve [m/s^2] (up to 3 in town; Reymond 2001)."""
SLOWEST = 2.0
"""Speed at which any kink of a centreline is passed [m/s]."""
APPROACH = 1.5
"""Deceleration towards a curve [m/s^2]."""
TOLERANCE = 0.01
"""Largest distance between a centreline and its simplified form [m]."""
LONGEST = 20.0
"""Pieces are at most this long [m]."""
COLUMNS = 10
"""Place, direction, length, arc length, width, heading at both ends, speed."""


def straights(points: FloatArray, along: FloatArray, width: FloatArray) -> FloatArray:
    """Simplify a centreline to straight pieces.

    Args:
        points: Vertices [m], shape (P, 2).
        along: Arc length of each [m], shape (P,).
        width: Width of the lane at each [m], shape (P,).

    Returns:
        Begin x and y [m], direction as a unit vector, length [m], arc length of the begin [m],
        width there [m], heading at begin and end [rad] and the speed at which to begin it [m/s]
        of each piece, shape (S, COLUMNS); empty for a centreline that is a point.
    """
    found: FloatArray = _straights(
        *(np.ascontiguousarray(points, np.float64), np.ascontiguousarray(along, np.float64)),
        np.ascontiguousarray(width, np.float64),
    )
    return found


@nb.njit(cache=True, error_model="numpy")
def _straights(points, along, width):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    kept = _kept(points)
    # Vertices of one place are one.
    count, last = 0, kept[-1]
    for n in range(len(kept) - 1):
        here, there = points[kept[n]], points[kept[n + 1]]
        if np.hypot(there[0] - here[0], there[1] - here[1]) > 1e-6:
            kept[count] = kept[n]
            count += 1
    kept[count] = last
    out = np.empty((count, COLUMNS))
    if not count:
        return out
    for n in range(count):
        first, second = kept[n], kept[n + 1]
        step_x = points[second, 0] - points[first, 0]
        step_y = points[second, 1] - points[first, 1]
        length = np.hypot(step_x, step_y)
        out[n, 0], out[n, 1] = points[first, 0], points[first, 1]
        out[n, 2], out[n, 3] = step_x / length, step_y / length
        out[n, 4], out[n, 5] = length, along[first]
        out[n, 6] = np.interp(along[first], along, width)
    _headings(out)
    for n in range(count - 1, -1, -1):
        curvature = abs(out[n, 8] - out[n, 7]) / out[n, 4]
        out[n, 9] = max(np.sqrt(LATERAL_COMFORT / max(curvature, 1e-4)), SLOWEST)
        if n < count - 1:
            soon = np.sqrt(out[n + 1, 9] ** 2 + 2 * APPROACH * out[n, 4])
            out[n, 9] = min(out[n, 9], soon)
    return out


@nb.njit(cache=True, error_model="numpy")
def _headings(out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the headings: between two pieces that of their chords, weighted by their lengths.

    The longer chord says more about the tangent where a straight meets a curve.
    """
    count = len(out)
    chord = np.empty(count)
    for n in range(count):
        chord[n] = np.arctan2(out[n, 3], out[n, 2])
        if n:
            turns = np.floor((chord[n] - chord[n - 1] + np.pi) / (2 * np.pi))
            chord[n] -= 2 * np.pi * turns
    out[0, 7], out[-1, 8] = chord[0], chord[-1]
    for n in range(count - 1):
        before, after = out[n, 4], out[n + 1, 4]
        heading = (chord[n] * before + chord[n + 1] * after) / (before + after)
        out[n, 8] = out[n + 1, 7] = heading
    if count > 1:
        if out[0, 4] <= 2 * out[1, 4]:
            out[0, 7] += chord[0] - out[0, 8]
        if out[-1, 4] <= 2 * out[-2, 4]:
            out[-1, 8] += chord[-1] - out[-1, 7]


@nb.njit(cache=True, error_model="numpy")
def _kept(points):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Vertices that a polyline needs (Douglas & Peucker, 1973), in their order."""
    count = len(points)
    is_kept = np.zeros(count, np.bool_)
    is_kept[0] = is_kept[-1] = True
    stack = [(0, count - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        chord_x, chord_y = points[last, 0] - points[first, 0], points[last, 1] - points[first, 1]
        length = np.hypot(chord_x, chord_y)
        farthest, middle = -1.0, first
        for k in range(first + 1, last):
            x, y = points[k, 0] - points[first, 0], points[k, 1] - points[first, 1]
            away = abs(x * chord_y - y * chord_x) / length if length > 1e-9 else np.hypot(x, y)
            if away > farthest:
                farthest, middle = away, k
        if farthest <= TOLERANCE:
            if length <= LONGEST:
                continue
            middle = (first + last) // 2
        is_kept[middle] = True
        stack.append((first, middle))
        stack.append((middle, last))
    return np.flatnonzero(is_kept)
