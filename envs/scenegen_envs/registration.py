"""The ids that ``gym.make`` knows; cheap to import, the environments load when they are made."""

from __future__ import annotations

import gymnasium as gym

RARE_EVENT = "scenegen/RareEvent-v0"
"""A driver in a rare event; see `scenegen_envs.rare_event.RareEventEnv`."""

IDS = (RARE_EVENT,)
"""Every id of this package."""

EPISODE_STEPS = 80
"""Steps of 0.1 s after which an episode is truncated unless ``gym.make`` is told otherwise."""


def register_all() -> None:
    """Register every id once; calling it again changes nothing."""
    if RARE_EVENT not in gym.registry:
        gym.register(
            RARE_EVENT,
            entry_point="scenegen_envs.rare_event:RareEventEnv",
            vector_entry_point="scenegen_envs.vector:RareEventVectorEnv",
            max_episode_steps=EPISODE_STEPS,
        )
