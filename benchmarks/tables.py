"""Tables for a terminal of any width: what is too wide goes on below, with the same row names."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

WIDEST = 32
"""Characters of a cell that are kept on one line; longer ones are broken."""
_BORDER = 3
"""Characters that a column takes beside its text."""


def tables(rows: list[dict[str, Any]], width: int) -> list[Table]:
    """Lay rows out as one table, or as several that fit one below the other.

    Args:
        rows: Rows with equal columns; the columns that name a row are in every table.
        width: Characters of the terminal.
    """
    out = []
    for group in column_groups(rows, width):
        table = Table()
        for column in group:
            least = _width(rows, column) - _BORDER
            # Text, not markup: units in brackets are no styles.
            table.add_column(Text(column), overflow="fold", width=least)
        for row in rows:
            table.add_row(*(Text(str(row[column])) for column in group))
        out.append(table)
    return out


def column_groups(rows: list[dict[str, Any]], width: int) -> list[list[str]]:
    """Share the columns out among tables: in their order, those that name the row in each.

    Args:
        rows: Rows with equal columns.
        width: Characters of the terminal.

    Returns:
        Names of the columns of each table; each has one at least that names no row, if there is.
    """
    naming = naming_columns(rows)
    room = width - 1 - sum(_width(rows, column) for column in naming)
    groups, left = [list(naming)], room
    for column in list(rows[0])[len(naming) :]:
        needed = _width(rows, column)
        if needed > left and len(groups[-1]) > len(naming):
            groups.append(list(naming))
            left = room
        groups[-1].append(column)
        left -= needed
    return groups


def naming_columns(rows: list[dict[str, Any]]) -> list[str]:
    """Give the fewest leading columns that tell all rows apart, or the first where none do."""
    columns = list(rows[0])
    for count in range(1, len(columns)):
        if len({tuple(str(row[c]) for c in columns[:count]) for row in rows}) == len(rows):
            return columns[:count]
    return columns[:1]


def _width(rows: list[dict[str, Any]], column: str) -> int:
    """Characters that a column takes: its longest cell, or the longest word of its name."""
    words = max(len(word) for word in column.split())
    cells = max(len(str(row[column])) for row in rows)
    return max(words, min(cells, WIDEST)) + _BORDER
