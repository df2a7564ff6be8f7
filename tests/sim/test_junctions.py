"""Signals are obeyed and priority is given."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.scene import AgentKind, AgentPlans, AgentStates, Ignores, SignalState
from scenegen.sim import Rollout, Simulator, StartBank, rollout
from tests.builders import composition
from tests.sim.roads import crossing

EAST, NORTH = 0.0, np.pi / 2


def drive(
    rows: list[tuple[float, float, float, float]],
    ignores: int = 0,
    duration: float = 15.0,
    **road: object,
) -> Rollout:
    """Let cars (x, y, yaw, speed) drive over the crossing."""
    states = AgentStates.of([(AgentKind.CAR, *row) for row in rows])
    plans = AgentPlans.reactive(len(rows))
    plans.ignores[:] = ignores
    return rollout([composition(crossing(**road), states, plans)], duration)[0]  # type: ignore[arg-type]


def test_red_stops_a_driver_at_the_line() -> None:
    """The front comes to rest within 3 m before the stop line at x = -8, braking gently."""
    ro = drive([(-120, 0, EAST, 13)], signal=SignalState.RED, duration=20.0)

    front = ro.agents.position[-1, 0, 0] + 2.25
    assert -11.0 < front <= -8.0
    assert ro.agents.speed[-1, 0] < 0.05
    assert np.diff(ro.agents.speed[:, 0]).min() / 0.1 > -4.0


def test_green_does_not_stop_anybody() -> None:
    """A driver passes a green signal at speed."""
    ro = drive([(-100, 0, EAST, 13)], signal=SignalState.GREEN)

    assert ro.agents.speed[:, 0].min() > 12.0


def test_a_driver_starts_when_red_ends() -> None:
    """After the change to green at 8 s the car drives on over the junction."""
    ro = drive([(-50, 0, EAST, 10)], signal=SignalState.NONE, green_at=8.0)

    assert ro.agents.position[80, 0, 0] < -8
    assert ro.agents.position[-1, 0, 0] > 10


def test_yellow_stops_only_who_can_stop() -> None:
    """At 13 m/s a driver 60 m before the line stops, one 10 m before it drives on."""
    far = drive([(-70, 0, EAST, 13)], signal=SignalState.YELLOW)
    near = drive([(-20, 0, EAST, 13)], signal=SignalState.YELLOW)

    assert far.agents.position[-1, 0, 0] < -8
    assert near.agents.position[-1, 0, 0] > 8


def test_who_ignores_signals_runs_the_red_light() -> None:
    """Ignores.SIGNALS passes red without braking."""
    ro = drive([(-100, 0, EAST, 13)], Ignores.SIGNALS, signal=SignalState.RED)

    assert ro.agents.speed[:, 0].min() > 12.0


@pytest.mark.parametrize("offset", [-15.0, -5.0, 0.0, 5.0, 15.0])
def test_the_minor_road_gives_way(offset: float) -> None:
    """Whenever the two arrive, they do not touch, and the major road is not braked."""
    ro = drive([(-80, 0, EAST, 13), (0, -80 + offset, NORTH, 13)], minor_yields=True, duration=18.0)

    assert not ro.collided.any()
    assert ro.agents.speed[:, 0].min() > 12.5
    assert ro.agents.position[-1, 1, 1] > 8 or not ro.agents.valid[-1, 1]


def test_who_ignores_priority_drives_on() -> None:
    """Ignores.PRIORITY does not wait, and here that is a crash."""
    rows = [(-80.0, 0.0, EAST, 13.0), (0.0, -80.0, NORTH, 13.0)]
    ro = drive(rows, Ignores.PRIORITY | Ignores.LEADERS, minor_yields=True)

    assert ro.collided.any()


@pytest.mark.parametrize("offset", [-10.0, 0.0, 10.0])
def test_without_signs_both_get_through(offset: float) -> None:
    """Right before left: nobody touches, and in the end both have crossed."""
    ro = drive([(-60, 0, EAST, 10), (0, -60 + offset, NORTH, 10)], duration=25.0)

    assert not ro.collided.any()
    assert ro.agents.position[-1, 0, 0] > 8
    assert ro.agents.position[-1, 1, 1] > 8


def test_signal_states_are_shown() -> None:
    """The simulator's `signals` are what the map's plan says at each time."""
    road = crossing(signal=SignalState.NONE, green_at=2.0)
    states = AgentStates.of([(AgentKind.CAR, -50.0, 0.0, 0.0, 5.0)])
    simulator = Simulator(StartBank.of([composition(road, states)]), 1)

    for _ in range(60):
        assert simulator.signals[0, 0] == road.signal_states(float(simulator.steps[0]) * 0.1)[0]
        simulator.step()
