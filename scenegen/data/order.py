"""The order in which clips are drawn: a pure function of seed and epoch, resumable anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scenegen.arrays import IntArray
from scenegen.errors import RecordingError
from scenegen.seeding import stream

_ROUNDS = 8

Words = npt.NDArray[np.uint64]


class Countable(Protocol):
    """What a sampler needs to know of the clips it orders."""

    @property
    def fingerprint(self) -> str:
        """Identity of the clips and their numbering."""

    def __len__(self) -> int:
        """Count the clips."""


class Permutation:
    """A keyed permutation of 0 ... count - 1 that needs no memory for the order.

    A Feistel network (Luby and Rackoff, 1988) of 8 rounds permutes the numbers of an even
    count of bits; a result past the end is permuted again until it falls within (cycle walking,
    Black and Rogaway, 2002), fewer than four times on average.
    """

    def __init__(self, count: int, seed: int, *names: str | int) -> None:
        """Give the permutation of one seed and purpose."""
        self.count = count
        self._half = np.uint64(max(1, -(-max(count - 1, 1).bit_length() // 2)))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        keys = stream(seed, "permutation", *names).integers(0, 2**64, _ROUNDS, np.uint64)
        self._keys = [np.uint64(key) for key in keys]

    def __getitem__(self, positions: IntArray) -> IntArray:
        """Numbers at some positions, shape (n,); each within 0 ... count - 1."""
        values = self._permute(np.asarray(positions).astype(np.uint64))
        while (outside := values >= self.count).any():
            values[outside] = self._permute(values[outside])
        return values.astype(np.int64)

    def _permute(self, values: Words) -> Words:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right ^ key) & self._mask)
        return (left << self._half) | right


def _mix(x: Words) -> Words:
    """Scatter the bits of a number over all its bits (splitmix64; Steele et al. 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class ElasticSampler:
    """Batches of clip numbers whose order does not depend on ranks or workers.

    All ranks together walk through one sequence: at each step, world_size * batch_size
    consecutive clips of it, the r-th part for rank r. So a run that is resumed on another number
    of ranks goes on with exactly the clips that are left. Each epoch has an order of its own and
    gives every clip at most once; every rank gets the same number of batches. The last step
    shares out what is left, where that is fewer clips than ranks they are left out.

    The sampler counts the batches that were handed to the training loop, not those a worker has
    fetched ahead: call `advance` after each batch (ClipLoader does).
    """

    def __init__(
        self,
        dataset: Countable,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        *,
        shuffle: bool = True,
    ) -> None:
        """Begin at the first batch of epoch 0.

        Args:
            dataset: The clips.
            batch_size: Clips per batch and rank, at least 1.
            seed: Decides the order.
            rank: Number of this process among the ranks.
            world_size: Number of ranks.
            shuffle: False keeps the order of the dataset.
        """
        if batch_size < 1 or not 0 <= rank < world_size:
            raise ValueError(
                "expected batch_size >= 1 and 0 <= rank < world_size, got batch_size"
                f" {batch_size}, rank {rank}, world_size {world_size}"
            )
        self.epoch = 0
        self.clips_done = 0
        self._count = len(dataset)
        self._fingerprint = dataset.fingerprint
        self._size, self._seed, self._shuffle = batch_size, seed, shuffle
        self._rank, self._world = rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        """Give this rank's batches from the present state to the end of the epoch."""
        epoch, done = self.epoch, self.clips_done
        while self._count - done >= self._world:
            yield self._batch(epoch, done)
            done = self._after(done)

    def __len__(self) -> int:
        """Count the batches that are left in this epoch; the same on all ranks."""
        full, rest = divmod(self._count - self.clips_done, self._size * self._world)
        return full + (rest >= self._world)

    def batches(self, epochs: int | None = None) -> Iterator[list[int]]:
        """Give this rank's batches from the present state on, epoch after epoch.

        Args:
            epochs: Epochs to give, the present one included; None never ends.

        Raises:
            RecordingError: There are fewer clips than ranks, so there is no batch at all.
        """
        if self._count < self._world:
            raise RecordingError(f"expected a clip per rank, got {self._count} for {self._world}")
        epoch, done = self.epoch, self.clips_done
        end = None if epochs is None else epoch + epochs
        while end is None or epoch < end:
            yield self._batch(epoch, done)
            epoch, done = self._rolled(epoch, self._after(done))

    def advance(self) -> None:
        """Note that one batch was handed to the training loop; the last one begins an epoch."""
        self.epoch, self.clips_done = self._rolled(self.epoch, self._after(self.clips_done))

    def set_epoch(self, epoch: int) -> None:
        """Go to the begin of an epoch."""
        self.epoch, self.clips_done = epoch, 0

    def state_dict(self) -> dict[str, int | str | bool]:
        """Give the state, the same on all ranks."""
        return {
            "seed": self._seed,
            "shuffle": self._shuffle,
            "epoch": self.epoch,
            "clips_done": self.clips_done,
            "clips": self._fingerprint,
        }

    def load_state_dict(self, state: dict[str, int | str | bool]) -> None:
        """Go on from a state, on any number of ranks and workers.

        Raises:
            RecordingError: The state is of other clips.
        """
        if state["clips"] != self._fingerprint:
            raise RecordingError(
                f"sampler state: expected one of clips {self._fingerprint}, got {state['clips']};"
                " open the snapshot, selection and clip length that it was saved with"
            )
        self._seed, self._shuffle = int(state["seed"]), bool(state["shuffle"])
        self.epoch, self.clips_done = int(state["epoch"]), int(state["clips_done"])

    def _batch(self, epoch: int, done: int) -> list[int]:
        """This rank's part of the step that begins after `done` clips."""
        here = min(self._size * self._world, self._count - done)
        # Sizes differ by one at most, and only in the last step of an epoch.
        share, extra = divmod(here, self._world)
        begin = done + self._rank * share + min(self._rank, extra)
        positions = np.arange(begin, begin + share + (self._rank < extra))
        if not self._shuffle:
            return [int(i) for i in positions]
        order = Permutation(self._count, self._seed, "clips", epoch)
        return [int(i) for i in order[positions]]

    def _after(self, done: int) -> int:
        return min(done + self._size * self._world, self._count)

    def _rolled(self, epoch: int, done: int) -> tuple[int, int]:
        return (epoch + 1, 0) if self._count - done < self._world else (epoch, done)
