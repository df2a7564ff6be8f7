"""Contact of boxes, and boxes leaving the drivable area."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from scenegen.sim.compiled import kernel
from scenegen.sim.fields import (
    CELL,
    COLLIDED,
    COLLIDED_WITH,
    COS,
    CRASHED,
    EDGE_HALF,
    EDGE_UX,
    EDGE_UY,
    EDGE_X,
    EDGE_Y,
    GRID_COLUMNS,
    GRID_ROWS,
    GRID_X,
    GRID_Y,
    HALF_LENGTH,
    HALF_WIDTH,
    KIND,
    KIND_ANIMAL,
    KIND_CYCLIST,
    KIND_PEDESTRIAN,
    MID_COS,
    MID_SIN,
    MID_X,
    MID_Y,
    MODE,
    MODE_LOG,
    OFFROAD,
    SIN,
    VALID,
    X,
    Y,
)

JOINT = 1e-3
"""Edges that follow one another meet up to this distance, in single precision [m]."""


@kernel
def boxes_touch(dx, dy, ca, sa, la, wa, cb, sb, lb, wb):
    """Whether two boxes share a point (separating axes; Gottschalk 1996).

    Args are the offset of b from a [m], then cosine, sine, half length and half width of each.
    """
    cos, sin = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    return (
        abs(dx * ca + dy * sa) <= la + lb * cos + wb * sin
        and abs(dy * ca - dx * sa) <= wa + lb * sin + wb * cos
        and abs(dx * cb + dy * sb) <= lb + la * cos + wa * sin
        and abs(dy * cb - dx * sb) <= wb + la * sin + wa * cos
    )


@kernel
def touch_at(f, i, j, x, y, cos, sin):
    """Whether agents i and j touch in the poses stored in the rows x, y, cos, sin."""
    return boxes_touch(
        f[x, j] - f[x, i],
        f[y, j] - f[y, i],
        f[cos, i],
        f[sin, i],
        f[HALF_LENGTH, i],
        f[HALF_WIDTH, i],
        f[cos, j],
        f[sin, j],
        f[HALF_LENGTH, j],
        f[HALF_WIDTH, j],
    )


@kernel
def collide(f, k, b):
    """Mark all agents that touched at the middle or the end of the step (20 Hz)."""
    count = f.shape[1]
    for i in range(count):
        b[COLLIDED, i] = False
        k[COLLIDED_WITH, i] = -1
    for i in range(count):
        if not b[VALID, i]:
            continue
        reach = f[HALF_LENGTH, i] + f[HALF_WIDTH, i] + 4.0
        for j in range(i + 1, count):
            dx, dy = f[X, j] - f[X, i], f[Y, j] - f[Y, i]
            near = reach + f[HALF_LENGTH, j] + f[HALF_WIDTH, j]
            if dx * dx + dy * dy > near * near or not b[VALID, j]:
                continue
            if touch_at(f, i, j, X, Y, COS, SIN) or touch_at(
                f, i, j, MID_X, MID_Y, MID_COS, MID_SIN
            ):
                _mark(k, b, i, j)


@kernel
def _mark(k, b, i, j):
    b[COLLIDED, i] = True
    b[COLLIDED, j] = True
    k[COLLIDED_WITH, i] = j
    k[COLLIDED_WITH, j] = i
    # People who brush against each other walk on, and recordings overlap without consequence;
    # whoever else touches something stops.
    replayed = k[MODE, i] == MODE_LOG and k[MODE, j] == MODE_LOG
    if not replayed and not (on_foot(k[KIND, i]) and on_foot(k[KIND, j])):
        b[CRASHED, i] = True
        b[CRASHED, j] = True


@kernel
def on_foot(kind):
    """Whether a kind moves without wheels."""
    return kind in (KIND_PEDESTRIAN, KIND_ANIMAL)


@kernel
def cell_of(head, x, y):
    """Index of the grid cell of a place, -1 outside of the grid."""
    column, row = (x - head[GRID_X]) / CELL, (y - head[GRID_Y]) / CELL
    if column < 0.0 or row < 0.0 or column >= head[GRID_COLUMNS] or row >= head[GRID_ROWS]:
        return -1
    return int(row) * int(head[GRID_COLUMNS]) + int(column)


@kernel
def leave_road(f, k, b, edges, head, cells, items):
    """Mark motor vehicles of which a part is outside the drivable area."""
    for i in range(f.shape[1]):
        b[OFFROAD, i] = False
        if not b[VALID, i] or k[KIND, i] >= KIND_CYCLIST:
            continue
        cell = cell_of(head, f[X, i], f[Y, i])
        if cell < 0:
            b[OFFROAD, i] = True
        elif cells[cell, 1] == cells[cell, 2]:
            b[OFFROAD, i] = cells[cell, 3] == 0
        else:
            b[OFFROAD, i] = _outside(f, i, edges, head, cells, items, cell)


@kernel
def _outside(f, i, edges, head, cells, items, cell):
    """Whether a box touches a road edge near its cell, or its centre is outside."""
    columns = int(head[GRID_COLUMNS])
    x0 = head[GRID_X] + (cell % columns + 0.5) * CELL
    y0 = head[GRID_Y] + (cell // columns + 0.5) * CELL
    first, last = cells[cell, 1], cells[cell, 2]
    x, y, cos, sin = f[X, i], f[Y, i], f[COS, i], f[SIN, i]
    length, width = f[HALF_LENGTH, i], f[HALF_WIDTH, i]
    for q in range(first, last):
        e = items[q]
        dx, dy = edges[e, EDGE_X] - x, edges[e, EDGE_Y] - y
        ux, uy, half = edges[e, EDGE_UX], edges[e, EDGE_UY], edges[e, EDGE_HALF]
        if boxes_touch(dx, dy, cos, sin, length, width, ux, uy, half, 0.0):
            return True
    inside = cells[cell, 3] != 0
    crossed = _crossings(x, y, x0, y0, edges, items, first, last)
    # No edge touches the box, so that any point of it is inside if its centre is.
    if crossed < 0:
        shift = 0.5 * length
        x, y = x + shift * cos, y + shift * sin
        crossed = _crossings(x, y, x0, y0, edges, items, first, last)
    if crossed < 0:
        x, y = x - 0.7 * width * sin, y + 0.7 * width * cos
        crossed = _crossings(x, y, x0, y0, edges, items, first, last)
    return crossed >= 0 and inside == (crossed % 2 == 1)


@kernel
def _crossings(x, y, x0, y0, edges, items, first, last):
    """Count the edges between (x, y) and a cell's centre; -1 if the line meets an edge's end."""
    count = 0
    for q in range(first, last):
        e = items[q]
        ex, ey, half = edges[e, EDGE_X], edges[e, EDGE_Y], edges[e, EDGE_HALF]
        ux, uy = edges[e, EDGE_UX], edges[e, EDGE_UY]
        side_a = ux * (y - ey) - uy * (x - ex)
        side_b = ux * (y0 - ey) - uy * (x0 - ex)
        if (side_a >= 0.0) == (side_b >= 0.0):
            continue
        share = side_a / (side_a - side_b)
        along = abs(ux * (x + share * (x0 - x) - ex) + uy * (y + share * (y0 - y) - ey))
        if abs(along - half) < JOINT:
            return -1
        count += 1 if along < half else 0
    return count
