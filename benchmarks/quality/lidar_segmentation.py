"""Whether scans with learned losses teach a network more about real scans (L3).

The same small network learns the classes of simulated scans, once per way to lose echoes, with
the same steps, patches and seeds, and is measured on real scans that nothing here learned from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from benchmarks.harness import Report
from benchmarks.quality.lidar import RUNS, Trial, held_out_trials, models_of
from scenegen.appearance.lidar_appearance import LidarAppearance
from scenegen.appearance.lidar_fill import RealScan
from scenegen.appearance.lidar_image import GROUP_OF_SURFACE, LidarGroup, LidarScan, preset_for
from scenegen.appearance.lidar_network import Block, RoundConv
from scenegen.geometry.transforms import se3
from scenegen.pipeline import Generator, Request
from scenegen.query import parse
from scenegen.render.rasterizer import NOTHING
from scenegen.scene import Conditions
from scenegen.seeding import stream
from scenegen.sensors import LIDAR_MODELS, LidarModel, Rig, agent_motions
from scenegen.sensors.scan import scan

SEEDS, STEPS = "SCENEGEN_LIDAR_SEEDS", "SCENEGEN_LIDAR_STEPS"
"""Environment variables: seeds of each network and steps of its training."""
MAKES = {
    "vlp32, later": "vlp32",
    "vlp32, another drive": "vlp32",
    "SemanticKITTI (not seen)": "hdl64",
    "nuScenes (not seen)": "nuscenes32",
}
"""Our make for each set of real scans."""
QUERIES = (
    "urban and jaywalker(p)",
    "intersection and unprotected_left(t)",
    "urban and cut_in(c)",
)
CROP, PATCHES = 240, 4
RATE = 3e-3
"""Largest learning rate."""
RANGE_NOISE = 0.03
"""Deviation of a measured range [m], as data sheets have it."""
CLASSES = tuple(g for g in LidarGroup if g not in (LidarGroup.UNKNOWN, LidarGroup.MARKING))
"""Classes that are told apart; markings are road, as in sets that do not name them."""
_PLACE = np.full(len(LidarGroup), -1)
_PLACE[list(CLASSES)] = np.arange(len(CLASSES))
_PLACE[LidarGroup.MARKING] = _PLACE[LidarGroup.ROAD]
Image = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A scan as a network sees it.

    Attributes:
        image: Echo, log range, root of reflectivity and height, shape (4, B, A).
        label: Place in CLASSES, -1 where there is none, shape (B, A).
    """

    image: Image
    label: npt.NDArray[np.int64]


class Segmenter(nn.Module):
    """A small network from a scan to the classes of its points."""

    def __init__(self) -> None:
        """Build with fresh weights."""
        super().__init__()
        self.enter = RoundConv(4, 24)
        self.fine = nn.ModuleList([Block(24), Block(24)])
        self.shrink, self.grow = nn.Conv2d(24, 48, (2, 4), (2, 4)), nn.Conv2d(48, 24, 1)
        self.coarse = nn.ModuleList([Block(48), Block(48)])
        self.leave = nn.Conv2d(24, len(CLASSES), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give logits, shape (N, len(CLASSES), B, A)."""
        rows, columns = x.shape[-2:]
        x = functional.pad(x, (0, -columns % 4, 0, -rows % 2), mode="replicate")
        h = self.fine[0](self.enter(x, False), False)
        low = self.shrink(h)
        for block in self.coarse:
            low = block(low, False)
        h = h + functional.interpolate(self.grow(low), scale_factor=(2.0, 4.0), mode="nearest")
        return self.leave(self.fine[1](h, False))[..., :rows, :columns]


def run(*, smoke: bool) -> Report:
    """Train one network per way to lose echoes, sensor and seed."""
    torch.set_num_threads(1)
    trials = [t for t in held_out_trials() if t.name in MAKES]
    seeds = 1 if smoke else int(os.environ.get(SEEDS, "2"))
    steps = 2 if smoke else int(os.environ.get(STEPS, "400"))
    rows: list[dict[str, Any]] = []
    scenes: dict[str, list[LidarScan]] = {}
    for trial in trials[:1] if smoke else trials:
        make = MAKES[trial.name]
        if make not in scenes:
            scenes[make] = simulated(make, 1 if smoke else 2)
        rows += _rows(trial, scenes[make], seeds, steps, smoke=smoke)
    if not rows:
        rows = [{"scans": "absent", "losses": "-", "mIoU": "-", "over no losses": "-"}]
    return Report(
        name="quality.lidar_segmentation",
        headline=f"{len(rows)} networks of real scans taught by simulated ones, {seeds} seeds",
        rows=rows,
        notes=[
            f"{steps} steps of {PATCHES} patches of {CROP} columns, the same in all arms; mean of"
            " the classes that the real scans have, over seeds; in brackets 95 % over real scans",
            "none: every echo comes back, with the reflectivity of the table of beams; uniform and"
            " ring: tables of the sensor's own training scans; others: runs of"
            f" `scenegen train lidar` ({RUNS}) and what ships",
        ],
        smoke=smoke,
    )


def simulated(make: str, seeds: int) -> list[LidarScan]:
    """What the rays of a make meet in simulated towns, by clear day."""
    model = LIDAR_MODELS[make]
    assert isinstance(model, LidarModel)
    pose, found = se3(np.array([0.0, 0.0, 1.85]), 0.0, 0.0, 0.0), []
    rig = Rig(name="lidar", sensors=())
    shape = (len(model.elevation_deg), model.columns)
    for query in QUERIES[: 1 if seeds == 1 else None]:
        for seed in range(seeds):
            request = Request(query=parse(query), seed=seed, layout_model="heuristic")
            scenario = replace(Generator(request).scenario(0).scenario, conditions=Conditions())
            world, motions = rig.world(scenario, seed), agent_motions(scenario)
            for step in (0, scenario.steps // 2, scenario.steps - 1)[: 1 if seeds == 1 else 3]:
                view = rig.view(world, scenario, step, motions[step])
                hits = scan(model, view, pose).first
                solid, group = hits.face != NOTHING, np.zeros(len(hits.face), np.uint8)
                owner = view.triangles.owner[hits.face[solid]]
                group[solid] = GROUP_OF_SURFACE[view.triangles.surface[owner]]
                ranges = np.where(hits.range < model.reach, hits.range, np.inf)
                found.append(
                    LidarScan(
                        range=ranges.reshape(shape),
                        group=group.reshape(shape),
                        elevation=np.radians(model.elevation_deg),
                        preset=preset_for(shape[0]),
                        is_round=True,
                        step=2 * np.pi / shape[1],
                    )
                )
    return found


def _rows(
    trial: Trial, scenes: list[LidarScan], seeds: int, steps: int, *, smoke: bool
) -> list[dict[str, Any]]:
    real = [_seen_real(one) for one in trial.scans]
    models = models_of(trial, smoke=smoke)
    arms: dict[str, LidarAppearance | None] = {"none": None, **models}
    tallies: dict[str, list[npt.NDArray[np.int64]]] = {}
    for name, model in arms.items():
        parts = []
        for seed in range(seeds):
            fallback = models["ring"]
            shown = [_seen(s, model, fallback, seed, n) for n, s in enumerate(scenes)]
            parts.append(_tallied(_trained(shown, seed, steps), real))
        tallies[name] = [np.sum(tally, 0) for tally in zip(*parts, strict=True)]
    rows = []
    for name, tally in tallies.items():
        gap = [
            _mean_iou([tally[k] for k in rows_]) - _mean_iou([tallies["none"][k] for k in rows_])
            for rows_ in _draws(len(tally))
        ]
        low, high = np.quantile(gap, (0.025, 0.975))
        lead = _mean_iou(tally) - _mean_iou(tallies["none"])
        rows.append(
            {
                "scans": trial.name,
                "losses": name,
                "mIoU": f"{_mean_iou(tally):.3f}",
                "over no losses": f"{lead:+.3f} [{low:+.3f}, {high:+.3f}]",
            }
        )
    return rows


def _draws(count: int) -> list[npt.NDArray[np.int64]]:
    rng = stream(0, "bootstrap")
    return [rng.integers(count, size=count) for _ in range(200)]


def _seen(
    one: LidarScan, model: LidarAppearance | None, fallback: LidarAppearance, seed: int, number: int
) -> Seen:
    """A simulated scan after its losses."""
    rng = stream(seed, "losses", number)
    answer = (model or fallback).apply(one, rng)
    kept = np.isfinite(one.range) if model is None else model.draw(answer, rng)
    return _image(
        np.where(kept, one.range, 0.0), answer.reflectivity * 100 / 255, one.group, one.elevation
    )


def _seen_real(real: RealScan) -> Seen:
    return _image(real.range, real.intensity / 255.0, real.group, real.elevation)


def _image(
    ranges: npt.NDArray[Any], bright: npt.NDArray[Any], group: npt.NDArray[Any],
    elevation: npt.NDArray[Any],
) -> Seen:  # fmt: skip
    came = (ranges > 0) & np.isfinite(ranges)
    away = np.where(came, ranges, 0.0)
    height = away * np.sin(elevation)[:, None] / 5.0
    root = np.sqrt(np.where(came, bright, 0.0))
    image = np.stack([came, np.log1p(away) / 5.0, root, np.clip(height, -2.0, 2.0)])
    return Seen(image=image.astype(np.float32), label=np.where(came, _PLACE[group], -1))


def _trained(shown: Sequence[Seen], seed: int, steps: int) -> Segmenter:
    """Train a network on scans; the same patches for every arm of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = Segmenter()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    weight = _class_weights(shown)
    for step in range(steps):
        rng = stream(seed, "patches", step)
        for group in optimizer.param_groups:
            group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
        images, labels = [], []
        for _ in range(PATCHES):
            one = shown[int(rng.integers(len(shown)))]
            start = int(rng.integers(one.label.shape[1]))
            place = (start + np.arange(CROP)) % one.label.shape[1]
            place = place[::-1] if rng.random() < 0.5 else place
            images.append(shaken(one.image[:, :, place], rng))
            labels.append(one.label[:, place])
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.from_numpy(np.stack(images)))
        loss = functional.cross_entropy(
            logits.float(), torch.from_numpy(np.stack(labels)), weight, ignore_index=-1
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


def shaken(image: Image, rng: np.random.Generator) -> Image:
    """Blur what a simulated scan is too sure of: all arms of the benchmark are shaken alike.

    Roads of ours are flat to the bit and sensors stand upright at one height; a network that is
    shown no others takes a real road, a hand's breadth off, for a meadow.

    Args:
        image: A patch as Seen has it, shape (4, B, A).
        rng: Draws the height of the sensor (0.3 m to both sides), its tilt (1 degree), noise of
            the ranges (3 cm) and the gain of the reflectivity (a factor of 0.6 to 1.6).

    Returns:
        The patch, with the same echoes.
    """
    came, away = image[0] > 0, np.expm1(5.0 * image[1])
    noise = rng.normal(0.0, RANGE_NOISE, away.shape)
    tilt, phase = rng.normal(0.0, np.radians(1.0)), rng.uniform(0.0, 2.0 * np.pi)
    slope = tilt * np.cos(np.linspace(0.0, 1.0, image.shape[2]) + phase)
    height = image[3] + (rng.uniform(-0.3, 0.3) + away * slope) / 5.0
    height = height + noise * image[3] / np.maximum(away, 1.0)
    gain = np.sqrt(np.exp(rng.uniform(np.log(0.6), np.log(1.6))))
    blurred = np.log1p(np.maximum(away + noise, 0.0)) / 5.0
    out = np.stack([image[0], blurred, image[2] * gain, np.clip(height, -2.0, 2.0)])
    return np.asarray(np.where(came, out, image), np.float32)


def _class_weights(shown: Sequence[Seen]) -> torch.Tensor:
    """Weight of each class, 1 / log(1.02 + share) (Paszke et al., 2016)."""
    counts = sum(np.bincount(s.label[s.label >= 0], minlength=len(CLASSES)) for s in shown)
    return torch.from_numpy(1.0 / np.log(1.02 + counts / max(np.sum(counts), 1))).float()


@torch.no_grad()
def _tallied(network: Segmenter, real: Sequence[Seen]) -> list[npt.NDArray[np.int64]]:
    """Count true against told classes of each real scan."""
    size, found = len(CLASSES), []
    for one in real:
        told = network(torch.from_numpy(one.image)[None])[0].argmax(0).numpy()
        known = one.label >= 0
        pairs = one.label[known] * size + told[known]
        found.append(np.bincount(pairs, minlength=size * size).reshape(size, size))
    return found


def _mean_iou(tallies: Sequence[npt.NDArray[np.int64]]) -> float:
    """Mean over the classes that there truly are of intersection over union."""
    total = np.sum(tallies, 0)
    hit, union = np.diag(total), total.sum(0) + total.sum(1) - np.diag(total)
    there = total.sum(1) > 0
    return float((hit[there] / union[there]).mean())
