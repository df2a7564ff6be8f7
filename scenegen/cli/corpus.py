"""The commands around the corpus of layout models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from scenegen.cli.terminal import err, out, progress_bar, table
from scenegen.events import EVENTS
from scenegen.pipeline.corpus import ShardReport, build_corpus
from scenegen.pipeline.corpus_info import CorpusInfo, corpus_info
from scenegen.pipeline.corpus_settings import CorpusSettings

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
        str, typer.Option(help="families to stage: all, none, or names with commas between")
    ] = "all",
    nominal_share: Annotated[
        float, typer.Option(help="share of everyday traffic, where events are staged")
    ] = 0.5,
    rows_per_shard: Annotated[int, typer.Option(min=1, help="scenes per file")] = 256,
    resume: Annotated[bool, typer.Option(help="go on where an earlier call stopped")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the manifest")] = False,
) -> None:
    """Simulate everyday and rare scenes and store them as tokens with their sampling weights."""
    settings = CorpusSettings(
        seed=seed,
        events=_families(events),
        nominal_share=nominal_share,
        rows_per_shard=rows_per_shard,
    )
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


@corpus_app.command(epilog="Example:  scenegen corpus info corpus")
def info(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="corpora, as one")],
    partial: Annotated[
        bool, typer.Option(help="count what is finished of a corpus that is still being built")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Tell what is in a corpus, and how often each event comes about in its everyday traffic."""
    found = corpus_info(folders, partial=partial)
    if as_json:
        out.print_json(json.dumps(found.to_json()))
        return
    each = found.size / max(found.rows, 1) / 1000.0
    out.print(
        f"[bold]{found.rows}[/] scenes on {found.roads} roads, {found.nominal} of them everyday"
        f" traffic; {found.size / 1e6:.0f} MB, {each:.1f} kB each"
    )
    for title, counts in (("road", found.kinds), ("split", found.splits)):
        rows = [{title: name, "everyday": n, "staged": s} for name, (n, s) in counts.items()]
        if rows:
            out.print(table("", rows))
    if found.families:
        out.print(table("", _family_rows(found)))
        out.print("[dim]rate: share of everyday scenes that show the event unasked, 95 %[/]")


def _families(events: str) -> tuple[str, ...]:
    if events == "none":
        return ()
    return tuple(
        sorted(EVENTS if events == "all" else {name.strip() for name in events.split(",")})
    )


def _family_rows(found: CorpusInfo) -> list[dict[str, str | int]]:
    return [
        {
            "event": family.name,
            "staged": family.staged,
            "draws": f"{family.attempts:.2f}" if family.staged else "-",
            "everyday": family.shown,
            "rate": family.natural.text() if family.asked else "-",
        }
        for family in found.families
    ]
