"""How one chunk becomes bytes and back: compress, then a CRC32C that every read checks.

The same chain is written into the array metadata as Zarr v3 codecs, so zarr-python and others
read the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd  # type: ignore[import-untyped]

from scenegen.arrays import Array
from scenegen.data import jpeg
from scenegen.errors import RecordingError

LEVEL = 1
"""Compression level of zstd: level 1 reads fastest and stores within some percent of level 5."""
CRC_BYTES = 4


class Compressor(StrEnum):
    """What makes a chunk small."""

    NONE = "none"
    ZSTD = "zstd"
    BLOSC = "blosc"
    JPEG = jpeg.NAME


def checksum(data: Array | bytes, before: int = 0) -> int:
    """CRC32C (Castagnoli) of bytes, continuing from the checksum of what came before."""
    return int(google_crc32c.extend(before, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkCodec:
    """The chain of one array.

    Attributes:
        dtype: Little-endian dtype of the values.
        compressor: What makes a chunk small.
        transposed: Whether the axes are stored reversed: each coordinate of a point cloud
            together, which compresses better than points together.
        quality: JPEG quality, 1-100; unused by the others.
    """

    dtype: np.dtype[Any]
    compressor: Compressor
    transposed: bool = False
    quality: int = 92

    def encode(self, chunk: Array) -> bytes:
        """Give the bytes of one chunk, checksum last."""
        values = chunk.astype(self.dtype, copy=False)
        if self.compressor is Compressor.JPEG:
            data = jpeg.encode_jpeg(values.reshape(values.shape[-3:]), self.quality)
            return data + checksum(data).to_bytes(CRC_BYTES, "little")
        flat = np.ascontiguousarray(values.T if self.transposed else values).reshape(-1)
        raw = flat.view(np.uint8)
        if self.compressor is Compressor.BLOSC:
            data = blosc.compress(raw, b"zstd", LEVEL, blosc.SHUFFLE, 0, self.dtype.itemsize)
        elif self.compressor is Compressor.ZSTD:
            data = zstd.compress(raw, LEVEL)
        else:
            data = raw.tobytes()
        return data + checksum(data).to_bytes(CRC_BYTES, "little")

    def decode(self, data: Array, out: Array) -> None:
        """Decode one chunk's bytes, uint8 (n,), into a C-contiguous array of its shape.

        Raises:
            RecordingError: The checksum or the size is wrong.
        """
        body = data[:-CRC_BYTES]
        if len(data) <= CRC_BYTES or checksum(body) != int(data[-CRC_BYTES:].view("<u4")[0]):
            raise RecordingError("its checksum is wrong")
        if self.compressor is Compressor.JPEG:
            jpeg.decode_jpeg(body, out.reshape(out.shape[-3:]))
            return
        target = np.empty(out.shape[::-1], self.dtype) if self.transposed else out
        raw = target.reshape(-1).view(np.uint8)
        if self.compressor is Compressor.BLOSC:
            blosc.decompress(body, raw)
        elif self.compressor is Compressor.ZSTD:
            zstd.decompress(body, raw)
        elif len(body) == len(raw):
            raw[:] = body
        else:
            raise RecordingError(f"expected {len(raw)} bytes, got {len(body)}")
        if self.transposed:
            out[...] = target.T

    def to_json(self, dimensions: int) -> list[dict[str, Any]]:
        """Give the chain as Zarr v3 codecs."""
        if self.compressor is Compressor.JPEG:
            return [_entry(jpeg.NAME, quality=self.quality), _entry("crc32c")]
        order = list(range(dimensions))[::-1]
        chain = [_entry("transpose", order=order)] if self.transposed else []
        one_byte = self.dtype.itemsize == 1
        chain.append(_entry("bytes") if one_byte else _entry("bytes", endian="little"))
        if self.compressor is Compressor.BLOSC:
            size = self.dtype.itemsize
            chain.append(
                _entry(
                    "blosc",
                    typesize=size,
                    cname="zstd",
                    clevel=LEVEL,
                    shuffle="shuffle",
                    blocksize=0,
                )
            )
        elif self.compressor is Compressor.ZSTD:
            chain.append(_entry("zstd", level=LEVEL, checksum=False))
        return [*chain, _entry("crc32c")]

    @classmethod
    def from_json(cls, chain: list[dict[str, Any]], dtype: np.dtype[Any]) -> Self:
        """Rebuild from Zarr v3 codecs.

        Raises:
            RecordingError: The chain is none that `to_json` writes.
        """
        names = [codec["name"] for codec in chain]
        known = [c for c in Compressor if c.value in names]
        transposed = "transpose" in names
        codec = cls(
            dtype=dtype,
            compressor=known[0] if known else Compressor.NONE,
            transposed=transposed,
            quality=chain[0].get("configuration", {}).get("quality", 92),
        )
        dimensions = len(chain[0]["configuration"]["order"]) if transposed else 0
        if [entry["name"] for entry in codec.to_json(dimensions)] != names:
            raise RecordingError(f"expected a codec chain written by scenegen, got {names}")
        return codec


def _entry(name: str, **configuration: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"name": name, "configuration": configuration} if configuration else {"name": name}
