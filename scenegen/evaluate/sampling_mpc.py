"""A second planner of another kind: cross-entropy search over steering and acceleration."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.evaluate.lattice import Vehicle, feasible
from scenegen.evaluate.obstacles import Obstacles
from scenegen.scene.scenario import STEP

KNOTS, SAMPLES, ELITE, ROUNDS = 8, 192, 24, 12
"""Knots of a plan, plans per round, plans kept, and rounds per beginning."""
BEGINNINGS = ((-0.9, 0.0), (-0.3, 0.5), (-0.3, -0.5), (0.5, 0.0))
"""Mean shares of acceleration and curvature from which the search begins."""
SPREAD = 0.6
"""Deviation of the shares in the first round."""
MARGIN = 0.05
"""Distance kept to others [m]; the simulator computes in single precision."""


def search(
    obstacles: Obstacles,
    state: FloatArray,
    steps: int,
    vehicle: Vehicle,
    rng: np.random.Generator,
    *,
    road: bool = True,
) -> tuple[FloatArray | None, int]:
    """Look for a collision-free plan by the cross-entropy method (Rubinstein, 1999).

    Plans are linear interpolations of KNOTS shares of the largest acceleration, which builds up
    as a brake does, and curvature, driven along arcs. Each round draws plans around the best
    ones of the round before; the cost
    is how early a plan touches somebody or leaves the road, then its effort.

    Args:
        obstacles: The others from the instant on at which the ego begins to act.
        state: x, y, yaw, speed of the ego then.
        steps: Steps of 0.1 s to plan.
        vehicle: What it can do.
        rng: Random numbers.
        road: Whether leaving the road fails a plan.

    Returns:
        A plan as x, y, yaw, speed, shape (steps + 1, 4), or None; and the plans tried.
    """
    tried = 0
    for beginning in BEGINNINGS:
        mean = np.tile(np.array(beginning), (KNOTS, 1))
        spread = np.full((KNOTS, 2), SPREAD)
        for _ in range(ROUNDS):
            drawn = np.clip(rng.normal(mean, spread, (SAMPLES, KNOTS, 2)), -1.0, 1.0)
            paths = drive(state, drawn, steps, vehicle)
            tried += SAMPLES
            contact = obstacles.first_contact(paths, MARGIN)
            off = obstacles.first_off_road(paths) if road else np.full(SAMPLES, -1)
            good = (contact < 0) & (off < 0) & feasible(paths, vehicle)
            if good.any():
                effort = np.where(good, (drawn**2).mean(axis=(1, 2)), np.inf)
                return paths[int(effort.argmin())], tried
            survived = _share(contact, steps) + _share(off, steps)
            cost = (drawn**2).mean(axis=(1, 2)) * 0.01 - survived
            best = drawn[np.argsort(cost, kind="stable")[:ELITE]]
            mean, spread = best.mean(0), best.std(0) + 0.05
    return None, tried


def drive(state: FloatArray, shares: FloatArray, steps: int, vehicle: Vehicle) -> FloatArray:
    """Drive plans from a state.

    Args:
        state: x, y, yaw, speed.
        shares: Shares of the largest acceleration and curvature, -1 to 1, shape (P, KNOTS, 2).
        steps: Steps of 0.1 s.
        vehicle: What it can do.

    Returns:
        x, y, yaw, speed, shape (P, steps + 1, 4).
    """
    place = (np.arange(steps) + 0.5) / max(steps, 1) * (shares.shape[1] - 1)
    weight = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(shares.shape[1])))
    wanted = np.einsum("tk,pkc->ptc", weight, shares)
    limit = np.where(wanted[..., 0] < 0, vehicle.braking, vehicle.drive)
    build = vehicle.braking / max(vehicle.ramp, STEP) * STEP
    out, applied = np.empty((len(shares), steps + 1, 4)), np.zeros(len(shares))
    out[:, 0] = state
    for t in range(steps):
        x, y, yaw, speed = out[:, t].T
        before = applied
        applied = before + np.clip(wanted[:, t, 0] * limit[:, t] - before, -build, build)
        after = np.maximum(speed + (before + applied) / 2 * STEP, 0.0)
        middle = (speed + after) / 2
        strongest = np.where(after < speed, vehicle.braking, vehicle.drive)
        used = np.abs(after - speed) / STEP / strongest
        grip = vehicle.grip * np.sqrt(np.maximum(1.0 - used**2, 0.0))
        most = np.minimum(vehicle.lock, grip / np.maximum(middle, 0.5) ** 2)
        turn = wanted[:, t, 1] * most * middle * STEP
        chord = middle * STEP * np.sinc(turn / (2 * np.pi))
        heading = yaw + turn / 2
        out[:, t + 1] = np.stack(
            [x + chord * np.cos(heading), y + chord * np.sin(heading), yaw + turn, after], -1
        )
    return out


def _share(instant: IntArray, steps: int) -> FloatArray:
    """Share of the plan before something goes wrong: 1 if nothing does."""
    return np.where(instant < 0, 1.0, instant / (steps + 1))
