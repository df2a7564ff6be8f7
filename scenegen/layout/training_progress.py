"""Progress of a training in its folder: what every validation found, and which was the best."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint
from scenegen.training.checkpoint import write_atomically

PROGRESS = "progress.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The lines that validations wrote.

    Attributes:
        folder: Folder of the training.
    """

    folder: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What each validation found, in order."""
        return _lines(self.folder / PROGRESS)

    @property
    def waited(self) -> int:
        """Number of validations since the best one."""
        losses = [row["validation_loss"] for row in self.lines]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0

    @property
    def train_loss(self) -> float | None:
        """Mean of the last logged training losses."""
        rows = _lines(self.folder / "losses.jsonl")[-10:]
        return float(np.mean([row["loss"] for row in rows])) if rows else None

    def add(self, line: Mapping[str, Jsonable], step: int) -> None:
        """Write what a validation found; lines of this step and later ones are replaced."""
        kept = [old for old in self.lines if old["step"] < step]
        text = "".join(json.dumps(row) + "\n" for row in [*kept, line])
        write_atomically(self.folder / PROGRESS, text.encode())

    def scores(self, best: Checkpoint) -> dict[str, Jsonable]:
        """Held-out scores before any step and at that of the best checkpoint."""
        rows, step = self.lines, best.training["step"]
        after = next(row for row in rows if row["step"] == step)
        return {"held_out_before": rows[0], "held_out_after": after, "best_step": step}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
