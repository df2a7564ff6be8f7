"""JPEG as a Zarr v3 codec, `scenegen.jpeg`: one image per chunk, lossy, for camera pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec as ChunkSpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.registry import register_codec

from scenegen.arrays import Array
from scenegen.errors import RecordingError

NAME = "scenegen.jpeg"
"""Name in array metadata; plain zarr finds the codec through the `zarr.codecs` entry point."""


def encode_jpeg(image: Array, quality: int) -> bytes:
    """Encode an RGB image, uint8 (H, W, 3); 4:2:0 chroma, the same bytes for the same image.

    Raises:
        RecordingError: The image cannot be a JPEG.
    """
    # The channel swap is numpy's: OpenCV's starts a thread pool, which a forked worker inherits.
    # Plane by plane, since a reversed last axis copies six times slower.
    bgr = np.empty(image.shape, np.uint8)
    for k in range(3):
        bgr[..., k] = image[..., 2 - k]
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RecordingError(f"expected an image of at most 65500 pixels a side, got {image.shape}")
    return data.tobytes()


def decode_jpeg(data: Array, out: Array) -> None:
    """Decode the bytes of one JPEG, uint8 (n,), into an RGB image, uint8 (H, W, 3).

    Raises:
        RecordingError: The bytes are no JPEG of that size.
    """
    image = cv2.imdecode(data.view(np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None or image.shape != out.shape:
        got = "no JPEG" if image is None else f"one of shape {image.shape}"
        raise RecordingError(f"expected a JPEG of shape {out.shape}, got {got}")
    out[...] = image


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """Zarr's view of the codec; chunks have the shape (1, ..., 1, H, W, 3), uint8.

    Attributes:
        quality: JPEG quality, 1-100.
    """

    quality: int = 92
    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: Any) -> Self:  # noqa: ANN401 - zarr's signature, any JSON
        """Rebuild from array metadata."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> Any:  # noqa: ANN401 - zarr's signature, any JSON
        """Give the entry for array metadata."""
        return {"name": NAME, "configuration": {"quality": self.quality}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ChunkSpec) -> int:
        """Refuse: the size of a JPEG is known only when it is made."""
        raise NotImplementedError("the size of a JPEG depends on the picture")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ChunkSpec) -> NDBuffer:
        out = np.empty(chunk_spec.shape, np.uint8)
        decode_jpeg(chunk_data.as_numpy_array(), out.reshape(out.shape[-3:]))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(out)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ChunkSpec) -> Buffer:
        image = chunk_data.as_numpy_array()
        data = encode_jpeg(image.reshape(image.shape[-3:]), self.quality)
        return chunk_spec.prototype.buffer.from_bytes(data)


register_codec(NAME, JpegCodec)
