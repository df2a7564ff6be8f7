"""Losses of a layout model: on masked scenes to learn from, and on held-out ones to judge by."""

from __future__ import annotations

import numpy as np
import torch

from scenegen.layout.known_masks import draw_masks
from scenegen.layout.raw_measures import raw_measures
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.training_corpus import Corpus
from scenegen.layout.training_settings import TrainingSettings
from scenegen.seeding import Jsonable, stream

VALIDATION_SCENES = 512
"""Scenes of the validation split a loss is measured on, at most."""
MEASURED_SCENES = 64
"""Of these, scenes that samples are drawn for, at most."""
COUNT_WEIGHT = 0.1
"""Weight of the distribution of the number of agents, which shares no weights with the rest."""


def masked_loss(
    settings: TrainingSettings,
    model: SceneModel,
    batch: SceneBatch,
    generator: torch.Generator,
    device: str,
    *,
    alone: bool = False,
) -> torch.Tensor:
    """Loss of a model on scenes of which a random part is known.

    Args:
        settings: Says how often each kind of mask is drawn.
        model: The model, on the device.
        batch: The scenes, on the CPU.
        generator: Random numbers, on the CPU.
        device: Where to compute.
        alone: Whether the scenes are of ego and roles alone.
    """
    shares = settings.acting_masks if alone else settings.masks
    batch = draw_masks(batch, model.groups, generator, shares).to(device)
    with torch.autocast(device, torch.bfloat16, enabled=settings.half):
        loss = model.loss(batch, generator)
    # How many agents there are is told by whole scenes only.
    return loss if alone else loss + COUNT_WEIGHT * model.count.loss(batch)


def held_out_losses(
    settings: TrainingSettings, model: SceneModel, validation: Corpus, device: str
) -> dict[str, Jsonable]:
    """Losses on held-out scenes, each time masked and noised alike, and raw measures of samples.

    Args:
        settings: The seed, the masks, and whether ego and roles alone are trained on.
        model: The model, on the device.
        validation: Held-out scenes.
        device: Where to compute.
    """
    rows = stream(settings.seed, "validation").permutation(len(validation))
    parts = np.array_split(rows[:VALIDATION_SCENES], -(-min(len(rows), VALIDATION_SCENES) // 64))
    generator = torch.Generator().manual_seed(settings.seed)
    losses = [
        float(masked_loss(settings, model, validation.scenes(part), generator, device))
        for part in parts
    ]
    return {
        "validation_loss": float(np.mean(losses)),
        **_acting_loss(settings, model, validation, device),
        **_measure(settings, model, validation.scenes(rows[:MEASURED_SCENES]), device),
    }


def _acting_loss(
    settings: TrainingSettings, model: SceneModel, validation: Corpus, device: str
) -> dict[str, Jsonable]:
    """Measure the loss on ego and roles alone, where they are trained on."""
    staged = validation.staged[:VALIDATION_SCENES]
    if settings.acting == 0.0 or not len(staged):
        return {}
    generator = torch.Generator().manual_seed(settings.seed)
    losses = [
        float(
            masked_loss(
                settings, model, validation.scenes(p).acting(), generator, device, alone=True
            )
        )
        for p in np.array_split(staged, -(-len(staged) // 64))
    ]
    return {"acting_loss": float(np.mean(losses))}


def _measure(
    settings: TrainingSettings, model: SceneModel, batch: SceneBatch, device: str
) -> dict[str, Jsonable]:
    """Sample scenes on known roads and measure them raw."""
    batch = batch.to(device)
    tokens = model.sample(batch, torch.Generator().manual_seed(settings.seed))
    return {**raw_measures(batch, tokens)}
