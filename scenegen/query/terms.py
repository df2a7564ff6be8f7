"""Terms: the numeric half of the syntax tree, checked for units when it is built."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scenegen.errors import QueryError, UnknownNameError
from scenegen.query.signals import SIGNALS
from scenegen.query.units import Dimension, expected_units, format_number, unit_of

EGO_ROLE = "ego"
"""Role name of the ego vehicle."""
TIME_WORDS = ("eventually", "always", "then", "for", "until", "at")
WORDS = frozenset((*TIME_WORDS, "and", "or", "not", "in", "lt", "gt", "le", "ge", "abs"))
"""Words of the language; no role can be called so."""
DEEPEST_TERM = 40
"""Calculations within one another that a term may have; `a + b + c` are two."""
SUM, PRODUCT, ATOM = 1, 2, 3
"""How tightly a term binds, for printing."""


def check_role(role: str) -> None:
    """Check that a name can stand for an agent.

    Raises:
        QueryError: It is a word of the language or not a plain name.
    """
    if role in WORDS or not (role.isascii() and role.isidentifier()):
        raise QueryError(
            f"role {role!r}: expected a plain name such as 'c' that is no word of the language"
        )


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit as the user wrote it.

    Attributes:
        magnitude: The number in its unit.
        unit: Unit, a name of UNITS; empty for a pure number.
    """

    magnitude: float
    unit: str = ""

    def __post_init__(self) -> None:
        """Check the unit and that the number is finite."""
        factor = unit_of(self.unit)[1]
        if not math.isfinite(self.magnitude):
            raise QueryError(f"expected a finite number, got {self.magnitude}")
        if not math.isfinite(self.magnitude * factor):
            raise QueryError(f"expected a number that is finite in SI units, got {self.text}")

    @property
    def dimension(self) -> Dimension:
        """What it measures."""
        return unit_of(self.unit)[0]

    @property
    def value(self) -> float:
        """The number in stored units."""
        return self.magnitude * unit_of(self.unit)[1]

    @property
    def text(self) -> str:
        """Canonical text."""
        return format_number(self.magnitude) + self.unit

    @property
    def roles(self) -> tuple[str, ...]:
        """Agents it is about: none."""
        return ()

    @property
    def signals(self) -> tuple[str, ...]:
        """Signals it is made of: none."""
        return ()

    @property
    def binding(self) -> int:
        """How tightly it binds."""
        return ATOM


@dataclass(frozen=True, slots=True)
class SignalOf:
    """A signal of some agents, such as ``ttc(ego,c)`` or ``ego.speed``.

    Attributes:
        name: Name in SIGNALS.
        roles: Role of each agent.
    """

    name: str
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the name, and that it gets as many different agents as it needs."""
        if self.name not in SIGNALS:
            raise QueryError(UnknownNameError("signal", self.name, SIGNALS).message)
        wanted = SIGNALS[self.name].roles
        if len(self.roles) != wanted:
            raise QueryError(
                f"{self.name}: expected {wanted} role{'s' * (wanted != 1)}, got {len(self.roles)}"
            )
        for role in self.roles:
            check_role(role)
        if len(set(self.roles)) != len(self.roles):
            raise QueryError(
                f"{self.name}: expected two different roles, got {self.roles[0]} twice"
            )

    @property
    def dimension(self) -> Dimension:
        """What it measures."""
        return SIGNALS[self.name].dimension

    @property
    def text(self) -> str:
        """Canonical text."""
        if len(self.roles) == 1:
            return f"{self.roles[0]}.{self.name}"
        return f"{self.name}({','.join(self.roles)})" if self.roles else self.name

    @property
    def signals(self) -> tuple[str, ...]:
        """Signals it is made of."""
        return (self.name,)

    @property
    def binding(self) -> int:
        """How tightly it binds."""
        return ATOM


@dataclass(frozen=True, slots=True)
class Absolute:
    """Absolute value of a term.

    Attributes:
        term: The term.
    """

    term: Term

    def __post_init__(self) -> None:
        """Check the depth."""
        _check_depth(self)

    @property
    def dimension(self) -> Dimension:
        """What it measures."""
        return self.term.dimension

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"abs({self.term.text})"

    @property
    def roles(self) -> tuple[str, ...]:
        """Agents it is about."""
        return self.term.roles

    @property
    def signals(self) -> tuple[str, ...]:
        """Signals it is made of."""
        return self.term.signals

    @property
    def binding(self) -> int:
        """How tightly it binds."""
        return ATOM


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Sum, difference, product or quotient of two terms.

    Attributes:
        left: First term.
        operator: One of + - * /.
        right: Second term.
    """

    left: Term
    operator: str
    right: Term

    def __post_init__(self) -> None:
        """Check the depth, and that only equal dimensions are added."""
        _check_depth(self)
        if self.operator in "+-" and self.left.dimension != self.right.dimension:
            raise dimension_error(self.left, self.right)

    @property
    def dimension(self) -> Dimension:
        """What it measures."""
        if self.operator == "*":
            return self.left.dimension * self.right.dimension
        if self.operator == "/":
            return self.left.dimension / self.right.dimension
        return self.left.dimension

    @property
    def text(self) -> str:
        """Canonical text, with only the parentheses it needs."""
        left = self.left.text if self.left.binding >= self.binding else f"({self.left.text})"
        right = self.right.text if self.right.binding > self.binding else f"({self.right.text})"
        return f"{left} {self.operator} {right}"

    @property
    def roles(self) -> tuple[str, ...]:
        """Agents it is about, each once, in order."""
        return tuple(dict.fromkeys((*self.left.roles, *self.right.roles)))

    @property
    def signals(self) -> tuple[str, ...]:
        """Signals it is made of."""
        return (*self.left.signals, *self.right.signals)

    @property
    def binding(self) -> int:
        """How tightly it binds."""
        return PRODUCT if self.operator in "*/" else SUM


Term = Number | SignalOf | Absolute | Arithmetic
"""Anything with a value and a unit."""


def _check_depth(term: Term) -> None:
    """Refuse what recursion could not walk; done without recursion."""
    level: list[Term] = [term]
    for _ in range(DEEPEST_TERM):
        inner: list[Term] = []
        for one in level:
            if isinstance(one, Absolute):
                inner.append(one.term)
            elif isinstance(one, Arithmetic):
                inner += (one.left, one.right)
        if not inner:
            return
        level = inner
    raise QueryError(f"query: more than {DEEPEST_TERM} calculations within one another; split it")


def dimension_error(left: Term, right: Term) -> QueryError:
    """Say that two terms do not measure the same, and what would."""
    for number, other in ((right, left), (left, right)):
        if isinstance(number, Number) and not number.unit and not other.dimension.is_number:
            units = expected_units(other.dimension)
            hint = f"; write one: {units}" if units else ""
            label = other.dimension.label
            return QueryError(f"{other.text} is {label}, {number.text} has no unit{hint}")
    return QueryError(
        f"{left.text} is {left.dimension.label} and {right.text} is {right.dimension.label}:"
        " they cannot be compared or added"
    )
