"""Corpora as layout models read them: checked, merged, and given in batches by number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenegen.arrays import Array, FloatArray, IntArray
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.layout.condition_tokens import Condition, encode_condition
from scenegen.layout.shard_file import (
    COLUMNS,
    MANIFEST,
    SPLITS,
    ShardHeader,
    token_layout,
    unpack_shard,
)
from scenegen.scene import Light, RoadKind, Weather

NOMINAL = ""
"""Name of the stratum of everyday traffic among the families."""
UNKNOWN = -1
"""In `occurs`: the corpus of that row was built before the family existed."""
_TENSORS = ("agents", "map_points", "map_attributes", "map_valid")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorpusBatch:
    """B rows of a corpus; tensors are those of the model, the rest says where they came from.

    Attributes:
        agents: Agent tokens as in tokens.CHANNELS, shape (B, SLOTS, CHANNELS), float32.
        map_points: As in map_tokens.MapTokens, shape (B, M, POINTS, 4), float32.
        map_attributes: Shape (B, M, ATTRIBUTES), float32.
        map_valid: Whether the polyline is there, shape (B, M), bool.
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (B, 3), float64.
        family: Stratum, an index into CorpusReader.families; 0 is everyday traffic, shape (B,).
        severity: Least time to collision of the ego [s], inf for none, shape (B,).
        light: Index into Light, shape (B,).
        weather: Index into Weather, shape (B,).
        density: Traffic asked of the road [vehicles per lane kilometre], shape (B,).
        ego_speed: Speed of the ego at the begin [m/s], shape (B,).
        occurs: 1 where the detector of a family fires in the row, 0 where not, UNKNOWN where it was
            not asked; shape (B, len(CorpusReader.detectors)), int8.
        road_kind: Index into RoadKind, shape (B,).
        road: Number of the road, the same for the same road, shape (B,).
        world: Simulated world: rows of one world are correlated, shape (B,).
        begin: Instant of its world that the row opens with [s], shape (B,).
        split: Index into SPLITS, shape (B,).
        sampling_probability: Probability with which its stratum, family and kind of road were
            drawn, shape (B,).
        attempts: Draws it took, shape (B,).
        index: Number of the row in its corpus, shape (B,).
        corpus: Which of the folders it came from, shape (B,).
    """

    agents: torch.Tensor
    map_points: torch.Tensor
    map_attributes: torch.Tensor
    map_valid: torch.Tensor
    frame: FloatArray
    family: IntArray
    severity: FloatArray
    light: IntArray
    weather: IntArray
    density: FloatArray
    ego_speed: FloatArray
    occurs: IntArray
    road_kind: IntArray
    road: IntArray
    world: IntArray
    begin: FloatArray
    split: IntArray
    sampling_probability: FloatArray
    attempts: IntArray
    index: IntArray
    corpus: IntArray

    def __len__(self) -> int:
        """Number of rows B."""
        return len(self.family)


class CorpusReader:
    """Rows of one or more corpora in memory, given by number.

    Every file is checked against the digests in it and in the manifest. About 11 kB per row.

    Attributes:
        families: Names of the strata: NOMINAL, then every event family of the corpora, sorted.
        detectors: Event families whose detectors were asked in any of the corpora, sorted.
        rows: All rows, in the order of the folders and of their numbers; map tokens of `rows` are
            half floats.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        split: str | None = "train",
        events: Iterable[str] | None = None,
        *,
        partial: bool = False,
    ) -> None:
        """Read corpora.

        Args:
            folders: Where they are; each folder counts once.
            split: One of SPLITS, None for all rows.
            events: Strata to keep, NOMINAL for everyday traffic; None for all.
            partial: Read the finished shards of a corpus that is still being built, which has no
                manifest yet.

        Raises:
            RecordingError: A corpus is not there, unfinished, damaged, of another format, written
                in other scales, or given twice.
            UnknownNameError: The split or a stratum does not exist.
        """
        if split is not None and split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        shards = [s for k, f in enumerate(folders) for s in _read_folder(Path(f), k, partial)]
        if not shards:
            raise RecordingError("CorpusReader: expected at least one finished shard, found none")
        _check_once(shards)
        self.families: tuple[str, ...] = (
            NOMINAL,
            *sorted({name for header, _ in shards for name in header.events}),
        )
        self.detectors: tuple[str, ...] = tuple(
            sorted({name for header, _ in shards for name in header.detectors})
        )
        wanted = None if events is None else set(events)
        for name in sorted((wanted or set()) - set(self.families)):
            raise UnknownNameError("stratum", name, self.families)
        names = (self.families, self.detectors)
        parts = [_selected(header, arrays, split, wanted, names) for header, arrays in shards]
        joined = {}
        for name in tuple(parts[0]):
            # Taken out one by one, so that nothing is in memory twice for long.
            joined[name] = np.concatenate([part.pop(name) for part in parts])
        self.rows = _batch(joined)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def batch(self, rows: IntArray | torch.Tensor | Sequence[int]) -> CorpusBatch:
        """Give some rows; map tokens come as float32.

        Args:
            rows: Their numbers, shape (B,), from 0 to len - 1.
        """
        at = torch.as_tensor(rows, dtype=torch.int64).cpu()
        where = at.numpy()
        chosen = {
            f.name: getattr(self.rows, f.name)[at if f.name in _TENSORS else where]
            for f in fields(CorpusBatch)
        }
        for name in ("map_points", "map_attributes"):
            chosen[name] = chosen[name].float()
        return CorpusBatch(**chosen)

    def conditions(self, events: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode what each row is, for a model's own list of event families.

        Args:
            events: Families the model knows, in the order of its vector.

        Returns:
            Values and whether each is known, shapes (rows, C), as encode_condition gives them.

        Raises:
            UnknownNameError: A row is of a family that is not in the list.
        """
        encoded = [encode_condition(self.condition(i), events) for i in range(len(self))]
        if not encoded:
            empty = encode_condition(Condition(), events)[0][None][:0]
            return torch.from_numpy(empty), torch.from_numpy(empty.astype(np.bool_))
        values, known = zip(*encoded, strict=True)
        return torch.from_numpy(np.stack(values)), torch.from_numpy(np.stack(known))

    def condition(self, row: int) -> Condition:
        """Say in words what a row is."""
        rows = self.rows
        return Condition(
            event=self.families[rows.family[row]],
            severity=float(rows.severity[row]),
            light=tuple(Light)[rows.light[row]],
            weather=tuple(Weather)[rows.weather[row]],
            density=float(rows.density[row]),
            ego_speed=float(rows.ego_speed[row]),
        )

    def exposure(self, shares: Mapping[str, float] | None = None) -> FloatArray:
        """Weights that turn the nominal rows into an exposure with given shares of road kinds.

        Args:
            shares: Share of each kind of road among the scenes met, by name; kinds that are left
                out count as 0. None for the same share of every kind there is.

        Returns:
            Weights, shape (rows,): 0 for rows that stage an event, mean 1 over the nominal ones.

        Raises:
            UnknownNameError: There is no such kind of road.
            RecordingError: No row of those kinds is there.
        """
        names = np.array([str(kind) for kind in RoadKind])[self.rows.road_kind]
        nominal = self.rows.family == 0
        for name in shares or {}:
            if name not in set(RoadKind):
                raise UnknownNameError("road kind", name, list(RoadKind))
        weights = np.zeros(len(self))
        for name in np.unique(names[nominal]).tolist():
            here = nominal & (names == name)
            weights[here] = (1.0 if shares is None else shares.get(name, 0.0)) / here.sum()
        if not weights.any():
            raise RecordingError("exposure: no nominal row is on a road of these kinds")
        return weights * nominal.sum() / weights.sum()


def _read_folder(
    folder: Path, number: int, partial: bool
) -> list[tuple[ShardHeader, dict[str, Array]]]:
    """Read the shards of one corpus; `corpus` is added to the arrays."""
    digests = _manifest_digests(folder, partial)
    shards = []
    paths = sorted(folder.glob("*.safetensors")) if partial else [folder / n for n in digests]
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read ({error})") from error
        if path.name in digests and hashlib.sha256(data).hexdigest() != digests[path.name]:
            raise RecordingError(f"{path}: is damaged, its digest is not that of the manifest")
        header, arrays = unpack_shard(data, str(path))
        if header.tokens != token_layout():
            raise RecordingError(
                f"{path}: was written in other scales than this version reads; build it again"
            )
        arrays["corpus"] = np.full(len(arrays["index"]), number, np.int16)
        shards.append((header, arrays))
    return shards


def _manifest_digests(folder: Path, partial: bool) -> dict[str, str]:
    """SHA-256 of each shard by name; none for a corpus that is still being built."""
    if partial:
        return {}
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        return {shard["file"]: shard["sha256"] for shard in manifest["shards"]}
    except OSError as error:
        raise RecordingError(
            f"{folder}: no corpus, or one that is still being built ({MANIFEST} is missing); read"
            " its finished part with partial=True"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{folder / MANIFEST}: is damaged") from error


def _check_once(shards: Sequence[tuple[ShardHeader, dict[str, Array]]]) -> None:
    spans = [(header.settings, header.first) for header, _ in shards]
    if len(set(spans)) < len(spans):
        raise RecordingError("CorpusReader: expected different corpora, got the same rows twice")


def _selected(
    header: ShardHeader,
    arrays: dict[str, Array],
    split: str | None,
    wanted: set[str] | None,
    names: tuple[tuple[str, ...], tuple[str, ...]],
) -> dict[str, Array]:
    """Rows of one split and of some strata, with names counted as the reader counts them."""
    families, detectors = names
    strata = (NOMINAL, *header.events)
    keep = np.ones(len(arrays["index"]), np.bool_)
    if split is not None:
        keep &= arrays["split"] == SPLITS.index(split)
    if wanted is not None:
        keep &= np.array([name in wanted for name in strata])[arrays["family"]]
    out = {name: arrays[name][keep] for name in (*COLUMNS, "corpus")}
    out["family"] = np.array([families.index(name) for name in strata], np.int16)[out["family"]]
    occurs = np.full((len(out["index"]), len(detectors)), UNKNOWN, np.int8)
    occurs[:, [detectors.index(name) for name in header.detectors]] = out["occurs"]
    out["occurs"] = occurs
    for name, theirs, ours in (
        ("light", header.lights, _names(Light)),
        ("weather", header.weathers, _names(Weather)),
        ("road_kind", header.road_kinds, _names(RoadKind)),
    ):
        out[name] = np.array([ours.index(n) for n in theirs], np.int8)[out[name]]
    return out


@lru_cache(maxsize=8)
def _names(kinds: type[Light] | type[Weather] | type[RoadKind]) -> tuple[str, ...]:
    return tuple(str(kind) for kind in kinds)


def _batch(arrays: Mapping[str, Any]) -> CorpusBatch:
    tensors = {name: torch.from_numpy(arrays[name]) for name in _TENSORS}
    return CorpusBatch(**{**arrays, **tensors})
