"""What every observation of OBSERVATIONS and every action type keeps to."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.sim import Simulator
from scenegen_envs.actions import ACTION_TYPES, HARDEST_ACCELERATION, HARDEST_BRAKING
from scenegen_envs.episodes import start_bank
from scenegen_envs.observations import OBSERVATIONS, blocks_of
from tests.envs.pools import pool


@pytest.mark.parametrize("name", sorted(OBSERVATIONS))
def test_the_space_is_finite_and_fits_the_shape(name: str) -> None:
    """One vehicle has the announced shape, several get a leading axis."""
    kind = OBSERVATIONS[name]

    one, three = kind.space(1), kind.space(3)

    assert one.shape == kind.shape
    assert three.shape == (3, *kind.shape)
    assert one.dtype == kind.dtype
    assert np.isfinite(one.low).all()
    assert np.isfinite(one.high).all()


@pytest.mark.parametrize("name", sorted(OBSERVATIONS))
def test_only_the_asked_worlds_are_written(name: str) -> None:
    """And what is written is inside the space and does not depend on the order of the worlds."""
    bank = start_bank(pool(), 1)
    simulator = Simulator(bank, 5)
    simulator.reset(np.arange(5), np.arange(5))
    kind = OBSERVATIONS[name](bank)
    every = np.full((5, 1, *kind.shape), 99, kind.dtype)
    some = every.copy()

    kind.write(blocks_of(simulator), np.arange(5), every)
    kind.write(blocks_of(simulator), np.array([3, 1]), some)

    np.testing.assert_array_equal(some[[1, 3]], every[[1, 3]])
    assert (some[[0, 2, 4]] == 99).all()
    assert all(kind.space(1).contains(seen[0]) for seen in every)


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
