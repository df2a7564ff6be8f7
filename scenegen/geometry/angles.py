"""Angles in radians."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray


def wrap_angle(angle: FloatArray) -> FloatArray:
    """Map angles to (-pi, pi].

    Args:
        angle: Angles [rad], shape (...).

    Returns:
        The same directions [rad], shape (...), in (-pi, pi].

    >>> float(wrap_angle(np.array(3 * np.pi))) == np.pi
    True
    """
    return np.pi - np.mod(np.pi - np.asarray(angle), 2 * np.pi)


def unwrap_time(yaw: FloatArray) -> FloatArray:
    """Remove the jumps of 2 pi along the first axis.

    Args:
        yaw: Headings over time [rad], shape (T, ...).

    Returns:
        Continuous headings [rad], shape (T, ...).
    """
    return np.unwrap(yaw, axis=0)
