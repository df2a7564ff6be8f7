"""A training of a lidar, from made-up scans to a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.appearance.lidar_appearance import LidarAppearance
from scenegen.appearance.lidar_fill import fill
from scenegen.appearance.lidar_losses import LidarLosses, lidar_loss
from scenegen.appearance.lidar_models import LIDAR_FAMILIES, LidarGan, build_lidar_model
from scenegen.appearance.lidar_training import (
    CARD,
    CHECKPOINT,
    LidarSettings,
    LidarTraining,
    data_digest,
    whole_batch,
)
from scenegen.errors import CheckpointError, RecordingError, UnknownNameError
from scenegen.seeding import stream
from tests.appearance.lidar_scans import real, scan, sets

TINY = LidarSettings(
    network={"widths": [8, 12, 16], "critic": 4}, crop=32, batch=(2, 2), warm_up=5, seed=3
)


@pytest.fixture(autouse=True)
def _on_one_thread() -> Iterator[None]:
    """Small layers are slower on several threads, and much slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(folder: Path, steps: int, settings: LidarSettings = TINY) -> LidarTraining:
    """Train for so many steps in all."""
    training = LidarTraining(folder, settings, sets())
    training.run(steps=steps, every=4)
    return training


@pytest.mark.parametrize("name", LIDAR_FAMILIES)
def test_every_family_trains_to_a_checkpoint_that_can_be_used(name: str, tmp_path: Path) -> None:
    """With a card that tells licence, data and how well it does."""
    train(tmp_path, 4, replace(TINY, model=name))

    answer = LidarAppearance.load(tmp_path / CHECKPOINT).apply(scan())
    card = json.loads((tmp_path / CARD).read_text())
    assert np.isfinite(answer.keep).all()
    assert "PandaSet" in card["data_terms"][0]
    assert card["licence"].startswith("Apache-2.0")
    assert card["data"]["digest"] == data_digest(sets().train)
    assert 0 <= card["metrics"]["auc_pandar64"] <= 1


@pytest.mark.parametrize("name", ["gan", "unet"])
def test_a_training_that_stops_goes_on_as_if_it_had_not(name: str, tmp_path: Path) -> None:
    """The weights are the same to the bit."""
    settings = replace(TINY, model=name)
    train(tmp_path / "whole", 10, settings)
    for steps in (3, 10):
        train(tmp_path / "parts", steps, settings)

    assert _tensors(tmp_path / "whole") == _tensors(tmp_path / "parts")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """And another seed gives others."""
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        train(tmp_path / name, 3, replace(TINY, seed=seed))

    assert _tensors(tmp_path / "one") == _tensors(tmp_path / "two")
    assert _tensors(tmp_path / "one") != _tensors(tmp_path / "other")


def test_a_short_training_learns_which_echoes_are_lost(tmp_path: Path) -> None:
    """Walls lose theirs, the ground does not: better than the table of beams, too."""
    steps = 60
    learned = train(tmp_path / "unet", steps, replace(TINY, model="unet", rate=5e-3))
    table = train(tmp_path / "ring", steps, replace(TINY, model="ring"))

    answers = [LidarAppearance(training.averaged()).apply(scan()) for training in (learned, table)]
    wall = scan().group == 5
    apart = [float(a.keep[~wall].mean() - a.keep[wall].mean()) for a in answers]
    assert apart[0] > 0.15
    assert apart[0] > apart[1]


def test_the_critic_and_the_generator_each_see_their_own_part() -> None:
    """Without adversary, the generator's gradient is that of the pairs alone."""
    batch = whole_batch(fill(real(0)))
    grads = []
    for weight in (0.0, 1.0):
        model = build_lidar_model("gan", TINY.network)
        assert isinstance(model, LidarGan)
        loss = lidar_loss(model, batch, LidarLosses(adversary=weight), stream(0, "x"), 0)
        loss.backward()  # type: ignore[no-untyped-call]
        assert model.critic is not None
        parts = [
            torch.cat([p.grad.ravel() for p in net.parameters() if p.grad is not None])
            for net in (model.generator, model.critic)
        ]
        grads.append(parts)

    assert not torch.equal(grads[0][0], grads[1][0])
    assert torch.equal(grads[0][1], grads[1][1])


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    """Other settings or other scans do not go on from it."""
    train(tmp_path, 1)

    with pytest.raises(CheckpointError, match="another folder"):
        train(tmp_path, 2, replace(TINY, rate=1e-4))


def test_scans_to_learn_from_are_needed(tmp_path: Path) -> None:
    """None is an error, and so is an unknown family."""
    with pytest.raises(RecordingError, match="got none"):
        LidarTraining(tmp_path, TINY, replace(sets(), train=()))
    with pytest.raises(UnknownNameError, match="lidar model"):
        LidarSettings(model="gans")


def _tensors(folder: Path) -> dict[str, bytes]:
    model = LidarAppearance.load(folder / CHECKPOINT).model
    return {n: v.numpy().tobytes() for n, v in model.state_dict().items()}
