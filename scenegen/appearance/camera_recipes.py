"""How each camera model is built and what it is trained on: the registry CAMERA_MODELS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import torch
from torch import nn

from scenegen.appearance.camera_generator import (
    MODEL,
    SIZES,
    CameraGenerator,
    generator_checkpoint,
    generator_of,
)
from scenegen.appearance.camera_inputs import VERSION
from scenegen.appearance.camera_rivals import BlurryVae, Pix2Pix, Spade
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint


class Adversary(Enum):
    """What the discriminator is asked."""

    NONE = "none"
    RELATIVISTIC = "relativistic"
    CROSS_ENTROPY = "cross_entropy"
    HINGE = "hinge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to learn the pictures.

    Attributes:
        build: Gives a model with fresh weights for the name of a size.
        adversary: What the discriminator is asked.
        waits: Whether the adversary joins only when the pictures are roughly right.
        absolute: Weight of the absolute error.
        low_pass: Weight of the low-pass error.
        feature: Weight of the error of random features.
        matching: Weight of the error of the discriminator's features.
        adversarial: Weight of the adversary; 0 to weigh it by the ratio of gradients.
        moved: Weight of the difference between a view and the view a step ahead.
        divergence: Weight of the posterior's divergence, of a variational model.
    """

    build: Callable[[str], nn.Module]
    adversary: Adversary = Adversary.NONE
    waits: bool = False
    absolute: float = 1.0
    low_pass: float = 0.0
    feature: float = 0.0
    matching: float = 0.0
    adversarial: float = 0.0
    moved: float = 0.0
    divergence: float = 0.0


def _generator(size: str) -> nn.Module:
    if size not in SIZES:
        raise UnknownNameError("size of a camera generator", size, SIZES)
    return CameraGenerator(SIZES[size])


CAMERA_MODELS: dict[str, Recipe] = {
    "gan": Recipe(
        build=_generator,
        adversary=Adversary.RELATIVISTIC,
        waits=True,
        low_pass=1.0,
        feature=0.5,
        moved=0.5,
    ),
    "l1": Recipe(build=_generator, low_pass=1.0, feature=0.5, moved=0.5),
    "pix2pix": Recipe(
        build=lambda _: Pix2Pix(), adversary=Adversary.CROSS_ENTROPY, adversarial=0.01
    ),
    "spade": Recipe(
        build=lambda _: Spade(),
        adversary=Adversary.HINGE,
        absolute=0.0,
        feature=10.0,
        matching=10.0,
        adversarial=1.0,
    ),
    "vae_blur": Recipe(build=lambda _: BlurryVae(), divergence=1.0),
}
"""The camera models by name: ours, ours without the adversary, and three rivals.

pix2pix weighs the absolute error 100 times the adversary (Isola et al. 2017). SPADE matches the
features of the discriminator and of a trained network ten times (Park et al. 2019); random features
take the place of the trained ones. The divergence of the variational control weighs more than its
likelihood says: else what it sees in training says so much that without it there is no picture."""


def fresh_model(name: str, size: str, seed: int) -> nn.Module:
    """Build a model with fresh weights, the same for the same seed.

    Raises:
        UnknownNameError: There is no such model or size.
    """
    if name not in CAMERA_MODELS:
        raise UnknownNameError("camera model", name, CAMERA_MODELS)
    return seeded(lambda: CAMERA_MODELS[name].build(size), seed)


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a module whose first weights follow from a seed."""
    # Layers of torch draw their first weights from the global generator; it is put back after.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


def camera_checkpoint(name: str, model: nn.Module, training: Mapping[str, Jsonable]) -> Checkpoint:
    """Give the checkpoint of any camera model, weights as half floats."""
    if isinstance(model, CameraGenerator):
        return generator_checkpoint(model, dict(training))
    return Checkpoint(
        model=f"camera_{name}",
        config={"inputs": VERSION},
        tensors={n: v.half() for n, v in model.state_dict().items()},
        training=dict(training),
    )


def camera_model_of(checkpoint: Checkpoint) -> nn.Module:
    """Rebuild any camera model from its checkpoint, ready to draw.

    Raises:
        CheckpointError: The weights are of another kind of model, or of other inputs.
    """
    if checkpoint.model == MODEL:
        return generator_of(checkpoint)
    name = checkpoint.model.removeprefix("camera_")
    if name not in CAMERA_MODELS:
        raise CheckpointError(
            f"camera model: expected weights of a camera model, got those of {checkpoint.model!r}"
        )
    if checkpoint.config.get("inputs") != VERSION:
        raise CheckpointError(
            f"camera model: its weights take inputs of version {checkpoint.config.get('inputs')},"
            f" ours are of version {VERSION}; train again"
        )
    model = CAMERA_MODELS[name].build("S")
    model.load_state_dict({n: v.float() for n, v in checkpoint.tensors.items()})
    return model.eval()
