"""Criticality between agents of one struct of states: gap, closing speed, TTC, headway.

The first agent `i` is the follower, the second `j` what it may run into. j is *on the path* of i
where its box lies before i's front bumper and reaches into the corridor that i's box sweeps
straight ahead. `i` and `j` index the last axis of the states and broadcast: two integers give
shape (...), two arrays of shape (K,) give (..., K). Where a slot is empty, nothing is near: gap
and times are inf, speeds 0.
"""

from __future__ import annotations

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.geometry.boxes import box_distance
from scenegen.scene import AgentStates
from scenegen.sim import pair_kernels
from scenegen.sim.criticality import deceleration_to_avoid_crash, time_headway

Index = int | IntArray


def gap(states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Bumper-to-bumper distance from i to j along i's heading.

    Args:
        states: States, leading shape (..., N).
        i: Index of the follower.
        j: Index of the leader.

    Returns:
        Distance [m], shape (...): 0 where the boxes overlap, inf where j is not on i's path.
    """
    return _nowhere(pair_kernels.gap(*_boxes(states, i, j)), states, i, j)


def closing(states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Speed of i minus that of j, both along i's heading.

    Args:
        states: States, leading shape (..., N).
        i: Index of the follower.
        j: Index of the leader.

    Returns:
        Closing speed [m/s], shape (...): positive while i catches up with j; 0 where a slot is
        empty.
    """
    i, j = _aligned(i, j)
    turn = _take(states.yaw, j) - _take(states.yaw, i)
    speed = _take(states.speed, i) - _take(states.speed, j) * np.cos(turn)
    return np.where(both_valid(states, i, j), speed, 0.0)


def ttc(states: AgentStates, i: Index, j: Index, horizon: float = np.inf) -> FloatArray:
    """Time to collision of i with j if both keep velocity and heading.

    Longitudinal (gap over closing speed; Hayward, 1972) where j is on i's path; elsewhere the
    first contact of the two boxes in the plane.

    Args:
        states: States, leading shape (..., N).
        i: Index of the follower.
        j: Index of the other.
        horizon: Longest time that is looked ahead [s].

    Returns:
        Time [s], shape (...): 0 on overlap, inf where there is no contact within the horizon.
    """
    with np.errstate(all="ignore"):
        time = pair_kernels.ttc(*_boxes(states, i, j, moving=True))
    return _nowhere(np.where(time <= horizon, time, np.inf), states, i, j)


def ttc_shortfall(
    states: AgentStates, i: Index, j: Index, threshold: FloatArray | float
) -> FloatArray:
    """Finite margin of ``ttc(i, j) < threshold``: positive exactly where it holds.

    On i's path ``threshold * closing - gap``; elsewhere, where the boxes are going to touch,
    relative speed times (threshold - TTC), and where they never do, minus the distance between
    the boxes when their centres pass nearest. It grows with the threshold. Unlike TTC itself it
    has no infinity, so it can be compared, averaged and differentiated.

    Args:
        states: States, leading shape (..., N).
        i: Index of the follower.
        j: Index of the other.
        threshold: Time the TTC is compared with [s], shape (...) or one number.

    Returns:
        Margin [m], shape (...); -inf where a slot is empty.
    """
    with np.errstate(all="ignore"):
        margin = pair_kernels.ttc_shortfall(*_boxes(states, i, j, moving=True), threshold)
    return np.where(both_valid(states, i, j), margin, -np.inf)


def thw(states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Time headway of i behind j: gap over i's speed, to j's rear bumper.

    Args:
        states: States, leading shape (..., N).
        i: Index of the follower.
        j: Index of the leader.

    Returns:
        Headway [s], shape (...): inf where j is not on i's path or i does not advance.
    """
    i, j = _aligned(i, j)
    return time_headway(gap(states, i, j), _take(states.speed, i))


def drac(states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Deceleration rate that i needs to avoid a crash with j on its path.

    Args:
        states: States, leading shape (..., N).
        i: Index of the follower.
        j: Index of the leader.

    Returns:
        Deceleration [m/s^2], shape (...): 0 where none is needed, inf at contact.
    """
    return deceleration_to_avoid_crash(gap(states, i, j), closing(states, i, j))


def distance(states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Shortest distance between the outlines of i and j.

    Args:
        states: States, leading shape (..., N).
        i: Index of one agent.
        j: Index of the other.

    Returns:
        Distance [m], shape (...): 0 on overlap, inf where a slot is empty.
    """
    i, j = _aligned(i, j)
    boxes = [
        (
            np.asarray(states.position, np.float64)[..., k, :],
            _take(states.yaw, k),
            np.asarray(states.size, np.float64)[..., k, :],
        )
        for k in (i, j)
    ]
    return np.where(both_valid(states, i, j), box_distance(*boxes[0], *boxes[1]), np.inf)


def separation(states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Separation of the boxes of i and j on their widest axis.

    Args:
        states: States, leading shape (..., N).
        i: Index of one agent.
        j: Index of the other.

    Returns:
        Separation [m], shape (...): 0 where they touch, minus the penetration depth where they
        overlap, inf where a slot is empty.
    """
    return _nowhere(pair_kernels.separation(*_boxes(states, i, j)), states, i, j)


def both_valid(states: AgentStates, i: Index, j: Index) -> BoolArray:
    """Whether both slots are filled, shape (...)."""
    i, j = _aligned(i, j)
    return states.valid[..., i] & states.valid[..., j]


def _nowhere(values: FloatArray, states: AgentStates, i: Index, j: Index) -> FloatArray:
    """Put inf where a slot is empty."""
    return np.where(both_valid(states, i, j), values, np.inf)


def _boxes(states: AgentStates, i: Index, j: Index, moving: bool = False) -> tuple[FloatArray, ...]:
    """Columns of both boxes as the kernels take them, with speeds if `moving`."""
    position, size = states.position, states.size
    yaw = np.asarray(states.yaw, np.float64)
    columns = [position[..., 0], position[..., 1], np.cos(yaw), np.sin(yaw)]
    columns += [size[..., 0], size[..., 1]]
    if moving:
        columns.append(states.speed)
    i, j = _aligned(i, j)
    return tuple(_take(column, k) for k in (i, j) for column in columns)


def _aligned(i: Index, j: Index) -> tuple[IntArray, IntArray]:
    """Index arrays of equally many axes, so that what they take out broadcasts."""
    i, j = np.asarray(i), np.asarray(j)
    rank = max(i.ndim, j.ndim)
    return i.reshape((1,) * (rank - i.ndim) + i.shape), j.reshape((1,) * (rank - j.ndim) + j.shape)


def _take(values: FloatArray, index: Index) -> FloatArray:
    return np.asarray(values, np.float64)[..., index]
