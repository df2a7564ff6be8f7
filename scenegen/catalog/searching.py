"""Search a dataset: rows first, then states of many recordings at once, then exact evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scenegen.arrays import BoolArray
from scenegen.catalog.cohort import Casting, Member, eligible, possible
from scenegen.catalog.development import circumstances
from scenegen.catalog.extremes import read_extremes
from scenegen.catalog.occurrences import read_occurrences
from scenegen.data import Dataset
from scenegen.query import Query, Verdict
from scenegen.query.atoms import Does
from scenegen.query.expression import atoms
from scenegen.query.necessary import CONSTANT
from scenegen.query.statics import FIELDS
from scenegen.scene import EGO, AgentKind, AgentStates

FIRST, MOST = 64, 2048
"""Recordings that are looked at together: at first, so that a search for few ends soon, and later,
twice as many each time."""
LOOKED_UP = tuple(
    dict.fromkeys(
        (
            *("id", "steps", "duration", "occurrences", "listed", "extremes", "development"),
            *("light", "weather", *FIELDS.values(), *CONSTANT.values()),
        )
    )
)
"""Columns of a row that a search reads, where there are such."""
KINDS = [int(kind) for kind in AgentKind]

Row = Mapping[str, Any]


def verdicts(dataset: Dataset, query: Query, rows: Sequence[Row]) -> Iterator[tuple[str, Verdict]]:
    """Evaluate a query on recordings, exactly.

    Of recordings that show one development under circumstances that are the same to the query,
    one is evaluated.

    Args:
        dataset: The dataset.
        query: The query.
        rows: Its rows with the columns LOOKED_UP, of the recordings to look at.

    Yields:
        Id and verdict of each recording that satisfies it, in the order of the rows.

    Raises:
        RecordingError: A scenario is damaged.
    """
    known: dict[object, Verdict | None] = {}
    for part in _growing(rows):
        keys = [_key(query, row) for row in part]
        unseen: dict[object, Row] = {}
        for key, row in zip(keys, part, strict=True):
            if key not in known:
                unseen.setdefault(key, row)
        asked = list(unseen.values())
        looked_at = dict(zip(unseen, _promising(dataset, query, asked), strict=True))
        for key, row in zip(keys, part, strict=True):
            if key not in known:
                casting, states = looked_at.pop(key)
                known[key] = (
                    None
                    if casting is None
                    else query.match(dataset.scenario(row["id"], states), casting)
                )
            verdict = known[key]
            if verdict is not None:
                yield row["id"], verdict


def _growing(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    begin, size = 0, FIRST
    while begin < len(rows):
        yield rows[begin : begin + size]
        begin, size = begin + size, min(2 * size, MOST)


def _key(query: Query, row: Row) -> object:
    """What decides about a recording; the recording itself where that is not known."""
    told = circumstances(query.formula, row)
    mark = row.get("development")
    return row["id"] if told is None or mark is None else (mark, told)


def _promising(
    dataset: Dataset, query: Query, rows: Sequence[Row]
) -> list[tuple[Casting | None, AgentStates | None]]:
    """Who may play which role in each recording, and its states where they were read.

    Nobody is None: the query does not hold there.
    """
    names = {atom.name for atom in atoms(query.formula) if isinstance(atom, Does)}
    happened = [read_occurrences(row.get("occurrences"), row.get("listed"), names) for row in rows]
    tables = [read_extremes(row.get("extremes")) for row in rows]
    out: list[Casting | None] = [None] * len(rows)
    for k, table in enumerate(tables):
        if table is not None:
            there: BoolArray = np.isin(table[:, 0], KINDS)
            others = _others(there)
            out[k] = eligible(query.formula, others, happened[k], table)
    left = [k for k, table in enumerate(tables) if table is None or out[k] is not None]
    states = dict(
        zip(left, dataset.states([dataset.index(rows[k]["id"]) for k in left]), strict=True)
    )
    for k in left:
        if tables[k] is None:
            seen: BoolArray = np.logical_or.reduce(states[k].valid, axis=0)
            others = _others(seen)
            out[k] = eligible(query.formula, others, happened[k], None)
    for step, group in _by_length(rows, [k for k in left if out[k] is not None]).items():
        members = [
            Member(states=states[k], happened=happened[k], able=casting)
            for k in group
            for casting in [out[k]]
            if casting is not None
        ]
        for k, casting in zip(group, possible(query.formula, members, step[1]), strict=True):
            out[k] = casting
    return [(casting, None if casting is None else states.get(k)) for k, casting in enumerate(out)]


def _others(there: BoolArray) -> list[int]:
    return [agent for agent in np.flatnonzero(there).tolist() if agent != EGO]


def _by_length(rows: Sequence[Row], numbers: Sequence[int]) -> dict[tuple[int, float], list[int]]:
    """Rows of equally many instants, by their number and distance; those that tell it not, out."""
    groups: dict[tuple[int, float], list[int]] = {}
    for k in numbers:
        steps, duration = rows[k].get("steps"), rows[k].get("duration")
        if steps is not None and duration is not None and steps > 1:
            groups.setdefault((steps, duration / (steps - 1)), []).append(k)
    return groups
