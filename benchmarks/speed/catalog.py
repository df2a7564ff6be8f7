"""What it costs to rule recordings out by their rows of features before any is evaluated."""

from __future__ import annotations

from functools import partial

import duckdb

from benchmarks.harness import Report, interleave
from scenegen.query import Query, parse

QUERIES = (
    "night and rain and ttc(ego,c) < 1.5s",
    "highway and ego.speed > 30m/s and cut_in(c, right) and ttc(ego,c) < 1s",
    "child(p) and occluded_pedestrian(p) and ttc(ego,p) < 2s",
    "intersection and red_light_runner(t) and pet(ego,t) < 1s and distance(ego,t) < 2m",
    "(rain or fog) and stopped(l) and gap(ego,l) < 10m and ego.accel < -5m/s^2",
    "always(ego.speed > 20m/s) and visibility < 200m and not collision(ego,c)",
)
SYNTHETIC = """
CREATE TABLE recordings AS SELECT
  i AS id,
  ['day', 'dusk', 'night'][1 + (hash(i) % 3)::INT] AS light,
  ['clear', 'overcast', 'rain', 'fog', 'snow'][1 + (hash(i + 1) % 5)::INT] AS weather,
  ['highway', 'rural', 'urban', 'intersection', 't_junction', 'recorded']
    [1 + (hash(i + 2) % 6)::INT] AS road,
  hash(i + 3) % 2 = 0 AS has_junction,
  (hash(i + 4) % 5)::INT AS signals,
  (hash(i + 5) % 4)::INT AS pedestrian_count,
  (hash(i + 6) % 30)::DOUBLE AS ego_speed_min,
  (hash(i + 6) % 30)::DOUBLE + (hash(i + 7) % 10)::DOUBLE AS ego_speed_max,
  -((hash(i + 8) % 900)::DOUBLE / 100) AS ego_accel_min,
  2.0::DOUBLE AS ego_accel_max,
  20 + (hash(i + 9) % 20000)::DOUBLE AS visibility,
  0.05 + (hash(i + 10) % 1000)::DOUBLE / 100 AS min_ttc,
  (hash(i + 11) % 5000)::DOUBLE / 50 AS min_gap,
  (hash(i + 12) % 5000)::DOUBLE / 50 AS min_distance
FROM range({rows}) AS t(i)
"""
"""Rows with every column that the queries read, independent of each other."""


def run(*, smoke: bool) -> Report:
    """Filter synthetic rows by the conditions that follow from six queries."""
    count = 20_000 if smoke else 10_000_000
    with duckdb.connect(":memory:") as connection:
        connection.execute("PRAGMA threads=2")
        connection.execute(SYNTHETIC.format(rows=count))
        asked = {text: parse(text) for text in QUERIES}
        left = {text: _left(connection, query) for text, query in asked.items()}

        costs = interleave(
            {text: partial(_left, connection, query) for text, query in asked.items()},
            rounds=2 if smoke else 5,
        )
    rows = [
        {
            "query": text,
            "rows": count,
            "left": left[text],
            "left [%]": round(100 * left[text] / count, 2),
            "wall [ms]": round(1000 * costs[text].wall_s, 1),
            "CPU [ms]": round(1000 * costs[text].cpu_s, 1),
        }
        for text in QUERIES
    ]
    slowest = max(row["wall [ms]"] for row in rows)
    return Report(
        name="speed.catalog",
        headline=f"{count:,} rows are filtered by a query's condition in at most {slowest} ms",
        rows=rows,
        notes=[
            "synthetic rows, columns independent of each other; DuckDB with two threads, in memory",
            "conditions are necessary ones: what is left is then evaluated exactly",
            "lists of what occurred, which real rows have, are not among the synthetic columns",
        ],
        smoke=smoke,
    )


def _left(connection: duckdb.DuckDBPyConnection, query: Query) -> int:
    columns = [row[0] for row in connection.execute("DESCRIBE recordings").fetchall()]
    text = f"SELECT count(*) FROM recordings WHERE {query.sql(columns)}"
    found = connection.execute(text).fetchone()
    return int(found[0]) if found else 0
