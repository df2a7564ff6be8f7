"""What the terminal shows: tables, progress, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from scenegen.errors import QueryError, ScenegenError, UnsatisfiedError
from scenegen.events.windows import FAR
from scenegen.query import Explanation

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

IMPOSSIBLE = 2
"""Exit code when no scenario satisfies the query, or none could."""


LONGEST_NAME = 32
"""Letters up to which the first column of a table is never cut."""
MOST_REASONS = 6
"""Reasons that are listed why tries were not accepted."""
TABLE_WIDTH = 110
"""Columns from which on a terminal shows what fields are beside them."""


def report_error(error: ScenegenError) -> int:
    """Print one clear message and give the exit code."""
    err.print(f"[bold red]error:[/] {_plain(str(error))}", soft_wrap=True)
    return IMPOSSIBLE if isinstance(error, UnsatisfiedError | QueryError) else 1


def progress_bar(quiet: bool) -> Progress:
    """Build the bar shown while scenarios are found and rendered."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[tries]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=quiet,
    )


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Build a table from equal mappings; numbers are right-aligned."""
    built = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for number, (name, value) in enumerate(rows[0].items()):
        # A name is read whole where it is short enough; the columns beside it wrap.
        longest = max(len(str(row[name])) for row in rows)
        built.add_column(
            _plain(name),
            justify="right" if isinstance(value, int | float) else "left",
            no_wrap=number == 0 and longest <= LONGEST_NAME,
        )
    for row in rows:
        built.add_row(*(_cell(value) for value in row.values()))
    return built


def print_fields(rows: list[dict[str, Any]]) -> None:
    """Print the fields of a dataset: as a table, or in two lines each on a narrow terminal."""
    if out.width >= TABLE_WIDTH:
        out.print(table("fields", rows))
        return
    longest = max(len(row["field"]) for row in rows)
    out.print("fields", style="italic")
    for row in rows:
        unit = f" [{row['unit']}]" if row["unit"] not in {"", "1"} else ""
        line = f"{row['field']:<{longest}}  {row['dtype']:<7}  {row['shape']}{unit}"
        out.print(_plain(line), highlight=False)
        out.print(f"  [dim]{_plain(row['what it is'])}[/]", highlight=False)


def print_explanation(explanation: Explanation) -> None:
    """Print a verdict clause by clause, and what would make it match."""
    verdict = "[bold green]matches[/]" if explanation.satisfied else "[bold red]does not match[/]"
    when = "" if explanation.time is None else f" at {explanation.time:.1f} s"
    who = ", ".join(f"{role} is agent {agent}" for role, agent in explanation.witness.items())
    nearest = "" if explanation.satisfied else "nearest"
    out.print(f"{verdict}  [dim]{nearest}{when}{'; ' if who else ''}{who}[/]")
    if not explanation.clauses:
        out.print("nobody in the scenario can play the roles of the query")
        return
    rows = [
        {
            "": "[green]✓[/]" if clause.satisfied else "[red]✗[/]",
            "t [s]": f"{clause.time:.1f}",
            "clause": _plain(clause.text),
            "who": ", ".join(f"{role}=#{agent}" for role, agent in clause.agents.items()),
            "value": _value(clause.value, clause.unit),
            "margin": _margin(clause.margin),
            "best": _value(clause.best_value, clause.unit),
            "at [s]": f"{clause.best_time:.1f}",
        }
        for clause in explanation.clauses
    ]
    built = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        built.add_column(
            _plain(name),
            justify="left" if name in {"", "clause", "who"} else "right",
            overflow="fold",
        )
    for row in rows:
        built.add_row(*row.values())
    out.print(built)
    if explanation.relaxation is not None:
        change = explanation.relaxation
        out.print(
            f"it would match with [bold]{_plain(change.new)}[/] instead of {_plain(change.old)}"
            f" in {_plain(change.clause)}"
        )
    elif not explanation.satisfied and explanation.without:
        names = ", or without ".join(explanation.without)
        out.print(f"no single number is enough; it would match without {_plain(names)}")


def print_tries(tried: Mapping[str, Any], runs: int) -> None:
    """Print what the runs of the generator took, and what ended most of their tries."""
    if not runs:
        return
    share = 100.0 * tried["accepted"] / max(tried["tries"], 1)
    plural = "s" if runs > 1 else ""
    out.print(
        f"  tried    {tried['tries']} draws in {runs} run{plural}, {tried['accepted']} accepted"
        f" ({share:.0f} %)"
    )
    reasons = [(count, name) for name, count in tried["reasons"].items()]
    missed = [(count, f"missed {name}") for name, count in tried["clauses"].items()]
    for count, name in sorted([*reasons, *missed], reverse=True)[:MOST_REASONS]:
        out.print(f"           [dim]{count:5d} {_plain(name)}[/]")


def _margin(margin: float) -> str:
    """Margin as a person reads it; where something is absent or out of reach there is none."""
    return "-" if abs(margin) >= FAR else f"{margin:+.2f}"


def _value(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.3g} {unit}".strip()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return _plain(str(value))


def _plain(text: str) -> str:
    """Keep square brackets from being read as markup."""
    return text.replace("[", "\\[")
