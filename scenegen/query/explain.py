"""Why a scenario matches or not: clause by clause, whom to blame, and what would make it match."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.query.atoms import Between, Compare
from scenegen.query.expression import And, Formula, Not, clauses
from scenegen.query.relax import Relaxation, smallest_relaxation
from scenegen.query.search import best_assignment, free_roles
from scenegen.query.semantics import Semantics
from scenegen.query.terms import Number, SignalOf, Term
from scenegen.query.trace import Trace
from scenegen.query.units import DISPLAY, unit_of
from scenegen.query.verdict import rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseExplanation:
    """How near one clause comes, for the agents that come nearest to the whole query.

    Attributes:
        text: Canonical text.
        satisfied: Whether it holds at the instant nearest to satisfying the whole query.
        margin: Its margin at that instant.
        best_margin: Its largest margin at any instant.
        best_time: Instant of the largest margin [s].
        value: Value of its quantity at the best time, in `unit`; None for events, static
            conditions and compound clauses, and where there is no value.
        unit: The unit the query uses.
        agents: Agent index of each role of the clause.
    """

    text: str
    satisfied: bool
    margin: float
    best_margin: float
    best_time: float
    value: float | None
    unit: str
    agents: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a scenario satisfies a query or does not.

    Attributes:
        query: Canonical text of the query.
        satisfied: Whether it is satisfied.
        margin: Its margin.
        time: Instant nearest to satisfying it [s]; None if nobody can play the roles.
        witness: Agent index of each role at that instant.
        clauses: One entry per top-level clause; empty if nobody can play the roles.
        blame: Text of the clause with the least margin at that instant; None if satisfied.
        relaxation: The smallest change of a single number that makes the query match, checked by
            evaluating the changed query; None if satisfied or if no single number is enough.
        without: Clauses without any one of which the query would match.
    """

    query: str
    satisfied: bool
    margin: float
    time: float | None
    witness: dict[str, int]
    clauses: tuple[ClauseExplanation, ...]
    blame: str | None
    relaxation: Relaxation | None
    without: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return asdict(self)


def explain(formula: Formula, trace: Trace) -> Explanation:
    """Explain a formula on a scenario."""
    best = best_assignment(formula, trace)
    roles = free_roles(formula)
    satisfied = best.margin > 0
    rows: tuple[ClauseExplanation, ...] = ()
    step = int(best.over_time.argmax())
    somebody = len(best.agents) == len(roles)
    if somebody:
        semantics = Semantics.of_cast(trace, roles, best.agents)
        rows = tuple(_row(clause, semantics, step) for clause in clauses(formula))
    worst = min(rows, key=lambda row: row.margin, default=None)
    return Explanation(
        query=formula.text,
        satisfied=satisfied,
        margin=rounded(best.margin),
        time=float(trace.times[step]) if somebody else None,
        witness=dict(zip(roles, best.agents, strict=True)) if somebody else {},
        clauses=rows,
        blame=None if satisfied or worst is None else worst.text,
        relaxation=None if satisfied else smallest_relaxation(formula, trace),
        without=() if satisfied else _without(formula, trace),
    )


def _row(clause: Formula, semantics: Semantics, step: int) -> ClauseExplanation:
    margin = semantics.over_time(clause)
    best = int(margin.argmax())
    roles = free_roles(clause)
    agents = dict(zip(semantics.roles, (int(a[0]) for a in semantics.agents), strict=True))
    shown = _shown(clause)
    value, unit = None, ""
    if shown is not None:
        term, unit = shown
        value = _at(semantics, term, best) / unit_of(unit)[1]
    return ClauseExplanation(
        text=clause.text,
        satisfied=bool(margin[step] > 0),
        margin=rounded(float(margin[step])),
        best_margin=rounded(float(margin[best])),
        best_time=float(semantics.trace.times[best]),
        value=value if value is not None and np.isfinite(value) else None,
        unit=unit,
        agents={role: agents[role] for role in roles},
    )


def _shown(clause: Formula) -> tuple[Term, str] | None:
    """The quantity a clause is about, and the unit the user wrote."""
    match clause:
        case Not(part):
            return _shown(part)
        case Compare(term, _, Number() as number) | Compare(Number() as number, _, term):
            return term, number.unit
        case Between(term, low, _):
            return term, low.unit
        case Compare(SignalOf() as term):
            return term, DISPLAY.get(term.dimension, "")
        case _:
            return None


def _at(semantics: Semantics, term: Term, step: int) -> float:
    value: FloatArray = semantics.value(term)
    column = value.reshape(value.shape[0], -1)[:, 0]
    return float(column[step if len(column) > 1 else 0])


def _without(formula: Formula, trace: Trace) -> tuple[str, ...]:
    """Clauses whose absence alone makes the formula match."""
    parts = clauses(formula)
    if len(parts) < 2:
        return ()
    out = []
    for number, clause in enumerate(parts):
        rest = parts[:number] + parts[number + 1 :]
        left = rest[0] if len(rest) == 1 else And(rest)
        if best_assignment(left, trace).margin > 0:
            out.append(clause.text)
    return tuple(out)
