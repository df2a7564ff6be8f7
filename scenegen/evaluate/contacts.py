"""Who touches whom and when, and where everyone is on the road: kernels over many scenes."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.evaluate.scene_set import SceneSet
from scenegen.layout.tokens import POSITION_SCALE
from scenegen.scene import LaneKind

NEVER = -1
"""Step of a contact that does not happen."""
EVERY = 5
"""Instants between those at which the place on the road is looked up: 0.5 s."""
AGAINST = 3.0
"""Distance a heading against the lane costs when lanes overlap [m per rad], as scene.locate."""
REACH = 30.0
"""Lanes farther away than this are not looked at [m]; traffic goes 15 m between two looks."""
ON_LANE = 6.0
"""Lanes farther away than this are nobody's lane [m], as scene.lanes.REACH."""
_WIDTH = len(LaneKind) + 4
_WIDTH_MEAN, _WIDTH_SCALE = 3.5, 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoadPlaces:
    """Where agents are on the road, every EVERY instants; arrays of shape (S, K, A).

    The road is that of the map tokens: pieces of centrelines with a mean width.

    Attributes:
        offset: Distance from the nearest traffic lane's centreline [m]; inf if none is in reach.
        heading_error: Heading minus that of this lane [rad], in (-pi, pi]; 0 if none.
        clearance: Largest of half the width minus the distance over all drivable lanes [m]:
            negative where the centre is outside of all of them; -inf where none is in reach.
        covered: Whether the tokens can tell: they hold the lanes nearest to the ego, and the
            agent has not yet passed the end of the road, where simulated traffic leaves.
    """

    offset: FloatArray
    heading_error: FloatArray
    clearance: FloatArray
    covered: BoolArray


def first_contacts(scenes: SceneSet) -> IntArray:
    """First step at which the boxes of two agents touch, exact (separating axes), at 20 Hz.

    Returns:
        Steps of 0.1 s, shape (S, A, A), symmetric; a contact half way to an instant counts for
        it; NEVER without contact and on the diagonal.
    """
    agents = scenes.agents
    out = np.full((len(scenes), agents.count, agents.count), NEVER, np.int16)
    if len(scenes):
        half = agents.size[:, 0, :, :2].astype(np.float64) / 2
        path = np.ascontiguousarray(agents.position), np.ascontiguousarray(agents.yaw)
        _first_contacts(*path, half, np.ascontiguousarray(scenes.present), out)
    return out


def road_places(scenes: SceneSet) -> RoadPlaces:
    """Look up the place of every agent on the road."""
    position = np.ascontiguousarray(scenes.agents.position[:, ::EVERY])
    yaw = np.ascontiguousarray(scenes.agents.yaw[:, ::EVERY])
    shape = yaw.shape
    offset, error = np.full(shape, np.inf), np.zeros(shape)
    clearance, beyond = np.full(shape, -np.inf), np.zeros(shape, np.bool_)
    if len(scenes):
        attributes = scenes.road.attributes
        traffic = _any_of(attributes, [k for k in LaneKind if k.carries_traffic])
        drivable = _any_of(attributes, [k for k in LaneKind if k.is_drivable])
        half = (attributes[..., _WIDTH] * _WIDTH_SCALE + _WIDTH_MEAN) / 2
        points = np.ascontiguousarray(scenes.road.points[..., :2], np.float64) * POSITION_SCALE
        lanes = (points, traffic & scenes.road.valid, drivable & scenes.road.valid, half)
        present = np.ascontiguousarray(scenes.present)
        _places(position, yaw, present, lanes, (offset, error, clearance), beyond)
    return RoadPlaces(
        offset=offset,
        heading_error=error,
        clearance=clearance,
        covered=_covered(scenes, position)
        & scenes.present[:, None]
        & ~np.logical_or.accumulate(beyond, axis=1),
    )


def _any_of(attributes: FloatArray, kinds: list[LaneKind]) -> BoolArray:
    return np.asarray((attributes[..., [int(k) for k in kinds]] > 0.5).any(-1))


def _covered(scenes: SceneSet, position: FloatArray) -> BoolArray:
    """Whether a place is nearer to the ego than the first lane that was left out may be."""
    points = scenes.road.points[..., :2].astype(np.float64) * POSITION_SCALE
    nearest = np.hypot(points[..., 0], points[..., 1]).min(-1, initial=np.inf)  # (S, M)
    full = scenes.road.valid.all(-1)
    farthest = np.where(scenes.road.valid, nearest, 0.0).max(-1, initial=0.0)
    radius = np.where(full, farthest, np.inf)
    return np.asarray(np.hypot(position[..., 0], position[..., 1]) <= radius[:, None, None])


@nb.njit(cache=True)
def touch(dx, dy, turn_a, turn_b, la, wa, lb, wb):
    """Whether two boxes share a point; offset of b from a, headings, half lengths and widths."""
    ca, sa, cb, sb = math.cos(turn_a), math.sin(turn_a), math.cos(turn_b), math.sin(turn_b)
    cos, sin = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    return (
        abs(dx * ca + dy * sa) <= la + lb * cos + wb * sin
        and abs(dy * ca - dx * sa) <= wa + lb * sin + wb * cos
        and abs(dx * cb + dy * sb) <= lb + la * cos + wa * sin
        and abs(dy * cb - dx * sb) <= wb + la * sin + wa * cos
    )


@nb.njit(cache=True)
def _first_contacts(position, yaw, half, present, out):
    for s in range(position.shape[0]):
        for i in range(position.shape[2]):
            if not present[s, i]:
                continue
            for j in range(i + 1, position.shape[2]):
                if present[s, j]:
                    out[s, i, j] = _pair(position[s], yaw[s], half[s], i, j)
                    out[s, j, i] = out[s, i, j]


@nb.njit(cache=True)
def _pair(position, yaw, half, i, j):
    """First step at which agents i and j touch, -1 if they never do."""
    li, wi, lj, wj = half[i, 0], half[i, 1], half[j, 0], half[j, 1]
    reach = math.sqrt(li * li + wi * wi) + math.sqrt(lj * lj + wj * wj)
    px, py = 0.0, 0.0
    for t in range(position.shape[0]):
        dx = float(position[t, j, 0]) - position[t, i, 0]
        dy = float(position[t, j, 1]) - position[t, i, 1]
        if t > 0:
            mx, my = 0.5 * (dx + px), 0.5 * (dy + py)
            if mx * mx + my * my <= reach * reach:
                ti = 0.5 * (float(yaw[t, i]) + yaw[t - 1, i])
                tj = 0.5 * (float(yaw[t, j]) + yaw[t - 1, j])
                if touch(mx, my, ti, tj, li, wi, lj, wj):
                    return t
        if dx * dx + dy * dy <= reach * reach and touch(
            dx, dy, float(yaw[t, i]), float(yaw[t, j]), li, wi, lj, wj
        ):
            return t
        px, py = dx, dy
    return -1


@nb.njit(cache=True)
def _places(position, yaw, present, lanes, out, beyond):
    points, traffic, drivable, half = lanes
    count = points.shape[1]
    middle, radius = np.zeros((count, 2)), np.zeros(count)
    for s in range(position.shape[0]):
        for m in range(count):
            middle[m, 0] = 0.5 * (points[s, m, 0, 0] + points[s, m, -1, 0])
            middle[m, 1] = 0.5 * (points[s, m, 0, 1] + points[s, m, -1, 1])
            radius[m] = 0.0
            for p in range(points.shape[2]):
                dx, dy = points[s, m, p, 0] - middle[m, 0], points[s, m, p, 1] - middle[m, 1]
                radius[m] = max(radius[m], math.sqrt(dx * dx + dy * dy))
        road = (points[s], traffic[s], drivable[s], half[s], middle, radius)
        for k in range(position.shape[1]):
            for a in range(position.shape[2]):
                if not present[s, a]:
                    continue
                where = (float(position[s, k, a, 0]), float(position[s, k, a, 1]))
                found = _place(where, yaw[s, k, a], road)
                out[0][s, k, a], out[1][s, k, a], out[2][s, k, a] = found[0], found[1], found[2]
                beyond[s, k, a] = found[3]


@nb.njit(cache=True)
def _place(where, yaw, road):
    """Offset and heading error on the fitting traffic lane, clearance, and whether it is past."""
    points, traffic, drivable, half, middle, radius = road
    x, y = where
    best, offset, error, clearance = np.inf, np.inf, 0.0, -np.inf
    nearest, past = np.inf, False
    for m in range(len(points)):
        if not (traffic[m] or drivable[m]):
            continue
        ex, ey = x - middle[m, 0], y - middle[m, 1]
        near = radius[m] + REACH
        if ex * ex + ey * ey > near * near:
            continue
        distance, heading, ended = _nearest(points[m], x, y)
        if distance > REACH:
            continue
        if drivable[m]:
            clearance = max(clearance, half[m] - distance)
            if distance < nearest:
                nearest, past = distance, ended
        if traffic[m] and distance <= ON_LANE:
            turn = math.pi - (math.pi - (yaw - heading)) % (2.0 * math.pi)
            cost = distance + AGAINST * abs(turn)
            if cost < best:
                best, offset, error = cost, distance, turn
    return offset, error, clearance, past and clearance < 0.0


@nb.njit(cache=True)
def _nearest(line, x, y):
    """Distance to a polyline, its direction there, and whether the point lies past an end."""
    best, heading, ended = np.inf, 0.0, False
    last = len(line) - 2
    for p in range(len(line) - 1):
        ux, uy = line[p + 1, 0] - line[p, 0], line[p + 1, 1] - line[p, 1]
        length = ux * ux + uy * uy
        if length < 1e-12:
            continue
        dx, dy = x - line[p, 0], y - line[p, 1]
        forward = (dx * ux + dy * uy) / length
        share = min(1.0, max(0.0, forward))
        rx, ry = dx - share * ux, dy - share * uy
        distance = math.sqrt(rx * rx + ry * ry)
        if distance < best:
            best, heading = distance, math.atan2(uy, ux)
            outside = (p == 0 and forward < 0.0) or (p == last and forward > 1.0)
            # Past the end rather than beside it: the way on is longer than the way aside.
            along = abs(forward - share) * math.sqrt(length)
            ended = outside and along * along * 2.0 > distance * distance
    return best, heading, ended
