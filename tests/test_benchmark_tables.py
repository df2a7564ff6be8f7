"""Tables of benchmarks can be read in a terminal of 80 columns."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.tables import column_groups, naming_columns, tables

RESULTS = sorted((Path(__file__).parent.parent / "benchmarks" / "results").glob("*.json"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("width", [80, 120])
def test_every_column_is_shown_once_beside_its_row(path: Path, width: int) -> None:
    """What names the rows is in each table, every other column in exactly one, in their order."""
    rows = json.loads(path.read_text())["rows"]

    groups, naming = column_groups(rows, width), naming_columns(rows)

    count = len(naming)
    assert all(group[:count] == naming for group in groups)
    assert [c for group in groups for c in group[count:]] == list(rows[0])[count:]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_no_number_is_cut(path: Path) -> None:
    """Cells of up to a dozen characters stand on one line, whole."""
    rows = json.loads(path.read_text())["rows"]
    console = Console(width=80, record=True, file=io.StringIO())
    for table in tables(rows, 80):
        console.print(table)

    text = console.export_text()

    assert "…" not in text
    short = {str(v) for row in rows for v in row.values() if 0 < len(str(v)) <= 12}
    assert all(cell in text for cell in short)


def test_a_narrow_table_stays_one() -> None:
    """Nothing is shared out that fits."""
    assert column_groups([{"a": 1, "b": 2, "c": 3}], 80) == [["a", "b", "c"]]


def test_a_column_wider_than_the_terminal_still_gets_a_table() -> None:
    """Each table has a column beside the first, however narrow the terminal is."""
    groups = column_groups([{"name": "x" * 30, "one": "y" * 40, "two": "z" * 40}], 20)

    assert groups == [["name", "one"], ["name", "two"]]


def test_rows_are_named_by_as_many_columns_as_it_takes() -> None:
    """Two rows of the same set differ in their model: both columns come along."""
    rows = [{"set": "a", "model": m, "x": 1, "y": "z" * 30} for m in ("p", "q")]

    assert column_groups(rows, 30) == [["set", "model", "x"], ["set", "model", "y"]]


def test_units_in_brackets_are_shown() -> None:
    """A name such as `gan [s]` is text, no style."""
    console = Console(width=80, record=True, file=io.StringIO())
    for table in tables([{"a": "[b]", "gan [s]": 1}], 80):
        console.print(table)

    text = console.export_text()
    assert "[s]" in text
    assert "[b]" in text
