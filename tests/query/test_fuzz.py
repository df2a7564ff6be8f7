"""The whole language at full size: texts read back, and nothing but a QueryError comes out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scenegen.catalog import features
from scenegen.errors import QueryError
from scenegen.query import Query, Trace, load_query, parse, published
from scenegen.query.expression import Formula
from tests.query.sentences import WORDS, mutated, noise, pick, sentence
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy

PARTS = 20
"""Independent parts of a full run: 20 x 4,000 mutations, 20 x 500 of each other kind of text."""
TRACE = Trace(busy(3, agents=4, steps=11))
ROW = pa.Table.from_pylist([features(TRACE.scenario)])
full = pytest.mark.slow
QUIET = settings(
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)


def read(text: str, *, thoroughly: bool = False) -> bool:
    """Read a text; where it is a query, use it in every way. Whether it was one.

    Args:
        text: Any text.
        thoroughly: Also evaluate it, explain it and run its SQL.
    """
    with contextlib.suppress(QueryError):
        query = parse(text)
        again = parse(query.text)
        assert again == query
        assert again.text == query.text
        with contextlib.suppress(QueryError):
            query.bounds()
            query.static()
        if thoroughly:
            use(query)
        return True
    return False


def use(query: Query) -> None:
    """Evaluate and explain a query, and run its SQL."""
    verdict = query.evaluate(TRACE)
    explanation = query.explain(TRACE)
    assert explanation.satisfied == verdict.satisfied
    with duckdb.connect(":memory:") as connection:
        connection.register("recordings", ROW)
        left = connection.execute(f"SELECT id FROM recordings WHERE {query.sql()}").fetchall()
    assert left or not verdict.satisfied


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=full)])
def test_text_reads_back_as_the_same_query(count: int) -> None:
    """The canonical text of any tree parses to that tree, and to that text again."""

    @settings(QUIET, max_examples=count)
    @given(FORMULAS)
    def check(formula: Formula) -> None:
        try:
            query = Query(formula)
        except QueryError:  # Four roles are too many, say.
            return
        again = parse(query.text)
        assert again == query
        assert again.text == query.text
        assert again.digest == query.digest

    check()


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 300), *(pytest.param(seed, 4000, marks=full) for seed in range(1, PARTS + 1))],
)
def test_mutated_sentences_give_a_query_or_a_query_error(seed: int, count: int) -> None:
    """Grammar-aware mutation: no change of a sentence makes anything else come out."""
    rng = np.random.default_rng(seed)
    known = [query.filled() for query in published().values()]
    queries = 0

    for number in range(count):
        base = pick(rng, known) if rng.random() < 0.2 else sentence(rng)
        text = base if number % 10 == 0 else mutated(rng, base, sentence(rng))
        queries += read(text, thoroughly=number % 25 == 0)

    assert queries > count / 50  # else the mutations were too wild to test anything


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 300), *(pytest.param(seed, 500, marks=full) for seed in range(1, PARTS + 1))],
)
def test_noise_gives_a_query_or_a_query_error(seed: int, count: int) -> None:
    """Raw bytes and all of Unicode: control characters, surrogates, right to left."""
    rng = np.random.default_rng(seed)

    for _ in range(count):
        read(noise(rng))


@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=full)])
def test_hypothesis_finds_no_other_exception(count: int) -> None:
    """Any text and any order of the language's own words."""
    words = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=25).map(" ".join)

    @settings(QUIET, max_examples=count)
    @given(words | st.text(max_size=80))
    def check(text: str) -> None:
        read(text)

    check()


@pytest.mark.parametrize(
    "text",
    [
        "eventually[0s,1e308s](ego.speed > 1m/s)",
        "always[1e300s,1e307s](ego.speed > 1m/s)",
        "ego.speed > 1m/s then[1e306s,1e306s] night",
        "ego.speed > 1m/s until[0s,1e308s] night",
        "ego.speed > 1m/s for 1e308s",
        "ego.speed < 1.7976931348623157e308m/s",
        "ego.speed > -1.7976931348623157e308m/s",
        "ttc(ego,c) < 1e308s and c.speed * c.speed < 1e308m/s * 1e308m/s",
        "abs(ego.accel) < 1e308g",
        "ego.speed / 1e-320s > 1m/s^2",
        "visibility < 5e-324m",
        "gap(ego,c) in [-1e308m,1e308m]",
        "friction > 1e-400",
        "ego.speed > 1e308km/h or night",
        "eventually[0s,1e308h](night)",
    ],
)
def test_absurd_numbers_are_used_or_refused_in_words(text: str) -> None:
    """Numbers near the ends of what a computer holds break neither evaluation nor SQL."""
    read(text, thoroughly=True)


def test_a_file_of_noise_is_refused_in_words(tmp_path: Path) -> None:
    """A published query's file may hold anything at all."""
    rng = np.random.default_rng(0)
    for number in range(50):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(rng.integers(0, 256, 60, np.uint8).tobytes())
        with contextlib.suppress(QueryError):
            load_query(path)
