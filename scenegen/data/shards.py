"""Read rows of one Zarr v3 array straight from its files: index, pread, check, decode in place.

Synchronous and without threads. Reads are positional, so a process that was forked after a read
may go on with the descriptors it inherited.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scenegen.arrays import Array, IntArray
from scenegen.data.codecs import ChunkCodec, checksum
from scenegen.data.schema import little
from scenegen.errors import RecordingError

OPEN_FILES = 256
"""Shard files that a dataset keeps open; POSIX systems grant a process at least 1024."""
_ENTRY = 16


class ShardFile:
    """An open file of chunks and where each chunk lies in it."""

    def __init__(self, path: Path, entries: int | None) -> None:
        """Open a shard of `entries` chunks; None for a file that is one bare chunk.

        Raises:
            RecordingError: The file is missing or its index is damaged.
        """
        self.path = path
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            raise RecordingError(f"{path}: cannot open its chunks ({error.strerror})") from error
        self.index = self._read_index(entries)

    def read(self, begin: int, length: int) -> Array:
        """Read bytes, uint8 (length,).

        Raises:
            RecordingError: The file ends before.
        """
        data = os.pread(self._fd, length, begin)
        if len(data) != length:
            raise RecordingError(f"{self.path}: ends at byte {begin + len(data)}, cut short")
        return np.frombuffer(data, np.uint8)

    def _read_index(self, entries: int | None) -> IntArray:
        """Offset and length of each chunk, shape (entries, 2)."""
        if entries is None:
            return np.array([[0, self.size]])
        length = entries * _ENTRY + 4
        if self.size < length:
            raise RecordingError(f"{self.path}: too short for its index, cut short")
        data = self.read(self.size - length, length)
        if checksum(data[:-4]) != int(data[-4:].view("<u4")[0]):
            raise RecordingError(f"{self.path}: its index is damaged, the checksum is wrong")
        return data[:-4].view("<u8").reshape(entries, 2).astype(np.int64)

    def __del__(self) -> None:
        """Close the descriptor with the last reference."""
        if self._fd >= 0:
            os.close(self._fd)


OpenShard = Callable[[Path, int | None], ShardFile]


def shard_cache() -> OpenShard:
    """Give a way to open shards that keeps the last OPEN_FILES open.

    It needs no lock, so it is safe under threads and forks. A dataset has one of its own: a
    dataset that is written anew under the same name must not meet old files.
    """
    return lru_cache(maxsize=OPEN_FILES)(ShardFile)


class ShardArray:
    """One array of a pack."""

    def __init__(
        self, path: Path, metadata: dict[str, Any], open_shard: OpenShard = ShardFile
    ) -> None:
        """Describe the array in a folder by its zarr.json, and how its files are opened.

        Raises:
            RecordingError: It is not stored as scenegen stores arrays.
        """
        try:
            self.dtype = little(metadata["data_type"])
            self.shape: tuple[int, ...] = tuple(metadata["shape"])
            grid = metadata["chunk_grid"]["configuration"]["chunk_shape"]
            chain = metadata["codecs"]
            self.is_sharded = chain[0]["name"] == "sharding_indexed"
            inner = chain[0]["configuration"] if self.is_sharded else {}
            self.codec = ChunkCodec.from_json(inner.get("codecs", chain), self.dtype)
            self.chunk_rows = int(inner.get("chunk_shape", grid)[0])
            self.shard_chunks = int(grid[0]) // self.chunk_rows
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RecordingError(f"{path}: unknown array metadata ({error})") from error
        self.path = path
        self._open = open_shard
        self._zeros = ["0"] * (len(self.shape) - 1)
        self._chunk_shape = (self.chunk_rows, *self.shape[1:])

    def read(
        self, start: int = 0, stop: int | None = None, step: int = 1, out: Array | None = None
    ) -> npt.NDArray[Any]:
        """Read the rows start, start + step, ... before stop.

        Args:
            start: First row, 0 <= start.
            stop: Row to stop before; None reads to the end.
            step: Distance between rows, at least 1.
            out: C-contiguous array that takes the rows; None allocates one.

        Returns:
            The rows, shape (n, *row_shape).

        Raises:
            RecordingError: A chunk is missing or damaged; nothing is ever filled in.
        """
        stop = self.shape[0] if stop is None else stop
        if not 0 <= start <= stop <= self.shape[0] or step < 1:
            raise IndexError(
                f"{self.path}: rows {start}:{stop}:{step} are not within its {self.shape[0]} rows"
            )
        count = len(range(start, stop, step))
        if out is None:
            out = np.empty((count, *self.shape[1:]), self.dtype)
        if prod(out.shape) == 0:
            return out
        if step > 1 and self.chunk_rows > 1:
            out[...] = self.read(start, stop)[::step]
            return out
        if step > 1:
            for i in range(count):
                self._read_run(start + i * step, start + i * step + 1, out[i : i + 1])
            return out
        span = self.chunk_rows * self.shard_chunks
        for shard in range(start // span, -(-stop // span)):
            low, high = max(start, shard * span), min(stop, (shard + 1) * span)
            self._read_run(low, high, out[low - start : high - start])
        return out

    def shard(self, number: int) -> ShardFile:
        """Open a shard by its number."""
        path = self.path.joinpath("c", str(number), *self._zeros)
        return self._open(path, self.shard_chunks if self.is_sharded else None)

    def _read_run(self, start: int, stop: int, out: Array) -> None:
        """Read rows that lie in one shard."""
        rows, span = self.chunk_rows, self.chunk_rows * self.shard_chunks
        number = start // span
        shard = self.shard(number)
        first, last = (start - number * span) // rows, -(-(stop - number * span) // rows)
        places = shard.index[first:last]
        begins, lengths = places[:, 0], places[:, 1]
        if (begins < 0).any() or (lengths < 0).any():
            lost = first + int(np.argmax(begins < 0))
            raise RecordingError(f"{shard.path}: chunk {lost} is missing")
        begin = int(begins.min())
        data = shard.read(begin, int((begins + lengths).max()) - begin)
        for k in range(first, last):
            at = int(begins[k - first]) - begin
            row = number * span + k * rows
            low, high = max(row, start), min(row + rows, stop)
            target = out[low - start : high - start]
            chunk = target if high - low == rows else np.empty(self._chunk_shape, self.dtype)
            try:
                self.codec.decode(data[at : at + int(lengths[k - first])], chunk)
            except (RecordingError, RuntimeError, ValueError) as error:
                raise RecordingError(f"{shard.path}: chunk {k} is damaged, {error}") from error
            if chunk is not target:
                target[...] = chunk[low - row : high - row]
