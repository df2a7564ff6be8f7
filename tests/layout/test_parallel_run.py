"""A layout model trained by two processes: one run, one folder, one checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenegen.layout import LearnedLayout
from tests.layout.corpora import write_corpus
from tests.training.test_parallel import launch

TINY = json.dumps({"network": {"width": 16, "layers": 1, "heads": 2, "expansion": 1}})
SCRIPT = "from scenegen.cli.train import train_app\ntrain_app()\n"


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """The command under torchrun trains, goes on where it stopped, and writes once."""
    corpus = write_corpus(tmp_path / "corpus", 36)
    script, run = tmp_path / "train.py", tmp_path / "run"
    script.write_text(SCRIPT)
    asked = ["layout", "--corpus", str(corpus), "-o", str(run), "--partial", "--config", TINY]

    for steps in ("4", "8"):
        more = ["--batch", "8", "--every", "4", "--steps", steps, "--json"]
        done = launch(2, str(script), *asked, *more)
        assert done.returncode == 0, done.stderr

    card = json.loads((run / "card.json").read_text())
    assert (card["steps"], card["scenes_seen"]) == (8, 64)
    lines = (run / "progress.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8]
    assert LearnedLayout.load(run / "checkpoint.safetensors").sha256 == card["sha256"]
