"""Small sets of scenes: cars on a straight road, drawn at random."""

from __future__ import annotations

import numpy as np

from scenegen.evaluate.scene_set import SceneSet
from scenegen.scene import AgentKind, AgentStates, Scenario
from tests.builders import constant_speed_scenario, straight_road

ROAD = straight_road(3, length=600.0)


def random_scenario(rng: np.random.Generator) -> Scenario:
    """Draw an ego and up to five cars in the lanes of a straight road, all in one flow."""
    count, flow = int(rng.integers(1, 6)), float(rng.normal(15.0, 4.0))
    rows = [(AgentKind.CAR, 250.0, 3.5, 0.0, flow)]
    for k in range(count):
        ahead = 25.0 * (k + 1) * (1 if k % 2 else -1) + float(rng.uniform(-5.0, 5.0))
        lane, speed = 3.5 * int(rng.integers(3)), flow + float(rng.normal(0.0, 0.3))
        rows.append((AgentKind.CAR, 250.0 + ahead, lane + float(rng.normal(0, 0.2)), 0.0, speed))
    states = AgentStates.of(rows)
    states.size[:] *= rng.uniform(0.92, 1.1, (len(rows), 1)).astype(np.float32)
    return constant_speed_scenario(ROAD, states)


def random_set(count: int, seed: int) -> SceneSet:
    """Draw a set of such scenes."""
    rng = np.random.default_rng(seed)
    return SceneSet.of_scenarios([random_scenario(rng) for _ in range(count)])


def scene_of(*rows: tuple[AgentKind, float, float, float, float]) -> SceneSet:
    """Build one scene from rows (kind, x, y, yaw, speed); everyone keeps speed and heading."""
    return SceneSet.of_scenarios([constant_speed_scenario(ROAD, AgentStates.of(list(rows)))])
