"""What an ego must not touch: the others' recorded motion and the edge of the road.

The checks are the simulator's own: oriented boxes at every instant of 0.1 s and half way between
(its `sim.collision`), and its look-up of the road's edge. A plan that passes here is replayed by
the simulator without collision.
"""
# ruff: noqa: ANN001, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.evaluate.contacts import touch
from scenegen.geometry.angles import unwrap_time
from scenegen.scene import EGO, AgentKind, RoadMap, Scenario
from scenegen.sim import fields
from scenegen.sim.baking import BakedMap, bake
from scenegen.sim.collision import leave_road

CHUNK = 8192
"""Poses whose place on the road is looked up together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Obstacles:
    """The others of a scenario from some instant on, and the road.

    Attributes:
        position: Box centres [m], shape (T, M, 2), float64.
        yaw: Headings, continuous over time [rad], shape (T, M).
        half: Half length and half width [m], shape (M, 2).
        valid: Whether each is there, shape (T, M).
        ego_half: Half length and half width of the ego [m], shape (2,).
        roadmap: The road.
    """

    position: FloatArray
    yaw: FloatArray
    half: FloatArray
    valid: BoolArray
    ego_half: FloatArray
    roadmap: RoadMap

    @classmethod
    def of(cls, scenario: Scenario, first: int) -> Self:
        """Take everybody but the ego from instant `first` on."""
        agents = scenario.agents[first:]
        others = np.arange(scenario.agents.count) != EGO
        size = scenario.agents.size.max(axis=0).astype(np.float64)
        return cls(
            position=np.ascontiguousarray(agents.position[:, others], np.float64),
            yaw=np.ascontiguousarray(unwrap_time(agents.yaw[:, others].astype(np.float64))),
            half=np.ascontiguousarray(size[others, :2] / 2),
            valid=np.ascontiguousarray(agents.valid[:, others]),
            ego_half=size[EGO, :2] / 2,
            roadmap=scenario.roadmap,
        )

    def first_contact(self, paths: FloatArray, margin: float = 0.0) -> IntArray:
        """First instant at which each path touches somebody, shape (P,); -1 if none.

        Args:
            paths: x, y, yaw, speed of the ego at each instant, shape (P, T, 4); yaw continuous.
            margin: Length and width added to half the ego's box on every side [m].
        """
        out = np.full(len(paths), -1, np.int64)
        half = self.ego_half + margin
        _contacts(paths, half, self.position, self.yaw, self.half, self.valid, out)
        return out

    def least_distance(self, path: FloatArray) -> float:
        """Least distance between the box of one path and the others' boxes [m], at 10 Hz."""
        from_centre = np.full(1, np.inf)
        _least(path, self.ego_half, self.position, self.yaw, self.half, self.valid, from_centre)
        return float(from_centre[0])

    def first_off_road(self, paths: FloatArray) -> IntArray:
        """First instant at which a part of the ego's box is off the road, shape (P,); -1: none."""
        steps = paths.shape[1]
        poses = paths.reshape(-1, 4)
        off = np.zeros(len(poses), np.bool_)
        road = _baked(self.roadmap)
        for low in range(0, len(poses), CHUNK):
            off[low : low + CHUNK] = self._off(poses[low : low + CHUNK], road)
        found = off.reshape(len(paths), steps)
        return np.where(found.any(1), found.argmax(1), -1)

    def _off(self, poses: FloatArray, road: BakedMap) -> BoolArray:
        count = len(poses)
        floats = np.zeros((len(fields.FLOATS), count), np.float32)
        ints = np.zeros((len(fields.INTS), count), np.int32)
        flags = np.zeros((len(fields.FLAGS), count), np.bool_)
        floats[fields.X], floats[fields.Y] = poses[:, 0], poses[:, 1]
        floats[fields.COS], floats[fields.SIN] = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        floats[fields.HALF_LENGTH], floats[fields.HALF_WIDTH] = self.ego_half
        ints[fields.KIND] = AgentKind.CAR
        flags[fields.VALID] = True
        leave_road(floats, ints, flags, road.edges, road.grid_head, road.cells, road.cell_items)
        return flags[fields.OFFROAD]


@lru_cache(maxsize=8)
def _baked(roadmap: RoadMap) -> BakedMap:
    return bake(roadmap)


@nb.njit(cache=True)
def _contacts(paths, ego, position, yaw, half, valid, out):
    radius = math.sqrt(ego[0] * ego[0] + ego[1] * ego[1])
    for p in range(len(paths)):
        for t in range(paths.shape[1]):
            if _hits(paths[p], t, ego, radius, position, yaw, half, valid):
                out[p] = t
                break


@nb.njit(cache=True)
def _hits(path, t, ego, radius, position, yaw, half, valid):
    """Whether the ego touches anybody at instant t or half a step before it."""
    for j in range(position.shape[1]):
        if not valid[t, j]:
            continue
        dx, dy = position[t, j, 0] - path[t, 0], position[t, j, 1] - path[t, 1]
        reach = radius + math.sqrt(half[j, 0] * half[j, 0] + half[j, 1] * half[j, 1])
        far = reach + 4.0
        if dx * dx + dy * dy > far * far:
            continue
        if touch(dx, dy, path[t, 2], yaw[t, j], ego[0], ego[1], half[j, 0], half[j, 1]):
            return True
        if t == 0 or not valid[t - 1, j]:
            continue
        mx = 0.5 * (dx + position[t - 1, j, 0] - path[t - 1, 0])
        my = 0.5 * (dy + position[t - 1, j, 1] - path[t - 1, 1])
        turn = 0.5 * (path[t, 2] + path[t - 1, 2])
        other = 0.5 * (yaw[t, j] + yaw[t - 1, j])
        if touch(mx, my, turn, other, ego[0], ego[1], half[j, 0], half[j, 1]):
            return True
    return False


@nb.njit(cache=True)
def _least(path, ego, position, yaw, half, valid, out):
    for t in range(len(path)):
        for j in range(position.shape[1]):
            if not valid[t, j]:
                continue
            dx, dy = position[t, j, 0] - path[t, 0], position[t, j, 1] - path[t, 1]
            if touch(dx, dy, path[t, 2], yaw[t, j], ego[0], ego[1], half[j, 0], half[j, 1]):
                out[0] = 0.0
                return
            a = _corner_distance(dx, dy, path[t, 2], yaw[t, j], ego, half[j])
            b = _corner_distance(-dx, -dy, yaw[t, j], path[t, 2], half[j], ego)
            out[0] = min(out[0], a, b)


@nb.njit(cache=True)
def _corner_distance(dx, dy, yaw_a, yaw_b, half_a, half_b):
    """Least distance from box a to the corners of box b, which lies at (dx, dy) from it."""
    ca, sa, cb, sb = math.cos(yaw_a), math.sin(yaw_a), math.cos(yaw_b), math.sin(yaw_b)
    best = np.inf
    for k in range(4):
        u = half_b[0] if k < 2 else -half_b[0]
        v = half_b[1] if k % 2 == 0 else -half_b[1]
        x, y = dx + cb * u - sb * v, dy + sb * u + cb * v
        px = max(abs(ca * x + sa * y) - half_a[0], 0.0)
        py = max(abs(ca * y - sa * x) - half_a[1], 0.0)
        best = min(best, math.sqrt(px * px + py * py))
    return best
