"""Lanes from CommonRoad lanelets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely.ops import substring

from scenegen.arrays import FloatArray
from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.maps.commonroad_xml import (
    Element,
    child,
    identity,
    label,
    number,
    parse_number,
    points,
    reference,
)
from scenegen.maps.draft import MapDraft
from scenegen.scene.roadmap import NO_LANE, Lane, LaneKind, LineMarking

SPACING = 1.0
"""Spacing of the points after resampling [m]; recorded bounds have points centimetres apart."""
LONGEST = 20_000.0
"""A longer bound is a damaged one [m]."""
MARKINGS = {
    "dashed": LineMarking.DASHED,
    "broad_dashed": LineMarking.DASHED,
    "dashed_dashed": LineMarking.DASHED,
    "solid": LineMarking.SOLID,
    "broad_solid": LineMarking.SOLID,
    "solid_dashed": LineMarking.SOLID,
    "dashed_solid": LineMarking.SOLID,
    "solid_solid": LineMarking.DOUBLE_SOLID,
    "curb": LineMarking.KERB,
    "lowered_curb": LineMarking.KERB,
}
"""Paint by its CommonRoad name; any other name is no paint."""
KINDS = {
    "accessRamp": LaneKind.RAMP,
    "exitRamp": LaneKind.RAMP,
    "shoulder": LaneKind.SHOULDER,
    "border": LaneKind.SHOULDER,
    "parking": LaneKind.PARKING,
    "bicycleLane": LaneKind.CYCLE,
    "sidewalk": LaneKind.SIDEWALK,
    "crosswalk": LaneKind.CROSSWALK,
}
"""Purpose by laneletType; any other type is a driving lane."""
DEFAULT_LIMITS = {
    "interstate": 120 / 3.6,
    "highway": 120 / 3.6,
    "mainCarriageWay": 120 / 3.6,
    "country": 100 / 3.6,
    "rural": 100 / 3.6,
    "urban": 50 / 3.6,
}
"""Limit [m/s] where no sign gives one: by the scenario's tags if they agree, else by laneletType,
else 50 km/h. Tags come first because files call the lanelets of motorways urban, too."""
LIMIT_SIGNS = {"274", "274.1", "R2-1", "maxSpeed"}
"""Signs whose additionalValue is a speed limit [m/s]."""
GIVE_WAY_SIGNS = {"205", "206", "R1-1", "R1-2", "yield", "stop"}
"""Signs that make traffic give way: stop and yield in Germany and the United States."""
TURNS = {"successorsLeft": 1, "successorsStraight": 0, "successorsRight": -1}
TURN_ANGLE = np.radians(35.0)
"""A junction lane that bends by more than this counts as a turn, where the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanelets:
    """Lanes of a document, and how its ids map to them.

    Attributes:
        draft: The lanes, linked.
        index: Lane of each lanelet id; lanelets of equal shape share one lane.
        elements: Element of each lane.
    """

    draft: MapDraft
    index: dict[int, int]
    elements: tuple[Element, ...]


def read_lanelets(root: Element, origin: FloatArray) -> Lanelets:
    """Read all lanelets with their links.

    Args:
        root: The document.
        origin: Taken off all positions [m], shape (2,).

    Returns:
        The lanes.

    Raises:
        MapError: A lanelet is damaged or refers to one that is not there.
    """
    signs = _read_signs(root)
    tags = [tag.tag for tag in root.findall("scenarioTags/*")]
    tagged = {DEFAULT_LIMITS[tag] for tag in tags if tag in DEFAULT_LIMITS}
    default = tagged.pop() if len(tagged) == 1 else None
    draft, index, elements = MapDraft(), dict[int, int](), list[Element]()
    shapes: dict[bytes, int] = {}
    for element in root.findall("lanelet"):
        key = identity(element)
        if key in index:
            raise MapError(f"lanelet {key}: expected every id once, got it twice")
        lane = _read_lane(element, origin, signs, default)
        same = np.round(lane.polygon, 2).tobytes()
        if same not in shapes:
            shapes[same] = draft.add(lane)
            elements.append(element)
        index[key] = shapes[same]
    if not index:
        raise MapError("expected at least one lanelet, got none")
    _link(draft, index, root)
    _mark_junctions(draft, index, root)
    _mark_give_way(draft, elements, signs)
    return Lanelets(draft=draft, index=index, elements=tuple(elements))


def resolve(index: Mapping[int, int], element: Element, where: str) -> int:
    """Lane that an element refers to.

    Raises:
        MapError: There is no such lanelet.
    """
    key = reference(element)
    if key not in index:
        raise MapError(f"{where}: <{element.tag}> refers to lanelet {key}, which is not there")
    return index[key]


def _read_signs(root: Element) -> dict[int, list[tuple[str, float | None]]]:
    """Names of the signs by id, each with its value if it is a number."""
    signs = {}
    for sign in root.findall("trafficSign"):
        rows: list[tuple[str, float | None]] = []
        for part in sign.findall("trafficSignElement"):
            name = (part.findtext("trafficSignID") or "").strip()
            text = part.findtext("additionalValue")
            limits = text is not None and name in LIMIT_SIGNS
            value = parse_number(text.strip(), label(sign)) if text and limits else None
            rows.append((name, value))
        signs[identity(sign)] = rows
    return signs


def _read_lane(
    element: Element,
    origin: FloatArray,
    signs: dict[int, list[tuple[str, float | None]]],
    default: float | None,
) -> Lane:
    where = label(element)
    left, right = child(element, "leftBound", where), child(element, "rightBound", where)
    center, width = _middle(points(left, where) - origin, points(right, where) - origin, where)
    kind = (element.findtext("laneletType") or "").strip()
    limits = [
        value
        for ref in element.findall("trafficSignRef")
        for _, value in signs.get(reference(ref), [])
        if value is not None
    ]
    posted = element.find("speedLimit")
    if posted is not None:
        limits.append(number(posted, where))
    if not limits:
        limits.append(DEFAULT_LIMITS.get(kind, 50 / 3.6) if default is None else default)
    limit = min(limits)
    if not 0 < limit < 100:
        raise MapError(f"{where}: expected a speed limit in (0, 100) m/s, got {limit}")
    return Lane(
        centerline=center,
        width=width,
        kind=KINDS.get(kind, LaneKind.DRIVING),
        speed_limit=limit,
        left_marking=MARKINGS.get(left.findtext("lineMarking", "").strip(), LineMarking.NONE),
        right_marking=MARKINGS.get(right.findtext("lineMarking", "").strip(), LineMarking.NONE),
    )


def _middle(left: FloatArray, right: FloatArray, where: str) -> tuple[FloatArray, FloatArray]:
    """Centreline [m], shape (P, 2), and width [m], shape (P,), between two bounds."""
    longest = max(float(polylines.arc_length(bound)[-1]) for bound in (left, right))
    if longest > LONGEST:
        raise MapError(f"{where}: expected bounds of at most {LONGEST:.0f} m, got {longest:.0f} m")
    share = np.linspace(0.0, 1.0, max(2, int(np.ceil(longest / SPACING)) + 1))
    on_left, on_right = (
        polylines.point_at(b, share * polylines.arc_length(b)[-1]) for b in (left, right)
    )
    middle = (on_left + on_right) / 2
    length = np.hypot(*np.diff(middle, axis=0).T)
    if length.sum() < 1e-3:
        raise MapError(f"{where}: expected a lane with a length, got {length.sum():.1e} m")
    center, fresh = _without_repeats(middle)
    across = (on_left - on_right)[fresh]
    heading = polylines.heading_at(center, polylines.arc_length(center))
    width = across[:, 1] * np.cos(heading) - across[:, 0] * np.sin(heading)
    if width.mean() <= 0:
        raise MapError(f"{where}: expected leftBound on the left of rightBound, got it right of it")
    return center, np.maximum(width, 0.0)


def _without_repeats(line: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Leave out points that do not advance, but keep the last one; also give which stayed."""
    fresh = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])
    if fresh.sum() < 2:
        fresh[-1] = True
    return line[fresh], fresh


def _link(draft: MapDraft, index: Mapping[int, int], root: Element) -> None:
    """Set all links on both ends; where a file contradicts itself, the first link stands."""
    follows: dict[tuple[int, int], None] = {}
    beside: dict[tuple[int, int], None] = {}
    for element in root.findall("lanelet"):
        where, here = label(element), index[identity(element)]
        for ref in element.findall("successor"):
            follows[here, resolve(index, ref, where)] = None
        for ref in element.findall("predecessor"):
            follows[resolve(index, ref, where), here] = None
        for tag in ("adjacentLeft", "adjacentRight"):
            for ref in element.findall(tag):
                other = resolve(index, ref, where)
                if ref.get("drivingDir") == "same":
                    beside[(other, here) if tag == "adjacentLeft" else (here, other)] = None
    for first, then in follows:
        if first != then:
            draft.follow(first, then)
    for left, right in beside:
        a, b = draft.lanes[left], draft.lanes[right]
        both_carry_traffic = a.kind.carries_traffic and b.kind.carries_traffic
        if left != right and both_carry_traffic and a.right == NO_LANE and b.left == NO_LANE:
            draft.beside(left, right)


def _mark_junctions(draft: MapDraft, index: Mapping[int, int], root: Element) -> None:
    """Find lanes inside junctions: those the file names, and those that others cross."""
    turns: dict[int, int] = {}
    for incoming in root.findall("intersection/incoming"):
        for tag, turn in TURNS.items():
            for ref in incoming.findall(tag):
                turns[resolve(index, ref, label(incoming))] = turn
    for k in _crossed(draft):
        line = draft.lanes[k].centerline
        first, last = polylines.heading_at(line, np.array([0.0, draft.lanes[k].length]))
        bend = float(wrap_angle(np.asarray(last - first)))
        turns.setdefault(k, int(np.sign(bend)) if abs(bend) > TURN_ANGLE else 0)
    for k, turn in turns.items():
        draft.lanes[k] = replace(draft.lanes[k], in_junction=True, turn=turn)


def _crossed(draft: MapDraft) -> list[int]:
    """Traffic lanes whose centreline meets another one away from the ends of both."""
    numbers, lines = [], []
    for k, lane in enumerate(draft.lanes):
        if lane.kind.carries_traffic and lane.length > 1.5:
            numbers.append(k)
            lines.append(substring(shapely.LineString(lane.centerline), 0.5, lane.length - 0.5))
    pairs = shapely.STRtree(lines).query(lines, predicate="intersects") if lines else []
    return sorted({numbers[a] for a, b in np.transpose(pairs) if a != b})


def _mark_give_way(
    draft: MapDraft,
    elements: list[Element],
    signs: dict[int, list[tuple[str, float | None]]],
) -> None:
    """Let the lanes behind a stop or yield sign give way before they are entered."""
    for k, element in enumerate(elements):
        refs = [reference(ref) for ref in element.findall(".//trafficSignRef")]
        if any(name in GIVE_WAY_SIGNS for ref in refs for name, _ in signs.get(ref, [])):
            for then in draft.lanes[k].successors:
                draft.lanes[then] = replace(draft.lanes[then], yields=True)
