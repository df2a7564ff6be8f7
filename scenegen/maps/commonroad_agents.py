"""Recorded road users from CommonRoad obstacles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import MapError
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.transforms import to_map
from scenegen.maps.commonroad_xml import (
    Element,
    child,
    exact,
    identity,
    label,
    number,
    parse_number,
    point,
    points,
)
from scenegen.scene.agents import SIZE, AgentKind, AgentStates
from scenegen.scene.scenario import STEP

KINDS = {
    "car": AgentKind.CAR,
    "parkedVehicle": AgentKind.CAR,
    "priorityVehicle": AgentKind.CAR,
    "taxi": AgentKind.CAR,
    "unknown": AgentKind.CAR,
    "truck": AgentKind.TRUCK,
    "train": AgentKind.TRUCK,
    "bus": AgentKind.BUS,
    "motorcycle": AgentKind.MOTORCYCLE,
    "bicycle": AgentKind.CYCLIST,
    "pedestrian": AgentKind.PEDESTRIAN,
    "constructionZone": AgentKind.STATIC,
    "roadBoundary": AgentKind.STATIC,
    "building": AgentKind.STATIC,
    "pillar": AgentKind.STATIC,
    "median_strip": AgentKind.STATIC,
}
"""Kind by obstacle type; an unknown static obstacle is STATIC instead of a car."""
LARGEST = 1000.0
"""A larger obstacle is a damaged one [m]."""
LONGEST = 3600.0
"""A longer recording is a damaged one [s]."""
MOST_STATES = 20_000_000
"""More states than this (instants times obstacles) do not fit in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningStart:
    """Initial state of a planning problem: where an ego vehicle under test begins.

    Attributes:
        position: x and y [m] in the map frame.
        yaw: Heading [rad].
        speed: Speed [m/s].
    """

    position: tuple[float, float]
    yaw: float
    speed: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Track:
    """One obstacle: states over time, shapes (K,), (K, 2); one state stands for ever."""

    kind: AgentKind
    size: tuple[float, float, float]
    times: FloatArray
    position: FloatArray
    yaw: FloatArray
    speed: FloatArray
    static: bool


def read_agents(root: Element, origin: FloatArray, step: float) -> AgentStates:
    """Read all obstacles onto one 10 Hz grid from time 0.

    Args:
        root: The document.
        origin: Taken off all positions [m], shape (2,).
        step: Time step of the document [s].

    Returns:
        States, leading shape (T, N): obstacles in the order of the document. A moving obstacle
        is valid between its first and last recorded state, a static one throughout.

    Raises:
        MapError: An obstacle is damaged or has what is not supported.
    """
    tracks, seen = [], set[int]()
    for element in root:
        if element.tag not in {"dynamicObstacle", "staticObstacle", "obstacle"}:
            continue
        key = identity(element)
        if key in seen:
            raise MapError(f"{label(element)}: expected every id once, got it twice")
        seen.add(key)
        tracks.append(_read_track(element, origin, step))
    last = max((float(t.times[-1]) for t in tracks if not t.static), default=0.0)
    if last > LONGEST:
        raise MapError(f"expected a recording of at most {LONGEST:.0f} s, got {last:.0f} s")
    times = np.arange(int(np.floor(last / STEP + 1e-6)) + 1) * STEP
    if len(times) * len(tracks) > MOST_STATES:
        raise MapError(f"expected at most {MOST_STATES} states, got {len(times) * len(tracks)}")
    states = AgentStates.empty(len(times), len(tracks))
    for k, track in enumerate(tracks):
        _fill(states, k, track, times)
    return states


def read_starts(root: Element, origin: FloatArray) -> tuple[PlanningStart, ...]:
    """Read the initial states of all planning problems."""
    starts = []
    for problem in root.findall("planningProblem"):
        where = label(problem)
        state = child(problem, "initialState", where)
        x, y = _position(state, where) - origin
        yaw = wrap_angle(np.asarray(exact(child(state, "orientation", where), where)))
        speed = exact(child(state, "velocity", where), where)
        starts.append(PlanningStart(position=(float(x), float(y)), yaw=float(yaw), speed=speed))
    return tuple(starts)


def _read_track(element: Element, origin: FloatArray, step: float) -> _Track:
    where = label(element)
    static = element.tag == "staticObstacle" or (element.findtext("role") or "") == "static"
    kind = _kind(element, where, static=static)
    size, shift = _shape(child(element, "shape", where), kind, where)
    states = [child(element, "initialState", where), *element.findall("trajectory/state")]
    if element.find("occupancySet") is not None:
        raise MapError(f"{where}: expected a trajectory, got <occupancySet>, which is unsupported")
    times = np.array([_time(s, where) for s in states]) * step
    if (np.diff(times) <= 0).any() or times[0] < 0:
        raise MapError(f"{where}: expected times >= 0 that grow, got {times[:6].tolist()} s ...")
    position = np.array([_position(s, where) for s in states]) - origin
    yaw = np.unwrap([exact(child(s, "orientation", where), where) for s in states])
    return _Track(
        kind=kind,
        size=size,
        times=times,
        position=to_map(shift, position, yaw),
        yaw=yaw,
        speed=np.zeros(len(states)) if static else _speed(states, position, yaw, times, where),
        static=static,
    )


def _kind(element: Element, where: str, *, static: bool) -> AgentKind:
    name = (child(element, "type", where).text or "").strip()
    if name not in KINDS:
        raise MapError(f"{where}: expected a type of {', '.join(KINDS)}, got {name[:40]!r}")
    return AgentKind.STATIC if static and name == "unknown" else KINDS[name]


def _shape(
    shape: Element, kind: AgentKind, where: str
) -> tuple[tuple[float, float, float], FloatArray]:
    """Length, width and height [m], and where the box centre lies in the obstacle's frame."""
    rectangle, circle, polygon = (shape.find(tag) for tag in ("rectangle", "circle", "polygon"))
    shift = np.zeros(2)
    if rectangle is not None:
        sides = [number(child(rectangle, tag, where), where) for tag in ("length", "width")]
        if parse_number(rectangle.findtext("orientation", "0").strip(), where) != 0:
            raise MapError(f"{where}: expected a rectangle along the obstacle, got a turned one")
        center = rectangle.find("center")
        shift = shift if center is None else np.array(point(center, where))
    elif circle is not None:
        sides = [2 * number(child(circle, "radius", where), where)] * 2
    elif polygon is not None:
        corners = points(polygon, where)
        low, high = corners.min(0), corners.max(0)
        sides, shift = list(high - low), (low + high) / 2
    else:
        raise MapError(f"{where}: expected a rectangle, circle or polygon in <shape>, got none")
    if not all(0 < side <= LARGEST for side in sides):
        raise MapError(f"{where}: expected sides in (0, {LARGEST:.0f}] m, got {sides}")
    return (float(sides[0]), float(sides[1]), SIZE[kind][2]), shift


def _time(state: Element, where: str) -> float:
    return exact(child(state, "time", where), where)


def _position(state: Element, where: str) -> FloatArray:
    """Place of a state: a point, or the centre of the area it is known to be in."""
    position = child(state, "position", where)
    for path in ("point", "rectangle/center", "circle/center"):
        found = position.find(path)
        if found is not None:
            return np.array(point(found, where))
    raise MapError(f"{where}: expected a point, rectangle or circle in <position>, got none")


def _speed(
    states: list[Element], position: FloatArray, yaw: FloatArray, times: FloatArray, where: str
) -> FloatArray:
    """Recorded speeds [m/s]; from the positions where a state has none."""
    stated = [state.find("velocity") for state in states]
    if all(v is not None for v in stated):
        return np.array([exact(v, where) for v in stated if v is not None])
    if len(times) < 2:
        raise MapError(f"{where}: expected a <velocity>, got none, nor a trajectory to derive it")
    moved = np.gradient(position, times, axis=0)
    return moved[:, 0] * np.cos(yaw) + moved[:, 1] * np.sin(yaw)


def _fill(states: AgentStates, k: int, track: _Track, times: FloatArray) -> None:
    """Write one track into its column, linearly between the recorded states."""
    inside = (times >= track.times[0] - 1e-6) & (times <= track.times[-1] + 1e-6)
    pick = np.ones(len(times), bool) if track.static else inside
    at = times[pick]
    x, y, yaw, speed = (
        np.interp(at, track.times, values) for values in (*track.position.T, track.yaw, track.speed)
    )
    states.position[pick, k] = np.stack([x, y], -1)
    states.yaw[pick, k], states.speed[pick, k] = wrap_angle(yaw), speed
    states.size[pick, k], states.kind[pick, k] = track.size, track.kind
    states.valid[pick, k] = True
