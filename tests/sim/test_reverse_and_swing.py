"""Backing up, swinging doors, and making way for a siren."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.scene import (
    AgentKind,
    AgentPlans,
    AgentStates,
    Control,
    Maneuver,
    ManeuverKind,
    Trigger,
)
from scenegen.scene.plans import Ignores
from scenegen.sim import Rollout, rollout, to_scenario
from tests.builders import cars, composition, straight_road


def alone(maneuver: Maneuver, kind: AgentKind = AgentKind.CAR, yaw: float = 0.4) -> Rollout:
    """An agent that stands far from the others until its maneuver begins."""
    agents = AgentStates.concatenate([cars((20, 0, 10)), AgentStates.of([(kind, 200, 20, yaw, 0)])])
    if kind is AgentKind.STATIC:
        agents.size[1] = 1.0, 0.1, 1.2
    plans = AgentPlans.reactive(2)
    plans.control[1] = Control.HOLD
    plans.set_maneuvers(1, maneuver)
    return rollout([composition(straight_road(3), agents, plans)], 8.0)[0]


def reverse(speed: float, curvature: float = 0.0, distance: float = 6.0) -> Maneuver:
    """Back up from 1 s on."""
    return Maneuver(
        kind=ManeuverKind.REVERSE,
        trigger=Trigger(threshold=1.0),
        a=speed,
        b=1.0,
        c=curvature,
        d=distance,
    )


@pytest.mark.parametrize("speed", [1.0, 2.0, 3.5])
def test_a_vehicle_backs_up_the_distance_and_stands(speed: float) -> None:
    """Straight against its heading, at the speed given, and no farther."""
    done = alone(reverse(speed))
    way = done.agents.position[-1, 1] - done.agents.position[0, 1]
    ahead = np.array([math.cos(0.4), math.sin(0.4)])

    assert way @ ahead == pytest.approx(-6.0, abs=0.15)
    assert abs(way[0] * ahead[1] - way[1] * ahead[0]) < 1e-3
    assert done.agents.speed[:, 1].min() == pytest.approx(-min(speed, math.sqrt(6.0)), abs=0.15)
    assert abs(done.agents.speed[-1, 1]) < 0.06
    assert done.agents.speed[:10, 1].tolist() == [0.0] * 10


@pytest.mark.parametrize("curvature", [-0.1, 0.1])
def test_steered_left_the_tail_swings_left(curvature: float) -> None:
    """The heading turns by minus curvature times distance."""
    done = alone(reverse(2.0, curvature))
    turned = done.agents.yaw[-1, 1] - done.agents.yaw[0, 1]

    assert turned == pytest.approx(-curvature * 6.0, abs=0.02)


def test_a_backing_vehicle_that_is_hit_comes_to_rest() -> None:
    """It does not go on backwards."""
    agents = AgentStates.of([(AgentKind.CAR, 50, 0, 0, 0), (AgentKind.CAR, 60, 0, 0, 0)])
    plans = AgentPlans.reactive(2)
    plans.control[:] = Control.HOLD
    plans.set_maneuvers(1, reverse(3.0, distance=30.0))
    done = rollout([composition(straight_road(1), agents, plans)], 8.0)[0]

    assert done.collided[:, 1].any()
    assert done.agents.speed[-1, 1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("angle", [-1.2, 0.7])
def test_a_door_swings_about_its_front_end(angle: float) -> None:
    """The hinge stays, the heading turns by the angle at the rate given."""
    maneuver = Maneuver(kind=ManeuverKind.SWING, trigger=Trigger(threshold=2.0), a=angle, b=1.5)
    done = alone(maneuver, AgentKind.STATIC)
    yaw = done.agents.yaw[:, 1].astype(np.float64)
    hinge = done.agents.position[:, 1] + 0.5 * np.stack([np.cos(yaw), np.sin(yaw)], -1)

    np.testing.assert_allclose(hinge, np.broadcast_to(hinge[0], hinge.shape), atol=1e-4)
    assert yaw[-1] - yaw[0] == pytest.approx(angle, abs=1e-5)
    assert np.abs(np.diff(yaw)).max() == pytest.approx(0.15, abs=1e-5)
    assert np.flatnonzero(np.diff(yaw))[0] == 20
    assert (done.agents.speed[:, 1] == 0.0).all()


def chase(rules: Ignores) -> Rollout:
    """A fast vehicle behind two slow ones in the middle lane."""
    plans = AgentPlans.reactive(3)
    plans.ignores[0] = rules
    plans.desired_speed[:] = 22.0, 14.0, 14.0
    for i in range(3):
        plans.set_route(i, [1])
    plans.politeness[0] = -1.0
    start = cars((20, 3.5, 20), (60, 3.5, 14), (85, 3.5, 14))
    return rollout([composition(straight_road(3), start, plans)], 8.0)[0]


def test_who_hears_a_siren_behind_leaves_the_lane() -> None:
    """The one ahead changes lanes, then the next; without a siren the first has no reason to."""
    calm, urgent = chase(Ignores.NOTHING), chase(Ignores.SIREN)

    assert (np.abs(urgent.agents.position[-1, 1:, 1] - 3.5) > 1.5).all()
    assert abs(calm.agents.position[-1, 2, 1] - 3.5) < 0.5
    assert not urgent.collided.any()


def test_a_scenario_knows_its_sirens() -> None:
    """Whose plan has a siren is told by the scenario."""
    plans = AgentPlans.reactive(2)
    plans.ignores[1] = Ignores.SIREN | Ignores.SIGNALS
    start = composition(straight_road(2), cars((20, 0, 10), (60, 0, 10)), plans)

    assert to_scenario(start, rollout([start], 0.2)[0]).sirens == (1,)
