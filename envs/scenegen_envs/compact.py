"""The compact observation: 384 numbers per vehicle, in its own frame (x forward, y left).

| index | what | scale |
| --- | --- | --- |
| 0 | speed | 40 m/s |
| 1 | acceleration | 8 m/s^2 |
| 2 | yaw rate | 1 rad/s |
| 3, 4 | half length, half width | 8 m, 2 m |
| 5, 6 | offset from the lane's centre (left positive), heading against the lane's | 4 m, pi |
| 7, 8, 9 | on a lane, against its direction, off the road | 0 or 1 |
| 10, 11 | a lane of the same direction on the left, on the right | 0 or 1 |
| 12 | speed limit | 40 m/s |
| 13 | friction of the road | 1.2 |
| 14 | length of the route that is known ahead | 200 m |
| 15, 16 | offset from the route, heading against the route's | 4 m, pi |
| 17-24 | places of the route at LOOKAHEAD metres ahead: x, y each | 75 m |
| 25 | gap to the leader, 1 without one | 100 m |
| 26, 27 | 1 / (1 + time to collision), 1 / (1 + time headway); 0 where infinite | 1 s |
| 28 | speed of the leader minus the own speed, 0 without one | 40 m/s |
| 29 | distance to the next signal of the route, 1 without one | 200 m |
| 30, 31 | that signal is red, is yellow | 0 or 1 |
| 32-191 | the 16 nearest road users within REACH, nearest first, 10 numbers each: | |
| +0, +1 | place x, y | 100 m |
| +2, +3 | cosine and sine of the heading; both 0 where there is nobody | 1 |
| +4, +5 | velocity x, y over ground | 40 m/s |
| +6, +7 | half length, half width | 8 m, 2 m |
| +8, +9 | is a motor vehicle; is a person, a cyclist or an animal | 0 or 1 |
| 192-255 | x of the road points nearest to the own grid cell, nearest first | 75 m |
| 256-319 | y of these points | 75 m |
| 320-383 | 1 edge of the road, 0.5 solid line, 0.25 dashed line, 0 no point | |

Everything is divided by its scale and clipped to [-1, 1]. A vehicle that is not there gives zeros.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.scene import AgentKind, SignalState
from scenegen.sim import fields
from scenegen.sim.compiled import kernel
from scenegen_envs.roads import CELL, NEAREST, TICK

OWN, NEIGHBOURS, PER_NEIGHBOUR = 32, 16, 10
ROAD = OWN + NEIGHBOURS * PER_NEIGHBOUR
"""Index of the first road point."""
SIZE = ROAD + 3 * NEAREST
"""Numbers per vehicle."""
REACH = 100.0
"""Distance within which other road users are seen [m]."""
LOOKAHEAD = (10.0, 20.0, 40.0, 60.0)
"""Distances of the route points [m]."""

_AHEAD = np.array(LOOKAHEAD, np.float32)
_F = np.float32
_ZERO, _ONE, _TWO, _HALF, _PER_PI = _F(0.0), _F(1.0), _F(2.0), _F(0.5), _F(1 / np.pi)
_PER_40, _PER_8, _PER_2, _PER_4 = _F(1 / 40), _F(1 / 8), _F(1 / 2), _F(1 / 4)
_PER_100, _PER_200, _PER_75, _PER_FRICTION = _F(1 / 100), _F(1 / 200), _F(1 / 75), _F(1 / 1.2)
_REACH_SQUARED = _F(REACH * REACH)
_CELL, _PER_CELL = _F(CELL), _F(1 / CELL)
_TICK, _PER_CODE = _F(TICK / 75), _F(1 / 4)
_RED, _YELLOW = int(SignalState.RED), int(SignalState.YELLOW)
_LAST_MOTOR, _LAST_VULNERABLE = int(AgentKind.MOTORCYCLE), int(AgentKind.ANIMAL)
_X, _Y, _COS, _SIN, _SPEED = fields.X, fields.Y, fields.COS, fields.SIN, fields.SPEED
_PATH, _PATHS = fields.PATH, fields.PATHS


class Scratch(NamedTuple):
    """Memory to work in; one thread at a time may use it, and nothing in it outlives a call.

    `square` and `code` are the same memory read as floats and as integers, shape (P,); `seen` has
    shape (2, P), `facts` (PER_NEIGHBOUR, P).
    """

    square: FloatArray
    code: IntArray
    seen: IntArray
    facts: FloatArray


def scratch(agents: int) -> Scratch:
    """Make memory for worlds of that many agents."""
    # Whole blocks of 32 keep the inner loops in vector registers.
    padded = (agents + 31) // 32 * 32
    square = np.zeros(padded, np.float32)
    return Scratch(
        square=square,
        code=square.view(np.int32),
        seen=np.zeros((2, padded), np.int32),
        facts=np.zeros((PER_NEIGHBOUR, padded), np.float32),
    )


@kernel
def _unit(value):
    return min(_ONE, max(-_ONE, value))


@kernel
def observe(rows, count, state, starts, roads, space, out):
    """Write the observations of the first `count` vehicles of some worlds.

    Args:
        rows: Indices of the worlds, shape (K,).
        count: Vehicles observed per world C.
        state: Blocks of the simulator: floats, ints, flags, signals, start.
        starts: Map and friction of every start.
        roads: RoadTables.
        space: Scratch for as many agents as the worlds have.
        out: Where to write, shape (W, C, SIZE), float32; other worlds stay as they are.
    """
    floats, ints, flags, signals, start = state
    map_of, friction_of = starts
    for world in rows:
        f, n, g = floats[world], ints[world], flags[world]
        number = map_of[start[world]]
        friction = friction_of[start[world]]
        for i in range(count):
            o = out[world, i]
            if not g[fields.VALID, i]:
                o[:] = _ZERO
                continue
            _write_own(f, n, g, i, friction, roads, number, o)
            _write_route(f, n, i, roads, number, o)
            _write_leader(f, n, i, o)
            _write_signal(f, n, i, signals[world], roads, number, o)
            others = _nearest_others(f, g, i, space)
            _describe_others(f, n, i, space.facts)
            _write_others(space.facts, space.seen, others, o)
            _write_road(f, i, roads, number, o)


@kernel
def _write_own(f, n, g, i, friction, roads, number, o):
    lane = n[fields.LANE, i]
    on_lane = lane >= 0
    row = roads.lane_first[number] + max(lane, 0)
    o[0] = _unit(f[_SPEED, i] * _PER_40)
    o[1] = _unit(f[fields.ACCELERATION, i] * _PER_8)
    o[2] = _unit(f[fields.YAW_RATE, i])
    o[3] = _unit(f[fields.HALF_LENGTH, i] * _PER_8)
    o[4] = _unit(f[fields.HALF_WIDTH, i] * _PER_2)
    o[5] = _unit(f[fields.OFFSET, i] * _PER_4)
    o[6] = _unit(f[fields.HEADING_ERROR, i] * _PER_PI)
    o[7] = _F(on_lane)
    o[8] = _F(g[fields.WRONG_WAY, i])
    o[9] = _F(g[fields.OFFROAD, i])
    o[10] = roads.lane[row, 2] if on_lane else _ZERO
    o[11] = roads.lane[row, 3] if on_lane else _ZERO
    o[12] = _unit(roads.lane[row, 1] * _PER_40) if on_lane else _ZERO
    o[13] = _unit(friction * _PER_FRICTION)


@kernel
def _write_route(f, n, i, roads, number, o):
    """Offset from the route and its course ahead; straight ahead where the route is not known."""
    x, y, cos, sin = f[_X, i], f[_Y, i], f[_COS, i], f[_SIN, i]
    first = roads.lane_first[number]
    lanes = _lanes_of(roads, number)
    known = n[_PATH, i] >= 0
    o[15] = _unit(f[fields.PATH_OFFSET, i] * _PER_4) if known else _ZERO
    turn = (f[fields.YAW, i] - f[fields.PATH_HEADING, i]) * _PER_PI
    turn -= _TWO * np.floor((turn + _ONE) * _HALF)
    o[16] = _unit(turn) if known else _ZERO
    step, begin = 0, _ZERO
    at = f[fields.PATH_ALONG, i]
    length = roads.lane[first + _lane_of(n[_PATH, i], lanes), 0] if known else _ZERO
    for k in range(len(_AHEAD)):
        wanted = at + _AHEAD[k]
        while (
            known and wanted > begin + length and step + 1 < _PATHS and n[_PATH + step + 1, i] >= 0
        ):
            begin += length
            step += 1
            length = roads.lane[first + _lane_of(n[_PATH + step, i], lanes), 0]
        if known:
            px, py = _place(roads, first, n[_PATH + step, i], lanes, wanted - begin, length)
        else:
            px, py = x + _AHEAD[k] * cos, y + _AHEAD[k] * sin
        o[17 + 2 * k] = _unit(((px - x) * cos + (py - y) * sin) * _PER_75)
        o[18 + 2 * k] = _unit(((py - y) * cos - (px - x) * sin) * _PER_75)
    while known and step + 1 < _PATHS and n[_PATH + step + 1, i] >= 0:
        begin += length
        step += 1
        length = roads.lane[first + _lane_of(n[_PATH + step, i], lanes), 0]
    o[14] = _unit(max(begin + length - at, _ZERO) * _PER_200) if known else _ZERO


@kernel
def _lanes_of(roads, number):
    last = number + 1 == len(roads.lane_first)
    end = len(roads.lane_signal) if last else roads.lane_first[number + 1]
    return end - roads.lane_first[number]


@kernel
def _lane_of(code, lanes):
    """Lane of a path lane, whichever way it is driven."""
    return code - lanes if code >= lanes else code


@kernel
def _place(roads, first, lane, lanes, along, length):
    """Point of a lane's centreline at an arc length, straight on beyond its end."""
    row = first + _lane_of(lane, lanes)
    if lane >= lanes:  # driven against its direction
        along = length - along
    begin, count = roads.line_first[row], roads.line_count[row]
    spot = along * roads.lane[row, 4]
    k = min(max(int(spot), 0), count - 2)
    share = spot - _F(k)
    ax, ay = roads.line[begin + k, 0], roads.line[begin + k, 1]
    bx, by = roads.line[begin + k + 1, 0], roads.line[begin + k + 1, 1]
    return ax + (bx - ax) * share, ay + (by - ay) * share


@kernel
def _write_leader(f, n, i, o):
    leader = n[fields.LEADER, i]
    o[25] = _unit(max(f[fields.GAP, i], _ZERO) * _PER_100) if leader >= 0 else _ONE
    o[26] = _ONE / (_ONE + f[fields.TTC, i]) if leader >= 0 else _ZERO
    o[27] = _ONE / (_ONE + f[fields.THW, i]) if leader >= 0 else _ZERO
    o[28] = _unit((f[_SPEED, leader] - f[_SPEED, i]) * _PER_40) if leader >= 0 else _ZERO


@kernel
def _write_signal(f, n, i, shown, roads, number, o):
    o[29], o[30], o[31] = _ONE, _ZERO, _ZERO
    lane = n[_PATH, i]
    if lane < 0:
        return
    first, lanes = roads.lane_first[number], _lanes_of(roads, number)
    distance = roads.lane[first + _lane_of(lane, lanes), 0] - f[fields.PATH_ALONG, i]
    for k in range(1, _PATHS):
        lane = n[_PATH + k, i]
        if lane < 0:
            return
        row = first + _lane_of(lane, lanes)
        signal = roads.lane_signal[row]
        if signal >= 0 and lane < lanes:
            o[29] = _unit(max(distance, _ZERO) * _PER_200)
            o[30] = _F(shown[signal] == _RED)
            o[31] = _F(shown[signal] == _YELLOW)
            return
        distance += roads.lane[row, 0]


@kernel
def _nearest_others(f, g, i, space):
    """List the others that are seen and how many of them are nearer than each.

    A squared distance is compared as an integer whose lowest bits are the agent's index: the bits
    of positive floats order as the floats do, and no two agents are equal.

    Args:
        f: Float rows of the world.
        g: Flag rows of the world.
        i: Who looks.
        space: Scratch; index and rank of who is seen are written to `seen`.

    Returns:
        How many are seen.
    """
    square, code, seen = space.square, space.code, space.seen
    agents, padded = f.shape[1], len(square)
    xs, ys, there = f[_X], f[_Y], g[fields.VALID]
    x, y = xs[i], ys[i]
    for j in range(agents):
        dx, dy = xs[j] - x, ys[j] - y
        square[j] = dx * dx + dy * dy
    low = 1
    while low < agents:
        low *= 2
    who, rank = seen[0], seen[1]
    count = 0
    for j in range(agents):
        visible = there[j] and j != i and square[j] < _REACH_SQUARED
        who[count] = j
        code[count] = np.int32((code[j] & ~(low - 1)) | j)
        count += 1 if visible else 0
    rank[:] = 0
    for k in range(count):
        limit = code[k]
        for j in range(padded):  # beyond `count` the ranks mean nothing, and cost nothing
            rank[j] += np.int32(code[j] > limit)
    return count


@kernel
def _describe_others(f, n, i, facts):
    """Write what is said of every agent, seen or not, shape (PER_NEIGHBOUR, padded)."""
    x, y, cos, sin = f[_X, i], f[_Y, i], f[_COS, i], f[_SIN, i]
    xs, ys, coss, sins, speeds = f[_X], f[_Y], f[_COS], f[_SIN], f[_SPEED]
    lengths, widths, kinds = f[fields.HALF_LENGTH], f[fields.HALF_WIDTH], n[fields.KIND]
    for j in range(len(xs)):
        dx, dy = (xs[j] - x) * _PER_100, (ys[j] - y) * _PER_100
        along = coss[j] * cos + sins[j] * sin
        across = sins[j] * cos - coss[j] * sin
        speed = speeds[j] * _PER_40
        facts[0, j] = _unit(dx * cos + dy * sin)
        facts[1, j] = _unit(dy * cos - dx * sin)
        facts[2, j] = _unit(along)
        facts[3, j] = _unit(across)
        facts[4, j] = _unit(speed * along)
        facts[5, j] = _unit(speed * across)
    for j in range(len(xs)):
        facts[6, j] = _unit(lengths[j] * _PER_8)
        facts[7, j] = _unit(widths[j] * _PER_2)
        facts[8, j] = _ONE if kinds[j] <= _LAST_MOTOR else _ZERO
        facts[9, j] = _ONE if _LAST_MOTOR < kinds[j] <= _LAST_VULNERABLE else _ZERO


@kernel
def _write_others(facts, seen, count, o):
    for q in range(count):
        j, rank = seen[0, q], seen[1, q]
        if rank < NEIGHBOURS:
            at = OWN + rank * PER_NEIGHBOUR
            for k in range(PER_NEIGHBOUR):
                o[at + k] = facts[k, j]
    o[OWN + min(count, NEIGHBOURS) * PER_NEIGHBOUR : ROAD] = _ZERO


@kernel
def _write_road(f, i, roads, number, o):
    x, y, cos, sin = f[_X, i], f[_Y, i], f[_COS, i], f[_SIN, i]
    columns, rows = roads.grid[number, 0], roads.grid[number, 1]
    column = int(np.floor((x - roads.origin[number, 0]) * _PER_CELL))
    row = int(np.floor((y - roads.origin[number, 1]) * _PER_CELL))
    if not (0 <= column < columns and 0 <= row < rows):
        o[ROAD:] = _ZERO
        return
    cell = roads.grid[number, 2] + row * columns + column
    seen, code = roads.seen[cell], roads.code[cell]
    # From here to the middle of the cell, then on to the points.
    middle_x = (roads.origin[number, 0] - x + (_F(column) + _HALF) * _CELL) * _PER_75
    middle_y = (roads.origin[number, 1] - y + (_F(row) + _HALF) * _CELL) * _PER_75
    ahead, left = o[ROAD : ROAD + NEAREST], o[ROAD + NEAREST : ROAD + 2 * NEAREST]
    what = o[ROAD + 2 * NEAREST :]
    for q in range(NEAREST):
        dx, dy = middle_x + _F(seen[0, q]) * _TICK, middle_y + _F(seen[1, q]) * _TICK
        there = code[q] != 0
        ahead[q] = _unit(dx * cos + dy * sin) if there else _ZERO
        left[q] = _unit(dy * cos - dx * sin) if there else _ZERO
        what[q] = _F(code[q]) * _PER_CODE
