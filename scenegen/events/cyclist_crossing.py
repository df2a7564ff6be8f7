"""Cyclist crossing: a cyclist rides across the road into the ego's way."""

from __future__ import annotations

import math
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
    kerb_offset,
    people_near,
    walking_stretches,
)
from scenegen.events.event import Event, Script
from scenegen.events.jaywalker import SIDES
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.roadmap import RoadKind, RoadMap

VAN = (5.4, 2.0, 2.4)
"""Length, width and height of the parked van [m]."""
COVER_GAP = 0.8
"""Distance along the road between it and the cyclist [m]."""
PASSING = 1.0
"""Least sideways distance between the ego and it [m] (Euro NCAP CPNCO)."""
HIDDEN = 0.5
"""Less of a cyclist in view than this is hidden."""
JUST_NOW = 3.0
"""Time within which it was hidden [s]."""
STANDING = 0.3
"""Vehicles that never go faster are parked [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclistCrossingScript(Script):
    """A concrete cyclist crossing.

    Attributes:
        side: Side the cyclist comes from, "near" (the ego's right) or "far".
        cover: What hides it until late, "parked" for a van at the kerb, or "none".
        speed: Its speed [m/s].
        hit_point: Where the ego would hit it, as a share of its width.
        arrival: Time until then [s].
    """

    event: ClassVar[str] = "cyclist_crossing"
    side: str
    cover: str
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
        if self.cover == "parked" and not self._park(cast, opening, along):
            return None
        cast.keep_clear(opening.path, opening.along, along)
        return cast

    def _park(self, cast: Cast, opening: Opening, along: float) -> bool:
        """Park a van before the crossing line, on the cyclist's side; False where it cannot be."""
        path, sign = opening.path, SIDES[self.side]
        place = along - SIZE[AgentKind.CYCLIST][1] / 2 - COVER_GAP - VAN[0] / 2
        kerb = kerb_offset(path, place, sign)
        if kerb is None or place - VAN[0] / 2 < opening.front + 2.0:
            return False
        passable = opening.ego_size[1] / 2 + PASSING + VAN[1] / 2
        beside = max(abs(kerb) - VAN[1] / 2 - 0.2, passable)
        x, y, yaw = path.pose(place, sign * beside)
        yaw = yaw if sign < 0 else math.remainder(yaw + math.pi, math.tau)
        cast.stand(AgentKind.CAR, (x, y, yaw), VAN)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclistCrossing(Event):
    """A cyclist rides straight across the road in front of the ego.

    In plain view, or out from behind a van that is parked at the kerb if the option `cover` asks
    for it (Euro NCAP CBNAO-50).

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
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "from": ("near", "far"),
        "cover": ("none", "parked"),
    }
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
            cover=self.chosen.get("cover", "none"),
            speed=self.speed.draw(rng),
            hit_point=self.hit_point.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a cyclist crosses the ego's lane ahead of it; see `crossing_road.crosses`.

        With the option cover=parked, less than HIDDEN of it was in view past standing vehicles
        within the last JUST_NOW; with cover=none it was in view all that time.
        """
        (b,) = actors
        margin = crosses(view, b, options.get("from"))
        if "cover" in options and (margin > 0).any():
            fastest = np.where(view.valid, np.abs(view.states.speed), 0.0).max(axis=0)
            parked = tuple(j for j in view.motor_vehicles().tolist() if fastest[j] < STANDING)
            covered = 10.0 * (HIDDEN - view.visible_fraction(b, by=parked))
            hidden = recently(known(view.both(EGO, b), covered), JUST_NOW)
            margin = all_of(margin, hidden if options["cover"] == "parked" else -hidden)
        return margin

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Cyclists who are in the ego's lane ahead at some time."""
        return [(b,) for b in people_near(view, AgentKind.CYCLIST)]
