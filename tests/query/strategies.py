"""Random syntax trees for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from scenegen.query.atoms import Between, Compare, Does, Interval, KindIs, StaticIs
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
from scenegen.query.predicates import PREDICATES
from scenegen.query.signals import SIGNALS
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.query.units import TIME, UNITS, Dimension

ROLES = ("ego", "a", "b", "c")


def numbers(
    dimension: Dimension, low: float = -1e6, high: float = 1e6
) -> st.SearchStrategy[Number]:
    """Numbers with any unit of a dimension."""
    units = [unit for unit, (found, _) in UNITS.items() if found == dimension]
    magnitudes = st.floats(low, high, allow_nan=False) | st.integers(int(low), int(high))
    return st.builds(
        lambda magnitude, unit: Number(float(magnitude), unit), magnitudes, st.sampled_from(units)
    )


@st.composite
def signals(draw: st.DrawFn, dimension: Dimension | None = None) -> SignalOf:
    """Signals of random roles."""
    names = [n for n, s in SIGNALS.items() if dimension is None or s.dimension == dimension]
    name = draw(st.sampled_from(names))
    return SignalOf(name, tuple(draw(st.permutations(ROLES)))[: SIGNALS[name].roles])


@st.composite
def terms(draw: st.DrawFn, depth: int = 2) -> Term:
    """Terms with arithmetic."""
    term: Term = draw(signals())
    if depth == 0:
        return term
    match draw(st.integers(0, 5)):
        case 0:
            return Absolute(draw(terms(depth - 1)))
        case 1:
            operator = draw(st.sampled_from("*/"))
            return Arithmetic(draw(terms(depth - 1)), operator, draw(terms(depth - 1)))
        case 2:
            same = draw(numbers(term.dimension) | signals(term.dimension))
            pair = draw(st.permutations([term, same]))
            return Arithmetic(pair[0], draw(st.sampled_from("+-")), pair[1])
        case _:
            return term


@st.composite
def comparisons(draw: st.DrawFn) -> Formula:
    """Comparisons and ranges."""
    term = draw(terms())
    units = {dimension for dimension, _ in UNITS.values()}
    other: Term = (
        Arithmetic(term, "+", term)
        if term.dimension not in units
        else draw(numbers(term.dimension))
    )
    if isinstance(other, Number) and draw(st.booleans()):
        ends = sorted([other, draw(numbers(term.dimension))], key=lambda n: n.value)
        return Between(term, ends[0], ends[1])
    sides = draw(st.permutations([term, other]))
    return Compare(sides[0], draw(st.sampled_from(["<", "<=", ">", ">="])), sides[1])


@st.composite
def actions(draw: st.DrawFn) -> Formula:
    """Events and motions with random options."""
    name = draw(st.sampled_from(sorted(PREDICATES)))
    predicate = PREDICATES[name]
    known = ROLES[1:] if predicate.family else ROLES
    fewest = 1 if predicate.family else len(predicate.roles)
    named = draw(st.integers(fewest, len(predicate.roles)))
    roles = tuple(draw(st.permutations(known)))[:named]
    options = [
        (option, draw(st.sampled_from(values)))
        for option, values in predicate.options.items()
        if draw(st.booleans())
    ]
    return Does(name, roles, tuple(options))


ATOMS = (
    st.builds(StaticIs, st.sampled_from(sorted(STATICS)))
    | st.builds(KindIs, st.sampled_from(sorted(ROLE_KINDS)), st.sampled_from(ROLES))
    | actions()
    | comparisons()
)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Intervals of up to 10 s."""
    ends = sorted(
        [draw(numbers(TIME, 0, 10)), draw(numbers(TIME, 0, 10))], key=lambda number: number.value
    )
    return Interval(ends[0], ends[1])


def _larger(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    within = st.none() | intervals()
    return (
        st.builds(And, several)
        | st.builds(Or, several)
        | st.builds(Not, inner)
        | st.builds(Eventually, inner, within)
        | st.builds(Always, inner, within)
        | st.builds(Then, inner, inner, within)
        | st.builds(Until, inner, inner, within)
        | st.builds(At, inner, inner)
    )


FORMULAS: st.SearchStrategy[Formula] = st.recursive(ATOMS, _larger, max_leaves=8)
