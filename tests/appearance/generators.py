"""A small camera generator with random weights, and the street it looks at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from scenegen.appearance.camera_generator import (
    CameraGenerator,
    GeneratorConfig,
    generator_checkpoint,
)
from scenegen.appearance.camera_recipes import seeded
from scenegen.training import save_checkpoint

TINY = GeneratorConfig(widths=(8, 16), depth=(1, 1), maps=4, code=8, finish=4)


@cache
def tiny_generator(seed: int = 0) -> CameraGenerator:
    """A generator that changes pictures, though not for the better."""
    generator = seeded(lambda: CameraGenerator(TINY), seed)
    assert isinstance(generator, CameraGenerator)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=source))
    return generator.eval()


def tiny_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Store the tiny generator."""
    path = folder / f"tiny_{seed}.safetensors"
    save_checkpoint(path, generator_checkpoint(tiny_generator(seed), {}, halved=False))
    return path
