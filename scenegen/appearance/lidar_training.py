"""Training a lidar on real scans: resumable, watched on scans it does not learn from."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenegen.appearance.lidar_fill import FilledScan, RealScan, decoys, fill
from scenegen.appearance.lidar_image import PRESETS, LidarScan, features
from scenegen.appearance.lidar_losses import LidarBatch, LidarLosses, lidar_loss
from scenegen.appearance.lidar_measures import DropCounts, auc, count_drops, joined, matched_iou
from scenegen.appearance.lidar_models import (
    LIDAR_FAMILIES,
    LidarModel,
    build_lidar_model,
    lidar_checkpoint,
)
from scenegen.appearance.lidar_sets import ATTRIBUTION, RealSets, read_sets
from scenegen.arrays import BoolArray
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.seeding import Jsonable, digest, stream
from scenegen.training import Budget, Trainer, save_checkpoint
from scenegen.training.checkpoint import write_atomically

CHECKPOINT, CARD, PROGRESS = "checkpoint.safetensors", "card.json", "progress.jsonl"
LICENCE = "Apache-2.0; credit the data as named under data_terms"
VERSIONS = 4
"""Draws of decoys of each training scan."""
SECTORS = 8
"""Blocks that a scan's counts are kept in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarSettings:
    """How a lidar is trained.

    Attributes:
        model: Name in LIDAR_FAMILIES.
        network: Settings of the networks, see `LidarNetworkConfig`.
        losses: Weights of the loss.
        crop: Columns of a patch.
        batch: Patches per step of each preset.
        often: How often a step is of the first preset.
        blind: Part of the patches whose classes are hidden, so that scans without labels do, too.
        rate: Learning rate of the U-Net after the warm-up.
        critic_rate: That of the critic.
        warm_up: Steps over which it rises.
        hold: Steps after which it falls as 1 / sqrt(step).
        decay: Weight decay of AdamW.
        ema: Decay of the averaged weights.
        seed: Everything random follows from it.
    """

    model: str = "gan"
    network: dict[str, Jsonable] = field(default_factory=dict)
    losses: LidarLosses = field(default_factory=LidarLosses)
    crop: int = 256
    batch: tuple[int, int] = (2, 4)
    often: float = 0.5
    blind: float = 0.25
    rate: float = 2e-3
    critic_rate: float = 5e-4
    warm_up: int = 50
    hold: int = 600
    decay: float = 0.01
    ema: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the name and the numbers."""
        if self.model not in LIDAR_FAMILIES:
            raise UnknownNameError("lidar model", self.model, LIDAR_FAMILIES)
        if min(self.crop, *self.batch, self.warm_up, self.hold) < 1 or self.rate <= 0:
            raise ValueError(f"LidarSettings: expected positive numbers, got {self}")
        if not (0 <= self.often <= 1 and 0 <= self.blind <= 1):
            raise ValueError(f"LidarSettings: expected often and blind in 0-1, got {self}")

    def rate_at(self, step: int) -> float:
        """Give the learning rate of a step as a part of the highest."""
        return min(1.0, (step + 1) / self.warm_up) * min(1.0, (self.hold / (step + 1)) ** 0.5)


class LidarTraining:
    """One training in one folder; started again, it goes on where it stands.

    Attributes:
        model: The model, with the weights of the last step.
        sets: The real scans.
        trainer: The loop; `trainer.step` is the number of steps so far.
    """

    def __init__(self, folder: Path, settings: LidarSettings, sets: RealSets | Path) -> None:
        """Read the scans, build the model, and load what the folder holds.

        Args:
            folder: Where states, logs and the checkpoint go.
            settings: How to train.
            sets: Real scans, or the folder that they are read from.

        Raises:
            RecordingError: There are no scans to learn from, or a file is damaged.
            CheckpointError: The folder holds a damaged state, or that of another run.
        """
        self.folder, self.settings = folder, settings
        self.sets = read_sets(sets) if isinstance(sets, Path) else sets
        if not self.sets.train:
            raise RecordingError("lidar training: expected scans to learn from, got none")
        self.model = build_lidar_model(settings.model, settings.network, settings.seed)
        self._filled = _versions(self.sets.train, VERSIONS, settings.seed)
        self.model.fit([scans[0] for scans in self._filled])
        self.trainer = Trainer(
            folder,
            self.model,
            _optimizer(self.model, settings),
            name=f"lidar_{settings.model}_training",
            config={"settings": _json(settings), "data": data_digest(self.sets.train)},
            seed=settings.seed,
            ema_decay=settings.ema,
            log_every=10,
        )

    def run(
        self,
        *,
        steps: int = 10**9,
        cpu_seconds: float = float("inf"),
        every: int = 200,
        on_look: Callable[[dict[str, Jsonable]], None] | None = None,
    ) -> str:
        """Train until the budget is spent; look on the way, and write the checkpoint.

        Tables are done at once.

        Args:
            steps: Steps in all, those of earlier calls included.
            cpu_seconds: CPU time of this call for training, looks not counted [s].
            every: Steps between looks at the validation scans.
            on_look: Called after each with its line.

        Returns:
            What ended it: "steps" or "cpu_seconds"; "fitted" for tables.
        """
        if not self.model.is_trained:
            self.trainer.save()
            self._look(0.0, on_look)
            self.finish()
            return "fitted"
        spent, ended = 0.0, "steps"
        while self.trainer.step < steps and ended == "steps":
            until = min(steps, (self.trainer.step // every + 1) * every)
            began = time.process_time()
            budget = Budget(steps=until, cpu_seconds=cpu_seconds - spent)
            ended = self.trainer.run(self._loss_of, budget, every)
            spent += time.process_time() - began
            self._look(time.process_time() - began, on_look)
        self.finish()
        return ended

    def averaged(self) -> LidarModel:
        """Give the model with the averaged weights."""
        model = build_lidar_model(self.settings.model, self.settings.network)
        model.load_state_dict(self.trainer.ema.mean)
        return model.eval()

    def finish(self, metrics: dict[str, Jsonable] | None = None) -> str:
        """Write the checkpoint of the averaged weights and its card; gives its SHA-256.

        Args:
            metrics: What to say about its quality; the last look by default.
        """
        model, progress = self.averaged(), _lines(self.folder / PROGRESS)
        card: dict[str, Jsonable] = {
            "licence": LICENCE,
            "data_terms": list(ATTRIBUTION),
            "data": {
                "digest": data_digest(self.sets.train),
                "scans": [scan.name for scan in self.sets.train],
            },
            "presets": list(PRESETS),
            "settings": _json(self.settings),
            "share": self.settings.losses.share,
            "steps": self.trainer.step,
            "cpu_seconds": round(sum(float(line["cpu_seconds"]) for line in progress), 1),
            "parameters": sum(
                p.numel() for n, p in model.named_parameters() if not n.startswith("critic.")
            ),
            "metrics": metrics if metrics is not None else (progress[-1] if progress else {}),
        }
        sha256 = save_checkpoint(self.folder / CHECKPOINT, lidar_checkpoint(model, card))
        text = json.dumps({**card, "model": f"lidar_{model.name}", "sha256": sha256}, indent=1)
        write_atomically(self.folder / CARD, (text + "\n").encode())
        return sha256

    def _loss_of(self, model: torch.nn.Module, step: int, rng: np.random.Generator) -> torch.Tensor:
        del model
        for group in self.trainer.optimizer.param_groups:
            group["lr"] = group["highest"] * self.settings.rate_at(step)
        batch = draw_batch(self._filled, self.settings, rng)
        return lidar_loss(self.model, batch, self.settings.losses, rng, step)

    def _look(
        self, cpu_seconds: float, on_look: Callable[[dict[str, Jsonable]], None] | None
    ) -> None:
        line: dict[str, Jsonable] = {
            "step": self.trainer.step,
            "cpu_seconds": round(cpu_seconds, 2),
            **measure(self.averaged(), self.sets.validation),
        }
        kept = [old for old in _lines(self.folder / PROGRESS) if old["step"] < self.trainer.step]
        text = "".join(json.dumps(row) + "\n" for row in [*kept, line])
        write_atomically(self.folder / PROGRESS, text.encode())
        if on_look is not None:
            on_look(line)


def draw_batch(
    filled: Sequence[Sequence[FilledScan]], settings: LidarSettings, rng: np.random.Generator
) -> LidarBatch:
    """Draw patches of one preset, mirrored at random.

    Args:
        filled: Versions of each scan.
        settings: Sizes.
        rng: Random numbers of the step.
    """
    here = [p for p in PRESETS if any(v[0].scan.preset == p for v in filled)]
    first = rng.random() < settings.often
    preset = here[0] if first or len(here) == 1 else here[1]
    own = [versions for versions in filled if versions[0].scan.preset == preset]
    number = PRESETS.index(preset)
    patches = []
    for _ in range(settings.batch[number]):
        versions = own[int(rng.integers(len(own)))]
        scan = versions[int(rng.integers(len(versions)))]
        patches.append(_patch(scan, settings, rng))
    stacked = [np.stack(part).astype(np.float32) for part in zip(*patches, strict=True)]
    x, known, returned, root = (torch.from_numpy(part) for part in stacked)
    return LidarBatch(
        features=x,
        known=known,
        returned=returned,
        root=root,
        preset=torch.full((len(x),), number),
        is_round=False,
    )


def whole_batch(filled: FilledScan) -> LidarBatch:
    """Give a whole scan as a batch of one."""
    return LidarBatch(
        features=torch.from_numpy(features(filled.scan))[None],
        known=torch.from_numpy(filled.known.astype(np.float32))[None],
        returned=torch.from_numpy(filled.returned.astype(np.float32))[None],
        root=torch.from_numpy(np.sqrt(filled.intensity / 255.0).astype(np.float32))[None],
        preset=torch.tensor([PRESETS.index(filled.scan.preset)]),
        is_round=filled.scan.is_round,
    )


@torch.no_grad()
def drop_scores(model: LidarModel, batch: LidarBatch) -> tuple[np.ndarray, np.ndarray]:
    """Give the probability of a loss and the root of reflectivity of a whole scan, (B, A) each."""
    noise = torch.zeros_like(batch.features[:, :1])
    lost, root = model.eval()(batch.features, noise, batch.preset, batch.is_round)
    return torch.sigmoid(lost[0]).numpy(), root[0].numpy()


def measure(model: LidarModel, scans: Sequence[RealScan], seed: int = 0) -> dict[str, Jsonable]:
    """Measure a model by preset.

    Returns:
        By measure and preset: `auc` of lost echoes with decoys in the scans; `auc_bridged` among
        rays that lack an echo in the scan as it is shown, lost ones against decoys, so that what
        bridging looks like tells nothing; `auc_plain` in scans without decoys; `iou` at the
        matched rate, with decoys; `mae`, the mean distance of reflectivity over 255 on returned
        rays.
    """
    found: dict[str, Jsonable] = {}
    for preset in PRESETS:
        own = [(n, scan) for n, scan in enumerate(scans) if scan.preset == preset]
        if not own:
            continue
        counts: dict[str, list[DropCounts]] = {"auc": [], "auc_bridged": [], "auc_plain": []}
        apart: list[np.ndarray] = []
        for number, real in own:
            decoyed = fill(real, decoys(real, stream(seed, "decoys", number)))
            score, root = drop_scores(model, whole_batch(decoyed))
            counts["auc"].append(_counts(score, decoyed, decoyed.known))
            counts["auc_bridged"].append(_counts(score, decoyed, decoyed.bridged))
            plain = fill(real)
            counts["auc_plain"].append(_counts(drop_scores(model, whole_batch(plain))[0], plain))
            came = decoyed.returned
            apart.append(np.abs(root[came] ** 2 - decoyed.intensity[came] / 255.0))
        for name, parts in counts.items():
            found[f"{name}_{preset}"] = round(auc(joined(parts)), 4)
        found[f"iou_{preset}"] = round(matched_iou(joined(counts["auc"])), 4)
        found[f"mae_{preset}"] = round(float(np.concatenate(apart).mean()), 5)
    return found


def _counts(score: np.ndarray, filled: FilledScan, among: BoolArray | None = None) -> DropCounts:
    chosen = filled.known if among is None else among
    return count_drops(score, filled.known & ~filled.returned, chosen, SECTORS)


def data_digest(scans: Sequence[RealScan]) -> str:
    """Give the identity of scans: names, ranges and intensities."""
    parts = [(np.ascontiguousarray(s.range), np.ascontiguousarray(s.intensity)) for s in scans]
    hashes = [[hashlib.sha256(a.tobytes()).hexdigest() for a in pair] for pair in parts]
    return digest([[scan.name, *pair] for scan, pair in zip(scans, hashes, strict=True)])


def _patch(
    filled: FilledScan, settings: LidarSettings, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Features, known, returned and root of reflectivity of a patch of a scan."""
    scan = filled.scan
    rows, columns = scan.range.shape
    width = min(settings.crop, columns)
    start = int(rng.integers(columns if scan.is_round else columns - width + 1))
    place = (start + np.arange(width)) % columns
    if rng.random() < 0.5:
        place = place[::-1]
    blind = rng.random() < settings.blind
    group = np.zeros((rows, width), np.uint8) if blind else scan.group[:, place]
    patch: LidarScan = replace(
        scan, range=scan.range[:, place], group=np.ascontiguousarray(group), is_round=False
    )
    root = np.sqrt(filled.intensity[:, place] / 255.0)
    return features(patch), filled.known[:, place], filled.returned[:, place], root


def _versions(scans: Sequence[RealScan], count: int, seed: int) -> list[list[FilledScan]]:
    """Fill each scan with several draws of decoys."""
    return [
        [fill(real, decoys(real, stream(seed, "train_decoys", n, k))) for k in range(count)]
        for n, real in enumerate(scans)
    ]


def _optimizer(model: LidarModel, settings: LidarSettings) -> torch.optim.Optimizer:
    """Make one optimizer over both networks: momentum for the U-Net, none for the critic."""
    named = list(model.named_parameters())
    own = [p for n, p in named if not n.startswith("critic.")]
    theirs = [p for n, p in named if n.startswith("critic.")]
    if not named:
        own = [torch.nn.Parameter(torch.zeros(1))]
    groups: list[dict[str, Any]] = [{"params": own, "lr": settings.rate, "betas": (0.9, 0.99)}]
    if theirs:
        groups.append({"params": theirs, "lr": settings.critic_rate, "betas": (0.0, 0.99)})
    for group in groups:
        group["highest"] = group["lr"]
    return torch.optim.AdamW(groups, weight_decay=settings.decay)


def _json(settings: LidarSettings) -> dict[str, Jsonable]:
    return {**asdict(settings), "batch": list(settings.batch)}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
