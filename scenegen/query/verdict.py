"""What an evaluation says: whether, by how much, who, when, and clause by clause."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scenegen.arrays import FloatArray
from scenegen.query.expression import Formula, clauses
from scenegen.query.search import (
    Able,
    Best,
    best_assignment,
    free_roles,
    satisfying_assignment,
)
from scenegen.query.semantics import EDGE, Semantics
from scenegen.query.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseResult:
    """One top-level clause at the instant and for the agents of a verdict.

    Attributes:
        text: Canonical text.
        satisfied: Whether it holds there.
        margin: By how much, in units of 1 s, 1 m, 1 m/s and 0.1 rad.
    """

    text: str
    satisfied: bool
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of evaluating a query on a scenario.

    Attributes:
        satisfied: Whether there is an instant at which it holds.
        margin: Largest margin over all instants and assignments.
        witness: Agent index of each role, for the assignment with that margin; empty if there is
            nobody to play the roles.
        time: Instant with that margin [s]; None if there is nobody.
        interval: Stretch of time around it during which the witness satisfies the query [s], its
            ends interpolated; None if it does not.
        clauses: Every top-level clause, for the witness at that time.
    """

    satisfied: bool
    margin: float
    witness: dict[str, int]
    time: float | None
    interval: tuple[float, float] | None
    clauses: tuple[ClauseResult, ...]

    def __bool__(self) -> bool:
        """Whether the query is satisfied."""
        return self.satisfied

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return asdict(self)


def judge(formula: Formula, trace: Trace) -> Verdict:
    """Evaluate a formula on a scenario."""
    return _verdict(formula, trace, best_assignment(formula, trace))


def judge_match(formula: Formula, trace: Trace, able: Able) -> Verdict | None:
    """Evaluate a formula on a scenario among some agents; None if it does not hold."""
    best = satisfying_assignment(formula, trace, able)
    return None if best is None else _verdict(formula, trace, best)


def _verdict(formula: Formula, trace: Trace, best: Best) -> Verdict:
    roles = free_roles(formula)
    somebody = len(best.agents) == len(roles)
    step = best.step
    return Verdict(
        satisfied=best.margin > 0,
        margin=rounded(best.margin),
        witness=dict(zip(roles, best.agents, strict=True)) if somebody else {},
        time=float(trace.times[step]) if somebody else None,
        interval=_interval(best.over_time, step, trace.times),
        clauses=_clauses(formula, trace, roles, best, step) if somebody else (),
    )


def rounded(margin: float) -> float:
    """Give the margin as a person reads it: exactly on the threshold is 0."""
    return 0.0 if abs(margin) <= EDGE else margin


def _clauses(
    formula: Formula, trace: Trace, roles: tuple[str, ...], best: Best, step: int
) -> tuple[ClauseResult, ...]:
    semantics, place = best.semantics, best.place
    if semantics is None:
        semantics, place = Semantics.of_cast(trace, roles, best.agents), (0,) * len(roles)
    out = []
    for clause in clauses(formula):
        # The search has these margins already: nothing is computed twice for a hit.
        margin = float(semantics.at(clause, step, place))
        out.append(ClauseResult(text=clause.text, satisfied=margin > 0, margin=rounded(margin)))
    return tuple(out)


def _interval(margin: FloatArray, step: int, times: FloatArray) -> tuple[float, float] | None:
    """Ends of the run of positive margins around an instant, interpolated between instants."""
    if margin[step] <= 0:
        return None
    first = last = step
    while first > 0 and margin[first - 1] > 0:
        first -= 1
    while last + 1 < len(margin) and margin[last + 1] > 0:
        last += 1
    begin, end = float(times[first]), float(times[last])
    if first > 0:
        begin -= _share(margin[first], margin[first - 1]) * float(times[first] - times[first - 1])
    if last + 1 < len(margin):
        end += _share(margin[last], margin[last + 1]) * float(times[last + 1] - times[last])
    return begin, end


def _share(inside: float, outside: float) -> float:
    """Part of a step at which a margin that falls from inside to outside crosses zero."""
    return float(inside / (inside - outside))
