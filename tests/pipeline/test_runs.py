"""The counts of every run of the generator are stored with the dataset and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenegen.data import Dataset
from scenegen.errors import RecordingError, UnsatisfiedError
from scenegen.pipeline import Request, generate_dataset
from scenegen.pipeline.runs import FOLDER, RunRecord, read_runs, total
from scenegen.pipeline.statistics import Statistics
from scenegen.pipeline.summary import summarise
from scenegen.query import parse
from scenegen.sensors import Rig

QUERY = "cut_in(c) and ttc(ego,c) < 3s"


def request(seed: int, text: str = QUERY, tries: int = 60) -> Request:
    """Ask for short scenarios."""
    return Request(query=parse(text), seed=seed, agents=8, tries=tries)


def test_what_a_run_counted_is_stored_with_its_dataset(tmp_path: Path) -> None:
    """Two runs leave two records, equal to what the calls returned; the summary adds them."""
    path = tmp_path / "a.zarr"

    first = generate_dataset(path, request(1), 2, Rig(name="none", sensors=()))
    second = generate_dataset(path, request(2), 1, Rig(name="none", sensors=()))

    runs = read_runs(path)
    assert [run.statistics for run in runs] == [first, second]
    assert [(run.query, run.seed, run.asked) for run in runs] == [(QUERY, 1, 2), (QUERY, 2, 1)]
    summary = summarise(Dataset(path))
    assert summary["tried"]["accepted"] == 3
    assert summary["tried"]["tries"] == first.tries + second.tries
    assert summary["runs"][0]["reasons"] == dict(first.reasons)
    assert not Dataset(path).verify()


def test_resuming_adds_a_record_of_its_own(tmp_path: Path) -> None:
    """The counts of what was made before stay as they are."""
    path = tmp_path / "a.zarr"
    generate_dataset(path, request(1), 1, Rig(name="none", sensors=()))

    generate_dataset(path, request(1), 3, Rig(name="none", sensors=()), resume=True)

    assert [(run.first, run.asked) for run in read_runs(path)] == [(0, 1), (1, 2)]
    assert total(read_runs(path)).accepted == 3


def test_a_run_that_fails_midway_is_counted(tmp_path: Path) -> None:
    """What was tried in vain is told, also where a later scenario was not found."""
    path = tmp_path / "a.zarr"
    generate_dataset(path, request(1), 1, Rig(name="none", sensors=()))
    hard = request(1, "cut_in(c) and ttc(ego,c) < 0.9s", tries=2)

    try:
        generate_dataset(path, hard, 30, Rig(name="none", sensors=()))
    except UnsatisfiedError:
        pass
    else:
        pytest.skip("every one of 30 rare scenarios was found within two draws")

    records = [run for run in read_runs(path) if run.query == hard.query.text]
    for run in records:  # None if the very first was not found: then nothing was written.
        assert run.statistics.accepted < run.asked
        assert sum(run.statistics.reasons.values()) + sum(run.statistics.clauses.values()) > 0


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    """A record is checked by its checksum, and by what it must hold."""
    path = tmp_path / "a.zarr"
    generate_dataset(path, request(1), 1, Rig(name="none", sensors=()))
    file = next((path / FOLDER).iterdir())
    file.write_bytes(file.read_bytes().replace(b"accepted", b"excepted"))

    with pytest.raises(RecordingError, match=file.name):
        read_runs(path)
    with pytest.raises(RecordingError, match="counts"):
        RunRecord.from_json({"query": "night"})


def test_a_record_reads_back() -> None:
    """Every number survives."""
    run = RunRecord(query="night", seed=1, first=2, asked=3, statistics=Statistics(tries=4))
    run.statistics.reasons["began in contact"] += 2

    assert RunRecord.from_json(run.to_json()) == run
