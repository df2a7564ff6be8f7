"""Which published queries the generator answers, and what a scenario costs for each of them.

Each query is one JSON file, so that the benchmark can be stopped and goes on where it stood.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Report
from benchmarks.quality.draws import HEURISTIC, Clock, number, origin, runs_folder, stored, whole
from scenegen.errors import QueryError, UnsatisfiedError
from scenegen.pipeline import Request
from scenegen.pipeline.generate import Generator
from scenegen.query import load_query, published

COUNT, TRIES, CPU, QUERIES = (
    "SCENEGEN_QUERY_COUNT",
    "SCENEGEN_QUERY_TRIES",
    "SCENEGEN_QUERY_CPU_S",
    "SCENEGEN_QUERY_IDS",
)
"""Environment variables: scenarios per query, draws for each of them before it counts as not
answered, CPU seconds after which nothing more is asked of a query, and ids (comma-separated)."""
SEED = 1


def run(*, smoke: bool) -> Report:
    """Ask for scenarios of every published query that is no control."""
    count, tries = (1, 20) if smoke else (whole(COUNT, 4), whole(TRIES, 200))
    cpu_s = float(whole(CPU, 40))
    names = _names(["Q4"] if smoke else os.environ.get(QUERIES, "").split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if smoke else runs_folder("query_yield")
        rows = [_asked(folder, name, count, tries, cpu_s) for name in names]
        measured = origin(folder)
    answered = sum(row["answered"] == "yes" for row in rows)
    spent = sum(float(row["CPU s"]) for row in rows)
    return Report(
        name="quality.query_yield",
        headline=f"{answered} of {len(rows)} published situations are generated on request",
        rows=rows,
        notes=[
            f"{count} scenarios per query, up to {tries} draws each, and none begun after"
            f" {cpu_s:g} CPU s; heuristic layout, no model; every hit is verified by the exact"
            " query",
            "CPU seconds of the whole process for composing, simulating and verifying, the road"
            f" that each request begins with included; {spent / 60.0:.1f} CPU minutes in all",
            "a query is answered if every scenario asked for was found",
            measured,
        ],
        smoke=smoke,
    )


def _names(wanted: Sequence[str]) -> list[str]:
    """Published queries without the controls, by number; all of them if none is named."""
    chosen = {name for name in wanted if name}
    ids = {query.id: name for name, query in published().items() if query.id[0] == "Q"}
    order = sorted(ids, key=lambda identity: int(identity[1:]))
    return [ids[identity] for identity in order if not chosen or identity in chosen]


def _asked(folder: Path, name: str, count: int, tries: int, cpu_s: float) -> dict[str, Any]:
    key = f"{load_query(name).digest} {count} {tries} {cpu_s:g} {SEED}"
    row = stored(folder, name, key, lambda: _row(name, count, tries, cpu_s))
    return {"query": f"{published()[name].id} {name}", **row}


def _row(name: str, count: int, tries: int, cpu_s: float) -> dict[str, Any]:
    try:
        generator = Generator(
            Request(query=load_query(name), seed=SEED, tries=tries, layout_model=HEURISTIC)
        )
    except QueryError as error:
        return _told(0, count, 0, Clock(), str(error).splitlines()[0])
    clock, found = Clock(), 0
    for index in range(count):
        # A request that was found costs little: only what fails may use up the time.
        if clock.cpu_s > cpu_s:
            break
        with clock.running():
            try:
                generator.scenario(index)
            except UnsatisfiedError:
                break
        found += 1
    failed = generator.statistics.clauses + generator.statistics.reasons
    obstacle = failed.most_common(1)[0][0] if failed and found < count else ""
    return _told(found, count, generator.statistics.tries, clock, obstacle)


def _told(found: int, count: int, tries: int, clock: Clock, obstacle: str) -> dict[str, Any]:
    return {
        "answered": "yes" if found == count else "no",
        "scenarios": found,
        "tries per scenario": round(tries / max(found, 1), 1),
        "CPU s per scenario": number(clock.cpu_s / found) if found else "-",
        "CPU s": round(clock.cpu_s, 2),
        "most frequent obstacle": obstacle,
    }
