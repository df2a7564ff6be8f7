"""The smallest change of one number in a query that makes a scenario match."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.query.atoms import Between, Compare
from scenegen.query.expression import And, At, Formula, Not, children, clauses, with_children
from scenegen.query.search import best_assignment, free_roles, parts
from scenegen.query.semantics import Semantics
from scenegen.query.terms import EGO_ROLE, Number, Term
from scenegen.query.trace import Trace
from scenegen.query.units import unit_of

DIGITS = (3, 4, 6, 9, 17)
"""Significant digits tried for the new number, few first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """One number to change.

    Attributes:
        clause: Text of the comparison with the number.
        old: The number as it is, with its unit.
        new: The number that is enough.
        query: Text of the whole query with the new number; it matches.
    """

    clause: str
    old: str
    new: str
    query: str


@dataclass(frozen=True, slots=True)
class _Knob:
    """One number of one comparison, and which way relaxes it."""

    atom: Compare | Between
    term: Term
    number: Number
    rising: bool

    def turned(self, number: Number) -> Compare | Between:
        """Give the comparison with another number."""
        atom = self.atom
        if isinstance(atom, Between):
            return replace(atom, high=number) if self.rising else replace(atom, low=number)
        if atom.right is self.number:
            return replace(atom, right=number)
        return replace(atom, left=number)


def smallest_relaxation(formula: Formula, trace: Trace) -> Relaxation | None:
    """Find the single number whose smallest change makes a formula hold.

    Args:
        formula: A formula that does not hold.
        trace: The scenario.

    Returns:
        The change, verified by evaluating the changed formula; None if no single number will do.
    """
    found: list[tuple[float, Relaxation]] = []
    for knob in _knobs(formula, holds=True):
        number = _enough(formula, trace, knob)
        if number is None:
            continue
        change = abs(number.value - knob.number.value) / knob.term.dimension.scale
        relaxed = _replaced(formula, knob.atom, knob.turned(number))
        found.append(
            (
                change,
                Relaxation(
                    clause=knob.atom.text,
                    old=knob.number.text,
                    new=number.text,
                    query=relaxed.text,
                ),
            )
        )
    return min(found, key=lambda pair: pair[0], default=(0.0, None))[1]


def _enough(formula: Formula, trace: Trace, knob: _Knob) -> Number | None:
    """The least far value of a number with which the formula holds."""

    def matches(value: Number) -> bool:
        relaxed = _replaced(formula, knob.atom, knob.turned(value))
        return best_assignment(relaxed, trace).margin > 0

    if any(clause is knob.atom for clause in clauses(formula)):
        nearest = _nearest(formula, trace, knob)
    else:
        nearest = _first_enough(_values(trace, knob), knob, matches)
    if nearest is None:
        return None
    numbers = (_outward(nearest, digits, knob) for digits in DIGITS)
    return next((number for number in numbers if matches(number)), None)


def _nearest(formula: Formula, trace: Trace, knob: _Knob) -> float | None:
    """Value nearest to the number among those taken where all other clauses hold, in its unit."""
    rest = tuple(clause for clause in clauses(formula) if clause is not knob.atom)
    kept = (*rest, *_other_end(knob))
    whole = And((*kept, knob.atom)) if kept else knob.atom
    roles = free_roles(whole)
    found = math.inf if knob.rising else -math.inf
    for part in parts((trace.others,) * len(roles), trace.steps):
        semantics = Semantics(trace, roles, part)
        where = semantics.distinct()[None] & semantics.known(knob.term)
        for clause in kept:
            where = where & (semantics.margin(clause) > 0)
        value = np.broadcast_to(
            semantics.value(knob.term),
            np.broadcast_shapes(where.shape, semantics.value(knob.term).shape),
        )
        taken = value[np.broadcast_to(where, value.shape) & np.isfinite(value)]
        if taken.size:
            found = min(found, taken.min()) if knob.rising else max(found, taken.max())
    return float(found) / unit_of(knob.number.unit)[1] if math.isfinite(found) else None


def _other_end(knob: _Knob) -> tuple[Formula, ...]:
    """The end of a range that stays as it is."""
    if not isinstance(knob.atom, Between):
        return ()
    if knob.rising:
        return (Compare(knob.term, ">=", knob.atom.low),)
    return (Compare(knob.term, "<=", knob.atom.high),)


def _first_enough(
    values: FloatArray, knob: _Knob, matches: Callable[[Number], bool]
) -> float | None:
    """First of the values beyond the number that is enough; relaxing further keeps it so."""
    values = values / unit_of(knob.number.unit)[1]
    beyond = values > knob.number.magnitude if knob.rising else values < knob.number.magnitude
    steps = np.unique(values[beyond])
    steps = steps if knob.rising else steps[::-1]
    if not len(steps) or not matches(_outward(float(steps[-1]), DIGITS[-1], knob)):
        return None
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        if matches(_outward(float(steps[middle]), DIGITS[-1], knob)):
            high = middle
        else:
            low = middle + 1
    return float(steps[low])


def _values(trace: Trace, knob: _Knob) -> FloatArray:
    """All finite values that the quantity takes, over instants and agents."""
    roles = tuple(role for role in knob.term.roles if role != EGO_ROLE)
    semantics = Semantics(trace, roles, (trace.others,) * len(roles))
    value = semantics.value(knob.term)
    return value[np.isfinite(value)]


def _outward(value: float, digits: int, knob: _Knob) -> Number:
    """Round in the direction that relaxes, at least a little beyond."""
    if digits >= DIGITS[-1]:
        beyond = math.inf if knob.rising else -math.inf
        # A few units in the last place: the margin is not computed from the value itself.
        for _ in range(8):
            value = math.nextafter(value, beyond)
        return Number(value, knob.number.unit)
    size = math.floor(math.log10(abs(value))) if value else 0
    unit = 10.0 ** (size - digits + 1)
    whole = value / unit
    number = math.floor(whole) + 1 if knob.rising else math.ceil(whole) - 1
    return Number(float(f"{number * unit:.{digits + 1}g}"), knob.number.unit)


def _knobs(formula: Formula, holds: bool) -> Iterator[_Knob]:
    match formula:
        case Compare(term, operator, Number() as number):
            yield _Knob(formula, term, number, (operator[0] == "<") is holds)
        case Compare(Number() as number, operator, term):
            yield _Knob(formula, term, number, (operator[0] == ">") is holds)
        case Between(term, low, high) if holds:
            yield _Knob(formula, term, low, rising=False)
            yield _Knob(formula, term, high, rising=True)
        case Not(part):
            yield from _knobs(part, not holds)
        case At(_, part):
            # A number of the condition moves the begin: neither way relaxes it for sure.
            yield from _knobs(part, holds)
        case _:
            for child in children(formula):
                yield from _knobs(child, holds)


def _replaced(formula: Formula, old: Formula, new: Formula) -> Formula:
    """Give the formula with one part exchanged."""
    if formula is old:
        return new
    return with_children(formula, tuple(_replaced(child, old, new) for child in children(formula)))
