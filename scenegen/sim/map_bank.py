"""Baked maps of many worlds, one after the other in shared arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.scene import RoadMap
from scenegen.sim.baking import BakedMap, bake


class MapTables(NamedTuple):
    """The arrays of BakedMap, joined; `offsets` says where each map's part begins and ends."""

    segments: FloatArray
    segment_lane: IntArray
    segment_alone: IntArray
    lane_numbers: FloatArray
    lane_links: IntArray
    successors: IntArray
    conflict_lane: IntArray
    conflict_range: FloatArray
    edges: FloatArray
    grid_head: FloatArray
    cells: IntArray
    cell_items: IntArray
    signals: FloatArray
    offsets: IntArray


class Road(NamedTuple):
    """One map's part of the tables, as compiled code passes it on; indices in it are local."""

    segments: FloatArray
    segment_lane: IntArray
    segment_alone: IntArray
    lane_numbers: FloatArray
    lane_links: IntArray
    successors: IntArray
    conflict_lane: IntArray
    conflict_range: FloatArray
    edges: FloatArray
    grid_head: FloatArray
    cells: IntArray
    cell_items: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapBank:
    """M baked maps, each stored once however many starts use it.

    Attributes:
        roadmaps: The maps.
        tables: Their arrays, joined without padding.
    """

    roadmaps: tuple[RoadMap, ...]
    tables: MapTables

    @classmethod
    def of(cls, roadmaps: Sequence[RoadMap]) -> Self:
        """Bake maps and join them."""
        baked = [_baked(roadmap) for roadmap in roadmaps]
        joined = {name: _join(baked, name) for name in BakedMap.__slots__}
        sizes = [[len(getattr(b, name)) for name in BakedMap.__slots__] for b in baked]
        offsets = np.zeros((len(baked) + 1, len(BakedMap.__slots__)), np.int64)
        offsets[1:] = np.cumsum(sizes, axis=0)
        return cls(roadmaps=tuple(roadmaps), tables=MapTables(**joined, offsets=offsets))

    @property
    def most_lanes(self) -> int:
        """Largest number of lanes of a map."""
        return max(len(roadmap.lanes) for roadmap in self.roadmaps)

    @property
    def most_signals(self) -> int:
        """Largest number of signals of a map."""
        return max(len(roadmap.signals) for roadmap in self.roadmaps)


@lru_cache(maxsize=16)
def _baked(roadmap: RoadMap) -> BakedMap:
    """Bake a map once: tries on one road come in several banks, and maps never change."""
    return bake(roadmap)


def _join(baked: Sequence[BakedMap], name: str) -> Any:  # noqa: ANN401 - floats or integers
    return np.ascontiguousarray(np.concatenate([getattr(b, name) for b in baked]))
