"""Episodes: verified compositions that an environment starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from scenegen.errors import UnknownNameError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Accepted, Generator
from scenegen.query import parse
from scenegen.scene import EGO, AgentKind, Composition, Control
from scenegen.sensors import Backdrop
from scenegen.sim import StartBank

STEERABLE = (
    AgentKind.CAR,
    AgentKind.TRUCK,
    AgentKind.BUS,
    AgentKind.MOTORCYCLE,
    AgentKind.CYCLIST,
)
"""Kinds that an action of acceleration and steering makes sense for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Episode:
    """A way for an episode to begin, and what is known about it.

    Attributes:
        id: Identity: equal for equal provenance, never a clock.
        query: Text of the query that it satisfies under its own driver.
        family: Event family, "" for ordinary traffic.
        composition: Opening scene and plans.
        duration: Length of the verified scenario [s].
        ego_distance: How far the ego drove in it [m].
        backdrop: What its looks are settled to be; None where nothing but the opening is known.
    """

    id: str
    query: str
    family: str
    composition: Composition
    duration: float = 8.0
    ego_distance: float = 0.0
    backdrop: Backdrop | None = None

    @property
    def looks(self) -> Backdrop:
        """What its looks are settled to be, as its recording has them."""
        count = self.composition.scene.agents.count
        return self.backdrop or Backdrop.plain(0, self.id, count)

    @classmethod
    def of(cls, accepted: Accepted) -> Self:
        """Make an episode of a scenario that the generator accepted."""
        scenario = accepted.scenario
        path = scenario.agents.position[:, EGO].astype(np.float64)
        return cls(
            id=scenario.id,
            query=scenario.provenance.query,
            family=str(scenario.provenance.script.get("event", "")),
            composition=replace(accepted.composition, roles=scenario.roles),
            duration=scenario.duration,
            ego_distance=float(np.hypot(*np.diff(path, axis=0).T).sum()),
            backdrop=Backdrop.of(scenario, scenario.provenance.seed),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpisodePool:
    """Episodes to draw from.

    Attributes:
        episodes: The episodes, at least one.
        agents: Slots per world; no episode has more agents.
    """

    episodes: tuple[Episode, ...]
    agents: int = 24

    def __post_init__(self) -> None:
        """Check that there is an episode and that all fit."""
        if not self.episodes:
            raise ValueError("EpisodePool: expected at least one episode, got none")
        most = max(episode.composition.scene.agents.count for episode in self.episodes)
        if most > self.agents:
            raise ValueError(
                f"EpisodePool: expected at most {self.agents} agents, got a scene of {most};"
                f" set agents={most}"
            )

    def index(self, episode: str | int) -> int:
        """Find an episode by its id or number.

        Raises:
            UnknownNameError: There is no episode of that id.
            IndexError: There is no episode of that number.
        """
        if isinstance(episode, str):
            ids = [e.id for e in self.episodes]
            if episode not in ids:
                raise UnknownNameError("episode", episode, ids)
            return ids.index(episode)
        number = int(episode)
        if not 0 <= number < len(self.episodes):
            raise IndexError(
                f"episode: expected 0 to {len(self.episodes) - 1} or an id, got {episode}"
            )
        return number

    def joined(self, other: EpisodePool) -> EpisodePool:
        """Give a pool of both; the episodes of this one keep their numbers."""
        agents = max(self.agents, other.agents)
        return EpisodePool(episodes=(*self.episodes, *other.episodes), agents=agents)


@lru_cache(maxsize=32)
def draw_pool(query: str, size: int, seed: int, agents: int, density: float = 18.0) -> EpisodePool:
    """Compose and verify the episodes of a query.

    The same arguments give the same episodes; within a process they are found only once.

    Args:
        query: What every episode satisfies, in the query language.
        size: Number of episodes.
        seed: Everything random follows from it.
        agents: Most agents in a scene, the ego included.
        density: Background traffic [vehicles per lane kilometre].

    Returns:
        The pool.

    Raises:
        QueryError: The query is malformed or asks for what its event cannot give.
        UnsatisfiedError: An episode was not found within the generator's tries.
    """
    if size < 1:
        raise ValueError(f"pool_size: expected at least 1 episode, got {size}")
    generator = Generator(Request(query=parse(query), seed=seed, agents=agents, density=density))
    episodes = tuple(Episode.of(accepted) for accepted in generator.scenarios(size))
    return EpisodePool(episodes=episodes, agents=agents)


@lru_cache(maxsize=16)
def start_bank(pool: EpisodePool, controlled: int) -> StartBank:
    """Prepare a pool for the simulator, its first agents obeying the policy.

    Args:
        pool: The episodes.
        controlled: Agents per world that obey actions; of these, people, animals and obstacles
            keep their own plans, as a steering angle means nothing to them.

    Returns:
        One start per episode, in their order.
    """
    given = [_handed_over(episode.composition, controlled) for episode in pool.episodes]
    return StartBank.of(given, agents=pool.agents)


def _handed_over(composition: Composition, controlled: int) -> Composition:
    control = composition.plans.control.copy()
    steerable = np.isin(composition.scene.agents.kind[:controlled], STEERABLE)
    control[:controlled][steerable] = Control.EXTERNAL
    return replace(composition, plans=replace(composition.plans, control=control))
