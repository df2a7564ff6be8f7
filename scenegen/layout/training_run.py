"""Training a layout model on corpora: resumable, with validation, and a checkpoint to ship."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from scenegen.errors import RecordingError
from scenegen.layout.learned import model_of
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.training_card import card_of, identity_of
from scenegen.layout.training_corpus import Corpus, held_out
from scenegen.layout.training_losses import held_out_losses, masked_loss
from scenegen.layout.training_models import (
    build_model,
    checkpoint_of,
    compile_blocks,
)
from scenegen.layout.training_progress import PROGRESS, Progress
from scenegen.layout.training_settings import ACTING_MASKS, TrainingSettings, settings_from
from scenegen.seeding import Jsonable
from scenegen.training import Budget, Checkpoint, Trainer, load_checkpoint, save_checkpoint
from scenegen.training.checkpoint import write_atomically
from scenegen.training.parallel import ALONE, Processes

__all__ = [
    "ACTING_MASKS",
    "BEST",
    "CARD",
    "CHECKPOINT",
    "PROGRESS",
    "Corpus",
    "TrainingRun",
    "TrainingSettings",
    "checkpoint_of",
]

CHECKPOINT, CARD = "checkpoint.safetensors", "card.json"
BEST = "best.safetensors"
"""Averaged weights with the best score so far, of a run that stops early."""


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
        self.validation = held_out(corpora, self.train.events, partial=partial)
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
            config=identity_of(settings, self.train, begin),
            seed=settings.seed,
            ema_decay=settings.ema,
            clip_norm=settings.clip,
            processes=processes,
        )
        processes.agree(self.model)

    @property
    def progress(self) -> Progress:
        """What every validation found."""
        return Progress(folder=self.folder)

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
            if patience and self.progress.waited >= patience:
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
            if keep_best and self.progress.waited == 0:
                self._keep()
            if on_look is not None:
                on_look(self.averaged(), self.trainer.step, line)
        self.processes.wait()

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
            score = self.progress.scores(best)
        card = (
            card_of(model, self.settings, self.train, self.progress, self.begin, self.trainer.step)
            | score
        )
        sha256 = save_checkpoint(self.folder / CHECKPOINT, checkpoint_of(model, card))
        text = json.dumps({**card, "sha256": sha256}, indent=1, sort_keys=True)
        write_atomically(self.folder / CARD, text.encode())
        return sha256

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
        scenes = scenes.acting() if alone else scenes
        return masked_loss(settings, self.model, scenes, generator, self.device, alone=alone)

    @torch.no_grad()
    def _validate(self, cpu_seconds: float) -> dict[str, Jsonable]:
        """Measure the loss of the averaged weights, each time on the same masked, noisy scenes."""
        line: dict[str, Jsonable] = {
            "step": self.trainer.step,
            "cpu_seconds": round(cpu_seconds, 2),
            "train_loss": self.progress.train_loss,
        }
        if self.validation is not None:
            model = self.averaged().to(self.device)
            line |= held_out_losses(self.settings, model, self.validation, self.device)
        self.progress.add(line, self.trainer.step)
        return line
