"""Closed forms that aim a script: when a sideways move or a walk has come how far."""

from __future__ import annotations

import math

import numpy as np


def lane_change_duration(displacement: float, peak_speed: float) -> float:
    """Time a sideways move takes.

    The simulator moves along the cycloid y(u) = D (u - sin(2 pi u) / (2 pi)) with u = t / T, whose
    peak lateral speed is 2 D / T.

    Args:
        displacement: Sideways distance D [m], any sign.
        peak_speed: Peak lateral speed [m/s], positive.

    Returns:
        Duration T [s].
    """
    return 2.0 * abs(displacement) / peak_speed


def time_to_shift(displacement: float, peak_speed: float, shift: float) -> float:
    """Time into a sideways move at which a part of it is done; see `lane_change_duration`.

    Args:
        displacement: Whole sideways distance [m], any sign.
        peak_speed: Peak lateral speed [m/s], positive.
        shift: Distance of interest [m]; cut to 0 .. |displacement|.

    Returns:
        Time since the move began [s].
    """
    whole = abs(displacement)
    if whole <= 0:
        return 0.0
    u = np.linspace(0.0, 1.0, 2001)
    done = u - np.sin(2.0 * np.pi * u) / (2.0 * np.pi)
    share = float(np.interp(min(max(shift / whole, 0.0), 1.0), done, u))
    return lane_change_duration(whole, peak_speed) * share


def time_to_walk(distance: float, speed: float, acceleration: float) -> float:
    """Time to cover a distance from a standstill, speeding up evenly to a walking speed.

    Args:
        distance: Distance to cover [m].
        speed: Final speed [m/s].
        acceleration: Acceleration [m/s^2].

    Returns:
        Time [s].
    """
    run_up = speed**2 / (2.0 * acceleration)
    if distance <= run_up:
        return math.sqrt(2.0 * max(distance, 0.0) / acceleration)
    return distance / speed + speed / (2.0 * acceleration)
