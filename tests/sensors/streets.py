"""A street with moving agents, seen at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from scenegen.arrays import Array
from scenegen.render import World
from scenegen.scene import AgentKind, AgentStates, Conditions, Scenario
from scenegen.sensors import Rig, Sensor, WorldView, agent_motions
from tests.builders import constant_speed_scenario, straight_road

Row = tuple[AgentKind, float, float, float, float]
BUSY: tuple[Row, ...] = (
    (AgentKind.CAR, 100.0, 3.5, 0.0, 25.0),
    (AgentKind.CAR, 115.0, 3.5, 0.0, 22.0),
    (AgentKind.TRUCK, 125.0, 0.0, 0.0, 20.0),
    (AgentKind.CAR, 120.0, 7.0, 3.14, 15.0),
    (AgentKind.PEDESTRIAN, 110.0, -2.5, 1.5, 1.5),
    (AgentKind.CYCLIST, 94.0, -0.6, 0.0, 6.0),
    (AgentKind.CAR, 85.0, 3.5, 0.0, 27.0),
)


def drive(rows: tuple[Row, ...] = BUSY, conditions: Conditions | None = None) -> Scenario:
    """Let everyone keep their speed for three instants."""
    happening = constant_speed_scenario(straight_road(lanes=3), AgentStates.of(list(rows)), steps=3)
    return happening if conditions is None else replace(happening, conditions=conditions)


@cache
def _world(seed: int) -> World:
    """The street, grown once: what stands there depends neither on agents nor on weather."""
    return Rig(name="none", sensors=()).world(drive(), seed)


@cache
def _view(rows: tuple[Row, ...], seed: int) -> WorldView:
    happening = drive(rows)
    rig = Rig(name="none", sensors=())
    return rig.view(_world(seed), happening, 1, agent_motions(happening)[1])


def middle(
    rows: tuple[Row, ...] = BUSY, conditions: Conditions | None = None, seed: int = 1
) -> WorldView:
    """The world at the second of three instants."""
    view = _view(rows, seed)
    if conditions is None:
        return view
    return replace(view, stage=replace(view.stage, conditions=conditions))


def stopped(view: WorldView) -> WorldView:
    """The same instant if nobody moved."""
    return replace(view, twists=np.zeros_like(view.twists))


def sensed(sensor: Sensor, view: WorldView) -> Mapping[str, Array]:
    """What a sensor gives, without the name in front."""
    return {name.rpartition("/")[2]: array for name, array in sensor.sense(view).items()}
