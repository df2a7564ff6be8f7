"""The corridor a box is going to sweep along its path, and who stands in it.

Lanes say who is ahead only as far as the map tells which lanes overlap; a box in the way is in the
way whatever its lane. The corridor is the path ahead, as wide as the agent between its present and
its intended offset; each straight piece of it is a rectangle that is tested against the other box
with separating axes, so that traffic on the other side of a curve is not met by accident.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.collision import boxes_touch, on_foot
from scenegen.sim.compiled import kernel
from scenegen.sim.fields import (
    BASE,
    COS,
    HALF_LENGTH,
    HALF_WIDTH,
    KIND,
    LANE_FIRST,
    LANE_LAST,
    LANE_LENGTH,
    PATH,
    PATH_ALONG,
    PATH_OFFSET,
    PATHS,
    SEG_LENGTH,
    SEG_S,
    SEG_UX,
    SEG_UY,
    SEG_X,
    SEG_Y,
    SEGMENT,
    SHIFT,
    SIN,
    SPEED,
    X,
    Y,
)
from scenegen.sim.places import FORESIGHT

HORIZON = 2.5
"""Time of driving ahead that the corridor covers [s]."""
EASY_BRAKING = 4.0
"""It covers at least the braking distance at this deceleration [m/s^2]."""
SHORTEST, LONGEST = 8.0, 60.0
"""Bounds of its length ahead of the bumper [m]."""
SPARE = 0.05
"""Distance kept to both sides [m]."""
WINDING = 1.6
"""A path is at most this many times longer than its chord: half a circle."""
AFTER = 0.5
"""Who has left the corridor this long before the agent comes is not in the way [s]."""


@kernel
def corridor_length(speed):
    """Distance ahead of the bumper that is looked at [m]."""
    wanted = max(HORIZON * speed, 0.5 * speed * speed / EASY_BRAKING)
    return min(max(wanted, SHORTEST), LONGEST)


@kernel
def corridor_gap(f, k, i, j, limit, road):
    """Distance along the path of i to the box of j, and the speed of j along it.

    Gaps beyond `limit` [m] are of no interest.

    Returns:
        Bumper-to-bumper gap [m], inf if j is not in the corridor, and a speed [m/s].
    """
    links, segments, lanes = road.lane_links, road.segments, len(road.lane_links)
    front, radius = float(f[HALF_LENGTH, i]), f[HALF_LENGTH, j] + f[HALF_WIDTH, j]
    dx, dy = float(f[X, j] - f[X, i]), float(f[Y, j] - f[Y, i])
    chord = math.sqrt(dx * dx + dy * dy)
    last = min(limit + front, WINDING * (chord + radius) + front)
    r, begin = k[SEGMENT, i], -float(f[PATH_ALONG, i])
    for q in range(PATHS):
        code = k[PATH + q, i]
        if code < 0:
            break
        lane = code % lanes
        against = code >= lanes
        if q > 0:
            r = links[lane, LANE_LAST] - 1 if against else links[lane, LANE_FIRST]
        length = float(road.lane_numbers[lane, LANE_LENGTH])
        while links[lane, LANE_FIRST] <= r < links[lane, LANE_LAST]:
            s = float(segments[r, SEG_S])
            start = begin + (length - s - segments[r, SEG_LENGTH] if against else s)
            if start > last:
                return math.inf, 0.0
            if start + segments[r, SEG_LENGTH] > max(chord - radius, 0.0):
                near, pace = _meet(f, k, i, j, segments, r, -1.0 if against else 1.0, start)
                if near < math.inf:
                    return near - front, pace
            r += -1 if against else 1
        begin += length
    return math.inf, 0.0


@kernel
def _meet(f, k, i, j, segments, r, sign, start):
    """Where the box of j begins in one piece of the corridor, from the centre of i; inf if not."""
    ux, uy = sign * segments[r, SEG_UX], sign * segments[r, SEG_UY]
    length = float(segments[r, SEG_LENGTH])
    x, y = float(segments[r, SEG_X]), float(segments[r, SEG_Y])
    if sign < 0.0:
        x, y = x - ux * length, y - uy * length
    cos, sin, speed = float(f[COS, j]), float(f[SIN, j]), float(f[SPEED, j])
    # The box of a walker covers the ground the next steps lead over.
    sweep = 0.5 * FORESIGHT * speed if on_foot(k[KIND, j]) else 0.0
    half_length, half_width = f[HALF_LENGTH, j] + sweep, float(f[HALF_WIDTH, j])
    dx, dy = f[X, j] + sweep * cos - x, f[Y, j] + sweep * sin - y
    now, then = float(f[PATH_OFFSET, i]), float(f[BASE, i] + f[SHIFT, i])
    low = min(now, then) - f[HALF_WIDTH, i] - SPARE
    high = max(now, then) + f[HALF_WIDTH, i] + SPARE
    cut = max(0.0, -start)
    half, middle, aside = 0.5 * (length - cut), 0.5 * (length + cut), 0.5 * (low + high)
    ahead, side = dx * ux + dy * uy, ux * dy - uy * dx
    dot, cross = cos * ux + sin * uy, sin * ux - cos * uy
    if half <= 0.0 or not boxes_touch(
        ahead - middle,
        side - aside,
        1.0,
        0.0,
        half,
        0.5 * (high - low),
        dot,
        cross,
        half_length,
        half_width,
    ):
        return math.inf, 0.0
    near = start + max(ahead - half_length * abs(dot) - half_width * abs(cross), cut)
    if _is_gone(f, i, near, speed * cross, side, low, high, half_length, half_width, dot, cross):
        return math.inf, 0.0
    return near, speed * dot


@kernel
def _is_gone(f, i, near, drift, side, low, high, half_length, half_width, dot, cross):
    """Whether who crosses the corridor has left it before the agent arrives."""
    if abs(drift) < 1.0 or abs(dot) > abs(cross):
        return False
    half = half_length * abs(cross) + half_width * abs(dot)
    rest = high - side + half if drift > 0.0 else side + half - low
    return rest / abs(drift) + AFTER < (near - f[HALF_LENGTH, i]) / max(float(f[SPEED, i]), 0.1)
