"""Surrogate safety measures in closed form: how close a moment came to a crash.

Every function is pure, works in float64 on arrays of any shape and broadcasts. `gap` is always
the bumper-to-bumper distance along the path [m], zero or less meaning contact; `closing` is the
rate at which it shrinks [m/s], negative while it opens.
"""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray

RSS_RESPONSE = 0.5
"""Response time of the rear vehicle in RSS [s] (Shalev-Shwartz et al. 2017, sec. 3)."""
RSS_ACCELERATION = 3.5
"""Largest acceleration of the rear vehicle during its response [m/s^2] (Naumann et al. 2021)."""
RSS_BRAKE_LEAST = 4.0
"""Braking that the rear vehicle will at least apply [m/s^2] (Shalev-Shwartz et al. 2017)."""
RSS_BRAKE_MOST = 8.0
"""Braking that the front vehicle can at most apply [m/s^2] (Shalev-Shwartz et al. 2017)."""


def time_to_collision(gap: FloatArray, closing: FloatArray) -> FloatArray:
    """Time until contact if both road users keep their speed (Hayward, 1972).

    Args:
        gap: Bumper-to-bumper distance [m], shape (...). Zero or less means contact.
        closing: Rate at which the gap shrinks [m/s], shape (...).

    Returns:
        Time to collision [s], shape (...): inf where the gap is not closing, 0 at contact.

    >>> time_to_collision(np.array([30.0, 30.0, 0.0]), np.array([20.0, -1.0, -1.0])).tolist()
    [1.5, inf, 0.0]
    """
    gap, closing = _as_float(gap, closing)
    return np.where(gap <= 0, 0.0, _divide(gap, closing))


def modified_time_to_collision(
    gap: FloatArray, closing: FloatArray, closing_acceleration: FloatArray
) -> FloatArray:
    """Time until contact if both road users keep their acceleration (Ozbay et al. 2008).

    The smallest positive root of ``gap = closing t + closing_acceleration t^2 / 2``; a road user
    that would come to rest is taken to go on into reverse, as in the source.

    Args:
        gap: Bumper-to-bumper distance [m], shape (...).
        closing: Rate at which the gap shrinks [m/s], shape (...).
        closing_acceleration: Acceleration of the rear minus that of the front [m/s^2], shape (...).

    Returns:
        Time to contact [s], shape (...): inf without contact, 0 at contact.
    """
    gap, closing, rate = _as_float(gap, closing, closing_acceleration)
    inside = closing**2 + 2.0 * rate * gap
    # gap > 0: the stable form 2 gap / (closing + root) keeps its digits where rate is near 0, and
    # gives the first contact whatever the sign of rate; not positive means there is none.
    below = closing + np.sqrt(np.maximum(inside, 0.0))
    time = np.where(inside >= 0, _divide(2.0 * gap, below), np.inf)
    return np.where(gap <= 0, 0.0, time)


def time_headway(gap: FloatArray, speed: FloatArray) -> FloatArray:
    """Time the follower needs to reach where the leader's rear bumper is now.

    Args:
        gap: Bumper-to-bumper distance [m], shape (...).
        speed: Speed of the follower [m/s], shape (...).

    Returns:
        Time headway [s], shape (...): inf where the follower does not advance, 0 at contact.
    """
    gap, speed = _as_float(gap, speed)
    return np.where(gap <= 0, 0.0, _divide(gap, speed))


def deceleration_to_avoid_crash(gap: FloatArray, closing: FloatArray) -> FloatArray:
    """Deceleration rate to avoid a crash, DRAC: constant braking that just closes the gap to zero.

    ``closing^2 / (2 gap)`` with a leader that keeps its speed (Cooper and Ferguson, 1976; with the
    factor 2 of kinematics as in Archer, 2005).

    Args:
        gap: Bumper-to-bumper distance [m], shape (...).
        closing: Rate at which the gap shrinks [m/s], shape (...).

    Returns:
        Deceleration [m/s^2], shape (...), >= 0: 0 where the gap is not closing, inf at contact.
    """
    gap, closing = _as_float(gap, closing)
    need = _divide(np.maximum(closing, 0.0) ** 2, 2.0 * gap)
    return np.where(gap <= 0, np.inf, np.where(closing > 0, need, 0.0))


def required_deceleration(
    gap: FloatArray, speed: FloatArray, lead_speed: FloatArray, lead_acceleration: FloatArray
) -> FloatArray:
    """Constant braking that keeps the follower off a leader who keeps its acceleration.

    A braking leader stops and stays. If the speeds meet while it still moves, the relative motion
    decides: ``closing^2 / (2 gap) - lead_acceleration``; otherwise the follower has to stop within
    the gap and the leader's braking distance (Brannstrom et al. 2008).

    Args:
        gap: Bumper-to-bumper distance [m], shape (...).
        speed: Speed of the follower [m/s], >= 0, shape (...).
        lead_speed: Speed of the leader [m/s], >= 0, shape (...).
        lead_acceleration: Acceleration of the leader [m/s^2], negative while it brakes.

    Returns:
        Deceleration [m/s^2], shape (...), >= 0: 0 where no braking is needed, inf at contact.
    """
    gap, speed, lead_speed, acceleration = _as_float(gap, speed, lead_speed, lead_acceleration)
    brake = np.maximum(-acceleration, 0.0)
    closing = speed - lead_speed
    moving = np.maximum(_divide(closing**2, 2.0 * gap) - acceleration, 0.0)
    distance = gap + np.where(brake > 0, _divide(lead_speed**2, 2.0 * brake), 0.0)
    stopping = _divide(speed**2, 2.0 * distance)
    meets = np.where(closing > 0, _divide(2.0 * gap, closing), np.inf)
    # A leader that does not brake never stops, also when it stands: then both forms agree.
    stops = np.where(brake > 0, _divide(lead_speed, brake, at_zero=0.0), np.inf)
    need = np.where(meets <= stops, np.where(closing > 0, moving, 0.0), stopping)
    return np.where(gap <= 0, np.inf, need)


def time_exposed(ttc: FloatArray, threshold: float, step: float) -> FloatArray:
    """Time exposed time to collision, TET: how long TTC stays below a threshold.

    Minderhoud and Bovy (2001), eq. 3, on instants `step` apart.

    Args:
        ttc: Time to collision over time [s], shape (T, ...).
        threshold: Critical time to collision [s].
        step: Time between instants [s].

    Returns:
        Exposed time [s], shape (...).
    """
    return np.sum(np.asarray(ttc) < threshold, axis=0) * np.float64(step)


def time_integrated(ttc: FloatArray, threshold: float, step: float) -> FloatArray:
    """Time integrated time to collision, TIT: how long and how far TTC stays below a threshold.

    Minderhoud and Bovy (2001), eq. 6, on instants `step` apart.

    Args:
        ttc: Time to collision over time [s], shape (T, ...).
        threshold: Critical time to collision [s].
        step: Time between instants [s].

    Returns:
        Integral of the shortfall [s^2], shape (...).
    """
    shortfall = np.maximum(threshold - np.asarray(ttc, np.float64), 0.0)
    return shortfall.sum(axis=0) * np.float64(step)


def rss_longitudinal_distance(
    rear_speed: FloatArray,
    front_speed: FloatArray,
    *,
    response: float = RSS_RESPONSE,
    acceleration: float = RSS_ACCELERATION,
    brake_least: float = RSS_BRAKE_LEAST,
    brake_most: float = RSS_BRAKE_MOST,
) -> FloatArray:
    """Safe longitudinal distance, same direction (RSS; Shalev-Shwartz et al. 2017, lemma 2).

    Args:
        rear_speed: Speed of the rear vehicle [m/s], shape (...).
        front_speed: Speed of the front vehicle [m/s], shape (...).
        response: Response time of the rear vehicle [s].
        acceleration: Largest acceleration of the rear vehicle during its response [m/s^2].
        brake_least: Braking that the rear vehicle will at least apply afterwards [m/s^2].
        brake_most: Braking that the front vehicle can at most apply [m/s^2].

    Returns:
        Distance [m], shape (...), >= 0.
    """
    rear, front = _as_float(rear_speed, front_speed)
    rear, front = np.maximum(rear, 0.0), np.maximum(front, 0.0)
    peak = rear + response * acceleration
    distance = (
        rear * response
        + acceleration * response**2 / 2.0
        + peak**2 / (2.0 * brake_least)
        - front**2 / (2.0 * brake_most)
    )
    return np.maximum(distance, 0.0)


def _as_float(*values: FloatArray) -> tuple[FloatArray, ...]:
    return tuple(np.asarray(value, np.float64) for value in values)


def _divide(above: FloatArray, below: FloatArray, at_zero: float = np.inf) -> FloatArray:
    """Give above / below where below > 0, else `at_zero`."""
    above, below = np.broadcast_arrays(above, below)
    out = np.full(above.shape, at_zero)
    # A subnormal divisor may overflow to inf, which is the right answer: never.
    with np.errstate(over="ignore"):
        np.divide(above, below, out=out, where=below > 0)
    return out
