"""What it costs to find recordings in a dataset by a query: rows, states, exact evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.harness import Report, interleave
from benchmarks.speed.stores import store
from scenegen.catalog import Catalog, Hit
from scenegen.query import Query, load_query, published

FIRST = 20
"""Hits of a search that stops early; what `scenegen search` lists."""
GOAL_S = 1.0
"""What a search should take at most."""


def run(*, smoke: bool) -> Report:
    """Search stored recordings for every published situation."""
    dataset = store(4, 2) if smoke else store(200, 100)
    with Catalog(dataset.path) as catalog, Catalog(dataset.path) as apart:
        for one in (catalog, apart):
            one.sql("PRAGMA threads=2")
        # Without the mark of its development every recording is evaluated on its own.
        apart.sql("ALTER VIEW recordings RENAME TO stored")
        apart.sql("CREATE VIEW recordings AS SELECT * EXCLUDE (development) FROM stored")
        queries = {
            f"{query.id} {name}": load_query(name)
            for name, query in sorted(published().items(), key=lambda pair: int(pair[1].id[1:]))
            if query.id[0] != "N"
        }
        rows = [_ask(catalog, apart, name, query) for name, query in queries.items()]
    quick = sum(row["all hits, CPU [s]"] < GOAL_S for row in rows)
    own = sum(row["all hits, each on its own, CPU [s]"] < GOAL_S for row in rows)
    first = sum(row["first 20, each on its own, CPU [s]"] < GOAL_S for row in rows)
    return Report(
        name="speed.search",
        headline=(
            f"{len(dataset):,} recordings: {quick} of {len(rows)} published queries are answered"
            f" in full within {GOAL_S:g} s of CPU; if no two recordings shared a development, {own}"
            f" of {len(rows)}, and {first} with their first {FIRST} hits"
        ),
        rows=rows,
        notes=[
            "recordings of 81 instants, stored as always, without sensors; simulated developments,"
            " each under many draws of light and weather (benchmarks/speed/stores.py)",
            "Catalog.search: SQL on the rows, extremes per agent, states of what is left at once,"
            " exact evaluation of what may match; hits are the exact ones, with witness and margin",
            "a development is evaluated once for all its recordings; `each on its own` is the same"
            " search without that, as in a dataset in which every recording shows another drive",
            "on its own each hit is evaluated with its road: per hit and alone"
            f" {_per_hit(rows):.1f} ms of CPU",
            "goal: 1 s for a search in full",
        ],
        smoke=smoke,
    )


def _ask(catalog: Catalog, apart: Catalog, name: str, query: Query) -> dict[str, Any]:
    hits: list[Hit] = []

    def search_all() -> None:
        hits[:] = catalog.search(query)

    calls: dict[str, Callable[[], object]] = {
        "all hits": search_all,
        "first 20": partial(catalog.search, query, limit=FIRST),
        "all hits, each on its own": partial(apart.search, query),
        "first 20, each on its own": partial(apart.search, query, limit=FIRST),
    }
    # Each search reads hundreds of recordings: one round is long enough to be steady.
    costs = interleave(calls, rounds=1, warmup=0)
    return {
        "query": name,
        "left by SQL": len(catalog.rows(query.sql(catalog.columns))),
        "hits": len(hits),
        **{f"{call}, CPU [s]": round(cost.cpu_s, 3) for call, cost in costs.items()},
        **{f"{call}, wall [s]": round(cost.wall_s, 3) for call, cost in costs.items()},
    }


def _per_hit(rows: list[dict[str, Any]]) -> float:
    """Mean cost of a hit where every recording is evaluated on its own [CPU ms]."""
    found = [row for row in rows if row["hits"]]
    seconds = sum(row["all hits, each on its own, CPU [s]"] for row in found)
    return 1000.0 * seconds / max(sum(row["hits"] for row in found), 1)
