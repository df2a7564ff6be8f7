"""A pack being written: recordings joined along their first axes in one Zarr v3 group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenegen.arrays import Array
from scenegen.data.appender import ArrayAppender
from scenegen.data.road_arrays import ROAD_COLUMNS, ROAD_OFFSETS, road_document, road_rows
from scenegen.data.scenario_arrays import (
    TRACK_COLUMNS,
    TRACK_OFFSETS,
    scenario_document,
    track_rows,
)
from scenegen.data.schema import (
    FORMAT,
    FORMAT_VERSION,
    Column,
    Profile,
    counts_path,
    field_path,
    frame_column,
    group_of,
    offsets_column,
    offsets_path,
    table_column,
)
from scenegen.data.storage import OutputFile, encode_json, write_file
from scenegen.errors import RecordingError
from scenegen.scene import ArraySpec, Frame, Scenario
from scenegen.seeding import digest

Scalar = str | int | float | bool | None
CATALOG = "catalog.parquet"

_DOCUMENTS = (
    table_column("documents/scenario", "uint8", ["scenario_byte"], long_name="JSON, UTF-8"),
    table_column("documents/map", "uint8", ["map_byte"], long_name="JSON, UTF-8"),
)
_OFFSETS = (
    *TRACK_OFFSETS,
    *ROAD_OFFSETS,
    offsets_column("documents/scenario_offsets", "scenario_edge"),
    offsets_column("documents/map_offsets", "map_edge"),
    offsets_column("frames/scenario_offsets", "scenario_edge"),
)
_TIME = table_column("frames/time", "float64", ["frame"], units="s")


class PackWriter:
    """Writes the arrays of one pack into a folder; nothing in it counts before it is committed."""

    def __init__(self, folder: Path, specs: Sequence[ArraySpec], profile: Profile) -> None:
        """Begin an empty pack in an empty folder."""
        self.ids: list[str] = []
        self.frame_counts: list[int] = []
        self._folder = folder
        self._specs = tuple(specs)
        self._arrays = {column.path: ArrayAppender(folder, column) for column in _columns(specs)}
        for spec in specs:
            column = frame_column(spec, profile)
            self._arrays[column.path] = ArrayAppender(folder, column)
        ragged = {offsets_path(spec) for spec in specs if spec.is_ragged}
        self._counts: dict[str, list[int]] = {
            path: [] for path in (*(column.path for column in _OFFSETS), *ragged)
        }
        self._maps: dict[str, int] = {}
        self._frames = 0
        self._rows: list[dict[str, Scalar]] = []

    def begin(self, scenario: Scenario) -> None:
        """Write a scenario; its frames follow.

        Raises:
            RecordingError: A number of it would not come back as it is.
        """
        rows, counts = track_rows(scenario)
        document = encode_json(scenario_document(scenario))
        rows["tracks/agent_count"] = np.array([scenario.agents.count], np.int32)
        rows["tracks/map_index"] = np.array([self._map_index(scenario)], np.int32)
        rows["documents/scenario"] = np.frombuffer(document, np.uint8)
        counts["documents/scenario_offsets"] = [len(document)]
        self._append(rows, counts)
        self._frames = 0

    def add_frame(self, frame: Frame) -> None:
        """Write the next frame of the recording that was begun.

        Raises:
            RecordingError: It does not carry the announced arrays, or their lengths disagree.
            ShapeError: An array is not as announced.
        """
        number = self._frames
        wanted, got = {spec.name for spec in self._specs}, set(frame.arrays)
        if wanted != got:
            raise RecordingError(
                f"frame {number}: expected the announced arrays {sorted(wanted)}, got {sorted(got)}"
            )
        lengths: dict[str, int] = {}
        for spec in self._specs:
            values = frame.arrays[spec.name]
            spec.check(values)
            if not spec.is_ragged:
                self._arrays[field_path(spec.name)].append(values[None])
                continue
            self._arrays[field_path(spec.name)].append(values)
            if lengths.setdefault(offsets_path(spec), len(values)) != len(values):
                raise RecordingError(
                    f"frame {number}: {spec.name} has {len(values)} rows, but another array of"
                    f" dimension {spec.dims[0]!r} in its group has {lengths[offsets_path(spec)]}"
                )
        for path, length in lengths.items():
            self._counts[path].append(length)
        self._arrays["frames/time"].append(np.array([frame.time], np.float64))
        self._frames += 1

    def end(self, scenario: Scenario, row: Mapping[str, Scalar] | None) -> None:
        """Note that a recording is complete, and its row for the catalog."""
        self._counts["frames/scenario_offsets"].append(self._frames)
        self.ids.append(scenario.id)
        self.frame_counts.append(self._frames)
        self._rows.append({**(row or {}), "id": scenario.id, "frames": self._frames})

    def finish(self, attributes: Mapping[str, Any]) -> dict[str, OutputFile]:
        """Complete the pack on disk and give each file's length and checksum."""
        for path, counts in self._counts.items():
            self._arrays[path].append(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))
        for spec in self._specs:
            if spec.is_ragged and not self._arrays[counts_path(spec)].rows:
                lengths = np.array(self._counts[offsets_path(spec)], np.int32)
                self._arrays[counts_path(spec)].append(lengths)
        files: dict[str, OutputFile] = {}
        for array in self._arrays.values():
            array.close()
            files |= array.files
        documents = _metadata(self._arrays, {"format": FORMAT, "format_version": FORMAT_VERSION})
        documents["zarr.json"]["attributes"] |= attributes
        for path, document in documents.items():
            files[path] = write_file(self._folder / path, encode_json(document))
        files[CATALOG] = write_file(self._folder / CATALOG, parquet(self._rows))
        return files

    def abandon(self) -> None:
        """Let go of all files without finishing them."""
        for array in self._arrays.values():
            array.abandon()

    def _map_index(self, scenario: Scenario) -> int:
        """Number of the scenario's map; a map that several scenarios share is stored once."""
        rows, counts = road_rows(scenario.roadmap)
        text = encode_json(road_document(scenario.roadmap))
        bits = {path: values.tobytes().hex() for path, values in rows.items()}
        key = digest([text.decode(), bits, counts])
        if key not in self._maps:
            self._maps[key] = len(self._maps)
            rows["documents/map"] = np.frombuffer(text, np.uint8)
            self._append(rows, {**counts, "documents/map_offsets": [len(text)]})
        return self._maps[key]

    def _append(self, rows: Mapping[str, Array], counts: Mapping[str, list[int]]) -> None:
        for path, values in rows.items():
            self._arrays[path].append(values)
        for path, lengths in counts.items():
            self._counts[path] += lengths


def _columns(specs: Sequence[ArraySpec]) -> list[Column]:
    """Arrays beside the frames' own values."""
    ragged = [spec for spec in specs if spec.is_ragged]
    offsets = {offsets_path(s): offsets_column(offsets_path(s), "frame_edge") for s in ragged}
    counts = {
        counts_path(s): table_column(counts_path(s), "int32", ["frame"], sample_dimension=s.dims[0])
        for s in ragged
    }
    tables = (*TRACK_COLUMNS, *ROAD_COLUMNS, *_DOCUMENTS, *_OFFSETS, _TIME)
    return [*tables, *offsets.values(), *counts.values()]


def _metadata(
    arrays: Mapping[str, ArrayAppender], attributes: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Give every zarr.json of the pack; the root's holds them all (consolidated)."""
    nodes = {path: array.metadata() for path, array in arrays.items()}
    parents = [group_of(path) for path in nodes]
    groups = {"/".join(p.split("/")[:k]) for p in parents for k in range(1, p.count("/") + 2)}
    plain = {"attributes": {}, "node_type": "group", "zarr_format": 3}
    nodes |= {group: dict(plain) for group in groups}
    documents = {f"{path}/zarr.json": node for path, node in sorted(nodes.items())}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": nodes}
    root = {**plain, "attributes": dict(attributes), "consolidated_metadata": consolidated}
    return {**documents, "zarr.json": root}


def parquet(rows: Sequence[Mapping[str, Scalar]]) -> bytes:
    """Give a table of rows as Parquet; a column that a row lacks is null there.

    Raises:
        RecordingError: A column mixes text with numbers.
    """
    columns = {}
    for name in sorted({name for row in rows for name in row}):
        values = [row.get(name) for row in rows]
        empty = all(value is None for value in values)
        numbers = not any(isinstance(value, str) for value in values)
        if numbers and any(isinstance(value, float) for value in values):
            values = [None if value is None else float(value) for value in values]
        try:
            columns[name] = pa.array(values, pa.float64() if empty else None)
        except (pa.ArrowException, OverflowError) as error:
            raise RecordingError(
                f"catalog column {name!r}: expected one kind of plain value, got {error}"
            ) from error
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue().to_pybytes()
