"""The commands around the path-traced teacher of the learned renderer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenegen.cli.terminal import err, out, progress_bar
from scenegen.errors import UnknownNameError
from scenegen.pipeline.teacher import BACKENDS, PairReport, TeacherSettings, Tracer, render_pairs

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

teacher_app = typer.Typer(
    name="teacher", help="Path-traced pictures the renderer learns from.", no_args_is_help=True
)


@teacher_app.callback()
def _group() -> None:
    """Keep `render` a command of its own, even while it is the only one."""


@teacher_app.command(
    epilog="Example:  scenegen teacher render -o pairs -n 300 --python ~/blender/bin/python"
)
def render(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the pairs")],
    python: Annotated[
        Path,
        typer.Option(
            envvar="SCENEGEN_TRACER_PYTHON", help="interpreter of an environment with the tracer"
        ),
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="number of scenes")] = 300,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    width: Annotated[int, typer.Option(min=16, help="columns of a picture")] = 512,
    height: Annotated[int, typer.Option(min=8, help="rows of a picture")] = 256,
    samples: Annotated[int, typer.Option(min=1, help="paths per pixel")] = 16,
    backend: Annotated[str, typer.Option(help=f"path tracer: {', '.join(BACKENDS)}")] = "cycles",
    threads: Annotated[int, typer.Option(min=1, help="threads of the tracer")] = 1,
) -> None:
    """Trace simulated scenes, two cameras each; goes on where an earlier call stopped."""
    if backend not in BACKENDS:
        raise UnknownNameError("path tracer", backend, BACKENDS)
    settings = TeacherSettings(
        seed=seed, width_px=width, height_px=height, samples=samples, backend=backend
    )
    with progress_bar(quiet=False) as bar, Tracer.of(python, backend, threads) as tracer:
        task = bar.add_task("tracing", total=count, tries="")

        def show(report: PairReport) -> None:
            bar.update(task, advance=1, tries=f"{report.cpu_seconds:.0f} CPU s")

        try:
            reports = render_pairs(output, settings, count, tracer, show)
        except KeyboardInterrupt:
            err.print("interrupted: finished scenes are whole; the same command goes on")
            raise typer.Exit(INTERRUPTED) from None
    held = sum(report.is_held_out for report in reports)
    out.print(f"[bold]{len(reports)}[/] scenes in {output}  ({held} held out)")
