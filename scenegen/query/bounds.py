"""What a query asks of the numbers before anything is generated: ranges, statics, conflicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product

from scenegen.errors import QueryError
from scenegen.events.ranges import Range
from scenegen.query.atoms import OPERATORS, Between, Compare, Does, StaticIs
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
    atoms,
    children,
    clauses,
)
from scenegen.query.statics import STATICS
from scenegen.query.terms import Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.scene import Light, RoadKind, Weather

GENERATED = tuple(kind for kind in RoadKind if kind is not RoadKind.RECORDED)
"""Kinds of road that can be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticDemand:
    """Light, weather and road that the static clauses leave open.

    Attributes:
        combinations: Every combination of light, weather and road that satisfies them.
        ranges: Range of each static quantity that is bounded, such as ``visibility`` [m].
    """

    combinations: tuple[tuple[Light, Weather, RoadKind], ...]
    ranges: dict[str, Range] = field(default_factory=dict)

    @property
    def lights(self) -> tuple[Light, ...]:
        """Lights among the combinations."""
        return tuple(light for light in Light if any(c[0] is light for c in self.combinations))

    @property
    def weathers(self) -> tuple[Weather, ...]:
        """Weathers among the combinations."""
        return tuple(w for w in Weather if any(c[1] is w for c in self.combinations))

    @property
    def roads(self) -> tuple[RoadKind, ...]:
        """Kinds of road among the combinations."""
        return tuple(r for r in RoadKind if any(c[2] is r for c in self.combinations))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCall:
    """One event or motion that a query asks for.

    Attributes:
        name: Name in PREDICATES.
        roles: Role of each agent, in the order of the predicate.
        options: Value of each option given.
    """

    name: str
    roles: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


def required(formula: Formula) -> tuple[Formula, ...]:
    """Clauses that hold together at the instant at which a formula holds.

    The conjuncts, and what an `always` says of an interval that begins now, or of every instant.
    """
    out: list[Formula] = []
    for clause in clauses(formula):
        if isinstance(clause, Always) and (
            clause.interval is None or clause.interval.low.value == 0
        ):
            out.extend(required(clause.part))
        elif isinstance(clause, And):
            out.extend(required(clause))
        elif isinstance(clause, At):
            out.extend((*required(clause.condition), clause))
        elif isinstance(clause, Then):
            out.extend((*required(clause.first), clause))
        else:
            out.append(clause)
    return tuple(out)


def signal_bounds(formula: Formula) -> dict[str, Range]:
    """Ranges that the comparisons of single signals with numbers imply.

    Args:
        formula: The formula.

    Returns:
        Range in stored units of each signal that is bounded at the instant at which the formula
        holds, by its canonical text such as ``ego.speed`` or ``ttc(ego,c)``.

    Raises:
        QueryError: Two clauses contradict each other, or static clauses exclude every condition.
    """
    ranges: dict[str, Range] = {}
    ends: dict[str, tuple[_End, _End]] = {}
    for clause in required(formula):
        for text, low, high in _limits(clause):
            lows, highs = ends.get(text, (_End(-math.inf), _End(math.inf)))
            if (low.value, low.is_open) > (lows.value, lows.is_open):
                lows = replace(low, clause=clause)
            if (high.value, not high.is_open) < (highs.value, not highs.is_open):
                highs = replace(high, clause=clause)
            empty = lows.value > highs.value or (
                lows.value == highs.value and (lows.is_open or highs.is_open)
            )
            if empty:
                named = [end.clause for end in (lows, highs) if end.clause is not None]
                raise QueryError(_contradiction(*named))
            ends[text] = lows, highs
            ranges[text] = Range(lows.value, highs.value)
    return ranges


def later_bounds(formula: Formula) -> dict[str, Range]:
    """Ranges that hold at some later instant: those of what comes after a `then` or `until`.

    Args:
        formula: The formula.

    Returns:
        Range of each signal that is bounded there, by its canonical text; where two instants
        disagree, the first one counts.
    """
    found: dict[str, Range] = {}
    for clause in required(formula):
        match clause:
            case Then(_, part) | Until(_, part) | Eventually(part):
                for text, wanted in {**later_bounds(part), **signal_bounds(part)}.items():
                    found.setdefault(text, wanted)
            case _:
                pass
    return found


def static_demand(formula: Formula) -> StaticDemand:
    """Combinations of light, weather and road, and ranges of static quantities, that are left.

    Raises:
        QueryError: Clauses contradict each other.
    """
    demands = [c for c in required(formula) if all(isinstance(a, StaticIs) for a in atoms(c))]
    left = list(product(Light, Weather, GENERATED))
    for number, clause in enumerate(demands):
        remaining = [c for c in left if _holds(clause, *c)]
        if not remaining:
            others = [d for d in demands[:number] if _exclude(d, clause)]
            culprits = others[:1] or demands[:number]
            raise QueryError(
                _contradiction(*culprits, clause)
                if culprits
                else f"no light, weather and road satisfies {clause.text}"
            )
        left = remaining
    ranges = {t: r for t, r in signal_bounds(formula).items() if "(" not in t and "." not in t}
    for clause in demands:
        if isinstance(clause, StaticIs):
            for name, wanted in STATICS[clause.name].ranges.items():
                both = ranges.get(name, wanted).intersect(wanted)
                if both is None:
                    raise QueryError(
                        f"{clause.text} contradicts what the query asks of {name}:"
                        f" {ranges[name].text('')} instead of {wanted.text('')}"
                    )
                ranges[name] = both
    return StaticDemand(combinations=tuple(left), ranges=ranges)


def event_calls(formula: Formula) -> tuple[EventCall, ...]:
    """Events and motions that a query asks to happen, in order; not those under a negation."""
    found: list[EventCall] = []
    _collect(formula, found)
    return tuple(found)


def _collect(formula: Formula, found: list[EventCall]) -> None:
    match formula:
        case Does(name, roles, options):
            found.append(EventCall(name=name, roles=roles, options=dict(options)))
        case And(parts) | Or(parts):
            for part in parts:
                _collect(part, found)
        case Eventually(part) | Always(part):
            _collect(part, found)
        case Then(first, second) | Until(first, second) | At(first, second):
            _collect(first, found)
            _collect(second, found)
        case _:
            pass


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a range: its value, whether it is excluded, and the clause it comes from."""

    value: float
    is_open: bool = False
    clause: Formula | None = None


def _limits(clause: Formula) -> list[tuple[str, _End, _End]]:
    """Text of each signal that a clause bounds, with both ends."""
    match clause:
        case Not(Compare(left, operator, right)):
            return _limits(Compare(left, OPERATORS[operator], right))
        case Compare(SignalOf() | Absolute() as term, operator, Number() as number):
            return _one_side(term, operator, number.value)
        case Compare(Number() as number, operator, SignalOf() | Absolute() as term):
            mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[operator]
            return _one_side(term, mirrored, number.value)
        case Between(SignalOf() | Absolute() as term, low, high):
            return [*_one_side(term, ">=", low.value), *_one_side(term, "<=", high.value)]
        case _:
            return []


def _one_side(term: Term, operator: str, value: float) -> list[tuple[str, _End, _End]]:
    end, below, above = _End(value, "=" not in operator), _End(-math.inf), _End(math.inf)
    rising = operator[0] == ">"
    out = [(term.text, end, above) if rising else (term.text, below, end)]
    if isinstance(term, Absolute):
        out.append((term.text, _End(0.0), above))
        if not rising:
            out += _around(term.term, end)
    return out


def _around(term: Term, end: _End) -> list[tuple[str, _End, _End]]:
    """Ends of a signal whose distance from a number is bounded, such as ``abs(x - 3m) < 1m``."""
    match term:
        case SignalOf():
            middle, text = 0.0, term.text
        case Arithmetic(SignalOf() as inner, "-", Number() as number):
            middle, text = number.value, inner.text
        case Arithmetic(SignalOf() as inner, "+", Number() as number):
            middle, text = -number.value, inner.text
        case _:
            return []
    low, high = (replace(end, value=middle + sign * end.value) for sign in (-1.0, 1.0))
    return [(text, low, high)]


def _contradiction(*parts: Formula) -> str:
    lines = [f"\n  {part.text}" for part in dict.fromkeys(parts)]
    return f"these clauses contradict each other:{''.join(lines)}"


def _exclude(first: Formula, second: Formula) -> bool:
    everything = product(Light, Weather, GENERATED)
    return not any(_holds(first, *c) and _holds(second, *c) for c in everything)


def _holds(
    clause: Formula, light: Light, weather: Weather, road: RoadKind, wanted: bool = True
) -> bool:
    """Whether a clause of static conditions alone, or its negation, can hold for a combination."""
    if isinstance(clause, StaticIs):
        fact = STATICS[clause.name]
        # A combination says nothing about the numbers of a condition with ranges.
        return fact.allows(light, weather, road) is wanted or (bool(fact.ranges) and not wanted)
    if isinstance(clause, Not):
        return _holds(clause.part, light, weather, road, not wanted)
    parts = [_holds(part, light, weather, road, wanted) for part in children(clause)]
    if isinstance(clause, Until):
        return parts[1]
    return any(parts) if isinstance(clause, Or) is wanted else all(parts)
