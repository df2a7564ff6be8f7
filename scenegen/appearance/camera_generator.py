"""The generator of camera pictures: a small U-Net that corrects the shaded base, within bounds.

    tone = base + bound(class) tanh(r(inputs, condition, style))

Its trunk works on every second row and column; the last layers work on all of them, after a resize
(a pixel shuffle leaves a lattice in the picture). At full size only 1x1 and depthwise layers are
affordable: they cost a twentieth of 3x3 convolutions there. The graph is static: no branch depends
on a value, so that it exports to ONNX as it stands.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.camera_blocks import LEAK, Block, Levels
from scenegen.appearance.camera_condition import CONDITION_NAMES
from scenegen.appearance.camera_inputs import BASE, CHANNEL, CHANNELS, CLASS_SCALE, VERSION
from scenegen.arrays import FloatArray
from scenegen.errors import CheckpointError
from scenegen.render.surfaces import SurfaceClass
from scenegen.seeding import Jsonable, stream
from scenegen.training import Checkpoint

MODEL = "camera_generator"
"""Name of the model in checkpoints."""
MULTIPLE = 16
"""Rows and columns of the inputs are multiples of this; `padded` sees to it."""
STYLE_SIZE = 8
"""Numbers of a style code."""
CRISP = 4.0
"""Factor on what a 3 x 3 mean takes away from the base: the last layers are shown the edges that
one sample per pixel leaves hard and a path tracer's pixel filter softens."""
BOUND, THIN_BOUND = 0.6, 0.35
"""How far a tone may leave the base, and how far on what is thin or rare, so that labels hold."""
THIN = (
    SurfaceClass.POLE,
    SurfaceClass.SIGNAL,
    SurfaceClass.SIGN,
    SurfaceClass.MOTORCYCLE,
    SurfaceClass.CYCLIST,
    SurfaceClass.PEDESTRIAN,
    SurfaceClass.ANIMAL,
    SurfaceClass.STATIC,
)
"""Classes with the tighter bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """Size of a generator.

    Attributes:
        widths: Channels of each level of the trunk, the finest first.
        depth: Blocks of each level on the way down, and again on the way up.
        maps: Channels of the maps that modulate the blocks.
        code: Numbers that condition and style are coded in.
        finish: Channels of the layers at full size.
        bound: How far a tone may leave the base.
        thin_bound: The same on classes that are thin or rare.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96)
    depth: tuple[int, ...] = (1, 1, 2, 2)
    maps: int = 16
    code: int = 32
    finish: int = 16
    bound: float = BOUND
    thin_bound: float = THIN_BOUND

    def __post_init__(self) -> None:
        """Check the numbers."""
        numbers = (*self.widths, *self.depth, self.maps, self.code, self.finish)
        if min(numbers) < 1 or not 1 <= len(self.widths) == len(self.depth) <= 4:
            raise ValueError(
                "GeneratorConfig: expected one to four levels with widths and depths of at least"
                f" one, got {self}"
            )
        if not 0.0 < self.thin_bound <= self.bound <= 1.0:
            raise ValueError(
                "GeneratorConfig: expected 0 < thin_bound <= bound <= 1, got"
                f" {self.thin_bound} and {self.bound}"
            )

    @classmethod
    def of_json(cls, data: dict[str, Jsonable]) -> Self:
        """Rebuild from `dataclasses.asdict`, as checkpoints hold it."""
        fields = dict(data)
        for name in ("widths", "depth"):
            fields[name] = tuple(fields[name])  # type: ignore[arg-type]
        return cls(**fields)  # type: ignore[arg-type]


SIZES = {
    "S": GeneratorConfig(),
    "M": GeneratorConfig(widths=(32, 48, 112, 192), code=48),
}
"""The published sizes by name."""


class CameraGenerator(nn.Module):
    """Base, buffers, condition and style in; a picture in tone space out.

    With fresh weights it gives back the base exactly.
    """

    def __init__(self, config: GeneratorConfig = SIZES["S"]) -> None:
        """Make the layers."""
        super().__init__()
        self.config = config
        first, finish = config.widths[0], config.finish
        self.embed = nn.Embedding(len(SurfaceClass), first + config.maps)
        self.code = nn.Sequential(
            nn.Linear(len(CONDITION_NAMES) + STYLE_SIZE, config.code),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.code, config.code),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.code, first + config.maps),
        )
        self.fine = nn.Conv2d(len(CHANNELS), finish, 1)
        self.stem = nn.Conv2d(finish, first + config.maps, 2, stride=2)
        self.trunk = Levels(config.widths, config.maps, config.depth)
        self.coarse = nn.Conv2d(first, finish, 1)
        self.mix = nn.Conv2d(finish, finish, 1)
        self.crisp = nn.Conv2d(3, finish, 1, bias=False)
        self.polish = Block(finish, expansion=1)
        self.gather = nn.Conv2d(finish, finish, 3, padding=1, groups=finish)
        self.residual = nn.Conv2d(finish, 3, 1, bias=False)
        self.soften = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        with torch.no_grad():
            self.gather.weight[:, :, 1, 1] += 1.0  # Features pass from the first step on.
            self.residual.weight.zero_()
            self.soften.weight.zero_()

    def forward(
        self, stack: torch.Tensor, condition: torch.Tensor, style: torch.Tensor
    ) -> torch.Tensor:
        """Correct the base.

        Args:
            stack: Channels of CHANNELS, shape (B, C, H, W); H and W multiples of MULTIPLE.
            condition: Numbers of the condition code, shape (B, K).
            style: Style code, shape (B, STYLE_SIZE).

        Returns:
            Tone, shape (B, 3, H, W); within the class's bound of the base, hence perhaps a little
            below 0 or above 1.
        """
        surface = stack[:, CHANNEL["surface_class"]] * CLASS_SCALE  # (B, H, W)
        code = self.code(torch.cat([condition, style], 1))[:, :, None, None]
        embedded = self.embed((surface[:, ::2, ::2] + 0.5).long()).permute(0, 3, 1, 2)
        fine = functional.leaky_relu(self.fine(stack), LEAK)
        parts = [self.config.widths[0], self.config.maps]
        first, maps = (self.stem(fine) + (embedded + code)).split(parts, 1)
        half = self.coarse(self.trunk(first, functional.leaky_relu(maps, LEAK)))
        wide = functional.interpolate(half, scale_factor=2.0, mode="bilinear", align_corners=False)
        base = stack[:, BASE]
        edges = CRISP * (base - functional.avg_pool2d(base, 3, 1, 1, count_include_pad=False))
        h = self.polish(wide + self.mix(fine) + self.crisp(edges))
        change = torch.tanh(self.residual(self.gather(h)) + self.soften(edges))
        thin, usual = self.config.thin_bound, self.config.bound
        bound = torch.where(_is_thin(surface), thin, usual)[:, None]
        tone: torch.Tensor = base + bound * change
        return tone


def _is_thin(surface: torch.Tensor) -> torch.Tensor:
    """Whether class numbers, as floats of shape (B, H, W), are among THIN.

    The ends of THIN's runs are compared with, which costs less than to look every pixel up.
    """
    runs = [k for k in range(len(SurfaceClass) + 1) if (k in THIN) != (k - 1 in THIN)]
    starts, ends = runs[::2], runs[1::2]
    inside = [(surface > a - 0.5) & (surface < b - 0.5) for a, b in zip(starts, ends, strict=True)]
    return reduce(torch.logical_or, inside)


def style_code(seed: int) -> FloatArray:
    """Style of a scenario, the same for all its cameras and instants: (STYLE_SIZE,), float32."""
    return stream(seed, "camera", "style").standard_normal(STYLE_SIZE, np.float32)


def padded(stack: FloatArray, multiple: int = MULTIPLE) -> FloatArray:
    """Repeat the last row and column until both sides are multiples.

    Args:
        stack: Channels, shape (..., H, W).
        multiple: Of what.
    """
    rows, columns = (-side % multiple for side in stack.shape[-2:])
    if not rows and not columns:
        return stack
    still = [(0, 0)] * (stack.ndim - 2)
    return np.pad(stack, [*still, (0, rows), (0, columns)], mode="edge")


def generator_checkpoint(
    model: CameraGenerator, training: dict[str, Jsonable], *, halved: bool = True
) -> Checkpoint:
    """Give the checkpoint of a generator.

    Args:
        model: The generator.
        training: How it was trained.
        halved: Whether to store weights as half floats.
    """
    config: dict[str, Jsonable] = {**asdict(model.config), "inputs": VERSION}
    config |= {"widths": list(model.config.widths), "depth": list(model.config.depth)}
    tensors = {n: v.half() if halved else v for n, v in model.state_dict().items()}
    return Checkpoint(model=MODEL, config=config, tensors=tensors, training=training)


def generator_of(checkpoint: Checkpoint) -> CameraGenerator:
    """Rebuild a generator from its checkpoint, ready to draw.

    Raises:
        CheckpointError: The weights are of another model, or of another version of the inputs.
    """
    if checkpoint.model != MODEL:
        raise CheckpointError(
            f"camera generator: expected weights of {MODEL!r}, got those of {checkpoint.model!r}"
        )
    config = dict(checkpoint.config)
    version = config.pop("inputs", None)
    if version != VERSION:
        raise CheckpointError(
            f"camera generator: its weights take inputs of version {version}, ours are of version"
            f" {VERSION}; train again, or use the scenegen they came with"
        )
    model = CameraGenerator(GeneratorConfig.of_json(config))
    try:
        model.load_state_dict({n: v.float() for n, v in checkpoint.tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"camera generator: its weights do not fit ({error})") from error
    return model.eval()
