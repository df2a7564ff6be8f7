"""The smallest valid things: roads, agents, scenarios."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import (
    AgentKind,
    AgentPlans,
    AgentStates,
    Composition,
    Conditions,
    Lane,
    LineMarking,
    Provenance,
    RoadKind,
    RoadMap,
    Scenario,
    Scene,
)


def straight_road(lanes: int = 2, length: float = 400.0, width: float = 3.5) -> RoadMap:
    """Build a one-way road along x; lane 0 is the rightmost, its centreline at y = 0."""
    x = np.linspace(0.0, length, int(length / 5) + 1)
    return RoadMap(
        name=f"straight-{lanes}",
        kind=RoadKind.HIGHWAY,
        lanes=tuple(
            Lane(
                centerline=np.stack([x, np.full_like(x, k * width)], -1),
                width=np.full(len(x), width),
                speed_limit=30.0,
                left=k + 1 if k + 1 < lanes else -1,
                right=k - 1,
                left_marking=LineMarking.DASHED if k + 1 < lanes else LineMarking.SOLID,
                right_marking=LineMarking.DASHED if k > 0 else LineMarking.SOLID,
            )
            for k in range(lanes)
        ),
        source={"builder": "straight_road", "lanes": lanes},
    )


def cars(*rows: tuple[float, float, float]) -> AgentStates:
    """Build cars heading along x from rows (x, y, speed)."""
    return AgentStates.of([(AgentKind.CAR, x, y, 0.0, speed) for x, y, speed in rows])


def provenance(**changes: object) -> Provenance:
    """Build a provenance for tests."""
    base: dict[str, object] = {
        "query": "test",
        "seed": 1,
        "index": 0,
        "attempt": 0,
        "script": {},
        "map_source": {},
    }
    return Provenance(**{**base, **changes})  # type: ignore[arg-type]


def composition(
    roadmap: RoadMap,
    agents: AgentStates,
    plans: AgentPlans | None = None,
    roles: dict[str, int] | None = None,
) -> Composition:
    """Put agents on a road by day."""
    return Composition(
        scene=Scene(roadmap=roadmap, agents=agents, conditions=Conditions()),
        plans=plans if plans is not None else AgentPlans.reactive(agents.count),
        provenance=provenance(),
        roles=roles or {},
    )


def constant_speed_scenario(
    roadmap: RoadMap, agents: AgentStates, steps: int = 81, roles: dict[str, int] | None = None
) -> Scenario:
    """Let everyone drive straight on at their speed, 10 Hz."""
    times: FloatArray = np.arange(steps) * 0.1
    moved = AgentStates.stack([agents] * steps)
    moved.position[...] += (times[:, None, None] * agents.velocity).astype(np.float32)
    return Scenario(
        roadmap=roadmap,
        conditions=Conditions(),
        agents=moved,
        times=times,
        provenance=provenance(),
        roles=roles or {},
    )
