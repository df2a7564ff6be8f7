"""Why a scenario matches or not: clause by clause, whom to blame, and what would make it match."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.query.atoms import Between, Compare
from scenegen.query.expression import And, At, Formula, Not, Then, Until, clauses
from scenegen.query.relax import Relaxation, smallest_relaxation
from scenegen.query.search import best_assignment, free_roles, nearest_assignment
from scenegen.query.semantics import Semantics
from scenegen.query.terms import Number, SignalOf, Term
from scenegen.query.trace import Trace
from scenegen.query.units import DISPLAY, unit_of
from scenegen.query.verdict import rounded
from scenegen.query.windows import begins, offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseExplanation:
    """How near one clause comes, for the agents that come nearest to the whole query.

    Attributes:
        text: Canonical text.
        time: Instant at which it is judged [s]: that nearest to satisfying the whole query; the
            part after a `then` or `until` later on, where it comes nearest.
        satisfied: Whether it holds then.
        margin: Its margin then.
        best_margin: Its largest margin at any instant.
        best_time: Instant of the best value [s], or of the largest margin if there is no value.
        value: Value of its quantity at the nearest instant, in `unit`; None for events, static
            conditions and compound clauses, and where there is no value.
        best_value: The value that comes nearest to what the clause asks, or exceeds it most.
        unit: The unit the query uses.
        agents: Agent index of each role of the clause.
    """

    text: str
    time: float
    satisfied: bool
    margin: float
    best_margin: float
    best_time: float
    value: float | None
    best_value: float | None
    unit: str
    agents: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a scenario satisfies a query or does not.

    Attributes:
        query: Canonical text of the query.
        satisfied: Whether it is satisfied.
        margin: Its margin.
        time: Instant nearest to satisfying it [s]: that of the largest margin, or, if a clause
            is out of reach at all instants, that at which most of the clauses hold; None if
            nobody can play the roles.
        witness: Agent index of each role at that instant.
        clauses: One entry per top-level clause, and per clause of both parts of a `then`, `until`
            or `at`; empty if nobody can play the roles.
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
    best = nearest_assignment(formula, trace)
    roles = free_roles(formula)
    satisfied = best.margin > 0
    rows: tuple[ClauseExplanation, ...] = ()
    step = best.step
    somebody = len(best.agents) == len(roles)
    if somebody:
        semantics = Semantics.of_cast(trace, roles, best.agents)
        placed = _placed(formula, semantics, step)
        rows = tuple(_row(clause, semantics, at) for clause, at in placed)
        step = placed[0][1] if isinstance(formula, Then) else step
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


def _placed(formula: Formula, semantics: Semantics, step: int) -> list[tuple[Formula, int]]:
    """Clauses of a formula, each with the instant at which it is judged."""
    match formula:
        case And(parts):
            pairs = [(part, step) for part in parts]
        case Then(first, second):
            # Where all depends on what comes later, the first part says which instant is meant.
            margin, now = semantics.over_time(formula), semantics.over_time(first)
            step = int(np.where(margin >= margin[step], now, -np.inf).argmax())
            pairs = [(first, step), (second, _later(formula, semantics, step))]
        case Until(first, second):
            end = _later(formula, semantics, step)
            worst = semantics.over_time(first)[step : max(end, step + 1)]
            pairs = [(first, step + int(worst.argmin())), (second, end)]
        case At(condition, part):
            begin = int(begins(semantics.over_time(condition) > 0)[step])
            pairs = [(condition, step), (part, begin)]
        case _:
            return [(formula, step)]
    return [placed for part, at in pairs for placed in _placed(part, semantics, at)]


def _later(formula: Then | Until, semantics: Semantics, step: int) -> int:
    """Instant within reach of a `then` or `until` at which its second part comes nearest."""
    margin, steps = semantics.over_time(formula.second), semantics.trace.steps
    first, last = (0, steps)
    if formula.interval is not None:
        first, last = offsets(formula.interval, semantics.trace.step)
    if isinstance(formula, Then):
        first = max(first, 1)
    else:
        before = np.minimum.accumulate(semantics.over_time(formula.first)[step:])
        margin = margin.copy()
        margin[step + 1 :] = np.minimum(margin[step + 1 :], before[:-1])
    begin = min(step + first, steps - 1)
    end = max(min(step + last, steps - 1), begin)
    return begin + int(margin[begin : end + 1].argmax())


def _row(clause: Formula, semantics: Semantics, step: int) -> ClauseExplanation:
    margin = semantics.over_time(clause)
    best = int(margin.argmax())
    roles = free_roles(clause)
    agents = dict(zip(semantics.roles, (int(a[0]) for a in semantics.agents), strict=True))
    shown = _shown(clause)
    value = best_value = None
    unit = ""
    if shown is not None:
        term, unit = shown
        best = _best_step(clause, semantics, term, best)
        value, best_value = (_at(semantics, term, t, unit) for t in (step, best))
    return ClauseExplanation(
        text=clause.text,
        time=float(semantics.trace.times[step]),
        satisfied=bool(margin[step] > 0),
        margin=rounded(float(margin[step])),
        best_margin=rounded(float(margin.max())),
        best_time=float(semantics.trace.times[best]),
        value=value,
        best_value=best_value,
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


def _best_step(clause: Formula, semantics: Semantics, term: Term, otherwise: int) -> int:
    """Instant at which a comparison's quantity is most in its favour.

    That is not where its margin is largest: that of a time to collision grows with the speed.
    """
    inner = clause.part if isinstance(clause, Not) else clause
    if not isinstance(inner, Compare):
        return otherwise
    is_below = (inner.operator[0] == "<") is (inner.left == term)
    if isinstance(clause, Not):
        is_below = not is_below
    shape = (semantics.trace.steps, *(len(a) for a in semantics.agents))
    value = np.broadcast_to(semantics.value(term), shape).reshape(shape[0])
    there = np.broadcast_to(semantics.known(term), shape).reshape(shape[0]) & np.isfinite(value)
    if not there.any():
        return otherwise
    worst = math.inf if is_below else -math.inf
    ranked = np.where(there, value, worst)
    return int(ranked.argmin() if is_below else ranked.argmax())


def _at(semantics: Semantics, term: Term, step: int, unit: str) -> float | None:
    """Value of a term at an instant, None where it has none."""
    value: FloatArray = semantics.value(term)
    column = value.reshape(value.shape[0], -1)[:, 0]
    found = float(column[step if len(column) > 1 else 0])
    known = semantics.known(term)
    there = bool(np.broadcast_to(known, (semantics.trace.steps, *known.shape[1:])).flat[step])
    return found / unit_of(unit)[1] if there and math.isfinite(found) else None


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
