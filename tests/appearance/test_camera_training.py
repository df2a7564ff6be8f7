"""Training a camera model: it learns, it goes on exactly, and it says what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from scenegen.appearance.camera_generator import CameraGenerator
from scenegen.appearance.camera_looks import drawn_view
from scenegen.appearance.camera_recipes import CAMERA_MODELS, camera_model_of, fresh_model
from scenegen.appearance.camera_settings import CameraBudget, CameraTraining
from scenegen.appearance.camera_training import CARD, CHECKPOINT, PROGRESS, CameraRun
from scenegen.errors import CheckpointError, RecordingError, UnknownNameError
from scenegen.training import load_checkpoint
from tests.appearance.camera_scenes import small_pairs

QUICK = CameraTraining(model="gan", crop=(32, 48), ema=0.9, adversarial_from=0.3, warm_up=2)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of four scenes, the last held out."""
    torch.set_num_threads(1)
    return small_pairs(tmp_path_factory.mktemp("pairs"))


class StopHere(Exception):  # noqa: N818 - a power cut is not an error of ours
    """The machine went down."""


@pytest.mark.parametrize("model", ["l1", "gan"])
def test_training_brings_held_out_views_nearer(pairs: Path, tmp_path: Path, model: str) -> None:
    """A minute part of a training already halves the distance to a teacher that only tints."""
    settings = replace(QUICK, model=model, adversarial_from=0.8, rate=3e-3)
    run = CameraRun(tmp_path, settings, pairs)

    run.run(CameraBudget(steps=45), every=45)

    last = run.lines[-1]
    assert last["held_out_error"] < 0.75 * last["base_error"]


@pytest.mark.parametrize("model", CAMERA_MODELS)
def test_a_run_that_was_cut_off_ends_in_the_same_bytes(
    pairs: Path, tmp_path: Path, model: str
) -> None:
    """Stopped at any look and called again, a run stores the checkpoint it would have stored."""
    settings, budget = replace(QUICK, model=model), CameraBudget(steps=12)
    CameraRun(tmp_path / "whole", settings, pairs).run(budget, every=4)

    def stop(_: object, line: dict[str, object]) -> None:
        if line["step"] == 8:
            raise StopHere

    with pytest.raises(StopHere):
        CameraRun(tmp_path / "cut", settings, pairs).run(budget, every=4, on_look=stop)
    CameraRun(tmp_path / "cut", settings, pairs).run(budget, every=4)

    whole, cut = ((tmp_path / name / CHECKPOINT).read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    progress = [(tmp_path / name / PROGRESS).read_text() for name in ("whole", "cut")]
    assert progress[0] == progress[1]


@pytest.mark.parametrize("model", CAMERA_MODELS)
def test_a_checkpoint_draws_what_was_trained(pairs: Path, tmp_path: Path, model: str) -> None:
    """Half floats cost less than two grey levels; the card says what the weights are."""
    run = CameraRun(tmp_path, replace(QUICK, model=model), pairs)
    run.run(CameraBudget(steps=3))

    again = camera_model_of(load_checkpoint(tmp_path / CHECKPOINT))

    before, after = (drawn_view(m, run.train, 0) for m in (run.averaged(), again))
    assert (before - after).abs().max() < 2.0 / 255.0
    card = json.loads((tmp_path / CARD).read_text())
    assert card["steps"] == 3
    assert card["settings"]["model"] == model
    assert card["pairs"]["digest"] == run.train.digest()
    assert card["licence"] == "Apache-2.0"


def test_the_adversary_waits_and_then_learns_alone(pairs: Path, tmp_path: Path) -> None:
    """While it learns by itself the model stands still; before, there is none."""
    run = CameraRun(tmp_path, replace(QUICK, adversarial_from=0.5, warm_up=3), pairs)
    weights: list[torch.Tensor] = []

    def note(_: object, line: dict[str, object]) -> None:
        weights.append(run.model.state_dict()["residual.weight"].clone())
        told = run.lines[-1]
        assert ("critic" in told) == (int(str(line["step"])) > 5)

    run.run(CameraBudget(steps=10), every=1, on_look=note)

    moves = [not torch.equal(a, b) for a, b in pairwise(weights)]
    assert run.since == 5
    assert moves == [True] * 4 + [False] * 3 + [True] * 2


def test_another_seed_is_another_training(pairs: Path, tmp_path: Path) -> None:
    """Seeds matter, and are all that differs."""
    digests = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(digests))
        run = CameraRun(folder, replace(QUICK, model="l1", seed=seed), pairs)
        run.run(CameraBudget(steps=2))
        digests.append((folder / CHECKPOINT).read_bytes())

    assert digests[0] == digests[1] != digests[2]


def test_a_folder_of_another_run_is_refused(pairs: Path, tmp_path: Path) -> None:
    """Settings are part of what a run is."""
    CameraRun(tmp_path, QUICK, pairs).run(CameraBudget(steps=1))

    with pytest.raises(CheckpointError, match="use the same ones"):
        CameraRun(tmp_path, replace(QUICK, seed=5), pairs)


def test_training_goes_on_from_a_checkpoint(pairs: Path, tmp_path: Path) -> None:
    """Given weights are where it starts, and the adversary is there at once."""
    CameraRun(tmp_path / "first", replace(QUICK, model="l1"), pairs).run(CameraBudget(steps=20))
    begin = load_checkpoint(tmp_path / "first" / CHECKPOINT)

    run = CameraRun(tmp_path / "second", QUICK, pairs, begin=begin)

    torch.testing.assert_close(
        run.model.state_dict()["residual.weight"], begin.tensors["residual.weight"].float()
    )
    run.run(CameraBudget(steps=2))
    assert run.since == 0


def test_real_pictures_have_a_discriminator_of_their_own(pairs: Path, tmp_path: Path) -> None:
    """With real pictures a run trains; without an adversary there is no way to learn them."""
    real = tmp_path / "real"
    real.mkdir()
    rng = np.random.default_rng(0)
    for k in range(2):
        cv2.imwrite(str(real / f"{k}.jpg"), rng.integers(0, 255, (48, 80, 3), np.uint8))

    run = CameraRun(tmp_path / "run", replace(QUICK, adversarial_from=0.0), pairs, real=real)
    run.run(CameraBudget(steps=4))

    assert json.loads((tmp_path / "run" / CARD).read_text())["real"]["pictures"] == 2
    with pytest.raises(RecordingError, match="choose gan"):
        CameraRun(tmp_path / "l1", replace(QUICK, model="l1"), pairs, real=real)


def test_the_variational_control_draws_without_seeing_the_answer(
    pairs: Path, tmp_path: Path
) -> None:
    """What it expects to go through its waist serves about as well as what it is shown."""
    run = CameraRun(tmp_path, replace(QUICK, model="vae_blur", rate=3e-3), pairs)

    run.run(CameraBudget(steps=60), every=60)

    assert run.lines[-1]["held_out_error"] < 2.0 * run.lines[-1]["error"]


def test_rivals_are_about_as_large_as_ours() -> None:
    """A table at equal compute needs models of equal size: within a third of each other."""
    sizes = [
        sum(p.numel() for p in fresh_model(name, "S", 0).parameters()) for name in CAMERA_MODELS
    ]

    assert max(sizes) < 1.34 * min(sizes)


def test_our_model_without_the_adversary_is_the_same_network() -> None:
    """What the adversary adds can be told from what the network does."""
    ours, plain = (fresh_model(name, "S", 3).state_dict() for name in ("gan", "l1"))

    assert ours.keys() == plain.keys()
    assert all(torch.equal(ours[name], plain[name]) for name in ours)
    assert isinstance(fresh_model("gan", "S", 3), CameraGenerator)


def test_the_budget_is_spent_by_whatever_ends_first() -> None:
    """Steps and CPU time are shares of one budget."""
    budget = CameraBudget(steps=100, cpu_seconds=10.0)

    assert budget.spent(50, 1.0) == 0.5
    assert budget.spent(10, 8.0) == 0.8
    assert budget.spent(1000, 0.0) == 1.0


def test_unknown_names_are_told() -> None:
    """The message lists what there is."""
    with pytest.raises(UnknownNameError, match="pix2pix"):
        CameraTraining(model="pixpix")
    with pytest.raises(UnknownNameError, match="known: M, S"):
        fresh_model("gan", "XL", 0)
