"""The commands that train models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import torch
import typer

from scenegen.cli.terminal import err, out
from scenegen.cli.train_lidar import train_lidar
from scenegen.cli.train_renderer import renderer
from scenegen.errors import QueryError
from scenegen.layout.learned import SCENE_MODELS
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.shard_file import MANIFEST
from scenegen.layout.shipping import install as install_checkpoint
from scenegen.layout.training_run import CHECKPOINT, TrainingRun, TrainingSettings
from scenegen.pipeline.layout_pictures import token_sheet
from scenegen.pipeline.recorded_corpus import read_recordings, write_recorded_corpus
from scenegen.seeding import Jsonable
from scenegen.training import load_checkpoint
from scenegen.training.parallel import Processes

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
SHOWN = 12
"""Scenes on a sheet of samples."""
SHEETS, RECORDINGS = "samples", "recordings"
FINE_RATE, FEW_WARM_UP, FEW_EVERY, FEW_PATIENCE = 2e-4, 20, 25, 6
"""Fitting a trained model to few recordings: learning rate, and steps between looks."""
RAW_MEASURES = ("overlapping", "beside_lanes", "lateral", "heading")

Corpora = Annotated[list[Path] | None, typer.Option("--corpus", help="corpora to learn from")]
Recordings = Annotated[
    Path | None,
    typer.Option(help="recordings to fit to: a dataset, or a folder of CommonRoad files"),
]
Rate = Annotated[
    float | None, typer.Option(help="learning rate", show_default="1e-3, with --from 2e-4")
]
Acting = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="share of steps on the ego and roles of events alone; not with --data",
    ),
]
Every = Annotated[
    int | None,
    typer.Option(min=1, help="steps between validations", show_default="500, with --data 25"),
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="validations without a better score before it ends; 0 to go on",
        show_default="0, with --data 6",
    ),
]

train_app = typer.Typer(name="train", help="Train the models scenegen uses.", no_args_is_help=True)


@train_app.callback()
def train() -> None:
    """Train the models scenegen uses."""


train_app.command(
    "lidar", epilog="Example:  scenegen train lidar --data lidar -o runs/lidar --cpu-minutes 6"
)(train_lidar)


train_app.command(
    epilog="Example:  scenegen train renderer --pairs pairs -o runs/gan --cpu-minutes 60"
)(renderer)


@train_app.command(
    epilog="Example:  scenegen train layout --corpus corpus -o runs/diffusion --cpu-minutes 60"
)
def layout(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the run")],
    corpus: Corpora = None,
    data: Recordings = None,
    model: Annotated[str, typer.Option(help=", ".join(SCENE_MODELS))] = "diffusion",
    cpu_minutes: Annotated[float, typer.Option(help="CPU time of this call")] = float("inf"),
    steps: Annotated[int, typer.Option(help="steps in all")] = 10**9,
    begin: Annotated[Path | None, typer.Option("--from", help="checkpoint to start from")] = None,
    batch: Annotated[int, typer.Option(min=1, help="scenes per step")] = 64,
    rate: Rate = None,
    config: Annotated[str, typer.Option(help="settings of the model, JSON")] = "{}",
    acting: Acting = 0.5,
    every: Every = None,
    patience: Patience = None,
    partial: Annotated[bool, typer.Option(help="read corpora that are still being built")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    half: Annotated[bool, typer.Option(help="compute in bfloat16")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="compile; for GPUs")] = False,
    threads: Annotated[int, typer.Option(min=1, help="threads of torch")] = 1,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the card")] = False,
) -> None:
    """Train a layout model; called again with the same settings, it goes on where it stood.

    A student is distilled with --model student --from TEACHER. With --data and --from, a trained
    model is fitted to some recordings and judged on those held out. Several processes: start it
    with torchrun.
    """
    patience = patience if patience is not None else (FEW_PATIENCE if data is not None else 0)
    if steps >= 10**9 and cpu_minutes == float("inf") and not patience:
        raise QueryError("train layout: expected --steps or --cpu-minutes, got neither")
    torch.set_num_threads(threads)
    processes = Processes.join(device)
    corpora = _corpora(corpus, data, output, processes)
    settings = TrainingSettings(
        model=model,
        config=_settings(config),
        batch=batch,
        rate=rate if rate is not None else (FINE_RATE if begin is not None else 1e-3),
        half=half,
        seed=seed,
        warm_up=FEW_WARM_UP if data is not None else 300,
        acting=acting if data is None else 0.0,
    )
    start = load_checkpoint(begin) if begin is not None else None
    run = TrainingRun(
        output, settings, corpora, begin=start, device=device, partial=partial,
        processes=processes, compiled=compiled,
    )  # fmt: skip
    if every is None:
        every = FEW_EVERY if data is not None else 500
    budget = _Budget(steps, 60.0 * cpu_minutes, every, patience)
    ended = _train(run, budget, quiet=as_json or not processes.leads)
    if processes.leads:
        _tell(output, ended, run.trainer.step, as_json=as_json)


class _Budget(NamedTuple):
    """When a training looks at itself, and when it ends; see TrainingRun.run."""

    steps: int
    cpu_seconds: float
    every: int
    patience: int


def _train(run: TrainingRun, budget: _Budget, *, quiet: bool) -> str:
    """Run a training, print what it measures, and draw samples; gives what ended it."""
    if not quiet:
        parameters = sum(p.numel() for p in run.model.parameters()) / 1e6
        out.print(
            f"{len(run.train)} scenes, {parameters:.1f} M parameters, step {run.trainer.step}"
        )

    def look(averaged: SceneModel, step: int, line: dict[str, Jsonable]) -> None:
        if not quiet:
            out.print(
                "  ".join(f"{k} {v:.4g}" for k, v in line.items() if isinstance(v, float | int))
            )
        draw_samples(run, averaged, run.folder / SHEETS / f"{step:06d}.png")

    try:
        return run.run(**budget._asdict(), on_look=look)
    except KeyboardInterrupt:
        run.trainer.save()
        err.print("interrupted: call again to go on")
        raise typer.Exit(INTERRUPTED) from None


def _tell(output: Path, ended: str, step: int, *, as_json: bool) -> None:
    """Print the card, or where the checkpoint is and what the held-out score was before."""
    card = json.loads((output / "card.json").read_text())
    if as_json:
        out.print_json(json.dumps(card))
        return
    if "held_out_before" in card:
        before, after = card["held_out_before"], card["held_out_after"]
        for name in ("validation_loss", *RAW_MEASURES):
            out.print(f"held out  {name:16} before {before[name]:.4g}  after {after[name]:.4g}")
        if card["best_step"] == 0:
            out.print("no step was better than the model it began with: its weights are kept")
    out.print(f"ended by {ended} at step {step}: [bold]{output / CHECKPOINT}[/]")


def _corpora(
    corpus: list[Path] | None, data: Path | None, output: Path, processes: Processes
) -> list[Path]:
    """Corpora to learn from; recordings are made one, once, beside the run.

    Raises:
        QueryError: Neither is given.
    """
    if data is None and not corpus:
        raise QueryError("train layout: expected --corpus or --data, got neither")
    corpora = list(corpus or [])
    if data is not None:
        made = output / RECORDINGS
        if processes.leads and not (made / MANIFEST).exists():
            output.mkdir(parents=True, exist_ok=True)
            write_recorded_corpus(read_recordings(data), made)
        processes.wait()
        corpora.append(made)
    return corpora


@train_app.command(epilog="Example:  scenegen train install runs/diffusion")
def install(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run, or a checkpoint")],
    folder: Annotated[
        Path | None, typer.Option(help="where to; the assets of this installation if left out")
    ] = None,
    variant: Annotated[
        str, typer.Option(help="ship it beside its family under this name: ngsim")
    ] = "",
    terms: Annotated[
        str, typer.Option(help="whose data it was fitted to, and on which terms; for its card")
    ] = "",
) -> None:
    """Ship a trained layout model: from then on it is found by its name."""
    path = install_checkpoint(source, folder, variant=variant, terms=terms)
    out.print(f"[bold]{path}[/]  {path.stat().st_size / 1e6:.1f} MB")


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
