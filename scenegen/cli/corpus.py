"""The commands around the corpus of layout models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from scenegen.cli.terminal import err, out, progress_bar
from scenegen.errors import UnknownNameError
from scenegen.events import EVENTS
from scenegen.pipeline.corpus import CorpusSettings, ShardReport, build_corpus

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

corpus_app = typer.Typer(
    name="corpus", help="Training data of the layout models.", no_args_is_help=True
)


@corpus_app.command(epilog="Example:  scenegen corpus build -o corpus -n 2000 --workers 2")
def build(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder to write")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="number of scenes")] = 1000,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="processes")] = 1,
    events: Annotated[
        str, typer.Option(help="all: half of the scenes stage an event; none")
    ] = "all",
    rows_per_shard: Annotated[int, typer.Option(min=1, help="scenes per file")] = 256,
    resume: Annotated[bool, typer.Option(help="go on where an earlier call stopped")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the manifest")] = False,
) -> None:
    """Simulate everyday and rare scenes and store them as tokens with their sampling weights."""
    families = {"all": tuple(sorted(EVENTS)), "none": ()}
    if events not in families:
        raise UnknownNameError("choice of events", events, families)
    settings = CorpusSettings(seed=seed, events=families[events], rows_per_shard=rows_per_shard)
    with progress_bar(as_json) as bar:
        task = bar.add_task("simulating", total=count, tries="")

        def show(report: ShardReport) -> None:
            bar.update(task, advance=report.rows + report.failed, tries=report.file)

        try:
            manifest = build_corpus(
                output, settings, count, workers=workers, resume=resume, on_shard=show
            )
        except KeyboardInterrupt:
            err.print("interrupted: finished shards are whole; go on with --resume")
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        out.print_json(json.dumps(manifest))
        return
    parts = ", ".join(f"{name} {rows}" for name, rows in manifest["splits"].items())
    out.print(f"[bold]{manifest['rows']}[/] scenes in {output}  ({parts})")
    if manifest["failed"]:
        out.print(f"[dim]{manifest['failed']} draws found no scenario and were left out[/]")
