"""Weights of the learned camera for benchmarks: those asked for, those that ship, or fresh ones."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from scenegen.appearance.camera_generator import SIZES, CameraGenerator, generator_checkpoint
from scenegen.appearance.camera_runtime import PREFERRED, default_renderer, shipped_checkpoint
from scenegen.training import save_checkpoint

CHECKPOINT = "SCENEGEN_CAMERA_CHECKPOINT"
"""Environment variable: the checkpoint; that of the assets if it is unset."""


def trained_checkpoint() -> Path | None:
    """Find the checkpoint that was asked for or ships; None where there is none."""
    if CHECKPOINT in os.environ:
        return Path(os.environ[CHECKPOINT])
    return shipped_checkpoint() if default_renderer() == PREFERRED else None


def any_checkpoint(folder: Path, size: str = "S") -> Path:
    """Find that checkpoint, or store a generator of random weights: the cost is the same.

    Args:
        folder: Where random weights go.
        size: Entry of SIZES for these.
    """
    return trained_checkpoint() or random_checkpoint(folder / f"random_{size}.safetensors", size)


def random_checkpoint(path: Path, size: str = "S", spread: float = 0.02) -> Path:
    """Store a generator that changes pictures, though not for the better."""
    generator = CameraGenerator(SIZES[size])
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.add_(spread * torch.randn(weight.shape, generator=source))
    save_checkpoint(path, generator_checkpoint(generator, {}))
    return path
