"""A small segmenter that learns from traced pictures: an eye that judges drawn ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scenegen.appearance.camera_batches import crop_size, draw_batch
from scenegen.appearance.camera_inputs import CHANNEL, CLASS_SCALE
from scenegen.appearance.camera_pairs import CameraPairs
from scenegen.appearance.camera_recipes import seeded
from scenegen.arrays import FloatArray, IntArray
from scenegen.render import SurfaceClass
from scenegen.seeding import stream

RARE = (
    SurfaceClass.POLE,
    SurfaceClass.SIGNAL,
    SurfaceClass.SIGN,
    SurfaceClass.MOTORCYCLE,
    SurfaceClass.CYCLIST,
    SurfaceClass.PEDESTRIAN,
)
"""Classes that are thin or rare, and matter."""
LEAST_PIXELS = 200
"""A class with fewer pixels in the held-out views is not judged."""


class Segmenter(nn.Module):
    """A U-Net with batch norms that gives a class to every pixel."""

    def __init__(self, widths: tuple[int, ...] = (24, 40, 64, 96)) -> None:
        """Make the layers."""
        super().__init__()
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip((3, *widths), widths, strict=False))
        backwards = widths[::-1]
        self.up = nn.ModuleList(_pair(a + b, b) for a, b in pairwise(backwards))
        self.last = nn.Conv2d(widths[0], len(SurfaceClass), 1)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the scores (B, classes, H, W) and the pooled features of the innermost layer."""
        x, skips = 2.0 * picture - 1.0, []
        for level, layer in enumerate(self.down):
            x = layer(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        features = torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)
        for level, layer in enumerate(self.up):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(torch.cat([x, skips[-2 - level]], 1))
        return self.last(x), features


def _pair(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def classes_of(stack: torch.Tensor) -> torch.Tensor:
    """Class of each pixel of stacks (B, C, H, W), shape (B, H, W)."""
    return (stack[:, CHANNEL["surface_class"]] * CLASS_SCALE).round().long()


def train_segmenter(pairs: CameraPairs, steps: int, seed: int = 0) -> Segmenter:
    """Train on traced pictures with the labels of the G-buffer, brightness varied."""
    model = seeded(Segmenter, seed)
    assert isinstance(model, Segmenter)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    size = crop_size(pairs, (128, 192))
    for step in range(steps):
        rng = stream(seed, "segmenter", step)
        batch = draw_batch(pairs, 4, size, rng)
        gain = torch.from_numpy(rng.uniform(0.85, 1.15, (4, 1, 1, 1)).astype(np.float32))
        wanted = classes_of(batch.stack)
        # Rare classes count more: the weight is the root of their rarity (median 1 for a class).
        counts = torch.bincount(wanted.reshape(-1), minlength=len(SurfaceClass)).float()
        weight = torch.where(counts > 0, (counts.sum() / (19.0 * counts.clamp_min(1))).sqrt(), 0.0)
        scores, _ = model((batch.target * gain).clamp(0.0, 1.0))
        loss = functional.cross_entropy(scores, wanted, weight=weight.clamp_max(6.0))
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1.0 - 0.95 * step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return model.eval()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What a segmenter makes of pictures.

    Attributes:
        confusion: Pixels by true and found class of each picture, shape (n, classes, classes).
        features: Pooled features, shape (n, d).
    """

    confusion: IntArray
    features: FloatArray

    def mean_iou(self, rows: IntArray | None = None, only: tuple[SurfaceClass, ...] = ()) -> float:
        """Mean intersection over union of the classes with enough pixels; nan without one.

        Args:
            rows: Pictures to count, which may repeat; all by default.
            only: Classes to count; all by default.
        """
        chosen = self.confusion if rows is None else self.confusion[rows]
        total = chosen.sum(0).astype(np.float64)
        hit, true = np.diag(total), total.sum(1)
        union = true + total.sum(0) - hit
        counted = true >= LEAST_PIXELS
        if only:
            counted &= np.isin(np.arange(len(true)), [int(c) for c in only])
        if not counted.any():
            return float("nan")
        return float((hit[counted] / union[counted]).mean())


@torch.no_grad()
def judge(model: Segmenter, pictures: list[FloatArray], classes: list[IntArray]) -> Judged:
    """Segment pictures (3, h, w) whose classes (h, w) are known."""
    confusion, features = [], []
    count = len(SurfaceClass)
    for picture, true in zip(pictures, classes, strict=True):
        scores, inner = model(torch.from_numpy(np.ascontiguousarray(picture))[None])
        found = scores[0].argmax(0).numpy()
        pairs = true.reshape(-1).astype(np.int64) * count + found.reshape(-1)
        confusion.append(np.bincount(pairs, minlength=count * count).reshape(count, count))
        features.append(inner[0].numpy())
    return Judged(confusion=np.array(confusion), features=np.array(features, np.float64))
