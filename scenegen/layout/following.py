"""Motion codes driven along in compiled code, agent by agent; the same as motion.integrate."""

from __future__ import annotations

from functools import lru_cache

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.layout.motion import DURATION, operators
from scenegen.scene.plans import KNOTS
from scenegen.scene.scenario import STEP


@lru_cache(maxsize=1)
def rates() -> FloatArray:
    """Give the matrices of a motion code, see motion.Operators, stacked, (4, steps, KNOTS)."""
    return np.stack(operators(round(DURATION / STEP)))


@nb.njit(cache=True)
def follow(pose, knots, matrices):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Drive along a motion code as motion.integrate does.

    Args:
        pose: x [m], y [m], yaw [rad] and speed [m/s], shape (4,).
        knots: The motion code, shape (KNOTS, 2).
        matrices: From `rates`.

    Returns:
        The same four numbers at every instant, the start included, shape (steps + 1, 4).
    """
    steps = matrices.shape[1]
    out = np.empty((steps + 1, 4))
    x, y, yaw, speed = float(pose[0]), float(pose[1]), float(pose[2]), float(pose[3])
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = x, y, yaw, speed
    for t in range(steps):
        turn, total, heading, way, gain = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(KNOTS):
            a, r = knots[k, 0], knots[k, 1]
            turn += STEP * r * matrices[0, t, k]
            total += r * matrices[1, t, k]
            gain += a * matrices[1, t, k]
            heading += r * matrices[2, t, k]
            way += a * matrices[3, t, k]
        half = 0.5 * turn
        chord = (speed * STEP + way) * (np.sin(half) / half if abs(half) > 1e-9 else 1.0)
        x += chord * np.cos(yaw + heading)
        y += chord * np.sin(yaw + heading)
        out[t + 1, 0], out[t + 1, 1] = x, y
        out[t + 1, 2], out[t + 1, 3] = yaw + total, speed + gain
    return out
