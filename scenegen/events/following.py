"""Following: what makes a vehicle the ego's leader, and an ego that keeps a scripted gap."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Driver
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO

MAX_HEADWAY = 4.0
"""A vehicle farther ahead than this many seconds of the ego's travel leads nobody [s]."""
MAX_GAP = 25.0
"""At low speed, a vehicle within this distance leads as well [m]."""
ALIGNED = np.radians(45.0)
"""Largest angle between a leader and the lane [rad]."""
EAGERNESS = 1.2
"""How much faster than its leader a follower would like to go."""


def headway_reach(view: Tracks) -> FloatArray:
    """Gap up to which a vehicle ahead matters: MAX_HEADWAY, at least MAX_GAP [m], shape (T,)."""
    return np.maximum(MAX_HEADWAY * view.states.speed[:, EGO], MAX_GAP)


def leads(view: Tracks, agent: int) -> FloatArray:
    """Margin of being in the ego's lane ahead, near enough to matter.

    All must hold: the centre is inside the ego's lane and ahead of the ego's front bumper, the
    gap is below MAX_HEADWAY times the ego's speed (at least MAX_GAP), and the box is aligned
    with the lane within ALIGNED.

    Args:
        view: The scenario.
        agent: Index of the possible leader.

    Returns:
        Margin, shape (T,).
    """
    frame = view.ego_path
    inside = frame.half_width[:, agent] - np.abs(frame.offset[:, agent])
    ahead = frame.ahead[:, agent] - view.half_longitudinal(EGO)[:, EGO]
    near = headway_reach(view) - view.gap(EGO, agent)
    aligned = 10.0 * (ALIGNED - np.abs(frame.heading_error[:, agent]))
    return known(view.both(EGO, agent), all_of(inside, ahead, near, aligned))


def follower(speed: float, gap: float, deceleration: float | None = None) -> Driver:
    """Give the driver whose car-following rests at a given speed and gap.

    The Intelligent Driver Model is at rest at gap (s0 + v T) / sqrt(1 - (v / v0)^4) (Treiber et
    al. 2000, eq. 11); v0 is EAGERNESS times the speed, T follows. Very small gaps leave T = 0.1 s:
    such a follower falls back slowly.

    Args:
        speed: Speed of leader and follower [m/s].
        gap: Bumper-to-bumper distance [m].
        deceleration: Braking it counts on [m/s^2] (IDM's b); None for the average.
    """
    crowded = gap * float(np.sqrt(1.0 - EAGERNESS**-4.0))
    standstill = min(2.0, 0.5 * crowded)
    return Driver(
        desired_speed=EAGERNESS * speed,
        minimum_gap=standstill,
        deceleration=deceleration,
        time_headway=max((crowded - standstill) / max(speed, 1.0), 0.1),
    )
