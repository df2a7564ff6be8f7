"""The generator corrects the base, within bounds, each picture by itself."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.appearance.camera_condition import CONDITION_NAMES
from scenegen.appearance.camera_develop import TorchAppearance, generated
from scenegen.appearance.camera_generator import (
    BOUND,
    MULTIPLE,
    SIZES,
    STYLE_SIZE,
    THIN,
    THIN_BOUND,
    CameraGenerator,
    GeneratorConfig,
    generator_checkpoint,
    generator_of,
    padded,
    style_code,
)
from scenegen.appearance.camera_inputs import BASE, CHANNEL, CHANNELS, CLASS_SCALE
from scenegen.errors import CheckpointError
from scenegen.render import SurfaceClass
from scenegen.training import load_checkpoint, save_checkpoint
from tests.appearance.camera_scenes import DAY, inputs_of, small_scene, snap

TINY = GeneratorConfig(widths=(8, 12), depth=(1, 1), maps=4, code=8, finish=4)


def arguments(seed: int, count: int = 2, size: int = 32) -> tuple[torch.Tensor, ...]:
    """Random stack, condition and style; every class is there."""
    generator = torch.Generator().manual_seed(seed)
    stack = torch.rand(count, len(CHANNELS), size, size, generator=generator)
    classes = torch.randint(len(SurfaceClass), (count, size, size), generator=generator)
    stack[:, CHANNEL["surface_class"]] = classes / CLASS_SCALE
    condition = torch.randn(count, len(CONDITION_NAMES), generator=generator)
    return stack, condition, torch.randn(count, STYLE_SIZE, generator=generator)


def trained(seed: int, config: GeneratorConfig = TINY, strength: float = 0.3) -> CameraGenerator:
    """A generator whose last layer is not zero, as after training."""
    model = CameraGenerator(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        noise = torch.randn(model.residual.weight.shape, generator=generator)
        model.residual.weight.copy_(strength * noise)
    return model.eval()


@pytest.mark.parametrize("name", SIZES)
def test_fresh_weights_give_the_base_exactly(name: str) -> None:
    """Before it has learned anything, a generator changes nothing."""
    stack, condition, style = arguments(0, count=1)

    tone = CameraGenerator(SIZES[name])(stack, condition, style)

    assert torch.equal(tone, stack[:, BASE])


@pytest.mark.parametrize("seed", range(3))
def test_a_correction_stays_within_the_bound_of_its_class(seed: int) -> None:
    """Thin and rare things keep more of the base than the rest, however strong the weights."""
    stack, condition, style = arguments(seed)
    with torch.no_grad():
        tone = trained(seed, strength=100.0)(stack, condition, style)
    change = (tone - stack[:, BASE]).abs().amax(1)

    surface = (stack[:, CHANNEL["surface_class"]] * CLASS_SCALE).round().long()
    thin = torch.isin(surface, torch.tensor([int(c) for c in THIN]))

    assert change[thin].max() <= THIN_BOUND + 1e-6
    assert THIN_BOUND < change[~thin].max() <= BOUND + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_is_the_same_alone_and_in_a_batch(seed: int) -> None:
    """No layer looks at the other pictures of a batch."""
    stack, condition, style = arguments(seed, count=4)
    model = trained(seed)

    with torch.no_grad():
        together = model(stack, condition, style)
        alone = [model(stack[i : i + 1], condition[i : i + 1], style[i : i + 1]) for i in range(4)]

    torch.testing.assert_close(together, torch.cat(alone), rtol=0.0, atol=2e-6)


def test_condition_and_style_matter() -> None:
    """A trained generator answers to what it is told."""
    stack, condition, style = arguments(1)
    model = trained(1)
    with torch.no_grad():
        usual = model(stack, condition, style)

        assert not torch.allclose(usual, model(stack, condition + 1.0, style))
        assert not torch.allclose(usual, model(stack, condition, style + 1.0))


def test_a_checkpoint_gives_the_generator_back(tmp_path: Path) -> None:
    """Weights are stored as half floats: the picture changes by less than a grey level."""
    model, path = trained(2), tmp_path / "generator.safetensors"
    save_checkpoint(path, generator_checkpoint(model, {}))

    again = generator_of(load_checkpoint(path))

    assert asdict(again.config) == asdict(model.config)
    with torch.no_grad():
        change = (again(*arguments(2)) - model(*arguments(2))).abs().max()
    assert change < 1.0 / 255.0


def test_weights_of_other_inputs_are_refused() -> None:
    """The message says which version is wanted."""
    checkpoint = generator_checkpoint(trained(0), {})
    newer = replace(checkpoint, config={**checkpoint.config, "inputs": 99})

    with pytest.raises(CheckpointError, match="version 99"):
        generator_of(newer)
    with pytest.raises(CheckpointError, match="expected weights of 'camera_generator'"):
        generator_of(replace(checkpoint, model="diffusion"))


@pytest.mark.parametrize("size", [(32, 64), (33, 64), (50, 70), (1, 1)])
def test_padding_keeps_the_picture_and_meets_the_multiple(size: tuple[int, int]) -> None:
    """What is added lies to the right and below."""
    stack = np.random.default_rng(0).random((3, *size), dtype=np.float32)

    wide = padded(stack)

    assert wide.shape[1] % MULTIPLE == wide.shape[2] % MULTIPLE == 0
    np.testing.assert_array_equal(wide[:, : size[0], : size[1]], stack)


def test_one_style_per_scenario() -> None:
    """The same seed is the same style, another seed another."""
    np.testing.assert_array_equal(style_code(3), style_code(3))
    assert not np.array_equal(style_code(3), style_code(4))


def test_a_fresh_appearance_shows_the_base() -> None:
    """Through the door of the sensors, an untrained generator is the rasteriser's picture."""
    appearance = TorchAppearance(CameraGenerator(TINY))

    radiance = appearance.develop(snap(DAY), small_scene(DAY).stage, 7)

    np.testing.assert_array_equal(radiance, snap(DAY).radiance)


def test_a_trained_appearance_changes_the_picture() -> None:
    """Its radiance is that of the tone it draws, never negative."""
    appearance = TorchAppearance(trained(4))

    radiance = appearance.develop(snap(DAY), small_scene(DAY).stage, 7)

    inputs = inputs_of(DAY)
    tone = generated(appearance.generator, inputs, 7)
    np.testing.assert_array_equal(radiance, inputs.developed(tone))
    assert radiance.min() >= 0.0
    assert np.abs(radiance - snap(DAY).radiance).max() > 0.01


def test_nonsense_sizes_are_refused() -> None:
    """Widths and depths go together, bounds are shares."""
    with pytest.raises(ValueError, match="widths and depths"):
        GeneratorConfig(widths=(8, 8), depth=(1,))
    with pytest.raises(ValueError, match="thin_bound"):
        GeneratorConfig(bound=0.2, thin_bound=0.5)
