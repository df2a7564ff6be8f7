"""Whoever stands in the corridor of a driver is a leader, and nobody beside it is."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.geometry import polylines
from scenegen.scene import (
    AgentKind,
    AgentPlans,
    AgentStates,
    Control,
    Maneuver,
    ManeuverKind,
)
from scenegen.scene.roadmap import NO_LANE
from scenegen.sim import Rollout, rollout
from tests.builders import cars, composition, straight_road
from tests.sim.roads import curved_road


@pytest.mark.parametrize(
    ("kind", "y"), [(AgentKind.CAR, 2.8), (AgentKind.STATIC, 2.8), (AgentKind.PEDESTRIAN, 2.3)]
)
def test_a_box_in_the_way_stops_a_driver_whatever_its_lane(kind: AgentKind, y: float) -> None:
    """The obstacle is beside the only lane, but the driver keeps to the edge and would hit it."""
    states = AgentStates.concatenate(
        [cars((20, 1.5, 12)), AgentStates.of([(kind, 120.0, y, 0.0, 0.0)])]
    )
    plans = AgentPlans.reactive(2)
    plans.control[1] = Control.HOLD
    plans.set_maneuvers(0, Maneuver(kind=ManeuverKind.LANE_CHANGE, a=0.01, b=1.0, c=NO_LANE))

    ro = rollout([composition(straight_road(1), states, plans)], 14.0)[0]

    assert not ro.collided.any()
    assert ro.agents.speed[-1, 0] < 0.5
    assert 105 < ro.agents.position[-1, 0, 0] < 120


def alone_and_beside(side: float, yaw: float) -> tuple[Rollout, Rollout]:
    """Drive round the curve alone, and past a row of cars that stand 3.3 m aside."""
    road = curved_road()
    line = road.lanes[0].centerline
    along = np.arange(40.0, 260.0, 12.0)
    place = polylines.point_at(polylines.offset(line, side), along * 0.98)
    heading = polylines.heading_at(line, along)
    row = [
        (AgentKind.CAR, float(x), float(y), float(h) + yaw, 0.0)
        for (x, y), h in zip(place, heading, strict=True)
    ]
    out = []
    for others in ([], row):
        states = AgentStates.of([(AgentKind.CAR, 5.0, 0.0, 0.0, 14.0), *others])
        plans = AgentPlans.reactive(states.count)
        plans.control[1:] = Control.HOLD
        out.append(rollout([composition(road, states, plans)], 12.0)[0])
    return out[0], out[1]


@pytest.mark.parametrize("yaw", [0.0, np.pi])
@pytest.mark.parametrize("side", [-3.3, 3.3])
def test_nobody_brakes_for_those_beside_a_curve(side: float, yaw: float) -> None:
    """Cars on the next lane and on the other carriageway change nothing, in the curve either."""
    alone, beside = alone_and_beside(side, yaw)

    assert not beside.collided.any()
    np.testing.assert_allclose(beside.agents.speed[:, 0], alone.agents.speed[:, 0], atol=1e-5)


def cut_in(ttc: float) -> tuple[Rollout, int]:
    """Cut in 15 m/s slower so that `ttc` is left when the line is touched; gives that step."""
    reach, speed = 1.3, 15.0  # the line is touched 1.3 s after the begin
    start = cars((20, 0, 30), (20 + 4.5 + speed * (ttc + reach), 3.5, 15))
    plans = AgentPlans.reactive(2)
    plans.politeness[:] = -1
    plans.desired_speed[:] = 30.0, 15.0
    plans.reaction_time[:] = 0.75
    plans.set_maneuvers(1, Maneuver(kind=ManeuverKind.LANE_CHANGE, a=-3.5, b=2.0, c=0))
    ro = rollout([composition(straight_road(2, 900.0), start, plans)], 8.0)[0]
    side = ro.agents.position[:, 1, 1] - ro.agents.size[0, 1, 1] / 2
    return ro, int(np.argmax(side < 1.75))


@pytest.mark.parametrize(("ttc", "crash"), [(0.97, True), (2.5, False), (4.0, False)])
def test_a_cut_in_is_survived_if_there_is_time(ttc: float, crash: bool) -> None:
    """With 0.97 s left no braking helps, from 2.5 s on a careful driver copes (UN R157)."""
    ro, touch = cut_in(ttc)

    gap = ro.agents.position[touch, 1, 0] - ro.agents.position[touch, 0, 0] - 4.5
    closing = ro.agents.speed[touch, 0] - ro.agents.speed[touch, 1]
    assert gap / closing == pytest.approx(ttc, abs=0.15)
    assert ro.collided.any() == crash


def test_braking_begins_with_the_intrusion_and_is_full_in_time() -> None:
    """No braking before the line; 0.774 g within 0.75 s + 0.6 s of 0.3 m beyond it (UN R157)."""
    ro, touch = cut_in(1.6)

    side = ro.agents.position[:, 1, 1] - ro.agents.size[0, 1, 1] / 2
    seen = int(np.argmax(side < 1.75 - 0.3))
    braking = -np.diff(ro.agents.speed[:, 0]) / 0.1
    assert np.abs(braking[:touch]).max() < 0.05
    assert braking[: seen + 14].max() > 0.774 * 9.81
    assert braking.max() <= 9.0 + 1e-3


@pytest.mark.parametrize("offset", [-0.4, 0.0, 0.4])
def test_who_keeps_the_next_lane_is_not_coming_in(offset: float) -> None:
    """A slower car in the next lane, off its centre, leaves the driver's speed as it is."""
    start = cars((20, 0, 20), (60, 3.5 + offset, 12))
    plans = AgentPlans.reactive(2)
    plans.politeness[:] = -1
    plans.desired_speed[:] = 20.0, 12.0

    ro = rollout([composition(straight_road(2, 900.0), start, plans)], 8.0)[0]

    np.testing.assert_allclose(ro.agents.speed[:, 0], 20.0, atol=0.01)
