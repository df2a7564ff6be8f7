"""What a dataset holds: the format's version, its profiles, and every array's storage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from posixpath import dirname, join
from typing import Any

import numpy as np

from scenegen.data.codecs import ChunkCodec, Compressor
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.scene import ArraySpec

FORMAT = "scenegen-recordings"
FORMAT_VERSION = 1
"""Raised whenever an older reader would misread a newer dataset."""
FRAMES_PER_SHARD = 256
"""Frames in one file: few files, yet plain zarr-python must hold a shard in memory to write it."""
POINT_ROWS = 32_768
"""Points in one chunk: a spinning lidar's sweep is a few chunks."""
BOX_ROWS = 4_096
"""Rows in one chunk of every other ragged array."""
CHUNKS_PER_SHARD = 2_048
"""Chunks in one file of a ragged array: 64 Mi points."""

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How pictures are stored.

    Attributes:
        jpeg_quality: Quality of ArraySpec codec "image", 1-100; None keeps pictures exact.
    """

    jpeg_quality: int | None


PROFILES = {"default": Profile(jpeg_quality=92), "lossless": Profile(jpeg_quality=None)}
"""Every profile by the name a dataset carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Storage of one array; rows along the first axis are appended.

    Attributes:
        path: Place within the pack, for example ``frames/camera/front/rgb``.
        dims: Name of each axis; no name is also the name of an array beside it.
        row_shape: Shape of one row.
        codec: How a chunk becomes bytes.
        chunk_rows: Rows in one chunk; None stores the whole array as one chunk in one file.
        shard_chunks: Chunks in one file.
        attributes: CF attributes.
    """

    path: str
    dims: tuple[str, ...]
    row_shape: tuple[int, ...]
    codec: ChunkCodec
    chunk_rows: int | None = None
    shard_chunks: int = CHUNKS_PER_SHARD
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Little-endian dtype of the values."""
        return self.codec.dtype


def table_column(
    path: str,
    dtype: str,
    dims: Sequence[str],
    row_shape: Sequence[int] = (),
    chunk_rows: int | None = None,
    **attributes: Any,  # noqa: ANN401 - any JSON
) -> Column:
    """Describe an array of plain numbers: shuffled and compressed, exact."""
    return Column(
        path=path,
        dims=tuple(dims),
        row_shape=tuple(row_shape),
        codec=ChunkCodec(dtype=little(dtype), compressor=Compressor.BLOSC),
        chunk_rows=chunk_rows,
        attributes=attributes,
    )


def offsets_column(path: str, dim: str) -> Column:
    """Describe CSR offsets: row i owns the values from offsets[i] to offsets[i + 1]."""
    return Column(
        path=path,
        dims=(dim,),
        row_shape=(),
        codec=ChunkCodec(dtype=little("int64"), compressor=Compressor.NONE),
        attributes={"long_name": f"begin of each row's values; {dim} i + 1 is the end of row i"},
    )


def frame_column(spec: ArraySpec, profile: Profile) -> Column:
    """Describe the array of one ArraySpec: a frame per chunk, or ragged rows in equal chunks."""
    attributes: dict[str, Any] = {"units": spec.units, "long_name": spec.long_name}
    attributes |= dict(spec.attributes)
    if spec.scale != 1.0:
        attributes["scale_factor"] = spec.scale
    if spec.classes:
        attributes["flag_values"] = list(range(len(spec.classes)))
        attributes["flag_meanings"] = " ".join(c.replace(" ", "_") for c in spec.classes)
    lead = () if spec.is_ragged else ("frame",)
    sizes = spec.shape[1:] if spec.is_ragged else spec.shape
    rows = POINT_ROWS if spec.dims[:1] == ("point",) else BOX_ROWS
    return Column(
        path=field_path(spec.name),
        dims=(*lead, *spec.dims),
        row_shape=tuple(int(n) for n in sizes if n is not None),
        codec=_frame_codec(spec, profile),
        chunk_rows=rows if spec.is_ragged else 1,
        shard_chunks=CHUNKS_PER_SHARD if spec.is_ragged else FRAMES_PER_SHARD,
        attributes={name: value for name, value in attributes.items() if value != ""},
    )


def _frame_codec(spec: ArraySpec, profile: Profile) -> ChunkCodec:
    dtype = little(spec.dtype)
    if spec.codec not in {"image", "mask", "field", "points"}:
        raise UnknownNameError("codec", spec.codec, ("image", "mask", "field", "points"))
    picture = spec.codec == "image" and dtype == np.uint8 and spec.shape[2:] == (3,)
    if picture and profile.jpeg_quality is not None and not spec.is_ragged:
        return ChunkCodec(dtype=dtype, compressor=Compressor.JPEG, quality=profile.jpeg_quality)
    # Shuffling groups the bytes of equal weight, which says nothing to single bytes.
    plain = dtype.itemsize == 1 and spec.codec in {"mask", "points"}
    return ChunkCodec(
        dtype=dtype,
        compressor=Compressor.ZSTD if plain else Compressor.BLOSC,
        transposed=spec.codec == "points" and len(spec.shape) > 1,
    )


def field_path(name: str) -> str:
    """Place of a frame array within a pack."""
    return join("frames", name)


def offsets_path(spec: ArraySpec) -> str:
    """Place of a ragged array's offsets; ragged arrays of one group and dimension share them."""
    return join(dirname(field_path(spec.name)), f"{spec.dims[0]}_offsets")


def little(dtype: str) -> np.dtype[Any]:
    """Give a dtype in the byte order of the format."""
    return np.dtype(dtype).newbyteorder("<")


def check_specs(specs: Sequence[ArraySpec]) -> None:
    """Check that the arrays can live side by side in one Zarr group tree that xarray reads.

    Raises:
        RecordingError: A name is taken twice or is no path, or a dimension has two sizes.
    """
    ragged = [spec for spec in specs if spec.is_ragged]
    names = [field_path(spec.name) for spec in specs]
    helpers = {offsets_path(s) for s in ragged} | {counts_path(s) for s in ragged}
    paths = [*names, *helpers, *FRAME_ARRAYS]
    groups = {
        "/".join(path.split("/")[:k]) for path in paths for k in range(1, path.count("/") + 1)
    }
    for path in names:
        if not all(_SEGMENT.fullmatch(part) for part in path.split("/")):
            raise RecordingError(f"array name {path[7:]!r}: expected letters, digits and _ . - /")
        if paths.count(path) > 1 or path in groups:
            raise RecordingError(
                f"array name {path[7:]!r} is taken twice; rename one of the arrays"
            )
    sizes: dict[tuple[str, str], int | None] = {}
    for spec, path in zip(specs, names, strict=True):
        np.dtype(spec.dtype)
        for dim, size in zip(("frame", *spec.dims), (-1, *spec.shape), strict=True):
            if sizes.setdefault((dirname(path), dim), size) != size:
                raise RecordingError(f"{spec.name}: dimension {dim!r} has two sizes in one group")
            if join(dirname(path), dim) in paths:
                raise RecordingError(f"{spec.name}: {dim!r} names a dimension and an array")


def counts_path(spec: ArraySpec) -> str:
    """Place of a ragged array's row counts, for readers of CF contiguous ragged arrays."""
    return join(dirname(field_path(spec.name)), f"{spec.dims[0]}_counts")


FRAME_ARRAYS = ("frames/time", "frames/scenario_offsets")
"""Arrays beside the specs' own."""


def spec_to_json(spec: ArraySpec) -> dict[str, Any]:
    """Give an ArraySpec as plain JSON values."""
    return {
        **asdict(spec),
        "dims": [*spec.dims],
        "shape": [*spec.shape],
        "classes": [*spec.classes],
        "attributes": [list(pair) for pair in spec.attributes],
    }


def spec_from_json(data: dict[str, Any]) -> ArraySpec:
    """Rebuild from `spec_to_json`."""
    told = {k: tuple(data[k]) for k in ("dims", "shape", "classes")}
    told["attributes"] = tuple((name, text) for name, text in data.get("attributes", ()))
    return ArraySpec(**{**data, **told})


def group_of(path: str) -> str:
    """Group an array lives in."""
    return dirname(path)
