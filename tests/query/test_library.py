"""Published queries: each holds where it should, and just misses where it just should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenegen.errors import QueryError
from scenegen.query import Trace, load_query, parse, published, read_published, s, tags
from scenegen.query.library import PLACE
from scenegen.query.parser import parse_number
from tests.query.situations import SITUATIONS, Situation

NEAR_MISS = 0.05
"""Part of its value by which a number is drawn in for a near miss."""
each = pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.id)


def with_number(situation: Situation, value: str) -> str:
    """Text of a published query with a number in the place of its key, whatever its range."""
    query = read_published(situation.id)
    numbers = {name: parameter.default.text for name, parameter in query.params.items()}
    return PLACE.sub(lambda place: {**numbers, situation.key: value}[place[1]], query.text)


@each
def test_a_published_query_finds_its_situation_and_who_is_in_it(situation: Situation) -> None:
    """On its hand-made scenario it holds, for the agents it is about."""
    verdict = load_query(situation.id).evaluate(situation.build())

    assert verdict.satisfied
    assert verdict.witness == situation.witness


@each
def test_a_near_miss_is_missed_and_explained(situation: Situation) -> None:
    """A number drawn in by 5 % misses; the explanation names its clause and a value that does."""
    trace = Trace(situation.build())
    change = parse(with_number(situation, situation.never)).explain(trace).relaxation
    assert change is not None
    enough = parse_number(change.new)
    inward = -1.0 if enough.value > parse_number(situation.never).value else 1.0
    tight = enough.magnitude + inward * NEAR_MISS * abs(enough.magnitude)

    found = parse(with_number(situation, f"{tight}{enough.unit}")).explain(trace)

    assert parse(change.query).evaluate(trace).satisfied
    assert not found.satisfied
    assert found.relaxation is not None
    assert found.relaxation.clause.startswith(situation.clause)
    assert found.relaxation.new == change.new


@pytest.mark.parametrize("name", sorted(published()))
def test_every_published_query_has_a_source_and_reads_back(name: str) -> None:
    """Each says where it comes from; all but the controls parse to themselves."""
    query = read_published(name)

    assert query.title
    assert query.source
    if query.id != "N2":
        assert parse(load_query(name).text) == load_query(name)


def test_the_controls_are_refused_in_words() -> None:
    """A contradiction names both clauses before any search, a missing unit is pointed at."""
    with pytest.raises(QueryError, match=re.escape("ego.speed > 20m/s\n  ego.speed < 10m/s")):
        load_query("N1").bounds()
    with pytest.raises(QueryError, match="has no unit") as caught:
        load_query("N2")
    assert str(caught.value).endswith("^^^")


def test_numbers_are_set_within_their_range() -> None:
    """Text and quantities are taken; what is out of range or of another unit is refused."""
    assert load_query("Q4", ttc="1.5s") == load_query("lead_brakes_close", ttc=1.5 * s)
    assert load_query("Q4", ttc="1.5s") != load_query("Q4")
    for wrong in ("20s", "1.5", "1.5m"):
        with pytest.raises(QueryError, match=r"expected 0\.5s to 6s"):
            load_query("Q4", ttc=wrong)
    with pytest.raises(QueryError, match="Did you mean 'ttc'"):
        load_query("Q4", tcc="1s")
    with pytest.raises(QueryError, match="published query"):
        load_query("Q99")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- night",
        "id: a\ntext: night\nmore: 1",
        "id: a\ntext: '{x} > 1s'",
        "id: a\ntext: ego.speed > {x}\nparams: {x: 3m/s}",
        "id: a\ntext: ego.speed > {x}\nparams: {x: {default: 3m/s, range: [4m/s, 5m/s]}}",
        "id: a\ntext: ego.speed > {x}\nparams: {x: {default: 3m/s, range: [1s, 5s]}}",
        "id: [",
    ],
)
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    """What is wrong with a file is said with its path."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    with pytest.raises(QueryError, match=r"mine\.yaml"):
        load_query(path)


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    """Anybody can publish a query."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "id: mine\ntext: ego.speed > {x}\nparams: {x: {default: 3m/s, range: [1m/s, 5m/s]}}"
    )

    assert load_query(path, x="4m/s") == parse("ego.speed > 4m/s")


def test_every_tag_is_a_query() -> None:
    """What a tag counts can be read."""
    for name, text in tags().items():
        assert parse(text).text, name
