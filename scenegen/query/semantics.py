"""Exact robustness of formulas: one margin per instant and assignment of agents to roles.

A margin is positive where a formula holds and negative where it does not, in units of 1 s, 1 m,
1 m/s and 0.1 rad, cut to +-FAR. A comparison whose sides are exactly equal gets +-EDGE, so that
its sign says what `<` or `<=` decide. What cannot be known, because an agent is absent or the
scenario has ended, counts as -FAR for a formula and for its negation alike (Kleene's unknown).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events.windows import FAR
from scenegen.query.atoms import OPERATORS, Atom, Between, Compare, Does, Interval, KindIs, StaticIs
from scenegen.query.expression import (
    Always,
    And,
    At,
    Eventually,
    Formula,
    Not,
    Or,
    Then,
    Until,
)
from scenegen.query.signals import SIGNALS
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import EGO_ROLE, Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.query.trace import Trace
from scenegen.query.unnamed import happens
from scenegen.query.windows import begins, largest_ahead, offsets, smallest_ahead, until
from scenegen.scene import EGO

EDGE = 1e-300
"""Margin that stands for exactly on the threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class Semantics:
    """Margins of formulas for all assignments of some agents to roles.

    Attributes:
        trace: The scenario.
        roles: Roles to bind, without the ego.
        agents: Indices of the agents each role may be, shape (K_r,) each.
    """

    trace: Trace
    roles: tuple[str, ...]
    agents: tuple[IntArray, ...]
    _terms: dict[Term, FloatArray] = field(default_factory=dict, init=False, repr=False)
    _margins: dict[tuple[Formula, bool], FloatArray] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of_cast(cls, trace: Trace, roles: tuple[str, ...], agents: Sequence[int]) -> Self:
        """Semantics of one assignment."""
        return cls(trace, roles, tuple(np.array([agent]) for agent in agents))

    def over_time(self, formula: Formula) -> FloatArray:
        """Margin of a formula for the first assignment, shape (T,)."""
        margin = self._full(self.margin(formula))
        return margin.reshape(self.trace.steps, -1)[:, 0]

    def at(self, formula: Formula, step: int, place: Sequence[int]) -> float:
        """Margin of a formula at one instant for one assignment, by its place along each role."""
        margin = self.margin(formula)
        index = [step, *place]
        return float(
            margin[tuple(k if n > 1 else 0 for k, n in zip(index, margin.shape, strict=True))]
        )

    def margin(self, formula: Formula, holds: bool = True) -> FloatArray:
        """Margin of a formula, or of its negation.

        Args:
            formula: The formula; all its roles are among `roles`.
            holds: False for the negation.

        Returns:
            Margins, an array that broadcasts to (T, K_1, ..., K_R).
        """
        match formula:
            case Not(part):
                return self.margin(part, not holds)
            case And(parts) | Or(parts):
                each = [self.margin(part, holds) for part in parts]
                return _reduce(each, isinstance(formula, And) is holds)
            case _:
                key = (formula, holds)
                if key not in self._margins:
                    self._margins[key] = self._worked_out(formula, holds)
                return self._margins[key]

    def value(self, term: Term) -> FloatArray:
        """Value of a term in stored units, an array that broadcasts to (T, K_1, ..., K_R)."""
        if term not in self._terms:
            self._terms[term] = self._value(term)
        return self._terms[term]

    def indices(self, roles: Sequence[str]) -> list[IntArray]:
        """Agent indices of some roles, each along the axis of its role."""
        rank = len(self.roles)
        out: list[IntArray] = []
        for role in roles:
            if role == EGO_ROLE:
                out.append(np.full((1,) * rank, EGO))
                continue
            axis = self.roles.index(role)
            shape = [1] * rank
            shape[axis] = -1
            out.append(self.agents[axis].reshape(shape))
        return out

    def known(self, term: Term) -> BoolArray:
        """Whether the agents of a term are there, broadcasts to (T, K_1, ..., K_R)."""
        out: BoolArray = np.ones((1,) * (len(self.roles) + 1), np.bool_)
        for index in self.indices(term.roles):
            out = out & self.trace.states.valid[:, index]
        return out

    def distinct(self) -> BoolArray:
        """Whether all roles are different agents, shape (K_1, ..., K_R)."""
        index = self.indices(self.roles)
        out: BoolArray = np.ones(tuple(len(a) for a in self.agents), np.bool_)
        for k, first in enumerate(index):
            for second in index[k + 1 :]:
                out &= first != second
        return out

    def _worked_out(
        self, formula: Atom | Eventually | Always | Then | Until | At, holds: bool
    ) -> FloatArray:
        """Margin of an atom, or of what looks along time: both cost too much to be done twice."""
        match formula:
            case Eventually(part, interval) | Always(part, interval):
                all_of = isinstance(formula, Always) is holds
                return self._window(self.margin(part, holds), interval, all_of)
            case Then() | Until() | At():
                return self._ordered(formula, holds)
            case _:
                return self._atom(formula, holds)

    def _window(self, margin: FloatArray, interval: Interval | None, all_of: bool) -> FloatArray:
        if interval is None:
            reduce = np.min if all_of else np.max
            return reduce(margin, axis=0, keepdims=True)
        first, last = offsets(interval, self.trace.step)
        pick = smallest_ahead if all_of else largest_ahead
        return pick(self._full(margin), first, last)

    def _ordered(self, formula: Then | Until | At, holds: bool) -> FloatArray:
        match formula:
            case Then(first, second, interval):
                later = self._later(self.margin(second, holds), interval, holds)
                return _reduce([self.margin(first, holds), later], holds)
            case Until(first, second, interval):
                return self._until(first, second, interval, holds)
            case At(condition, part):
                return self._since_begin(condition, part, holds)

    def _later(self, margin: FloatArray, interval: Interval | None, holds: bool) -> FloatArray:
        """Margin of holding strictly later, or of never doing so."""
        pick = largest_ahead if holds else smallest_ahead
        if interval is None:
            return pick(self._full(margin), 1, self.trace.steps, -FAR if holds else FAR)
        first, last = offsets(interval, self.trace.step)
        return pick(self._full(margin), max(first, 1), last)

    def _until(
        self, first: Formula, second: Formula, interval: Interval | None, holds: bool
    ) -> FloatArray:
        """Margin of `first` up to the instant before `second`, or of the negation."""
        sign = 1.0 if holds else -1.0
        shape = np.broadcast_shapes(*(self.margin(part).shape for part in (first, second)))
        shape = (self.trace.steps, *shape[1:])
        # A negation is the same calculation on negated margins with its own unknowns.
        meanwhile, then = (
            np.broadcast_to(sign * self.margin(part, holds), shape) for part in (first, second)
        )
        ends = (0, self.trace.steps) if interval is None else offsets(interval, self.trace.step)
        beyond = -FAR if interval is None else -sign * FAR
        return sign * until(meanwhile, then, *ends, beyond)

    def _since_begin(self, condition: Formula, part: Formula, holds: bool) -> FloatArray:
        """Margin of a condition and of what held when it began, or of the negation."""
        now, held = self._full(self.margin(condition)), self._full(self.margin(part, holds))
        shape = np.broadcast_shapes(now.shape, held.shape)
        now, held = np.broadcast_to(now, shape), np.broadcast_to(held, shape)
        then = np.take_along_axis(held, begins(now > 0), axis=0)
        margin = self._full(self.margin(condition, holds))
        return np.where(now > 0, _reduce([margin, then], holds), margin)

    def _full(self, margin: FloatArray) -> FloatArray:
        """Repeat what is the same at all instants."""
        return np.broadcast_to(margin, (self.trace.steps, *margin.shape[1:]))

    def _atom(self, atom: Atom, holds: bool) -> FloatArray:
        match atom:
            case StaticIs(name):
                fact = np.full(
                    (1,) * (len(self.roles) + 1), STATICS[name].holds(self.trace.scenario)
                )
                return np.where(fact == holds, FAR, -FAR)
            case KindIs(name, role):
                fits = ROLE_KINDS[name].holds(self.trace)[self.indices([role])[0]]
                return np.where(fits == holds, FAR, -FAR)[None]
            case Does(_, roles):
                raw = happens(atom, self.trace, self.indices(roles))
                return self._known(raw if holds else -raw, roles, inclusive=not holds)
            case Compare(left, operator, right):
                return self._compare(left, operator if holds else OPERATORS[operator], right)
            case Between(term, low, high):
                operators = (">=", "<=") if holds else ("<", ">")
                ends = zip(operators, (low, high), strict=True)
                return _reduce([self._compare(term, op, bound) for op, bound in ends], holds)

    def _compare(self, left: Term, operator: str, right: Term) -> FloatArray:
        below = self._below(left, right)
        margin = below if operator[0] == "<" else -below
        return self._known(margin, (*left.roles, *right.roles), inclusive="=" in operator)

    def _below(self, left: Term, right: Term) -> FloatArray:
        """Margin of left < right."""
        for term, other, sign in ((left, right, 1.0), (right, left, -1.0)):
            if isinstance(term, SignalOf):
                shortfall = SIGNALS[term.name].shortfall
                if shortfall is not None:
                    index = self.indices(term.roles)
                    return sign * shortfall(self.trace, *index, self.value(other))
        with np.errstate(invalid="ignore", over="ignore"):
            return (self.value(right) - self.value(left)) / left.dimension.scale

    def _known(self, margin: FloatArray, roles: Sequence[str], inclusive: bool) -> FloatArray:
        """Cut a margin to finite values, decide ties, and put -FAR where it is unknown."""
        margin = np.where(margin == 0, EDGE if inclusive else -EDGE, margin)
        margin = np.where(np.isnan(margin), -FAR, np.clip(margin, -FAR, FAR))
        for index in self.indices(tuple(dict.fromkeys(roles))):
            margin = np.where(self.trace.states.valid[:, index], margin, -FAR)
        return margin

    def _value(self, term: Term) -> FloatArray:
        match term:
            case Number():
                return np.full((1,) * (len(self.roles) + 1), term.value)
            case SignalOf(name, roles):
                value = SIGNALS[name].value(self.trace, *self.indices(roles))
                if not roles:
                    value = value.reshape((-1,) + (1,) * len(self.roles))
                return value
            case Absolute(inner):
                return np.abs(self.value(inner))
            case Arithmetic(left, operator, right):
                return _calculate(self.value(left), operator, self.value(right))


def _calculate(left: FloatArray, operator: str, right: FloatArray) -> FloatArray:
    """Apply an operator; what has no value (0/0, inf - inf) is NaN, unknown."""
    with np.errstate(all="ignore"):
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case _:
                return left / right


def _reduce(margins: Sequence[FloatArray], all_of: bool) -> FloatArray:
    """Least margin of a conjunction, largest of a disjunction."""
    pick = np.minimum if all_of else np.maximum
    out = margins[0]
    for margin in margins[1:]:
        out = pick(out, margin)
    return out
