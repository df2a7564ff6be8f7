"""Whole views drawn by a camera model, and how far they are from the traced ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from scenegen.appearance.camera_generator import STYLE_SIZE, padded
from scenegen.appearance.camera_inputs import BASE
from scenegen.appearance.camera_pairs import CameraPairs


@torch.no_grad()
def drawn_view(model: nn.Module, views: CameraPairs, index: int) -> torch.Tensor:
    """Let a model draw a whole view in the style zero; shape (3, H, W), clipped to 0 to 1."""
    stack, condition, _ = views.view(index)
    height, width = stack.shape[-2:]
    whole = torch.from_numpy(padded(stack)[None])
    style = torch.zeros(1, STYLE_SIZE)
    tone: torch.Tensor = model(whole, torch.from_numpy(condition[None]), style)
    return tone[0, :, :height, :width].clamp(0.0, 1.0)


def measured(model: nn.Module, views: CameraPairs, most: int) -> dict[str, float]:
    """Absolute error and peak signal-to-noise ratio [dB] of a model, and of the base.

    Args:
        model: The model.
        views: Views to draw.
        most: Views at most, evenly spread.
    """
    rows = []
    for index in np.unique(np.linspace(0, len(views) - 1, min(most, len(views))).astype(int)):
        stack, _, target = views.view(int(index))
        drawn = drawn_view(model, views, int(index)).numpy()
        errors = [np.abs(drawn - target).mean(), np.abs(stack[BASE] - target).mean()]
        rows.append([*errors, -10.0 * np.log10(np.square(drawn - target).mean() + 1e-9)])
    error, base, psnr = np.mean(rows, 0)
    return {"held_out_error": float(error), "base_error": float(base), "held_out_psnr": float(psnr)}
