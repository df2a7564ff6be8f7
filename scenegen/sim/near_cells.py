"""Which straight pieces are near which cells of a grid."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray


def near_cells(
    lines: FloatArray,
    origin: tuple[float, float],
    size: float,
    shape: tuple[int, int],
    reach: float,
) -> tuple[IntArray, IntArray]:
    """List the pairs of a cell and a piece that are no farther apart than `reach`.

    Args:
        lines: Begin and end of each piece [m], shape (N, 4).
        origin: Lower left corner of the grid [m].
        size: Side of a cell [m].
        shape: Rows and columns.
        reach: Largest distance between a piece and the cell's square [m].

    Returns:
        Number of the cell, row after row, and of the piece, both of shape (pairs,).
    """
    room = np.ascontiguousarray(lines, np.float64)
    counted = _pairs(room, origin, size, shape, reach, np.empty((0, 2), np.int64))
    out = np.empty((counted, 2), np.int64)
    _pairs(room, origin, size, shape, reach, out)
    return out[:, 0], out[:, 1]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _pairs(lines, origin, size, shape, reach, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the pairs where there is room for them; their number."""
    found = 0
    for n in range(len(lines)):
        x0, y0, x1, y1 = lines[n]
        low_column = max(math.floor((min(x0, x1) - reach - origin[0]) / size), 0)
        high_column = min(math.floor((max(x0, x1) + reach - origin[0]) / size), shape[1] - 1)
        low_row = max(math.floor((min(y0, y1) - reach - origin[1]) / size), 0)
        high_row = min(math.floor((max(y0, y1) + reach - origin[1]) / size), shape[0] - 1)
        for row in range(low_row, high_row + 1):
            for column in range(low_column, high_column + 1):
                left, bottom = origin[0] + column * size, origin[1] + row * size
                if _apart2(x0 - left, y0 - bottom, x1 - left, y1 - bottom, size) > reach * reach:
                    continue
                if found < len(out):
                    out[found, 0], out[found, 1] = row * shape[1] + column, n
                found += 1
    return found


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _apart2(x0, y0, x1, y1, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Squared distance between a straight piece and the square from (0, 0) to (size, size).

    Convex shapes that do not meet are nearest at a corner of one of them.
    """
    if _meets(x0, y0, x1, y1, size):
        return 0.0
    nearest = min(_outside2(x0, y0, size), _outside2(x1, y1, size))
    along_x, along_y = x1 - x0, y1 - y0
    length2 = max(along_x * along_x + along_y * along_y, 1e-18)
    for corner in range(4):
        x, y = (corner % 2) * size - x0, (corner // 2) * size - y0
        share = min(max((x * along_x + y * along_y) / length2, 0.0), 1.0)
        away_x, away_y = x - share * along_x, y - share * along_y
        nearest = min(nearest, away_x * away_x + away_y * away_y)
    return nearest


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _outside2(x, y, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Squared distance of a point from the square."""
    away_x, away_y = max(-x, x - size, 0.0), max(-y, y - size, 0.0)
    return away_x * away_x + away_y * away_y


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _meets(x0, y0, x1, y1, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a piece enters the square (Liang & Barsky, 1984)."""
    enters, leaves = 0.0, 1.0
    for begin, step in ((x0, x1 - x0), (y0, y1 - y0)):
        if step == 0.0:
            if begin < 0.0 or begin > size:
                return False
            continue
        first, second = -begin / step, (size - begin) / step
        enters = max(enters, min(first, second))
        leaves = min(leaves, max(first, second))
    return enters <= leaves
