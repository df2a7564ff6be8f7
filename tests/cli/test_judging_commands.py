"""What a user types to have scenarios judged, and what they see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scenegen.cli import app
from scenegen.data import Dataset
from scenegen.errors import CheckpointError
from scenegen.evaluate.solvability import Solvability, replays
from scenegen.pipeline import Request, generate_dataset
from scenegen.query import parse
from scenegen.sensors import RIGS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cut-ins that come close."""
    path = tmp_path_factory.mktemp("judging") / "a.zarr"
    query = parse("cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s")
    generate_dataset(path, Request(query=query, seed=7), 3, RIGS["labels"])
    return path


def test_solve_shows_a_table_and_the_share(store: Path) -> None:
    """One line per recording, then how many are solvable, with an interval."""
    shown = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["solve", str(store)])

    assert shown.exit_code == 0, shown.output
    assert all(identity in shown.output for identity in Dataset(store).ids)
    assert "of 3 are solvable" in shown.output
    assert "95 % interval" in shown.output


def test_solve_stores_certificates_that_the_simulator_replays(store: Path, tmp_path: Path) -> None:
    """The file holds whole verdicts; each plan in it is collision-free on its scenario."""
    target = tmp_path / "plans.json"

    shown = CliRunner().invoke(app, ["solve", str(store), "0", "1", "-o", str(target), "--json"])

    assert shown.exit_code == 0, shown.output
    found = json.loads(target.read_text())
    assert list(found) == list(Dataset(store).ids[:2])
    for identity, data in found.items():
        verdict = Solvability.from_json(data)
        if verdict.certificate is not None:
            assert replays(Dataset(store).scenario(identity), verdict.certificate)
    brief = json.loads(shown.output)
    assert all("certificate" not in verdict for verdict in brief.values())


def test_estimate_counts_in_natural_traffic() -> None:
    """The share has an interval, and the draws that were left out are counted."""
    words = ["estimate", "ego.speed > 1m/s", "-n", "12", "--duration", "2", "--json"]

    found = json.loads(CliRunner().invoke(app, words).output)

    assert found["hits"] > 0
    assert found["scenes"] + found["left_out"] == 12
    assert found["low"] <= found["rate"] <= found["high"]
    assert found["per_hour"] == pytest.approx(found["rate"] * 1800)


def test_estimates_repeat_and_depend_on_who_drives() -> None:
    """The same seed gives the same counts; a coasting ego brakes for nobody."""
    words = ["estimate", "eventually(ego.accel < -0.3m/s^2)", "-n", "10", "--json"]
    first, again, coasting = (
        json.loads(CliRunner().invoke(app, [*words, *more]).output)
        for more in ([], [], ["--policy", "coast"])
    )

    assert (first["hits"], first["scenes"]) == (again["hits"], again["scenes"])
    assert first["hits"] > 0
    assert coasting["hits"] == 0


def test_what_is_never_seen_has_only_an_upper_end() -> None:
    """No hit is not a rate of zero."""
    words = ["estimate", "ego.speed > 69m/s", "-n", "6", "--duration", "1"]

    shown = CliRunner().invoke(app, words)

    assert "never seen" in shown.output


def test_a_missing_method_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guided estimates need a checkpoint; the error says so and what to do."""
    monkeypatch.setattr("scenegen.cli.estimate.is_shipped", lambda name: False)
    words = ["estimate", "ego.speed > 1m/s", "--method", "guided"]

    shown = CliRunner().invoke(app, words)

    assert isinstance(shown.exception, CheckpointError)
    assert "use --method simulate" in str(shown.exception)
