"""One fixed small segmenter, trained on pictures of one or two origins, and judged per frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.quality.segmentation_sets import CLASSES, IGNORED, LabelledSet
from scenegen.arrays import Array
from scenegen.seeding import stream

_SETTLING = 50
"""Batches that the statistics of the normalisations are taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schooling:
    """How every segmenter is trained.

    Attributes:
        widths: Channels of each level, the finest, of half the pictures' size, first.
        steps: Optimiser steps.
        batch: Crops per step; where there are two origins each gives half.
        crop: Rows and columns of a crop.
        rate: Largest learning rate.
        threads: Threads of torch on the CPU.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96, 112)
    steps: int = 1500
    batch: int = 8
    crop: tuple[int, int] = (128, 160)
    rate: float = 2e-3
    threads: int = 1


class UNet(nn.Module):
    """A U-Net (Ronneberger et al., 2015) with batch norms, 0.9 million weights.

    It works at half the size of the pictures: four pixels are the channels of one, and the scores
    of four pixels come out of one (Shi et al., 2016). A step costs a quarter of what it costs at
    full size, which leaves time for enough of them.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        """Make the layers."""
        super().__init__()
        self.down = nn.ModuleList(_pair(a, b) for a, b in pairwise((12, *widths)))
        upwards = widths[::-1]
        self.up = nn.ModuleList(_pair(a + b, b) for a, b in pairwise(upwards))
        self.last = nn.Conv2d(widths[0], 4 * len(CLASSES), 1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Give scores of the classes, shape (B, classes, H, W), for pictures (B, 3, H, W)."""
        height, width = picture.shape[-2:]
        multiple = 2 ** len(self.down)
        if height % multiple or width % multiple:
            extra = (0, -width % multiple, 0, -height % multiple)
            picture = functional.pad(picture, extra, mode="replicate")
        x, skips = functional.pixel_unshuffle(picture, 2), list[torch.Tensor]()
        for level, layer in enumerate(self.down):
            x = layer(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        for level, layer in enumerate(self.up):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(torch.cat([x, skips[-2 - level]], 1))
        return functional.pixel_shuffle(self.last(x), 2)[..., :height, :width]


def _pair(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def device() -> torch.device:
    """Where segmenters are trained: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    origins: list[LabelledSet], schooling: Schooling, seed: int, begun: UNet | None = None
) -> UNet:
    """Train a segmenter; the last weights are taken, none are chosen.

    Pictures of each origin are normalised by themselves, and those that are judged by the
    statistics of the first origin (Chang et al., 2019): what differs between origins as a whole
    then costs nothing. Layers compute in bfloat16, weights and loss stay in float32: half the time
    on a CPU that knows these numbers, and the same for all that are compared.

    Args:
        origins: One or two sets, the one most like what is judged first; each gives the same share
            of every batch.
        schooling: How; equal for all that are compared.
        seed: Seed of weights, crops and order.
        begun: A trained segmenter to go on with, which is changed; fresh weights if left out.
    """
    torch.set_num_threads(schooling.threads)
    model = begun or _fresh(schooling, seed)
    place = device()
    model.to(place, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=schooling.rate, weight_decay=1e-4)
    weight = torch.from_numpy(class_weights(origins)).to(place)
    share = schooling.batch // len(origins)
    for step in range(schooling.steps):
        rng = stream(seed, "segmentation", "batch", step)
        for group in optimizer.param_groups:
            group["lr"] = schooling.rate * 0.5 * (1 + np.cos(np.pi * step / schooling.steps))
        optimizer.zero_grad(set_to_none=True)
        for origin in origins:
            rgb, wanted = _batch(origin, share, schooling.crop, rng)
            with torch.autocast(place.type, torch.bfloat16):
                scores = model(rgb.to(place, memory_format=torch.channels_last))
            loss = functional.cross_entropy(
                scores.float(), wanted.to(place), weight=weight, ignore_index=IGNORED
            )
            (loss / len(origins)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _settle(model, origins[0], schooling, seed)
    return model.eval()


def _fresh(schooling: Schooling, seed: int) -> UNet:
    """Draw the first weights."""
    with torch.random.fork_rng():
        torch.manual_seed(int(stream(seed, "segmentation", "weights").integers(2**31)))
        return UNet(schooling.widths)


@torch.no_grad()
def _settle(model: UNet, origin: LabelledSet, schooling: Schooling, seed: int) -> None:
    """Take the statistics of the normalisations anew from pictures of one origin."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    for number in range(min(_SETTLING, schooling.steps)):
        rng = stream(seed, "segmentation", "statistics", number)
        rgb, _ = _batch(origin, schooling.batch, schooling.crop, rng)
        model(rgb.to(device(), memory_format=torch.channels_last))


def _batch(
    origin: LabelledSet, count: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw crops of an origin: pictures (count, 3, h, w) and classes (count, h, w)."""
    drawn = [_crop(origin, size, rng) for _ in range(count)]
    rgb, wanted = (np.stack([one[part] for one in drawn]) for part in (0, 1))
    return torch.from_numpy(rgb), torch.from_numpy(wanted)


def class_weights(origins: list[LabelledSet]) -> Array:
    """Weight of each class, 1 / log(1.02 + share) (Paszke et al., 2016), float32, (classes,)."""
    shares = []
    for origin in origins:
        counts = np.bincount(origin.classes.reshape(-1), minlength=IGNORED + 1)[:IGNORED]
        shares.append(counts / max(counts.sum(), 1))
    return (1.0 / np.log(1.02 + np.mean(shares, 0))).astype(np.float32)


def _crop(
    origin: LabelledSet, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw a crop: place, mirror image, brightness and contrast; (3, h, w) and (h, w)."""
    number = int(rng.integers(len(origin)))
    height, width = origin.classes.shape[1:]
    rows, columns = min(size[0], height), min(size[1], width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    window = (number, slice(top, top + rows), slice(left, left + columns))
    rgb, classes = prepared(origin.rgb[window]), origin.classes[window].astype(np.int64)
    gain, shift = rng.uniform(0.7, 1.4), rng.uniform(-0.3, 0.3)
    rgb = (rgb * np.float32(gain) + np.float32(shift)).astype(np.float32)
    if rng.random() < 0.5:
        rgb, classes = rgb[..., ::-1], classes[..., ::-1]
    return np.ascontiguousarray(rgb), np.ascontiguousarray(classes)


def prepared(rgb: Array) -> Array:
    """Give pictures as the network takes them: float32, (..., 3, H, W), about -2 to 2."""
    return np.moveaxis(rgb.astype(np.float32) / 64.0 - 2.0, -1, -3)


@torch.no_grad()
def judge(model: UNet, test: LabelledSet) -> Array:
    """Count pixels by true and found class for each picture, int64, (N, classes, classes)."""
    place, count = device(), len(CLASSES)
    out = np.zeros((len(test), count, count), np.int64)
    for number in range(len(test)):
        picture = torch.from_numpy(prepared(test.rgb[number])[None].copy()).to(place)
        found = model(picture)[0].argmax(0).cpu().numpy()
        true = test.classes[number].astype(np.int64)
        known = true != IGNORED
        pairs = true[known] * count + found[known]
        out[number] = np.bincount(pairs, minlength=count * count).reshape(count, count)
    return out


def intersection_over_union(confusion: Array) -> Array:
    """IoU of each class, nan where a class is nowhere, shape (classes,).

    Args:
        confusion: Pixels by true and found class, shape (N, classes, classes).
    """
    total = confusion.sum(0).astype(np.float64)
    hit, union = np.diag(total), total.sum(0) + total.sum(1) - np.diag(total)
    with np.errstate(invalid="ignore"):
        return np.where(total.sum(1) > 0, hit / union, np.nan)
