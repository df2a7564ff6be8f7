"""Where lanes cross or merge, and who gives way there."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import shapely

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry import polylines
from scenegen.scene import RoadMap

CLEARANCE = 2.4
"""Two vehicles on paths nearer than this would touch [m]: a car's width and 0.5 m."""
LONG_CLEARANCE = 4.0
"""The same for trucks and buses, whose ends swing out in a turn [m]."""
SAME_WAY = 0.6
"""Entries whose headings differ by less lead the same way [rad]."""
SAMPLE = 0.5
"""Distance between the places where two lanes are compared [m]."""
GIVE_WAY, FIRST_COME, RIGHT_FIRST = 1, 2, 3
"""Rules: let the other go first; whoever arrives first goes; let who comes from the right go."""


def conflicts_of(roadmap: RoadMap) -> tuple[FloatArray, IntArray, IntArray]:
    """Find all conflicts in which a lane has no priority.

    Lanes that begin together only diverge, and are no conflict: there one follows a leader.

    Returns:
        Ranges (enter, exit, other's enter, other's exit) [m], shape (C, 4); the other lane, the
        rule, and whether it is one for long vehicles only, shape (C, 3); the lane each row
        belongs to, ascending, shape (C,).
    """
    lanes = roadmap.lanes
    used = [i for i in roadmap.traffic_lanes if lanes[i].in_junction or lanes[i].yields]
    candidates, inside = _candidates(roadmap, used), set(used)
    points = {i: polylines.resample(lanes[i].centerline, SAMPLE) for i in candidates}
    lines = {i: shapely.LineString(points[i]) for i in candidates}
    found: list[tuple[int, int, int, bool, tuple[float, float, float, float]]] = []
    for a, b in combinations(candidates, 2):
        if not (a in inside or b in inside) or _diverge(roadmap, a, b):
            continue
        apart = lines[a].distance(lines[b])
        wide = apart > CLEARANCE
        if apart > (LONG_CLEARANCE if _swings(roadmap, a, b) else CLEARANCE):
            continue
        reach = LONG_CLEARANCE if wide else CLEARANCE
        on_a, on_b = _overlap(points[a], lines[b], reach), _overlap(points[b], lines[a], reach)
        found += [(a, b, _rule(roadmap, a, b), wide, (*on_a, *on_b))]
        found += [(b, a, _rule(roadmap, b, a), wide, (*on_b, *on_a))]
    found = sorted((f for f in found if f[2]), key=lambda f: f[:2])
    ranges = np.array([f[4] for f in found]).reshape(-1, 4)
    rules = np.array([f[1:4] for f in found], np.int64).reshape(-1, 3)
    return ranges, rules, np.array([f[0] for f in found], np.int64)


def _candidates(roadmap: RoadMap, used: list[int]) -> list[int]:
    """Junction lanes, and lanes that end where a yielding lane ends (a roundabout's ring)."""
    yielding = {k for i in used if roadmap.lanes[i].yields for k in roadmap.lanes[i].successors}
    merging = {p for k in yielding for p in roadmap.lanes[k].predecessors}
    return sorted({*used, *(merging & set(roadmap.traffic_lanes))})


def _diverge(roadmap: RoadMap, a: int, b: int) -> bool:
    """Whether two lanes begin together, follow one another, or lie side by side."""
    one, two = roadmap.lanes[a], roadmap.lanes[b]
    chained = b in one.successors or a in two.successors
    return chained or bool(set(one.predecessors) & set(two.predecessors)) or _beside(roadmap, a, b)


def _beside(roadmap: RoadMap, a: int, b: int) -> bool:
    return b in {roadmap.lanes[a].left, roadmap.lanes[a].right}


def _swings(roadmap: RoadMap, a: int, b: int) -> bool:
    """Whether the ends of a long vehicle that turns on one lane may swing out into the other."""
    turns = roadmap.lanes[a].turn != 0 or roadmap.lanes[b].turn != 0
    return turns and abs(_turn_between(roadmap, a, b)) > SAME_WAY


def _overlap(points: FloatArray, other: shapely.Geometry, reach: float) -> tuple[float, float]:
    """Part of a lane that is nearer to another than `reach` [m]."""
    near = np.flatnonzero(shapely.distance(shapely.points(points), other) <= reach + SAMPLE)
    along = polylines.arc_length(points)
    return float(along[near[0]]), float(along[near[-1]])


def _rule(roadmap: RoadMap, a: int, b: int) -> int:
    """Rule for traffic on lane a against traffic on lane b; 0 where a has priority.

    Signs first; then who turns left gives way to oncoming traffic; then, without signals, right
    before left; otherwise first come, first served (Vienna Convention on Road Traffic, 16, 18).
    """
    one, two = roadmap.lanes[a], roadmap.lanes[b]
    if one.yields != two.yields:
        return GIVE_WAY if one.yields else 0
    turn = _turn_between(roadmap, a, b)
    oncoming = abs(turn) > 2.2
    if oncoming and (one.turn == 1) != (two.turn == 1):
        return GIVE_WAY if one.turn == 1 else 0
    signalled = a in roadmap.signal_of_lane and b in roadmap.signal_of_lane
    if not signalled and not oncoming and abs(turn) > SAME_WAY and not one.yields:
        return RIGHT_FIRST if turn > 0 else 0
    return FIRST_COME


def _turn_between(roadmap: RoadMap, a: int, b: int) -> float:
    """Angle from lane a's entry heading to lane b's; positive when b comes from the right."""
    headings = []
    for k in (a, b):
        step = roadmap.lanes[k].centerline[1] - roadmap.lanes[k].centerline[0]
        headings.append(np.arctan2(step[1], step[0]))
    return float(np.remainder(headings[1] - headings[0] + np.pi, 2 * np.pi) - np.pi)
