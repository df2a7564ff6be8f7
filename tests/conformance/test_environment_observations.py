"""What every observation of OBSERVATIONS and every action type keeps to."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.errors import UnknownNameError
from scenegen.sim import Simulator
from scenegen_envs.actions import ACTION_TYPES, HARDEST_ACCELERATION, HARDEST_BRAKING
from scenegen_envs.episodes import start_bank
from scenegen_envs.observations import OBSERVATIONS, Observation, observation_of, stacked
from tests.envs.pools import SMALL, pool


def made(name: str) -> Observation:
    """Make an observation, the camera a small one."""
    return observation_of(name, SMALL if name == "camera" else None)


@pytest.mark.parametrize("name", sorted(OBSERVATIONS))
def test_the_space_is_finite_and_stacks(name: str) -> None:
    """It has finite bounds, and several vehicles get a leading axis."""
    space = made(name).space

    three = stacked(space, 3)

    assert stacked(space, 1) == space
    assert three.shape == (3, *space.shape)
    assert three.dtype == space.dtype
    assert np.isfinite(space.low).all()
    assert np.isfinite(space.high).all()


@pytest.mark.parametrize("name", sorted(OBSERVATIONS))
def test_only_the_asked_worlds_are_written(name: str) -> None:
    """And what is written is inside the space and does not depend on the order of the worlds."""
    simulator = Simulator(start_bank(pool(), 1), 3)
    simulator.reset(np.arange(3), np.arange(3))
    seen = made(name)
    seen.load(simulator, pool().episodes)
    every = np.full((3, 1, *seen.space.shape), 99, seen.space.dtype)
    some = every.copy()

    seen.write(np.arange(3), every)
    seen.write(np.array([2, 1]), some)

    np.testing.assert_array_equal(some[[1, 2]], every[[1, 2]])
    assert (some[0] == 99).all()
    assert all(seen.space.contains(one[0]) for one in every)


@pytest.mark.parametrize("name", sorted(OBSERVATIONS))
def test_unknown_settings_are_refused(name: str) -> None:
    """A setting that does not exist is named."""
    with pytest.raises(UnknownNameError, match="colour"):
        observation_of(name, {"colour": 1})


@pytest.mark.parametrize("name", sorted(ACTION_TYPES))
@pytest.mark.parametrize("controlled", [1, 3])
def test_actions_become_commands_within_the_documented_range(name: str, controlled: int) -> None:
    """Shape (W, C, 2), float32, acceleration and steering bounded."""
    kind = ACTION_TYPES[name]()
    space = kind.space(controlled)
    space.seed(0)
    actions = np.stack([space.sample() for _ in range(50)])

    commands = kind.commands(actions, 50, controlled)

    assert commands.shape == (50, controlled, 2)
    assert commands.dtype == np.float32
    assert commands[..., 0].min() >= -HARDEST_BRAKING
    assert commands[..., 0].max() <= HARDEST_ACCELERATION
    assert (commands[..., 0] < 0).any()
    assert (commands[..., 1] > 0).any()


def test_action_bounds_are_full_braking_and_full_throttle() -> None:
    """-1 is -8 m/s^2, 0 coasts, 1 is 4 m/s^2; what is beyond counts as the bound."""
    given = np.array([[-2.0, 0.0], [-1.0, 0.0], [-0.5, 0.0], [0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])

    commands = ACTION_TYPES["continuous"]().commands(given, 6, 1)

    assert commands[:, 0, 0].tolist() == [-8.0, -8.0, -4.0, 0.0, 2.0, 4.0]


def test_what_is_not_a_number_coasts() -> None:
    """A policy that breaks down lets the vehicle roll straight on, like action 0."""
    simulators = [Simulator(start_bank(pool(), 1), 1) for _ in range(2)]

    for simulator, value in zip(simulators, (np.nan, 0.0), strict=True):
        action = np.full((1, 2), value, np.float32)
        simulator.step(ACTION_TYPES["continuous"]().commands(action, 1, 1))

    assert simulators[0].floats.tobytes() == simulators[1].floats.tobytes()


@pytest.mark.parametrize("action", [-1, 15])
def test_an_action_that_does_not_exist_is_refused(action: int) -> None:
    """The message says what there is."""
    with pytest.raises(IndexError, match="0 to 14"):
        ACTION_TYPES["discrete"]().commands(np.array([action]), 1, 1)
