"""Record: verified scenarios, seen by a rig, stored in a dataset."""

from __future__ import annotations

from collections.abc import Callable
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
from scenegen.sensors import Rig

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
    on_accepted: Progress | None = None,
) -> Statistics:
    """Generate, sense and store scenarios 0 to count - 1 of a request.

    Packs of recordings become visible whole or not at all; an interrupted call leaves the packs
    committed before, and `resume` goes on after them. What the run counted is stored as well, see
    `scenegen.pipeline.runs`.

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
    generator = Generator(request)
    missing = _missing_indices(path, request, count, resume=resume)
    if not missing:
        return generator.statistics
    # The first scenario is found before anything is written: an impossible query leaves no trace.
    found = generator.scenario(missing[0])
    try:
        with DatasetWriter(
            path,
            marking.specs(rig.specs()),
            profile=profile,
            recordings_per_pack=recordings_per_pack,
        ) as writer:
            _store(writer, generator, (rig, marking), found, missing, on_accepted)
    finally:
        # Also what a run that was ended early has counted is worth knowing.
        if (path / HEADER).exists():
            _note_run(path, request, missing, generator.statistics)
    return generator.statistics


def _store(
    writer: DatasetWriter,
    generator: Generator,
    seen_by: tuple[Rig, Marking],
    found: Accepted,
    indices: list[int],
    on_accepted: Progress | None,
) -> None:
    """Sense and write the scenario that was found for the first index, and find the others."""
    rig, marking = seen_by
    specs = rig.specs()
    for index in indices:
        if index != indices[0]:
            found = _scenario_or_commit(generator, index, writer)
        sensed = rig.sense(found.scenario, generator.request.seed)
        frames = marking.frames(sensed, specs, found.scenario.id)
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
