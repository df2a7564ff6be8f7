"""Cyclist crossing: a cyclist rides across the road into the ego's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import (
    Walker,
    come_across,
    crosses,
    crossing_line,
    people_near,
    walking_stretches,
)
from scenegen.events.event import Event, Script
from scenegen.events.jaywalker import SIDES
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.scene.agents import SIZE, AgentKind
from scenegen.scene.roadmap import RoadKind, RoadMap


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclistCrossingScript(Script):
    """A concrete cyclist crossing.

    Attributes:
        side: Side the cyclist comes from, "near" (the ego's right) or "far".
        speed: Its speed [m/s].
        hit_point: Where the ego would hit it, as a share of its width.
        arrival: Time until then [s].
    """

    event: ClassVar[str] = "cyclist_crossing"
    side: str
    speed: float
    hit_point: float
    arrival: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Roads that reach beyond the crossing line."""
        return walking_stretches(roadmap, self.ego_speed, self.arrival)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Let the cyclist ride so that it meets the ego."""
        del rng  # nothing is left to chance
        along = crossing_line(opening, self.arrival, 0.0)
        if along is None:
            return None
        kind = AgentKind.CYCLIST
        walker = Walker(
            side=SIDES[self.side], speed=self.speed, hit_point=self.hit_point, size=SIZE[kind]
        )
        cast = opening.cast()
        come_across(cast, ("b", kind), (opening.path, along), walker, self.arrival)
        cast.keep_clear(opening.path, opening.along, along)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclistCrossing(Event):
    """A cyclist rides straight across the road in front of the ego, in plain view.

    Sources: Euro NCAP CBNA (near side) and CBFA (far side): cyclist 10-20 km/h, ego 10-60 km/h;
    hit points as for pedestrians, 25-75 %, here up to 200 %: drivers do not foresee a bicycle that
    is not on the road yet, and beyond about 150 % it has just passed. NHTSA pre-crash 13 and 14
    (42 000 crashes a year with cyclists). The time until they meet is ours: the cyclist begins at
    most 25 m beside the road.

    Attributes:
        speed: Speed of the cyclist [m/s].
        hit_point: Where the ego would hit it if it did not brake, as a share of its width from
            the side it comes from; above 1 the middle of the bicycle is past the ego by then.
        arrival: Time from the begin until then [s].
    """

    name: ClassVar[str] = "cyclist_crossing"
    script: ClassVar[type[Script]] = CyclistCrossingScript
    roles: ClassVar[tuple[str, ...]] = ("b",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.RURAL,
        RoadKind.URBAN,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
    )
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed", "b.speed": "speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"from": ("near", "far")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 35.0), "m/s"),
        "speed": Limit(Range(1.0, 10.0), "m/s"),
        "hit_point": Limit(Range(-1.0, 3.0), ""),
        "arrival": Limit(Range(1.5, 8.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 60 / 3.6))
    speed: Range = field(default=Range(10 / 3.6, 20 / 3.6))
    hit_point: Range = field(default=Range(0.25, 2.0))
    arrival: Range = field(default=Range(2.5, 4.5))

    def draw(self, rng: np.random.Generator) -> CyclistCrossingScript:
        """Draw every number on its own."""
        return CyclistCrossingScript(
            ego_speed=self.ego_speed.draw(rng),
            side=self.option("from", rng),
            speed=self.speed.draw(rng),
            hit_point=self.hit_point.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a cyclist crosses the ego's lane ahead of it; see `crossing_road.crosses`."""
        return crosses(view, actors[0], options.get("from"))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Cyclists who are in the ego's lane ahead at some time."""
        return [(b,) for b in people_near(view, AgentKind.CYCLIST)]
