"""People and animals: social force on their route, or a straight walk (Helbing and Molnar 1995)."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

from scenegen.sim.collision import on_foot
from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import DT, LIMITS, wrap
from scenegen.sim.fields import (
    BASE,
    COMMAND,
    COMMAND_RATE,
    COMMANDED,
    COS,
    CROSSWALK,
    DESIRED,
    GREEN,
    HALF_LENGTH,
    HALF_WIDTH,
    IGNORES_PRIORITY,
    IGNORES_SIGNALS,
    KIND,
    LANE_KIND,
    LANE_LENGTH,
    LANE_SIGNAL,
    PATH,
    PATH_ALONG,
    PATH_OFFSET,
    SIN,
    SLOT,
    SPEED,
    VALID,
    WALKED,
    YAW,
    X,
    Y,
)
from scenegen.sim.maneuvers import walking_angle
from scenegen.sim.path import ARRIVED, crossover, heading_ahead

RELAXATION = 0.5
"""Time in which someone takes up the wanted velocity [s] (Helbing and Molnar 1995)."""
STRENGTH, RANGE = 7.0, 0.3
"""Repulsion between people: strength V0 / sigma [m/s^2] and range sigma [m] (1995, table)."""
ASIDE, ASIDE_RANGE = 3.0, 2.0
"""Step to the right before someone who comes towards one: strength [m/s^2] and range [m]."""
VEHICLE_STRENGTH, VEHICLE_RANGE = 6.0, 0.6
"""Repulsion from vehicles; wider, after Yang et al. (2018)."""
FASTER = 1.3
"""Largest speed as a multiple of the desired speed."""
PREVIEW = 1.5
"""Distance ahead of the point on the path that is walked to [m]."""
NOTICE = 6.0
"""Distance beyond which nobody is evaded [m]."""
KERB = 0.6
"""Who stands no farther than this on a crosswalk is still at the kerb [m]."""
TURN_OFF = 8.0
"""Distance at which someone turns off towards the next lane of the route [m]."""
CROSSING_TIME, CROSSING_STOP = 4.0, 3.0
"""A vehicle that arrives sooner [s] and cannot brake this gently [m/s^2] is let through."""


@kernel
def social_force(f, k, b, i, p, ignores, road, signals):
    """Velocity someone on foot takes up next, by social force [m/s]; who has no route stands."""
    way, speed = _wanted(f, k, b, i, p, ignores, road, signals)
    vx, vy = f[SPEED, i] * f[COS, i], f[SPEED, i] * f[SIN, i]
    if speed == 0.0 and f[SPEED, i] < 0.05:
        return 0.0, 0.0
    ax = (speed * math.cos(way) - vx) / RELAXATION
    ay = (speed * math.sin(way) - vy) / RELAXATION
    for j in range(f.shape[1]):
        dx, dy = f[X, i] - f[X, j], f[Y, i] - f[Y, j]
        if j != i and b[VALID, j] and dx * dx + dy * dy < NOTICE * NOTICE:
            push_x, push_y = _push(f, k, i, j, dx, dy)
            ax, ay = ax + push_x, ay + push_y
    vx, vy = vx + ax * DT, vy + ay * DT
    fast = math.sqrt(vx * vx + vy * vy)
    most = FASTER * max(speed, 0.3)
    if fast > most:
        vx, vy = vx * most / fast, vy * most / fast
    return vx, vy


@kernel
def _push(f, k, i, j, dx, dy):
    """Repulsion of agent j on agent i [m/s^2]."""
    if on_foot(k[KIND, j]):
        distance = max(math.sqrt(dx * dx + dy * dy), 1e-3)
        apart = distance - f[HALF_WIDTH, i] - f[HALF_WIDTH, j]
        push = STRENGTH * math.exp(-max(apart, 0.0) / RANGE)
        nx, ny = push * dx / distance, push * dy / distance
        if f[COS, i] * f[COS, j] + f[SIN, i] * f[SIN, j] < 0.0 and f[SPEED, j] > 0.1:
            aside = ASIDE * math.exp(-max(apart, 0.0) / ASIDE_RANGE)
            nx, ny = nx + aside * f[SIN, i], ny - aside * f[COS, i]
        return nx, ny
    cos, sin = f[COS, j], f[SIN, j]
    forward, side = dx * cos + dy * sin, dy * cos - dx * sin
    # From the nearest point of the box, so that a long bus pushes sideways too.
    inner_f = min(max(forward, -f[HALF_LENGTH, j]), f[HALF_LENGTH, j])
    inner_s = min(max(side, -f[HALF_WIDTH, j]), f[HALF_WIDTH, j])
    out_f, out_s = forward - inner_f, side - inner_s
    distance = max(math.sqrt(out_f * out_f + out_s * out_s), 1e-3)
    apart = max(distance - f[HALF_WIDTH, i], 0.0)
    nx = (out_f * cos - out_s * sin) / distance
    ny = (out_f * sin + out_s * cos) / distance
    push = VEHICLE_STRENGTH * math.exp(-apart / VEHICLE_RANGE)
    return push * nx, push * ny


@kernel
def _wanted(f, k, b, i, p, ignores, road, signals):
    """Direction [rad] and speed [m/s] someone wants to walk with now."""
    links, lanes = road.lane_links, len(road.lane_links)
    code = k[PATH, i]
    if code < 0:
        return float(f[YAW, i]), 0.0
    speed = float(f[COMMAND, i]) if b[COMMANDED, i] else float(p[DESIRED])
    following = k[PATH + 1, i]
    ahead = heading_ahead(f, k, i, PREVIEW, road.segments, links)
    way = ahead + math.atan2(f[BASE, i] - f[PATH_OFFSET, i], PREVIEW)
    if links[code % lanes, LANE_KIND] == CROSSWALK:
        at_kerb = f[PATH_ALONG, i] < KERB and f[SPEED, i] < 0.5
        if at_kerb and _waits(f, k, b, i, code % lanes, ignores, links, signals):
            speed = 0.0
    if following < 0:
        rest = road.lane_numbers[code % lanes, LANE_LENGTH] - f[PATH_ALONG, i]
        return way, min(speed, math.sqrt(2.0 * max(rest - 0.2, 0.0)))
    x, y = crossover(code, following, road.segments, links)
    rest = math.hypot(x - f[X, i], y - f[Y, i])
    if rest < TURN_OFF:
        way = math.atan2(y - f[Y, i], x - f[X, i])
    waits = rest < 3.0 and links[following % lanes, LANE_KIND] == CROSSWALK
    if waits and _waits(f, k, b, i, following % lanes, ignores, links, signals):
        speed = min(speed, math.sqrt(2.0 * max(rest - ARRIVED - 0.2, 0.0)))
    return way, speed


@kernel
def _waits(f, k, b, i, lane, ignores, links, signals):
    """Whether someone waits at the kerb: for green, or for a vehicle that could not stop."""
    signal = links[lane, LANE_SIGNAL]
    if signal >= 0:
        return signals[signal] != GREEN and not ignores & IGNORES_SIGNALS
    if ignores & IGNORES_PRIORITY:
        return False
    for j in range(f.shape[1]):
        if not b[VALID, j] or on_foot(k[KIND, j]) or f[SPEED, j] < 0.5:
            continue
        dx, dy = f[X, i] - f[X, j], f[Y, i] - f[Y, j]
        ahead = dx * f[COS, j] + dy * f[SIN, j] - f[HALF_LENGTH, j]
        side = abs(dy * f[COS, j] - dx * f[SIN, j])
        braking = f[SPEED, j] * f[SPEED, j] / (2.0 * max(ahead, 0.1))
        soon = -2.0 < ahead < CROSSING_TIME * f[SPEED, j]
        if soon and side < 8.0 and braking > CROSSING_STOP:
            return True
    return False


@kernel
def straight_walk(f, k, i, maneuvers):
    """Turn to a WALK's heading and give the next velocity; it stops after its distance [m/s]."""
    way, distance = walking_angle(i, k[SLOT, i], maneuvers)
    rate = float(f[COMMAND_RATE, i]) if f[COMMAND_RATE, i] > 0.0 else math.inf
    before, rest = float(f[SPEED, i]), distance - f[WALKED, i]
    brake = rate if rate < math.inf else LIMITS[k[KIND, i], 0]
    speed = min(float(f[COMMAND, i]), math.sqrt(2.0 * brake * max(rest - 0.5 * before * DT, 0.0)))
    speed = min(max(speed, before - brake * DT), before + rate * DT)
    f[YAW, i] = wrap(way)
    f[COS, i], f[SIN, i] = math.cos(way), math.sin(way)
    f[WALKED, i] += 0.5 * (before + speed) * DT
    return speed * f[COS, i], speed * f[SIN, i]


@kernel
def stopping(f, k, i):
    """Velocity of someone on foot who stops [m/s]."""
    speed = max(f[SPEED, i] - LIMITS[k[KIND, i], 0] * DT, 0.0)
    return speed * f[COS, i], speed * f[SIN, i]
