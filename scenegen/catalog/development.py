"""Which recordings show the same development: one drive in fog and by night is evaluated once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from scenegen.data.road_arrays import road_rows
from scenegen.query.atoms import Between, Compare, StaticIs
from scenegen.query.expression import Formula, atoms
from scenegen.query.necessary import CONSTANT
from scenegen.query.statics import FIELDS, STATICS
from scenegen.scene import Light, RoadKind, Scenario, Weather

DIGITS = 32
"""Hexadecimal digits of a mark: two of 10^9 developments share one with probability 10^-21."""

Row = Mapping[str, Any]


def development(scenario: Scenario) -> str:
    """Give a mark of everything that happens: road, signals, sirens, and all states over time.

    Queries read nothing else of a scenario but its light and weather, so that of two scenarios
    with one mark a query says the same, as far as `circumstances` are the same.

    Args:
        scenario: The scenario, exactly as it is stored.

    Returns:
        Hexadecimal digits.
    """
    seen = np.flatnonzero(scenario.agents.valid.any(axis=0))
    agents = scenario.agents[:, : int(seen.max(initial=-1)) + 1]  # Empty slots mean nothing.
    road, counts = road_rows(scenario.roadmap)
    shape = agents.valid.shape
    told = f"{scenario.roadmap.kind} {shape} {tuple(scenario.sirens)} {sorted(counts.items())}"
    mark = hashlib.sha256(told.encode())
    for floats in (agents.position, agents.yaw, agents.speed, agents.size):
        mark.update(np.ascontiguousarray(floats, np.float32).tobytes())
    mark.update(np.ascontiguousarray(agents.kind, np.int8).tobytes())
    mark.update(np.ascontiguousarray(agents.valid).tobytes())
    mark.update(np.ascontiguousarray(scenario.times, np.float64).tobytes())
    for _, values in sorted(road.items()):
        mark.update(np.ascontiguousarray(values).tobytes())
    return mark.hexdigest()[:DIGITS]


def circumstances(formula: Formula, row: Row) -> tuple[object, ...] | None:
    """Give what a formula is told of light and weather in a recording.

    Args:
        formula: The formula.
        row: The recording's row.

    Returns:
        Values that decide, together with the development, what the formula says; None if the row
        does not hold them.
    """
    told: list[object] = []
    for atom in atoms(formula):
        match atom:
            case StaticIs(name):
                if not {"light", "weather", *FIELDS.values()} <= row.keys():
                    return None
                told.append(_is_so(name, row))
            case Compare(left, _, right):
                told += [_constant(name, row) for name in (*left.signals, *right.signals)]
            case Between(term):
                told += [_constant(name, row) for name in term.signals]
            case _:
                pass
    return None if UNTOLD in told else tuple(told)


UNTOLD = "untold"


def _is_so(name: str, row: Row) -> object:
    """Whether a static condition holds as far as light and weather go; the road goes apart."""
    fact = STATICS[name]
    values = [row["light"], row["weather"], *(row[FIELDS[n]] for n in fact.ranges)]
    if None in values:
        return UNTOLD
    some = next(iter(fact.roads)) if fact.roads else RoadKind.URBAN
    is_so = fact.allows(Light(row["light"]), Weather(row["weather"]), some)
    return is_so and all(row[FIELDS[n]] in wanted for n, wanted in fact.ranges.items())


def _constant(signal: str, row: Row) -> object:
    """Value of a signal of light and weather; those of the agents and the road go apart."""
    if signal not in CONSTANT:
        return ""
    value = row.get(CONSTANT[signal])
    return UNTOLD if value is None else float(value)
