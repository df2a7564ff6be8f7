"""Many rare events at once, as a native Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from scenegen.arrays import Array, BoolArray, IntArray
from scenegen.errors import ShapeError, UnknownNameError
from scenegen_envs.actions import ACTION_TYPES
from scenegen_envs.buffers import FreshBuffers, RingBuffers
from scenegen_envs.episodes import EpisodePool
from scenegen_envs.observations import observation_of, stacked
from scenegen_envs.rare_event import described, pick_episode
from scenegen_envs.rewards import RewardConfig
from scenegen_envs.worlds import DEFAULT_QUERY, EpisodeSettings, EpisodeWorlds, WorldsSnapshot

Transition = tuple[Array, np.ndarray, BoolArray, BoolArray, dict[str, Any]]


class RareEventVectorEnv(gym.vector.VectorEnv[Array, Array, np.ndarray]):
    """W copies of `RareEventEnv` in one simulator, stepped by compiled code.

    World i behaves bit for bit like a single environment with its seed, whatever the number of
    worlds, their order or the number of threads. All three autoreset modes are native:

    - NEXT_STEP (default): the step after the end of an episode ignores the action, gives reward 0
      and the first observation of the next episode;
    - SAME_STEP: the step that ends an episode already gives the next one's first observation; the
      last one is in ``info["final_obs"]``, its info in ``info["final_info"]``;
    - DISABLED: ended worlds must be reset by ``reset(options={"reset_mask": mask})`` first.

    With `controlled` = k > 1, a policy drives the first k agents of every world: actions and
    observations get a leading axis of k, the reward is the mean over the k agents that are there
    (each one's own is in ``info["agent_reward"]``), and an episode still ends with the ego's.

    What is not said here is said at `RareEventEnv`.

    Args:
        num_envs: Number of worlds W.
        query: What every episode satisfies.
        pool_size: Number of episodes, shared by all worlds.
        pool_seed: Everything random about the episodes follows from it.
        agents: Most road users in a scene.
        density: Background traffic [vehicles per lane kilometre].
        observation: Name in `observations.OBSERVATIONS`.
        observation_settings: Settings of the observation by name.
        action_type: Name in `actions.ACTION_TYPES`.
        reward: Weights of the reward.
        terminate_off_road: Whether leaving the road ends the episode.
        max_episode_steps: Steps after which an episode is truncated; None or -1 for never
            (``gym.make_vec`` passes 80 unless told otherwise).
        controlled: Agents per world that a policy drives k.
        autoreset_mode: What happens at the end of an episode.
        copy: Whether the observations belong to the caller. If not, each is overwritten by the
            step after the next: fast for a loop that uses an observation at once, wrong for
            one that collects them.
        threads: Worker threads.
        render_mode: None or "rgb_array".
        pool: Episodes to use instead of composing those of the query.

    Attributes:
        worlds: The shared core.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - declared so by Gymnasium
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
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
        max_episode_steps: int | None = None,
        controlled: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        threads: int = 1,
        render_mode: str | None = None,
        pool: EpisodePool | None = None,
    ) -> None:
        """Draw the episodes; the class says what the arguments mean."""
        if action_type not in ACTION_TYPES:
            raise UnknownNameError("action type", action_type, ACTION_TYPES)
        if num_envs < 1:
            raise ValueError(f"num_envs: expected at least 1, got {num_envs}")
        seen = observation_of(observation, observation_settings)
        self.worlds = EpisodeWorlds(
            EpisodeSettings(query, pool_size, pool_seed, agents, density),
            num_envs,
            controlled=controlled,
            observation=seen,
            reward=RewardConfig.of(reward),
            threads=threads,
            pool=pool,
        )
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs, self.render_mode = num_envs, render_mode
        self._actions, self._terminate_off_road = ACTION_TYPES[action_type](), terminate_off_road
        self._limit = np.inf if max_episode_steps in {None, -1} else max_episode_steps
        self.single_action_space = self._actions.space(controlled)
        self.single_observation_space = stacked(seen.space, controlled)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        buffers = FreshBuffers if copy else RingBuffers
        self._buffers = buffers((num_envs, controlled, *seen.space.shape), seen.space.dtype)
        self._choices = [self.worlds.choices(None)] * num_envs
        self._generators = [seeding.np_random(None) for _ in range(num_envs)]
        self._elapsed = np.zeros(num_envs, np.int64)
        self._ended = np.zeros(num_envs, np.bool_)
        self._everywhere = np.ones(num_envs, np.bool_)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override] # as SyncVectorEnv
        """Random generator of every world."""
        return tuple(generator for generator, _ in self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override] # as SyncVectorEnv
        """Seed that the generator of every world began with."""
        return tuple(seed for _, seed in self._generators)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in every world, or in those of a mask.

        Args:
            seed: One per world; an integer s stands for s, s + 1, ...
            options: `reset_mask`: worlds to reset, bool, shape (W,); `query` and `episode` as in
                `RareEventEnv.reset`, for all worlds or one per world; a query also holds for the
                automatic resets until the next call.

        Returns:
            Observations of all worlds and info of those that were reset.

        Raises:
            ShapeError: The mask or a list has not one entry per world.
        """
        asked = options or {}
        rows = self._masked(asked.get("reset_mask"))
        for world, value in zip(rows, np.array(self._spread("seed", seed))[rows], strict=True):
            if value is not None:
                self._generators[world] = seeding.np_random(int(value))
        queries, wanted = (self._spread(n, asked.get(n)) for n in ("query", "episode"))
        for world in rows:
            self._choices[world] = self.worlds.choices(queries[world])
        self._begin(rows, wanted)
        out = self._buffers.take()
        self.worlds.observe(out)
        return self._outward(out), self._info(rows)

    def _masked(self, mask: BoolArray | None) -> IntArray:
        """Indices of the worlds that a mask asks to reset."""
        if mask is None:
            return np.arange(self.num_envs)
        given = np.asarray(mask)
        if given.shape != (self.num_envs,) or given.dtype != np.bool_ or not given.any():
            raise ShapeError(
                f"reset_mask: expected bool, shape ({self.num_envs},), at least one True, got"
                f" {given.dtype}, shape {given.shape}, {int(given.sum())} True"
            )
        return np.flatnonzero(given)

    def _spread(self, name: str, value: Any) -> list[Any]:  # noqa: ANN401 - seeds, texts or ids
        """One value per world: a sequence as it is, anything else repeated, seeds counted up."""
        if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
            if len(value) != self.num_envs:
                raise ShapeError(
                    f"{name}: expected one for each of {self.num_envs} worlds, got {len(value)}"
                )
            return list(value)
        if name == "seed" and value is not None:
            return [value + i for i in range(self.num_envs)]
        return [value] * self.num_envs

    def _begin(self, rows: IntArray, wanted: list[Any] | None = None) -> None:
        """Begin the asked or the next drawn episode in some worlds."""
        numbers = [
            pick_episode(
                self.worlds.pool,
                self._choices[world],
                wanted[world] if wanted is not None else None,
                self._generators[world][0],
            )
            for world in rows
        ]
        self.worlds.begin(rows, np.array(numbers, np.int64))
        self._elapsed[rows] = 0
        self._ended[rows] = False

    def step(self, actions: Array) -> Transition:
        """Drive every world for 0.1 s.

        Raises:
            ResetNeeded: The mode is DISABLED and a world has ended and not been reset.
        """
        resetting = np.flatnonzero(self._ended)
        if len(resetting) and self.autoreset_mode is AutoresetMode.DISABLED:
            raise gym.error.ResetNeeded(
                f"world {resetting[0]} has ended: reset it with"
                " options={'reset_mask': terminated | truncated} before the next step"
            )
        commands = self._actions.commands(actions, self.num_envs, self.worlds.controlled)
        self.worlds.advance(commands)
        self._elapsed += 1
        if len(resetting):
            self._begin(resetting)
        terminated = self.worlds.collided.copy()
        if self._terminate_off_road:
            terminated |= self.worlds.off_road
        truncated = self._elapsed >= self._limit
        terminated[resetting], truncated[resetting] = False, False
        reward = self._reward()
        self._ended = terminated | truncated
        out = self._buffers.take()
        self.worlds.observe(out)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any():
            info = self._same_step(out)
        else:
            info = self._info(resetting)
        return self._outward(out), reward, terminated, truncated, info

    def _reward(self) -> np.ndarray:
        """Reward of every world, float64: the ego's, or the mean over the agents that are there."""
        if self.worlds.controlled == 1:
            return self.worlds.reward[:, 0].astype(np.float64)
        there = self.worlds.simulator.valid[:, : self.worlds.controlled]
        total = self.worlds.reward.sum(1, dtype=np.float64)
        return total / np.maximum(there.sum(1), 1)

    def _same_step(self, out: Array) -> dict[str, Any]:
        """Note how ended episodes ended, begin the next ones, and look at those."""
        rows = np.flatnonzero(self._ended)
        last = {name: values[rows] for name, values in self.worlds.facts().items()}
        final: dict[str, Any] = {}
        for number, world in enumerate(rows):
            seen = self._outward(out)[world].copy()
            facts = {name: values[number].item() for name, values in last.items()}
            final = self._add_info(final, {"final_obs": seen, "final_info": facts}, int(world))
        self._begin(rows)
        self.worlds.observe(out, rows)
        return {**self._info(rows), **final}

    def _outward(self, out: Array) -> Array:
        return out[:, 0] if self.worlds.controlled == 1 else out

    def _info(self, begun: IntArray) -> dict[str, Any]:
        """Facts of every world, and what is known of the episodes that have just begun."""
        info: dict[str, Any] = {}
        for name, values in self.worlds.facts().items():
            info[name], info[f"_{name}"] = values, self._everywhere.copy()
        if self.worlds.controlled > 1:
            info["agent_reward"] = self.worlds.reward.copy()
            info["_agent_reward"] = self._everywhere.copy()
        for world in begun:
            info = self._add_info(info, described(self.worlds, int(world)), int(world))
        return info

    def snapshot(self, rows: IntArray) -> WorldsSnapshot:
        """Remember the traffic of some worlds, indices of shape (K,)."""
        return self.worlds.snapshot(np.asarray(rows, np.int64))

    def restore(self, snapshot: WorldsSnapshot, rows: IntArray) -> Array:
        """Put a snapshot into worlds, the same or others: a branch of what could have happened.

        Step counters and random generators of these worlds go on as they are.

        Args:
            snapshot: K worlds of this environment.
            rows: Indices of the worlds to overwrite, shape (K,).

        Returns:
            Observations of all worlds.
        """
        self.worlds.restore(snapshot, np.asarray(rows, np.int64))
        self._ended[rows] = False
        out = self._buffers.take()
        self.worlds.observe(out)
        return self._outward(out)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Draw every world from above, uint8 RGB, or give None if no render mode was chosen."""
        if self.render_mode != "rgb_array":
            return None
        return tuple(self.worlds.picture(world) for world in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ANN401 - the contract of VectorEnv
        """End the worker threads."""
        self.worlds.close()
