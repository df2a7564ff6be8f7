"""What SQL rules out never matches; funnels and counts are those of the exact queries."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from scenegen.catalog import Catalog, features
from scenegen.errors import QueryError
from scenegen.query import Query, Trace, parse
from scenegen.query.expression import Formula
from tests.catalog.test_catalog import record
from tests.query.situations import SITUATIONS
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy, cut_in_world

SCENARIOS = [
    *(busy(seed) for seed in range(4)),
    cut_in_world(),
    *(situation.build() for situation in SITUATIONS),
]
TRACES = [Trace(scenario) for scenario in SCENARIOS]
ROWS = pa.Table.from_pylist(
    [{**features(scenario), "number": n} for n, scenario in enumerate(SCENARIOS)]
)


def passed(query: Query) -> set[int]:
    """Numbers of the scenarios whose row meets the SQL condition of a query."""
    with duckdb.connect(":memory:") as connection:
        connection.register("recordings", ROWS)
        rows = connection.execute(f"SELECT number FROM recordings WHERE {query.sql()}").fetchall()
    return {row[0] for row in rows}


def recalled(query: Query) -> int:
    """Check that every scenario that matches passes, and count those ruled out."""
    left = passed(query)
    out = set(range(len(TRACES))) - left
    missed = [n for n in out if query.evaluate(TRACES[n]).satisfied]
    assert not missed, f"{query.sql()} rules out {missed} of {query.text}"
    return len(out)


@given(FORMULAS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_no_match_is_lost(formula: Formula) -> None:
    """Whatever the query, a scenario that SQL passes over does not satisfy it."""
    try:
        query = Query(formula)
    except QueryError:
        return
    recalled(query)


SHARP = [
    *("night", "not night", "rain or fog", "intersection", "visibility < 200m", "not highway"),
    *("ego.speed > {}m/s", "ego.speed < {}m/s", "not (ego.speed < {}m/s)", "ego.accel < -{}m/s^2"),
    *("always(ego.speed > {}m/s)", "not eventually(ego.speed < {}m/s)", "abs(ego.accel) < 0.{}g"),
    *("ttc(ego,a) < 1.{}s", "gap(ego,a) in [1m,{}m]", "{}m > distance(a,ego)", "stopped(ego)"),
    *("thw(ego,a) < 0.{}s", "drac(ego,a) > 1.{}m/s^2", "collision(ego,a)", "near_miss(ego,a)"),
    *("pedestrian(a)", "truck(a)", "red_light(a)", "red_light_runner(a)"),
    *("ego.speed > {}m/s then[0s,2s] ttc(ego,a) < 2s", "night until ego.speed < {}m/s"),
    *("at(ego.speed > {}m/s, ttc(ego,a) < 3s)", "not (night and ego.speed < {}m/s)"),
    "always(ego.speed > {}m/s or rain)",
]


@pytest.mark.parametrize("text", SHARP)
def test_no_match_is_lost_near_the_thresholds(text: str) -> None:
    """Each condition that is pushed down loses nothing, and rules something out."""
    texts = {text.format(number) for number in (1, 2, 5, 9, 12, 16, 20, 25)}

    assert sum(recalled(parse(one)) for one in texts) > 0


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.id)
def test_a_threshold_exactly_at_the_extreme_loses_nothing(situation: object) -> None:
    """Bounds at the very values of the columns keep their scenario."""
    number = 5 + SITUATIONS.index(situation)  # type: ignore[arg-type]
    row = ROWS.slice(number, 1).to_pylist()[0]
    for text in (
        f"ego.speed >= {row['ego_speed_max']!r}m/s",
        f"ttc(ego,a) <= {row['min_ttc']!r}s",
        f"distance(ego,a) <= {row['min_distance']!r}m",
        f"ego.accel <= {row['ego_accel_min']!r}m/s^2",
    ):
        query = parse(text.replace("inf", "9999"))
        assert number in passed(query) or not query.evaluate(TRACES[number]).satisfied


def test_search_is_the_same_with_rows_and_without(tmp_path: Path) -> None:
    """Recordings that were stored without features are all looked at."""
    record(tmp_path / "rows")
    record(tmp_path / "none", with_rows=False)

    for text in ("night and ttc(ego,c) < 3s", "gap(ego,c) < 40m", "rain", "ego.speed > 30m/s"):
        found = []
        for name in ("rows", "none"):
            with Catalog(tmp_path / name) as catalog:
                found.append([hit.id for hit in catalog.search(text)])
        assert found[0] == found[1]


def test_a_funnel_counts_clause_by_clause(tmp_path: Path) -> None:
    """Alone, cumulatively, and all but one: by night every second, in rain the last three."""
    record(tmp_path / "a")

    with Catalog(tmp_path / "a") as catalog:
        steps = catalog.funnel("night and rain and gap(ego,c) < 65m")

    assert [step.clause for step in steps] == ["night", "rain", "gap(ego,c) < 65m"]
    assert [step.alone for step in steps] == [3, 3, 5]
    assert [step.left for step in steps] == [3, 2, 1]
    assert [step.without for step in steps] == [2, 2, 2]
