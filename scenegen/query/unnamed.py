"""Agents that a query leaves unnamed: somebody plays their part, whoever it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events.windows import FAR
from scenegen.query.atoms import Does
from scenegen.query.predicates import PREDICATES, Predicate
from scenegen.query.trace import Trace


def happens(atom: Does, trace: Trace, named: Sequence[IntArray]) -> FloatArray:
    """Margin of an event or motion for the agents named, the best over all that are not.

    An unnamed agent is none of those that the same event names, and not the ego.

    Args:
        atom: The event or motion.
        trace: The scenario.
        named: Agent indices of each role it names, broadcast.

    Returns:
        Margin, shape (T, ...).
    """
    predicate, options = PREDICATES[atom.name], dict(atom.options)
    if not atom.unnamed:
        return predicate.margin(trace, named, options)
    places = range(len(atom.roles), len(predicate.roles))
    # Each unnamed role is a further axis at the end.
    index = [one.reshape(*one.shape, *(1 for _ in places)) for one in named]
    unnamed = [
        one.reshape(*(1 for _ in named[0].shape), *one.shape)
        for one in np.ix_(*(_able(predicate, trace, place) for place in places))
    ]
    margin = predicate.margin(trace, [*index, *unnamed], options)
    possible: BoolArray = np.ones(margin.shape, np.bool_)
    for number, agents in enumerate(unnamed):
        possible &= trace.states.valid[:, agents]
        for other in (*index, *unnamed[:number]):
            possible &= agents != other
    axes = tuple(range(-len(unnamed), 0))
    return np.where(possible, margin, -FAR).max(axis=axes, initial=-FAR)


def _able(predicate: Predicate, trace: Trace, place: int) -> IntArray:
    """Agents, other than the ego, that may play a part."""
    if predicate.candidates is None:
        return trace.others
    listed = {cast[place] for cast in predicate.candidates(trace)}
    return np.array(sorted(listed & set(trace.others.tolist())), dtype=np.int64)
