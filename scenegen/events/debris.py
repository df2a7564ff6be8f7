"""Debris: a lost load lies in the ego's lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.approaching import forces_braking, late_driver
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.scene.agents import AgentKind
from scenegen.scene.roadmap import RoadKind, RoadMap

LEAST_TIME, MOST_TIME = 2.0, 6.0
"""Travel time to the debris at the start [s]: time to react, and an encounter in the scenario."""
SLOWEST = 6.0
"""An ego slower than this need not brake hard for debris [m/s]."""
FLAT = 0.8
"""Debris is this much as high as it is wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebrisScript(Script):
    """A concrete piece of debris.

    Attributes:
        distance: Distance from the ego's front to it at the start [m].
        width: Its length and width [m].
        offset: Where it lies beside the middle of the lane [m], positive left.
        angle: How it lies, relative to the lane [rad].
    """

    event: ClassVar[str] = "debris"
    distance: float
    width: float
    offset: float
    angle: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches that reach beyond the debris."""
        return through_stretches(roadmap, self.distance + 25.0, self.ego_speed)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Lay the debris at the drawn distance."""
        del rng  # nothing is left to chance
        along = opening.front + self.distance + self.width / 2
        cast = opening.cast(driver=late_driver(opening.speed, opening.speed))
        x, y, yaw = opening.path.pose(along, self.offset)
        size = (self.width, self.width, FLAT * self.width)
        cast.stand(AgentKind.STATIC, (x, y, yaw + self.angle), size, role="o")
        cast.keep_clear(opening.path, opening.along, along + self.width)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Debris(Event):
    """A lost load lies in the lane and the ego brakes late for it.

    Sources: NHTSA pre-crash 35 and 36, object in the road (85 000 crashes a year, 1.43 %); CARLA
    route_obstacles; UN R157, lost cargo: objects of 0.3-2 m at 20-150 m. Only distances that the
    ego reaches in LEAST_TIME to MOST_TIME are drawn.

    Attributes:
        distance: Distance to the debris at the start [m].
        width: Length and width of the debris [m].
        offset: Where it lies beside the middle of the lane [m].
        angle: How it lies, relative to the lane [rad].
    """

    name: ClassVar[str] = "debris"
    script: ClassVar[type[Script]] = DebrisScript
    roles: ClassVar[tuple[str, ...]] = ("o",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.HIGHWAY,
        RoadKind.RURAL,
        RoadKind.URBAN,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "gap(ego,o)": "distance",
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(SLOWEST, 60.0), "m/s"),
        "distance": Limit(Range(10.0, 250.0), "m"),
        "width": Limit(Range(0.1, 2.5), "m"),
        "offset": Limit(Range(-1.0, 1.0), "m"),
        "angle": Limit(Range(-np.pi, np.pi), "rad"),
    }
    ego_speed: Range = field(default=Range(30 / 3.6, 130 / 3.6))
    distance: Range = field(default=Range(20.0, 150.0))
    width: Range = field(default=Range(0.3, 2.0))
    offset: Range = field(default=Range(-0.6, 0.6))
    angle: Range = field(default=Range(0.0, np.pi / 2))

    def draw(self, rng: np.random.Generator) -> DebrisScript:
        """Draw a distance that the ego covers in time."""

        def sample(rng: np.random.Generator) -> DebrisScript:
            ego_speed = self.ego_speed.draw(rng)
            implied = Range(LEAST_TIME * ego_speed, MOST_TIME * ego_speed)
            return DebrisScript(
                ego_speed=ego_speed,
                distance=(self.distance.intersect(implied) or self.distance).draw(rng),
                width=self.width.draw(rng),
                offset=self.offset.draw(rng),
                angle=self.angle.draw(rng),
            )

        def agrees(s: DebrisScript) -> bool:
            return LEAST_TIME <= s.distance / s.ego_speed <= MOST_TIME

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while an object in the ego's way takes hard braking to avoid.

        See `approaching.forces_braking`.
        """
        del options  # it has none
        return forces_braking(view, actors[0])

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Objects that force the ego to brake at some time."""
        objects = view.of_kind(AgentKind.STATIC).tolist()
        return [(j,) for j in objects if forces_braking(view, j).max() > 0]
