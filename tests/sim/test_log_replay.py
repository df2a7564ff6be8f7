"""Recorded agents follow their record until somebody else disturbs it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.geometry import polylines
from scenegen.scene import AgentPlans, AgentStates, Composition, Control
from scenegen.sim import rollout
from tests.builders import cars, composition, straight_road
from tests.sim.roads import curved_road


def record(seed: int) -> AgentStates:
    """Record of two cars on the curve with noise no vehicle model would give, 8 s."""
    rng = np.random.default_rng(seed)
    road = curved_road()
    line = road.lanes[0].centerline
    frames = []
    for n in range(81):
        along = np.array([20.0, 50.0]) + 9.0 * 0.1 * n
        states = cars((0, 0, 9), (0, 0, 9))
        states.position[:] = polylines.point_at(line, along) + rng.normal(0, 0.02, (2, 2))
        states.yaw[:] = polylines.heading_at(line, along) + rng.normal(0, 0.01, 2)
        states.speed[:] = 9.0 + rng.normal(0, 0.05, 2)
        frames.append(states)
    return AgentStates.stack(frames)


def replaying(log: AgentStates) -> Composition:
    """Put the recorded agents on the curve, all under LOG control."""
    plans = AgentPlans.reactive(log.count)
    plans.control[:] = Control.LOG
    return composition(curved_road(), log[0], replace(plans, log=log))


@pytest.mark.parametrize("seed", range(5))
def test_an_undisturbed_record_is_reproduced_exactly(seed: int) -> None:
    """Positions, headings and speeds are those of the record, to the bit."""
    log = record(seed)
    ro = rollout([replaying(log)], 8.0)[0]

    for name in ("position", "yaw", "speed", "valid"):
        assert (getattr(ro.agents, name) == getattr(log, name)).all(), name


def test_agents_appear_and_vanish_with_their_record() -> None:
    """Validity is replayed too."""
    log = record(0)
    log.valid[30:50, 1] = False
    ro = rollout([replaying(log)], 8.0)[0]

    np.testing.assert_array_equal(ro.agents.valid, log.valid)


def test_a_record_of_others_in_the_way_ends_without_a_jump() -> None:
    """A car that stands ahead is not run over; the record is followed while that is safe."""
    log = AgentStates.stack([cars((30 + 1.2 * n, 0, 12), (90, 0, 0)) for n in range(81)])
    plans = AgentPlans.reactive(2)
    plans.control[:] = Control.LOG, Control.HOLD
    scene = composition(straight_road(1, 600.0), log[0], replace(plans, log=log))

    ro = rollout([scene], 8.0)[0]

    step = np.diff(ro.agents.position[:, 0, 0])
    assert not ro.collided.any()
    assert ro.agents.position[-1, 0, 0] < 90 - 4.5
    assert np.abs(np.diff(step)).max() < 0.1
    np.testing.assert_allclose(ro.agents.position[:5, 0], log.position[:5, 0])


def test_after_its_record_an_agent_drives_on() -> None:
    """A record of 2 s is followed by reactive driving on the same lane."""
    log = record(1)[:21]
    ro = rollout([replaying(log)], 8.0)[0]

    assert (ro.agents.position[:21] == log.position).all()
    _, offset = polylines.project(curved_road().lanes[0].centerline, ro.agents.position[-1])
    assert np.abs(offset).max() < 0.2
    assert (ro.agents.speed[-1] > 5).all()


@pytest.mark.parametrize("offset", [-0.6, 0.6])
def test_after_its_record_an_agent_keeps_its_place_in_the_lane(offset: float) -> None:
    """Where in the lane somebody drives is a habit; who stands close beside is not touched."""
    log = AgentStates.stack([cars((30 + 1.0 * n, offset, 10)) for n in range(11)])
    plans = AgentPlans.reactive(1)
    plans.control[:] = Control.LOG
    scene = composition(straight_road(1, 600.0), log[0], replace(plans, log=log))

    ro = rollout([scene], 8.0)[0]

    np.testing.assert_allclose(ro.agents.position[:, 0, 1], offset, atol=0.05)
