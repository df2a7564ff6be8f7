"""Memory for observations: used again only when nobody holds it any more."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from scenegen.arrays import Array

KEPT = 4
"""Blocks of memory that are kept for reuse."""


class FreshBuffers:
    """Arrays that belong to the caller, in recycled memory.

    Writing into new memory costs page faults, copying costs a pass over it. Here a block is handed
    out again only after the last array that looks into it is gone, so that a caller may keep
    any observation for as long as it likes and pays for neither.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Remember what to hand out."""
        self._shape, self._dtype = shape, dtype
        self._bytes = int(np.prod(shape)) * dtype.itemsize
        self._blocks: list[tuple[bytearray, weakref.ref[Array]]] = []

    def take(self) -> Array:
        """Give an array nobody else looks into; its content is arbitrary."""
        for number, (block, last) in enumerate(self._blocks):
            if last() is None:
                return self._lend(block, number)
        return self._lend(bytearray(self._bytes), len(self._blocks))

    def _lend(self, block: bytearray, number: int) -> Array:
        # Every view of `flat` keeps `flat` itself alive: its memory is no array of numpy's own, so
        # numpy does not look through it when it notes whose memory a view uses.
        flat: Array = np.frombuffer(block, self._dtype)
        if number < KEPT:
            self._blocks[number : number + 1] = [(block, weakref.ref(flat))]
        return flat.reshape(self._shape)


class RingBuffers:
    """Two arrays in turn: each is overwritten by the step after the next."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Allocate both."""
        self._arrays = [np.zeros(shape, dtype) for _ in range(2)]

    def take(self) -> Array:
        """Give the older array."""
        self._arrays.reverse()
        return self._arrays[0]
