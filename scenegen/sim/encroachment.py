"""Conflicts of boxes in the plane: time to contact, miss distance, post-encroachment time."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, check_shape
from scenegen.geometry.angles import unwrap_time

RESOLUTION = 0.02
"""Steps at which post-encroachment times are searched [s]."""


def time_to_contact(
    position_a: FloatArray,
    velocity_a: FloatArray,
    yaw_a: FloatArray,
    size_a: FloatArray,
    position_b: FloatArray,
    velocity_b: FloatArray,
    yaw_b: FloatArray,
    size_b: FloatArray,
) -> FloatArray:
    """Time until two oriented boxes first touch if both keep velocity and heading (2D TTC).

    Exact: on each of the four separating axes the boxes overlap during one interval of time, and
    they touch while all four intervals do. Equals `time_to_collision` on a common heading.

    Args:
        position_a: Box centres [m], shape (..., 2); all arguments broadcast.
        velocity_a: Velocities in the map frame [m/s], shape (..., 2).
        yaw_a: Headings [rad], shape (...).
        size_a: Length and width [m], shape (..., 2 or more).
        position_b: Centres of the other boxes [m], shape (..., 2).
        velocity_b: Their velocities [m/s], shape (..., 2).
        yaw_b: Their headings [rad], shape (...).
        size_b: Their length and width [m], shape (..., 2 or more).

    Returns:
        Time [s], shape (...): 0 where they touch now, inf where they never do.
    """
    apart, speed, reach = separating_axes(
        np.subtract(position_b, position_a, dtype=np.float64),
        np.subtract(velocity_b, velocity_a, dtype=np.float64),
        yaw_a,
        size_a,
        yaw_b,
        size_b,
    )
    return first_contact(apart, speed, reach)


def separating_axes(
    offset: FloatArray,
    velocity: FloatArray,
    yaw_a: FloatArray,
    size_a: FloatArray,
    yaw_b: FloatArray,
    size_b: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Project a pair of boxes on the four axes of their sides.

    Args:
        offset: Centre of the second box minus that of the first [m], shape (..., 2).
        velocity: Velocity of the second minus that of the first [m/s], shape (..., 2).
        yaw_a: Headings of the first [rad], shape (...).
        size_a: Length and width of the first [m], shape (..., 2 or more).
        yaw_b: Headings of the second [rad], shape (...).
        size_b: Length and width of the second [m], shape (..., 2 or more).

    Returns:
        Offset [m], speed [m/s] and reach [m] on each axis, shape (4, ...): the boxes overlap at
        time t where ``abs(offset + speed t) <= reach`` on all four.
    """
    yaw_a, yaw_b = np.asarray(yaw_a, np.float64), np.asarray(yaw_b, np.float64)
    ca, sa, cb, sb = np.cos(yaw_a), np.sin(yaw_a), np.cos(yaw_b), np.sin(yaw_b)
    cos, sin = np.abs(ca * cb + sa * sb), np.abs(ca * sb - sa * cb)
    size_a, size_b = np.asarray(size_a, np.float64), np.asarray(size_b, np.float64)
    la, wa, lb, wb = size_a[..., 0], size_a[..., 1], size_b[..., 0], size_b[..., 1]
    x, y, u, v = offset[..., 0], offset[..., 1], velocity[..., 0], velocity[..., 1]
    reach = (
        la + lb * cos + wb * sin,
        wa + lb * sin + wb * cos,
        lb + la * cos + wa * sin,
        wb + la * sin + wa * cos,
    )
    along = (x * ca + y * sa, y * ca - x * sa, x * cb + y * sb, y * cb - x * sb)
    speed = (u * ca + v * sa, v * ca - u * sa, u * cb + v * sb, v * cb - u * sb)
    stacked = np.stack(np.broadcast_arrays(*along, *speed, *reach))
    return stacked[:4], stacked[4:8], stacked[8:] / 2.0


def first_contact(apart: FloatArray, speed: FloatArray, reach: FloatArray) -> FloatArray:
    """Solve ``abs(apart + speed t) <= reach`` on all axes for the first t >= 0.

    Args:
        apart: Offsets on each axis [m], shape (K, ...).
        speed: Rates of change [m/s], shape (K, ...).
        reach: Half extents [m], shape (K, ...).

    Returns:
        Time [s], shape (...): 0 where it holds now, inf where it never does.
    """
    still = speed == 0
    # An axis without relative motion is open for ever or never.
    with np.errstate(over="ignore"):
        rate = 1.0 / np.where(still, 1.0, np.abs(speed))
        begin = (-apart * np.sign(speed) - reach) * rate
        end = (-apart * np.sign(speed) + reach) * rate
    inside = np.abs(apart) <= reach
    begin = np.where(still, np.where(inside, -np.inf, np.inf), begin)
    end = np.where(still, np.where(inside, np.inf, -np.inf), end)
    enter, leave = begin.max(axis=0), end.min(axis=0)
    touches_now = inside.all(axis=0)
    later = np.where((enter <= leave) & (leave >= 0), np.maximum(enter, 0.0), np.inf)
    return np.where(touches_now, 0.0, later)


def post_encroachment_time(
    position_a: FloatArray,
    yaw_a: FloatArray,
    size_a: FloatArray,
    position_b: FloatArray,
    yaw_b: FloatArray,
    size_b: FloatArray,
    times: FloatArray,
    resolution: float = RESOLUTION,
) -> float:
    """Time between one road user leaving a spot and the other reaching it (PET; Allen et al. 1978).

    The smallest over all spots that both boxes cover in turn. For two boxes that cross at a right
    angle it is ``t_enter(second) - t_leave(first)`` of the conflict area; unlike that area it is
    also defined for road users on one path, where it is the time gap between the bumpers.
    Positions are interpolated linearly between instants and searched at `resolution`, so that
    the result is at most two of these steps too long.

    Args:
        position_a: Centres of the first box over time [m], shape (T, 2).
        yaw_a: Its headings [rad], shape (T,).
        size_a: Its length and width [m], shape (2 or more,).
        position_b: Centres of the second box over time [m], shape (T, 2).
        yaw_b: Its headings [rad], shape (T,).
        size_b: Its length and width [m], shape (2 or more,).
        times: Times of the instants [s], shape (T,), increasing.
        resolution: Steps of the search [s].

    Returns:
        Time [s]: 0 where the boxes touch, inf where they share no spot.
    """
    count = len(times)
    for name, path, yaw in (("a", position_a, yaw_a), ("b", position_b, yaw_b)):
        check_shape(f"position_{name}", path, count, 2)
        check_shape(f"yaw_{name}", yaw, count)
    if count == 0:
        return math.inf
    steps = max(1, round(float(times[-1] - times[0]) / resolution) + 1)
    fine = np.linspace(times[0], times[-1], steps)
    path_a = _resampled(position_a, yaw_a, times, fine)
    path_b = _resampled(position_b, yaw_b, times, fine)
    half_a = np.asarray(size_a, np.float64)[:2] / 2.0
    half_b = np.asarray(size_b, np.float64)[:2] / 2.0
    reach = float(np.hypot(*half_a) + np.hypot(*half_b))
    a, b = path_a[:, :2], path_b[:, :2]
    if (a.min(0) - reach > b.max(0)).any() or (b.min(0) - reach > a.max(0)).any():
        return math.inf
    lag = int(_smallest_lag(path_a, half_a, path_b, half_b))
    return lag * float(fine[1] - fine[0]) if lag > 0 else (0.0 if lag == 0 else math.inf)


def _resampled(
    position: FloatArray, yaw: FloatArray, times: FloatArray, fine: FloatArray
) -> FloatArray:
    """Rows x, y, cos, sin at the fine times."""
    heading = np.interp(fine, times, unwrap_time(np.asarray(yaw, np.float64)))
    x, y = (np.interp(fine, times, np.asarray(position, np.float64)[:, k]) for k in (0, 1))
    return np.stack([x, y, np.cos(heading), np.sin(heading)], -1)


@nb.njit(cache=True)
def _smallest_lag(path_a, half_a, path_b, half_b):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Fewest steps between the two boxes covering one spot, -1 if they never do."""
    count = len(path_a)
    reach = np.sqrt(half_a[0] ** 2 + half_a[1] ** 2) + np.sqrt(half_b[0] ** 2 + half_b[1] ** 2)
    for lag in range(count):
        for k in range(count - lag):
            if _touch(path_a, k, half_a, path_b, k + lag, half_b, reach):
                return lag
            if lag > 0 and _touch(path_a, k + lag, half_a, path_b, k, half_b, reach):
                return lag
    return -1


@nb.njit(cache=True)
def _touch(path_a, i, half_a, path_b, j, half_b, reach):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Whether box i of one path and box j of the other, rows x, y, cos, sin, share a point."""
    dx, dy = path_b[j, 0] - path_a[i, 0], path_b[j, 1] - path_a[i, 1]
    if abs(dx) > reach or abs(dy) > reach:
        return False
    ca, sa, cb, sb = path_a[i, 2], path_a[i, 3], path_b[j, 2], path_b[j, 3]
    cos, sin = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    return (
        abs(dx * ca + dy * sa) <= half_a[0] + half_b[0] * cos + half_b[1] * sin
        and abs(dy * ca - dx * sa) <= half_a[1] + half_b[0] * sin + half_b[1] * cos
        and abs(dx * cb + dy * sb) <= half_b[0] + half_a[0] * cos + half_a[1] * sin
        and abs(dy * cb - dx * sb) <= half_b[1] + half_a[0] * sin + half_a[1] * cos
    )
