"""How drawn pictures of held-out scenes compare with the tracer's: near, alike, and readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.quality.camera_clips import Draw
from benchmarks.quality.camera_segmenter import RARE, Judged, Segmenter, classes_of, judge
from scenegen.appearance.camera_inputs import CHANNELS
from scenegen.appearance.camera_metrics import (
    BANDS,
    NETS,
    band_distances,
    coverage,
    cut_up,
    gradient_energy,
    kernel_distance,
    matched_kernel_distance,
    peak_ratio,
    random_features,
    standardized,
    structural_similarity,
)
from scenegen.appearance.camera_pairs import CameraPairs
from scenegen.arrays import FloatArray, IntArray
from scenegen.evaluate.intervals import Estimate, resampled_rows
from scenegen.seeding import stream

MOST_REFERENCE = 480
"""Crops of training scenes that pictures are compared with, at most."""
TEACHER = "tracer"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Views:
    """Crops that all subjects are judged on.

    Attributes:
        stacks: Inputs of the held-out crops, (C, h, w) each.
        conditions: Condition codes, (K,) each.
        targets: The tracer's pictures of them, (3, h, w) each.
        scenes: Scene of each, shape (n,).
        reference: The tracer's pictures of training scenes, shape (m, 3, h, w).
    """

    stacks: list[FloatArray]
    conditions: list[FloatArray]
    targets: list[FloatArray]
    scenes: IntArray
    reference: FloatArray


def read_views(train: CameraPairs, held_out: CameraPairs, crop: tuple[int, int]) -> Views:
    """Cut held-out views and views of training scenes into crops, evenly chosen if too many."""
    stacks, conditions, targets, scenes = [], [], [], []
    for index, row in enumerate(held_out.rows):
        stack, condition, target = held_out.view(index)
        for part in cut_up(np.concatenate([stack, target]), crop):
            stacks.append(part[: len(CHANNELS)])
            conditions.append(condition)
            targets.append(part[len(CHANNELS) :])
            scenes.append(row.scene)
    per_view = len(stacks) // len(held_out)
    count = min(len(train), max(2, MOST_REFERENCE // max(per_view, 1)))
    chosen = np.unique(np.linspace(0, len(train) - 1, count).astype(int))
    reference = [part for i in chosen for part in cut_up(train.view(int(i))[2], crop)]
    return Views(
        stacks=stacks,
        conditions=conditions,
        targets=targets,
        scenes=np.array(scenes),
        reference=np.stack(reference),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Figures of one subject.

    Attributes:
        near: Mean absolute error times 100, PSNR [dB], SSIM; None for the tracer itself.
        kernel: Kernel distance of random features to the reference, times 100.
        kernel_seg: The same of the segmenter's features.
        gap: Matched kernel distance to the tracer's pictures of the same crops over the base's.
        gap_seg: The same of the segmenter's features.
        bands: Distance of each band of BANDS to the tracer's pictures of the same crops; of the
            tracer itself, to those of other scenes.
        energy: Gradient energy over that of the tracer's pictures of the same crops.
        consistency: Mean IoU over that on the tracer's pictures.
        rare: The same of rare classes.
        coverage: Coverage over that of the tracer's pictures.
    """

    near: tuple[float, float, float] | None
    kernel: float
    kernel_seg: float
    gap: Estimate
    gap_seg: Estimate
    bands: dict[str, float]
    energy: float
    consistency: Estimate
    rare: float
    coverage: float

    def row(self) -> dict[str, Any]:
        """Give the figures as cells of a table."""
        error, psnr, ssim = self.near or (np.nan, np.nan, np.nan)
        return {
            "L1 x100": _cell(error),
            "PSNR": _cell(psnr),
            "SSIM": _cell(ssim),
            "kernel": _cell(self.kernel),
            "kernel gap / base": _with_ends(self.gap),
            "kernel seg": _cell(self.kernel_seg),
            "seg gap / base": _with_ends(self.gap_seg),
            **{f"SWD {band}": _cell(self.bands[band]) for band in BANDS},
            "gradient energy": _cell(self.energy),
            "consistency": _with_ends(self.consistency),
            "rare": _cell(self.rare),
            "coverage / tracer": _cell(self.coverage),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What is known of the pictures of one subject.

    Attributes:
        pictures: The crops, shape (n, 3, h, w).
        features: Features of each random network, and last those of the segmenter.
        judged: What the segmenter makes of them.
    """

    pictures: FloatArray
    features: list[FloatArray]
    judged: Judged


def score(
    views: Views, segmenter: Segmenter, subjects: Mapping[str, Draw], resamples: int
) -> dict[str, Scores]:
    """Judge all subjects, the tracer last; `base` must be among them."""
    stacks = torch.from_numpy(np.stack(views.stacks))
    classes = list(classes_of(stacks).numpy())
    drawn = {
        name: [draw(s, c) for s, c in zip(views.stacks, views.conditions, strict=True)]
        for name, draw in subjects.items()
    }
    drawn[TEACHER] = views.targets
    wanted = [random_features(views.reference, net) for net in NETS]
    blank = [np.zeros(views.reference.shape[-2:], np.uint8)] * len(views.reference)
    wanted.append(judge(segmenter, list(views.reference), blank).features)
    reference = [standardized(f, f) for f in wanted]
    seen = {}
    for name, pictures in drawn.items():
        stacked = np.stack(pictures)
        judged = judge(segmenter, pictures, classes)
        own = [*(random_features(stacked, net) for net in NETS), judged.features]
        features = [standardized(f, w) for f, w in zip(own, wanted, strict=True)]
        seen[name] = _Seen(pictures=stacked, features=features, judged=judged)
    return {name: _scores(name, seen, reference, views, resamples) for name in seen}


def _scores(
    name: str,
    seen: Mapping[str, _Seen],
    reference: list[FloatArray],
    views: Views,
    resamples: int,
) -> Scores:
    subject, base, teacher = seen[name], seen["base"], seen[TEACHER]
    every = np.arange(len(views.scenes))

    def kernel(what: _Seen, rows: IntArray, nets: slice) -> float:
        pairs = zip(what.features[nets], reference[nets], strict=True)
        return float(100.0 * np.mean([kernel_distance(f[rows], r) for f, r in pairs]))

    def matched(what: _Seen, rows: IntArray, nets: slice) -> float:
        pairs = zip(what.features[nets], teacher.features[nets], strict=True)
        owners = views.scenes[rows]
        return float(np.mean([matched_kernel_distance(f[rows], t[rows], owners) for f, t in pairs]))

    def gap(nets: slice) -> Callable[[IntArray], float]:
        def of(rows: IntArray) -> float:
            whole = matched(base, rows, nets)
            return matched(subject, rows, nets) / whole if whole > 0.0 else float("nan")

        return of

    def consistent(rows: IntArray) -> float:
        return subject.judged.mean_iou(rows) / max(teacher.judged.mean_iou(rows), 1e-9)

    random, last = slice(0, len(NETS)), slice(len(NETS), None)
    near = None if name == TEACHER else _near(subject.pictures, teacher.pictures)
    rare = subject.judged.mean_iou(only=RARE) / max(teacher.judged.mean_iou(only=RARE), 1e-9)
    covered = [
        np.mean([coverage(r, f) for r, f in zip(reference, one.features, strict=True)])
        for one in (subject, teacher)
    ]
    return Scores(
        near=near,
        kernel=kernel(subject, every, random),
        kernel_seg=kernel(subject, every, last),
        gap=_estimate(gap(random), views.scenes, resamples, name),
        gap_seg=_estimate(gap(last), views.scenes, resamples, name),
        bands=band_distances(
            subject.pictures, views.reference if subject is teacher else teacher.pictures
        ),
        energy=gradient_energy(subject.pictures) / gradient_energy(teacher.pictures),
        consistency=_estimate(consistent, views.scenes, resamples, name),
        rare=rare,
        coverage=float(covered[0] / max(covered[1], 1e-9)),
    )


def _near(drawn: FloatArray, targets: FloatArray) -> tuple[float, float, float]:
    pairs = list(zip(drawn, targets, strict=True))
    error = 100.0 * float(np.abs(drawn - targets).mean())
    psnr = float(np.mean([peak_ratio(d, t) for d, t in pairs]))
    return error, psnr, float(np.mean([structural_similarity(d, t) for d, t in pairs]))


def _estimate(
    statistic: Callable[[IntArray], float], scenes: IntArray, resamples: int, name: str
) -> Estimate:
    """Percentile interval over resampled scenes (Efron and Tibshirani, 1993)."""
    rng, value = stream(0, "bootstrap", name), statistic(np.arange(len(scenes)))
    drawn = np.array([statistic(resampled_rows(scenes, rng)) for _ in range(resamples)])
    if not np.isfinite(value) or not np.isfinite(drawn).any():
        return Estimate(value=value, low=float("nan"), high=float("nan"))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))


def _cell(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "-"


def _with_ends(estimate: Estimate) -> str:
    if not np.isfinite(estimate.value):
        return "-"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
