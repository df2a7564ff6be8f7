"""Commands about queries: published ones, counts, SQL, tags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenegen.cli.arguments import read_query
from scenegen.errors import QueryError
from scenegen.query import load_query, parse, tags
from tests.catalog.test_catalog import record
from tests.cli.test_commands import scenegen


def test_a_published_query_is_read_by_name_id_and_file(tmp_path: Path) -> None:
    """All ways give the same query, with numbers set."""
    path = tmp_path / "mine.yaml"
    path.write_text("id: mine\ntext: night")

    assert read_query("@Q4", ["ttc=1.5s"]) == load_query("lead_brakes_close", ttc="1.5s")
    assert read_query("@lead_brakes_close") == load_query("Q4")
    assert read_query(f"@{path}") == parse("night")


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("night", ["ttc=1s"], "only a query read from"),
        ("@Q4", ["ttc"], "NAME=VALUE"),
        ("@Q4", ["ttc=99s"], r"expected 0\.5s to 6s"),
        ("@no_such_query", [], "cannot be read"),
    ],
)
def test_wrong_settings_are_refused(text: str, settings: list[str], said: str) -> None:
    """The sentence says what is expected."""
    with pytest.raises(QueryError, match=said):
        read_query(text, settings)


def test_count_shows_where_recordings_are_lost(tmp_path: Path) -> None:
    """The funnel has a line per clause."""
    record(tmp_path / "a")

    told = scenegen("count", tmp_path / "a", "night and rain", "--funnel", "--json")
    found = json.loads(told.stdout)

    assert (found["recordings"], found["matching"]) == (6, 2)
    assert [step["left"] for step in found["funnel"]] == [3, 2]
    assert "2 of 6" in scenegen("count", tmp_path / "a", "night and rain").stdout


def test_sql_and_tags_are_printed() -> None:
    """Nothing that a tag counts, or a search rules out, is secret."""
    assert "light = 'night'" in scenegen("sql", "night and cut_in(c)").stdout
    assert json.loads(scenegen("tags", "--json").stdout) == tags()
