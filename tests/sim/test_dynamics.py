"""Bodies move as closed forms say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.scene import AgentKind, AgentPlans, AgentStates, Control, RoadMap
from scenegen.sim import Simulator, StartBank, rollout
from tests.builders import cars, composition, straight_road

WHEELBASE = 0.6 * 4.5


def drive(actions: FloatArray, steps: int, speed: float = 8.0) -> AgentStates:
    """Drive one car from (100, 0) with the same action at every step."""
    plans = AgentPlans.reactive(1)
    plans.control[:] = Control.EXTERNAL
    scene = composition(straight_road(6, 400.0), cars((100, 0, speed)), plans)
    simulator = Simulator(StartBank.of([scene]), 1)
    for _ in range(steps):
        simulator.step(np.array(actions, np.float32).reshape(1, 1, 2))
    return simulator.states()


def test_a_held_wheel_drives_a_circle() -> None:
    """With constant steering and speed the car is on the circle of radius L / tan(delta)."""
    angle, speed, steps = 0.1, 8.0, 40
    radius = WHEELBASE / math.tan(angle)
    turned = speed * 0.1 * steps / radius

    end = drive(np.array([0.0, angle]), steps, speed)

    expected = (100 + radius * math.sin(turned), radius * (1 - math.cos(turned)))
    np.testing.assert_allclose(end.position[0, 0], expected, atol=2e-3)
    np.testing.assert_allclose(end.yaw[0, 0], turned, atol=1e-4)


def test_straight_acceleration_is_exact() -> None:
    """Way = v t + a t^2 / 2 and speed = v + a t, without an error of the step."""
    end = drive(np.array([2.0, 0.0]), 20, 10.0)

    np.testing.assert_allclose(end.position[0, 0], (100 + 10 * 2 + 2 * 2**2 / 2, 0.0), atol=1e-3)
    np.testing.assert_allclose(end.speed[0, 0], 14.0, atol=1e-4)


def test_braking_ends_at_a_standstill() -> None:
    """A car that brakes stops after v^2 / 2a and does not roll back."""
    end = drive(np.array([-4.0, 0.0]), 40, 10.0)

    np.testing.assert_allclose(end.position[0, 0, 0], 100 + 10**2 / (2 * 4), atol=1e-3)
    assert end.speed[0, 0] == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_actions_that_are_no_numbers_count_as_zero(bad: float) -> None:
    """A broken policy cannot break the state."""
    end = drive(np.array([bad, bad]), 10, 10.0)

    np.testing.assert_allclose(end.position[0, 0], (110.0, 0.0), atol=1e-3)


def test_limits_hold_for_every_action() -> None:
    """Braking stays within 9 m/s^2 and lateral acceleration within 0.85 g."""
    before, after = drive(np.array([-99.0, 9.0]), 9, 30.0), drive(np.array([-99.0, 9.0]), 10, 30.0)

    rate = float((before.speed - after.speed)[0, 0]) / 0.1
    turned = float((after.yaw - before.yaw)[0, 0]) / 0.1
    assert rate <= 9.0 + 1e-3
    assert turned * float(before.speed[0, 0]) <= 0.85 * 9.81 + 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_a_motion_code_is_integrated_as_a_unicycle(seed: int) -> None:
    """Knots of acceleration and yaw rate give the path that a fine integration gives."""
    rng = np.random.default_rng(seed)
    plans = AgentPlans.reactive(1)
    plans.control[:] = Control.KNOTS
    plans.knots[0] = rng.uniform((-1.0, -0.1), (1.0, 0.1), (10, 2))

    ro = rollout([composition(straight_road(6, 800.0), cars((50, 7, 15)), plans)], 8.0)[0]

    fine = _unicycle(plans.knots[0], 50.0, 7.0, 15.0)
    np.testing.assert_allclose(ro.agents.position[-1, 0], fine[:2], atol=0.02)
    np.testing.assert_allclose(ro.agents.speed[-1, 0], fine[2], atol=2e-3)


def _unicycle(knots: FloatArray, x: float, y: float, speed: float) -> tuple[float, float, float]:
    yaw, dt = 0.0, 1e-3
    for n in range(8000):
        rate = [np.interp((n + 0.5) * dt, np.linspace(0, 8, 10), knots[:, c]) for c in (0, 1)]
        speed += rate[0] * dt / 2
        yaw += rate[1] * dt / 2
        x, y = x + speed * math.cos(yaw) * dt, y + speed * math.sin(yaw) * dt
        speed += rate[0] * dt / 2
        yaw += rate[1] * dt / 2
    return x, y, speed


def test_parked_cars_stay_where_they_are() -> None:
    """HOLD keeps the pose to the bit."""
    plans = AgentPlans.reactive(1)
    plans.control[:] = Control.HOLD
    ro = rollout([composition(straight_road(), cars((50, 1.3, 0)), plans)], 3.0)[0]

    assert (ro.agents.position == ro.agents.position[0]).all()


@pytest.mark.parametrize("kind", list(AgentKind))
def test_every_kind_can_be_simulated(kind: AgentKind) -> None:
    """A scene of any kind of agent runs and stays finite."""
    agents = AgentStates.of([(kind, 50.0, 0.0, 0.0, 3.0), (kind, 90.0, 3.5, 0.0, 0.0)])

    ro = rollout([composition(road(), agents)], 2.0)[0]

    assert np.isfinite(ro.agents.position).all()


def road() -> RoadMap:
    """Build the road of these tests."""
    return straight_road()
