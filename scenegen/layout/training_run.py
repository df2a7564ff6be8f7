"""Training a layout model on corpora: resumable, with validation, and a checkpoint to ship."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenegen.arrays import IntArray
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.layout.known_masks import MaskShares, draw_masks
from scenegen.layout.learned import SCENE_MODELS, model_of
from scenegen.layout.motion import ACCELERATION_LIMITS
from scenegen.layout.network import Block, MapEncoder, RelationEncoder
from scenegen.layout.raw_measures import raw_measures
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.shards import CorpusReader
from scenegen.layout.standardize import GROUPS
from scenegen.layout.student import StudentModel
from scenegen.layout.tokens import ACCELERATION_SCALE
from scenegen.seeding import Jsonable, digest, stream
from scenegen.training import Budget, Checkpoint, Trainer, load_checkpoint, save_checkpoint
from scenegen.training.checkpoint import write_atomically
from scenegen.training.parallel import ALONE, Processes

CHECKPOINT, CARD, PROGRESS = "checkpoint.safetensors", "card.json", "progress.jsonl"
BEST = "best.safetensors"
"""Averaged weights with the best score so far, of a run that stops early."""
LICENCE = "Apache-2.0"
ACTING_MASKS = MaskShares(agents=0.15, begin=0.05, channels=0.05, one_missing=0.0, ego=0.6)
"""Masks of steps on ego and roles alone: mostly what staging an event around an ego asks for."""
VALIDATION_SCENES = 512
"""Scenes of the validation split a loss is measured on, at most."""
MEASURED_SCENES = 64
"""Of these, scenes that samples are drawn for, at most."""
COUNT_WEIGHT = 0.1
"""Weight of the distribution of the number of agents, which shares no weights with the rest."""
LARGEST = 1024
"""Tensors with more numbers than this are stored as half floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a layout model is trained.

    Attributes:
        model: Name in SCENE_MODELS.
        config: Settings of the model beside `events`; see its `from_config`.
        events: Event families of the condition; those of the corpora if empty.
        batch: Scenes per step.
        rate: Learning rate after the warm-up.
        warm_up: Steps over which it rises.
        hold: Steps after which it falls as 1 / sqrt(step) (as in EDM2, Karras et al. 2024), which
            needs no end to be known.
        decay: Weight decay of AdamW.
        clip: Length to which longer gradients are shortened.
        ema: Decay of the averaged weights.
        half: Whether networks compute in bfloat16; faster where the hardware has it.
        masks: How often each kind of mask is drawn.
        acting: Share of steps on the ego and the roles of events alone. They are few among the
            agents of a scene, yet they are the event; such a step costs a third of another.
        acting_masks: How often each kind of mask is drawn in these.
        seed: Everything random follows from it.
    """

    model: str = "diffusion"
    config: Mapping[str, Jsonable] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    batch: int = 64
    rate: float = 1e-3
    warm_up: int = 300
    hold: int = 4000
    decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    half: bool = False
    masks: MaskShares = field(default_factory=MaskShares)
    acting: float = 0.0
    acting_masks: MaskShares = ACTING_MASKS
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the name and the numbers."""
        if self.model not in SCENE_MODELS:
            raise UnknownNameError("scene model", self.model, SCENE_MODELS)
        if not 0.0 <= self.acting <= 1.0:
            raise ValueError(f"TrainingSettings.acting: expected 0 to 1, got {self.acting}")
        if min(self.batch, self.warm_up, self.hold) < 1 or self.rate <= 0.0:
            raise ValueError(f"TrainingSettings: expected positive numbers, got {self}")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / self.warm_up)
        return self.rate * rise * min(1.0, (self.hold / (step + 1)) ** 0.5)


class Corpus:
    """Rows of corpora with their conditions, as batches of scenes.

    Attributes:
        staged: Rows that stage an event.
    """

    def __init__(
        self, folders: Sequence[Path], split: str, events: Sequence[str], *, partial: bool = False
    ) -> None:
        """Read one split.

        Args:
            folders: Where the corpora are.
            split: Which split.
            events: Event families the model knows; none for those of the corpora.
            partial: Read the finished part of corpora that are still being built.

        Raises:
            RecordingError: A corpus is damaged, unfinished, or has no row in the split.
        """
        self.reader = CorpusReader(folders, split, partial=partial)
        self.events = tuple(events) or self.reader.families[1:]
        if not len(self.reader):
            raise RecordingError(f"{folders[0]}: expected rows in the split {split!r}, found none")
        self.condition, self.asked = self.reader.conditions(self.events)
        self.staged: IntArray = np.flatnonzero(self.reader.rows.family > 0)
        # An agent that leaves the world seems to stop within one step; no tyre brakes so hard.
        low, high = (limit / ACCELERATION_SCALE for limit in ACCELERATION_LIMITS)
        self.reader.rows.agents[..., GROUPS["acceleration"]].clamp_(low, high)

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.reader)

    def scenes(self, rows: Any) -> SceneBatch:  # noqa: ANN401 - anything numpy indexes with
        """Give scenes by number; all of the condition is asked."""
        at = np.asarray(rows)
        return SceneBatch.from_corpus(self.reader.batch(at), self.condition[at], self.asked[at])

    def digest(self) -> str:
        """Identity of the rows: their agents and where they came from."""
        rows = self.reader.rows
        parts = (rows.agents.numpy(), rows.index, rows.family, rows.road)
        return digest(
            [hashlib.sha256(np.ascontiguousarray(p).tobytes()).hexdigest() for p in parts]
        )


class TrainingRun:
    """One training in one folder; started again, it goes on where it stands.

    Attributes:
        model: The model, with the weights of the last step.
        trainer: The loop; `trainer.step` is the number of steps so far.
        train: Rows to learn from.
        validation: Rows to judge by, None where the corpora have none.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrainingSettings,
        corpora: Sequence[Path],
        *,
        begin: Checkpoint | None = None,
        device: str = "cpu",
        partial: bool = False,
        processes: Processes = ALONE,
        compiled: bool = False,
    ) -> None:
        """Read the corpora, build the model, and load what the folder holds.

        Args:
            folder: Where states, logs and the checkpoint go.
            settings: How to train.
            corpora: Folders of corpora.
            begin: Weights to start from instead of fresh ones; for a student those of its teacher.
                Events and settings are those of the checkpoint unless others are given.
            device: cpu or cuda.
            partial: Read the finished part of corpora that are still being built.
            processes: Processes that train together.
            compiled: Whether torch compiles the blocks of the network; worth it on GPUs.

        Raises:
            CheckpointError: The weights to start from are of another family or size, or the folder
                holds another run.
        """
        settings = settings_from(settings, begin)
        self.folder, self.settings, self.device, self.begin = folder, settings, device, begin
        self.processes, self.share = processes, processes.share(settings.batch)
        self.train = Corpus(corpora, "train", settings.events, partial=partial)
        self.validation = _validation(corpora, self.train.events, partial)
        self.model = build_model(settings, self.train.events)
        if begin is not None:
            self.model.begin_from(model_of(begin))
        else:
            self.model.scale.fit(self.train.reader.rows.agents)
        self.model.to(device)
        if compiled:
            compile_blocks(self.model)
        optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.rate,
            weight_decay=settings.decay,
            betas=self.model.betas,
        )
        self.trainer = Trainer(
            folder,
            self.model,
            optimizer,
            name=settings.model,
            config=_config_of(settings, self.train, begin),
            seed=settings.seed,
            ema_decay=settings.ema,
            clip_norm=settings.clip,
            processes=processes,
        )
        processes.agree(self.model)

    def run(
        self,
        *,
        steps: int = 10**9,
        cpu_seconds: float = float("inf"),
        every: int = 500,
        patience: int = 0,
        on_look: Callable[[SceneModel, int, dict[str, Jsonable]], None] | None = None,
    ) -> str:
        """Train until the budget is spent; validate on the way, and write the checkpoint.

        Args:
            steps: Steps in all, those of earlier calls included.
            cpu_seconds: CPU time of this call [s].
            every: Steps between validations.
            patience: Validations without a better score after which the run ends; the checkpoint
                then has the best weights, maybe those it began with. 0 to go on, and to take the
                last ones.
            on_look: Called after each with the averaged model, the step and the losses.

        Returns:
            What ended it: "steps", "cpu_seconds" or "patience".

        Raises:
            RecordingError: There is patience, but nothing is held out to judge by.
        """
        if patience and self.validation is None:
            raise RecordingError("train: expected held-out scenes to stop early by, found none")
        began, ended = time.process_time(), "steps"
        if patience and self.trainer.step == 0:
            self._look(0.0, on_look, keep_best=True)
        while self.trainer.step < steps:
            if patience and self._waited() >= patience:
                ended = "patience"
                break
            until = min(steps, (self.trainer.step // every + 1) * every)
            left = cpu_seconds - (time.process_time() - began)
            before = time.process_time()
            ended = self.trainer.run(self._loss_of, Budget(steps=until, cpu_seconds=left), every)
            self._look(time.process_time() - before, on_look, keep_best=patience > 0)
            if ended == "cpu_seconds":
                break
        if self.processes.leads:
            self.finish()
        self.processes.wait()
        return ended

    def _look(
        self,
        cpu_seconds: float,
        on_look: Callable[[SceneModel, int, dict[str, Jsonable]], None] | None,
        *,
        keep_best: bool,
    ) -> None:
        """Validate, in the first process; keep the weights if they are the best so far."""
        if self.processes.leads:
            line = self._validate(cpu_seconds)
            if keep_best and self._waited() == 0:
                self._keep()
            if on_look is not None:
                on_look(self.averaged(), self.trainer.step, line)
        self.processes.wait()

    def _waited(self) -> int:
        """Number of validations since the best one."""
        losses = [row["validation_loss"] for row in _lines(self.folder / PROGRESS)]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0

    def _keep(self) -> None:
        weights = {n: v.cpu() for n, v in self.averaged().state_dict().items()}
        best = Checkpoint(
            model=self.settings.model,
            config=self.model.config(),
            tensors=weights,
            training={"step": self.trainer.step},
        )
        save_checkpoint(self.folder / BEST, best)

    def averaged(self) -> SceneModel:
        """Give the model with the averaged weights, on the CPU."""
        model = build_model(self.settings, self.train.events)
        model.load_state_dict({n: v.cpu() for n, v in self.trainer.ema.mean.items()})
        return model.eval()

    def finish(self) -> str:
        """Write the checkpoint of the averaged weights and its card; gives its SHA-256.

        Of a run that stops early, those of the step with the best score.
        """
        model, score = self.averaged(), dict[str, Jsonable]()
        if (self.folder / BEST).exists():
            best = load_checkpoint(self.folder / BEST, self.settings.model)
            model = model_of(best)
            score = self._scores(best)
        progress = _lines(self.folder / PROGRESS)
        own = round(sum(float(line["cpu_seconds"]) for line in progress), 1)
        card: dict[str, Jsonable] = {
            "model": self.settings.model,
            "licence": LICENCE,
            "data": {"digest": self.train.digest(), "scenes": len(self.train)},
            "settings": _json(self.settings),
            "steps": self.trainer.step,
            "scenes_seen": self.trainer.step * self.settings.batch,
            "cpu_seconds": own,
            "cpu_seconds_in_all": round(own + cpu_seconds_of(self.begin), 1),
            "begun_from": self.begin.sha256 if self.begin is not None else "",
            "parameters": sum(p.numel() for p in model.parameters()),
            "metrics": progress[-1] if progress else {},
            **score,
        }
        sha256 = save_checkpoint(self.folder / CHECKPOINT, checkpoint_of(model, card))
        text = json.dumps({**card, "sha256": sha256}, indent=1, sort_keys=True)
        write_atomically(self.folder / CARD, text.encode())
        return sha256

    def _scores(self, best: Checkpoint) -> dict[str, Jsonable]:
        """Held-out scores before any step and at the best one."""
        rows = _lines(self.folder / PROGRESS)
        step = best.training["step"]
        after = next(row for row in rows if row["step"] == step)
        return {"held_out_before": rows[0], "held_out_after": after, "best_step": step}

    def _loss_of(self, model: torch.nn.Module, step: int, rng: np.random.Generator) -> torch.Tensor:
        settings = self.settings
        for group in self.trainer.optimizer.param_groups:
            group["lr"] = settings.rate_at(step)
        alone = settings.acting > 0.0 and float(rng.random()) < settings.acting
        choices = self.train.staged if alone else np.arange(len(self.train))
        if not len(choices):
            raise RecordingError("train: expected rows that stage an event, found none")
        rows = choices[rng.integers(len(choices), size=settings.batch)]
        seed = int(rng.integers(2**62))
        rank = self.processes.rank
        rows = rows[rank * self.share : (rank + 1) * self.share]
        generator = torch.Generator().manual_seed((seed + rank) % 2**62)
        scenes = self.train.scenes(rows)
        return self._loss(self.model, scenes.acting() if alone else scenes, generator, alone=alone)

    def _loss(
        self,
        model: SceneModel,
        batch: SceneBatch,
        generator: torch.Generator,
        *,
        alone: bool = False,
    ) -> torch.Tensor:
        shares = self.settings.acting_masks if alone else self.settings.masks
        batch = draw_masks(batch, model.groups, generator, shares).to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.settings.half):
            loss = model.loss(batch, generator)
        # How many agents there are is told by whole scenes only.
        return loss if alone else loss + COUNT_WEIGHT * model.count.loss(batch)

    @torch.no_grad()
    def _validate(self, cpu_seconds: float) -> dict[str, Jsonable]:
        """Measure the loss of the averaged weights, each time on the same masked, noisy scenes."""
        line: dict[str, Jsonable] = {
            "step": self.trainer.step,
            "cpu_seconds": round(cpu_seconds, 2),
            "train_loss": self._recent(),
        }
        if self.validation is not None:
            model = self.averaged().to(self.device)
            rows = stream(self.settings.seed, "validation").permutation(len(self.validation))
            parts = np.array_split(
                rows[:VALIDATION_SCENES], -(-min(len(rows), VALIDATION_SCENES) // 64)
            )
            generator = torch.Generator().manual_seed(self.settings.seed)
            losses = [
                float(self._loss(model, self.validation.scenes(part), generator)) for part in parts
            ]
            line["validation_loss"] = float(np.mean(losses))
            line |= self._acting_loss(model)
            line |= self._measure(model, self.validation.scenes(rows[:MEASURED_SCENES]))
        kept = [old for old in _lines(self.folder / PROGRESS) if old["step"] < self.trainer.step]
        text = "".join(json.dumps(row) + "\n" for row in [*kept, line])
        write_atomically(self.folder / PROGRESS, text.encode())
        return line

    def _acting_loss(self, model: SceneModel) -> dict[str, Jsonable]:
        """Measure the loss on ego and roles alone, where they are trained on."""
        if self.validation is None or self.settings.acting == 0.0:
            return {}
        staged = self.validation.staged[:VALIDATION_SCENES]
        if not len(staged):
            return {}
        generator = torch.Generator().manual_seed(self.settings.seed)
        losses = [
            float(self._loss(model, self.validation.scenes(p).acting(), generator, alone=True))
            for p in np.array_split(staged, -(-len(staged) // 64))
        ]
        return {"acting_loss": float(np.mean(losses))}

    def _measure(self, model: SceneModel, batch: SceneBatch) -> dict[str, Jsonable]:
        """Sample scenes on known roads and measure them raw."""
        batch = batch.to(self.device)
        tokens = model.sample(batch, torch.Generator().manual_seed(self.settings.seed))
        return {**raw_measures(batch, tokens)}

    def _recent(self) -> float | None:
        """Mean of the last logged training losses."""
        rows = _lines(self.folder / "losses.jsonl")[-10:]
        return float(np.mean([row["loss"] for row in rows])) if rows else None


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


def settings_from(settings: TrainingSettings, begin: Checkpoint | None) -> TrainingSettings:
    """Take events and settings over from the checkpoint that a training starts from."""
    if begin is None:
        return settings
    known = SCENE_MODELS[settings.model].parts.keys() | {"network"}
    config = {name: part for name, part in begin.config.items() if name in known}
    found = begin.config.get("events")
    events = tuple(map(str, found)) if isinstance(found, list) else ()
    return replace(settings, config={**config, **settings.config}, events=settings.events or events)


def compile_blocks(model: SceneModel) -> None:
    """Let torch compile the layers that do the work, in place; names of weights stay."""
    for part in model.modules():
        if isinstance(part, Block | RelationEncoder | MapEncoder):
            part.compile()


def _validation(corpora: Sequence[Path], events: Sequence[str], partial: bool) -> Corpus | None:
    try:
        return Corpus(corpora, "val", events, partial=partial)
    except RecordingError:
        return None


def _config_of(
    settings: TrainingSettings, train: Corpus, begin: Checkpoint | None
) -> dict[str, Jsonable]:
    taught = settings.model == StudentModel.name and begin is not None
    source: dict[str, Jsonable] = {"from": begin.sha256} if begin is not None and taught else {}
    return {
        "settings": _json(settings),
        "data": train.digest(),
        "events": list(train.events),
        **source,
    }


def _json(settings: TrainingSettings) -> dict[str, Jsonable]:
    plain = asdict(settings)
    return {**plain, "events": list(settings.events), "config": dict(settings.config)}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
