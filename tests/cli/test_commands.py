"""What a user types, and what they see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scenegen.data import Dataset
from tests.sizes import file_digests

CUT_IN = "cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s"


def scenegen(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [sys.executable, "-c", "from scenegen.cli import main; main()", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "100", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate two cut-ins through the command line."""
    path = tmp_path_factory.mktemp("cli") / "a.zarr"
    done = scenegen("generate", CUT_IN, "-n", "2", "--seed", "7", "-o", path, "--rig", "labels")
    assert done.returncode == 0, done.stderr
    return path


def test_help_shows_examples() -> None:
    """Each command says how it is used."""
    for command in ("generate", "search", "explain", "view", "info", "replay", "verify"):
        shown = scenegen(command, "--help")
        assert shown.returncode == 0
        assert f"scenegen {command}" in shown.stdout
        assert "Example" in shown.stdout


def test_info_counts_in_json(store: Path) -> None:
    """A script reads what a dataset holds."""
    found = json.loads(scenegen("info", store, "--json").stdout)

    assert found["recordings"] == 2
    assert found["events"] == {"cut_in": 2}


def test_search_finds_and_says_who_and_when(store: Path) -> None:
    """Hits come with witness and time."""
    hits = json.loads(scenegen("search", store, "ttc(ego,c) < 1.5s", "--json").stdout)

    assert {hit["id"] for hit in hits} == set(Dataset(store).ids)
    assert all(hit["witness"]["c"] > 0 for hit in hits)


def test_explain_names_the_clause_and_the_change(store: Path) -> None:
    """A near miss is explained with the number that would do."""
    said = scenegen("explain", store, "0", "cut_in(c, right) and ego.speed > 80m/s")

    assert said.returncode == 0
    assert "does not match" in said.stdout
    assert "ego.speed > 80m/s" in said.stdout


def test_replay_verify_and_view(store: Path, tmp_path: Path) -> None:
    """A recording rebuilds, every chunk is whole, and the page is written."""
    page = tmp_path / "page.html"

    assert "every bit" in scenegen("replay", store, "0").stdout
    assert "whole" in scenegen("verify", store).stdout
    assert scenegen("view", store, "-o", page).returncode == 0
    assert page.stat().st_size > 10_000


def test_lists_name_the_vocabulary() -> None:
    """Events, signals and conditions can be looked up."""
    for what, name in (("events", "cut_in"), ("signals", "ttc"), ("conditions", "night")):
        assert name in scenegen("list", what).stdout


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("cutin(c)", 2, "cut_in"),
        ("ttc(ego,c) < 1.5", 2, "unit"),
        ("ego.speed > 20m/s and ego.speed < 10m/s", 2, "contradict"),
        ("highway and red_light_runner(r)", 2, "happens on"),
    ],
)
def test_a_wrong_query_is_one_clear_message(
    query: str, code: int, said: str, tmp_path: Path
) -> None:
    """The message says what is wrong, there is no traceback, and nothing is written."""
    done = scenegen("generate", query, "-n", "1", "-o", tmp_path / "x.zarr")

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.zarr").exists()


def test_an_impossible_query_counts_what_failed(tmp_path: Path) -> None:
    """Exit code 2, the number of tries, and the clauses that failed."""
    query = "lead_hard_brake(l) and ego.lat_accel > 50m/s^2"

    done = scenegen("generate", query, "-n", "1", "--tries", "6", "-o", tmp_path / "x.zarr")

    assert done.returncode == 2
    assert "6 tries" in done.stderr
    assert not (tmp_path / "x.zarr").exists()


def test_a_damaged_map_is_one_clear_message(tmp_path: Path, store: Path) -> None:
    """A cut file is named; the dataset stays as it was."""
    broken = tmp_path / "broken.xml"
    broken.write_text('<?xml version="1.0"?><commonRoad commonRoadVersion="2020a"><lanelet id="1">')
    before = file_digests(store)

    done = scenegen("generate", "cut_in(c)", "-n", "1", "-o", store, "--base", broken)

    assert done.returncode == 1
    assert "broken.xml" in done.stderr
    assert "Traceback" not in done.stderr
    assert file_digests(store) == before


def test_ctrl_c_leaves_the_dataset_as_it_was(tmp_path: Path, store: Path) -> None:
    """An interrupt says so in one line and keeps what was committed before, nothing else."""
    before = file_digests(store)
    # A test run in the background ignores interrupts, and its children would inherit that.
    listen = "import signal as s; s.signal(s.SIGINT, s.default_int_handler); "
    program = listen + "from scenegen.cli import main; main()"
    command = [sys.executable, "-c", program, "generate", CUT_IN]
    command += ["-n", "500", "--seed", "8", "-o", str(store), "--rig", "labels"]

    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not any((store / "packs").glob(".*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    try:
        _, said = running.communicate(timeout=300)
    finally:
        running.kill()

    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    after = file_digests(store)
    assert {name: after[name] for name in before} == before
    assert len(Dataset(store)) % 16 == 2
