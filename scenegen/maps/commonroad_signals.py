"""Signals from CommonRoad traffic lights."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.maps.commonroad_lanes import Lanelets
from scenegen.maps.commonroad_xml import Element, child, identity, label, number, point, reference
from scenegen.scene.signals import Signal, SignalState

COLORS = {
    "green": SignalState.GREEN,
    "yellow": SignalState.YELLOW,
    "red": SignalState.RED,
    "redYellow": SignalState.RED,
}
"""State by colour; a light is out where a phase has another colour."""
GOVERNED = {
    "left": {1},
    "straight": {0},
    "right": {-1},
    "leftStraight": {1, 0},
    "straightRight": {0, -1},
    "leftRight": {1, -1},
}
"""Turns that a light with this direction governs; any other direction governs all."""
SAME_APPROACH = np.radians(45.0)
"""Lanes whose headings differ by less belong to one approach."""
LONGEST_CYCLE = 3600.0
"""A longer cycle is a damaged one [s]."""

Plan = tuple[float, float, float, float, SignalState]


def read_signals(
    root: Element, lanelets: Lanelets, origin: FloatArray, step: float
) -> list[Signal]:
    """Read all lights that work, one signal per light and approach.

    A light governs the lanes that follow the lanelets which refer to it, as far as its direction
    fits their turn.

    Args:
        root: The document.
        lanelets: Its lanes.
        origin: Taken off all positions [m], shape (2,).
        step: Time step of the document [s].

    Raises:
        MapError: A light is damaged, or its plan has more than one green per cycle.
    """
    approaches = _approaches(lanelets)
    signals = []
    for light in root.findall("trafficLight"):
        key = identity(light)
        works = (light.findtext("active") or "true").strip() != "false"
        plan = _read_plan(light, step) if works else None
        if plan is None:
            continue
        turns = GOVERNED.get((light.findtext("direction") or "").strip(), {-1, 0, 1})
        place = light.find("position/point")
        pole = np.array(point(place, label(light))) - origin if place is not None else None
        for lanes in _by_heading(lanelets, approaches.get(key, [])):
            signal = _signal(lanelets, lanes, turns, plan, pole, origin)
            if signal is not None:
                signals.append(signal)
    return signals


def _approaches(lanelets: Lanelets) -> dict[int, list[int]]:
    """Lanes that refer to each light."""
    found: dict[int, list[int]] = {}
    for k, element in enumerate(lanelets.elements):
        for key in dict.fromkeys(reference(r) for r in element.findall(".//trafficLightRef")):
            found.setdefault(key, []).append(k)
    return found


def _by_heading(lanelets: Lanelets, lanes: list[int]) -> list[list[int]]:
    """Split lanes into approaches by the heading at their ends."""
    groups: list[tuple[float, list[int]]] = []
    for k in lanes:
        heading = _end_heading(lanelets, k)
        for first, group in groups:
            if abs(float(wrap_angle(np.asarray(heading - first)))) < SAME_APPROACH:
                group.append(k)
                break
        else:
            groups.append((heading, [k]))
    return [group for _, group in groups]


def _end_heading(lanelets: Lanelets, lane: int) -> float:
    line = lanelets.draft.lanes[lane]
    return float(polylines.heading_at(line.centerline, np.asarray(line.length)))


def _read_plan(light: Element, step: float) -> Plan | None:
    """Cycle, begin of green, green, yellow [s], and a state without end; None if it is out."""
    where, cycle = label(light), light.find("cycle")
    if cycle is None:
        return None
    phases = []
    for part in cycle.findall("cycleElement"):
        duration = number(child(part, "duration", where), where) * step
        color = (child(part, "color", where).text or "").strip()
        if duration < 0:
            raise MapError(f"{where}: expected durations >= 0, got {duration}")
        phases.append((duration, COLORS.get(color, SignalState.NONE)))
    total = sum(duration for duration, _ in phases)
    shown = {state for duration, state in phases if duration > 0}
    if not shown or SignalState.NONE in shown:
        return None
    if total > LONGEST_CYCLE:
        raise MapError(f"{where}: expected a cycle of at most {LONGEST_CYCLE:.0f} s, got {total}")
    if len(shown) == 1:
        return total, 0.0, total / 2, 0.0, shown.pop()
    offset = cycle.find("timeOffset")
    begin = number(offset, where) * step if offset is not None else 0.0
    return _plan_of(phases, total, begin, where)


def _plan_of(
    phases: list[tuple[float, SignalState]], total: float, begin: float, where: str
) -> Plan:
    """Turn the cycle so that green comes first; expect green, yellow, red in this order."""
    rows = [row for row in phases if row[0] > 0]
    first = next(
        (
            k
            for k, (_, state) in enumerate(rows)
            if state is SignalState.GREEN and rows[k - 1][1] is not SignalState.GREEN
        ),
        None,
    )
    if first is None:
        raise MapError(f"{where}: expected a green phase in a cycle of several colours, got none")
    turned = rows[first:] + rows[:first]
    order = [state for _, state in turned]
    if order != sorted(order):
        raise MapError(
            f"{where}: expected green, yellow, red once per cycle, got"
            f" {', '.join(s.name.lower() for s in order)}; such plans are not supported"
        )
    green, yellow = (
        sum(d for d, state in turned if state is wanted)
        for wanted in (SignalState.GREEN, SignalState.YELLOW)
    )
    start = (begin + sum(duration for duration, _ in rows[:first])) % total
    return total, start, green, min(yellow, total - green), SignalState.NONE


def _signal(
    lanelets: Lanelets,
    approach: list[int],
    turns: set[int],
    plan: Plan,
    pole: FloatArray | None,
    origin: FloatArray,
) -> Signal | None:
    lanes = lanelets.draft.lanes
    governed = dict.fromkeys(
        then for k in approach for then in lanes[k].successors if lanes[then].turn in turns
    )
    if not governed:
        return None
    heading = _end_heading(lanelets, approach[0])
    ends = np.concatenate([_stop_line(lanelets, k, origin) for k in approach])
    side = ends @ np.array([-np.sin(heading), np.cos(heading)])
    line = ends[[int(side.argmax()), int(side.argmin())]]
    cycle, start, green, yellow, always = plan
    return Signal(
        lanes=tuple(governed),
        stop_line=line,
        position=pole if pole is not None else line[1],
        cycle=cycle,
        green_start=start,
        green=green,
        yellow=yellow,
        always=always,
    )


def _stop_line(lanelets: Lanelets, lane: int, origin: FloatArray) -> FloatArray:
    """Ends of the stop line [m], shape (2, 2): those stated, else across the lane's end."""
    where = label(lanelets.elements[lane])
    stated = lanelets.elements[lane].findall("stopLine/point")
    if len(stated) == 2:
        return np.array([point(p, where) for p in stated]) - origin
    road = lanelets.draft.lanes[lane]
    return np.stack([road.left_bound[-1], road.right_bound[-1]])
