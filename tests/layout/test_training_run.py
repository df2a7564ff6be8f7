"""Training end to end on a made-up corpus: it learns, it stops and goes on, it ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.known_masks import draw_masks
from scenegen.layout.learned import model_of, one_thread
from scenegen.layout.training_run import (
    ACTING_MASKS,
    CHECKPOINT,
    TrainingRun,
    TrainingSettings,
)
from scenegen.training import Checkpoint, load_checkpoint
from tests.layout.corpora import write_corpus

TINY = {"network": {"width": 32, "layers": 2, "heads": 2, "expansion": 2}}
SETTINGS = TrainingSettings(config=TINY, batch=16, warm_up=10, rate=3e-3, ema=0.98)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order: bits depend on the number of threads otherwise."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a made-up corpus."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), 96)


def begin(folder: Path, corpus: Path, settings: TrainingSettings = SETTINGS) -> TrainingRun:
    """Start or continue a run."""
    return TrainingRun(folder, settings, [corpus], partial=True)


def test_a_short_training_learns(tmp_path: Path, corpus: Path) -> None:
    """The loss on held-out scenes falls from 1.4 to below 0.85, and samples are valid tokens."""
    run = begin(tmp_path, corpus)
    lines = []

    ended = run.run(steps=120, every=60, on_look=lambda model, step, line: lines.append(line))

    losses = [float(line["validation_loss"]) for line in lines]
    assert ended == "steps"
    assert losses[-1] < min(0.85, losses[0])
    assert run.validation is not None
    scenes = run.validation.scenes(range(len(run.validation)))
    found = run.averaged().sample(scenes, torch.Generator().manual_seed(0))
    assert found.isfinite().all()
    assert torch.equal(found[scenes.known], scenes.agents[scenes.known])


def test_steps_on_ego_and_roles_alone_teach_both(tmp_path: Path, corpus: Path) -> None:
    """With half of the steps on them, the losses of acting and of whole scenes both fall."""
    run = begin(tmp_path, corpus, replace(SETTINGS, acting=0.5))
    alone = run.train.scenes(run.train.staged[:32]).acting()

    def loss() -> float:
        generator = torch.Generator().manual_seed(0)
        masked = draw_masks(alone, run.model.groups, generator, ACTING_MASKS)
        with torch.no_grad():
            return float(run.averaged().loss(masked, generator))

    lines, before = [], loss()
    run.run(steps=120, every=60, on_look=lambda model, step, line: lines.append(line))

    assert loss() < 0.8 * before
    assert float(lines[-1]["validation_loss"]) < float(lines[0]["validation_loss"])
    with pytest.raises(ValueError, match="acting"):
        replace(SETTINGS, acting=1.5)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, corpus: Path) -> None:
    """State and checkpoint have the same bytes."""
    begin(tmp_path / "whole", corpus).run(steps=9, every=4)

    for steps in (4, 9):
        begin(tmp_path / "parts", corpus).run(steps=steps, every=4)

    for name in ("state.safetensors", "losses.jsonl"):
        whole, parts = (tmp_path / run / name for run in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes()


def test_a_checkpoint_gives_the_averaged_model_back(tmp_path: Path, corpus: Path) -> None:
    """Weights are half floats, the card says what they are, and training can start from them."""
    run = begin(tmp_path / "a", corpus)
    run.run(steps=3)

    stored = load_checkpoint(tmp_path / "a" / CHECKPOINT, "diffusion")
    card = json.loads((tmp_path / "a" / "card.json").read_text())

    assert card["sha256"] == stored.sha256
    assert (card["licence"], card["steps"], card["scenes_seen"]) == ("Apache-2.0", 3, 48)
    loaded, averaged = model_of(stored).state_dict(), run.averaged().state_dict()
    for name, value in averaged.items():
        assert torch.allclose(loaded[name], value, atol=2e-3), name
    second = TrainingRun(tmp_path / "b", SETTINGS, [corpus], begin=stored, partial=True)
    assert torch.equal(second.model.state_dict()["scale.mean"], averaged["scale.mean"])


def test_another_family_or_size_is_refused(tmp_path: Path, corpus: Path) -> None:
    """The messages say what was expected."""
    with pytest.raises(UnknownNameError, match="unknown scene model 'difusion'"):
        TrainingSettings(model="difusion")
    model = DiffusionModel(("cut_in",))
    stored = Checkpoint(model="diffusion", config=model.config(), tensors={}, training={})
    with pytest.raises(CheckpointError, match="do not fit"):
        model_of(stored)
    with pytest.raises(CheckpointError, match="expected one of"):
        model_of(Checkpoint(model="other", config={}, tensors={}, training={}))
