"""Which published queries the generator answers, and what a scenario costs for each of them."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.harness import Report
from scenegen.errors import QueryError, UnsatisfiedError
from scenegen.pipeline import Request
from scenegen.pipeline.generate import Generator
from scenegen.query import load_query, published

COUNT, TRIES = 4, 200
"""Scenarios per query, and draws for each of them before it counts as not answered."""


def run(*, smoke: bool) -> Report:
    """Ask for scenarios of every published query that is no control."""
    names = [name for name, query in published().items() if not query.id.startswith("N")]
    names.sort(key=lambda name: int(published()[name].id[1:]))
    if smoke:
        names = [name for name in names if published()[name].id == "Q4"]
    rows = [_ask(name, 1 if smoke else COUNT, 20 if smoke else TRIES) for name in names]
    answered = sum(row["answered"] == "yes" for row in rows)
    return Report(
        name="quality.query_yield",
        headline=f"{answered} of {len(rows)} published situations are generated on request",
        rows=rows,
        notes=[
            f"{1 if smoke else COUNT} scenarios per query, up to {20 if smoke else TRIES} draws"
            " each; heuristic layout, no model; every hit is verified by the exact query",
            "CPU seconds of the whole process for composing, simulating and verifying",
            "a query is answered if every scenario asked for was found",
        ],
        smoke=smoke,
    )


def _ask(name: str, count: int, tries: int) -> dict[str, Any]:
    query = published()[name]
    began, found, obstacle = time.process_time(), 0, ""
    try:
        generator = Generator(Request(query=load_query(name), seed=1, tries=tries))
    except QueryError as error:
        return _row(query.id, name, 0, count, 0, 0.0, str(error).splitlines()[0])
    try:
        for _ in generator.scenarios(count):
            found += 1
    except UnsatisfiedError:
        failed = generator.statistics.clauses + generator.statistics.reasons
        obstacle = failed.most_common(1)[0][0] if failed else ""
    seconds = time.process_time() - began
    return _row(query.id, name, found, count, generator.statistics.tries, seconds, obstacle)


def _row(
    identity: str, name: str, found: int, count: int, tries: int, seconds: float, obstacle: str
) -> dict[str, Any]:
    each = max(found, 1)
    return {
        "query": f"{identity} {name}",
        "answered": "yes" if found == count else "no",
        "scenarios": found,
        "tries per scenario": round(tries / each, 1),
        "CPU s per scenario": round(seconds / each, 2),
        "most frequent obstacle": obstacle,
    }
