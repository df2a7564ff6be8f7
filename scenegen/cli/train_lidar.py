"""The command that trains the learned lidar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from scenegen.appearance.lidar_models import LIDAR_FAMILIES
from scenegen.appearance.lidar_training import CHECKPOINT, LidarSettings, LidarTraining
from scenegen.cli.terminal import err, out
from scenegen.errors import QueryError
from scenegen.seeding import Jsonable

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def train_lidar(
    data: Annotated[Path, typer.Option(help="folder of pandaset_002 and ika_vlp32_semseg")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the run")],
    model: Annotated[str, typer.Option(help=", ".join(LIDAR_FAMILIES))] = "gan",
    cpu_minutes: Annotated[float, typer.Option(help="CPU time of this call")] = float("inf"),
    steps: Annotated[int, typer.Option(help="steps in all")] = 10**9,
    every: Annotated[int, typer.Option(min=1, help="steps between validations")] = 200,
    threads: Annotated[int, typer.Option(min=1, help="threads of torch")] = 1,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the card")] = False,
) -> None:
    """Train which echoes a lidar loses and how strong they are; called again, it goes on."""
    if steps >= 10**9 and cpu_minutes == float("inf") and model in {"gan", "unet"}:
        raise QueryError("train lidar: expected --steps or --cpu-minutes, got neither")
    torch.set_num_threads(threads)
    training = LidarTraining(output, LidarSettings(model=model, seed=seed), data)
    if not as_json:
        scans = training.sets
        out.print(
            f"{len(scans.train)} scans to learn from, {len(scans.validation)} to watch,"
            f" {len(scans.test)} held out; step {training.trainer.step}"
        )

    def look(line: dict[str, Jsonable]) -> None:
        if not as_json:
            out.print("  ".join(f"{k} {v:.4g}" for k, v in line.items() if isinstance(v, float)))

    try:
        ended = training.run(steps=steps, cpu_seconds=60.0 * cpu_minutes, every=every, on_look=look)
    except KeyboardInterrupt:
        training.trainer.save()
        err.print("interrupted: call again to go on")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        out.print_json((output / "card.json").read_text())
        return
    card = json.loads((output / "card.json").read_text())
    out.print(f"ended by {ended} at step {card['steps']}: [bold]{output / CHECKPOINT}[/]")
