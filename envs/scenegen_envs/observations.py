"""What a policy sees: one observation type per entry of OBSERVATIONS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray
from scenegen.errors import UnknownNameError
from scenegen.sim import Simulator
from scenegen_envs import bev, compact
from scenegen_envs.bev import road_pictures
from scenegen_envs.camera import CameraObservation
from scenegen_envs.episodes import Episode
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
    """How worlds are seen."""

    @property
    def space(self) -> gym.spaces.Box:
        """The space of one vehicle's observation."""

    @property
    def most(self) -> int | None:
        """Vehicles of a world that can be looked out of; None for any number."""

    def load(self, simulator: Simulator, episodes: Sequence[Episode]) -> None:
        """Get ready to look at the worlds of a simulator.

        Args:
            simulator: The traffic.
            episodes: What it starts from, in the order of its starts. Called again, the list
                begins with the present one.
        """

    def write(self, rows: IntArray, out: Array) -> None:
        """Write what the controlled vehicles of some worlds see; threads may write at once.

        Args:
            rows: Indices of the worlds to look at, shape (K,).
            out: Where to write, shape (W, C, *shape); other worlds stay as they are.
        """


class CompactObservation:
    """Numbers about the vehicle, its route, its neighbours and the road; see `compact`."""

    most = None

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Make the space; there are no settings."""
        _refuse(settings)
        self.space = gym.spaces.Box(-1.0, 1.0, (compact.SIZE,), np.float32)

    def load(self, simulator: Simulator, episodes: Sequence[Episode]) -> None:
        """Prepare the maps."""
        del episodes
        bank = simulator.starts
        self._state = blocks_of(simulator)
        self._roads = road_tables(bank.maps.roadmaps)
        self._starts = (bank.tables.map, bank.tables.friction)

    def write(self, rows: IntArray, out: Array) -> None:
        """Write the numbers; see Observation.write."""
        # Made anew: threads may write at once, and it costs less than one world.
        space = compact.scratch(self._state.floats.shape[2])
        compact.observe(rows, out.shape[1], self._state, self._starts, self._roads, space, out)


class BevObservation:
    """A picture of what is around the vehicle, seen from above; see `bev`."""

    most = None

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Make the space; there are no settings."""
        _refuse(settings)
        self.space = gym.spaces.Box(0, 255, (bev.PIXELS, bev.PIXELS, bev.CHANNELS), np.uint8)

    def load(self, simulator: Simulator, episodes: Sequence[Episode]) -> None:
        """Draw the maps."""
        del episodes
        bank = simulator.starts
        self._state = blocks_of(simulator)
        self._pictures = road_pictures(bank.maps.roadmaps)
        self._roads = road_tables(bank.maps.roadmaps)
        self._map = bank.tables.map

    def write(self, rows: IntArray, out: Array) -> None:
        """Paint the pictures; see Observation.write."""
        pictures, roads = self._pictures, self._roads
        bev.observe(rows, out.shape[1], self._state, self._map, pictures, roads, out)


OBSERVATIONS: dict[str, Callable[[Mapping[str, Any]], Observation]] = {
    "compact": CompactObservation,
    "bev": BevObservation,
    "camera": CameraObservation,
}
"""Every way to see a world; a new one is a class here and an entry."""


def observation_of(name: str, settings: Mapping[str, Any] | None = None) -> Observation:
    """Make an observation.

    Args:
        name: Entry of OBSERVATIONS.
        settings: Its settings by name, as JSON holds them; those left out keep their default.

    Raises:
        UnknownNameError: The observation, or one of its settings, does not exist.
    """
    if name not in OBSERVATIONS:
        raise UnknownNameError("observation", name, OBSERVATIONS)
    return OBSERVATIONS[name]({} if settings is None else settings)


def stacked(space: gym.spaces.Box, controlled: int) -> gym.spaces.Box:
    """Give the space of one world: one vehicle's, or stacked for several."""
    if controlled == 1:
        return space
    low, high = (np.repeat(bound[None], controlled, 0) for bound in (space.low, space.high))
    return gym.spaces.Box(low, high, dtype=space.dtype)


def _refuse(settings: Mapping[str, Any]) -> None:
    for name in settings:
        raise UnknownNameError("observation setting", name, ())
