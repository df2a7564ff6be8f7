"""Jaywalker: a pedestrian in plain view walks into the ego's way, away from any crossing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import (
    KERB_DISTANCE,
    Walker,
    crosses,
    crossing_line,
    kerb_offset,
    off_crossings,
    people_near,
    set_off,
    wait_beside,
    walking_stretches,
)
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of
from scenegen.scene.agents import SIZE, AgentKind
from scenegen.scene.roadmap import RoadKind, RoadMap

SIDES = {"near": -1, "far": 1}
"""Side a person comes from in right-hand traffic: near is the ego's right."""
LONGEST_WALK = 5.5
"""People who would walk longer than this before they are hit are not drawn [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JaywalkerScript(Script):
    """A concrete jaywalker.

    Attributes:
        side: Side they come from, "near" (the ego's right) or "far".
        walking_speed: Their speed [m/s].
        hit_point: Where the ego would hit them, as a share of its width.
        onset: Time until they set off [s].
    """

    event: ClassVar[str] = "jaywalker"
    side: str
    walking_speed: float
    hit_point: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Roads with enough length for the shortest walk, from the kerb to the next lane."""
        return walking_stretches(roadmap, self.ego_speed, self.onset + 2.0 / self.walking_speed)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Let them wait behind the kerb and set off so that they meet the ego."""
        del rng  # nothing is left to chance
        walker = Walker(
            side=SIDES[self.side],
            speed=self.walking_speed,
            hit_point=self.hit_point,
            size=SIZE[AgentKind.PEDESTRIAN],
        )
        here = kerb_offset(opening.path, opening.front, walker.side)
        if here is None:
            return None
        guess = wait_beside(walker, here, opening.ego_size[1]).lead_time
        about = crossing_line(opening, guess, self.onset)
        kerb = kerb_offset(opening.path, about, walker.side) if about is not None else None
        if about is None or kerb is None:
            return None
        wait = wait_beside(walker, kerb + walker.side * KERB_DISTANCE, opening.ego_size[1])
        along = crossing_line(opening, wait.lead_time, self.onset)
        if along is None or wait.lead_time > LONGEST_WALK:
            return None
        opposite = kerb_offset(opening.path, about, -walker.side)
        beyond = abs(opposite) if opposite is not None else 4.0
        cast = opening.cast()
        set_off(cast, opening.path, along, walker, wait, abs(wait.offset) + beyond + 1.0)
        cast.keep_clear(opening.path, opening.along, along)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Jaywalker(Event):
    """An unoccluded pedestrian crosses where there is no crossing.

    Sources: Euro NCAP CPFA (far side, running, 8 km/h) and CPNA (near side, walking, 5 km/h), ego
    10-60 km/h, hit points 25, 50 and 75 %; UN R152 and R157. NHTSA pre-crash 12 and 11 (56 000
    crashes a year, 0.95 %).

    Attributes:
        walking_speed: Speed of the pedestrian [m/s].
        hit_point: Where the ego would hit them if it did not brake, as a share of its width from
            the side they come from.
        onset: Time from the begin until they set off [s].
    """

    name: ClassVar[str] = "jaywalker"
    script: ClassVar[type[Script]] = JaywalkerScript
    roles: ClassVar[tuple[str, ...]] = ("p",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.URBAN,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
        RoadKind.RURAL,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "p.speed": "walking_speed",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"from": ("near", "far")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 35.0), "m/s"),
        "walking_speed": Limit(Range(0.5, 6.0), "m/s"),
        "hit_point": Limit(Range(0.0, 1.0), ""),
        "onset": Limit(Range(0.2, 20.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 60 / 3.6))
    walking_speed: Range = field(default=Range(5 / 3.6, 8 / 3.6))
    hit_point: Range = field(default=Range(0.25, 0.75))
    onset: Range = field(default=Range(0.5, 2.0))

    def draw(self, rng: np.random.Generator) -> JaywalkerScript:
        """Draw every number on its own."""
        return JaywalkerScript(
            ego_speed=self.ego_speed.draw(rng),
            side=self.option("from", rng),
            walking_speed=self.walking_speed.draw(rng),
            hit_point=self.hit_point.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a pedestrian crosses the ego's lane ahead of it, off every crossing.

        See `crossing_road.crosses` and `crossing_road.off_crossings`.
        """
        (person,) = actors
        return all_of(crosses(view, person, options.get("from")), off_crossings(view, person))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Pedestrians who are in the ego's lane ahead at some time."""
        return [(person,) for person in people_near(view)]
