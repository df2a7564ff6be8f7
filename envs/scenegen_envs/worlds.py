"""The core both environments share: worlds that play episodes, are seen and are judged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray
from scenegen.scene import EGO, Scene
from scenegen.sim import Simulator, Snapshot, fields
from scenegen.view.bev import draw_bev
from scenegen_envs.episodes import Episode, EpisodePool, draw_pool, start_bank
from scenegen_envs.judging import judge
from scenegen_envs.observations import Observation, blocks_of
from scenegen_envs.rewards import RewardConfig
from scenegen_envs.roads import road_tables

DEFAULT_QUERY = "cut_in(c) and ttc(ego, c) < 3s"
"""The query of an environment that is not given one."""
ENOUGH = 0.5
"""Share of the verified scenario's distance that the ego must drive to have got through it."""


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """Which episodes an environment draws.

    Attributes:
        query: What every episode satisfies under its own driver, in the query language.
        pool_size: Episodes composed and verified when the environment is made.
        pool_seed: Everything random about them follows from it.
        agents: Most road users in a scene, the ego included.
        density: Background traffic [vehicles per lane kilometre].
    """

    query: str = DEFAULT_QUERY
    pool_size: int = 16
    pool_seed: int = 0
    agents: int = 24
    density: float = 18.0

    def draw(self, query: str) -> EpisodePool:
        """Compose and verify the episodes of a query with these settings."""
        return draw_pool(query, self.pool_size, self.pool_seed, self.agents, self.density)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldsSnapshot:
    """Everything about some worlds that changes with time.

    Attributes:
        simulator: The traffic.
        record: min_ttc, distance and harmed of these worlds, each of shape (K,).
    """

    simulator: Snapshot
    record: tuple[FloatArray, FloatArray, BoolArray]


class EpisodeWorlds:
    """W worlds that play episodes of a pool; the first `controlled` agents obey commands.

    Attributes:
        pool: The episodes; grows when another query is asked for.
        simulator: The traffic.
        controlled: Agents per world that obey commands and are observed C.
        observation: How they are seen.
        reward: Reward of the last step, shape (W, C), float32.
        min_ttc: Smallest time to collision of the ego so far [s], shape (W,).
        distance: How far the ego drove so far [m], shape (W,).
        harmed: Whether the ego has collided or left the road so far, shape (W,).
    """

    def __init__(
        self,
        settings: EpisodeSettings,
        worlds: int,
        *,
        controlled: int = 1,
        observation: Observation,
        reward: RewardConfig | None = None,
        threads: int = 1,
        pool: EpisodePool | None = None,
    ) -> None:
        """Draw the episodes and put every world at the first of them.

        Args:
            settings: Which episodes.
            worlds: Number of worlds W.
            controlled: Agents per world that obey commands C.
            observation: How they are seen.
            reward: Weights of the reward.
            threads: Worker threads.
            pool: Episodes to use instead of drawing those of the settings.

        Raises:
            ValueError: There are fewer agents than shall be controlled, or the observation is
                not made for so many.
        """
        if observation.most is not None and controlled > observation.most:
            raise ValueError(
                f"controlled: expected at most {observation.most} for this observation, got"
                f" {controlled}; take another one, or control the ego alone"
            )
        self.pool = pool if pool is not None else settings.draw(settings.query)
        if not 1 <= controlled <= self.pool.agents:
            raise ValueError(
                f"controlled: expected 1 to {self.pool.agents} agents, got {controlled}"
            )
        self.controlled, self.worlds = controlled, worlds
        self.observation, self._settings = observation, settings
        self._of_query = {settings.query: np.arange(len(self.pool.episodes))}
        self._weights = (reward or RewardConfig()).weights()
        self.reward = np.zeros((worlds, controlled), np.float32)
        self.min_ttc = np.full(worlds, np.inf, np.float32)
        self.distance = np.zeros(worlds, np.float32)
        self.harmed = np.zeros(worlds, np.bool_)
        self._all = np.arange(worlds)
        bounds = np.linspace(0, worlds, min(threads, worlds) + 1).astype(int)
        self._parts = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
        self._executor = ThreadPoolExecutor(len(self._parts)) if len(self._parts) > 1 else None
        self._load(self.pool)

    def _load(self, pool: EpisodePool) -> None:
        bank = start_bank(pool, self.controlled)
        self.pool = pool
        self.simulator = Simulator(bank, self.worlds, threads=len(self._parts))
        self._state = blocks_of(self.simulator)
        self.observation.load(self.simulator, pool.episodes)
        self._roads = road_tables(bank.maps.roadmaps)
        self._duration = np.array([e.duration for e in pool.episodes])
        self._wanted = np.array([ENOUGH * e.ego_distance for e in pool.episodes])

    def choices(self, query: str | None) -> IntArray:
        """Numbers of the episodes of a query, None meaning the environment's own.

        A new query is composed and verified now, and its episodes join the pool.
        """
        text = self._settings.query if query is None else query
        if text not in self._of_query:
            drawn = self._settings.draw(text)
            first = len(self.pool.episodes)
            self._grow(self.pool.joined(drawn))
            self._of_query[text] = np.arange(first, len(self.pool.episodes))
        return self._of_query[text]

    def _grow(self, pool: EpisodePool) -> None:
        """Take a pool that begins with the present one, without disturbing running episodes."""
        running = self.simulator.snapshot(self._all)
        self.simulator.close()
        self._load(pool)
        missing = self.simulator.signals.shape[1] - running.signals.shape[1]
        signals = np.pad(running.signals, ((0, 0), (0, missing)))
        self.simulator.restore(replace(running, signals=signals), self._all)

    def begin(self, rows: IntArray, episodes: IntArray) -> None:
        """Put worlds at the begin of episodes.

        Args:
            rows: Indices of the worlds, shape (K,).
            episodes: Number of the episode for each of them, shape (K,).
        """
        self.simulator.reset(rows, episodes)
        self.reward[rows] = 0.0
        self.min_ttc[rows] = self._state.floats[rows, fields.TTC, EGO]
        self.distance[rows] = 0.0
        self.harmed[rows] = False

    def advance(self, commands: FloatArray) -> None:
        """Step every world by 0.1 s and judge it.

        Args:
            commands: Acceleration [m/s^2] and steering angle [rad], shape (W, C, 2).
        """
        self.simulator.step(commands)
        record = (self.min_ttc, self.distance, self.harmed)
        scene = (self._state, self.simulator.starts.tables.map, self._roads)

        def part(low: int, high: int) -> None:
            judge(low, high, *scene, self._weights, self.reward, record)

        self._deal(part, self._parts)

    def observe(self, out: Array, rows: IntArray | None = None) -> None:
        """Write what the controlled agents see.

        Args:
            out: Where to write, shape (W, C, *shape).
            rows: Indices of the worlds to look at, shape (K,); None for all.
        """
        if rows is not None:
            self.observation.write(rows, out)
            return
        self._deal(
            lambda low, high: self.observation.write(self._all[low:high], out),
            self._parts,
        )

    def _deal(self, call: Callable[[int, int], None], parts: list[tuple[int, int]]) -> None:
        if self._executor is None:
            call(0, self.worlds)
            return
        for job in [self._executor.submit(call, low, high) for low, high in parts]:
            job.result()

    @property
    def collided(self) -> BoolArray:
        """Whether the ego touched something during the last step, shape (W,)."""
        return self._state.flags[:, fields.COLLIDED, EGO]

    @property
    def off_road(self) -> BoolArray:
        """Whether the ego is off the drivable area, shape (W,)."""
        return self._state.flags[:, fields.OFFROAD, EGO]

    def facts(self) -> dict[str, Array]:
        """Give what info says of every world at every step, each a new array of shape (W,)."""
        episode = self.simulator.start
        time = self.simulator.steps / 10.0
        over = time > self._duration[episode] - 0.05
        through = over & ~self.harmed & (self.distance >= self._wanted[episode])
        return {
            "time": time,
            "ttc": self._state.floats[:, fields.TTC, EGO].copy(),
            "min_ttc": self.min_ttc.copy(),
            "collision": self.collided.copy(),
            "off_road": self.off_road.copy(),
            "distance": self.distance.copy(),
            "success": through,
        }

    def episode(self, world: int) -> Episode:
        """Give the episode that a world plays."""
        return self.pool.episodes[int(self.simulator.start[world])]

    def snapshot(self, rows: IntArray) -> WorldsSnapshot:
        """Copy everything that changes with time in some worlds, indices of shape (K,)."""
        record = (self.min_ttc[rows], self.distance[rows], self.harmed[rows])
        return WorldsSnapshot(simulator=self.simulator.snapshot(rows), record=record)

    def restore(self, snapshot: WorldsSnapshot, rows: IntArray) -> None:
        """Put worlds, indices of shape (K,), into the state of a snapshot."""
        self.simulator.restore(snapshot.simulator, rows)
        self.min_ttc[rows], self.distance[rows], self.harmed[rows] = snapshot.record

    def picture(self, world: int) -> np.ndarray:
        """Draw a world from above, uint8 RGB, shape (H, W, 3)."""
        episode = self.episode(world)
        opening = episode.composition.scene
        scene = Scene(
            roadmap=opening.roadmap,
            agents=self.simulator.states()[world],
            conditions=opening.conditions,
            time=float(self.simulator.time[world]),
        )
        return draw_bev(scene, roles=episode.composition.roles)

    def close(self) -> None:
        """End the worker threads."""
        self.simulator.close()
        if self._executor is not None:
            self._executor.shutdown()
