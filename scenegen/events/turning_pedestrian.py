"""Turning into a pedestrian: the ego turns while somebody crosses the road that it enters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.conflict_areas import APPROACH
from scenegen.events.crossing_road import (
    KERB_DISTANCE,
    WALK_ACCELERATION,
    crosses,
    people_near,
)
from scenegen.events.event import Event, Script
from scenegen.events.jaywalker import SIDES
from scenegen.events.junction_lanes import passage
from scenegen.events.kinematics import time_to_walk
from scenegen.events.meeting import shows
from scenegen.events.openings import Opening, Stretch
from scenegen.events.paths import Path, straight_on
from scenegen.events.profiles import lone_drive
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently, soon
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import ROUTE_LENGTH, Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import Lane, RoadKind, RoadMap
from scenegen.scene.signals import SignalState

TURNS = {"left": 1, "right": -1}
"""Sign of a lane's turn."""
AFTER = 40.0
"""Road looked for behind the junction [m]."""
LEAST_WAY = 8.0
"""The ego begins at least this far from the people, if need be in the junction already [m]."""
SPAN = 3.0
"""The ego was or will be in its turn within this time [s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crosswalk:
    """A way through a turn and over a pedestrian crossing behind it.

    Attributes:
        path: Where the ego drives.
        lane: The junction lane.
        stop: Arc length where the junction lane begins [m].
        along: Arc length where the ego's path meets the line people walk on [m].
        line: That line, from the ego's right to its left [m], shape (2, 2).
        turn: "left" or "right".
    """

    path: Path
    lane: int
    stop: float
    along: float
    line: FloatArray
    turn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurningPedestrianScript(Script):
    """A concrete turn into somebody who crosses.

    Attributes:
        turn: Where the ego turns, "left" or "right".
        side: Side the person comes from as the ego sees it then, "near" (right) or "far".
        walking_speed: Their speed [m/s].
        hit_point: Where the ego would hit them, as a share of its width.
        arrival: Time until then [s].
    """

    event: ClassVar[str] = "turning_pedestrian"
    turn: str
    side: str
    walking_speed: float
    hit_point: float
    arrival: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Approaches from which the ego is over the crossing in the drawn time."""
        half = SIZE[AgentKind.CAR][0] / 2
        found = []
        for way in _crosswalks(roadmap):
            if way.turn != self.turn:
                continue
            drive = lone_drive(way.path, self.ego_speed)
            at = drive.where(drive.when(way.along - half) - self.arrival)
            low, high = max(at - 2.0, half + 1.0), min(at + 2.0, way.along - half - LEAST_WAY)
            if low < high:
                found.append(Stretch(path=way.path, low=low, high=high))
        return found

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Let the person walk so that they meet the ego, while no signal holds it."""
        del rng  # nothing is left to chance
        path, roadmap = opening.path, opening.path.roadmap
        way = next(w for w in _crosswalks(roadmap) if w.path is path)
        half_length, width = opening.ego_size[0] / 2, opening.ego_size[1]
        drive = lone_drive(path, opening.speed, opening.along)
        enters = max(drive.when(way.stop - half_length), 0.0)
        if not shows(roadmap, way.lane, 0.0, enters, SignalState.GREEN):
            return None
        arrival = drive.when(way.along - half_length)
        side = SIDES[self.side]
        line = way.line if side < 0 else way.line[::-1]
        across = (line[1] - line[0]) / np.hypot(*(line[1] - line[0]))
        spot = path.pose(way.along, side * width * (0.5 - self.hit_point))[:2]
        distance = KERB_DISTANCE + float((np.array(spot) - line[0]) @ across)
        delay = arrival - time_to_walk(distance, self.walking_speed, WALK_ACCELERATION)
        # Who would have set off before the begin is on the way already.
        begun = max(0.0, distance - self.walking_speed * arrival) if delay < 0.0 else 0.0
        start = line[0] + (begun - KERB_DISTANCE) * across
        heading = math.atan2(across[1], across[0])
        cast = opening.cast(ignores=Ignores.PRIORITY)
        person = cast.stand(
            AgentKind.PEDESTRIAN,
            (float(start[0]), float(start[1]), heading),
            role="p",
            speed=self.walking_speed if delay < 0.0 else 0.0,
        )
        walk = Maneuver(
            kind=ManeuverKind.WALK,
            trigger=Trigger(kind=TriggerKind.TIME, threshold=max(delay, 0.0)),
            a=heading,
            b=self.walking_speed,
            c=WALK_ACCELERATION,
            d=float((line[1] - start) @ across) + 1.0,
        )
        cast.act(person, walk)
        cast.keep_clear(path, opening.along, way.along + 5.0)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class TurningPedestrian(Event):
    """The ego turns left or right while a pedestrian crosses the road that it turns into.

    The pedestrian walks on a crossing, in plain view. Sources: Euro NCAP CPTA: ego 10-20 km/h,
    pedestrian 5 km/h from the near and the far side, hit point 50 %; NHTSA pre-crash 11, vehicle
    turning towards a pedestrian (17 000 crashes a year, 0.29 %). Walking speeds of 4-6 km/h, hit
    points of 25-75 % and the time until they meet are ours.

    Attributes:
        walking_speed: Speed of the pedestrian [m/s].
        hit_point: Where the ego would hit them if it did not brake, as a share of its width from
            the side they come from.
        arrival: Time from the begin until then [s].
    """

    name: ClassVar[str] = "turning_pedestrian"
    script: ClassVar[type[Script]] = TurningPedestrianScript
    roles: ClassVar[tuple[str, ...]] = ("p",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.INTERSECTION, RoadKind.T_JUNCTION)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "p.speed": "walking_speed",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "turn": ("left", "right"),
        "from": ("near", "far"),
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(1.5, 12.0), "m/s"),
        "walking_speed": Limit(Range(0.5, 4.0), "m/s"),
        "hit_point": Limit(Range(0.0, 1.0), ""),
        "arrival": Limit(Range(2.0, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 20 / 3.6))
    walking_speed: Range = field(default=Range(4 / 3.6, 6 / 3.6))
    hit_point: Range = field(default=Range(0.25, 0.75))
    arrival: Range = field(default=Range(4.5, 7.0))

    def draw(self, rng: np.random.Generator) -> TurningPedestrianScript:
        """Draw every number on its own."""
        return TurningPedestrianScript(
            ego_speed=self.ego_speed.draw(rng),
            turn=self.option("turn", rng),
            side=self.option("from", rng),
            walking_speed=self.walking_speed.draw(rng),
            hit_point=self.hit_point.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a pedestrian crosses the ego's lane ahead of it, around the ego's turn.

        All must hold: see `crossing_road.crosses`; and the ego's box is on a junction lane that
        turns, on the side that the option `turn` asks for, within SPAN before or after now.
        """
        (p,) = actors
        signs = [TURNS[options["turn"]]] if "turn" in options else list(TURNS.values())

        def suits(index: int, lane: Lane) -> bool:
            del index
            return lane.turn in signs

        inside = passage(view, EGO, suits).inside
        turning = np.maximum(recently(inside, SPAN), soon(inside, SPAN))
        return known(view.both(EGO, p), all_of(crosses(view, p, options.get("from")), turning))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Pedestrians in the ego's lane ahead, if the ego ever turns at a junction."""
        turning = passage(view, EGO, lambda index, lane: lane.turn != 0).inside
        return [(p,) for p in people_near(view)] if turning.max() > 0 else []


@lru_cache(maxsize=64)
def _crosswalks(roadmap: RoadMap) -> tuple[Crosswalk, ...]:
    """Every way through a turn and over a crossing behind it."""
    found = []
    for k in roadmap.traffic_lanes:
        lane = roadmap.lanes[k]
        if not lane.in_junction or lane.turn == 0:
            continue
        path = straight_on(roadmap, k, lane.length + AFTER, back=APPROACH)
        if len(path.lanes) > ROUTE_LENGTH:
            continue
        stop = float(path.starts[path.lanes.index(k)])
        begin = stop + lane.length / 2
        way = shapely.LineString([path.pose(s)[:2] for s in np.arange(begin, path.length, 0.5)])
        for crossing in roadmap.crossings:
            spot = way.intersection(shapely.LineString(crossing.path))
            if spot.geom_type != "Point":
                continue
            along, _ = path.place(spot.x, spot.y)
            line = np.asarray(crossing.path, np.float64)
            if path.place(*map(float, line[0]))[1] > path.place(*map(float, line[1]))[1]:
                line = line[::-1]
            turn = "left" if lane.turn > 0 else "right"
            found.append(Crosswalk(path=path, lane=k, stop=stop, along=along, line=line, turn=turn))
    return tuple(found)
