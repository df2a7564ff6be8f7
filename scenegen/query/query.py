"""A query: one object that is parsed, printed, evaluated, bounded and explained."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from scenegen.arrays import FloatArray
from scenegen.errors import QueryError
from scenegen.events.ranges import Range
from scenegen.query.atoms import KindIs
from scenegen.query.bounds import (
    EventCall,
    StaticDemand,
    event_calls,
    later_bounds,
    signal_bounds,
    static_demand,
)
from scenegen.query.explain import Explanation, explain
from scenegen.query.expression import And, Formula, Not, Or, children, clauses
from scenegen.query.necessary import COLUMNS, necessary
from scenegen.query.parser import parse_formula
from scenegen.query.search import Able, free_roles, margin_over_time
from scenegen.query.trace import Trace
from scenegen.query.verdict import Verdict, judge, judge_match
from scenegen.scene import Scenario
from scenegen.seeding import digest

DEEPEST = 40
"""Levels of conditions within conditions that a query may have."""


@dataclass(frozen=True, eq=False)
class Query:
    """A condition on scenarios: static conditions, events, and what was measured meanwhile.

    It holds if there are different agents for its roles and one instant at which all its clauses
    hold together for them. Queries combine with ``&``, ``|`` and ``~``; two are equal when they
    read the same.

    Attributes:
        body: The condition.
        declared: What the agents are by declaration; holds in addition to the body.
    """

    body: Formula
    declared: tuple[KindIs, ...] = ()

    def __post_init__(self) -> None:
        """Check depth and number of roles."""
        level = [self.formula]
        for _ in range(DEEPEST):
            level = [child for formula in level for child in children(formula)]
        if level:
            raise QueryError(f"query: nested more than {DEEPEST} levels deep; split it")
        free_roles(self.formula)

    @cached_property
    def formula(self) -> Formula:
        """The whole condition: declarations first, then the body."""
        stated = set(clauses(self.body))
        kinds = tuple(kind for kind in self.declared if kind not in stated)
        return And((*kinds, self.body)) if kinds else self.body

    @cached_property
    def text(self) -> str:
        """Canonical text; ``parse(query.text) == query``."""
        return self.formula.text

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical text, the same on every machine."""
        return digest(self.text)

    @property
    def clauses(self) -> tuple[Query, ...]:
        """Its top-level clauses, each as a query."""
        return tuple(Query(clause) for clause in clauses(self.formula))

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that are bound to agents, without the ego, in order of appearance."""
        return free_roles(self.formula)

    def evaluate(self, scenario: Scenario | Trace) -> Verdict:
        """Decide whether a scenario satisfies the query, exactly, and by whom, when and how far.

        Args:
            scenario: The scenario; a Trace of it saves work where several queries are asked.

        Returns:
            The verdict.
        """
        return judge(self.formula, _trace(scenario))

    def match(self, scenario: Scenario | Trace, able: Able | None = None) -> Verdict | None:
        """Evaluate as `evaluate` does, but spare the work of saying how far a miss is.

        Args:
            scenario: The scenario.
            able: Agents that may play each role, where the others are known not to satisfy the
                query; a role that is not in there is open to all.

        Returns:
            The verdict, None if the scenario does not satisfy the query.
        """
        return judge_match(self.formula, _trace(scenario), able or {})

    def margin_over_time(self, scenario: Scenario | Trace) -> FloatArray:
        """Largest margin over all assignments of roles at each instant, shape (T,).

        Its maximum is the margin of the verdict.
        """
        return margin_over_time(self.formula, _trace(scenario))

    def explain(self, scenario: Scenario | Trace) -> Explanation:
        """Say clause by clause how near a scenario comes, and what would make it match."""
        return explain(self.formula, _trace(scenario))

    def bounds(self) -> dict[str, Range]:
        """Range in stored units that the clauses imply for each signal, by its text.

        Raises:
            QueryError: Clauses contradict each other; the message names them.
        """
        static_demand(self.formula)
        return signal_bounds(self.formula)

    def later_bounds(self) -> dict[str, Range]:
        """Range that clauses about a later instant imply for each signal, such as after `then`.

        Raises:
            QueryError: Clauses about one instant contradict each other.
        """
        return later_bounds(self.formula)

    def sql(self, columns: Collection[str] = COLUMNS) -> str:
        """Give an SQL condition on a catalog's features that every scenario it holds in meets.

        Necessary, not sufficient: `scenegen.catalog.Catalog.search` decides the rest exactly.

        Args:
            columns: Columns that there are; what would need others is left out.

        >>> parse("night and ego.speed > 20m/s and ttc(ego, c) < 1s").sql(["light", "min_ttc"])
        "coalesce(light = 'night', TRUE) AND coalesce(min_ttc <= 1.000002, TRUE)"
        """
        return necessary(self.formula, columns)

    def event_calls(self) -> tuple[EventCall, ...]:
        """Events and motions that the query asks to happen, in order."""
        return event_calls(self.formula)

    def static(self) -> StaticDemand:
        """Light, weather, road and static quantities that the query leaves open.

        Raises:
            QueryError: Clauses contradict each other; the message names them.
        """
        return static_demand(self.formula)

    def __and__(self, other: Query) -> Query:
        """Both hold, for the same agents."""
        return self._joined(And, other)

    def __or__(self, other: Query) -> Query:
        """At least one holds."""
        return self._joined(Or, other)

    def __invert__(self) -> Query:
        """The condition does not hold; declarations stay."""
        return Query(Not(self.body), self.declared)

    def __eq__(self, other: object) -> bool:
        """Whether the other reads the same."""
        return isinstance(other, Query) and self.formula == other.formula

    def __hash__(self) -> int:
        """Hash of the canonical text."""
        return hash(self.text)

    def __bool__(self) -> bool:
        """Refuse: `and`, `or`, `not` and chained comparisons would silently drop a part.

        Raises:
            QueryError: Always.
        """
        raise QueryError(
            f"query {self.text!r} has no truth value of its own; combine queries with & | ~ and"
            " parentheses, and call evaluate(scenario)"
        )

    def __repr__(self) -> str:
        """Show how it is built from text."""
        return f"parse({self.text!r})"

    def __str__(self) -> str:
        """Canonical text."""
        return self.text

    def _joined(self, kind: type[And | Or], other: Query) -> Query:
        if not isinstance(other, Query):
            raise QueryError(f"expected a query to combine with, got {type(other).__name__}")
        return Query(kind((self.body, other.body)), join(self.declared, other.declared))


def parse(text: str) -> Query:
    """Read a query.

    Args:
        text: Its text, such as ``night and cut_in(c) and ttc(ego,c) < 1.5s``.

    Returns:
        The query.

    Raises:
        QueryError: The text is malformed, names something unknown or mixes units; the message
            shows where, and what was probably meant.
    """
    return Query(parse_formula(text))


def all_of(queries: Sequence[Query]) -> Query:
    """Join queries that all have to hold, for the same agents at the same instant.

    Raises:
        QueryError: There are none.
    """
    if not queries:
        raise QueryError("all_of: expected at least one query, got none")
    out = queries[0]
    for query in queries[1:]:
        out = out & query
    return out


def join(*declared: tuple[KindIs, ...]) -> tuple[KindIs, ...]:
    """Unite declarations, each once, in order."""
    return tuple(dict.fromkeys(kind for part in declared for kind in part))


def _trace(scenario: Scenario | Trace) -> Trace:
    return scenario if isinstance(scenario, Trace) else Trace(scenario)
