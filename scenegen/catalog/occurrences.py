"""When who did what: the stretches of time of every event and motion, as one text per recording.

Most recordings hold few events, so that a search looks at few of them. The text is a list of
entries such as ``;cut_in 3 12-40``: a word of the language, the agents that play its roles, the
first and the last instant at which it holds for them, and ``;`` before each entry and at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.query import PREDICATES, Predicate, Trace
from scenegen.query.necessary import LISTED
from scenegen.scene import EGO

WORDS = f" {' '.join(LISTED.values())} "
"""Words that are looked for, each with the mark of its definition; stored beside the text."""

Occurrences = Mapping[str, Sequence[tuple[tuple[int, ...], int, int]]]
"""Of every word that was looked for: agent of each role, first and last instant."""


def occurrences(trace: Trace) -> str | None:
    """List everything that happens in a scenario, for whomever, whatever the options.

    Args:
        trace: The scenario.

    Returns:
        The text, ``;`` if nothing happens; None on a map without a lane for traffic, where events
        mean nothing.
    """
    if not trace.scenario.roadmap.traffic_lanes:
        return None
    found = []
    for name in sorted(LISTED):
        for cast, margin in _margins(PREDICATES[name], trace):
            held = np.flatnonzero(margin > 0)
            if len(held):
                found.append(f";{name} {','.join(map(str, cast))} {held[0]}-{held[-1]}")
    return "".join(found) + ";"


def read_occurrences(
    text: str | None, listed: str | None, names: Collection[str] | None = None
) -> Occurrences:
    """Read the text again.

    Args:
        text: What `occurrences` gave, None if it was never asked.
        listed: The WORDS of that time.
        names: Words that matter; None for all.

    Returns:
        The occurrences of every word that was looked for and still means the same.
    """
    if text is None or listed is None:
        return {}
    found: dict[str, list[tuple[tuple[int, ...], int, int]]] = {
        name: [] for name in _same_words(listed) if names is None or name in names
    }
    for name, entries in found.items():
        mark, at = f";{name} ", -1
        while (at := text.find(mark, at + 1)) >= 0:
            cast, _, span = text[at + len(mark) : text.index(";", at + 1)].partition(" ")
            first, _, last = span.partition("-")
            entries.append((tuple(map(int, cast.split(","))), int(first), int(last)))
    return found


@lru_cache(maxsize=8)
def _same_words(listed: str) -> tuple[str, ...]:
    """Words of a list that still mean the same."""
    marks = set(listed.split())
    return tuple(name for name, mark in LISTED.items() if mark in marks)


def _margins(predicate: Predicate, trace: Trace) -> Iterator[tuple[tuple[int, ...], FloatArray]]:
    """Every assignment of agents that may hold, with its margin over time."""
    if predicate.candidates is None:
        agents = np.append(trace.others, EGO)
        margins = predicate.margin(trace, [agents], {})
        there: BoolArray = trace.states.valid[:, agents]
        for k, agent in enumerate(agents.tolist()):
            yield (agent,), np.where(there[:, k], margins[:, k], -1.0)
        return
    others = set(trace.others.tolist())
    for cast in sorted(predicate.candidates(trace)):
        if set(cast) <= others and len(set(cast)) == len(cast):
            index = [np.array([agent]) for agent in cast]
            all_there = trace.states.valid[:, list(cast)].all(axis=1)
            yield cast, np.where(all_there, predicate.margin(trace, index, {})[:, 0], -1.0)
