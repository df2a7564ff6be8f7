"""How long a lone driver takes along a path: the speed it keeps, less where curves bend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.paths import Path
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle

GRID = 0.5
"""Distance between the places at which speeds are worked out [m]."""
LATERAL_COMFORT = 2.5
"""Lateral acceleration at which drivers take a curve [m/s^2] (up to 3 in town; Reymond 2001)."""
APPROACH = 1.5
"""Deceleration towards a curve [m/s^2]."""
HARDEST = 4.0
"""Strongest braking for a curve [m/s^2]."""
PULL = 1.4
"""Acceleration out of a curve [m/s^2], the wanted one of an average driver."""
SETTLE = 0.5
"""Time by which a driver slows down before a curve [s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """Time and speed along a path.

    Attributes:
        along: Arc lengths [m], ascending, shape (G,).
        time: Time at which the driver is there [s], ascending, shape (G,).
        speed: Its speed there [m/s], shape (G,).
    """

    along: FloatArray
    time: FloatArray
    speed: FloatArray

    def when(self, along: float) -> float:
        """Time at an arc length [s]; beyond the ends at the speed of the end."""
        if along < self.along[0]:
            return float(self.time[0] - (self.along[0] - along) / self.speed[0])
        if along > self.along[-1]:
            return float(self.time[-1] + (along - self.along[-1]) / self.speed[-1])
        return float(np.interp(along, self.along, self.time))

    def pace(self, along: float) -> float:
        """Speed at an arc length [m/s]."""
        return float(np.interp(along, self.along, self.speed))

    def where(self, time: float) -> float:
        """Arc length at a time [m], the inverse of `when`."""
        if time < self.time[0]:
            return float(self.along[0] - (self.time[0] - time) * self.speed[0])
        if time > self.time[-1]:
            return float(self.along[-1] + (time - self.time[-1]) * self.speed[-1])
        return float(np.interp(time, self.time, self.along))


def lone_drive(path: Path, speed: float, begin: float = 0.0) -> Profile:
    """Work out when a driver who wants to keep a speed is where, if nobody is in the way.

    The speed in a curve is sqrt(LATERAL_COMFORT / curvature), as the simulated drivers take it;
    they slow down for it with APPROACH and speed up again with PULL (1 - (v / v0)^4), the free
    acceleration of the Intelligent Driver Model (Treiber et al. 2000, eq. 2).

    Args:
        path: Where it drives.
        speed: The speed it begins with and wants [m/s].
        begin: Arc length at which it begins [m].

    Returns:
        The profile; its times count from the begin.
    """
    along = np.append(np.arange(begin, path.length, GRID), path.length)
    allowed = np.minimum(_curve_speed(path, along), speed)
    for k in range(len(along) - 2, -1, -1):
        room = along[k + 1] - along[k]
        allowed[k] = min(allowed[k], float(np.sqrt(allowed[k + 1] ** 2 + 2.0 * APPROACH * room)))
    kept = allowed.copy()
    kept[0] = speed
    for k in range(1, len(along)):
        pull = PULL * max(1.0 - (kept[k - 1] / speed) ** 4, 0.0)
        room = along[k] - along[k - 1]
        fastest = min(allowed[k], float(np.sqrt(kept[k - 1] ** 2 + 2.0 * pull * room)))
        # Who begins too fast for a curve brakes as hard as drivers do for one.
        slowest = float(np.sqrt(max(kept[k - 1] ** 2 - 2.0 * HARDEST * room, 0.0)))
        kept[k] = max(fastest, slowest)
    step = np.diff(along) * 2.0 / (kept[1:] + kept[:-1])
    return Profile(along=along, time=np.concatenate([[0.0], np.cumsum(step)]), speed=kept)


def _curve_speed(path: Path, along: FloatArray) -> FloatArray:
    """Speed at which the curvature of a path is taken, at arc lengths [m/s]."""
    ends = np.stack([along - 1.0, along + 1.0]).clip(0.0, path.length)
    turned = wrap_angle(np.diff(polylines.heading_at(path.points, ends), axis=0)[0])
    curvature = np.abs(turned) / np.maximum(ends[1] - ends[0], GRID)
    return np.asarray(np.sqrt(LATERAL_COMFORT / np.maximum(curvature, 1e-4)))
