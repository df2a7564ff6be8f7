"""Many recordings at once: whether a query can hold in them, from their states alone.

Every assignment of agents to the roles becomes one column of a single table, so that one pass over
arrays asks hundreds of recordings. What a road map or a line of sight would be needed for is taken
for possible, except that events happen only where `scenegen.catalog.occurrences` lists them. The
answer is a bound: where it is no, the query does not hold, and the exact evaluation is spared.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, product
from operator import itemgetter

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.catalog.extremes import able, demanded
from scenegen.catalog.occurrences import Occurrences
from scenegen.events.windows import FAR
from scenegen.query import SIGNALS, Trace
from scenegen.query.atoms import Atom, Between, Compare, Does, StaticIs
from scenegen.query.expression import At, Formula
from scenegen.query.search import free_roles
from scenegen.query.semantics import Semantics
from scenegen.query.terms import EGO_ROLE
from scenegen.scene import (
    EGO,
    AgentStates,
    Conditions,
    Lane,
    Provenance,
    RoadKind,
    RoadMap,
    Scenario,
)

MOST_CASTS = 500
"""Assignments of one recording that are looked at here; with more it is left to the evaluation."""
LARGEST_BATCH = 4000
"""Assignments that are asked together."""
NEEDS_MORE = frozenset(name for name, s in SIGNALS.items() if s.is_costly or s.roles == 0) | {
    "heading",
    "lane_heading",
    "lane_offset",
}
"""Signals that are not a function of the agents' own states."""
NOWHERE = RoadMap(
    name="nowhere",
    kind=RoadKind.RECORDED,
    lanes=(Lane(centerline=np.eye(2), width=np.ones(2), speed_limit=1.0),),
)
"""Road of the table of assignments; nothing that reads it is asked there."""
NOBODY = Provenance(query="", seed=0, index=0, attempt=0, script={}, map_source={})


Casting = Mapping[str, frozenset[int]]
"""Agents that may play each role."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A recording that is asked.

    Attributes:
        states: Its states, leading shape (T, N).
        happened: What is listed for it; what is not in there was not looked for.
        able: Agents that may play each role as far as is known.
    """

    states: AgentStates
    happened: Occurrences
    able: Casting


def possible(formula: Formula, members: Sequence[Member], step: float) -> list[Casting | None]:
    """Who may play which role in some recordings of one length.

    Args:
        formula: The formula.
        members: The recordings.
        step: Time between their instants [s].

    Returns:
        For each recording the agents with which the formula may hold; None only where it does not
        hold.
    """
    out: list[Casting | None] = [None] * len(members)
    roles = free_roles(formula)
    batch: list[tuple[int, dict[str, int]]] = []
    for number, member in enumerate(members):
        if math.prod(len(member.able[role]) for role in roles) > MOST_CASTS:
            out[number] = member.able
            continue
        batch += [(number, cast) for cast in _casts(roles, member.able)]
        if len(batch) >= LARGEST_BATCH:
            _ask(formula, members, batch, step, out)
            batch = []
    if batch:
        _ask(formula, members, batch, step, out)
    return out


def eligible(
    formula: Formula, others: Collection[int], happened: Occurrences, table: FloatArray | None
) -> Casting | None:
    """Who may play which role, as far as a recording's row tells.

    Args:
        formula: The formula.
        others: Its agents, without the ego.
        happened: What is listed for it.
        table: Extremes of its agents; None if they are not known.

    Returns:
        Agents of each role; None if nobody is left for one.
    """
    roles, events = _asked(formula)
    left = {role: set(others) for role in roles}
    if table is not None:
        for role, may in able(formula, roles, table).items():
            left[role] &= set(np.flatnonzero(may).tolist())
    for atom in events:
        if atom.name in happened:
            for place, role in enumerate(atom.roles):
                if role in left:
                    left[role] &= {who[place] for who, _, _ in happened[atom.name]}
    return {r: frozenset(a) for r, a in left.items()} if all(left.values()) else None


@lru_cache(maxsize=32)
def _asked(formula: Formula) -> tuple[tuple[str, ...], tuple[Does, ...]]:
    """Roles of a formula, and the events it demands; thousands of rows are asked the same."""
    events = [a for a, holds in demanded(formula) if holds and isinstance(a, Does)]
    return free_roles(formula), tuple(events)


def _ask(
    formula: Formula,
    members: Sequence[Member],
    batch: Sequence[tuple[int, dict[str, int]]],
    step: float,
    out: list[Casting | None],
) -> None:
    """Ask some assignments together and note with which of them the formula may hold."""
    roles = (EGO_ROLE, *free_roles(formula))
    columns = [
        members[number].states[:, [cast.get(r, EGO) for _, cast in casts for r in roles]]
        for number, group in groupby(batch, key=itemgetter(0))
        for casts in [list(group)]
    ]
    states = AgentStates.concatenate(columns)
    scenario = Scenario(
        roadmap=NOWHERE,
        conditions=Conditions(),
        agents=states,
        times=np.arange(len(states.valid)) * step,
        provenance=NOBODY,
    )
    first = np.arange(len(batch)) * len(roles)
    bound = _Bound(
        Trace(scenario),
        ("cast",),
        (first,),
        slots={role: first + k for k, role in enumerate(roles)},
        casts=[({**cast, EGO_ROLE: EGO}, members[number].happened) for number, cast in batch],
    )
    margin = bound.margin(formula)
    holds = np.broadcast_to((margin > 0).any(axis=0), (len(batch),))
    for (number, cast), may in zip(batch, holds.tolist(), strict=True):
        if may:
            before = out[number] or {}
            out[number] = {r: before.get(r, frozenset()) | {agent} for r, agent in cast.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Bound(Semantics):
    """Upper bounds of margins, all assignments along one axis.

    Attributes:
        slots: Column of each role's agent in each assignment.
        casts: Agent of each role in each assignment, and what is listed for its recording.
    """

    slots: Mapping[str, IntArray] = field(default_factory=dict)
    casts: Sequence[tuple[Mapping[str, int], Occurrences]] = ()

    def indices(self, roles: Sequence[str]) -> list[IntArray]:
        """Columns of some roles."""
        return [self.slots[role] for role in roles]

    def margin(self, formula: Formula, holds: bool = True) -> FloatArray:
        """Give an upper bound of the margin, broadcasts to (T, number of assignments)."""
        if not isinstance(formula, At):
            return Semantics.margin(self, formula, holds)
        now = self.margin(formula.condition, holds)
        if not holds:
            return np.full((1, 1), FAR)
        # When it began is not known here.
        return np.minimum(now, self.margin(formula.part).max(axis=0, keepdims=True))

    def _atom(self, atom: Atom, holds: bool) -> FloatArray:
        match atom:
            case StaticIs():
                return np.full((1, 1), FAR)
            case Does(name, roles):
                if not holds:
                    return self._there(roles)
                return np.minimum(self._there(roles), self._happens(name, roles))
            case Compare(left, _, right):
                signals = {*left.signals, *right.signals}
            case Between(term):
                signals = set(term.signals)
            case _:
                signals = set()
        if signals & NEEDS_MORE:
            return np.full((1, 1), FAR)
        return Semantics._atom(self, atom, holds)

    def _there(self, roles: Sequence[str]) -> FloatArray:
        there: BoolArray = np.ones((1, 1), np.bool_)
        for index in self.indices(roles):
            there = there & self.trace.states.valid[:, index]
        return np.where(there, FAR, -FAR)

    def _happens(self, name: str, roles: Sequence[str]) -> FloatArray:
        out = np.full((self.trace.steps, len(self.casts)), -FAR)
        for column, (cast, happened) in enumerate(self.casts):
            if name not in happened:
                out[:, column] = FAR
                continue
            agents = tuple(cast[role] for role in roles)
            for who, first, last in happened[name]:
                if who[: len(agents)] == agents:
                    out[first : last + 1, column] = FAR
        return out


def _casts(roles: tuple[str, ...], able: Casting) -> list[dict[str, int]]:
    """Assignments of different agents."""
    return [
        dict(zip(roles, cast, strict=True))
        for cast in product(*(sorted(able[role]) for role in roles))
        if len(set(cast)) == len(cast)
    ]
