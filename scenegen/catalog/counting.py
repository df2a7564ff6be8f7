"""Count what a query finds, without reading recordings whose rows decide it already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scenegen.catalog.occurrences import read_occurrences
from scenegen.catalog.searching import verdicts
from scenegen.data import Dataset
from scenegen.query import PREDICATES, Query
from scenegen.query.atoms import Does, StaticIs
from scenegen.query.expression import clauses
from scenegen.query.statics import FIELDS, STATICS
from scenegen.query.terms import EGO_ROLE
from scenegen.scene import EGO, Light, RoadKind, Weather

Row = Mapping[str, Any]


def count(dataset: Dataset, query: Query, rows: Sequence[Row]) -> int:
    """Count the recordings that satisfy a query, exactly.

    Args:
        dataset: The dataset.
        query: The query.
        rows: Its rows with the columns searching.LOOKED_UP and `road`, of the recordings to count.

    Raises:
        RecordingError: A scenario is damaged.
    """
    told = [decided(query, row) for row in rows]
    open_rows = [row for row, holds in zip(rows, told, strict=True) if holds is None]
    return told.count(True) + sum(1 for _ in verdicts(dataset, query, open_rows))


def decided(query: Query, row: Row) -> bool | None:
    """Say whether a recording satisfies a query as far as its row tells; None if it does not.

    A row lists who did what, so that an event under some light, weather and road is decided by
    it. Of two events it is not known whether they happen at one instant, and options narrow what
    is listed; such queries are left to the evaluation.

    Args:
        query: The query.
        row: The recording's row.
    """
    events = list[Does]()
    for clause in clauses(query.formula):
        if isinstance(clause, StaticIs):
            holds = _is_so(clause.name, row)
            if holds is not True:
                return holds
        elif isinstance(clause, Does) and not clause.options:
            events.append(clause)
        else:
            return None
    if len(events) != 1:
        return None
    (event,) = events
    # Roles that are left out, the ego and one agent in two roles are more than a list tells.
    named = len(set(event.roles) - {EGO_ROLE})
    if named < len(PREDICATES[event.name].roles):
        return None
    listed = read_occurrences(row.get("occurrences"), row.get("listed"), (event.name,))
    if event.name not in listed:
        return None
    # What the ego does is listed as well, but a role is never the ego.
    return any(EGO not in who for who, _, _ in listed[event.name])


def _is_so(name: str, row: Row) -> bool | None:
    """Whether a static condition holds in a recording; None if its row does not tell."""
    fact = STATICS[name]
    needed = ("light", "weather", "road", *(FIELDS[n] for n in fact.ranges))
    if any(row.get(column) is None for column in needed):
        return None
    if fact.roads is not None and row["road"] == RoadKind.RECORDED:
        return None  # What a recorded road counts as is for its lanes to say.
    fits = fact.allows(Light(row["light"]), Weather(row["weather"]), RoadKind(row["road"]))
    return fits and all(row[FIELDS[n]] in wanted for n, wanted in fact.ranges.items())
