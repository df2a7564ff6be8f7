"""One rare event at a time, as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from scenegen.arrays import Array
from scenegen.errors import UnknownNameError
from scenegen_envs.actions import ACTION_TYPES
from scenegen_envs.episodes import EpisodePool
from scenegen_envs.observations import observation_of
from scenegen_envs.rewards import RewardConfig
from scenegen_envs.worlds import DEFAULT_QUERY, EpisodeSettings, EpisodeWorlds, WorldsSnapshot

_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnvSnapshot:
    """A moment of an environment to come back to.

    Attributes:
        worlds: The traffic and the record of the episode.
        random: State of the environment's random generator.
    """

    worlds: WorldsSnapshot
    random: dict[str, Any]


class RareEventEnv(gym.Env[Array, Array]):
    """Drive through episodes that satisfy a query.

    The episodes are composed and verified when the environment is made: each is a traffic
    scene in which the asked event happens around the ego under a scripted driver. Then the ego is
    handed to the policy; everyone else reacts. A step is 0.1 s.

    Action: see `actions.Continuous` (the default) and `actions.Discrete`.
    Observation: see `compact` (the default), `bev` and `camera`.
    Reward: see `rewards.RewardConfig`.
    Start: an episode drawn by the environment's own generator, so equal seeds give equal episodes.
    End: terminated when the ego collides or leaves the road; truncated by the TimeLimit that
    ``gym.make`` adds (80 steps unless told otherwise).

    Info at every step: `time` [s], `ttc` and `min_ttc` (so far) [s], `collision`, `off_road`,
    `distance` driven [m], and `success`: the verified scenario's duration is over, the ego was
    never harmed, and it drove at least half as far as the scripted driver did, so that
    standing still is no success. At a reset also `episode_id`, `query`, `family`, `roles`.
    """

    metadata = {  # noqa: RUF012 - declared so by Gymnasium
        "render_modes": ["rgb_array"],
        "render_fps": 10,
    }

    def __init__(
        self,
        query: str = DEFAULT_QUERY,
        *,
        pool_size: int = 16,
        pool_seed: int = 0,
        agents: int = 24,
        density: float = 18.0,
        observation: str = "compact",
        observation_settings: Mapping[str, Any] | None = None,
        action_type: str = "continuous",
        reward: RewardConfig | Mapping[str, Any] | None = None,
        terminate_off_road: bool = True,
        render_mode: str | None = None,
        pool: EpisodePool | None = None,
    ) -> None:
        """Draw the episodes.

        Args:
            query: What every episode satisfies under its own driver, in the query language.
            pool_size: Number of episodes.
            pool_seed: Everything random about the episodes follows from it.
            agents: Most road users in a scene, the ego included.
            density: Background traffic [vehicles per lane kilometre].
            observation: Name in `observations.OBSERVATIONS`.
            observation_settings: Settings of the observation by name: those of
                `camera.CameraSettings`; the others have none.
            action_type: Name in `actions.ACTION_TYPES`.
            reward: Weights of the reward; those left out keep their default.
            terminate_off_road: Whether leaving the road ends the episode.
            render_mode: None or "rgb_array"; ``gym.make`` turns "human" into a window.
            pool: Episodes to use instead of composing those of the query.

        Raises:
            QueryError: The query is malformed, or asks for what its event cannot give.
            UnsatisfiedError: No scenario satisfied the query within the generator's tries.
            UnknownNameError: An observation, action type, setting or reward term does not exist.
            CheckpointError: The checkpoint of a camera's renderer is missing or damaged.
        """
        if action_type not in ACTION_TYPES:
            raise UnknownNameError("action type", action_type, ACTION_TYPES)
        settings = EpisodeSettings(query, pool_size, pool_seed, agents, density)
        seen = observation_of(observation, observation_settings)
        self.worlds = EpisodeWorlds(
            settings, 1, observation=seen, reward=RewardConfig.of(reward), pool=pool
        )
        self._actions = ACTION_TYPES[action_type]()
        self._terminate_off_road = terminate_off_road
        self.render_mode = render_mode
        self.action_space = self._actions.space(1)
        self.observation_space = seen.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Starts the random generator anew.
            options: `query`: draw from the episodes of this query this time, composing them if
                need be; `episode`: play this one, an id or a number within the query's episodes.

        Returns:
            Observation and info.
        """
        super().reset(seed=seed)
        asked = options or {}
        choices = self.worlds.choices(asked.get("query"))
        number = pick_episode(self.worlds.pool, choices, asked.get("episode"), self.np_random)
        self.worlds.begin(_FIRST, np.array([number]))
        return self._observe(), {**self._facts(), **described(self.worlds, 0)}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Drive for 0.1 s."""
        self.worlds.advance(self._actions.commands(action, 1, 1))
        terminated = bool(self.worlds.collided[0])
        if self._terminate_off_road:
            terminated = terminated or bool(self.worlds.off_road[0])
        return self._observe(), float(self.worlds.reward[0, 0]), terminated, False, self._facts()

    def _observe(self) -> Array:
        space = self.observation_space
        out = np.empty((1, 1, *(space.shape or ())), space.dtype)
        self.worlds.observe(out)
        return out[0, 0]

    def _facts(self) -> dict[str, Any]:
        return {name: values[0].item() for name, values in self.worlds.facts().items()}

    def snapshot(self) -> EnvSnapshot:
        """Remember this moment, the random generator included.

        The step counter of a TimeLimit wrapper is not part of it.
        """
        state = dict(self.np_random.bit_generator.state)
        return EnvSnapshot(worlds=self.worlds.snapshot(_FIRST), random=state)

    def restore(self, snapshot: EnvSnapshot) -> tuple[Array, dict[str, Any]]:
        """Go back to a remembered moment; the same actions then have the same effects, bit for bit.

        Args:
            snapshot: A moment of this environment.

        Returns:
            Observation and info of that moment, as a reset gives them.
        """
        self.worlds.restore(snapshot.worlds, _FIRST)
        self.np_random.bit_generator.state = snapshot.random
        return self._observe(), {**self._facts(), **described(self.worlds, 0)}

    def render(self) -> np.ndarray | None:
        """Draw the scene from above, uint8 RGB, or None if no render mode was chosen."""
        return self.worlds.picture(0) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Release what the worlds hold; closing twice is fine."""
        self.worlds.close()


def pick_episode(
    pool: EpisodePool,
    choices: np.ndarray,
    asked: str | int | None,
    rng: np.random.Generator,
) -> int:
    """Number in the pool of the episode to play: the asked one, or one drawn from the choices."""
    if asked is None:
        return int(choices[rng.integers(len(choices))])
    if isinstance(asked, str):
        return pool.index(asked)
    if not 0 <= int(asked) < len(choices):
        raise IndexError(f"episode: expected 0 to {len(choices) - 1} or an id, got {asked}")
    return int(choices[int(asked)])


def described(worlds: EpisodeWorlds, world: int) -> dict[str, Any]:
    """Give what info says of a world's episode at its begin."""
    episode = worlds.episode(world)
    return {
        "episode_id": episode.id,
        "query": episode.query,
        "family": episode.family,
        "roles": dict(episode.composition.roles),
    }
