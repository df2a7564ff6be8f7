"""The cache holds what a camera is given beside what the tracer saw of the same pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.appearance.camera_batches import crop_size, draw_batch, draw_moved
from scenegen.appearance.camera_inputs import BASE, CHANNEL, CHANNELS
from scenegen.appearance.camera_losses import moved_error
from scenegen.appearance.camera_pairs import (
    FOLDER,
    SUN_RIGHT,
    CameraPairs,
    build_cache,
    mirrored,
    write_scene_rows,
)
from scenegen.appearance.camera_tone import to_tone
from scenegen.errors import RecordingError
from scenegen.pipeline.teacher import CONDITIONS, HELD_OUT
from scenegen.render import PinholeCamera
from tests.appearance.camera_scenes import DAY, SmallScene, pretend_traced, small_pairs, small_scene


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of four scenes, the last held out."""
    return small_pairs(tmp_path_factory.mktemp("pairs"))


def traced_folder(folder: Path, digest: str) -> SmallScene:
    """A folder as the path tracer leaves it, with one scene."""
    scene = small_scene(DAY)
    report = {"index": 0, "digest": digest, "query": "", "cpu_seconds": 1.0}
    (folder / "000000.json").write_text(json.dumps(report))
    height, width = 32, 64
    number = np.zeros((2, height, width), np.uint16)
    np.savez(
        folder / "000000.npz", radiance=pretend_traced(scene).astype(np.float16), number=number
    )
    return scene


def test_the_target_is_the_traced_radiance_in_tone_space(pairs: Path) -> None:
    """Rows hold the tone of the tracer's radiance at the exposure of the conditions."""
    views = CameraPairs(pairs, held_out=False)

    _, condition, target = views.view(0)

    wanted = to_tone(pretend_traced(small_scene(DAY))[0].transpose(2, 0, 1), views.rows[0].exposure)
    np.testing.assert_allclose(target, wanted, atol=1e-3)
    assert condition.shape == (len(views.rows[0].condition),)


def test_scenes_that_are_held_out_are_never_trained_on(pairs: Path) -> None:
    """The two splits share no scene, and together hold all of them."""
    train, held_out = (CameraPairs(pairs, held_out=held) for held in (False, True))

    assert {row.scene for row in train.rows} == {0, 1, 2}
    assert {row.scene for row in held_out.rows} == {3}
    assert len(train) == 6
    assert train.digest() != held_out.digest()


def test_a_moved_view_shows_the_same_surfaces(tmp_path: Path) -> None:
    """Followed by its motion, the base a step ahead is nearer to the base than left in place."""
    scene = small_scene(DAY, camera=PinholeCamera(width_px=192, height_px=96))
    (tmp_path / FOLDER).mkdir()
    write_scene_rows(tmp_path / FOLDER, 0, scene, pretend_traced(scene))
    views = CameraPairs(tmp_path, held_out=False)
    moved = draw_moved(views, (96, 192), np.random.default_rng(0))
    base = moved.stack[:, BASE]

    followed, left, back = (
        moved_error(base[:1], base[1:], factor * moved.motion, moved.seen)
        for factor in (1.0, 0.0, -1.0)
    )

    assert moved.seen.float().mean() > 0.5
    assert followed < 0.8 * left < 0.8 * back


@pytest.mark.parametrize("seed", range(3))
def test_the_mirror_undoes_itself(pairs: Path, seed: int) -> None:
    """Twice mirrored is not mirrored; once, right is left in geometry and light alike."""
    views = CameraPairs(pairs, held_out=False)
    row = views.rows[seed]
    planes, condition = views.planes(row), np.array(row.condition, np.float32)

    once = mirrored(planes, condition)
    twice = mirrored(*once)

    np.testing.assert_array_equal(twice[0], planes)
    np.testing.assert_array_equal(twice[1], condition)
    right = CHANNEL["normal_right"]
    np.testing.assert_array_equal(once[0][right], -planes[right][:, ::-1])
    assert once[1][SUN_RIGHT] == -condition[SUN_RIGHT]


@pytest.mark.parametrize("seed", range(3))
def test_a_step_draws_the_same_crops_again(pairs: Path, seed: int) -> None:
    """Batches follow from the random numbers of their step alone."""
    views = CameraPairs(pairs, held_out=False)
    size = crop_size(views, (20, 48))

    first, again = (draw_batch(views, 3, size, np.random.default_rng(seed)) for _ in range(2))

    assert size == (16, 48)
    assert first.stack.shape == (3, len(CHANNELS), 16, 48)
    assert torch.equal(first.stack, again.stack)
    assert torch.equal(first.target, again.target)
    assert (first.target - first.stack[:, BASE]).abs().mean() > 0.01


def test_scenes_of_another_world_are_left_out(tmp_path: Path) -> None:
    """A scene that this version draws otherwise than the tracer saw it is no pair."""
    scene = traced_folder(tmp_path, "another")

    with pytest.raises(RecordingError, match="trace them again"):
        build_cache(tmp_path, lambda _: scene)


def test_a_tracer_that_saw_something_else_is_found_out(tmp_path: Path) -> None:
    """Things must lie where the rasteriser has them; here the tracer saw no car."""
    scene = traced_folder(tmp_path, "small")
    ahead = replace(scene.views[0], eye=scene.views[0].eye + np.array([6.0, 0.0, 0.0]))
    near = replace(scene, views=(ahead, ahead))

    with pytest.raises(RecordingError, match="agree on at least"):
        build_cache(tmp_path, lambda _: near)


def test_a_folder_is_laid_out_once(tmp_path: Path) -> None:
    """Another call draws nothing again."""
    (tmp_path / FOLDER).mkdir()
    traced_folder(tmp_path, "small")
    scene = small_scene(DAY)
    radiance = pretend_traced(scene)
    write_scene_rows(tmp_path / FOLDER, 0, scene, radiance)

    def never(_: int) -> SmallScene:
        raise AssertionError("drawn again")

    assert build_cache(tmp_path, never) == (1, 0)


def test_an_empty_folder_is_no_set_of_pairs(tmp_path: Path) -> None:
    """The message says what was looked for."""
    with pytest.raises(RecordingError, match="found none"):
        build_cache(tmp_path, lambda _: small_scene(DAY))


def test_every_condition_is_held_out_in_turn() -> None:
    """The held-out scenes of a set go through all of its conditions."""
    held_out = range(HELD_OUT - 1, HELD_OUT * len(CONDITIONS), HELD_OUT)

    assert {CONDITIONS[index % len(CONDITIONS)] for index in held_out} == set(CONDITIONS)
