"""The command that trains what cameras see: `scenegen train renderer`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from torch import nn

from scenegen.appearance.camera_inputs import BASE
from scenegen.appearance.camera_looks import drawn_view
from scenegen.appearance.camera_metrics import cut_up, domain_distance
from scenegen.appearance.camera_pairs import CameraPairs, build_cache
from scenegen.appearance.camera_recipes import CAMERA_MODELS
from scenegen.appearance.camera_settings import CameraBudget, CameraTraining
from scenegen.appearance.camera_tone import to_bytes
from scenegen.appearance.camera_training import CARD, CHECKPOINT, CameraRun
from scenegen.arrays import FloatArray
from scenegen.cli.terminal import err, out, progress_bar
from scenegen.errors import QueryError, RecordingError
from scenegen.pipeline.teacher import TeacherScene, TeacherSettings, draw_scene
from scenegen.seeding import Jsonable
from scenegen.training import load_checkpoint

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
SHOWN = 6
"""Views on a sheet of samples."""
SHEETS, DOMAINS = "samples", "domains.json"
REPORTED = 24
"""Views that a domain report looks at, at most."""


def renderer(
    pairs: Annotated[Path, typer.Option("--pairs", help="folder of traced pairs")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the run")],
    model: Annotated[str, typer.Option(help=", ".join(CAMERA_MODELS))] = "gan",
    size: Annotated[str, typer.Option(help="size of our own generator, S or M")] = "S",
    cpu_minutes: Annotated[
        float, typer.Option(help="CPU time of the run in all, earlier calls included")
    ] = float("inf"),
    steps: Annotated[int, typer.Option(help="steps in all")] = 10**9,
    begin: Annotated[Path | None, typer.Option("--from", help="checkpoint to start from")] = None,
    real: Annotated[
        Path | None, typer.Option("--real", help="real pictures, labelled or not, to learn from")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="crops per step")] = 2,
    every: Annotated[int, typer.Option(min=1, help="steps between looks")] = 500,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="threads of torch")] = 1,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the card")] = False,
) -> None:
    """Train a camera model; called again with the same settings, it goes on where it stood."""
    if steps >= 10**9 and cpu_minutes == float("inf"):
        raise QueryError("train renderer: expected --steps or --cpu-minutes, got neither")
    torch.set_num_threads(threads)
    prepare(pairs, quiet=as_json)
    settings = CameraTraining(model=model, size=size, batch=batch, seed=seed)
    start = load_checkpoint(begin) if begin is not None else None
    run = CameraRun(output, settings, pairs, real=real, begin=start, device=device)
    if not as_json:
        parameters = sum(p.numel() for p in run.model.parameters()) / 1e6
        out.print(
            f"{len(run.train)} views, crops of {run.size[0]} x {run.size[1]},"
            f" {parameters:.2f} M parameters, step {run.step}"
        )
    before = report_domains(run) if real is not None else {}

    def look(averaged: nn.Module, line: dict[str, Jsonable]) -> None:
        if not as_json:
            out.print(
                "  ".join(f"{k} {v:.4g}" for k, v in line.items() if isinstance(v, float | int))
            )
        draw_sheet(averaged, run.held_out or run.train, output / SHEETS / f"{run.step:06d}.png")

    try:
        ended = run.run(
            CameraBudget(steps=steps, cpu_seconds=60.0 * cpu_minutes), every=every, on_look=look
        )
    except KeyboardInterrupt:
        run.save()
        err.print("interrupted: call again to go on")
        raise typer.Exit(INTERRUPTED) from None
    if real is not None:
        write_domains(output / DOMAINS, before, report_domains(run))
    if as_json:
        out.print_json((output / CARD).read_text())
        return
    if real is not None:
        print_domains(output / DOMAINS)
    out.print(f"ended by {ended} at step {run.step}: [bold]{output / CHECKPOINT}[/]")


def prepare(pairs: Path, *, quiet: bool) -> None:
    """Lay out traced pairs for training, once.

    Raises:
        RecordingError: The folder holds no pairs, or none that this version draws.
    """
    path = pairs / "settings.json"
    if not path.exists():
        raise RecordingError(
            f"{pairs}: expected traced pairs (settings.json, 000000.npz, ...); make them with"
            " `scenegen teacher render`"
        )
    settings = TeacherSettings(**json.loads(path.read_bytes()))

    def draw(index: int) -> TeacherScene:
        return draw_scene(settings, index)

    with progress_bar(quiet=quiet) as bar:
        total = len(list(pairs.glob("[0-9]*.json")))
        task = bar.add_task("laying out pairs", total=total, tries="")
        _, left_out = build_cache(pairs, draw, lambda _, __: bar.update(task, advance=1, tries=""))
    if left_out and not quiet:
        err.print(f"{left_out} scenes were traced by another version of the world: left out")


def draw_sheet(model: nn.Module, views: CameraPairs, path: Path) -> None:
    """Write a sheet, a view per column: base above, what the model draws, what was traced below."""
    columns = []
    for index in np.unique(np.linspace(0, len(views) - 1, min(SHOWN, len(views))).astype(int)):
        stack, _, target = views.view(int(index))
        drawn = drawn_view(model, views, int(index)).numpy()
        rows = [to_bytes(tone).transpose(1, 2, 0) for tone in (stack[BASE], drawn, target)]
        columns.append(np.vstack(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR))


def report_domains(run: CameraRun) -> dict[str, dict[str, float]]:
    """Say how far base, drawn and traced pictures are from the real ones.

    Real pictures are compared by halves: the distance of two halves is what none can go below.
    """
    if run.real is None:
        return {}
    views, model = run.held_out or run.train, run.averaged()
    chosen = np.unique(np.linspace(0, len(views) - 1, min(REPORTED, len(views))).astype(int))
    sets: dict[str, list[FloatArray]] = {"base": [], "drawn": [], "traced": []}
    for index in map(int, chosen):
        stack, _, target = views.view(index)
        sets["base"] += cut_up(np.clip(stack[BASE], 0.0, 1.0), run.size)
        sets["drawn"] += cut_up(drawn_view(model, views, index).numpy(), run.size)
        sets["traced"] += cut_up(target, run.size)
    real = [crop for p in run.real.pictures for crop in cut_up(p.tone, run.size)]
    halves = np.stack(real[0::2]), np.stack(real[1::2])
    told = {name: domain_distance(np.stack(crops), halves[0]) for name, crops in sets.items()}
    return {**told, "real": domain_distance(halves[1], halves[0])}


def write_domains(
    path: Path, before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]
) -> None:
    """Write the domain report: what was drawn before this call and after it."""
    rows = {name: values for name, values in after.items() if name != "drawn"}
    rows |= {"drawn before": before["drawn"], "drawn after": after["drawn"]}
    path.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


def print_domains(path: Path) -> None:
    """Print a domain report, a row per set of pictures."""
    rows: dict[str, dict[str, float]] = json.loads(path.read_text())
    out.print("distance from the real pictures (kernel distance of random features x 100, bands):")
    for name, values in rows.items():
        figures = "  ".join(f"{key} {value:.2f}" for key, value in values.items())
        out.print(f"  {name:12s} {figures}")
