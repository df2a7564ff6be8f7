"""Scratch space for lists of agents per lane."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray, IntArray

PER_AGENT = 32
"""Entries there is room for, per agent; the centre of a large junction has about 20 lanes."""

LaneLists = tuple[IntArray, IntArray, FloatArray, IntArray]
"""Heads, shape (lanes,); entries (next, agent, lane) and their numbers; how many are in use."""


def lane_lists(lanes: int, agents: int) -> LaneLists:
    """Make empty lists; one thread at a time may use them."""
    room = agents * PER_AGENT
    return (
        np.full(lanes, -1, np.int32),
        np.zeros((room, 3), np.int32),
        np.zeros((room, 6), np.float32),
        np.zeros(1, np.int64),
    )
