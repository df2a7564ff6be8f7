"""Scenarios with something going on, for tests of the semantics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenegen.scene import (
    AgentKind,
    AgentStates,
    Conditions,
    Light,
    RoadMap,
    Scenario,
    Weather,
)
from tests.builders import provenance, straight_road


def from_paths(
    rows: list[tuple[AgentKind, np.ndarray, np.ndarray, np.ndarray]],
    roadmap: RoadMap | None = None,
    conditions: Conditions | None = None,
) -> Scenario:
    """Build a scenario from each agent's kind, x, y and speed over time; headings follow."""
    steps = len(rows[0][1])
    agents = AgentStates.of([(kind, 0.0, 0.0, 0.0, 0.0) for kind, *_ in rows])
    states = AgentStates.stack([agents] * steps)
    for n, (_, x, y, speed) in enumerate(rows):
        states.position[:, n] = np.stack([x, y], -1)
        along = np.arctan2(np.gradient(y), np.gradient(x))
        states.yaw[:, n] = np.where(np.abs(speed) > 0.05, along, 0.0)
        states.speed[:, n] = speed
    return Scenario(
        roadmap=roadmap or straight_road(3),
        conditions=conditions or Conditions(),
        agents=states,
        times=np.arange(steps) * 0.1,
        provenance=provenance(),
    )


def changing_lanes(
    time: np.ndarray, begin: float, duration: float, start: float, end: float
) -> np.ndarray:
    """Lateral position of a half-cosine lane change."""
    share = np.clip((time - begin) / duration, 0.0, 1.0)
    return start + (end - start) * (1 - np.cos(np.pi * share)) / 2


def busy(seed: int, agents: int = 5, steps: int = 41) -> Scenario:
    """Random traffic of all kinds on a three-lane road, some of it absent for a while."""
    rng = np.random.default_rng(seed)
    time = np.arange(steps) * 0.1
    rows = []
    for n in range(agents):
        kind = AgentKind.CAR if n < 3 else AgentKind(int(rng.integers(0, 7)))
        speed = np.clip(rng.uniform(0, 25) + rng.uniform(-4, 2) * time, 0.0, None)
        x = 50 + rng.uniform(0, 60) + np.concatenate([[0], np.cumsum(speed[1:] * 0.1)])
        lanes = rng.integers(0, 3, 2) * 3.5
        y = changing_lanes(time, rng.uniform(0, 2), rng.uniform(1.5, 3), *lanes)
        rows.append((kind, x, y, speed))
    scenario = from_paths(
        rows,
        conditions=Conditions(
            light=list(Light)[int(rng.integers(3))], weather=list(Weather)[int(rng.integers(5))]
        ),
    )
    first = int(rng.integers(0, steps // 2))
    scenario.agents.valid[:first, agents - 1] = False
    return scenario


def cut_in_world(gap: float = 12.0, ego_speed: float = 25.0, speed: float = 17.0) -> Scenario:
    """A car (agent 1) cuts in from the left; agent 2 stands far ahead in the right lane."""
    time = np.arange(81) * 0.1
    y = changing_lanes(time, 1.0, 2.5, 3.5, 0.0)
    return from_paths(
        [
            (AgentKind.CAR, 20 + ego_speed * time, 0 * time, ego_speed + 0 * time),
            (AgentKind.CAR, 20 + 4.5 + 8 * 1.7 + gap + speed * time, y, speed + 0 * time),
            (AgentKind.CAR, 350 + 0 * time, 7 + 0 * time, 0 * time),
        ]
    )


def moved(scenario: Scenario, turn: float, shift: tuple[float, float]) -> Scenario:
    """Turn and shift road and agents together."""
    cos, sin = np.cos(turn), np.sin(turn)
    rotate = np.array([[cos, sin], [-sin, cos]])
    lanes = tuple(
        replace(lane, centerline=lane.centerline @ rotate + shift)
        for lane in scenario.roadmap.lanes
    )
    agents = scenario.agents
    return replace(
        scenario,
        roadmap=replace(scenario.roadmap, lanes=lanes),
        agents=replace(
            agents,
            position=agents.position.astype(np.float64) @ rotate + shift,
            yaw=(agents.yaw.astype(np.float64) + turn + np.pi) % (2 * np.pi) - np.pi,
        ),
    )
