"""The commands that train models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer

from scenegen.cli.terminal import err, out
from scenegen.errors import QueryError
from scenegen.layout.learned import SCENE_MODELS
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.training_run import CHECKPOINT, TrainingRun, TrainingSettings
from scenegen.pipeline.layout_pictures import token_sheet
from scenegen.seeding import Jsonable
from scenegen.training import load_checkpoint

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
SHOWN = 12
"""Scenes on a sheet of samples."""
SHEETS = "samples"

train_app = typer.Typer(name="train", help="Train the models scenegen uses.", no_args_is_help=True)


@train_app.callback()
def train() -> None:
    """Train the models scenegen uses."""


@train_app.command(
    epilog="Example:  scenegen train layout --corpus corpus -o runs/diffusion --cpu-minutes 60"
)
def layout(
    corpus: Annotated[list[Path], typer.Option("--corpus", help="corpora to learn from")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the run")],
    model: Annotated[str, typer.Option(help=", ".join(SCENE_MODELS))] = "diffusion",
    cpu_minutes: Annotated[float, typer.Option(help="CPU time of this call")] = float("inf"),
    steps: Annotated[int, typer.Option(help="steps in all")] = 10**9,
    begin: Annotated[Path | None, typer.Option("--from", help="checkpoint to start from")] = None,
    batch: Annotated[int, typer.Option(min=1, help="scenes per step")] = 64,
    rate: Annotated[float, typer.Option(help="learning rate")] = 1e-3,
    config: Annotated[str, typer.Option(help="settings of the model, JSON")] = "{}",
    every: Annotated[int, typer.Option(min=1, help="steps between validations")] = 500,
    partial: Annotated[bool, typer.Option(help="read corpora that are still being built")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    half: Annotated[bool, typer.Option(help="compute in bfloat16")] = False,
    threads: Annotated[int, typer.Option(min=1, help="threads of torch")] = 1,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the card")] = False,
) -> None:
    """Train a layout model; called again with the same settings, it goes on where it stood."""
    if steps >= 10**9 and cpu_minutes == float("inf"):
        raise QueryError("train layout: expected --steps or --cpu-minutes, got neither")
    torch.set_num_threads(threads)
    settings = TrainingSettings(
        model=model, config=_settings(config), batch=batch, rate=rate, half=half, seed=seed
    )
    start = load_checkpoint(begin, model) if begin is not None else None
    run = TrainingRun(output, settings, corpus, begin=start, device=device, partial=partial)
    if not as_json:
        parameters = sum(p.numel() for p in run.model.parameters()) / 1e6
        out.print(
            f"{len(run.train)} scenes, {parameters:.1f} M parameters, step {run.trainer.step}"
        )

    def look(averaged: SceneModel, step: int, line: dict[str, Jsonable]) -> None:
        if not as_json:
            out.print(
                "  ".join(f"{k} {v:.4g}" for k, v in line.items() if isinstance(v, float | int))
            )
        draw_samples(run, averaged, output / SHEETS / f"{step:06d}.png")

    try:
        ended = run.run(steps=steps, cpu_seconds=60.0 * cpu_minutes, every=every, on_look=look)
    except KeyboardInterrupt:
        run.trainer.save()
        err.print("interrupted: call again to go on")
        raise typer.Exit(INTERRUPTED) from None
    card = json.loads((output / "card.json").read_text())
    if as_json:
        out.print_json(json.dumps(card))
        return
    out.print(f"ended by {ended} at step {run.trainer.step}: [bold]{output / CHECKPOINT}[/]")


def draw_samples(run: TrainingRun, model: SceneModel, path: Path) -> None:
    """Write a sheet: true scenes in the upper half, sampled ones on the same roads below."""
    rows = run.validation if run.validation is not None else run.train
    scenes = rows.scenes(np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(np.int64))
    sampled = model.sample(scenes, torch.Generator().manual_seed(run.settings.seed))
    both = [token_sheet(scenes, tokens, columns=6) for tokens in (scenes.agents, sampled)]
    path.parent.mkdir(parents=True, exist_ok=True)
    gap = np.zeros((6, both[0].shape[1], 3), np.uint8)
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack([both[0], gap, both[1]]), cv2.COLOR_RGB2BGR))


def _settings(text: str) -> dict[str, Jsonable]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise QueryError(f"--config: expected a JSON object, got {text!r}") from error
    if not isinstance(found, dict):
        raise QueryError(f"--config: expected a JSON object, got {text!r}")
    return found
