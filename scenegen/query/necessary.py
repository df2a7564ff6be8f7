"""What a scenario's row of features must satisfy for a query to have a chance, as SQL.

Every condition is necessary: a row that fails it belongs to a scenario that does not satisfy the
query. What follows for no column is TRUE, and so is what a row leaves NULL. Conditions speak of
"at some instant", or, below an `always` over the whole scenario, of every instant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

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
)
from scenegen.query.predicates import NEAR_MISS_DISTANCE, NEAR_MISS_TTC, PREDICATES, STANDING
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import EGO_ROLE, Absolute, Number, SignalOf, Term
from scenegen.scene import EGO, AgentKind, RoadKind
from scenegen.seeding import digest

TRUE = "TRUE"
ROUNDING = 1e-6
"""Share of a number, and of 1, by which a bound is widened: margins are not computed from the very
values in the columns."""
LARGEST = 1e300
"""Numbers beyond are not written into SQL: widened they might overflow."""
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
LISTED = {
    name: f"{name}:{digest(p.doc)[:6]}"
    for name, p in PREDICATES.items()
    if p.family is not None or (len(p.roles) == 1 and not p.is_costly)
}
"""Words whose occurrences a row lists, event families and motions that are cheap to detect, each
with a mark of its definition: what was listed under another definition is not relied on."""
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
ROAD = "CASE WHEN road = 'recorded' AND has_junction THEN 'intersection' ELSE road END"
"""Kind of road as static conditions count it."""


COLUMNS = frozenset(
    (
        *("light", "weather", "road", "has_junction", "signals", "max_drac"),
        *("occurrences", "listed"),
        *(f"{kind.name.lower()}_count" for kind in AgentKind),
        *(column for ends in EGO_RANGES.values() for column in ends),
        *LEAST.values(),
        *CONSTANT.values(),
    )
)
"""Every column that a condition may read."""
WORD = re.compile(r"'[^']*'|\w+")


def necessary(
    formula: Formula,
    available: Collection[str] = COLUMNS,
    *,
    holds: bool = True,
    everywhere: bool = False,
) -> str:
    """Give the SQL condition that follows from a formula.

    Args:
        formula: The formula.
        available: Columns that there are; what would need others becomes TRUE.
        holds: False for its negation.
        everywhere: Whether it holds at all instants, not only at some.

    Returns:
        A condition on the columns of `scenegen.catalog.features`.
    """
    match formula:
        case Not(part):
            return necessary(part, available, holds=not holds, everywhere=everywhere)
        case And(parts) | Or(parts):
            if isinstance(formula, And) is holds:
                together = [
                    necessary(p, available, holds=holds, everywhere=everywhere) for p in parts
                ]
                return _all(together)
            # At different instants it may be different ones.
            return _any(necessary(p, available, holds=holds) for p in parts)
        case Eventually(part, interval) | Always(part, interval):
            throughout = interval is None and isinstance(formula, Always) is holds
            return necessary(part, available, holds=holds, everywhere=throughout)
        case Then(first, second) | Until(first, second) | At(first, second):
            parts = (second,) if isinstance(formula, Until) else (first, second)
            return _all(necessary(part, available) for part in parts if holds)
        case _:
            condition = _atom(formula, holds, everywhere)
            is_told = condition != TRUE and columns_in(condition) <= set(available)
            return f"coalesce({condition}, TRUE)" if is_told else TRUE


def columns_in(condition: str) -> frozenset[str]:
    """Give the columns that a condition reads."""
    return frozenset(WORD.findall(condition)) & COLUMNS


def _all(conditions: Iterable[str]) -> str:
    told = [c for c in dict.fromkeys(conditions) if c != TRUE]
    return " AND ".join(told) if told else TRUE


def _any(conditions: Iterable[str]) -> str:
    told = list(dict.fromkeys(conditions))
    return TRUE if TRUE in told else f"({' OR '.join(f'({c})' for c in told)})"


def _atom(atom: Atom, holds: bool, everywhere: bool) -> str:
    match atom:
        case StaticIs(name):
            if STATICS[name].ranges:
                return _all([_static(name), *_numbers(name)]) if holds else TRUE
            return _static(name) if holds else f"NOT ({_static(name)})"
        case KindIs(name) if holds:
            kinds = sorted(ROLE_KINDS[name].kinds)
            return f"{' + '.join(f'{AgentKind(k).name.lower()}_count' for k in kinds)} >= 1"
        case Does() if holds:
            return _does(atom)
        case Compare() | Between():
            return _all(
                _bound(term, operator, value, everywhere)
                for term, operator, value in limits(atom, holds)
            )
        case _:
            return TRUE


def limits(atom: Compare | Between, holds: bool = True) -> list[tuple[Term, str, float]]:
    """Give terms that must lie on one side of a number where a comparison holds.

    Args:
        atom: The comparison.
        holds: False for its negation.

    Returns:
        Term, operator and number in stored units; nothing for what has no such form.
    """
    return [end for limit in _sides(atom, holds) for end in _unfolded(*limit)]


def _sides(atom: Compare | Between, holds: bool) -> list[tuple[Term, str, float]]:
    match atom:
        case Compare(left, operator, Number() as number):
            return [(left, operator if holds else OPERATORS[operator], number.value)]
        case Compare(Number() as number, operator, right):
            return [(right, MIRRORED[operator if holds else OPERATORS[operator]], number.value)]
        case Between(term, low, high) if holds:
            return [(term, ">=", low.value), (term, "<=", high.value)]
        case _:
            return []


def _unfolded(term: Term, operator: str, value: float) -> list[tuple[Term, str, float]]:
    """Both sides of a bounded absolute value."""
    if not isinstance(term, Absolute):
        return [(term, operator, value)]
    if operator[0] == ">":
        return []
    return [
        *_unfolded(term.term, operator, value),
        *_unfolded(term.term, MIRRORED[operator], -value),
    ]


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


def _numbers(name: str) -> list[str]:
    """Conditions of the numbers that a static condition bounds."""
    told = []
    for quantity, wanted in STATICS[name].ranges.items():
        for operator, end in ((">=", wanted.low), ("<=", wanted.high)):
            told.append(_bound(SignalOf(quantity, ()), operator, end, everywhere=False))
    return told


def _does(atom: Does) -> str:
    """Condition of an event or motion that happens."""
    if atom.name not in LISTED:
        return _shown_otherwise(atom)
    who = f"{EGO} " if atom.roles == (EGO_ROLE,) else ""
    happened = (
        f"(NOT contains(listed, ' {LISTED[atom.name]} ')"
        f" OR contains(occurrences, ';{atom.name} {who}'))"
    )
    return _all((_shown_otherwise(atom), happened))


def _shown_otherwise(atom: Does) -> str:
    """What follows for the other columns from an event or motion that happens."""
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
    if not isinstance(term, SignalOf):
        return TRUE
    least, largest = _extremes(term)
    # Below at some instant bounds the least value, below at all instants the largest.
    column = least if is_below is not everywhere else largest
    if column is None:
        column = least if is_below else largest
    if column is None:
        return TRUE
    if abs(value) > LARGEST:
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
