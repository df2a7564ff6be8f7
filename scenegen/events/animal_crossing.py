"""Animal crossing: an animal runs across the road into the ego's way."""

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
class AnimalCrossingScript(Script):
    """A concrete animal crossing.

    Attributes:
        side: Side the animal comes from, "near" (the ego's right) or "far".
        speed: Its speed [m/s].
        hit_point: Where the ego would hit it, as a share of its width.
        arrival: Time until then [s].
        angle: Angle between its way and the ego's [rad]; pi / 2 is straight across.
    """

    event: ClassVar[str] = "animal_crossing"
    side: str
    speed: float
    hit_point: float
    arrival: float
    angle: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Roads that reach beyond the crossing line."""
        return walking_stretches(roadmap, self.ego_speed, self.arrival)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Let the animal run so that it meets the ego."""
        del rng  # nothing is left to chance
        along = crossing_line(opening, self.arrival, 0.0)
        if along is None:
            return None
        kind = AgentKind.ANIMAL
        walker = Walker(
            side=SIDES[self.side], speed=self.speed, hit_point=self.hit_point, size=SIZE[kind]
        )
        cast = opening.cast()
        come_across(cast, ("a", kind), (opening.path, along), walker, self.arrival, self.angle)
        cast.keep_clear(opening.path, opening.along, along)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimalCrossing(Event):
    """An animal the size of a deer runs across the road in front of the ego.

    Sources: NHTSA pre-crash 10 and 9, animal (328 000 crashes a year, 5.5 %). No protocol tests it:
    speeds of 3-15 m/s, angles of 45-135 degrees and the speed of the ego are our choice. Light is
    not part of the event: a query can ask for dusk or night beside it.

    Attributes:
        speed: Speed of the animal [m/s].
        hit_point: Where the ego would hit it if it did not brake, as a share of its width from
            the side it comes from.
        arrival: Time from the begin until then [s].
        angle: Angle between its way and the ego's [rad].
    """

    name: ClassVar[str] = "animal_crossing"
    script: ClassVar[type[Script]] = AnimalCrossingScript
    roles: ClassVar[tuple[str, ...]] = ("a",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.RURAL,
        RoadKind.T_JUNCTION,
        RoadKind.URBAN,
    )
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed", "a.speed": "speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"from": ("near", "far")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 35.0), "m/s"),
        "speed": Limit(Range(1.0, 20.0), "m/s"),
        "hit_point": Limit(Range(0.0, 1.0), ""),
        "arrival": Limit(Range(1.5, 8.0), "s"),
        "angle": Limit(Range(np.radians(30.0), np.radians(150.0)), "rad"),
    }
    ego_speed: Range = field(default=Range(30 / 3.6, 100 / 3.6))
    speed: Range = field(default=Range(3.0, 15.0))
    hit_point: Range = field(default=Range(0.25, 0.75))
    arrival: Range = field(default=Range(2.0, 4.0))
    angle: Range = field(default=Range(np.radians(45.0), np.radians(135.0)))

    def draw(self, rng: np.random.Generator) -> AnimalCrossingScript:
        """Draw every number on its own."""
        return AnimalCrossingScript(
            ego_speed=self.ego_speed.draw(rng),
            side=self.option("from", rng),
            speed=self.speed.draw(rng),
            hit_point=self.hit_point.draw(rng),
            arrival=self.arrival.draw(rng),
            angle=self.angle.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while an animal crosses the ego's lane ahead of it; see `crossing_road.crosses`."""
        return crosses(view, actors[0], options.get("from"))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Animals that are in the ego's lane ahead at some time."""
        return [(a,) for a in people_near(view, AgentKind.ANIMAL)]
