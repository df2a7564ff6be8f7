"""Record: verified scenarios, seen by a rig, stored in a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scenegen.catalog import features
from scenegen.data import Dataset, DatasetWriter
from scenegen.data.commits import HEADER
from scenegen.errors import RecordingError, UnsatisfiedError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Accepted, Generator
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
        on_accepted: Called after each stored scenario.

    Returns:
        Counts of tries and reasons.

    Raises:
        UnsatisfiedError: A scenario was not found; those before it are stored.
        RecordingError: The dataset holds scenarios of this request already and `resume` is off.
        StorageError: The dataset could not be written.
    """
    generator = Generator(request)
    stored = _stored_indices(path, request)
    if stored and not resume:
        raise RecordingError(
            f"{path}: holds {len(stored)} scenarios of this query and seed already; resume to add"
            " the missing ones, or choose another seed or place"
        )
    missing = [index for index in range(count) if index not in stored]
    if not missing:
        return generator.statistics
    # The first scenario is found before anything is written: an impossible query leaves no trace.
    found = generator.scenario(missing[0])
    try:
        with DatasetWriter(
            path, rig.specs(), profile=profile, recordings_per_pack=recordings_per_pack
        ) as writer:
            _store(writer, generator, rig, found, missing, on_accepted)
    finally:
        # Also what a run that was ended early has counted is worth knowing.
        if (path / HEADER).exists():
            _note_run(path, request, missing, generator.statistics)
    return generator.statistics


def _store(
    writer: DatasetWriter,
    generator: Generator,
    rig: Rig,
    found: Accepted,
    indices: list[int],
    on_accepted: Progress | None,
) -> None:
    """Sense and write the scenario that was found for the first index, and find the others."""
    for index in indices:
        if index != indices[0]:
            found = _scenario_or_commit(generator, index, writer)
        frames = rig.sense(found.scenario, generator.request.seed)
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


def _stored_indices(path: Path, request: Request) -> set[int]:
    """Numbers of the scenarios of this query and seed that a dataset holds."""
    if not (path / HEADER).exists():
        return set()
    dataset = Dataset(path)
    made = [dataset.scenario(identity).provenance for identity in dataset.ids]
    wanted = (request.query.text, request.seed)
    return {origin.index for origin in made if (origin.query, origin.seed) == wanted}
