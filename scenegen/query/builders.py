"""The language in Python: roles, units, signals and predicates build what text does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scenegen.errors import QueryError, UnknownNameError
from scenegen.query.atoms import Between, Compare, Does, Interval, KindIs, StaticIs
from scenegen.query.expression import Always, At, Eventually, Then, Until
from scenegen.query.predicates import PREDICATES
from scenegen.query.query import Query, join
from scenegen.query.signals import SIGNALS
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import EGO_ROLE, Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.query.units import unit_of


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that a number is multiplied with: ``1.5 * s``, ``20 * m / s``.

    Attributes:
        name: Name in UNITS.
    """

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        unit_of(self.name)

    def __rmul__(self, number: float) -> Quantity:
        """Give a number its unit."""
        return Quantity(Number(float(number), self.name))

    def __truediv__(self, other: Unit | Power) -> Unit:
        """Compose a unit, such as m/s."""
        return Unit(f"{self.name}/{other.name}")

    def __pow__(self, exponent: int) -> Power:
        """Compose a unit, such as s**2 in m/s**2."""
        return Power(f"{self.name}^{exponent}")


@dataclass(frozen=True, slots=True)
class Power:
    """A power of a unit, good for dividing by.

    Attributes:
        name: Text of the power, such as ``s^2``.
    """

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A number with a unit, a signal, or arithmetic on them; comparing it gives a query.

    Attributes:
        term: The syntax tree.
        declared: What its agents are by declaration.
    """

    term: Term
    declared: tuple[KindIs, ...] = ()

    def within(self, low: Operand, high: Operand) -> Query:
        """Lie in a closed range of two numbers: ``gap(ego, c).within(5 * m, 10 * m)``."""
        bounds = [_quantity(bound).term for bound in (low, high)]
        first, last = bounds
        if not isinstance(first, Number) or not isinstance(last, Number):
            raise QueryError(f"{self.term.text}: expected two numbers as range")
        return Query(Between(self.term, first, last), self.declared)

    def __lt__(self, other: Operand) -> Query:
        """Be below."""
        return self._compared("<", other)

    def __le__(self, other: Operand) -> Query:
        """Be at most."""
        return self._compared("<=", other)

    def __gt__(self, other: Operand) -> Query:
        """Be above."""
        return self._compared(">", other)

    def __ge__(self, other: Operand) -> Query:
        """Be at least."""
        return self._compared(">=", other)

    def __add__(self, other: Operand) -> Quantity:
        """Add."""
        return self._calculated("+", other)

    def __sub__(self, other: Operand) -> Quantity:
        """Subtract."""
        return self._calculated("-", other)

    def __mul__(self, other: Operand) -> Quantity:
        """Multiply."""
        return self._calculated("*", other)

    def __truediv__(self, other: Operand | Unit | Power) -> Quantity:
        """Divide, or compose the unit of a number: ``20 * m / s``."""
        if isinstance(other, Unit | Power):
            return self._per(other.name)
        return self._calculated("/", other)

    def __rmul__(self, other: float) -> Quantity:
        """Multiply a pure number with it."""
        return _quantity(other)._calculated("*", self)

    def __rtruediv__(self, other: float) -> Quantity:
        """Divide a pure number by it."""
        return _quantity(other)._calculated("/", self)

    def __neg__(self) -> Quantity:
        """Negate a number."""
        if not isinstance(self.term, Number):
            raise QueryError(f"-{self.term.text}: only a number can be negated; write 0 - it")
        return Quantity(Number(-self.term.magnitude, self.term.unit), self.declared)

    def __abs__(self) -> Quantity:
        """Absolute value."""
        return Quantity(Absolute(self.term), self.declared)

    def __repr__(self) -> str:
        """Show the canonical text."""
        return self.term.text

    def _per(self, unit: str) -> Quantity:
        if not isinstance(self.term, Number):
            raise QueryError(f"{self.term.text}: only a number can be given a unit")
        return Quantity(Number(self.term.magnitude, f"{self.term.unit}/{unit}"), self.declared)

    def _compared(self, operator: str, other: Operand) -> Query:
        right = _quantity(other)
        return Query(Compare(self.term, operator, right.term), join(self.declared, right.declared))

    def _calculated(self, operator: str, other: Operand) -> Quantity:
        right = _quantity(other)
        return Quantity(
            Arithmetic(self.term, operator, right.term), join(self.declared, right.declared)
        )


Operand = Quantity | float | int


@dataclass(frozen=True, slots=True)
class Role:
    """An agent that a query binds; its signals and motions are attributes: ``c.speed``.

    Attributes:
        name: Role name.
        kind: Name in ROLE_KINDS that it is declared to be, None for any agent.
    """

    name: str
    kind: str | None = None

    @property
    def declared(self) -> tuple[KindIs, ...]:
        """The declaration as a clause."""
        return () if self.kind is None else (KindIs(self.kind, self.name),)

    def __getattr__(self, name: str) -> Quantity | Callable[..., Query]:
        """Give a signal of this agent, or a predicate with it as first agent.

        Raises:
            AttributeError: There is neither.
        """
        if name in SIGNALS and SIGNALS[name].roles == 1:
            return Quantity(SignalOf(name, (self.name,)), self.declared)
        if name in PREDICATES:
            return lambda *others, **options: does(name, self, *others, **options)
        known = [*PREDICATES, *(n for n, signal in SIGNALS.items() if signal.roles == 1)]
        raise AttributeError(UnknownNameError("signal or motion", name, known).message)


ego = Role(EGO_ROLE)
"""The ego vehicle."""


def does(name: str, *roles: Role | str, **options: str) -> Query:
    """Say that agents do something, by the name of the predicate.

    Args:
        name: Name in PREDICATES.
        *roles: The agents, an event's trailing ones may be left out; strings after them are
            option values.
        **options: Options by name; a Python word takes an underscore, as in ``from_``.

    Returns:
        The query.
    """
    if name not in PREDICATES:
        raise QueryError(UnknownNameError("event", name, PREDICATES).message)
    predicate = PREDICATES[name]
    count = min(len(predicate.roles), max(1, sum(isinstance(role, Role) for role in roles)))
    agents = [_role(name, role) for role in roles[:count]]
    given = {option.rstrip("_"): value for option, value in options.items()}
    for value in roles[count:]:
        fitting = [o for o, values in predicate.options.items() if value in values]
        if not fitting or not isinstance(value, str):
            known = [v for values in predicate.options.values() for v in values]
            raise QueryError(UnknownNameError(f"option of {name}", str(value), known).message)
        given[fitting[0]] = value
    body = Does(name, tuple(role.name for role in agents), tuple(given.items()))
    return Query(body, join(*(role.declared for role in agents)))


def measure(name: str, *roles: Role) -> Quantity:
    """Give a signal of agents by its name.

    Args:
        name: Name in SIGNALS.
        *roles: The agents.

    Returns:
        The quantity.
    """
    agents = [_role(name, role) for role in roles]
    return Quantity(
        SignalOf(name, tuple(role.name for role in agents)), join(*(r.declared for r in agents))
    )


def agent(name: str) -> Role:
    """Give a role that any agent may play."""
    return Role(name)


def eventually(query: Query, interval: tuple[Operand, Operand] | None = None) -> Query:
    """Hold at one instant of an interval from now, or of the whole scenario."""
    return Query(Eventually(query.body, _interval(interval)), query.declared)


def always(query: Query, interval: tuple[Operand, Operand] | None = None) -> Query:
    """Hold at all instants of an interval from now, or of the whole scenario."""
    return Query(Always(query.body, _interval(interval)), query.declared)


def then(first: Query, second: Query, interval: tuple[Operand, Operand] | None = None) -> Query:
    """Hold one after the other, the second within an interval after the first."""
    body = Then(first.body, second.body, _interval(interval))
    return Query(body, join(first.declared, second.declared))


def until(first: Query, second: Query, interval: tuple[Operand, Operand] | None = None) -> Query:
    """Hold from now on until the second does, within an interval from now."""
    body = Until(first.body, second.body, _interval(interval))
    return Query(body, join(first.declared, second.declared))


def at(condition: Query, query: Query) -> Query:
    """Hold at the instant at which a condition, which holds now, began to hold."""
    return Query(At(condition.body, query.body), join(condition.declared, query.declared))


def named(name: str) -> Query | Quantity | Callable[..., Query | Quantity | Role]:
    """Give what a name of the language builds.

    Static conditions give a query and static quantities a quantity; kinds of agent, signals and
    predicates give a function of roles.

    Args:
        name: Name in STATICS, SIGNALS, ROLE_KINDS or PREDICATES.

    Raises:
        UnknownNameError: There is no such name.
    """
    if name in STATICS:
        return Query(StaticIs(name))
    if name in ROLE_KINDS:
        return lambda role: Role(role, name)
    if name in SIGNALS:
        if SIGNALS[name].roles == 0:
            return Quantity(SignalOf(name))
        return lambda *roles: measure(name, *roles)
    if name in PREDICATES:
        return lambda *roles, **options: does(name, *roles, **options)
    raise UnknownNameError("word of the query language", name, VOCABULARY)


VOCABULARY = tuple(sorted({*STATICS, *ROLE_KINDS, *SIGNALS, *PREDICATES}))
"""Every name that `named` knows."""


def _role(what: str, role: Role | str) -> Role:
    if isinstance(role, Role):
        return role
    raise QueryError(
        f"{what}: expected an agent such as ego or vehicle('c'), got {type(role).__name__} {role!r}"
    )


def _quantity(value: Operand) -> Quantity:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, float | int):
        return Quantity(Number(float(value)))
    raise QueryError(f"expected a number with a unit such as 1.5 * s, got {type(value).__name__}")


def _interval(ends: tuple[Operand, Operand] | None) -> Interval | None:
    if ends is None:
        return None
    low, high = (_quantity(end).term for end in ends)
    if not isinstance(low, Number) or not isinstance(high, Number):
        raise QueryError("interval: expected two times such as (0 * s, 2 * s)")
    return Interval(low, high)
