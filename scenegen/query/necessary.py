"""What a scenario's row of features must satisfy for a query to have a chance, as SQL.

Every condition is necessary: a row that fails it belongs to a scenario that does not satisfy the
query. What follows for no column is TRUE, and so is what a row leaves NULL. Conditions speak of
"at some instant", or, below an `always` over the whole scenario, of every instant.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenegen.query.atoms import OPERATORS, Atom, Between, Compare, Does, KindIs, StaticIs
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
    children,
)
from scenegen.query.predicates import NEAR_MISS_DISTANCE, NEAR_MISS_TTC, STANDING
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import EGO_ROLE, Absolute, Number, SignalOf, Term
from scenegen.scene import AgentKind, RoadKind

TRUE = "TRUE"
ROUNDING = 1e-6
"""Share of a number, and of 1, by which a bound is widened: margins are not computed from the very
values in the columns."""
EGO_RANGES = {
    "speed": ("ego_speed_min", "ego_speed_max"),
    "accel": ("ego_accel_min", "ego_accel_max"),
}
"""Columns of the least and the largest value of a signal of the ego."""
LEAST = {"ttc": "min_ttc", "gap": "min_gap", "thw": "min_thw", "distance": "min_distance"}
"""Column of the least value, towards anybody, of a signal from the ego."""
CONSTANT = {
    "rain_rate": "rain_mm_per_h",
    "snow_rate": "snow_mm_per_h",
    **{
        name: name for name in ("visibility", "sun_elevation", "cloud_cover", "wetness", "friction")
    },
}
"""Column of a signal that is the same at all instants."""
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
ROAD = "CASE WHEN road = 'recorded' AND has_junction THEN 'intersection' ELSE road END"
"""Kind of road as static conditions count it."""


def necessary(formula: Formula, *, holds: bool = True, everywhere: bool = False) -> str:
    """Give the SQL condition that follows from a formula.

    Args:
        formula: The formula.
        holds: False for its negation.
        everywhere: Whether it holds at all instants, not only at some.

    Returns:
        A condition on the columns of `scenegen.catalog.features`.
    """
    match formula:
        case Not(part):
            return necessary(part, holds=not holds, everywhere=everywhere)
        case And(parts) | Or(parts):
            if isinstance(formula, And) is holds:
                return _all(necessary(p, holds=holds, everywhere=everywhere) for p in parts)
            # At different instants it may be different ones.
            return _any(necessary(p, holds=holds) for p in parts)
        case Eventually(part, interval) | Always(part, interval):
            throughout = interval is None and isinstance(formula, Always) is holds
            return necessary(part, holds=holds, everywhere=throughout)
        case Then() | Until() | At():
            return _ordered(formula) if holds else TRUE
        case _:
            condition = _atom(formula, holds, everywhere)
            return condition if condition == TRUE else f"coalesce({condition}, TRUE)"


def columns(formula: Formula) -> frozenset[str]:
    """Give the columns that the condition of a formula may read."""
    found = {"light", "weather", "road", "has_junction", "signals", "collision", "max_drac"}
    found |= {f"{kind.name.lower()}_count" for kind in AgentKind}
    pairs = {column for ends in EGO_RANGES.values() for column in ends}
    text = necessary(formula)
    return frozenset(c for c in found | pairs | {*LEAST.values(), *CONSTANT.values()} if c in text)


def _all(conditions: Iterable[str]) -> str:
    told = [c for c in dict.fromkeys(conditions) if c != TRUE]
    return " AND ".join(told) if told else TRUE


def _any(conditions: Iterable[str]) -> str:
    told = list(dict.fromkeys(conditions))
    return TRUE if TRUE in told else f"({' OR '.join(f'({c})' for c in told)})"


def _atom(atom: Atom, holds: bool, everywhere: bool) -> str:
    match atom:
        case StaticIs(name):
            return _static(name) if holds else f"NOT ({_static(name)})"
        case KindIs(name) if holds:
            kinds = sorted(ROLE_KINDS[name].kinds)
            return f"{' + '.join(f'{AgentKind(k).name.lower()}_count' for k in kinds)} >= 1"
        case Does() if holds:
            return _does(atom)
        case Compare() | Between():
            return _all(
                _bound(term, operator, value, everywhere)
                for term, operator, value in _limits(atom, holds)
            )
        case _:
            return TRUE


def _ordered(formula: Then | Until | At) -> str:
    """Condition of what holds in some order."""
    if isinstance(formula, Until):
        return necessary(formula.second)
    return _all(necessary(part) for part in children(formula))


def _limits(atom: Compare | Between, holds: bool) -> list[tuple[Term, str, float]]:
    """Terms that must lie on one side of a number."""
    match atom:
        case Compare(left, operator, Number() as number):
            return [(left, operator if holds else OPERATORS[operator], number.value)]
        case Compare(Number() as number, operator, right):
            return [(right, MIRRORED[operator if holds else OPERATORS[operator]], number.value)]
        case Between(term, low, high) if holds:
            return [(term, ">=", low.value), (term, "<=", high.value)]
        case _:
            return []


def _static(name: str) -> str:
    fact = STATICS[name]
    told = []
    if fact.light is not None:
        told.append(f"light = '{fact.light.value}'")
    if fact.weather is not None:
        told.append(f"weather = '{fact.weather.value}'")
    if fact.roads is not None:
        roads = ", ".join(f"'{kind.value}'" for kind in RoadKind if kind in fact.roads)
        told.append(f"({ROAD}) IN ({roads})")
    return _all(told)


def _does(atom: Does) -> str:
    """Condition of an event or motion that happens."""
    with_ego = EGO_ROLE in atom.roles
    match atom.name:
        case "red_light" | "red_light_runner":
            return "signals >= 1"
        case "collision" if with_ego:
            return _below("min_distance", 0.0)
        case "near_miss" if with_ego and atom.roles[0] == EGO_ROLE:
            soon, close = (
                _below("min_ttc", NEAR_MISS_TTC),
                _below("min_distance", NEAR_MISS_DISTANCE),
            )
            return f"({soon} OR {close})"
        case "stopped" if with_ego:
            return _below("ego_speed_min", STANDING)
        case _:
            return TRUE


def _bound(term: Term, operator: str, value: float, everywhere: bool) -> str:
    """Condition of comparing a term with a number."""
    is_below = operator[0] == "<"
    if isinstance(term, Absolute):
        if is_below:
            inner = ((operator, value), (MIRRORED[operator], -value))
            return _all([_bound(term.term, op, end, everywhere) for op, end in inner])
        return TRUE
    if not isinstance(term, SignalOf):
        return TRUE
    least, largest = _extremes(term)
    # Below at some instant bounds the least value, below at all instants the largest.
    column = least if is_below is not everywhere else largest
    if column is None:
        column = least if is_below else largest
    if column is None:
        return TRUE
    return _below(column, value) if is_below else _above(column, value)


def _extremes(term: SignalOf) -> tuple[str | None, str | None]:
    """Columns of the least and the largest value that a signal takes for anybody."""
    if term.name in CONSTANT:
        return (CONSTANT[term.name],) * 2
    if EGO_ROLE not in term.roles:
        return None, None
    if len(term.roles) == 1:
        return EGO_RANGES.get(term.name, (None, None))
    if term.roles[0] == EGO_ROLE or term.name == "distance":
        return LEAST.get(term.name), "max_drac" if term.name == "drac" else None
    return None, None


def _below(column: str, value: float) -> str:
    return f"{column} <= {value + ROUNDING * (1 + abs(value))!r}"


def _above(column: str, value: float) -> str:
    return f"{column} >= {value - ROUNDING * (1 + abs(value))!r}"
