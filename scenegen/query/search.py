"""Who plays which role: the assignment of agents under which a formula holds best."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import QueryError
from scenegen.events.windows import FAR
from scenegen.query.atoms import Between, Compare, Does
from scenegen.query.expression import Formula, atoms, clauses, roles_of
from scenegen.query.predicates import PREDICATES
from scenegen.query.semantics import Semantics
from scenegen.query.signals import SIGNALS
from scenegen.query.terms import EGO_ROLE
from scenegen.query.trace import Trace

MOST_ROLES = 4
"""Roles a query may bind besides the ego."""
LARGEST_TABLE = 2_000_000
"""Margins that are held at once; larger searches go in parts."""
FIRST_TRY = 8
"""Agents per role that are tried first when no assignment is sure to hold."""

Agents = tuple[IntArray, ...]
Known = dict[tuple[tuple[str, ...], tuple[bytes, ...]], Semantics]
"""Semantics by roles and agents: what was worked out for a bound is not worked out again."""
Able = Mapping[str, Collection[int]]
"""Agents that may play each role; a role that is not in there is open to all."""


@dataclass(frozen=True, slots=True)
class Best:
    """The assignment with the largest margin.

    Attributes:
        margin: The largest margin over all assignments and instants.
        agents: Agent index of each role; empty if there is nobody to choose from.
        over_time: Margin of that assignment over time, shape (T,).
        step: Number of the instant.
        semantics: Margins of the assignments it was found among; None if there are none.
        place: Which of these it is, one number per role.
    """

    margin: float
    agents: tuple[int, ...]
    over_time: FloatArray
    step: int = 0
    semantics: Semantics | None = None
    place: tuple[int, ...] = ()


def free_roles(formula: Formula) -> tuple[str, ...]:
    """Roles to bind, without the ego.

    Raises:
        QueryError: There are more than MOST_ROLES.
    """
    roles = tuple(role for role in roles_of(formula) if role != EGO_ROLE)
    if len(roles) > MOST_ROLES:
        raise QueryError(
            f"query: expected at most {MOST_ROLES} roles besides the ego, got {', '.join(roles)}"
        )
    return roles


def best_assignment(formula: Formula, trace: Trace) -> Best:
    """Find the assignment of distinct agents with the largest margin at any instant.

    Exact: an agent is only left out of a role where a bound from the clauses about it alone
    shows that it cannot beat what was found.

    Args:
        formula: The formula.
        trace: The scenario.

    Returns:
        The best assignment.
    """
    roles = free_roles(formula)
    nobody = Best(-FAR, (), np.full(trace.steps, -FAR))
    if not roles:
        return _best_of(formula, trace, roles, ()) or nobody
    known: Known = {}
    agents, bounds = _bounds(formula, trace, roles, {}, known)
    best = _best_of(formula, trace, roles, _above(agents, bounds, 0.0), known)
    if best is not None and best.margin > 0:
        return best
    if best is None:
        best = _best_of(formula, trace, roles, _most_promising(agents, bounds)) or nobody
    better = _best_of(formula, trace, roles, _above(agents, bounds, best.margin))
    return better if better is not None and better.margin > best.margin else best


def satisfying_assignment(formula: Formula, trace: Trace, able: Able) -> Best | None:
    """Find the best assignment if it satisfies the formula, as `best_assignment` does.

    Args:
        formula: The formula.
        trace: The scenario.
        able: Agents that may play each role, where the others are known not to satisfy the
            formula; a role that is not in there is open to all.

    Returns:
        The best assignment, None if no margin is positive.
    """
    roles = free_roles(formula)
    # In a search that goes in parts, who is first among equals would depend on who is left out.
    if trace.steps * len(trace.others) ** len(roles) > LARGEST_TABLE:
        able = {}
    known: Known = {}
    agents, bounds = _bounds(formula, trace, roles, able, known)
    best = _best_of(formula, trace, roles, _above(agents, bounds, 0.0), known)
    return best if best is not None and best.margin > 0 else None


def nearest_assignment(formula: Formula, trace: Trace) -> Best:
    """Find who comes nearest to a formula, and when, also where a clause is out of reach.

    As a rule that is the best assignment. If no margin is better than -FAR, because it is day and
    the formula says night, say, it is where most top-level clauses hold; among equals, where the
    least margin of those in reach is largest. Of each role only the FIRST_TRY agents that do best
    by the clauses about them alone are looked at then.

    Args:
        formula: The formula.
        trace: The scenario.

    Returns:
        The assignment and its instant.
    """
    best = best_assignment(formula, trace)
    roles = free_roles(formula)
    if best.margin > -FAR or (roles and not len(trace.others)):
        return best
    agents = []
    for role in roles:
        alone = tuple(c for c in clauses(formula) if set(roles_of(c)) <= {EGO_ROLE, role})
        score = _reached(alone, Semantics(trace, (role,), (trace.others,)))
        order = np.argsort(-score.max(axis=0), kind="stable")[:FIRST_TRY]
        agents.append(trace.others[np.sort(order)])
    found, highest = best, -math.inf
    for part in parts(tuple(agents), trace.steps):
        semantics = Semantics(trace, roles, part)
        score = np.where(semantics.distinct(), _reached(clauses(formula), semantics), -math.inf)
        place = np.unravel_index(int(score.argmax()), score.shape)
        if score[place] > highest:
            highest = float(score[place])
            cast = tuple(int(a[k]) for a, k in zip(part, place[1:], strict=True))
            over_time = np.full(trace.steps, best.margin)
            found = Best(best.margin, cast, over_time, int(place[0]))
    return found


def _reached(parts_of: tuple[Formula, ...], semantics: Semantics) -> FloatArray:
    """Number of clauses that hold, times 10 FAR, plus the least margin of those in reach."""
    shape = (semantics.trace.steps, *(len(a) for a in semantics.agents))
    count, least = np.zeros(shape), np.full(shape, FAR)
    for clause in parts_of:
        margin = semantics.margin(clause)
        count += margin > 0
        least = np.minimum(least, np.where(margin > -FAR, margin, FAR))
    return 10 * FAR * count + least


def margin_over_time(formula: Formula, trace: Trace) -> FloatArray:
    """Largest margin over all assignments at each instant, shape (T,)."""
    roles = free_roles(formula)
    agents: Agents = ()
    if roles:
        agents, bounds = _bounds(formula, trace, roles, {}, {})
        agents = _above(agents, bounds, -FAR)
    out = np.full(trace.steps, -FAR)
    for part in parts(agents, trace.steps):
        margin = _masked(formula, Semantics(trace, roles, part))
        out = np.maximum(out, margin.reshape(trace.steps, -1).max(axis=1, initial=-FAR))
    return out


def _best_of(
    formula: Formula,
    trace: Trace,
    roles: tuple[str, ...],
    agents: Agents,
    known: Known | None = None,
) -> Best | None:
    """Best assignment among some agents, None if a role has none."""
    best: Best | None = None
    for part in parts(agents, trace.steps):
        semantics = _semantics(trace, roles, part, known or {})
        margin = _masked(formula, semantics)
        largest = float(margin.max(initial=-math.inf))
        if largest == -math.inf:
            continue
        column = int(margin.argmax()) % margin[0].size
        place = np.unravel_index(column, margin.shape[1:])
        if best is None or largest > best.margin:
            cast = tuple(int(a[k]) for a, k in zip(part, place, strict=True))
            over_time = margin.reshape(len(margin), -1)[:, column].copy()
            step, at = int(over_time.argmax()), tuple(int(k) for k in place)
            best = Best(largest, cast, over_time, step, semantics, at)
    return best


def _masked(formula: Formula, semantics: Semantics) -> FloatArray:
    """Margins of shape (T, K_1, ..., K_R), -inf where two roles are one agent."""
    distinct = semantics.distinct()
    margin = semantics.margin(formula)
    full = np.broadcast_to(margin, (semantics.trace.steps, *distinct.shape))
    return full if distinct.all() else np.where(distinct, full, -math.inf)


def _semantics(trace: Trace, roles: tuple[str, ...], agents: Agents, known: Known) -> Semantics:
    """Semantics of some agents: that of an earlier look at the very same, with what it knows."""
    key = (roles, tuple(a.tobytes() for a in agents))
    if key not in known:
        known[key] = Semantics(trace, roles, agents)
    return known[key]


def _bounds(
    formula: Formula, trace: Trace, roles: tuple[str, ...], able: Able, known: Known
) -> tuple[Agents, tuple[FloatArray, ...]]:
    """Agents of each role, and an upper bound of the margin with each of them."""
    bounds = tuple(_bound(formula, trace, role, able.get(role), known) for role in roles)
    return (trace.others,) * len(roles), bounds


def _bound(
    formula: Formula, trace: Trace, role: str, able: Collection[int] | None, known: Known
) -> FloatArray:
    """Upper bound of the margin with each agent in a role, from the clauses about it alone."""
    agents = trace.others
    mine = [c for c in clauses(formula) if set(roles_of(c)) <= {EGO_ROLE, role}]
    bound = np.full((trace.steps, len(agents)), FAR)
    left = _able(formula, trace, role)
    left = left if able is None else left & set(able)
    bound[:, ~np.isin(agents, sorted(left))] = -FAR
    # What is costly is only computed for agents that the rest leaves in play, everything only for
    # those that may play the role at all.
    for clause in sorted(mine, key=_is_costly):
        least = 0.0 if _is_costly(clause) else -FAR
        use = np.flatnonzero(bound.max(axis=0, initial=-FAR) > least)
        if not len(use):
            break
        semantics = _semantics(trace, (role,), (agents[use],), known)
        bound[:, use] = np.minimum(bound[:, use], semantics.margin(clause))
    return bound.max(axis=0, initial=-FAR)


def _is_costly(formula: Formula) -> bool:
    for atom in atoms(formula):
        match atom:
            case Does(name):
                costly = PREDICATES[name].is_costly
            case Compare(left, _, right):
                costly = any(SIGNALS[name].is_costly for name in (*left.signals, *right.signals))
            case Between(term):
                costly = any(SIGNALS[name].is_costly for name in term.signals)
            case _:
                costly = False
        if costly:
            return True
    return False


def _able(formula: Formula, trace: Trace, role: str) -> set[int]:
    """Agents that the candidates of the events asked for leave to a role."""
    able = set(trace.others.tolist())
    for clause in clauses(formula):
        if not isinstance(clause, Does) or role not in clause.roles:
            continue
        listed = PREDICATES[clause.name].candidates
        if listed is not None:
            place = clause.roles.index(role)
            able &= {cast[place] for cast in listed(trace)}
    return able


def _above(agents: Agents, bounds: tuple[FloatArray, ...], least: float) -> Agents:
    return tuple(a[b > least] for a, b in zip(agents, bounds, strict=True))


def _most_promising(agents: Agents, bounds: tuple[FloatArray, ...]) -> Agents:
    chosen = []
    for index, bound in zip(agents, bounds, strict=True):
        order = np.argsort(-bound, kind="stable")[:FIRST_TRY]
        chosen.append(index[np.sort(order)])
    return tuple(chosen)


def parts(agents: Agents, steps: int) -> Iterator[Agents]:
    """Split a search so that no table of margins becomes larger than LARGEST_TABLE.

    Args:
        agents: Agents of each role.
        steps: Number of instants.

    Yields:
        Agents of each role; together the parts make up all assignments.
    """
    size = steps * math.prod(len(a) for a in agents)
    if size <= LARGEST_TABLE:
        yield agents
        return
    axis = max(range(len(agents)), key=lambda k: len(agents[k]))
    if len(agents[axis]) == 1:
        yield agents
        return
    middle = len(agents[axis]) // 2
    for half in (agents[axis][:middle], agents[axis][middle:]):
        yield from parts((*agents[:axis], half, *agents[axis + 1 :]), steps)
