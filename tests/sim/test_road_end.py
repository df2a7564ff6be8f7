"""The end of the road: who drives by itself is taken away there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.scene import AgentPlans, AgentStates, Composition, Control
from scenegen.scene.plans import KNOTS
from scenegen.sim import rollout
from tests.builders import cars, composition, straight_road

HALF = 2.25
"""Half the length of a car [m]."""


def coded(x: float, speed: float, acceleration: float = 0.0, yaw_rate: float = 0.0) -> Composition:
    """Put one car on a straight road that follows a constant motion code."""
    scene = composition(straight_road(), cars((x, 0, speed)))
    scene.plans.control[:] = Control.KNOTS
    scene.plans.knots[:] = np.tile([acceleration, yaw_rate], (KNOTS, 1))
    return scene


@pytest.mark.parametrize("speed", [10.0, 20.0, 33.0])
def test_a_motion_code_ends_where_the_road_ends(speed: float) -> None:
    """A car that follows its code is gone when its front reaches the end, never earlier."""
    ends = straight_road().lanes[0].length
    agents = rollout([coded(x=ends - 6.0 * speed, speed=speed)], 8.0)[0].agents

    gone = int(np.argmin(agents.valid[:, 0]))
    assert gone == 1 + int((6.0 * speed - HALF) / (0.1 * speed))
    assert not agents.valid[gone:].any()


def test_a_motion_code_and_a_driver_leave_at_the_same_place() -> None:
    """The road ends for both where it ends for the other."""
    driven = composition(straight_road(), cars((300.0, 0, 20.0)))
    driven.plans.desired_speed[:] = 20.0

    last = [
        ro.agents.position[np.flatnonzero(ro.agents.valid[:, 0])[-1], 0, 0]
        for ro in rollout([coded(x=300.0, speed=20.0), driven], 12.0)
    ]

    assert abs(last[0] - last[1]) < 2.5


def test_a_motion_code_that_stops_short_stays() -> None:
    """A car that comes to a stop before the end of the road is there for ever."""
    agents = rollout([coded(x=300.0, speed=16.0, acceleration=-4.0)], 12.0)[0].agents

    assert agents.valid.all()


def test_a_recording_goes_on_beyond_the_road() -> None:
    """What is replayed was there, whatever the map says."""
    start = cars((380.0, 0, 10.0))
    log = AgentStates.stack([start] * 61)
    log.position[:, 0, 0] += np.arange(61)
    plans = AgentPlans.reactive(1)
    plans.control[:] = Control.LOG

    agents = rollout([composition(straight_road(), start, replace(plans, log=log))], 6.0)[0].agents

    assert agents.valid.all()
    assert agents.position[-1, 0, 0] > 430.0
