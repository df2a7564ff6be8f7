"""Training a camera model on traced pairs: resumable, deterministic, with a checkpoint to ship.

The recipe of our own model: two thirds of the budget go to reconstruction alone; then the
discriminator learns for a while by itself; then it joins, weighed so that its gradient at the last
layer is ADVERSARIAL_SHARE of that of the reconstruction. Shares of the budget are of steps where
a number of steps is given, and of CPU time otherwise; the first makes runs repeatable to the bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scenegen.appearance.camera_batches import (
    Batch,
    crop_size,
    draw_batch,
    draw_moved,
    on_device,
)
from scenegen.appearance.camera_critics import RATE, Critics
from scenegen.appearance.camera_generator import CameraGenerator
from scenegen.appearance.camera_inputs import BASE, VERSION
from scenegen.appearance.camera_looks import measured
from scenegen.appearance.camera_losses import (
    RandomFeatures,
    absolute_error,
    feature_error,
    gradient_ratio,
    low_pass_error,
    moved_error,
)
from scenegen.appearance.camera_pairs import CameraPairs
from scenegen.appearance.camera_real import RealPictures
from scenegen.appearance.camera_recipes import (
    CAMERA_MODELS,
    Adversary,
    camera_checkpoint,
    fresh_model,
)
from scenegen.appearance.camera_rivals import BlurryVae
from scenegen.appearance.camera_settings import CameraBudget, CameraTraining
from scenegen.appearance.camera_state import load_state, save_state
from scenegen.errors import RecordingError
from scenegen.seeding import Jsonable, stream
from scenegen.training import Checkpoint, Ema, save_checkpoint
from scenegen.training.checkpoint import write_atomically

STATE, CHECKPOINT, CARD, PROGRESS = (
    "state.safetensors",
    "checkpoint.safetensors",
    "card.json",
    "progress.jsonl",
)
LICENCE = "Apache-2.0"
VALIDATION_VIEWS = 8
"""Held-out views that a look measures, at most."""
WEIGHED_EVERY = 8
"""Steps between measurements of the gradients."""
LAST_RATE = 0.1
"""Share of the learning rate that is left at the end of the budget."""


class CameraRun:
    """One training in one folder; started again, it goes on where it stands.

    Attributes:
        model: The model with the weights of the last step.
        step: Steps so far.
        spent: CPU time of them [s].
        train: Views to learn from.
        held_out: Views to judge by, None where the pairs have none.
    """

    def __init__(
        self,
        folder: Path,
        settings: CameraTraining,
        pairs: Path,
        *,
        real: Path | None = None,
        begin: Checkpoint | None = None,
        device: str = "cpu",
    ) -> None:
        """Open the pairs, build the networks, and load what the folder holds.

        Args:
            folder: Where states, logs and the checkpoint go; made if it is not there.
            settings: How to train.
            pairs: Folder of traced pairs whose cache was built.
            real: Folder of real pictures, for a discriminator of their own.
            begin: Weights to start from instead of fresh ones.
            device: cpu or cuda.

        Raises:
            RecordingError: There are no pairs, or no real pictures.
            CheckpointError: The folder holds another run, or the weights do not fit.
        """
        self.folder, self.settings, self.device = folder, settings, device
        self.recipe = CAMERA_MODELS[settings.model]
        self.train = CameraPairs(pairs, held_out=False)
        self.held_out = _held_out(pairs)
        self.size = crop_size(self.train, settings.crop)
        self.real = RealPictures(real, self.train.size[1], self.size[0]) if real else None
        if self.real is not None and self.recipe.adversary is Adversary.NONE:
            raise RecordingError(
                f"{real}: real pictures are learned through an adversary, which the model"
                f" {settings.model!r} lacks; choose gan"
            )
        self.model = fresh_model(settings.model, settings.size, settings.seed).to(device)
        self.begin = "" if begin is None else begin.sha256
        if begin is not None:
            self.model.load_state_dict({n: v.float() for n, v in begin.tensors.items()})
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=settings.rate, betas=(0.9, 0.99)
        )
        self.ema = Ema(self.model, settings.ema)
        self.features = RandomFeatures().to(device)
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {
            "model": self.model,
            "optimizer": self.optimizer,
        }
        self.critics: Critics | None = None
        if self.recipe.adversary is not Adversary.NONE:
            self._add_critics()
        self.step, self.since, self.weight, self.spent = 0, -1, 0.0, 0.0
        self.lines: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            self._load()

    def run(
        self,
        budget: CameraBudget,
        *,
        every: int = 500,
        on_look: Callable[[nn.Module, dict[str, Jsonable]], None] | None = None,
        pause_after: float = float("inf"),
    ) -> str:
        """Train until the budget is spent, looking on the way, and write the checkpoint.

        Args:
            budget: What the run may cost in all.
            every: Steps between looks and stored states.
            on_look: Called after each look with the averaged model and its figures.
            pause_after: CPU time of this call after which it stops before the end [s].

        Returns:
            What ended it: "budget" or "pause".
        """
        began, sums = self.spent, dict[str, list[float]]()
        ended = "budget"
        while (share := budget.spent(self.step, self.spent)) < 1.0:
            if self.spent - began >= pause_after:
                ended = "pause"
                break
            now = time.process_time()
            for name, value in self._advance(share).items():
                sums.setdefault(name, []).append(value)
            self.spent += time.process_time() - now
            if self.step % every == 0:
                self._look(sums, on_look)
                sums = {}
        if sums:
            self._look(sums, on_look)
        self.finish()
        return ended

    def averaged(self) -> nn.Module:
        """Give the model with the averaged weights, on the CPU."""
        model = fresh_model(self.settings.model, self.settings.size, self.settings.seed)
        model.load_state_dict({n: v.cpu() for n, v in self.ema.mean.items()})
        return model.eval()

    def save(self) -> None:
        """Store the state."""
        numbers: dict[str, Jsonable] = {
            "step": self.step,
            "since": self.since,
            "weight": self.weight,
            "spent": self.spent,
            "ema_step": self.ema.step,
            "lines": self.lines,
        }
        path = self.folder / STATE
        save_state(path, self._name, self._config(), self.parts, self.ema.mean, numbers)

    def finish(self) -> str:
        """Store the state, the checkpoint of the averaged weights and its card.

        Returns:
            SHA-256 of the checkpoint.
        """
        self.save()
        model = self.averaged()
        card: dict[str, Jsonable] = {
            "model": self.settings.model,
            "licence": LICENCE,
            "inputs": VERSION,
            "pairs": {"digest": self.train.digest(), "views": len(self.train)},
            "real": self._real_card(),
            "begin": self.begin,
            "settings": self.settings.to_json(),
            "steps": self.step,
            "adversarial_since": self.since,
            "crops_seen": self.step * self.settings.batch,
            "parameters": sum(p.numel() for p in model.parameters()),
        }
        checkpoint = camera_checkpoint(self.settings.model, model, card)
        sha256 = save_checkpoint(self.folder / CHECKPOINT, checkpoint)
        metrics: Mapping[str, Jsonable] = self.lines[-1] if self.lines else {}
        told = {
            **card,
            "cpu_seconds": round(self.spent, 1),
            "held_out": metrics,
            "sha256": sha256,
        }
        write_atomically(self.folder / CARD, json.dumps(told, indent=1, sort_keys=True).encode())
        return sha256

    def _add_critics(self) -> None:
        """Make the discriminators and their optimizer."""
        self.critics = Critics(
            self.recipe.adversary, with_real=self.real is not None, seed=self.settings.seed
        ).to(self.device)
        self.critic_optimizer = torch.optim.Adam(
            self.critics.parameters(), lr=RATE, betas=(0.5, 0.99)
        )
        self.parts |= {"critics": self.critics, "critic_optimizer": self.critic_optimizer}

    @property
    def _name(self) -> str:
        return f"camera_training_{self.settings.model}"

    def _real_card(self) -> dict[str, Jsonable] | None:
        if self.real is None:
            return None
        return {"digest": self.real.digest(), "pictures": len(self.real)}

    def _config(self) -> dict[str, Jsonable]:
        return {
            "settings": self.settings.to_json(),
            "pairs": self.train.digest(),
            "real": self.real.digest() if self.real is not None else "",
            "begin": self.begin,
        }

    def _load(self) -> None:
        path = self.folder / STATE
        numbers: Any = load_state(path, self._name, self._config(), self.parts, self.ema.mean)
        self.step, self.since = int(numbers["step"]), int(numbers["since"])
        self.weight, self.spent = float(numbers["weight"]), float(numbers["spent"])
        self.ema.step, self.lines = int(numbers["ema_step"]), list(numbers["lines"])

    def _advance(self, share: float) -> dict[str, float]:
        """Make one step at a share of the budget; gives its losses."""
        settings, recipe = self.settings, self.recipe
        rng = stream(settings.seed, "camera", "train", self.step)
        batch = on_device(
            draw_batch(self.train, settings.batch, self.size, rng, self.real), self.device
        )
        joined = self._joined(share)
        self._set_rates(share, joined=joined)
        alone = joined and recipe.waits and self.step < self.since + settings.warm_up
        with torch.set_grad_enabled(not alone):
            drawn, divergence = self._drawn(batch, rng)
        told: dict[str, float] = {}
        if joined and self.critics is not None:
            loss = self.critics.own_loss(batch, drawn.detach(), self.step, rng)
            self.critic_optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.critic_optimizer.step()
            told["critic"] = loss.item()
        if not alone:
            loss = self._model_loss(batch, drawn, divergence, rng, joined=joined, told=told)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.ema.update(self.model)
        self.step += 1
        return told

    def _drawn(self, batch: Batch, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """What the model makes of a batch, and the divergence of its posterior."""
        if isinstance(self.model, BlurryVae):
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            inputs = (batch.stack, batch.condition, batch.style, batch.target)
            return self.model.reconstruct(*inputs, generator)
        drawn: torch.Tensor = self.model(batch.stack, batch.condition, batch.style)
        return drawn, drawn.new_zeros(())

    def _model_loss(
        self,
        batch: Batch,
        drawn: torch.Tensor,
        divergence: torch.Tensor,
        rng: np.random.Generator,
        *,
        joined: bool,
        told: dict[str, float],
    ) -> torch.Tensor:
        """Loss of the model; its parts go to `told`."""
        recipe = self.recipe
        if recipe.divergence > 0.0:  # The likelihood of a variational model is Gaussian.
            error = 4.0 * (drawn - batch.target).square().mean() + recipe.divergence * divergence
        else:
            error = recipe.absolute * absolute_error(drawn, batch.target, batch.stack)
        told["error"] = float((drawn.detach() - batch.target).abs().mean())
        if recipe.low_pass > 0.0:
            error = error + recipe.low_pass * low_pass_error(drawn, batch.target)
        if recipe.feature > 0.0:
            error = error + recipe.feature * feature_error(self.features, drawn, batch.target)
        loss = error
        if joined and self.critics is not None:
            passing, matching = self.critics.model_loss(batch, drawn, rng)
            told["passing"] = float(passing.detach())
            loss = loss + self._weigh(error, passing) * passing + recipe.matching * matching
        if recipe.moved > 0.0 and self.train.moved and self.step % self.settings.moved_every == 0:
            moved = self._moved_loss(rng)
            told["moved"] = float(moved.detach())
            loss = loss + recipe.moved * self.settings.moved_every * moved
        return loss

    def _weigh(self, error: torch.Tensor, passing: torch.Tensor) -> float:
        """Weight of the adversary: that of the recipe, or by gradients at the last layer."""
        if self.recipe.adversarial > 0.0 or not isinstance(self.model, CameraGenerator):
            return self.recipe.adversarial
        if self.weight == 0.0 or self.step % WEIGHED_EVERY == 0:
            last = self.model.residual.weight
            now = float(gradient_ratio(error, passing, last, self.settings.adversarial_share))
            self.weight = now if self.weight == 0.0 else 0.9 * self.weight + 0.1 * now
        return self.weight

    def _moved_loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Difference of the corrections of a view and of the view a step ahead."""
        moved = on_device(draw_moved(self.train, self.size, rng), self.device)
        change = self.model(moved.stack, moved.condition, moved.style) - moved.stack[:, BASE]
        return moved_error(change[:1], change[1:], moved.motion, moved.seen)

    def _joined(self, share: float) -> bool:
        """Whether there is an adversary at a share of the budget."""
        if self.critics is None:
            return False
        if self.since < 0 and (not self.recipe.waits or share >= self._joins_at):
            self.since = self.step
        return self.since >= 0

    @property
    def _joins_at(self) -> float:
        """Share of the budget at which the adversary joins: at once where weights were given."""
        return 0.0 if self.begin else self.settings.adversarial_from

    def _set_rates(self, share: float, *, joined: bool) -> None:
        """Set the learning rates: lower beside an adversary, and falling over the last third."""
        settings = self.settings
        late = joined or share >= settings.adversarial_from
        fall = 1.0 - (1.0 - LAST_RATE) * max(0.0, (share - 2 / 3) * 3.0)
        for group in self.optimizer.param_groups:
            group["lr"] = (settings.adversarial_rate if late else settings.rate) * fall
        if joined:
            for group in self.critic_optimizer.param_groups:
                group["lr"] = RATE * fall

    def _look(
        self,
        sums: dict[str, list[float]],
        on_look: Callable[[nn.Module, dict[str, Jsonable]], None] | None,
    ) -> None:
        """Measure the averaged model on held-out views and log the losses since the last look."""
        model = self.averaged()
        line: dict[str, Jsonable] = {"step": self.step}
        line |= {name: round(float(np.mean(values)), 6) for name, values in sums.items()}
        if self.since >= 0 and self.weight > 0.0:
            line["weight"] = round(self.weight, 6)
        views = self.held_out or self.train
        line |= measured(model, views, VALIDATION_VIEWS)
        self.lines.append(line)
        self.save()
        text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in self.lines)
        write_atomically(self.folder / PROGRESS, text.encode())
        if on_look is not None:
            on_look(model, line)


def _held_out(pairs: Path) -> CameraPairs | None:
    try:
        return CameraPairs(pairs, held_out=True)
    except RecordingError:
        return None
