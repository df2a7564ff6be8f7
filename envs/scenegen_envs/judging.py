"""What a step was worth: reward, and the record of the episode so far."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from scenegen.scene import EGO
from scenegen.scene.scenario import STEP
from scenegen.sim import fields
from scenegen.sim.compiled import kernel

_F = np.float32
_STEP, _ZERO, _HALF, _PER_4 = _F(STEP), _F(0.0), _F(0.5), _F(0.25)


@kernel
def judge(low, high, state, map_of, roads, weights, reward, record):
    """Give the reward of the last step and bring the records up to date.

    Args:
        low: First world.
        high: World after the last.
        state: Blocks of the simulator: floats, ints, flags, signals, start.
        map_of: Map of every start.
        roads: RoadTables.
        weights: RewardConfig.weights().
        reward: Where to write, shape (W, C).
        record: min_ttc [s], distance [m], harmed, each of shape (W,); the ego's.
    """
    floats, ints, flags, _, start = state
    min_ttc, distance, harmed = record
    for world in range(low, high):
        f, n, g = floats[world], ints[world], flags[world]
        first = roads.lane_first[map_of[start[world]]]
        for i in range(reward.shape[1]):
            reward[world, i] = _ZERO
            if g[fields.VALID, i]:
                reward[world, i] = _worth(f, n, g, i, first, roads, weights)
        min_ttc[world] = min(min_ttc[world], f[fields.TTC, EGO])
        distance[world] += abs(f[fields.SPEED, EGO]) * _STEP
        if g[fields.COLLIDED, EGO] or g[fields.OFFROAD, EGO]:
            harmed[world] = True


@kernel
def _worth(f, n, g, i, first, roads, weights):
    lane = n[fields.LANE, i]
    speed = f[fields.SPEED, i]
    along, over = _ZERO, _ZERO
    if lane >= 0:
        along = speed * _F(np.cos(f[fields.HEADING_ERROR, i])) * _STEP
        limit = roads.lane[first + lane, 1]
        over = max(_ZERO, speed - limit) / limit
    forward = f[fields.ACCELERATION, i] * _PER_4
    sideways = speed * f[fields.YAW_RATE, i] * _PER_4
    worth = weights[0] * along
    worth -= weights[1] * _F(g[fields.COLLIDED, i])
    worth -= weights[2] * _F(g[fields.OFFROAD, i])
    worth -= weights[3] * _HALF * (forward * forward + sideways * sideways)
    return worth - weights[4] * over
