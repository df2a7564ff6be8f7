"""The corpus that layout models learn from: simulated scenes as tokens, in checksummed shards.

A row follows from the seed and its number alone, so that a shard has the same bytes whoever builds
it. Half of the sites, the nominal stratum, are everyday traffic on all kinds of road alike; the
others stage event families, each equally often, until the simulated scenario shows them. Every row
carries the probability with which its stratum, family and kind of road were drawn, so that exposure
can be weighted back exactly, and which event families it shows, asked for or not.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from scenegen.arrays import Array
from scenegen.errors import RecordingError, StorageError
from scenegen.layout.shard_file import (
    COLUMNS,
    FORMAT,
    MANIFEST,
    SPLITS,
    ShardHeader,
    column_shape,
    pack_shard,
    token_layout,
    unpack_shard,
)
from scenegen.pipeline.corpus_settings import DETECTORS, CorpusSettings
from scenegen.pipeline.corpus_sites import draw_site
from scenegen.training.checkpoint import write_atomically


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

    A shard is there whole or not at all; the manifest is written last. It stays as it was until
    then when a corpus is made larger, so that what was finished can still be read.

    Args:
        folder: Where the corpus goes; made if it is not there.
        settings: What it is made of.
        count: Number of rows drawn; the failed ones are counted and left out.
        workers: Processes; the bytes do not depend on it.
        resume: Keep the shards that are finished, rebuild damaged ones; also to make it larger.
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
    if not resume and any(folder.glob("*.safetensors")):
        raise RecordingError(
            f"{folder}: holds shards already; resume to add the missing ones, or choose another"
            " place"
        )
    size = settings.rows_per_shard
    spans = [(k, k * size, min((k + 1) * size, count)) for k in range(-(-count // size))]
    jobs = [(folder, settings, *span) for span in spans]
    reports = []
    for report in _run(jobs, workers):
        reports.append(report)
        if on_shard is not None:
            on_shard(report)
    manifest = _manifest(settings, count, reports)
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return manifest


def draw_rows(settings: CorpusSettings, first: int, last: int) -> list[dict[str, Array]]:
    """Draw, simulate and encode the rows first to last - 1; those that failed are left out."""
    size = settings.rows_per_site
    rows = []
    for site in range(first // size, -(-last // size)):
        drawn = draw_site(settings, site)
        wanted = slice(max(first - site * size, 0), last - site * size)
        rows += [row for row in drawn[wanted] if row is not None]
    return rows


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
        data = pack_shard(
            _stack(draw_rows(settings, first, last)),
            ShardHeader(
                settings=settings.digest,
                first=first,
                last=last,
                events=settings.events,
                detectors=DETECTORS,
                tokens=token_layout(),
            ),
        )
        write_atomically(path, data)
    _, arrays = unpack_shard(data, str(path))
    rows = len(arrays["index"])
    splits = np.bincount(arrays["split"], minlength=len(SPLITS))
    families = np.bincount(arrays["family"], minlength=1 + len(settings.events))
    return ShardReport(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=rows,
        failed=last - first - rows,
        splits=tuple(splits.tolist()),
        families=tuple(families.tolist()),
    )


def _stack(rows: list[dict[str, Array]]) -> dict[str, Array]:
    """Stack rows; none give arrays of no rows."""
    if rows:
        return {name: np.stack([row[name] for row in rows]) for name in COLUMNS}
    empty = {name: column_shape(name, 0, len(DETECTORS)) for name in COLUMNS}
    return {name: np.zeros(empty[name], dtype) for name, (dtype, _) in COLUMNS.items()}


def _finished(path: Path, settings: CorpusSettings, first: int, last: int) -> bytes | None:
    """Bytes of a shard that is whole and holds these rows; None where it has to be built.

    Raises:
        RecordingError: The shard is whole, but of other settings.
    """
    if not path.exists():
        return None
    data = path.read_bytes()
    try:
        header, _ = unpack_shard(data, str(path))
    except RecordingError:
        return None
    if header.settings != settings.digest:
        raise RecordingError(
            f"{path}: was built with other settings or another version; choose another place"
        )
    return data if (header.first, header.last) == (first, last) else None


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
