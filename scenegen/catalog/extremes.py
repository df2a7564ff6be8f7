"""Extremes of every agent over a recording: who cannot play a role whenever it is asked.

One row of numbers per agent, kept as text beside the features. A comparison such as
``ttc(ego,c) < 1.5s`` can only hold for agents whose least TTC is that small, so that neither
states nor road of a recording without one are read.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events.tracks import Tracks
from scenegen.query import ROLE_KINDS, Trace
from scenegen.query.atoms import Atom, Between, Compare, Does, KindIs
from scenegen.query.expression import Always, And, At, Eventually, Formula, Not, Then, Until
from scenegen.query.necessary import ROUNDING, limits
from scenegen.query.terms import EGO_ROLE, SignalOf
from scenegen.scene import EGO, AgentStates
from scenegen.sim import pairs

OWN = ("speed", "accel")
"""Signals of one agent of which the least and the largest value are kept."""
NEAR = ("ttc", "gap", "thw", "distance")
"""Signals of two agents of which the least value is kept, from the ego and towards it."""
COLUMNS = (
    "kind",
    *(f"{end} {name}" for name in OWN for end in ("least", "largest")),
    *(f"least {name}" for name in NEAR),
    "largest drac",
    *(f"least {name} back" for name in NEAR[:3]),
    "largest drac back",
    "least pet",
)
"""What is kept of each agent; `back` is from the agent towards the ego."""
MARK = "1"
"""Begins every text; it changes with the meaning of the columns."""
INSTANTS = 2.0
"""Steps by which the bound of the PET is shortened: the PET is searched between instants."""
LONG_PET = 5.0
"""Bound from which the PET itself is not computed [s]; what is asked for is far shorter."""


def extremes(trace: Trace) -> str | None:
    """Write the extremes of all agents.

    Args:
        trace: The scenario.

    Returns:
        The text, for `read_extremes`; None where there is no ego.
    """
    tracks, states = trace.tracks, trace.states
    if not states.count or not states.valid[:, EGO].any():
        return None
    table = np.empty((states.count, len(COLUMNS)))
    table[:, 0] = tracks.kind
    with np.errstate(invalid="ignore", over="ignore"):
        for name, values in (("speed", states.speed), ("accel", tracks.acceleration)):
            table[:, _at(f"least {name}")] = _least(values, states.valid)
            table[:, _at(f"largest {name}")] = -_least(-values, states.valid)
        others: IntArray = np.arange(states.count)
        ego = np.full_like(others, EGO)
        for i, j, back in ((ego, others, ""), (others, ego, " back")):
            _criticality(table, states, i, j, back)
        table[:, _at("least pet")] = _least_pet(trace)
    used = table[: np.flatnonzero(states.valid.any(axis=0))[-1] + 1]
    return MARK + base64.b64encode(_widened(used).tobytes()).decode()


def read_extremes(text: str | None) -> FloatArray | None:
    """Read the text again.

    Args:
        text: What `extremes` gave.

    Returns:
        Values of the COLUMNS of each agent up to the last slot that is filled at some instant,
        shape (N, len(COLUMNS)), each at least as far out as it is; a slot that is never filled
        has the kind -1. None if there is no such text.
    """
    if text is None or not text.startswith(MARK):
        return None
    values = np.frombuffer(base64.b64decode(text[len(MARK) :]), "<f4")
    return values.reshape(-1, len(COLUMNS)).astype(np.float64)


def able(formula: Formula, roles: tuple[str, ...], table: FloatArray) -> dict[str, BoolArray]:
    """Tell which agents the extremes leave to each role.

    Args:
        formula: The formula.
        roles: Its roles, without the ego.
        table: What `read_extremes` gave.

    Returns:
        For each role whether each agent may play it, shape (N,).
    """
    there: BoolArray = table[:, 0] >= 0
    there[EGO : EGO + 1] = False
    out = {role: there.copy() for role in roles}
    kinds, bounds = _needs(formula)
    for role, allowed in kinds:
        if role in out:
            out[role] &= np.isin(table[:, 0], allowed)
    for role, column, is_below, value in bounds:
        kept, slack = table[:, column], ROUNDING * (1 + abs(value))
        out[role] &= kept <= value + slack if is_below else kept >= value - slack
    return out


@lru_cache(maxsize=32)
def _needs(
    formula: Formula,
) -> tuple[tuple[tuple[str, list[int]], ...], tuple[tuple[str, int, bool, float], ...]]:
    """What a formula demands of a role: kinds, and bounds on columns of the table.

    Thousands of rows are asked the same.
    """
    kinds, bounds = list[tuple[str, list[int]]](), list[tuple[str, int, bool, float]]()
    for atom, holds in demanded(formula):
        if isinstance(atom, KindIs) and holds:
            kinds.append((atom.role, sorted(ROLE_KINDS[atom.name].kinds)))
        elif isinstance(atom, Compare | Between):
            for term, operator, value in limits(atom, holds):
                found = _extreme(term, operator[0] == "<")
                if found is not None:
                    bounds.append((*found, operator[0] == "<", value))
    return tuple(kinds), tuple(bounds)


def demanded(formula: Formula, holds: bool = True) -> Iterator[tuple[Atom, bool]]:
    """Give atoms that hold, or do not, at some instant for the very agents of the roles.

    Args:
        formula: The formula.
        holds: False for its negation.

    Yields:
        An atom, and whether it or its negation is demanded.
    """
    match formula:
        case Not(part):
            yield from demanded(part, not holds)
        case And(parts) if holds:
            for part in parts:
                yield from demanded(part)
        case Then(first, second) | At(first, second) if holds:
            yield from demanded(first)
            yield from demanded(second)
        case Eventually(part) | Always(part):
            yield from demanded(part, holds)
        case Until(_, part) if holds:
            yield from demanded(part)
        case Compare() | Between() | KindIs() | Does():
            yield formula, holds
        case _:
            pass


def _extreme(term: object, is_below: bool) -> tuple[str, int] | None:
    """Role that a bounded signal is about, and the column of its extreme."""
    if not isinstance(term, SignalOf):
        return None
    others = [role for role in term.roles if role != EGO_ROLE]
    if len(others) != 1:
        return None
    end = "least" if is_below else "largest"
    turned = len(term.roles) == 2 and term.roles[1] == EGO_ROLE and term.name in (*NEAR[:3], "drac")
    name = f"{end} {term.name}{' back' * turned}"
    return (others[0], _at(name)) if name in COLUMNS else None


def _at(column: str) -> int:
    return COLUMNS.index(column)


def _least(values: FloatArray, there: BoolArray) -> FloatArray:
    """Least value over time, NaN for nobody, shape (N,); what has no value counts for nothing."""
    known = there & ~np.isnan(values)
    least = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    return np.where(there.any(axis=0), least, np.nan)


def _criticality(
    table: FloatArray, states: AgentStates, i: IntArray, j: IntArray, back: str
) -> None:
    both = states.valid[:, i] & states.valid[:, j]
    signals = (pairs.ttc, pairs.gap, pairs.thw, pairs.distance)
    for name, signal in zip(NEAR, signals, strict=True):
        if f"least {name}{back}" in COLUMNS:
            table[:, _at(f"least {name}{back}")] = _least(signal(states, i, j), both)
    drac = pairs.drac(states, i, j)
    table[:, _at(f"largest drac{back}")] = -_least(-drac, both)


def _least_pet(trace: Trace) -> FloatArray:
    """Post-encroachment time between the ego and each agent [s], or a lower bound, shape (N,)."""
    least = _pet_bound(trace.tracks)
    near = (least < LONG_PET) & trace.states.valid.any(axis=0)
    for agent in np.flatnonzero(near).tolist():
        if agent != EGO:
            least[agent] = trace.encroachment(EGO, agent)[0]
    return least


def _pet_bound(tracks: Tracks) -> FloatArray:
    """Lower bound of the post-encroachment time between the ego and each agent [s], shape (N,).

    Two boxes share no spot where the circles around them, widened by how far both move until the
    next instant, do not touch.
    """
    states, times = tracks.states, tracks.times
    out = np.where(states.valid.any(axis=0), 0.0, np.inf)
    if len(times) < 2 or not states.valid[:, EGO].all():
        return out
    lag = np.abs(times[:, None] - times[None, :])
    radius = np.hypot(states.size[..., 0], states.size[..., 1]).max(axis=0) / 2.0
    moved = np.hypot(*np.moveaxis(np.diff(states.position, axis=0), -1, 0))
    usable = states.valid[1:] & states.valid[:-1]
    reach = radius + np.where(usable, moved, 0.0).max(axis=0)
    # The path of somebody who comes back is interpolated over where nobody is.
    comes_once = np.abs(np.diff(states.valid.astype(np.int8), axis=0)).sum(axis=0) <= 1
    for agent in np.flatnonzero(states.valid.any(axis=0) & comes_once).tolist():
        there = states.valid[:, agent]
        apart = states.position[:, None, EGO] - states.position[None, there, agent]
        met = np.hypot(apart[..., 0], apart[..., 1]) <= reach[EGO] + reach[agent]
        out[agent] = lag[:, there][met].min(initial=np.inf)
    return np.maximum(out - INSTANTS * float(np.diff(times).max()), 0.0)


def _widened(table: FloatArray) -> np.ndarray:
    """Round to single precision, outwards."""
    single = table.astype("<f4")
    for column, name in enumerate(COLUMNS):
        if name.startswith("least"):
            single[:, column] = np.nextafter(single[:, column], np.float32(-np.inf))
        elif name.startswith("largest"):
            single[:, column] = np.nextafter(single[:, column], np.float32(np.inf))
    return np.where(np.isnan(table), np.float32(np.nan), single).astype("<f4")
