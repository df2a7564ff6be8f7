"""What a step of the environment costs, beside highway-env at the same rate."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import highway_env  # noqa: F401 - importing it registers its ids
import numpy as np

import scenegen_envs  # noqa: F401 - importing it registers our id
from benchmarks.harness import Cost, Report, interleave
from benchmarks.speed.camera_weights import any_checkpoint

NAME = "speed.env_step"
QUERY = "highway and cut_in(c)"
AGENTS = 32
"""Slots per world, and vehicles of the peer."""
DENSITY = 60.0
"""Traffic [vehicles per lane kilometre], dense enough to fill the slots."""
PEER = "highway-v0"
PEERS = (PEER, "highway-fast-v0")
PEER_CONFIG = {
    "simulation_frequency": 10,
    "policy_frequency": 10,
    "vehicles_count": AGENTS - 1,
    "observation": {"type": "Kinematics", "vehicles_count": 16},
    "action": {"type": "ContinuousAction"},
    "duration": 8,
}
"""One simulation step of 0.1 s per step, as many vehicles, as many neighbours observed."""
SEED = 0
CAMERA = (128, 256)
"""Rows and columns of the camera observation."""


@dataclass(slots=True, kw_only=True)
class Subject:
    """One environment being measured.

    Attributes:
        label: What it is.
        worlds: Number of worlds.
        controlled: Vehicles per world that are driven and observed.
        steps: Steps of all worlds per call.
        run: Steps that often, resets included, and gives the agent-steps that were done.
        done: Agent-steps of every call so far.
    """

    label: str
    worlds: int
    controlled: int
    steps: int
    run: Callable[[], int]
    done: list[int] = field(default_factory=list)

    def __call__(self) -> None:
        """Measure once."""
        self.done.append(self.run())

    def row(self, cost: Cost, rate_of_peer: float) -> dict[str, Any]:
        """Give the line of the table."""
        agents = float(np.mean(self.done))
        rate = agents / cost.cpu_s
        return {
            "environment": self.label,
            "worlds": self.worlds,
            "driven and observed": self.controlled,
            "agents per world": round(agents / (self.steps * self.worlds), 1),
            "agent-steps per CPU-second": _short(rate),
            "quartiles": f"{_short(agents / cost.cpu_s_high)} - {_short(agents / cost.cpu_s_low)}",
            "world-steps per CPU-second": _short(self.steps * self.worlds / cost.cpu_s),
            f"times {PEER}": _short(rate / rate_of_peer),
        }


def run(*, smoke: bool) -> Report:
    """Measure one, 64 and 1024 worlds against highway-env, in turn."""
    batches = (4,) if smoke else (64, 1024)
    subjects = [_single(20 if smoke else 1000, pool_size=2 if smoke else 16)]
    for worlds in batches:
        steps = 5 if smoke else max(20, 20_000 // worlds)
        subjects += [
            _batch(worlds, controlled, steps, pool_size=2 if smoke else 16)
            for controlled in (1, AGENTS)
        ]
    subjects += [_peer(name, 5 if smoke else 80) for name in PEERS]
    with tempfile.TemporaryDirectory() as folder:
        gan = {"renderer": "gan", "checkpoint": str(any_checkpoint(Path(folder)))}
        subjects += [_seen(s, 2 if smoke else 40) for s in ({"renderer": "base"}, gan)]
    named = {f"{s.label} {s.worlds} {s.controlled}": s for s in subjects}
    costs = interleave(named, rounds=1 if smoke else 7)
    peer = named[f"{PEER} 1 1"]
    rate_of_peer = float(np.mean(peer.done)) / costs[f"{PEER} 1 1"].cpu_s
    rows = [subject.row(costs[name], rate_of_peer) for name, subject in named.items()]
    largest = rows[2 * len(batches)]
    headline = (
        f"{largest['agent-steps per CPU-second']} agent-steps per CPU-second with {batches[-1]}"
        f" worlds and every agent observed: {largest[f'times {PEER}']} times {PEER} at its rate"
    )
    return Report(name=NAME, headline=headline, rows=rows, notes=_notes(), smoke=smoke)


def _single(steps: int, pool_size: int) -> Subject:
    env = gym.make(
        "scenegen/RareEvent-v0", query=QUERY, agents=AGENTS, density=DENSITY, pool_size=pool_size
    )
    env.reset(seed=SEED)
    return Subject(
        label="scenegen, gym.make", worlds=1, controlled=1, steps=steps, run=_driven(env, steps)
    )


def _driven(env: gym.Env[Any, Any], steps: int) -> Callable[[], int]:
    """Step one world with random actions; counts the agents that moved."""
    worlds = env.unwrapped.worlds  # type: ignore[attr-defined]
    actions = _actions(64, (2,))

    def call() -> int:
        agents = 0
        for k in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[k % 64])
            agents += int(worlds.simulator.valid.sum())
            if terminated or truncated:
                env.reset()
        return agents

    return call


def _seen(settings: dict[str, Any], steps: int) -> Subject:
    """One world seen through the camera of its ego; its two streets are grown beforehand."""
    size = dict(zip(("height_px", "width_px"), CAMERA, strict=True))
    env = gym.make(
        "scenegen/RareEvent-v0",
        query=QUERY,
        agents=AGENTS,
        density=DENSITY,
        pool_size=2,
        observation="camera",
        observation_settings={**size, **settings},
    )
    for episode in range(2):
        env.reset(seed=SEED, options={"episode": episode})
    label = f"scenegen, camera {CAMERA[0]}x{CAMERA[1]}, {settings['renderer']}"
    return Subject(label=label, worlds=1, controlled=1, steps=steps, run=_driven(env, steps))


def _batch(worlds: int, controlled: int, steps: int, pool_size: int) -> Subject:
    env = gym.make_vec(
        "scenegen/RareEvent-v0",
        num_envs=worlds,
        query=QUERY,
        agents=AGENTS,
        density=DENSITY,
        pool_size=pool_size,
        controlled=controlled,
    )
    simulator = env.unwrapped.worlds.simulator  # type: ignore[attr-defined]
    actions = _actions(8, env.action_space.shape or ())
    env.reset(seed=SEED)

    def call() -> int:
        agents = 0
        for k in range(steps):
            env.step(actions[k % 8])
            agents += int(simulator.valid.sum())
        return agents

    label = "scenegen, gym.make_vec"
    return Subject(label=label, worlds=worlds, controlled=controlled, steps=steps, run=call)


def _peer(name: str, steps: int) -> Subject:
    with warnings.catch_warnings():
        # It warns of the infinite bounds of its own spaces.
        warnings.simplefilter("ignore")
        env = gym.make(name, config=PEER_CONFIG)
        env.reset(seed=SEED)
    actions = _actions(64, (2,))

    def call() -> int:
        vehicles = 0
        for k in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[k % 64])
            vehicles += len(env.unwrapped.road.vehicles)  # type: ignore[attr-defined]
            if terminated or truncated:
                env.reset()
        return vehicles

    return Subject(label=name, worlds=1, controlled=1, steps=steps, run=call)


def _actions(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Gentle random actions, drawn beforehand: the cost of a policy is not measured."""
    drawn = np.random.default_rng(SEED).uniform(-0.2, 0.2, (count, *shape)).astype(np.float32)
    drawn[..., 1] *= 0.02
    return drawn


def _short(value: float) -> str:
    """Three digits, thousands apart."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def _notes() -> list[str]:
    return [
        "An agent-step is one road user that is there, advanced by 0.1 s; empty slots do not count."
        " CPU-seconds of the process, one thread, after a warm-up round; median of interleaved"
        " rounds.",
        f"Ours: query {QUERY!r}, 16 verified episodes, {AGENTS} slots. A step contains: action,"
        " bicycle model, IDM and MOBIL for all who are not driven, leader, gap, TTC, box collisions"
        " at 20 Hz and road checks at 10 Hz, reward, end, info, automatic resets, and the compact"
        " observation (384 numbers) of every driven vehicle.",
        f"Driven and observed {AGENTS}: all vehicles obey actions, all are observed and rewarded;"
        " no driver model runs. Driven and observed 1: the drivers of the others are simulated and"
        " counted, but only the ego is observed.",
        "highway-env: one simulation step of 0.1 s per step (as shipped: 5 to 15 substeps per"
        f" policy step of 1 s), {AGENTS} vehicles, 16 observed by the ego alone (80 numbers),"
        " continuous action, episodes of 8 s. The fast variant checks collisions of the ego only.",
        f"Camera: the picture of the ego's camera, {CAMERA[0]}x{CAMERA[1]}, in place of numbers;"
        " world-steps per CPU-second are its frames per second of one core. Growing the street of"
        " an episode takes about a second and is not counted.",
        "Through the public interface: what Gymnasium's own wrappers and Python cost is included"
        " everywhere; it dominates one world and vanishes in 1024.",
    ]
