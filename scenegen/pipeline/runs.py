"""What every run of the generator counted, stored with the dataset it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scenegen.data.storage import replace_file, seal, storage_errors, unseal
from scenegen.errors import RecordingError
from scenegen.pipeline.statistics import Statistics
from scenegen.seeding import digest

FOLDER = "runs"
"""Folder of the records within a dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run: what was asked, and what it took.

    Attributes:
        query: Text of the query.
        seed: Seed of the request.
        first: Number of the first scenario that was asked for.
        asked: Scenarios that were asked for.
        statistics: Tries, and why those failed that did.
    """

    query: str
    seed: int
    first: int
    asked: int
    statistics: Statistics

    @property
    def name(self) -> str:
        """Name of its file: the same run asked for again replaces its record."""
        return f"{digest([self.query, self.seed, self.first, self.asked])[:16]}.json"

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        asked = {"query": self.query, "seed": self.seed, "first": self.first, "asked": self.asked}
        return {**asked, **self.statistics.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_json`.

        Raises:
            RecordingError: Something is missing.
        """
        try:
            return cls(
                query=data["query"],
                seed=data["seed"],
                first=data["first"],
                asked=data["asked"],
                statistics=Statistics.from_json(data),
            )
        except (KeyError, TypeError) as error:
            raise RecordingError(f"record of a run: expected its counts, {error} is odd") from error


def write_run(dataset: Path, record: RunRecord) -> None:
    """Store a record in a dataset, atomically.

    Raises:
        StorageError: The system refused to write.
    """
    with storage_errors(dataset):
        (dataset / FOLDER).mkdir(exist_ok=True)
        replace_file(dataset / FOLDER / record.name, seal(record.to_json()))


def read_runs(dataset: Path) -> list[RunRecord]:
    """Read all records of a dataset, by query, seed and first scenario.

    Raises:
        RecordingError: One is damaged.
    """
    files = sorted((dataset / FOLDER).glob("*.json"))
    found = [RunRecord.from_json(unseal(file.read_bytes(), file)) for file in files]
    return sorted(found, key=lambda run: (run.query, run.seed, run.first))


def total(runs: Sequence[RunRecord]) -> Statistics:
    """Add the counts of several runs."""
    return Statistics(
        accepted=sum(run.statistics.accepted for run in runs),
        tries=sum(run.statistics.tries for run in runs),
        reasons=sum((run.statistics.reasons for run in runs), Counter()),
        clauses=sum((run.statistics.clauses for run in runs), Counter()),
    )
