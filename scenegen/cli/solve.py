"""The command that asks whether an ego could have got out of a recording."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from scenegen.cli.arguments import resolve
from scenegen.cli.terminal import err, out, progress_bar, table
from scenegen.data import Dataset
from scenegen.errors import StorageError
from scenegen.evaluate.intervals import wilson
from scenegen.evaluate.solvability import REACTION, Solvability, SolveSettings, solvability
from scenegen.scene import Scenario
from scenegen.training.checkpoint import write_atomically

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
LISTED = 40
"""Rows of the table at most; the summary counts all."""


def solve(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="a dataset of scenarios")],
    recordings: Annotated[
        list[str] | None, typer.Argument(help="ids or numbers (default: all)")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for verdicts, plans included")
    ] = None,
    reaction: Annotated[float, typer.Option(min=0.0, help="time before the ego acts [s]")] = (
        REACTION
    ),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Say which recordings an ego could have got out of, and by which plan."""
    store = Dataset(dataset)
    chosen = [resolve(store, name) for name in recordings] if recordings else list(store.ids)
    settings, found = SolveSettings(reaction=reaction), dict[str, Solvability]()
    events = dict[str, str]()
    with progress_bar(as_json) as bar:
        task = bar.add_task("solving", total=len(chosen), tries="")
        try:
            for identity in chosen:
                scenario = store.scenario(identity)
                found[identity] = solvability(scenario, settings)
                events[identity] = event_of(scenario)
                bar.update(task, advance=1, tries=found[identity].outcome.value)
        except KeyboardInterrupt:
            err.print("interrupted: nothing was written")
            raise typer.Exit(INTERRUPTED) from None
    verdicts = {identity: verdict.to_json() for identity, verdict in found.items()}
    if output is not None:
        try:
            write_atomically(output, json.dumps(verdicts, indent=1).encode())
        except OSError as error:
            raise StorageError(f"{output}: could not be written ({error})") from error
    if as_json:
        brief = {
            identity: {name: value for name, value in verdict.items() if name != "certificate"}
            for identity, verdict in verdicts.items()
        }
        out.print_json(json.dumps(brief))
        return
    _show(found, events)
    if output is not None:
        out.print(f"[dim]verdicts and plans in {output}[/]")


def event_of(scenario: Scenario) -> str:
    """Name of the event a scenario stages, "-" for everyday traffic."""
    return str(scenario.provenance.script.get("event", "-"))


def _show(found: dict[str, Solvability], events: dict[str, str]) -> None:
    rows = [
        {
            "id": identity,
            "event": events[identity],
            "outcome": verdict.outcome.value,
            "by": verdict.planner,
            "risk at [s]": "-" if verdict.notice is None else f"{verdict.notice:.1f}",
            "plans tried": verdict.tried,
            "nearest [m]": f"{verdict.least_distance:.2f}" if verdict.is_solvable else "-",
            "R157 human": _said(verdict, "UN R157 careful human"),
            "fuzzy model": _said(verdict, "fuzzy safety model"),
        }
        for identity, verdict in found.items()
    ]
    if not rows:
        out.print("the dataset holds no recordings")
        return
    out.print(table("", rows[:LISTED]))
    if len(rows) > LISTED:
        out.print(f"[dim]... and {len(rows) - LISTED} more[/]")
    solved = sum(verdict.is_solvable for verdict in found.values())
    share = wilson(solved, len(found))
    out.print(
        f"[bold]{solved}[/] of {len(found)} are solvable:"
        f" {share.value:.1%}, 95 % interval {share.low:.1%} to {share.high:.1%}"
    )
    ways = Counter(verdict.planner for verdict in found.values() if verdict.is_solvable)
    if ways:
        out.print(f"[dim]found by: {', '.join(f'{k} {n}' for k, n in ways.most_common())}[/]")
    failed = next((v for v in found.values() if not v.is_solvable and v.densities), None)
    if failed is not None:
        grid = failed.densities
        out.print(
            f"[dim]unavoidable: none of {grid['longitudinal']} x {grid['lateral']} lattice plans"
            " per line, nor the sampling planner, gets through[/]"
        )


def _said(verdict: Solvability, driver: str) -> str:
    return {True: "avoids", False: "hits", None: "-"}[verdict.drivers.get(driver)]
