"""Action spaces: what a policy gives, and the acceleration and steering that follow from it."""

from __future__ import annotations

from typing import Protocol

import gymnasium as gym
import numpy as np

from scenegen.arrays import Array, FloatArray

HARDEST_BRAKING = 8.0
"""Deceleration at action -1 [m/s^2]: full braking on dry asphalt."""
HARDEST_ACCELERATION = 4.0
"""Acceleration at action +1 [m/s^2]: 0-100 km/h in 7 s."""
LARGEST_STEERING = 0.35
"""Front steering angle at action +1 [rad], to the left: about 20 degrees."""


_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_SCALE = np.array([HARDEST_ACCELERATION, LARGEST_STEERING], np.float32)
_EXTRA = np.float32(HARDEST_BRAKING - HARDEST_ACCELERATION)


class ActionType(Protocol):
    """How a policy speaks to the vehicles."""

    def space(self, controlled: int) -> gym.Space[Array]:
        """Give the space of one world in which `controlled` vehicles obey the policy."""

    def commands(self, actions: Array, worlds: int, controlled: int) -> FloatArray:
        """Turn a batch of actions into commands.

        Args:
            actions: One action of `space` per world, leading shape (W,).
            worlds: Number of worlds W.
            controlled: Vehicles per world C.

        Returns:
            Acceleration [m/s^2] and front steering angle [rad], shape (W, C, 2), float32.
        """


class Continuous:
    """Two numbers in [-1, 1]: pedals and steering wheel.

    The first is braking down to -HARDEST_BRAKING and acceleration up to HARDEST_ACCELERATION,
    linear on either side of 0, so that 0 coasts. The second is the steering angle as a share of
    LARGEST_STEERING, positive to the left. Numbers outside are moved to the nearer bound.
    """

    def space(self, controlled: int) -> gym.Space[Array]:
        """Give Box(2), or Box(C, 2) for several vehicles."""
        shape = (2,) if controlled == 1 else (controlled, 2)
        return gym.spaces.Box(-1.0, 1.0, shape, np.float32)

    def commands(self, actions: Array, worlds: int, controlled: int) -> FloatArray:
        """Scale to physical units; what is not a number coasts straight on."""
        given = np.asarray(actions, np.float32).reshape(worlds, controlled, 2)
        share = np.maximum(np.minimum(given, _ONE), -_ONE)
        out = share * _SCALE
        pedal = share[..., 0]
        out[..., 0] += np.minimum(pedal, _ZERO) * _EXTRA
        return out


class Discrete:
    """One of 15 numbers: five pedals times three steering angles.

    Action ``5 * s + p`` steers by ``STEERING[s]`` and accelerates by ``PEDALS[p]``.
    """

    PEDALS = (-8.0, -3.0, 0.0, 1.5, 4.0)
    """Accelerations [m/s^2]."""
    STEERING = (0.0, 0.03, -0.03)
    """Front steering angles [rad]; 0.03 moves a car at 20 m/s one lane in about 2 s."""

    def __init__(self) -> None:
        """Lay out the table of commands."""
        self.table = np.array([(p, s) for s in self.STEERING for p in self.PEDALS], np.float32)

    def space(self, controlled: int) -> gym.Space[Array]:
        """Give Discrete(15), or MultiDiscrete for several vehicles."""
        count = len(self.table)
        if controlled == 1:
            return gym.spaces.Discrete(count)  # type: ignore[return-value] # its samples are integers
        return gym.spaces.MultiDiscrete([count] * controlled)

    def commands(self, actions: Array, worlds: int, controlled: int) -> FloatArray:
        """Look the commands up.

        Raises:
            IndexError: An action is not one of the 15.
        """
        given = np.asarray(actions, np.int64).reshape(worlds, controlled)
        if given.min() < 0 or given.max() >= len(self.table):
            raise IndexError(
                f"action: expected 0 to {len(self.table) - 1}, got {given.min()} to {given.max()}"
            )
        return self.table[given]


ACTION_TYPES: dict[str, type[ActionType]] = {"continuous": Continuous, "discrete": Discrete}
"""Every way to speak to the vehicles."""
