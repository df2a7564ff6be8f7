"""Atoms: the smallest formulas, frozen, checked when built, printable."""

from __future__ import annotations

from dataclasses import dataclass

from scenegen.errors import QueryError, UnknownNameError
from scenegen.query.predicates import PREDICATES
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import EGO_ROLE, Number, Term, check_role, dimension_error
from scenegen.query.units import TIME

OPERATORS = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
"""Comparison operators, each with its negation."""


@dataclass(frozen=True, slots=True)
class StaticIs:
    """A static condition, such as ``night``.

    Attributes:
        name: Name in STATICS.
    """

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name not in STATICS:
            raise QueryError(UnknownNameError("condition", self.name, STATICS).message)

    @property
    def text(self) -> str:
        """Canonical text."""
        return self.name


@dataclass(frozen=True, slots=True)
class KindIs:
    """What an agent is, such as ``pedestrian(p)``.

    Attributes:
        name: Name in ROLE_KINDS.
        role: Role of the agent.
    """

    name: str
    role: str

    def __post_init__(self) -> None:
        """Check the names."""
        if self.name not in ROLE_KINDS:
            raise QueryError(UnknownNameError("kind of agent", self.name, ROLE_KINDS).message)
        check_role(self.role)

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"{self.name}({self.role})"


@dataclass(frozen=True, slots=True)
class Does:
    """What agents do, such as ``cut_in(c,side=right)``: an event or a motion.

    Attributes:
        name: Name in PREDICATES.
        roles: Role of each agent; an event's trailing ones may be left out and are then anybody.
        options: Pairs of option and value, sorted by option.
    """

    name: str
    roles: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check names, number of roles and options; sort the options."""
        if self.name not in PREDICATES:
            raise QueryError(UnknownNameError("event", self.name, PREDICATES).message)
        predicate = PREDICATES[self.name]
        wanted = len(predicate.roles)
        fewest = wanted if predicate.family is None else 1
        if not fewest <= len(self.roles) <= wanted:
            raise QueryError(
                f"{self.name}: expected {wanted} role{'s' * (wanted != 1)}"
                f" ({', '.join(predicate.roles)}), got {len(self.roles)}"
            )
        for role in self.roles:
            check_role(role)
        for values in predicate.options.values():
            if confused := set(values) & set(self.roles):
                role = min(confused)
                raise QueryError(
                    f"{self.name}: {role!r} is an option, not an agent; say whom it is about,"
                    f" for example ego.{self.name}({role})"
                )
        if len(set(self.roles)) != len(self.roles):
            raise QueryError(f"{self.name}: expected different roles, got {', '.join(self.roles)}")
        if predicate.family is not None and EGO_ROLE in self.roles:
            raise QueryError(f"{self.name}: expected roles other than the ego, who is always in it")
        for option, value in self.options:
            if option not in predicate.options:
                raise QueryError(
                    UnknownNameError(f"option of {self.name}", option, predicate.options).message
                )
            if value not in predicate.options[option]:
                known = predicate.options[option]
                raise QueryError(UnknownNameError(f"{self.name} {option}", value, known).message)
        if len({option for option, _ in self.options}) != len(self.options):
            raise QueryError(f"{self.name}: an option is given twice")
        object.__setattr__(self, "options", tuple(sorted(self.options)))

    @property
    def unnamed(self) -> int:
        """Number of agents left out: someone plays their part, whoever it is."""
        return len(PREDICATES[self.name].roles) - len(self.roles)

    @property
    def text(self) -> str:
        """Canonical text."""
        options = [f"{option}={value}" for option, value in self.options]
        return f"{self.name}({','.join([*self.roles, *options])})"


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison, such as ``ttc(ego,c) < 1.5s``.

    Attributes:
        left: First term.
        operator: One of OPERATORS.
        right: Second term.
    """

    left: Term
    operator: str
    right: Term

    def __post_init__(self) -> None:
        """Check the operator and that both sides measure the same."""
        if self.operator not in OPERATORS:
            raise QueryError(f"expected one of {' '.join(OPERATORS)}, got {self.operator!r}")
        if self.left.dimension != self.right.dimension:
            raise dimension_error(self.left, self.right)

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"{self.left.text} {self.operator} {self.right.text}"


@dataclass(frozen=True, slots=True)
class Between:
    """A term within a closed range, such as ``gap(ego,c) in [5m,10m]``.

    Attributes:
        term: The term.
        low: Least value.
        high: Largest value.
    """

    term: Term
    low: Number
    high: Number

    def __post_init__(self) -> None:
        """Check the units and the order of the bounds."""
        for bound in (self.low, self.high):
            if bound.dimension != self.term.dimension:
                raise dimension_error(self.term, bound)
        if self.low.value > self.high.value:
            raise QueryError(
                f"{self.term.text}: expected a range from low to high, got"
                f" [{self.low.text},{self.high.text}]"
            )

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"{self.term.text} in [{self.low.text},{self.high.text}]"


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time from now, both ends included.

    Attributes:
        low: Begin [time].
        high: End [time].
    """

    low: Number
    high: Number

    def __post_init__(self) -> None:
        """Check that both ends are times in order, not before now."""
        for end in (self.low, self.high):
            if end.dimension != TIME and not (end.value == 0 and not end.unit):
                raise QueryError(f"interval: expected a time such as 2s, got {end.text}")
        if not 0 <= self.low.value <= self.high.value:
            raise QueryError(
                f"interval: expected 0 <= begin <= end, got [{self.low.text},{self.high.text}]"
            )

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"[{self.low.text},{self.high.text}]"


Atom = StaticIs | KindIs | Does | Compare | Between
"""A formula without formulas inside."""
