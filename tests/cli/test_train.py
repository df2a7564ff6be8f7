"""The command that trains layout models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scenegen.cli.train import train_app
from scenegen.errors import QueryError
from scenegen.layout import LearnedLayout
from scenegen.layout.shard_file import MANIFEST
from tests.layout.corpora import write_corpus

TINY = json.dumps({"network": {"width": 16, "layers": 1, "heads": 2, "expansion": 1}})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a made-up corpus."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), 36)


def arguments(corpus: Path, output: Path, *more: str) -> list[str]:
    """Ask for a short training of a tiny model."""
    return [
        "layout", "--corpus", str(corpus), "-o", str(output), "--partial", "--config", TINY,
        "--batch", "8", "--every", "2", "--json", *more,
    ]  # fmt: skip


def test_training_writes_a_checkpoint_a_card_and_pictures(tmp_path: Path, corpus: Path) -> None:
    """What comes out can be used at once; called again, it goes on."""
    first = CliRunner().invoke(train_app, arguments(corpus, tmp_path, "--steps", "2"))
    second = CliRunner().invoke(train_app, arguments(corpus, tmp_path, "--steps", "4"))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert [json.loads(run.stdout)["steps"] for run in (first, second)] == [2, 4]
    pictures = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert pictures == ["000002.png", "000004.png"]
    assert LearnedLayout.load(tmp_path / "checkpoint.safetensors").sha256


def test_a_training_without_an_end_is_refused(tmp_path: Path, corpus: Path) -> None:
    """Steps or CPU time: one of them bounds the call."""
    result = CliRunner().invoke(train_app, arguments(corpus, tmp_path))

    assert isinstance(result.exception, QueryError)
    assert "neither" in str(result.exception)


def test_an_unfinished_corpus_needs_partial(tmp_path: Path, corpus: Path) -> None:
    """Nobody trains on half a corpus by accident."""
    asked = [a for a in arguments(corpus, tmp_path, "--steps", "1") if a != "--partial"]

    result = CliRunner().invoke(train_app, asked)

    assert result.exit_code != 0
    assert MANIFEST in str(result.exception)
