"""Every renderer of camera pictures keeps the contract of a camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenegen.appearance import camera_runtime
from scenegen.appearance.camera_runtime import (
    RENDERERS,
    Backend,
    Renderer,
    default_renderer,
    renderer_of,
)
from scenegen.appearance.credentials import DigitalSourceType
from scenegen.appearance.onnx_camera import has_onnx
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.render import PinholeCamera
from scenegen.render.lens import KannalaBrandtLens
from scenegen.sensors import Camera, Rig
from tests.appearance.generators import tiny_checkpoint
from tests.sensors.streets import drive, middle

SMALL = PinholeCamera(width_px=128, height_px=64)
FISHEYE = KannalaBrandtLens(width_px=96, height_px=96, focal=(36.0, 36.0))
BACKENDS = [Backend.TORCH, *([Backend.ONNX] if has_onnx() else [])]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny generator."""
    return tiny_checkpoint(tmp_path_factory.mktemp("renderers"))


def ready(name: str, checkpoint: Path) -> Renderer:
    """Get a renderer ready; only learned ones take weights."""
    return renderer_of(name, None if name == "base" else checkpoint)


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("optics", [SMALL, FISHEYE], ids=["pinhole", "fisheye"])
def test_pictures_keep_the_announcement(name: str, optics: object, checkpoint: Path) -> None:
    """Shape and type are those announced, and something is to be seen."""
    camera = Camera(optics=optics, appearance=ready(name, checkpoint).appearance)  # type: ignore[arg-type]
    spec = next(spec for spec in camera.arrays() if spec.name.endswith("rgb"))

    rgb = camera.sense(middle())[spec.name]

    spec.check(rgb)
    assert rgb.std() > 5


@pytest.mark.parametrize("name", RENDERERS)
def test_labels_do_not_depend_on_the_renderer(name: str, checkpoint: Path) -> None:
    """Everything but the picture is the same, bit for bit."""
    plain = Camera(optics=SMALL).sense(middle())
    drawn = Camera(optics=SMALL, appearance=ready(name, checkpoint).appearance).sense(middle())

    for key in set(plain) - {"camera/front/rgb"}:
        np.testing.assert_array_equal(drawn[key], plain[key])


@pytest.mark.parametrize("name", RENDERERS)
def test_threads_change_no_bit(name: str, checkpoint: Path) -> None:
    """Frames sensed at the same time are those sensed in turn."""
    camera = Camera(optics=SMALL, appearance=ready(name, checkpoint).appearance)
    rig = Rig(name="one", sensors=(camera,))

    in_turn = list(rig.sense(drive(), 3))
    beside = list(rig.sense(drive(), 3, threads=2))

    for first, second in zip(in_turn, beside, strict=True):
        for key, values in first.arrays.items():
            np.testing.assert_array_equal(values, second.arrays[key])


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree_to_a_grey_level(backend: Backend, checkpoint: Path) -> None:
    """Which one runs the network can turn a rounding, no more."""
    reference = renderer_of("gan", checkpoint, Backend.TORCH)
    other = renderer_of("gan", checkpoint, backend)
    first, second = (
        Camera(optics=SMALL, appearance=made.appearance).sense(middle())["camera/front/rgb"]
        for made in (reference, other)
    )

    difference = np.abs(first.astype(int) - second.astype(int))

    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_a_learned_renderer_changes_the_picture(checkpoint: Path) -> None:
    """Else it would not be used at all."""
    plain = Camera(optics=SMALL).sense(middle())["camera/front/rgb"]
    made = renderer_of("gan", checkpoint)
    drawn = Camera(optics=SMALL, appearance=made.appearance).sense(middle())["camera/front/rgb"]

    assert np.abs(plain.astype(int) - drawn.astype(int)).mean() > 0.5


def test_a_checkpoint_alone_means_the_learned_renderer(checkpoint: Path) -> None:
    """And it is named in what the pictures say."""
    made = renderer_of(checkpoint=checkpoint)

    assert made.name == "gan"
    assert made.source_type is DigitalSourceType.TRAINED
    assert len(made.digests["camera_generator"]) == 64


def test_the_base_says_that_nothing_was_learned() -> None:
    """It is an algorithm without a trained model."""
    assert renderer_of("base").source_type is DigitalSourceType.ALGORITHMIC
    assert renderer_of("base").digests == {}


@pytest.mark.parametrize(("ships", "expected"), [(True, "gan"), (False, "base")])
def test_the_default_follows_the_shipped_checkpoint(
    ships: bool, expected: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file is among the assets the learned renderer is taken."""

    def find(name: str) -> Path:
        if not ships:
            raise FileNotFoundError(name)
        return checkpoint

    monkeypatch.setattr(camera_runtime, "asset_path", find)

    assert default_renderer() == expected
    assert renderer_of().name == expected
    if not ships:
        with pytest.raises(CheckpointError, match="--renderer-checkpoint"):
            renderer_of("gan")


def test_wrong_wishes_are_said(checkpoint: Path, tmp_path: Path) -> None:
    """Unknown names, missing and needless checkpoints."""
    with pytest.raises(UnknownNameError, match="renderer"):
        renderer_of("gen")
    with pytest.raises(CheckpointError, match="cannot be read"):
        renderer_of("gan", tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="nothing to learn"):
        renderer_of("base", checkpoint)
