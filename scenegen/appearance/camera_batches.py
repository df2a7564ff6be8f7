"""Batches of crops for training: the same step draws the same crops, whatever came before."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from scenegen.appearance.camera_generator import MULTIPLE, STYLE_SIZE
from scenegen.appearance.camera_inputs import CHANNELS
from scenegen.appearance.camera_pairs import CameraPairs, mirrored
from scenegen.appearance.camera_real import RealPictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Crops of traced views.

    Attributes:
        stack: Inputs, shape (B, C, h, w).
        condition: Condition codes, shape (B, K).
        style: Style codes, shape (B, STYLE_SIZE).
        target: Tone of the traced pictures, shape (B, 3, h, w).
        real: Real crops of like layout, shape (B, 3, h, w); None without real pictures.
    """

    stack: torch.Tensor
    condition: torch.Tensor
    style: torch.Tensor
    target: torch.Tensor
    real: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """A crop of a view, and of the view a step ahead at the same place of the picture.

    Attributes:
        stack: Inputs of both, shape (2, C, h, w).
        condition: Condition codes, shape (2, K).
        style: The style code of both, shape (2, STYLE_SIZE).
        motion: Columns and rows that pixels of the first move by, shape (1, 2, h, w).
        seen: Which of them are seen in the second, shape (1, h, w).
    """

    stack: torch.Tensor
    condition: torch.Tensor
    style: torch.Tensor
    motion: torch.Tensor
    seen: torch.Tensor


def crop_size(pairs: CameraPairs, wanted: tuple[int, int]) -> tuple[int, int]:
    """Largest size up to the wanted one that fits the pictures and the generator."""
    return tuple(  # type: ignore[return-value]
        max(MULTIPLE, min(side, most) // MULTIPLE * MULTIPLE)
        for side, most in zip(wanted, pairs.size, strict=True)
    )


def draw_batch(
    pairs: CameraPairs,
    count: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    real: RealPictures | None = None,
) -> Batch:
    """Draw crops of views, half of them mirrored.

    Args:
        pairs: The views.
        count: Crops.
        size: Rows and columns of a crop.
        rng: Random numbers of the step.
        real: Real pictures to draw matching crops from.
    """
    stacks, conditions, reals = [], [], []
    for index in rng.integers(len(pairs), size=count):
        row = pairs.rows[int(index)]
        top, left = _corner(pairs, size, rng)
        planes, condition = pairs.planes(row, top, left, size), np.array(row.condition, np.float32)
        if rng.random() < 0.5:
            planes, condition = mirrored(planes, condition)
        stacks.append(planes)
        conditions.append(condition)
        if real is not None:
            reals.append(real.matched(planes[: len(CHANNELS)], top, rng))
    both = torch.from_numpy(np.stack(stacks))
    return Batch(
        stack=both[:, : len(CHANNELS)],
        condition=torch.from_numpy(np.stack(conditions)),
        style=torch.from_numpy(rng.standard_normal((count, STYLE_SIZE)).astype(np.float32)),
        target=both[:, len(CHANNELS) :],
        real=torch.from_numpy(np.stack(reals)) if real is not None else None,
    )


def draw_moved(pairs: CameraPairs, size: tuple[int, int], rng: np.random.Generator) -> Moved:
    """Draw a crop of a view and of the view a step ahead."""
    ahead = pairs.moved[int(rng.integers(len(pairs.moved)))]
    first = next(row for row in pairs.rows if row.scene == ahead.scene)
    top, left = _corner(pairs, size, rng)
    both = np.stack([pairs.planes(row, top, left, size) for row in (first, ahead)])
    planes = torch.from_numpy(both)
    below = planes[1:, len(CHANNELS) :]
    style = torch.from_numpy(rng.standard_normal((1, STYLE_SIZE)).astype(np.float32))
    return Moved(
        stack=planes[:, : len(CHANNELS)],
        condition=torch.tensor([first.condition, ahead.condition]),
        style=style.expand(2, -1),
        motion=below[:, :2],
        seen=below[:, 2] > 0.5,
    )


def _corner(pairs: CameraPairs, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    height, width = pairs.size
    return int(rng.integers(height - size[0] + 1)), int(rng.integers(width - size[1] + 1))


def on_device(batch: Any, device: str) -> Any:  # noqa: ANN401 - gives what it is given
    """Move all tensors of a batch to a device."""
    if device == "cpu":
        return batch
    moved = {
        f.name: value.to(device)
        if isinstance(value := getattr(batch, f.name), torch.Tensor)
        else value
        for f in fields(batch)
    }
    return replace(batch, **moved)
