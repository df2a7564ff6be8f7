"""Those who cross the road, on foot, wheels or paws: where they begin, how they move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely

from scenegen.arrays import BoolArray, FloatArray
from scenegen.events.casting import Cast
from scenegen.events.kinematics import time_to_walk
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import Path
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import Lane, RoadMap

WALK_ACCELERATION = 1.5
"""Acceleration of a person who starts to walk or run [m/s^2]."""
KERB_DISTANCE = 0.6
"""How far behind the kerb people wait [m]."""
WIDEST = 25.0
"""Roads wider than this from the ego to the kerb are not crossed on foot [m]."""
STRAIGHT = np.radians(6.0)
"""The road turns less than this on the way to a person, so that arrival can be timed [rad]."""
ZEBRA_DISTANCE = 8.0
"""A jaywalker stays this far from every pedestrian crossing [m]."""
PARKED_OUT = 1.2
"""A parked car leaves at most this much free between it and the kerb [m]."""
SLOWEST = 0.3
"""Crossing slower than this is loitering [m/s]."""
IN_REACH = 60.0
"""A person farther ahead than this does not matter yet [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """How a person crosses.

    Attributes:
        side: -1 if they come from the ego's right, +1 from its left.
        speed: Walking speed [m/s].
        hit_point: Where the ego would hit them, as a share of its width from the side they come
            from (Euro NCAP: 0.25, 0.5, 0.75).
        size: Length, width and height [m].
    """

    side: int
    speed: float
    hit_point: float
    size: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Where a person waits and when they must go.

    Attributes:
        offset: Lateral place relative to the ego's path [m], positive left.
        lead_time: Time before the ego's arrival at which they must set off [s].
    """

    offset: float
    lead_time: float


def walking_stretches(roadmap: RoadMap, speed: float, duration: float) -> list[Stretch]:
    """Stretches of city and country road that the ego drives for some seconds, and 25 m more."""
    return through_stretches(roadmap, speed * duration + 25.0, speed, _walkable)


def kerb_offset(path: Path, along: float, side: int) -> float | None:
    """Lateral place of the edge of the drivable area on one side of a path.

    Args:
        path: Where the ego drives.
        along: Arc length [m].
        side: -1 right, +1 left.

    Returns:
        Signed offset [m], or None if there is no edge within WIDEST.
    """
    x, y, yaw = path.pose(along)
    reach = side * WIDEST
    far = (x - reach * math.sin(yaw), y + reach * math.cos(yaw))
    on_road = shapely.intersection(shapely.LineString([(x, y), far]), path.roadmap.drivable_area)
    pieces = getattr(on_road, "geoms", (on_road,))
    # Pieces lie on the ray: what is nearest to its begin is one of their ends.
    first = next((p for p in pieces if any(math.dist(c, (x, y)) < 0.5 for c in p.coords)), None)
    if first is None or first.length > WIDEST - 0.1:
        return None
    return float(side * first.length)


def may_park(path: Path, along: float, offset: float) -> bool:
    """Whether a car can stand beside a path, on its right: at the kerb or half upon it.

    Args:
        path: Where the ego drives.
        along: Arc length of the middle of the car [m].
        offset: Lateral place of its middle relative to the path [m], negative.

    Returns:
        Whether it stands no more than half on the sidewalk, not in the middle of the road, and off
        pedestrian crossings.
    """
    kerb, half = kerb_offset(path, along, -1), SIZE[AgentKind.CAR][1] / 2
    if kerb is None or not abs(kerb) - half - PARKED_OUT < abs(offset) < abs(kerb) + half:
        return False
    spot = shapely.Point(path.pose(along, offset)[:2])
    return all(z.distance(spot) > ZEBRA_DISTANCE for z in path.roadmap.zebras)


def wait_beside(walker: Walker, offset: float, ego_width: float) -> Wait:
    """Work out when a person must set off to be hit at the drawn point if the ego does not brake.

    Args:
        walker: How they cross.
        offset: Where they wait relative to the ego's path [m].
        ego_width: Width of the ego [m].
    """
    hit = walker.side * ego_width * (0.5 - walker.hit_point)
    distance = abs(offset - hit)
    return Wait(offset=offset, lead_time=time_to_walk(distance, walker.speed, WALK_ACCELERATION))


def set_off(
    cast: Cast, path: Path, along: float, walker: Walker, wait: Wait, far_side: float
) -> int:
    """Add a person who waits and walks straight across when the ego is near enough.

    Args:
        cast: The roles so far; the person becomes role "p".
        path: Where the ego drives.
        along: Arc length of the crossing line [m].
        walker: How they cross.
        wait: Where they wait and when they go.
        far_side: Distance from the waiting place at which they stop [m].

    Returns:
        Their agent index.
    """
    x, y, yaw = path.pose(along, wait.offset)
    across = math.remainder(yaw - walker.side * math.pi / 2, math.tau)
    person = cast.stand(AgentKind.PEDESTRIAN, (x, y, across), walker.size, role="p")
    trigger = Trigger(kind=TriggerKind.ARRIVAL, threshold=wait.lead_time, other=EGO)
    walk = Maneuver(
        kind=ManeuverKind.WALK,
        trigger=trigger,
        a=across,
        b=walker.speed,
        c=WALK_ACCELERATION,
        d=far_side,
    )
    cast.act(person, walk)
    return person


def come_across(
    cast: Cast,
    role: tuple[str, AgentKind],
    place: tuple[Path, float],
    walker: Walker,
    arrival: float,
    angle: float = math.pi / 2,
) -> int:
    """Add an animal or a cyclist that is on its way across at a steady speed.

    Args:
        cast: The roles so far.
        role: Its role name and what it is.
        place: Where the ego drives, and the arc length at which it would hit it [m].
        walker: How it crosses.
        arrival: Time until then [s].
        angle: Angle between its way and the ego's [rad]; pi / 2 is straight across.

    Returns:
        Its agent index.
    """
    (name, kind), (path, along) = role, place
    ego_width = SIZE[AgentKind.CAR][1]
    x, y, yaw = path.pose(along, walker.side * ego_width * (0.5 - walker.hit_point))
    way = math.remainder(yaw - walker.side * angle, math.tau)
    run = walker.speed * arrival
    start = (x - run * math.cos(way), y - run * math.sin(way), way)
    agent = cast.stand(kind, start, walker.size, role=name, speed=walker.speed)
    go = Maneuver(kind=ManeuverKind.WALK, a=way, b=walker.speed, c=WALK_ACCELERATION, d=math.inf)
    cast.act(agent, go)
    return agent


def crossing_line(opening: Opening, lead_time: float, onset: float) -> float | None:
    """Arc length where a person crosses, given when they set off; None if the road will not do."""
    path = opening.path
    along = opening.front + opening.speed * (lead_time + onset)
    if along > path.length_to_junction - 10.0:
        return None
    if path.bend(max(along - 40.0, 0.0), along + 5.0) > STRAIGHT:
        return None
    spot = shapely.Point(path.pose(along)[:2])
    if any(z.distance(spot) < ZEBRA_DISTANCE for z in path.roadmap.zebras):
        return None
    return along


def crosses(view: Tracks, person: int, side: str | None) -> FloatArray:
    """Margin of a person crossing the ego's lane ahead of it.

    All must hold: the person's box reaches into the ego's lane; their centre is ahead of the
    ego's front bumper, nearer than IN_REACH; they move across the lane faster than SLOWEST, to
    the left if they come from the near side (the right), to the right if from the far side.

    Args:
        view: The scenario.
        person: Index of the pedestrian.
        side: "near", "far", or None for both.

    Returns:
        Margin, shape (T,).
    """
    frame = view.ego_path
    sideways = view.lateral_speed(EGO, person)
    speeds = {"near": sideways, "far": -sideways, None: np.abs(sideways)}
    front = frame.ahead[:, person] - view.half_longitudinal(EGO)[:, EGO]
    margin = all_of(view.intrusion(EGO, person), front, IN_REACH - front, speeds[side] - SLOWEST)
    return known(view.both(EGO, person), margin)


def off_crossings(view: Tracks, person: int) -> FloatArray:
    """Distance of a person from the nearest pedestrian crossing [m], shape (T,), 10 at most."""
    zebras = view.roadmap.zebras
    if not zebras:
        return np.full(view.steps, 10.0)
    points = shapely.points(view.states.position[:, person])
    return np.minimum(shapely.distance(shapely.union_all(zebras), points), 10.0)


def people_near(view: Tracks, kind: AgentKind = AgentKind.PEDESTRIAN) -> list[int]:
    """Agents of a kind that are in the ego's lane at some time, ahead within 2 IN_REACH."""
    frame = view.ego_path
    found = []
    for person in view.of_kind(kind).tolist():
        here: BoolArray = view.both(EGO, person) & (view.intrusion(EGO, person) > 0)
        if (here & (frame.ahead[:, person] > 0) & (frame.ahead[:, person] < 2 * IN_REACH)).any():
            found.append(person)
    return found


def _walkable(lane: Lane) -> bool:
    return lane.speed_limit <= 100 / 3.6 + 0.1
