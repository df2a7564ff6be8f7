"""A training loop that can stop at any step and go on as if it had not.

State lies in one folder: `state.safetensors` (model, optimizer, averages and the step, one atomic
file) and `losses.jsonl` (one line per logged step). Random numbers of step k come from the stream
(seed, "train", k), so there is no generator whose state could be lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scenegen.errors import CheckpointError
from scenegen.seeding import Jsonable, stream
from scenegen.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    write_atomically,
)
from scenegen.training.ema import Ema
from scenegen.training.parallel import ALONE, Processes

STATE, LOSSES = "state.safetensors", "losses.jsonl"
LossOf = Callable[[torch.nn.Module, int, np.random.Generator], torch.Tensor]
"""Loss of a model at a step, with that step's own random numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When to stop; whatever comes first.

    Attributes:
        steps: Steps in all, those before a resume included.
        wall_seconds: Wall time of this call [s].
        cpu_seconds: CPU time of this process during this call [s].
    """

    steps: int
    wall_seconds: float = float("inf")
    cpu_seconds: float = float("inf")


class Trainer:
    """Trains one model with one optimizer; goes on where its folder stands.

    Attributes:
        step: Steps done so far.
        ema: The averaged weights.
    """

    def __init__(
        self,
        folder: Path,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        name: str,
        config: dict[str, Jsonable],
        seed: int = 0,
        ema_decay: float = 0.9995,
        log_every: int = 50,
        clip_norm: float = float("inf"),
        processes: Processes = ALONE,
    ) -> None:
        """Make or find the folder, and load what is in it.

        Args:
            folder: Where the state lies; made if it is not there.
            model: The model, on its device.
            optimizer: The optimizer over the model's parameters.
            name: Name of the model.
            config: Settings the run follows from; a resume with others is refused.
            seed: Everything random follows from it.
            ema_decay: Decay of the averaged weights.
            log_every: Steps between lines of the loss log.
            clip_norm: Gradients longer than this are shortened to it.
            processes: Processes that train together; the first one stores the state.

        Raises:
            CheckpointError: The folder holds a damaged state, or that of another run.
        """
        self.folder, self.model, self.optimizer = folder, model, optimizer
        self.name, self.seed, self.log_every = name, seed, log_every
        self.clip_norm, self.processes = clip_norm, processes
        self.config: dict[str, Jsonable] = {**config, "seed": seed, "ema_decay": ema_decay}
        self.step = 0
        self.ema = Ema(model, ema_decay)
        self._losses: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            self._load()

    def run(self, loss_of: LossOf, budget: Budget, save_every: int = 1000) -> str:
        """Train until the budget is spent, then store the state.

        Args:
            loss_of: Gives the loss of a step.
            budget: When to stop.
            save_every: Steps between stored states; a crash loses no more than these.

        Returns:
            What ended it: "steps", "wall_seconds" or "cpu_seconds".
        """
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.train()
        ended = "steps"
        while self.step < budget.steps:
            self._advance(loss_of)
            if self.step % save_every == 0:
                self.save()
            if self._all_stop(time.perf_counter() - wall >= budget.wall_seconds):
                ended = "wall_seconds"
                break
            if self._all_stop(time.process_time() - cpu >= budget.cpu_seconds):
                ended = "cpu_seconds"
                break
        self.save()
        return ended

    def save(self) -> None:
        """Store the state, the log first: a log without its state is cut when it is read."""
        if not self.processes.leads:
            return
        write_atomically(self.folder / LOSSES, "".join(self._losses).encode())
        state = self.optimizer.state_dict()
        tensors = {f"model.{n}": v for n, v in self.model.state_dict().items()}
        tensors |= {f"ema.{n}": v for n, v in self.ema.mean.items()}
        settings: dict[str, Jsonable] = {}
        for index, slots in state["state"].items():
            for key, value in slots.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer.{index}.{key}"] = value
                else:
                    settings[f"{index}.{key}"] = value
        training: dict[str, Jsonable] = {
            "step": self.step,
            "ema_step": self.ema.step,
            "optimizer_groups": state["param_groups"],
            "optimizer_settings": settings,
        }
        save_checkpoint(
            self.folder / STATE,
            Checkpoint(model=self.name, config=self.config, tensors=tensors, training=training),
        )

    def _advance(self, loss_of: LossOf) -> None:
        loss = loss_of(self.model, self.step, stream(self.seed, "train", self.step))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.average(self.model)
        if self.clip_norm < float("inf"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        self.ema.update(self.model)
        self.step += 1
        if self.step % self.log_every == 0:
            self._losses.append(json.dumps({"step": self.step, "loss": loss.item()}) + "\n")

    def _all_stop(self, spent: bool) -> bool:
        device = next(self.model.parameters()).device
        return self.processes.follow(spent, str(device))

    def _load(self) -> None:
        stored = load_checkpoint(self.folder / STATE, self.name)
        if dict(stored.config) != json.loads(json.dumps(self.config)):
            raise CheckpointError(
                f"{self.folder}: holds a run with settings {json.dumps(dict(stored.config))};"
                " use the same ones, or another folder"
            )
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "ema": {}, "optimizer": {}}
        for name, value in stored.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        try:
            self.model.load_state_dict(parts["model"])
            self.ema.restore(parts["ema"], _number(stored.training["ema_step"]))
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{self.folder}: its weights fit another model ({error})"
            ) from error
        self._load_optimizer(stored, parts["optimizer"])
        self.step = _number(stored.training["step"])
        log = self.folder / LOSSES
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        self._losses = [line for line in lines if json.loads(line)["step"] <= self.step]

    def _load_optimizer(self, stored: Checkpoint, tensors: dict[str, torch.Tensor]) -> None:
        slots: dict[int, dict[str, object]] = {}
        settings = stored.training["optimizer_settings"]
        for source in (tensors, settings if isinstance(settings, dict) else {}):
            for name, value in source.items():
                index, _, key = name.partition(".")
                slots.setdefault(int(index), {})[key] = value
        groups = stored.training["optimizer_groups"]
        try:
            self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder}: its state fits another optimizer ({error})"
            ) from error


def _number(value: Jsonable) -> int:
    if not isinstance(value, int):
        raise CheckpointError(f"training state: expected a whole number, got {value!r}")
    return value
