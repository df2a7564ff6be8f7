"""Episodes filled by hand: a straight road, a slower car ahead, traffic beside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from scenegen.scene import AgentKind, AgentStates, Composition, RoadMap
from scenegen_envs.episodes import Episode, EpisodePool
from tests.builders import composition, straight_road

AGENTS = 12
SMALL = {"height_px": 32, "width_px": 64, "renderer": "base"}
"""Settings of a small camera."""


def episode(name: str, composed: Composition, ego_distance: float = 60.0) -> Episode:
    """Wrap a composition as an episode."""
    return Episode(
        id=name, query=name, family="test", composition=composed, ego_distance=ego_distance
    )


def following(gap: float, lead_speed: float, seed: int = 0) -> Composition:
    """Put the ego at 20 m/s behind a car on the middle lane, with traffic on both sides."""
    rng = np.random.default_rng(seed)
    rows = [
        (AgentKind.CAR, 60.0, 3.5, 0.0, 20.0),
        (AgentKind.CAR, 64.5 + gap, 3.5, 0.0, lead_speed),
    ]
    for k in range(8):
        kind = AgentKind.TRUCK if k % 4 == 0 else AgentKind.CAR
        x = 20.0 + 35.0 * (k // 2) + rng.uniform(-5, 5)
        rows.append((kind, x, 7.0 * (k % 2), 0.0, rng.uniform(14, 20)))
    return composition(road(), AgentStates.of(rows), roles={"lead": 1})


@lru_cache(maxsize=1)
def road() -> RoadMap:
    """Give the one road that all episodes share, so that it is baked once."""
    return straight_road(3, 600.0)


@lru_cache(maxsize=1)
def pool() -> EpisodePool:
    """Give five episodes that differ in gap and traffic."""
    gaps = [12.0, 18.0, 25.0, 32.0, 40.0]
    return EpisodePool(
        episodes=tuple(
            episode(f"gap-{gap:.0f}", following(gap, 12.0, seed=k)) for k, gap in enumerate(gaps)
        ),
        agents=AGENTS,
    )


def one(composed: Composition, agents: int = AGENTS) -> EpisodePool:
    """Give a pool of one episode."""
    return EpisodePool(episodes=(episode("only", composed),), agents=agents)


def observed(name: str) -> dict[str, Any]:
    """Give what an environment with an observation is made with; the camera is a small one."""
    if name != "camera":
        return {"pool": pool(), "observation": name}
    return {"pool": one(following(12.0, 12.0)), "observation": name, "observation_settings": SMALL}


def random_actions(
    steps: int, worlds: int, seed: int = 0, shape: Sequence[int] = (2,)
) -> np.ndarray:
    """Draw actions that brake, accelerate and swerve a little, shape (T, W, *shape)."""
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-1.0, 1.0, (steps, worlds, *shape)).astype(np.float32)
    actions[..., 1] *= 0.15
    return actions
