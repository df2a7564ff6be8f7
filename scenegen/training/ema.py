"""Exponential moving averages of a model's parameters."""

from __future__ import annotations

from collections.abc import Mapping

import torch


class Ema:
    """The moving average of parameters and buffers: mean <- decay * mean + (1 - decay) * now.

    Early on the decay is min(decay, (1 + step) / (10 + step)), so that the random first weights
    are soon forgotten (as in TensorFlow's ExponentialMovingAverage with `num_updates`). Whole
    numbers, such as counters, are copied.

    Attributes:
        decay: Weight of the past, 0 to 1.
        step: Updates so far.
        mean: The averaged tensors by name.
    """

    def __init__(self, model: torch.nn.Module, decay: float = 0.9995) -> None:
        """Start from the weights of a model.

        Raises:
            ValueError: The decay is not in [0, 1).
        """
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"Ema: expected a decay of 0 or more and below 1, got {decay}")
        self.decay = decay
        self.step = 0
        self.mean = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        """Take in the present weights of the model."""
        decay = min(self.decay, (1.0 + self.step) / (10.0 + self.step))
        self.step += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1.0 - decay)
            else:
                self.mean[name].copy_(value)

    def copy_to(self, model: torch.nn.Module) -> None:
        """Write the averaged weights into a model of the same shape."""
        model.load_state_dict(self.mean)

    def restore(self, mean: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on from averages that were stored.

        Raises:
            KeyError: The averages are of another model.
        """
        for name, value in self.mean.items():
            value.copy_(mean[name])
        self.step = step
