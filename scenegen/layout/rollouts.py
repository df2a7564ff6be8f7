"""Where agents are over time if they follow their motion codes."""

from __future__ import annotations

import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.layout.motion import DURATION, integrate
from scenegen.scene import AgentStates
from scenegen.scene.scenario import STEP

EVERY = 2
"""Steps of 0.1 s between the instants that are given."""


def rollouts(agents: AgentStates, knots: FloatArray) -> FloatArray:
    """Drive N agents along their codes.

    Args:
        agents: The opening, leading shape (N,).
        knots: Motion codes, shape (N, KNOTS, 2).

    Returns:
        x [m], y [m] and yaw [rad] every 0.2 s, the opening included, shape (N, T, 3).
    """
    start = np.concatenate([agents.position, agents.yaw[:, None], agents.speed[:, None]], -1)
    motion = integrate(
        torch.from_numpy(start.astype(np.float64)),
        torch.from_numpy(knots.astype(np.float64)),
        round(DURATION / STEP),
    )
    return motion[:, ::EVERY, :3].numpy()
