"""The corpus that layout models learn from: simulated scenes as tokens, in checksummed shards.

Row i follows from the seed and i alone, so that a shard has the same bytes whoever builds it. Half
of the rows, the nominal stratum, are everyday traffic; the others stage an event family, each
equally often, until the simulated scenario shows it. Every row carries the probability with which
its stratum and family were drawn, so that exposure can be weighted back exactly.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from scenegen.arrays import Array, IntArray
from scenegen.errors import RecordingError, StorageError, UnknownNameError, UnsatisfiedError
from scenegen.events import EVENTS
from scenegen.layout.condition_tokens import Condition, encode_condition
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.tokens import SLOTS, encode_scenario
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Accepted, Generator
from scenegen.query import Query, parse
from scenegen.scene import EGO, RoadKind, RoadMap, Scenario
from scenegen.seeding import digest, stream
from scenegen.sim import pairs
from scenegen.training.checkpoint import write_atomically

FORMAT = 1
"""Version of the layout of shards and manifest."""
MANIFEST, HEADER = "manifest.json", "scenegen"
SPLITS = ("train", "val", "test", "held_out")
"""The numbers of `split` in a row; held_out is the class of roads never trained on."""
PARTS = 20
"""Roads are dealt into this many parts by their hash: one for val, one for test, the rest train."""
NOMINAL = "day or dusk or night"
"""A query that every scenario satisfies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSettings:
    """What a corpus is made of.

    Attributes:
        seed: Everything random follows from it.
        events: Families of the event stratum, sorted; none for everyday traffic only.
        nominal_share: Probability that a row is everyday traffic, where there are events.
        density: Range of the traffic, drawn uniformly per row [vehicles per lane kilometre].
        duration: Length of a scenario [s].
        tries: Draws per row before it is given up and counted as failed.
        held_out: Kind of road that is never trained on.
        rows_per_shard: Rows per file, failed ones included.
    """

    seed: int = 0
    events: tuple[str, ...] = tuple(sorted(EVENTS))
    nominal_share: float = 0.5
    density: tuple[float, float] = (5.0, 30.0)
    duration: float = 8.0
    tries: int = 64
    held_out: str = RoadKind.ROUNDABOUT.value
    rows_per_shard: int = 256

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name in self.events:
            if name not in EVENTS:
                raise UnknownNameError("event", name, EVENTS)
        if tuple(sorted(set(self.events))) != self.events:
            raise ValueError(f"events: expected sorted names without repeats, got {self.events}")
        if not 0.0 < self.nominal_share < 1.0:
            raise ValueError(f"nominal_share: expected above 0, below 1, got {self.nominal_share}")
        if not 0.0 <= self.density[0] <= self.density[1]:
            raise ValueError(f"density: expected 0 <= low <= high, got {self.density}")
        if self.rows_per_shard < 1:
            raise ValueError(f"rows_per_shard: expected at least 1, got {self.rows_per_shard}")
        if self.held_out not in set(RoadKind):
            raise UnknownNameError("road kind", self.held_out, list(RoadKind))

    @property
    def digest(self) -> str:
        """Identity of the rows: settings, format and version of scenegen."""
        return digest({"format": FORMAT, "version": version("scenegen"), **asdict(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """One finished shard.

    Attributes:
        file: Its name.
        sha256: Digest of its bytes.
        rows: Rows it holds.
        failed: Rows that were given up.
        splits: Rows per split, in the order of SPLITS.
        families: Rows per stratum: everyday traffic, then each event.
    """

    file: str
    sha256: str
    rows: int
    failed: int
    splits: tuple[int, ...]
    families: tuple[int, ...]


def build_corpus(
    folder: Path,
    settings: CorpusSettings,
    count: int,
    *,
    workers: int = 1,
    resume: bool = False,
    on_shard: Callable[[ShardReport], None] | None = None,
) -> dict[str, Any]:
    """Build rows 0 to count - 1 and write shards and a manifest.

    A shard is there whole or not at all; the manifest is written last.

    Args:
        folder: Where the corpus goes; made if it is not there.
        settings: What it is made of.
        count: Number of rows drawn; the failed ones are counted and left out.
        workers: Processes; the bytes do not depend on it.
        resume: Keep the shards that are finished, rebuild damaged ones.
        on_shard: Called after each shard, kept ones included, in order.

    Returns:
        The manifest.

    Raises:
        RecordingError: The folder holds shards, and `resume` is off or they are of other settings.
        StorageError: The folder could not be written.
    """
    if count < 1 or workers < 1:
        raise ValueError(f"build_corpus: expected count, workers >= 1, got {count}, {workers}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: could not be made ({error})") from error
    size = settings.rows_per_shard
    spans = [(k, k * size, min((k + 1) * size, count)) for k in range(-(-count // size))]
    if not resume and any(folder.glob("*.safetensors")):
        raise RecordingError(
            f"{folder}: holds shards already; resume to add the missing ones, or choose another"
            " place"
        )
    jobs = [(folder, settings, *span) for span in spans]
    reports = []
    for report in _run(jobs, workers):
        reports.append(report)
        if on_shard is not None:
            on_shard(report)
    manifest = _manifest(settings, count, reports)
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return manifest


def draw_row(settings: CorpusSettings, index: int) -> dict[str, Array] | None:
    """Draw, simulate and encode one row.

    Args:
        settings: What the corpus is made of.
        index: Number of the row.

    Returns:
        Its arrays; None where no try within the bound gave a scenario.
    """
    rng = stream(settings.seed, "corpus", index)
    nominal = not settings.events or bool(rng.random() < settings.nominal_share)
    family = 0 if nominal else 1 + int(rng.integers(len(settings.events)))
    density = float(rng.uniform(*settings.density))
    event = settings.events[family - 1] if family else ""
    request = Request(
        query=_query(event),
        seed=settings.seed,
        duration=settings.duration,
        agents=SLOTS,
        density=density,
        tries=settings.tries,
    )
    try:
        found = Generator(request).scenario(index)
    except UnsatisfiedError:
        return None
    share = settings.nominal_share if settings.events else 1.0
    chance = share if nominal else (1.0 - share) / len(settings.events)
    return {
        **_encode(found, event, density, settings),
        "index": np.array(index, np.int64),
        "family": np.array(family, np.int16),
        "sampling_probability": np.array(chance, np.float64),
        "attempts": np.array(found.composition.provenance.attempt + 1, np.int32),
    }


def least_ttc(scenario: Scenario) -> float:
    """Least time to collision of the ego with anybody over a scenario [s]; inf where none."""
    others: IntArray = np.arange(1, scenario.agents.count)
    if len(others) == 0:
        return float("inf")
    found = pairs.ttc(scenario.agents, np.full_like(others, EGO), others)
    return float(found.min(initial=np.inf))


def split_of(roadmap: RoadMap, held_out: str) -> int:
    """Give the split of a road, an index into SPLITS: by its class, then by its hash."""
    if roadmap.kind == held_out:
        return SPLITS.index("held_out")
    part = int(digest(dict(roadmap.source)), 16) % PARTS
    return {0: SPLITS.index("val"), 1: SPLITS.index("test")}.get(part, SPLITS.index("train"))


def _encode(
    found: Accepted, event: str, density: float, settings: CorpusSettings
) -> dict[str, Array]:
    scenario = found.scenario
    tokens = encode_scenario(_with_roles(found))
    road = encode_map(scenario.roadmap, tokens.frame)
    severity = least_ttc(scenario)
    values, _ = encode_condition(
        Condition(
            event=event,
            severity=severity,
            light=scenario.conditions.light,
            weather=scenario.conditions.weather,
            density=density,
            ego_speed=float(scenario.agents.speed[0, EGO]),
        ),
        settings.events,
    )
    return {
        "agents": tokens.values,
        "frame": tokens.frame,
        # Half floats hold map points to 5 cm at 100 m, below the width of a line.
        "map_points": road.points.astype(np.float16),
        "map_attributes": road.attributes.astype(np.float16),
        "map_valid": road.valid,
        "condition": values,
        "severity": np.array(severity, np.float32),
        "density": np.array(density, np.float32),
        "split": np.array(split_of(scenario.roadmap, settings.held_out), np.int8),
        "road": np.array(int(digest(dict(scenario.roadmap.source))[:15], 16), np.int64),
    }


def _with_roles(found: Accepted) -> Scenario:
    """Give the scenario with the roles as they were staged; the query may have found others."""
    scenario = found.scenario
    return Scenario(
        roadmap=scenario.roadmap,
        conditions=scenario.conditions,
        agents=scenario.agents,
        times=scenario.times,
        provenance=scenario.provenance,
        roles=found.composition.roles,
    )


@lru_cache(maxsize=64)
def _query(event: str) -> Query:
    return parse(f"{event}({', '.join(EVENTS[event].roles)})" if event else NOMINAL)


def _run(
    jobs: list[tuple[Path, CorpusSettings, int, int, int]], workers: int
) -> Iterator[ShardReport]:
    if workers == 1 or len(jobs) == 1:
        yield from map(_shard, jobs)
        return
    # Fresh processes: forked ones would share the locks of compiled code and thread pools.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        yield from pool.map(_shard, jobs)


def _shard(job: tuple[Path, CorpusSettings, int, int, int]) -> ShardReport:
    """Build one shard, unless it is there already and whole."""
    folder, settings, number, first, last = job
    path = folder / f"{number:04d}.safetensors"
    data = _finished(path, settings, first, last)
    if data is None:
        drawn = [draw_row(settings, index) for index in range(first, last)]
        data = _pack([row for row in drawn if row is not None], settings, first, last)
        write_atomically(path, data)
    arrays = load_arrays(data)
    rows = len(arrays["index"]) if arrays else 0
    splits = np.bincount(arrays["split"], minlength=len(SPLITS)) if arrays else [0] * len(SPLITS)
    kinds = 1 + len(settings.events)
    families = np.bincount(arrays["family"], minlength=kinds) if arrays else [0] * kinds
    return ShardReport(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=rows,
        failed=last - first - rows,
        splits=tuple(int(n) for n in splits),
        families=tuple(int(n) for n in families),
    )


def _pack(rows: list[dict[str, Array]], settings: CorpusSettings, first: int, last: int) -> bytes:
    """Stack rows; the header holds a digest of the arrays, so that damage is found."""
    arrays = (
        {name: np.stack([row[name] for row in rows]) for name in sorted(rows[0])} if rows else {}
    )
    header = {
        "settings": settings.digest,
        "first": first,
        "last": last,
        "arrays_sha256": _arrays_digest(arrays),
    }
    return save_arrays(arrays, {HEADER: json.dumps(header, sort_keys=True)})


def _finished(path: Path, settings: CorpusSettings, first: int, last: int) -> bytes | None:
    """Bytes of a shard that is whole and holds these rows; None where it has to be built.

    Raises:
        RecordingError: The shard is whole, but of other settings.
    """
    if not path.exists():
        return None
    data = path.read_bytes()
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][HEADER])
        whole = _arrays_digest(load_arrays(data)) == header["arrays_sha256"]
    except (ValueError, KeyError, TypeError, SafetensorError):
        return None
    if not whole:
        return None
    if header["settings"] != settings.digest:
        raise RecordingError(
            f"{path}: was built with other settings or another version; choose another place"
        )
    return data if (header["first"], header["last"]) == (first, last) else None


def _arrays_digest(arrays: dict[str, Array]) -> str:
    return digest(
        {
            name: [str(a.dtype), list(a.shape), hashlib.sha256(a.tobytes()).hexdigest()]
            for name, a in arrays.items()
        }
    )


def _manifest(settings: CorpusSettings, count: int, reports: list[ShardReport]) -> dict[str, Any]:
    splits = np.sum([report.splits for report in reports], 0).tolist()
    families = np.sum([report.families for report in reports], 0).tolist()
    return {
        "format": FORMAT,
        "version": version("scenegen"),
        "settings": asdict(settings),
        "settings_digest": settings.digest,
        "drawn": count,
        "rows": sum(report.rows for report in reports),
        "failed": sum(report.failed for report in reports),
        "splits": dict(zip(SPLITS, splits, strict=True)),
        "families": dict(zip(("nominal", *settings.events), families, strict=True)),
        "shards": [asdict(report) for report in reports],
    }
