"""Formulas: the truth-valued half of the syntax tree; frozen, checked when built, printable.

Two formulas are equal when they read the same; nested conjunctions and disjunctions are flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scenegen.errors import QueryError
from scenegen.query.atoms import Atom, Between, Compare, Does, Interval, KindIs, StaticIs

THEN, OR, AND, NOT, ATOM = 0, 1, 2, 3, 4
"""How tightly a formula binds, for printing."""


@dataclass(frozen=True, slots=True)
class Not:
    """Negation.

    Attributes:
        part: What must not hold.
    """

    part: Formula

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"not {_wrapped(self.part, NOT)}"


@dataclass(frozen=True, slots=True)
class And:
    """Conjunction; nested ones are flattened.

    Attributes:
        parts: What must hold together, two or more.
    """

    parts: tuple[Formula, ...]

    def __post_init__(self) -> None:
        """Flatten."""
        object.__setattr__(self, "parts", _flat(And, self.parts))

    @property
    def text(self) -> str:
        """Canonical text."""
        return " and ".join(_wrapped(part, NOT) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """Disjunction; nested ones are flattened.

    Attributes:
        parts: Alternatives, two or more.
    """

    parts: tuple[Formula, ...]

    def __post_init__(self) -> None:
        """Flatten."""
        object.__setattr__(self, "parts", _flat(Or, self.parts))

    @property
    def text(self) -> str:
        """Canonical text."""
        return " or ".join(_wrapped(part, AND) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Eventually:
    """Holds at one instant of an interval from now; without interval, of the whole scenario.

    Attributes:
        part: What has to hold once.
        interval: When, None for the whole scenario.
    """

    part: Formula
    interval: Interval | None = None

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"eventually{self.interval.text if self.interval else ''}({self.part.text})"


@dataclass(frozen=True, slots=True)
class Always:
    """Holds at all instants of an interval from now; without interval, of the whole scenario.

    Attributes:
        part: What has to hold all the time.
        interval: When, None for the whole scenario.
    """

    part: Formula
    interval: Interval | None = None

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"always{self.interval.text if self.interval else ''}({self.part.text})"


@dataclass(frozen=True, slots=True)
class Then:
    """One thing, and strictly after it another.

    An `eventually` without interval among the conjuncts of `first` adds nothing to the search for
    the instant of `first` and is dropped: ``eventually(a) then b`` is ``a then b``.

    Attributes:
        first: What holds now.
        second: What holds later.
        interval: How much later, None for any time.
    """

    first: Formula
    second: Formula
    interval: Interval | None = None

    def __post_init__(self) -> None:
        """Drop what the search for an instant does anyway."""
        first = self.first
        while any(_is_search(part) for part in clauses(first)):
            parts = tuple(
                part.part if _is_search(part) else part  # type: ignore[union-attr]
                for part in clauses(first)
            )
            first = parts[0] if len(parts) == 1 else And(parts)
        object.__setattr__(self, "first", first)

    @property
    def text(self) -> str:
        """Canonical text."""
        within = self.interval.text if self.interval else ""
        return f"{_wrapped(self.first, OR)} then{within} {_wrapped(self.second, OR)}"


@dataclass(frozen=True, slots=True)
class Until:
    """One thing at all instants from now until, within an interval, another holds (strong until).

    Attributes:
        first: What holds from now on, up to the instant before `second`.
        second: What holds then.
        interval: When from now, None for any time.
    """

    first: Formula
    second: Formula
    interval: Interval | None = None

    @property
    def text(self) -> str:
        """Canonical text."""
        within = self.interval.text if self.interval else ""
        return f"{_wrapped(self.first, OR)} until{within} {_wrapped(self.second, OR)}"


@dataclass(frozen=True, slots=True)
class At:
    """A condition holds, and when it began to hold something else held.

    What holds at the first instant of a scenario, or where an agent appears, begins there.

    Attributes:
        condition: What holds now.
        part: What held at the instant at which it began.
    """

    condition: Formula
    part: Formula

    @property
    def text(self) -> str:
        """Canonical text."""
        return f"at({self.condition.text},{self.part.text})"


Formula = Atom | Not | And | Or | Eventually | Always | Then | Until | At
"""Anything that holds or does not."""


def clauses(formula: Formula) -> tuple[Formula, ...]:
    """Give the top-level conjuncts."""
    return formula.parts if isinstance(formula, And) else (formula,)


def children(formula: Formula) -> tuple[Formula, ...]:
    """Give the formulas directly inside a formula."""
    match formula:
        case And(parts) | Or(parts):
            return parts
        case Not(part) | Eventually(part) | Always(part):
            return (part,)
        case Then(first, second) | Until(first, second) | At(first, second):
            return (first, second)
        case _:
            return ()


def with_children(formula: Formula, parts: tuple[Formula, ...]) -> Formula:
    """Give a formula of the same kind with other formulas directly inside."""
    if isinstance(formula, And | Or):
        return type(formula)(parts)
    if isinstance(formula, Not):
        return Not(parts[0])
    if isinstance(formula, Eventually | Always):
        return type(formula)(parts[0], formula.interval)
    if isinstance(formula, Then | Until):
        return type(formula)(parts[0], parts[1], formula.interval)
    return At(parts[0], parts[1]) if isinstance(formula, At) else formula


def atoms(formula: Formula) -> Iterator[Atom]:
    """List the atoms from left to right."""
    if isinstance(formula, StaticIs | KindIs | Does | Compare | Between):
        yield formula
    for child in children(formula):
        yield from atoms(child)


def roles_of(formula: Formula) -> tuple[str, ...]:
    """Roles of a formula, each once, in order of appearance; the ego is among them if named."""
    found: list[str] = []
    for atom in atoms(formula):
        match atom:
            case KindIs():
                found.append(atom.role)
            case Does():
                found.extend(atom.roles)
            case Compare():
                found.extend((*atom.left.roles, *atom.right.roles))
            case Between():
                found.extend(atom.term.roles)
            case StaticIs():
                pass
    return tuple(dict.fromkeys(found))


def _is_search(formula: Formula) -> bool:
    return isinstance(formula, Eventually) and formula.interval is None


def _flat(kind: type[And | Or], parts: tuple[Formula, ...]) -> tuple[Formula, ...]:
    if len(parts) < 2:
        raise QueryError(f"{kind.__name__}: expected two or more parts, got {len(parts)}")
    return tuple(
        inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))
    )


def _wrapped(formula: Formula, least: int) -> str:
    """Text of a part, in parentheses where it binds less tightly than its place needs."""
    binding = {Then: THEN, Until: THEN, Or: OR, And: AND, Not: NOT}.get(type(formula), ATOM)
    return formula.text if binding >= least else f"({formula.text})"
