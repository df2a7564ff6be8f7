"""Run benchmarks: ``python -m benchmarks [NAME ...] [--smoke] [--report]``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from benchmarks.harness import Report, write_json
from benchmarks.registry import BENCHMARKS
from benchmarks.tables import tables

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BEGIN, END = "<!-- results begin -->", "<!-- results end -->"


def main() -> None:
    """Parse the command line, run, print, store."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, nothing is stored")
    parser.add_argument("--report", action="store_true", help="only rewrite README.md from results")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    if not options.report:
        for name in options.names or BENCHMARKS:
            report = BENCHMARKS[name](smoke=options.smoke)
            show(report)
            if not options.smoke:
                write_json(report, RESULTS / f"{name}.json")
    if not options.smoke:
        write_readme()


def show(report: Report) -> None:
    """Print a report: headline, tables that fit the terminal, notes."""
    console = Console()
    console.print(f"{report.name}: {report.headline}", style="bold")
    for table in tables(report.rows, console.width):
        console.print(table)
    for note in report.notes:
        console.print(f"  {note}", style="dim")


def write_readme() -> None:
    """Rewrite the tables of README.md from the stored results; no figure there is typed."""
    parts = []
    for path in sorted(RESULTS.glob("*.json")):
        data = json.loads(path.read_text())
        columns = list(data["rows"][0])
        parts += [f"### {data['name']}", "", f"{data['headline']}", ""]
        parts += [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
        parts += [f"| {' | '.join(str(v) for v in row.values())} |" for row in data["rows"]]
        parts += ["", *(f"* {note}" for note in data["notes"])]
        host = data["machine"]
        parts += [
            f"* Machine: {host['cpu']}, {host['cores']} cores, load {host['load']}, Python"
            f" {host['python']}, commit {host['commit']}.",
            "",
        ]
    readme = HERE / "README.md"
    text = readme.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{BEGIN}\n\n{chr(10).join(parts)}\n{END}{tail}")


if __name__ == "__main__":
    main()
