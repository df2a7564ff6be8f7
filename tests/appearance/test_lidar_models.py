"""The families that decide on echoes: what they keep, and which checkpoints they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.appearance.lidar_appearance import SHIPPED, LidarAppearance, shipped_lidar
from scenegen.appearance.lidar_fill import fill
from scenegen.appearance.lidar_image import CHANNELS, PRESETS, features
from scenegen.appearance.lidar_losses import LidarLosses, thresholds
from scenegen.appearance.lidar_models import (
    LIDAR_FAMILIES,
    LidarModel,
    build_lidar_model,
    lidar_checkpoint,
    lidar_model_of,
)
from scenegen.appearance.lidar_network import STRIDE, LidarNetworkConfig
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.seeding import Jsonable, stream
from scenegen.training import Checkpoint, save_checkpoint
from tests.appearance.lidar_scans import real, scan

TINY: dict[str, Jsonable] = {"widths": [8, 12, 16], "critic": 4}


@pytest.fixture(autouse=True)
def _on_one_thread() -> Iterator[None]:
    """Small layers are slower on several threads, and much slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fitted(name: str, seed: int = 0) -> LidarModel:
    """Build a small model; tables have seen two scans."""
    model = build_lidar_model(name, TINY, seed)
    model.fit([fill(real(k, preset)) for k in range(2) for preset in PRESETS])
    return model.eval()


@pytest.mark.parametrize("name", LIDAR_FAMILIES)
@pytest.mark.parametrize("turn", [STRIDE, 5 * STRIDE])
def test_turning_the_scan_turns_the_answer(name: str, turn: int) -> None:
    """By multiples of the stride, there is no seam."""
    appearance, one = LidarAppearance(fitted(name)), scan()
    other = replace(one, range=np.roll(one.range, turn, 1), group=np.roll(one.group, turn, 1))

    here, there = appearance.apply(one), appearance.apply(other)

    np.testing.assert_allclose(there.keep, np.roll(here.keep, turn, 1), atol=3e-4)
    np.testing.assert_allclose(there.reflectivity, np.roll(here.reflectivity, turn, 1), atol=2e-3)


@pytest.mark.parametrize("name", LIDAR_FAMILIES)
@pytest.mark.parametrize("size", [(16, 64), (23, 61), (3, 7)])
def test_images_of_any_size_are_answered(name: str, size: tuple[int, int]) -> None:
    """Rows and columns need not be multiples of the stride."""
    answer = LidarAppearance(fitted(name)).apply(scan(beams=size[0], columns=size[1]))

    assert answer.keep.shape == answer.reflectivity.shape == size
    assert ((answer.keep >= 0) & (answer.keep <= 1)).all()
    assert (answer.reflectivity >= 0).all()


def test_the_network_is_as_small_as_planned() -> None:
    """Some 70,000 weights, the critic not counted."""
    model = build_lidar_model("gan", {})

    used = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("critic."))
    assert 60_000 < used < 80_000


def test_a_ray_that_meets_nothing_has_no_echo() -> None:
    """Whatever the model says."""
    one = scan()
    ranges = one.range.copy()
    ranges[:3] = np.inf

    answer = LidarAppearance(fitted("unet")).apply(replace(one, range=ranges))

    assert not answer.keep[:3].any()
    assert not answer.reflectivity[:3].any()


@pytest.mark.parametrize("seed", range(2))
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    """Of weights, answers and draws; another seed gives others."""
    answers = []
    for number in (seed, seed, seed + 1):
        appearance = LidarAppearance(fitted("gan", number))
        rng = stream(number, "lidar")
        answer = appearance.apply(scan(), rng)
        answers.append(answer.keep.tobytes() + appearance.draw(answer, rng).tobytes())

    assert answers[0] == answers[1] != answers[2]


def test_the_answer_does_not_depend_on_threads() -> None:
    """One thread or two: the same bytes."""
    appearance, one = LidarAppearance(build_lidar_model("gan", {})), scan(beams=32, columns=256)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        answer = appearance.apply(one, stream(0, "lidar"))
        found.append(answer.keep.tobytes() + answer.reflectivity.tobytes())
    torch.set_num_threads(before)

    assert found[0] == found[1]


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_draws_keep_the_probability(share: float) -> None:
    """However neighbours hang together, each ray has its own probability."""
    appearance = LidarAppearance(fitted("ring"), share)
    answer = replace(
        appearance.apply(scan(beams=16, columns=512)), keep=np.full((16, 512), 0.8, np.float32)
    )

    shares = [appearance.draw(answer, stream(k, "draw")).mean() for k in range(20)]

    assert np.mean(shares) == pytest.approx(0.8, abs=0.02)


def test_neighbours_hang_together() -> None:
    """Thresholds of neighbours are alike as far as the share says, those far away are not."""
    level = thresholds(np.random.default_rng(0), (4, 64, 512), 0.9).numpy()

    def alike(columns: int) -> float:
        return float(np.corrcoef(level.ravel(), np.roll(level, columns, -1).ravel())[0, 1])

    assert alike(1) > 0.6
    assert abs(alike(20)) < 0.05


def test_certain_echoes_are_always_kept() -> None:
    """A probability of one loses nothing, one of zero keeps nothing."""
    appearance = LidarAppearance(fitted("ring"))
    answer = appearance.apply(scan())

    for sure, kept in ((1.0, True), (0.0, False)):
        drawn = appearance.draw(
            replace(answer, keep=np.full(answer.keep.shape, sure, np.float32)), stream(0, "draw")
        )
        assert (drawn == kept).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_table_of_beams_holds_their_rates(preset: str) -> None:
    """Lost over known, by beam, with one of each added."""
    filled = [fill(real(k, preset)) for k in range(2)]
    model = fitted("ring")
    x = torch.from_numpy(features(filled[0].scan))[None]

    lost, _ = model(x, x[:, :1], torch.tensor([PRESETS.index(preset)]), True)

    gone = sum((f.known & ~f.returned).sum(1) for f in filled)
    every = sum(f.known.sum(1) for f in filled)
    rate = (gone + 1.0) / (every + 2.0)
    np.testing.assert_allclose(torch.sigmoid(lost[0, :, 0]).numpy(), rate, atol=2e-4)


@pytest.mark.parametrize("name", LIDAR_FAMILIES)
def test_a_checkpoint_gives_the_model_back(name: str, tmp_path: Path) -> None:
    """To the bit, and without the critic."""
    model = fitted(name)
    path = tmp_path / "lidar.safetensors"
    save_checkpoint(path, lidar_checkpoint(model, {"share": 0.5}))

    loaded = LidarAppearance.load(path)

    assert loaded.share == 0.5
    assert not any(n.startswith("critic.") for n in loaded.model.state_dict())
    first, second = LidarAppearance(model, 0.5).apply(scan()), loaded.apply(scan())
    assert first.keep.tobytes() == second.keep.tobytes()


def test_weights_of_another_model_are_refused() -> None:
    """The sentence names what was expected."""
    strange = Checkpoint(model="diffusion", config={}, tensors={}, training={})

    with pytest.raises(CheckpointError, match="lidar_gan"):
        lidar_model_of(strange)


def test_weights_that_do_not_fit_are_refused() -> None:
    """A part is missing, or of another size."""
    whole = lidar_checkpoint(fitted("unet"), {})
    part = dict(list(whole.tensors.items())[1:])

    with pytest.raises(CheckpointError, match="do not fit"):
        lidar_model_of(replace(whole, tensors=part))
    with pytest.raises(CheckpointError, match="widths"):
        lidar_model_of(replace(whole, config={"widths": [1]}))


@pytest.mark.parametrize("share", ["much", 1.5])
def test_a_share_that_is_none_is_refused(share: str | float, tmp_path: Path) -> None:
    """In a checkpoint as in an argument."""
    path = tmp_path / "lidar.safetensors"
    save_checkpoint(path, lidar_checkpoint(fitted("ring"), {"share": share}))

    with pytest.raises(CheckpointError, match="share of 0 to 1"):
        LidarAppearance.load(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Nothing is guessed from half a file."""
    path = tmp_path / "lidar.safetensors"
    save_checkpoint(path, lidar_checkpoint(fitted("ring"), {}))
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(CheckpointError, match="damaged"):
        LidarAppearance.load(path)


def test_an_unknown_family_is_refused() -> None:
    """With the known ones."""
    with pytest.raises(UnknownNameError, match="gan, ring, unet, uniform"):
        build_lidar_model("diffusion", {})


def test_numbers_out_of_range_are_refused() -> None:
    """Sizes, weights and shares."""
    with pytest.raises(ValueError, match="positive widths"):
        LidarNetworkConfig(widths=(0, 1, 1))
    with pytest.raises(ValueError, match="no negative number"):
        LidarLosses(intensity=-1.0)
    with pytest.raises(ValueError, match="0 to 1"):
        LidarLosses(share=2.0)


def test_asking_for_weights_that_do_not_ship_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sentence names the asset and the way around."""

    def absent(name: str) -> Path:
        raise FileNotFoundError(name)

    monkeypatch.setattr("scenegen.appearance.lidar_appearance.asset_path", absent)

    with pytest.raises(CheckpointError, match=SHIPPED) as refused:
        shipped_lidar()
    assert "scenegen train lidar" in str(refused.value)


def test_the_channels_have_names() -> None:
    """One each, none twice."""
    assert features(scan()).shape[0] == len(CHANNELS) == len(set(CHANNELS))
