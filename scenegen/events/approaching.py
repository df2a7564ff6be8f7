"""Approaching: an ego that brakes late for what is in its way, and how hard it has to brake."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Driver
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO

HARD = 3.5
"""Needing to brake harder than this is critical [m/s^2]: adaptive cruise control may not brake
harder at speed (ISO 15622)."""
LEAST_CLOSING = 6.0
"""Scripts close in at least this fast [m/s]: slower approaches end without hard braking."""
NEAREST = 0.1
"""Smaller gaps are taken for this one [m]."""
LATE_BRAKING = 8.0
"""Braking that counts for a driver who looks up late [m/s^2]."""


def late_driver(speed: float, closing: float) -> Driver:
    """Give a driver that keeps its speed until only hard braking helps.

    The Intelligent Driver Model (Treiber et al. 2000, eq. 3) brakes with about
    (v dv / (2 s))^2 / b for the needed dv^2 / (2 s), so the needed deceleration rises to
    b (dv / v)^2 before it brakes as hard as that. b is chosen so that this is LATE_BRAKING.

    Args:
        speed: Speed v it keeps [m/s].
        closing: Speed dv at which it comes nearer [m/s].
    """
    return Driver(
        desired_speed=speed,
        time_headway=0.2,
        minimum_gap=1.0,
        deceleration=LATE_BRAKING * (speed / max(closing, 1.0)) ** 2,
    )


def needed_braking(view: Tracks, agent: int) -> FloatArray:
    """Deceleration with which the ego just avoids an agent ahead (DRAC), shape (T,).

    closing^2 / (2 gap) [m/s^2] (Almqvist et al. 1991), 0 where the ego does not come nearer.
    """
    closing = np.maximum(view.closing(EGO, agent), 0.0)
    return np.asarray(closing**2 / (2.0 * np.maximum(view.gap(EGO, agent), NEAREST)))


def forces_braking(view: Tracks, agent: int) -> FloatArray:
    """Margin of an agent being in the ego's way such that it must brake hard.

    All must hold: the centre of the agent is ahead of the ego's front bumper; its box reaches
    into the strip that the ego sweeps along its lane; avoiding it takes more braking than HARD.

    Args:
        view: The scenario.
        agent: Index of the agent.

    Returns:
        Margin, shape (T,).
    """
    frame, half = view.ego_path, view.half_lateral(EGO)
    apart = np.abs(frame.offset[:, agent] - frame.offset[:, EGO])
    overlap = half[:, agent] + half[:, EGO] - apart
    front = frame.ahead[:, agent] - view.half_longitudinal(EGO)[:, EGO]
    needs = needed_braking(view, agent) - HARD
    return known(view.both(EGO, agent), all_of(front, overlap, needs))
