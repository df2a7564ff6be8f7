"""One growing Zarr v3 array on disk: rows go in, encoded chunks go out, memory stays flat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scenegen.arrays import Array
from scenegen.data.codecs import checksum
from scenegen.data.schema import Column
from scenegen.data.storage import OutputFile

MISSING = 2**64 - 1
"""Offset and length of a chunk that a shard does not hold (Zarr sharding codec)."""


class ArrayAppender:
    """Writes the rows of one Column; at most one chunk waits in memory.

    A shard file is its encoded chunks one after the other, then the index (offset and length of
    each, uint64) and the index's CRC32C.
    """

    def __init__(self, pack: Path, column: Column) -> None:
        """Begin an empty array; nothing is on disk before the first chunk is full."""
        self.column = column
        self.rows = 0
        self.files: dict[str, OutputFile] = {}
        self._pack = pack
        self._waiting: list[Array] = []
        self._waiting_rows = 0
        self._chunk_rows = column.chunk_rows
        self._index: list[tuple[int, int]] = []
        self._shards = 0
        self._file: OutputFile | None = None

    def append(self, rows: Array) -> None:
        """Append rows, shape (n, *row_shape); writes every chunk that is full."""
        self.rows += len(rows)
        size = self._chunk_rows
        if size is None:
            self._waiting.append(np.array(rows))
            return
        while self._waiting_rows + len(rows) >= size:
            take = size - self._waiting_rows
            self._write_chunk(self._joined(rows[:take]))
            rows = rows[take:]
        if len(rows):
            self._waiting.append(np.array(rows))
            self._waiting_rows += len(rows)

    def close(self) -> None:
        """Write what waits and the index of the last shard."""
        rest = self._joined(np.empty((0, *self.column.row_shape), self.column.dtype))
        if self._chunk_rows is None or (self.rows and not self._shards):
            self._chunk_rows = max(self.rows, 1)  # one chunk holds everything: no padding
        if len(rest):
            pad = np.full((self._chunk_rows - len(rest), *rest.shape[1:]), self._fill, rest.dtype)
            self._write_chunk(np.concatenate([rest, pad]))
        if self._file is not None:
            self._close_shard()

    def abandon(self) -> None:
        """Let go of the files without finishing them."""
        for file in self.files.values():
            file.close()

    def metadata(self) -> dict[str, Any]:
        """Give the array's zarr.json, once it is closed."""
        chunk = [self._chunk_rows or 1, *self.column.row_shape]
        shape = [self.rows, *self.column.row_shape]
        codecs = self.column.codec.to_json(len(shape))
        grid = chunk
        if self.column.chunk_rows is not None:
            grid = [self._entries * chunk[0], *chunk[1:]]
            little = {"name": "bytes", "configuration": {"endian": "little"}}
            sharding = {
                "chunk_shape": chunk,
                "codecs": codecs,
                "index_codecs": [little, {"name": "crc32c"}],
                "index_location": "end",
            }
            codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        fill = self._fill
        return {
            "attributes": self.column.attributes,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": grid}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": codecs,
            "data_type": self.column.dtype.name,
            "dimension_names": list(self.column.dims),
            "fill_value": "NaN" if fill != fill else fill,  # noqa: PLR0124 - NaN differs from itself
            "node_type": "array",
            "shape": shape,
            "storage_transformers": [],
            "zarr_format": 3,
        }

    @property
    def _fill(self) -> bool | int | float:
        """A value far from real data, so that a plain reader shows a lost chunk as what it is."""
        dtype = self.column.dtype
        if dtype.kind == "b":
            return False
        if dtype.kind == "f":
            return float("nan")
        info = np.iinfo(dtype)
        return int(info.min) if dtype.kind == "i" else int(info.max)

    @property
    def _entries(self) -> int:
        """Chunks that a shard can hold: as many as there are, where one shard holds all."""
        full = self.column.shard_chunks
        return full if self._shards > 1 else max(min(full, -(-self.rows // self._chunk_size)), 1)

    @property
    def _chunk_size(self) -> int:
        return self._chunk_rows or 1

    def _joined(self, rows: Array) -> Array:
        if not self._waiting:
            return rows
        joined = np.concatenate([*self._waiting, rows])
        self._waiting, self._waiting_rows = [], 0
        return joined

    def _write_chunk(self, chunk: Array) -> None:
        data = self.column.codec.encode(chunk)
        if self._file is None:
            where = "/".join([f"{self.column.path}/c", str(self._shards), *self._zeros])
            self._file = self.files[where] = OutputFile(self._pack / where)
            self._shards += 1
        self._index.append((self._file.length, len(data)))
        self._file.write(data)
        if self.column.chunk_rows is not None and len(self._index) == self.column.shard_chunks:
            self._close_shard()

    @property
    def _zeros(self) -> list[str]:
        return ["0"] * len(self.column.row_shape)

    def _close_shard(self) -> None:
        assert self._file is not None
        if self.column.chunk_rows is not None:
            missing = self._entries - len(self._index)
            index = np.array([*self._index, *[(MISSING, MISSING)] * missing], "<u8").tobytes()
            self._file.write(index + checksum(index).to_bytes(4, "little"))
        self._file.close()
        self._file, self._index = None, []
