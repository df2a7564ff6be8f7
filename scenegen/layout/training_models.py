"""The model of a training: built with fresh weights, compiled, and as a checkpoint to ship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from scenegen.layout.learned import SCENE_MODELS
from scenegen.layout.network import Block, MapEncoder, RelationEncoder
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.training_settings import TrainingSettings
from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint

LARGEST = 1024
"""Tensors with more numbers than this are stored as half floats."""


def build_model(settings: TrainingSettings, events: Sequence[str]) -> SceneModel:
    """Build a model with fresh weights, the same for the same seed."""
    # Layers of torch draw their first weights from the global generator; it is put back after.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(settings.seed)
        config = {**settings.config, "events": list(events)}
        return SCENE_MODELS[settings.model].from_config(config)


def checkpoint_of(model: SceneModel, card: Mapping[str, Jsonable]) -> Checkpoint:
    """Give the checkpoint of a model: large tensors as half floats."""
    tensors = {
        name: value.half() if value.is_floating_point() and value.numel() > LARGEST else value
        for name, value in model.state_dict().items()
    }
    return Checkpoint(model=model.name, config=model.config(), tensors=tensors, training=card)


def cpu_seconds_of(checkpoint: Checkpoint | None) -> float:
    """CPU time of the trainings that led to a checkpoint [s]; 0 for none."""
    card: Mapping[str, Any] = checkpoint.training if checkpoint is not None else {}
    return float(card.get("cpu_seconds_in_all", card.get("cpu_seconds", 0.0)))


def compile_blocks(model: SceneModel) -> None:
    """Let torch compile the layers that do the work, in place; names of weights stay."""
    for part in model.modules():
        if isinstance(part, Block | RelationEncoder | MapEncoder):
            part.compile()
