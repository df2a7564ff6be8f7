"""Read a dataset: scenarios, frames and catalog rows of everything that was committed."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from scenegen.arrays import Array, FloatArray, IntArray
from scenegen.data.codecs import checksum
from scenegen.data.commits import Commit, Header, list_commits, read_whole
from scenegen.data.pack import CATALOG, Scalar
from scenegen.data.road_arrays import ROAD_COLUMNS, ROAD_OFFSETS, read_road
from scenegen.data.scenario_arrays import read_scenario
from scenegen.data.schema import field_path, offsets_path
from scenegen.data.shards import OpenShard, ShardArray, shard_cache
from scenegen.data.verify import Damage, find_damage
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.scene import AgentStates, ArraySpec, RoadMap, Scenario

PACKS_IN_MEMORY = 256
"""Packs whose metadata and offsets a dataset keeps in memory."""
MAPS_IN_MEMORY = 64

Ragged = tuple[Array, IntArray]
"""Values, shape (n, ...), and offsets, shape (frames + 1,): frame i owns offsets[i] to
offsets[i + 1]."""


class Pack:
    """One committed pack, opened for reading."""

    def __init__(self, dataset: Path, commit: Commit, open_shard: OpenShard) -> None:
        """Read the pack's metadata.

        Raises:
            RecordingError: The metadata are missing or damaged.
        """
        self.folder = dataset / commit.folder
        self.commit = commit
        self._open_shard = open_shard
        root = self.whole_file("zarr.json")
        self._nodes: dict[str, Any] = json.loads(root)["consolidated_metadata"]["metadata"]
        self._arrays: dict[str, ShardArray] = {}
        self._offsets: dict[str, IntArray] = {}
        self._roads: dict[str, Array] = {}

    def whole_file(self, name: str) -> bytes:
        """Read a small file of the pack and check it against the commit record.

        Raises:
            RecordingError: It is missing or damaged.
        """
        data = read_whole(self.folder / name, f"pack {self.commit.pack} is incomplete")
        if (len(data), checksum(data)) != self.commit.files.get(name):
            raise RecordingError(
                f"{self.folder / name}: damaged, it differs from its commit record"
            )
        return data

    def array(self, path: str) -> ShardArray:
        """Open an array by its place within the pack."""
        if path not in self._arrays:
            if path not in self._nodes:
                raise RecordingError(f"{self.folder}: expected an array {path}, it has none")
            self._arrays[path] = ShardArray(self.folder / path, self._nodes[path], self._open_shard)
        return self._arrays[path]

    def offsets(self, path: str) -> IntArray:
        """Read an offsets array, once."""
        if path not in self._offsets:
            self._offsets[path] = self.array(path).read()
        return self._offsets[path]

    def roads(self) -> dict[str, Array]:
        """Read the arrays of all road maps, once."""
        if not self._roads:
            columns = (*ROAD_COLUMNS, *ROAD_OFFSETS)
            self._roads = {column.path: self.array(column.path).read() for column in columns}
        return self._roads

    def document(self, kind: str, index: int) -> dict[str, Any]:
        """Read a JSON document: kind "scenario" or "map"."""
        begin, end = self.offsets(f"documents/{kind}_offsets")[index : index + 2]
        data = self.array(f"documents/{kind}").read(int(begin), int(end))
        return dict(json.loads(data.tobytes()))


class Dataset:
    """The committed recordings of a dataset, in the order of their commits.

    Opening takes a snapshot: what is committed later is seen by opening again.
    """

    def __init__(self, path: str | Path, *, packs: Sequence[str] | None = None) -> None:
        """Open a dataset.

        Args:
            path: Folder of the dataset.
            packs: Ids of the packs to see; None sees all that are committed now.

        Raises:
            RecordingError: There is no dataset, or its header or a commit record is damaged.
        """
        self.path = Path(path)
        header = Header.load(self.path)
        commits = list_commits(self.path)
        if packs is not None:
            missing = sorted(set(packs) - {commit.pack for commit in commits})
            if missing:
                raise RecordingError(f"{path}: expected pack {missing[0]}, it is not committed")
            commits = [commit for commit in commits if commit.pack in set(packs)]
        self.profile = header.profile
        self.specs: tuple[ArraySpec, ...] = header.specs
        self._specs = {spec.name: spec for spec in header.specs}
        self._commits = commits
        self._places = [(p, k) for p, commit in enumerate(commits) for k in range(len(commit.ids))]
        self.ids: tuple[str, ...] = tuple(i for commit in commits for i in commit.ids)
        self._index = {name: i for i, name in enumerate(self.ids)}
        if len(self._index) != len(self.ids):
            raise RecordingError(f"{path}: two packs hold the same scenario; restore the dataset")
        self._open_shard = shard_cache()
        # One cache per dataset, so that it is freed with it.
        self._pack = lru_cache(maxsize=PACKS_IN_MEMORY)(self._open_pack)
        self._road = lru_cache(maxsize=MAPS_IN_MEMORY)(self._open_road)

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as a path and a snapshot; descriptors stay here."""
        return _reopen, (str(self.path), self.packs)

    @property
    def packs(self) -> tuple[str, ...]:
        """Ids of the packs this snapshot sees."""
        return tuple(commit.pack for commit in self._commits)

    @property
    def snapshot(self) -> str:
        """Identity of what this snapshot holds, 16 hexadecimal digits."""
        return hashlib.sha256(" ".join(self.packs).encode()).hexdigest()[:16]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the arrays of a frame."""
        return tuple(self._specs)

    def scenario(self, recording: str | int, states: AgentStates | None = None) -> Scenario:
        """Read the scenario of a recording, by id or by index.

        Args:
            recording: Which one.
            states: Its states, where `states` has read them already; None to read them.

        Raises:
            UnknownNameError: There is no such id.
            RecordingError: It is damaged.
        """
        p, k = self._place(recording)
        pack = self._pack(p)
        document = pack.document("scenario", k)
        first, last = (int(x) for x in pack.offsets("tracks/state_offsets")[k : k + 2])
        begin, end = (int(x) for x in pack.offsets("tracks/step_offsets")[k : k + 2])
        names = ("position", "yaw", "speed", "size", "kind", "valid")
        if states is None:
            arrays = {f"tracks/{n}": pack.array(f"tracks/{n}").read(first, last) for n in names}
        else:
            arrays = {f"tracks/{n}": getattr(states, n) for n in names}
        arrays["tracks/time"] = pack.array("tracks/time").read(begin, end)
        agents = int(pack.offsets("tracks/agent_count")[k])
        road = self._road(p, int(pack.offsets("tracks/map_index")[k]))
        return read_scenario(arrays, agents, road, document)

    def states(self, recordings: Sequence[int]) -> list[AgentStates]:
        """Read the states of several recordings at once, without road and provenance.

        Args:
            recordings: Their indices.

        Returns:
            States of each, leading shape (T, N).

        Raises:
            RecordingError: One is damaged.
        """
        found: dict[int, AgentStates] = {}
        for p, wanted in _by_pack(self._places, recordings).items():
            pack = self._pack(p)
            edges, agents = pack.offsets("tracks/state_offsets"), pack.offsets("tracks/agent_count")
            rows = pack.array("tracks/valid").chunk_rows
            for run in _runs(edges, wanted, rows):
                first, last = int(edges[run[0][1]]), int(edges[run[-1][1] + 1])
                names = [f.name for f in fields(AgentStates)]
                arrays = {n: pack.array(f"tracks/{n}").read(first, last) for n in names}
                for number, k in run:
                    part = slice(int(edges[k]) - first, int(edges[k + 1]) - first)
                    shape = (-1, int(agents[k]))
                    found[number] = AgentStates(
                        **{n: a[part].reshape(*shape, *a.shape[1:]) for n, a in arrays.items()}
                    )
        return [found[number] for number in recordings]

    def frame_count(self, recording: str | int) -> int:
        """Count the frames of a recording."""
        p, k = self._place(recording)
        return self._commits[p].frames[k]

    def times(self, recording: str | int) -> FloatArray:
        """Read the times of a recording's frames since the scenario began [s], shape (F,)."""
        pack, begin, end = self._frames(recording, 0, None)
        return pack.array("frames/time").read(begin, end)

    def read(
        self,
        recording: str | int,
        field: str,
        start: int = 0,
        stop: int | None = None,
        step: int = 1,
    ) -> Array | Ragged:
        """Read one array of the frames start, start + step, ... before stop.

        Returns:
            Shape (frames, ...), or for a ragged array its values and offsets. Integers with a
            scale are given as stored; `specs` has the scale.

        Raises:
            UnknownNameError: There is no such recording or field.
            RecordingError: A chunk is missing or damaged.
        """
        if self.spec(field).is_ragged:
            return self.read_ragged(recording, field, start, stop, step)
        return self.read_dense(recording, field, start, stop, step)

    def read_dense(
        self,
        recording: str | int,
        field: str,
        start: int = 0,
        stop: int | None = None,
        step: int = 1,
        out: Array | None = None,
    ) -> Array:
        """Read an array of equal frames, into `out` if given; see `read`."""
        pack, begin, end = self._frames(recording, start, stop)
        return pack.array(field_path(field)).read(begin, end, step, out)

    def ragged_rows(
        self,
        recording: str | int,
        field: str,
        start: int = 0,
        stop: int | None = None,
        step: int = 1,
    ) -> IntArray:
        """Give the first and last row + 1 of each frame in the pack's array, shape (frames, 2)."""
        pack, begin, end = self._frames(recording, start, stop)
        offsets = pack.offsets(offsets_path(self.spec(field)))
        return np.stack([offsets[begin:end:step], offsets[begin + 1 : end + 1 : step]], -1)

    def read_ragged(
        self,
        recording: str | int,
        field: str,
        start: int = 0,
        stop: int | None = None,
        step: int = 1,
        out: Array | None = None,
    ) -> Ragged:
        """Read an array whose frames differ in length, values into `out` if given; see `read`."""
        rows = self.ragged_rows(recording, field, start, stop, step)
        offsets = np.concatenate([[0], np.cumsum(rows[:, 1] - rows[:, 0])])
        pack, _, _ = self._frames(recording, start, stop)
        array = pack.array(field_path(field))
        values = np.empty((int(offsets[-1]), *array.shape[1:]), array.dtype) if out is None else out
        if step == 1 and len(rows):
            array.read(int(rows[0, 0]), int(rows[-1, 1]), out=values)
            return values, offsets
        for (begin, end), low, high in zip(rows.tolist(), offsets[:-1], offsets[1:], strict=True):
            array.read(begin, end, out=values[low:high])
        return values, offsets

    def spec(self, field: str) -> ArraySpec:
        """Give the announcement of a field.

        Raises:
            UnknownNameError: There is no such field.
        """
        if field not in self._specs:
            raise UnknownNameError("field", field, self._specs)
        return self._specs[field]

    def rows(self) -> list[dict[str, Scalar]]:
        """Read the catalog row of every recording, in the order of `ids`."""
        tables = [self._pack(p).whole_file(CATALOG) for p in range(len(self._commits))]
        return [row for data in tables for row in pq.read_table(io.BytesIO(data)).to_pylist()]

    def catalog_files(self) -> list[Path]:
        """List the catalog table of each pack."""
        return [self.path / commit.folder / CATALOG for commit in self._commits]

    def verify(self) -> list[Damage]:
        """Read every byte and list all damage, located to pack, array and chunk."""
        return find_damage(self.path)

    def index(self, recording: str | int) -> int:
        """Number of a recording, by id or by index (negative counts from the end)."""
        if isinstance(recording, str):
            if recording not in self._index:
                raise UnknownNameError("scenario", recording, self.ids)
            return self._index[recording]
        number = recording + len(self.ids) if recording < 0 else recording
        if not 0 <= number < len(self.ids):
            raise IndexError(f"{self.path}: expected an index below {len(self)}, got {recording}")
        return number

    def _place(self, recording: str | int) -> tuple[int, int]:
        return self._places[self.index(recording)]

    def _frames(self, recording: str | int, start: int, stop: int | None) -> tuple[Pack, int, int]:
        """Pack of a recording, and rows of its frames start to stop within the pack."""
        p, k = self._place(recording)
        pack = self._pack(p)
        begin, end = (int(x) for x in pack.offsets("frames/scenario_offsets")[k : k + 2])
        stop = end - begin if stop is None else stop
        if not 0 <= start <= stop <= end - begin:
            raise IndexError(
                f"recording {recording!r}: frames {start}:{stop} are not within its {end - begin}"
            )
        return pack, begin + start, begin + stop

    def _open_pack(self, number: int) -> Pack:
        return Pack(self.path, self._commits[number], self._open_shard)

    def _open_road(self, number: int, index: int) -> RoadMap:
        pack = self._pack(number)
        return read_road(pack.roads(), index, pack.document("map", index))


def _by_pack(
    places: Sequence[tuple[int, int]], recordings: Sequence[int]
) -> dict[int, list[tuple[int, int]]]:
    """Pairs of a recording's index and its number within its pack, in order, of each pack."""
    found: dict[int, list[tuple[int, int]]] = {}
    for number in sorted(set(recordings)):
        p, k = places[number]
        found.setdefault(p, []).append((number, k))
    return found


def _runs(
    edges: IntArray, wanted: Sequence[tuple[int, int]], rows: int
) -> Iterator[list[tuple[int, int]]]:
    """Split recordings of a pack so that no chunk of states is decoded in two runs."""
    run = [wanted[0]]
    for one in wanted[1:]:
        if edges[one[1]] // rows > (edges[run[-1][1] + 1] - 1) // rows:
            yield run
            run = []
        run.append(one)
    yield run


def _reopen(path: str, packs: Sequence[str]) -> Dataset:
    return Dataset(path, packs=packs)
