"""One file of a corpus: rows as arrays in a safetensors file whose header says what they mean.

Conditions are stored as they are, event families by name, so that corpora built with different
lists of families can be read together; the vector a model reads is made when it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from scenegen.arrays import Array
from scenegen.errors import RecordingError
from scenegen.layout import map_tokens, motion, tokens
from scenegen.scene import Light, RoadKind, Weather
from scenegen.scene.plans import KNOTS
from scenegen.seeding import Jsonable, digest

FORMAT = 2
"""Version of the layout of shards and manifest."""
HEADER, MANIFEST = "scenegen", "manifest.json"
SPLITS = ("train", "val", "test", "held_out")
"""The numbers of `split` in a row; held_out is the class of roads never trained on."""

COLUMNS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "agents": ("float32", (tokens.SLOTS, tokens.CHANNELS)),
    "frame": ("float64", (3,)),
    # Half floats hold map points to 5 cm at 100 m, below the width of a line.
    "map_points": ("float16", (map_tokens.POLYLINES, map_tokens.POINTS, 4)),
    "map_attributes": ("float16", (map_tokens.POLYLINES, map_tokens.ATTRIBUTES)),
    "map_valid": ("bool", (map_tokens.POLYLINES,)),
    "family": ("int16", ()),
    "severity": ("float32", ()),
    "light": ("int8", ()),
    "weather": ("int8", ()),
    "density": ("float32", ()),
    "ego_speed": ("float32", ()),
    "occurs": ("bool", ("detectors",)),
    "road_kind": ("int8", ()),
    "road": ("int64", ()),
    "world": ("int64", ()),
    "begin": ("float32", ()),
    "split": ("int8", ()),
    "index": ("int64", ()),
    "sampling_probability": ("float64", ()),
    "attempts": ("int32", ()),
}
"""Type and trailing shape of each array; R rows come first.

`family` counts the nominal stratum as 0 and the header's `events` from 1. `occurs` says for each of
the header's `detectors` whether that event goes on in the scenario, asked for or not. `light`,
`weather` and `road_kind` count the header's lists. `world` is the simulated world and `begin` [s]
the instant in it that the row opens with: rows of one world are correlated. `severity` is the least
time to collision of the ego [s].
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHeader:
    """What the numbers in a shard mean.

    Attributes:
        settings: Digest of the settings of the corpus.
        first: Number of its first row slot.
        last: Number after its last row slot; slots that gave no scenario are missing.
        events: Event families in the order of `family`.
        detectors: Event families in the order of `occurs`.
        lights: Names that `light` counts.
        weathers: Names that `weather` counts.
        road_kinds: Names that `road_kind` counts.
        tokens: Digest of the scales in which agents and roads are written.
        format: Version of the layout.
    """

    settings: str
    first: int
    last: int
    events: tuple[str, ...]
    detectors: tuple[str, ...]
    lights: tuple[str, ...] = tuple(Light)
    weathers: tuple[str, ...] = tuple(Weather)
    road_kinds: tuple[str, ...] = tuple(RoadKind)
    tokens: str
    format: int = FORMAT

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from what `pack_shard` wrote."""
        lists = ("events", "detectors", "lights", "weathers", "road_kinds")
        fields: dict[str, Any] = {name: tuple(data[name]) for name in lists}
        for name in ("settings", "first", "last", "tokens", "format"):
            fields[name] = data[name]
        return cls(**fields)


def token_layout() -> str:
    """Digest of everything that decides what a number in a token means."""
    scales: dict[str, Jsonable] = {
        "slots": [tokens.SLOTS, tokens.ROLE_SLOTS, tokens.CHANNELS, KNOTS],
        "position": tokens.POSITION_SCALE,
        "speed": [tokens.SPEED_MEAN, tokens.SPEED_SCALE],
        "acceleration": tokens.ACCELERATION_SCALE,
        "yaw_rate": [tokens.YAW_RATE_KNEE, tokens.YAW_RATE_SCALE],
        "box": [scale for _, scale in sorted(tokens.BOX_SCALE.items())],
        "bit": tokens.BIT,
        "duration": motion.DURATION,
        "map": [map_tokens.POLYLINES, map_tokens.POINTS, map_tokens.ATTRIBUTES],
        "limit": [map_tokens.LIMIT_MEAN, map_tokens.LIMIT_SCALE],
        "width": [map_tokens.WIDTH_MEAN, map_tokens.WIDTH_SCALE],
    }
    return digest(scales)


def column_shape(name: str, rows: int, detectors: int) -> tuple[int, ...]:
    """Shape of an array of COLUMNS for so many rows and detectors."""
    sizes = (detectors if isinstance(size, str) else size for size in COLUMNS[name][1])
    return (rows, *sizes)


def pack_shard(arrays: Mapping[str, Array], header: ShardHeader) -> bytes:
    """Turn rows into the bytes of a shard.

    Args:
        arrays: As in COLUMNS, R rows each; R may be 0.
        header: What they mean.

    Raises:
        ValueError: An array is missing, of another type, or of another shape.
    """
    rows = len(arrays["index"])
    for name, (dtype, _) in COLUMNS.items():
        wanted, found = column_shape(name, rows, len(header.detectors)), arrays[name]
        if found.dtype != dtype or found.shape != wanted:
            raise ValueError(
                f"{name}: expected {dtype} of shape {wanted}, got {found.dtype} of {found.shape}"
            )
    data = {name: np.ascontiguousarray(arrays[name]) for name in COLUMNS}
    text = json.dumps({**asdict(header), "arrays_sha256": _arrays_digest(data)}, sort_keys=True)
    return save_arrays(data, {HEADER: text})


def unpack_shard(data: bytes, name: str = "shard") -> tuple[ShardHeader, dict[str, Array]]:
    """Read the bytes of a shard.

    Args:
        data: The bytes.
        name: What the messages call it.

    Returns:
        The header and the arrays of COLUMNS.

    Raises:
        RecordingError: The bytes are damaged, or of another format.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        found = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][HEADER])
        form = int(found.get("format", 1))
        arrays = load_arrays(data)
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise RecordingError(f"{name}: is damaged or no shard of a corpus") from error
    if form != FORMAT:
        raise RecordingError(
            f"{name}: expected format {FORMAT}, got {form}; build the corpus again with this"
            " version"
        )
    if set(arrays) != set(COLUMNS) or _arrays_digest(arrays) != found["arrays_sha256"]:
        raise RecordingError(f"{name}: is damaged, its arrays are not those that were stored")
    return ShardHeader.from_json(found), arrays


def _arrays_digest(arrays: Mapping[str, Array]) -> str:
    return digest(
        {
            name: [str(a.dtype), list(a.shape), hashlib.sha256(a.tobytes()).hexdigest()]
            for name, a in arrays.items()
        }
    )
