"""The door through which a sensor asks for a learned picture."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from scenegen.appearance.camera_generator import CameraGenerator, padded, style_code
from scenegen.appearance.camera_inputs import CameraInputs, camera_inputs
from scenegen.arrays import FloatArray
from scenegen.render.picture import Picture
from scenegen.render.stage import Stage


class CameraAppearance(Protocol):
    """Whatever turns a shaded base and its buffers into the radiance that reaches the lens."""

    def develop(self, picture: Picture, stage: Stage, style_seed: int) -> FloatArray:
        """Give radiance in place of `picture.radiance`, before rain, lens and sensor.

        Args:
            picture: A picture of `look(..., with_light=True)`.
            stage: What it shows.
            style_seed: Seed of style and surface noise; one per scenario.

        Returns:
            Linear RGB, air included, shape (H, W, 3), float32.
        """


class TorchAppearance:
    """The appearance of a generator, computed by torch on the CPU."""

    def __init__(self, generator: CameraGenerator) -> None:
        """Take a trained generator."""
        self.generator = generator.eval()

    def develop(self, picture: Picture, stage: Stage, style_seed: int) -> FloatArray:
        """Give radiance in place of the base's; see CameraAppearance."""
        inputs = camera_inputs(picture, stage, style_seed)
        return inputs.developed(generated(self.generator, inputs, style_seed))


@torch.no_grad()
def generated(generator: CameraGenerator, inputs: CameraInputs, style_seed: int) -> FloatArray:
    """Run a generator on one picture.

    Returns:
        Tone, shape (3, H, W), float32.
    """
    height, width = inputs.stack.shape[1:]
    tone = generator(
        torch.from_numpy(padded(inputs.stack)[None]),
        torch.from_numpy(inputs.condition[None]),
        torch.from_numpy(style_code(style_seed)[None]),
    )
    return np.asarray(tone[0, :, :height, :width].numpy())
