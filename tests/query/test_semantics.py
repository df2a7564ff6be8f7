"""The margins of formulas against a slow reference, and the laws they obey."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scenegen.query import Query, Trace, parse
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
    atoms,
)
from scenegen.query.predicates import PREDICATES
from scenegen.query.semantics import Semantics
from scenegen.query.signals import SIGNALS
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import Number, SignalOf
from scenegen.query.windows import largest_ahead, smallest_ahead
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy, moved

WORLDS = [Trace(busy(seed)) for seed in range(4)]
ROUGH = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Reference:
    """Three-valued truth, instant by instant, of one assignment; None is unknown."""

    def __init__(self, trace: Trace, cast: dict[str, int]) -> None:
        """Take the scenario and the agent of each role."""
        self.trace, self.cast = trace, {"ego": 0, **cast}
        self.semantics = Semantics.of_cast(trace, tuple(cast), tuple(cast.values()))
        self.events: dict[Does, np.ndarray] = {}
        self.known: dict[tuple[int, int], bool | None] = {}

    def truth(self, formula: Formula, t: int) -> bool | None:
        """Truth of a formula at an instant."""
        key = (id(formula), t)
        if key not in self.known:
            self.known[key] = self.decide(formula, t)
        return self.known[key]

    def decide(self, formula: Formula, t: int) -> bool | None:  # noqa: PLR0911 - one per kind
        """Truth of a formula at an instant from that of its parts."""
        match formula:
            case Not(part):
                inner = self.truth(part, t)
                return None if inner is None else not inner
            case And(parts):
                return both([self.truth(part, t) for part in parts])
            case Or(parts):
                return either([self.truth(part, t) for part in parts])
            case Eventually(part, interval):
                return either(self.window(part, interval, t))
            case Always(part, interval):
                return both(self.window(part, interval, t))
            case Then(first, second, interval):
                later = self.later(second, interval, t)
                return both([self.truth(first, t), either(later)])
            case Until(first, second, interval):
                return either(self.until(first, second, interval, t))
            case At(condition, part):
                begin = t
                while begin and self.truth(condition, t) and self.truth(condition, begin - 1):
                    begin -= 1
                now = self.truth(condition, t)
                return both([now, self.truth(part, begin)]) if now else now
            case _:
                return self.atom(formula, t)

    def steps(self, interval: Interval) -> list[int]:
        """Steps from now that lie in an interval."""
        low, high = interval.low.value - 1e-9, interval.high.value + 1e-9
        return [k for k in range(200) if low <= k * self.trace.step <= high]

    def at(self, part: Formula, t: int) -> bool | None:
        """Truth at an instant that may lie beyond the end."""
        return self.truth(part, t) if t < self.trace.steps else None

    def window(self, part: Formula, interval: Interval | None, t: int) -> list[bool | None]:
        """Truths within an interval; an empty one says nothing."""
        if interval is None:
            return [self.truth(part, k) for k in range(self.trace.steps)]
        return [self.at(part, t + k) for k in self.steps(interval)] or [None]

    def later(self, part: Formula, interval: Interval | None, t: int) -> list[bool | None]:
        """Truths strictly later."""
        if interval is None:
            return [self.truth(part, k) for k in range(t + 1, self.trace.steps)]
        return [self.at(part, t + k) for k in self.steps(interval) if k > 0] or [None]

    def until(
        self, first: Formula, second: Formula, interval: Interval | None, t: int
    ) -> list[bool | None]:
        """Truth, for each instant of a window, of `second` there and `first` before."""
        steps = range(self.trace.steps - t) if interval is None else self.steps(interval)
        return [
            both([self.at(second, t + k), *(self.at(first, t + j) for j in range(k))])
            for k in steps
        ] or [None]

    def atom(self, atom: Formula, t: int) -> bool | None:  # noqa: PLR0911 - one per kind
        """Truth of an atom, comparing its values directly."""
        if isinstance(atom, StaticIs):
            return STATICS[atom.name].holds(self.trace.scenario)
        if isinstance(atom, KindIs):
            return bool(ROLE_KINDS[atom.name].holds(self.trace)[self.cast[atom.role]])
        roles = roles_of_atom(atom)
        if not all(self.trace.states.valid[t, self.cast[role]] for role in roles):
            return None
        if isinstance(atom, Does):
            if atom not in self.events:
                self.events[atom] = self.happens(atom)
            return bool(self.events[atom][t] > 0)
        assert isinstance(atom, Compare | Between)
        term = atom.term if isinstance(atom, Between) else atom.left
        left = pick(self.semantics.value(term), t)
        if isinstance(atom, Between):
            low, high = atom.low.value, atom.high.value
            return None if np.isnan(left) else bool(low <= left <= high)
        right = pick(self.semantics.value(atom.right), t)
        if np.isnan(right - left):
            return None
        return {
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
        }[atom.operator]

    def happens(self, atom: Does) -> np.ndarray:
        """Margin of an event, the best over everybody whom it leaves unnamed."""
        named = [self.cast[role] for role in atom.roles]
        others = [k for k in self.trace.others.tolist() if k not in named]
        best = np.full(self.trace.steps, -np.inf)
        for rest in permutations(others, atom.unnamed):
            index = [np.array([k]) for k in (*named, *rest)]
            margin = PREDICATES[atom.name].margin(self.trace, index, dict(atom.options))[:, 0]
            there = self.trace.states.valid[:, list(rest)].all(axis=1)
            best = np.maximum(best, np.where(there, margin, -np.inf))
        return best


def pick(value: np.ndarray, t: int) -> float:
    """Value of the only assignment at an instant."""
    column = value.reshape(len(value), -1)[:, 0]
    return float(column[t if len(column) > 1 else 0])


def roles_of_atom(atom: Formula) -> tuple[str, ...]:
    """Roles whose presence an atom needs."""
    match atom:
        case Does(_, roles):
            return roles
        case Compare(left, _, right):
            return (*left.roles, *right.roles)
        case Between(term):
            return term.roles
        case _:
            return ()


def both(parts: list[bool | None]) -> bool | None:
    """Kleene conjunction."""
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def either(parts: list[bool | None]) -> bool | None:
    """Kleene disjunction."""
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False


def comparable(formula: Formula) -> bool:
    """Whether no comparison is decided by rounding: times to collision only against numbers."""
    for atom in atoms(formula):
        if isinstance(atom, Compare):
            sides = (atom.left, atom.right)
            timed = any(
                isinstance(side, SignalOf) and SIGNALS[side.name].shortfall for side in sides
            )
            if timed and not any(isinstance(side, Number) for side in sides):
                return False
    return True


@given(FORMULAS, st.sampled_from(range(len(WORLDS))))
@ROUGH
def test_margins_have_the_sign_of_three_valued_logic(formula: Formula, world: int) -> None:
    """A margin is positive exactly where the formula is true; unknown is not true."""
    assume(comparable(formula))
    trace, roles = WORLDS[world], ("a", "b", "c")
    cast = {"a": 1, "b": 2, "c": 4}

    margin = Semantics.of_cast(trace, roles, tuple(cast.values())).over_time(formula)

    reference = Reference(trace, cast)
    for t in range(0, trace.steps, 5):
        assert (margin[t] > 0) == (reference.truth(formula, t) is True), t


@given(FORMULAS, st.sampled_from(range(len(WORLDS))))
@ROUGH
def test_the_search_misses_no_assignment(formula: Formula, world: int) -> None:
    """The verdict's margin is the largest over every assignment, and the witness has it."""
    trace, query = WORLDS[world], Query(formula)
    verdict = query.evaluate(trace)

    margins = {}
    for cast in permutations(trace.others.tolist(), len(query.roles)):
        semantics = Semantics.of_cast(trace, query.roles, cast)
        margins[cast] = float(semantics.over_time(query.formula).max())
    witness = tuple(verdict.witness[role] for role in query.roles)
    assert verdict.margin == pytest.approx(max(margins.values()), abs=1e-12)
    assert margins[witness] == pytest.approx(verdict.margin, abs=1e-12)
    assert verdict.satisfied == (max(margins.values()) > 0)
    assert query.margin_over_time(trace).max() == pytest.approx(verdict.margin, abs=1e-12)


@given(FORMULAS, FORMULAS, st.sampled_from(range(len(WORLDS))))
@ROUGH
def test_laws_of_logic_hold_on_margins(a: Formula, b: Formula, world: int) -> None:
    """Double negation and De Morgan's laws hold for every margin, not only for its sign."""
    semantics = Semantics.of_cast(WORLDS[world], ("a", "b", "c"), (1, 2, 4))

    def margin(formula: Formula) -> np.ndarray:
        return semantics.over_time(formula)

    np.testing.assert_array_equal(margin(Not(Not(a))), margin(a))
    np.testing.assert_array_equal(margin(Not(And((a, b)))), margin(Or((Not(a), Not(b)))))
    np.testing.assert_array_equal(margin(Not(Or((a, b)))), margin(And((Not(a), Not(b)))))
    np.testing.assert_array_equal(margin(Not(Eventually(a))), margin(Always(Not(a))))
    np.testing.assert_array_equal(margin(And((a, b))), margin(And((b, a))))


@given(FORMULAS, st.sampled_from(range(len(WORLDS))))
@ROUGH
def test_nothing_holds_together_with_its_negation(formula: Formula, world: int) -> None:
    """At no instant are a formula and its negation both true."""
    semantics = Semantics.of_cast(WORLDS[world], ("a", "b", "c"), (1, 2, 4))

    margin, opposite = semantics.over_time(formula), semantics.over_time(Not(formula))

    assert not ((margin > 0) & (opposite > 0)).any()
    assert np.isfinite(margin).all()


@pytest.mark.parametrize("seed", range(10))
def test_windows_agree_with_slices(seed: int) -> None:
    """Doubling gives the extremes that slicing gives."""
    rng = np.random.default_rng(seed)
    values, first = rng.normal(size=(30, 3)), int(rng.integers(0, 20))
    last = first + int(rng.integers(0, 30))

    high, low = largest_ahead(values, first, last), smallest_ahead(values, first, last)

    padded = np.concatenate([values, np.full((80, 3), -100.0)])
    for t in range(30):
        window = padded[t + first : t + last + 1]
        np.testing.assert_array_equal(high[t], window.max(0))
        np.testing.assert_array_equal(low[t], window.min(0))


QUERIES = [
    "ttc(ego,a) < {}s",
    "gap(ego,a) < {}m",
    "thw(ego,a) < {}s",
    "vehicle(a) and distance(ego,a) < {}m and a.speed < 20m/s",
    "not (closing(ego,a) > {}m/s)",
    "pet(ego,a) < {}s",
    "eventually[0s,1s](abs(a.accel) < {}m/s^2) and ego.speed > 1m/s",
    "drac(ego,a) <= {}m/s^2",
]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("text", QUERIES)
def test_a_laxer_threshold_never_lowers_the_margin(text: str, world: Trace) -> None:
    """Margins grow with the number on the larger side."""
    margins = [parse(text.format(x)).evaluate(world).margin for x in np.linspace(0.25, 12, 12)]

    assert (np.diff(margins) >= 0).all()


INVARIANT = [
    "ttc(ego,a) < 2s and a.speed > 3m/s",
    "gap(ego,a) < 20m or abs(bearing(ego,a)) > 20deg",
    "lane_change(a) and abs(a.heading) < 5deg",
    "lead(a) and thw(ego,a) < 2s",
    "cut_in(a)",
    "pet(a,b) < 2s and a.lane_offset < 0.5m",
    "near_miss(a,b) or collision(a,b)",
    "oncoming(a) or rear(a)",
    "occluded(a) and abs(a.yaw_rate) > 1deg/s",
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", INVARIANT)
def test_where_the_map_lies_does_not_matter(text: str, seed: int) -> None:
    """Turning and shifting road and traffic together changes no margin."""
    scenario, query = busy(seed), parse(text)

    before = query.margin_over_time(scenario)
    after = query.margin_over_time(moved(scenario, 0.7 + seed, (300.0, -50.0)))

    np.testing.assert_allclose(after, before, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "satisfied"),
    [
        ("ego.speed < 20m/s", False),
        ("ego.speed <= 20m/s", True),
        ("ego.speed > 20m/s", False),
        ("ego.speed >= 20m/s", True),
        ("not ego.speed < 20m/s", True),
        ("not ego.speed <= 20m/s", False),
        ("ego.speed in [20m/s,30m/s]", True),
        ("not ego.speed in [20m/s,30m/s]", False),
        ("always(ego.speed <= 20m/s)", True),
    ],
)
def test_the_operator_decides_on_the_threshold(text: str, satisfied: bool) -> None:
    """A value exactly on the threshold has margin 0, and `<` or `<=` says what that means."""
    scenario = busy(0)
    scenario.agents.speed[:, 0] = 20.0

    verdict = parse(text).evaluate(scenario)

    assert verdict.satisfied is satisfied
    assert verdict.margin == 0.0


@pytest.mark.parametrize(
    ("text", "satisfied"),
    [
        ("always[0s,4s](ego.speed > 1m/s)", True),
        ("always[0s,4.1s](ego.speed > 1m/s)", False),
        ("not always[0s,4.1s](ego.speed > 1m/s)", False),
        ("eventually[4s,9s](ego.speed > 1m/s)", True),
        ("eventually[4.1s,9s](ego.speed > 1m/s)", False),
        ("not eventually[4.1s,9s](ego.speed > 1m/s)", False),
        ("ego.speed > 1m/s then[4s,4s] ego.speed > 1m/s", True),
        ("ego.speed > 1m/s then[0s,0s] ego.speed > 1m/s", False),
    ],
)
def test_the_future_beyond_the_end_is_unknown(text: str, satisfied: bool) -> None:
    """What would need instants after the last is neither true nor false; `then` is strict."""
    scenario = busy(0)
    scenario.agents.speed[:, 0] = 20.0

    assert parse(text).evaluate(scenario).satisfied is satisfied


def test_an_absent_agent_does_nothing_and_its_absence_proves_nothing() -> None:
    """While an agent is not there a clause about it is neither true nor false."""
    scenario = busy(0)
    scenario.agents.valid[:, 1:] = False
    scenario.agents.valid[:5, 1] = True
    scenario.agents.speed[:, 1] = 3.0

    assert parse("a.speed < 5m/s").evaluate(scenario).satisfied
    assert not parse("always(a.speed < 5m/s)").evaluate(scenario).satisfied
    assert not parse("not eventually(a.speed > 5m/s)").evaluate(scenario).satisfied
    margin = parse("a.speed < 5m/s").margin_over_time(scenario)
    assert (margin > 0).sum() == 5
