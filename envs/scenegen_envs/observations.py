"""What a policy sees: one observation type per entry of OBSERVATIONS."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray
from scenegen.sim import Simulator, StartBank
from scenegen_envs import bev, compact
from scenegen_envs.bev import road_pictures
from scenegen_envs.roads import road_tables


class StateBlocks(NamedTuple):
    """The state of all worlds as compiled code reads it; see `Simulator`."""

    floats: FloatArray
    ints: IntArray
    flags: BoolArray
    signals: IntArray
    start: IntArray


def blocks_of(simulator: Simulator) -> StateBlocks:
    """Give the simulator's own arrays, not copies."""
    s = simulator
    return StateBlocks(s.floats, s.ints, s.flags, s.signals, s.start)


class Observation(Protocol):
    """How worlds are seen; made for one bank of starts.

    Attributes:
        shape: Shape of one vehicle's observation.
        dtype: Its type.
    """

    shape: ClassVar[tuple[int, ...]]
    dtype: ClassVar[np.dtype[Any]]

    def __init__(self, bank: StartBank) -> None:
        """Prepare the maps of the bank."""

    @classmethod
    def space(cls, controlled: int) -> gym.spaces.Box:
        """Give the space of one world: one vehicle's, or stacked for several."""

    def write(self, state: StateBlocks, rows: IntArray, out: Array) -> None:
        """Write what the controlled vehicles of some worlds see.

        Args:
            state: State of all worlds.
            rows: Indices of the worlds to look at, shape (K,).
            out: Where to write, shape (W, C, *shape); other worlds stay as they are.
        """


class CompactObservation:
    """Numbers about the vehicle, its route, its neighbours and the road; see `compact`."""

    shape: ClassVar[tuple[int, ...]] = (compact.SIZE,)
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, bank: StartBank) -> None:
        """Prepare the maps of the bank."""
        self._roads = road_tables(bank.maps.roadmaps)
        self._starts = (bank.tables.map, bank.tables.friction)

    @classmethod
    def space(cls, controlled: int) -> gym.spaces.Box:
        """Give a Box in [-1, 1]."""
        shape = cls.shape if controlled == 1 else (controlled, *cls.shape)
        return gym.spaces.Box(-1.0, 1.0, shape, np.float32)

    def write(self, state: StateBlocks, rows: IntArray, out: Array) -> None:
        """Write the numbers; see Observation.write."""
        # Made anew: threads may write at once, and it costs less than one world.
        space = compact.scratch(state.floats.shape[2])
        compact.observe(rows, out.shape[1], state, self._starts, self._roads, space, out)


class BevObservation:
    """A picture of what is around the vehicle, seen from above; see `bev`."""

    shape: ClassVar[tuple[int, ...]] = (bev.PIXELS, bev.PIXELS, bev.CHANNELS)
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint8)

    def __init__(self, bank: StartBank) -> None:
        """Draw the maps of the bank."""
        self._pictures = road_pictures(bank.maps.roadmaps)
        self._roads = road_tables(bank.maps.roadmaps)
        self._map = bank.tables.map

    @classmethod
    def space(cls, controlled: int) -> gym.spaces.Box:
        """Give a Box of bytes."""
        shape = cls.shape if controlled == 1 else (controlled, *cls.shape)
        return gym.spaces.Box(0, 255, shape, np.uint8)

    def write(self, state: StateBlocks, rows: IntArray, out: Array) -> None:
        """Paint the pictures; see Observation.write."""
        bev.observe(rows, out.shape[1], state, self._map, self._pictures, self._roads, out)


OBSERVATIONS: dict[str, type[Observation]] = {
    "compact": CompactObservation,
    "bev": BevObservation,
}
"""Every way to see a world; a new one is a class here and an entry."""
