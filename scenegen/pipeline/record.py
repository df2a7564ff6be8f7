"""Record: verified scenarios, seen by a rig, stored in a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scenegen.appearance.camera_runtime import Renderer, renderer_of
from scenegen.catalog import features
from scenegen.data import Dataset, DatasetWriter
from scenegen.data.commits import HEADER
from scenegen.errors import RecordingError, UnsatisfiedError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Accepted, Generator
from scenegen.pipeline.marking import Marking, with_renderer
from scenegen.pipeline.runs import RunRecord, write_run
from scenegen.pipeline.scout import Found, Scout
from scenegen.pipeline.statistics import Statistics
from scenegen.render import World
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
        threads: Frames sensed at once, by default `sensing_threads`; no byte depends on it. Above
            one, the next scenario is sought meanwhile.
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
    sensing = _Sensing.of(rig, marking, threads, request)
    generator = Generator(request)
    missing = _missing_indices(path, request, count, resume=resume)
    if not missing:
        return generator.statistics
    with Scout(generator, missing, sensing.world, ahead=sensing.threads > 1) as scout:
        # The first is found before anything is written: an impossible query leaves no trace.
        found = scout.next()
        specs, kept = marking.specs(rig.specs()), recordings_per_pack
        with (
            _noted(path, request, missing, scout),
            DatasetWriter(path, specs, profile=profile, recordings_per_pack=kept) as writer,
        ):
            _store(writer, scout, sensing, found, len(missing), on_accepted)
    return scout.statistics


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
        seed: Seed of scenery, looks and noise.
    """

    rig: Rig
    marking: Marking
    threads: int
    seed: int

    @classmethod
    def of(cls, rig: Rig, marking: Marking, threads: int | None, request: Request) -> Self:
        """Sense a request, with as many threads as `sensing_threads` says if none are given."""
        return cls(
            rig=rig, marking=marking, threads=threads or sensing_threads(), seed=request.seed
        )

    def world(self, scenario: Scenario) -> World:
        """Build the world of a scenario."""
        return self.rig.world(scenario, self.seed)

    def frames(self, found: Found) -> Iterator[Frame]:
        """Sense a scenario and mark its pictures."""
        scenario = found.accepted.scenario
        world = None if found.world is None else found.world.result()
        sensed = self.rig.sense(scenario, self.seed, threads=self.threads, world=world)
        yield from self.marking.frames(sensed, self.rig.specs(), scenario.id)


def _store(
    writer: DatasetWriter,
    scout: Scout,
    sensing: _Sensing,
    found: Found,
    count: int,
    on_accepted: Progress | None,
) -> None:
    """Sense and write the scenario that was found first, and the others in turn."""
    for number in range(count):
        if number > 0:
            found = _next_or_commit(scout, writer)
        scenario = found.accepted.scenario
        writer.add(scenario, sensing.frames(found), features(scenario))
        if on_accepted is not None:
            on_accepted(found.accepted, found.statistics)


@contextmanager
def _noted(path: Path, request: Request, asked: list[int], scout: Scout) -> Iterator[None]:
    """Store what a run has counted, however it ends: an early end is worth knowing, too."""
    try:
        yield
    finally:
        if (path / HEADER).exists():
            record = RunRecord(
                query=request.query.text,
                seed=request.seed,
                first=asked[0],
                asked=len(asked),
                statistics=scout.statistics,
            )
            write_run(path, record)


def _next_or_commit(scout: Scout, writer: DatasetWriter) -> Found:
    """Give the next scenario; if there is none, keep those found before it."""
    try:
        return scout.next()
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
