"""Record: verified scenarios, seen by a rig, stored in a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scenegen.appearance.camera_runtime import Renderer, renderer_of
from scenegen.catalog import features
from scenegen.data import Dataset, DatasetWriter
from scenegen.data.commits import HEADER
from scenegen.errors import RecordingError, UnsatisfiedError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Accepted, Generator
from scenegen.pipeline.marking import Marking, with_renderer
from scenegen.pipeline.runs import RunRecord, write_run
from scenegen.pipeline.statistics import Statistics
from scenegen.scene import Frame, Scenario
from scenegen.sensors import Rig

MOST_THREADS = 8
"""Frames sensed at the same time at most: each takes about 200 MB while it is made."""
Progress = Callable[[Accepted, Statistics], None]


def generate_dataset(
    path: Path,
    request: Request,
    count: int,
    rig: Rig,
    *,
    resume: bool = False,
    profile: str = "default",
    recordings_per_pack: int = 16,
    renderer: Renderer | None = None,
    watermarks: bool = True,
    threads: int | None = None,
    on_accepted: Progress | None = None,
) -> Statistics:
    """Generate, sense and store scenarios 0 to count - 1 of a request.

    Packs become visible whole or not at all; an interrupted call leaves those committed before, and
    `resume` goes on after them. What the run counted is stored too, see `scenegen.pipeline.runs`.

    Args:
        path: The dataset; made if it is not there.
        request: What is asked.
        count: Number of scenarios.
        rig: Sensors on the ego; Rig without sensors stores states and boxes only.
        resume: Skip the scenarios of this request that are stored already.
        profile: Storage profile, see data.schema.
        recordings_per_pack: Recordings that become visible together.
        renderer: What makes the cameras' pictures; the default renderer if left out.
        watermarks: Whether pictures carry the watermark of their scenario.
        threads: Frames sensed at once, by default `sensing_threads`; no byte depends on it.
        on_accepted: Called after each stored scenario.

    Returns:
        Counts of tries and reasons.

    Raises:
        UnsatisfiedError: A scenario was not found; those before it are stored.
        RecordingError: The dataset holds scenarios of this request already and `resume` is off.
        StorageError: The dataset could not be written.
    """
    marking = Marking(renderer=renderer or renderer_of(), watermarks=watermarks)
    rig = with_renderer(rig, marking.renderer)
    sensing = _Sensing(rig=rig, marking=marking, threads=threads or sensing_threads())
    generator = Generator(request)
    missing = _missing_indices(path, request, count, resume=resume)
    if not missing:
        return generator.statistics
    # The first scenario is found before anything is written: an impossible query leaves no trace.
    found = generator.scenario(missing[0])
    try:
        specs = marking.specs(rig.specs())
        with DatasetWriter(
            path, specs, profile=profile, recordings_per_pack=recordings_per_pack
        ) as writer:
            _store(writer, generator, sensing, found, missing, on_accepted)
    finally:
        # Also what a run that was ended early has counted is worth knowing.
        if (path / HEADER).exists():
            _note_run(path, request, missing, generator.statistics)
    return generator.statistics


def sensing_threads() -> int:
    """Frames to sense at the same time: one per usable core, at most MOST_THREADS."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST_THREADS)
    return min(os.cpu_count() or 1, MOST_THREADS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sensing:
    """How scenarios become frames.

    Attributes:
        rig: Sensors on the ego.
        marking: How pictures are marked.
        threads: Frames that are sensed at the same time.
    """

    rig: Rig
    marking: Marking
    threads: int

    def frames(self, scenario: Scenario, seed: int) -> Iterator[Frame]:
        """Sense a scenario and mark its pictures."""
        sensed = self.rig.sense(scenario, seed, threads=self.threads)
        return self.marking.frames(sensed, self.rig.specs(), scenario.id)


def _store(
    writer: DatasetWriter,
    generator: Generator,
    sensing: _Sensing,
    found: Accepted,
    indices: list[int],
    on_accepted: Progress | None,
) -> None:
    """Sense and write the scenario that was found for the first index, and find the others."""
    for index in indices:
        if index != indices[0]:
            found = _scenario_or_commit(generator, index, writer)
        frames = sensing.frames(found.scenario, generator.request.seed)
        writer.add(found.scenario, frames, features(found.scenario))
        if on_accepted is not None:
            on_accepted(found, generator.statistics)


def _note_run(path: Path, request: Request, asked: list[int], statistics: Statistics) -> None:
    record = RunRecord(
        query=request.query.text,
        seed=request.seed,
        first=asked[0],
        asked=len(asked),
        statistics=statistics,
    )
    write_run(path, record)


def _scenario_or_commit(generator: Generator, index: int, writer: DatasetWriter) -> Accepted:
    """Find the next scenario; if there is none, keep those found before it."""
    try:
        return generator.scenario(index)
    except UnsatisfiedError:
        writer.commit()
        raise


def _missing_indices(path: Path, request: Request, count: int, *, resume: bool) -> list[int]:
    """Numbers of the scenarios that are still to be made."""
    stored = _stored_indices(path, request)
    if stored and not resume:
        raise RecordingError(
            f"{path}: holds {len(stored)} scenarios of this query and seed already; resume to add"
            " the missing ones, or choose another seed or place"
        )
    return [index for index in range(count) if index not in stored]


def _stored_indices(path: Path, request: Request) -> set[int]:
    """Numbers of the scenarios of this query and seed that a dataset holds."""
    if not (path / HEADER).exists():
        return set()
    dataset = Dataset(path)
    made = [dataset.scenario(identity).provenance for identity in dataset.ids]
    wanted = (request.query.text, request.seed)
    return {origin.index for origin in made if (origin.query, origin.seed) == wanted}
