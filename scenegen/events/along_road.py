"""Along the road: the ego comes up on a pedestrian or cyclist who goes the same way in its lane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.approaching import LEAST_CLOSING, forces_braking, late_driver
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import STRAIGHT, WALK_ACCELERATION, walking_stretches
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind
from scenegen.scene.roadmap import RoadKind, RoadMap

KINDS = {"pedestrian": AgentKind.PEDESTRIAN, "cyclist": AgentKind.CYCLIST}
SPEEDS = {"pedestrian": Range(3 / 3.6, 8 / 3.6), "cyclist": Range(10 / 3.6, 25 / 3.6)}
"""Speeds at which people walk and ride [m/s]."""
SAME_WAY = np.radians(45.0)
"""Largest angle between their way and the lane [rad]."""
MOVING = 0.5
"""Slower people do not go along the road [m/s]."""
AFTER = 20.0
"""Road needed beyond the place where the ego is level with them [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongRoadScript(Script):
    """A concrete approach to somebody who goes along the road.

    Attributes:
        who: "pedestrian" or "cyclist".
        speed: Their speed [m/s].
        hit_point: Where they are, as a share of the ego's width from its right side.
        ttc: Time to collision at the start [s].
    """

    event: ClassVar[str] = "along_road"
    who: str
    speed: float
    hit_point: float
    ttc: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Roads that reach beyond the place where the ego is level with them."""
        return walking_stretches(roadmap, self.ego_speed, self.ttc)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put them ahead at the drawn time to collision."""
        del rng  # nothing is left to chance
        path, kind = opening.path, KINDS[self.who]
        closing = opening.speed - self.speed
        along = opening.front + closing * self.ttc + SIZE[kind][0] / 2
        meet = along + self.speed * self.ttc
        if meet + AFTER > path.length_to_junction or path.bend(along, meet + AFTER) > STRAIGHT:
            return None
        offset = opening.ego_size[1] * (self.hit_point - 0.5)
        cast = opening.cast(driver=late_driver(opening.speed, closing))
        if kind is AgentKind.CYCLIST:
            rules = Ignores.LEADERS
            cast.drive(path, along, self.speed, role="v", kind=kind, offset=offset, ignores=rules)
        else:
            pose = path.pose(along, offset)
            walker = cast.stand(kind, pose, role="v", speed=self.speed)
            walk = Maneuver(
                kind=ManeuverKind.WALK, a=pose[2], b=self.speed, c=WALK_ACCELERATION, d=math.inf
            )
            cast.act(walker, walk)
        cast.keep_clear(path, opening.along, along + 5.0)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongRoad(Event):
    """A pedestrian or cyclist goes along the road in the ego's lane; the ego brakes late.

    Sources: Euro NCAP CPLA-25 and -50: pedestrian at 5 km/h, ego 20-80 km/h, hit points 25 and
    50 %; CBLA: cyclist 10-20 km/h, ego 25-80 km/h. NHTSA pre-crash 12 to 14. The time to collision
    at the start is ours.

    Attributes:
        speed: Their speed [m/s].
        hit_point: Where they are, as a share of the ego's width from its right side.
        closing: Speed difference [m/s].
        ttc: Time to collision at the start [s].
    """

    name: ClassVar[str] = "along_road"
    script: ClassVar[type[Script]] = AlongRoadScript
    roles: ClassVar[tuple[str, ...]] = ("v",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.RURAL,
        RoadKind.URBAN,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "v.speed": "speed",
        "closing(ego,v)": "closing",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"who": ("pedestrian", "cyclist")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(LEAST_CLOSING, 35.0), "m/s"),
        "speed": Limit(Range(3 / 3.6, 25 / 3.6), "m/s"),
        "hit_point": Limit(Range(0.0, 1.0), ""),
        "closing": Limit(Range(LEAST_CLOSING, 35.0), "m/s"),
        "ttc": Limit(Range(1.0, 8.0), "s"),
    }
    ego_speed: Range = field(default=Range(25 / 3.6, 80 / 3.6))
    speed: Range = field(default=Range(5 / 3.6, 20 / 3.6))
    hit_point: Range = field(default=Range(0.25, 0.5))
    closing: Range = field(default=Range(LEAST_CLOSING, 75 / 3.6))
    ttc: Range = field(default=Range(2.5, 4.5))

    def draw(self, rng: np.random.Generator) -> AlongRoadScript:
        """Draw speeds that suit who it is and that the ego gains on."""

        def sample(rng: np.random.Generator) -> AlongRoadScript:
            who = self.option("who", rng)
            return AlongRoadScript(
                ego_speed=self.ego_speed.draw(rng),
                who=who,
                speed=(self.speed.intersect(SPEEDS[who]) or self.speed).draw(rng),
                hit_point=self.hit_point.draw(rng),
                ttc=self.ttc.draw(rng),
            )

        def agrees(s: AlongRoadScript) -> bool:
            return s.speed in SPEEDS[s.who] and s.ego_speed - s.speed in self.closing

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while the ego must brake hard for somebody who goes its way.

        All must hold: a pedestrian or cyclist forces the ego to brake (see
        `approaching.forces_braking`), moves faster than MOVING, and points along the ego's lane
        within SAME_WAY.
        """
        (v,) = actors
        kinds = [KINDS[options["who"]]] if "who" in options else list(KINDS.values())
        kind = np.full(view.steps, 1.0 if view.kind[v] in kinds else -1.0)
        along = 10.0 * (SAME_WAY - np.abs(view.ego_path.heading_error[:, v]))
        moving = view.states.speed[:, v] - MOVING
        return known(view.both(EGO, v), all_of(forces_braking(view, v), along, moving, kind))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Pedestrians and cyclists who force the ego to brake at some time."""
        people = view.of_kind(*KINDS.values()).tolist()
        return [(v,) for v in people if forces_braking(view, v).max() > 0]
