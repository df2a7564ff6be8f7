"""Find recordings: SQL over their features, and exact queries over their scenarios."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np

from scenegen.catalog.counting import count
from scenegen.catalog.features import features
from scenegen.catalog.searching import LOOKED_UP, verdicts
from scenegen.data import Dataset
from scenegen.data.pack import parquet
from scenegen.data.storage import replace_file, storage_errors
from scenegen.errors import QueryError
from scenegen.query import Query, Trace, Verdict, all_of, parse

TABLE = "recordings"
"""Name of the table in SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A recording that satisfies a query.

    Attributes:
        id: Id of its scenario.
        verdict: How it does so: witnesses, instant and margin.
    """

    id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One clause of a query in a funnel.

    Attributes:
        clause: Its text.
        alone: Recordings that satisfy it alone.
        left: Recordings that satisfy it and all clauses before it, for the same agents.
        without: Recordings that satisfy all the other clauses.
    """

    clause: str
    alone: int
    left: int
    without: int


class Catalog:
    """The table of one row of features per committed recording.

    The rows lie as Parquet in the packs and are committed with them. `rebuild` computes them anew
    from the stored scenarios into a derived file, which is then used instead; it can be deleted
    at any time.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the catalog of a dataset as it is now.

        Raises:
            RecordingError: There is no dataset, or it is damaged.
        """
        self.dataset = Dataset(path)
        self._connection = duckdb.connect(":memory:")
        self._attach()

    def __enter__(self) -> Self:
        """Give the catalog itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the database."""
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(row["column_name"] for row in self.sql(f"DESCRIBE {TABLE}"))

    def sql(self, text: str) -> list[dict[str, Any]]:
        """Run a DuckDB statement over the table `recordings`.

        Example::

            catalog.sql("SELECT weather, count(*) AS n FROM recordings GROUP BY weather")

        Raises:
            QueryError: DuckDB cannot run it; the message is DuckDB's.
        """
        try:
            result = self._connection.execute(text)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise QueryError(f"SQL {text!r}: {error}") from error

    def rows(self, where: str = "true", *, limit: int | None = None) -> list[dict[str, Any]]:
        """Give the rows that satisfy an SQL condition, in the order of the dataset.

        Args:
            where: Condition, such as ``min_ttc < 1.5 AND weather = 'fog'``.
            limit: Rows to give at most.

        Raises:
            QueryError: DuckDB cannot run it; the message is DuckDB's.
        """
        return self._select("*", where)[:limit]

    def search(
        self, query: Query | str, *, where: str = "true", limit: int | None = None
    ) -> list[Hit]:
        """Find the recordings that satisfy a query, exactly, in the order of the dataset.

        Rows whose features rule the query out are passed over; the others are evaluated.

        Args:
            query: The query, or its text such as ``night and ttc(ego,c) < 1.5s``.
            where: SQL condition that narrows the recordings which are looked at.
            limit: Hits to give at most; the search ends with the last one.

        Raises:
            QueryError: The query or the condition is malformed.
            RecordingError: A scenario is damaged.
        """
        hits: list[Hit] = []
        wanted = parse(query) if isinstance(query, str) else query
        for hit in self._hits(wanted, where):
            if limit is not None and len(hits) >= limit:
                break
            hits.append(hit)
        return hits

    def count(self, query: Query | str, *, where: str = "true") -> int:
        """Count the recordings that satisfy a query, exactly, as many as `search` finds.

        What rows decide is not read: an event under some light, weather and road costs no more
        than its rows.

        Args:
            query: The query, or its text such as ``night and cut_in(c)``.
            where: SQL condition that narrows the recordings which are looked at.

        Raises:
            QueryError: The query or the condition is malformed.
            RecordingError: A scenario is damaged.
        """
        wanted = parse(query) if isinstance(query, str) else query
        return count(self.dataset, wanted, self._candidates(wanted, where))

    def funnel(self, query: Query | str) -> list[Step]:
        """Say clause by clause how many recordings are left, and which clause costs most.

        Args:
            query: The query, or its text.

        Raises:
            QueryError: The query is malformed.
            RecordingError: A scenario is damaged.
        """
        wanted = parse(query) if isinstance(query, str) else query
        parts = wanted.clauses
        counts = np.zeros((len(parts), 3), np.int64)
        for row in self._select("id", "true"):
            trace = Trace(self.dataset.scenario(row["id"]))
            for k, part in enumerate(parts):
                rest = [*parts[:k], *parts[k + 1 :]]
                asked = ([part], parts[: k + 1], rest)
                counts[k] += [not some or _holds(some, trace) for some in asked]
        return [
            Step(clause=part.text, alone=int(alone), left=int(left), without=int(without))
            for part, (alone, left, without) in zip(parts, counts, strict=True)
        ]

    def rebuild(self) -> Path:
        """Compute every row anew from the stored scenarios.

        What writers added of their own, besides the features, is kept.

        Returns:
            The derived file.

        Raises:
            RecordingError: A scenario is damaged.
            StorageError: The system refused to write.
        """
        stored = self.dataset.rows()
        rows = [
            {**row, **features(self.dataset.scenario(number))} for number, row in enumerate(stored)
        ]
        folder = self._derived.parent
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
            replace_file(self._derived, parquet(rows))
            for old in folder.glob("features-*.parquet"):
                if old != self._derived:
                    old.unlink(missing_ok=True)
        self._attach()
        return self._derived

    @property
    def _derived(self) -> Path:
        """Rows of exactly this snapshot, derived from its scenarios."""
        return self.dataset.path / "catalog" / f"features-{self.dataset.snapshot}.parquet"

    def _attach(self) -> None:
        """Make the table a view of the derived file, or of the packs' own."""
        derived = self._derived
        files = [derived] if derived.exists() else self.dataset.catalog_files()
        if not files:
            empty = "SELECT ''::VARCHAR AS id, 0::BIGINT AS frames WHERE false"
            self._connection.execute(f"CREATE OR REPLACE VIEW {TABLE} AS {empty}")
            return
        names = [glob.escape(str(file)) for file in files]
        table = self._connection.read_parquet(names, union_by_name=True)
        table.create_view(TABLE, replace=True)

    def _select(self, columns: str, where: str) -> list[dict[str, Any]]:
        """Give some columns of the rows that satisfy a condition, in the order of the dataset."""
        # The condition ends on a line of its own, so that it may end in a comment.
        rows = self.sql(f"SELECT {columns} FROM {TABLE} WHERE ({where}\n)")
        return sorted(rows, key=lambda row: self.dataset.index(row["id"]))

    def _candidates(self, query: Query, where: str) -> list[dict[str, Any]]:
        """Rows that do not rule a query out, with the columns that a search reads."""
        columns = set(self.columns)
        wanted = ", ".join(name for name in (*LOOKED_UP, "road") if name in columns)
        return self._select(wanted, f"({where}\n) AND ({query.sql(columns)})")

    def _hits(self, query: Query, where: str) -> Iterator[Hit]:
        rows = self._candidates(query, where)
        for name, verdict in verdicts(self.dataset, query, rows):
            yield Hit(id=name, verdict=verdict)


def _holds(queries: Sequence[Query], trace: Trace) -> bool:
    return all_of(queries).evaluate(trace).satisfied
