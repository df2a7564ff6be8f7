"""Occluded pedestrian: someone, often a child, steps out from behind a parked vehicle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import (
    Walker,
    crosses,
    crossing_line,
    kerb_offset,
    people_near,
    set_off,
    wait_beside,
    walking_stretches,
)
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.sight import EYE_AHEAD, visible_fraction
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import CHILD_HEIGHT, EGO, AgentKind, AgentStates
from scenegen.scene.roadmap import RoadKind, RoadMap

SIZES = {"child": (0.35, 0.45, 1.154), "adult": (0.5, 0.6, 1.75)}
"""Length, width and height of the person [m]; the child is Euro NCAP's 7-year-old dummy."""
VAN = (5.4, 2.0, 2.4)
"""Length, width and height of the parked vehicles [m]; it hides an adult."""
BUMPER_GAP = 1.0
"""Distance between the two parked vehicles [m] (Euro NCAP CPNCO)."""
PASSING = 1.0
"""Least sideways distance between the ego and a parked vehicle [m] (Euro NCAP CPNCO)."""
BEHIND = 0.4
"""How far behind the middle of the parked vehicle the person waits [m]."""
HIDDEN = 0.5
"""Less of a person in view than this is occluded."""
JUST_NOW = 3.0
"""Someone who was occluded within this time stepped out of cover [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OccludedPedestrianScript(Script):
    """A concrete occluded pedestrian.

    Attributes:
        who: "child" or "adult".
        walking_speed: Their speed [m/s].
        hit_point: Where the ego would hit them, as a share of its width.
        cover_gap: Distance along the road from the parked vehicle's front to the person [m].
        onset: Time until they set off [s].
    """

    event: ClassVar[str] = "occluded_pedestrian"
    who: str
    walking_speed: float
    hit_point: float
    cover_gap: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Roads with enough length for the shortest walk."""
        return walking_stretches(roadmap, self.ego_speed, self.onset + 2.5 / self.walking_speed)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Park two vehicles by the kerb; the person waits in front of the first, out of sight."""
        del rng  # nothing is left to chance
        path, walker = opening.path, self._walker()
        kerb = kerb_offset(path, opening.front, walker.side)
        if kerb is None:
            return None
        wait = wait_beside(walker, self._parked(kerb, opening) - BEHIND, opening.ego_size[1])
        along = crossing_line(opening, wait.lead_time, self.onset)
        kerb = kerb_offset(path, along, walker.side) if along is not None else None
        if kerb is None:
            return None
        side = self._parked(kerb, opening)
        wait = wait_beside(walker, side - BEHIND, opening.ego_size[1])
        along = crossing_line(opening, wait.lead_time, self.onset)
        if along is None:
            return None
        first = along - walker.size[1] / 2 - self.cover_gap - VAN[0] / 2
        second = first - VAN[0] - BUMPER_GAP
        opposite = kerb_offset(path, along, -walker.side)
        if opening.front + 2.0 > second - VAN[0] / 2:
            return None
        beyond = abs(opposite) if opposite is not None else 4.0
        cast = opening.cast()
        person = set_off(cast, path, along, walker, wait, abs(wait.offset) + beyond + 1.0)
        cast.stand(AgentKind.CAR, path.pose(first, side), VAN, role="o")
        cast.stand(AgentKind.CAR, path.pose(second, side), VAN)
        cast.keep_clear(path, opening.along, along)
        pinned = cast.pinned()
        if pinned is None or not self._is_hidden(opening, pinned.agents, person):
            return None
        return cast

    def _walker(self) -> Walker:
        return Walker(
            side=-1, speed=self.walking_speed, hit_point=self.hit_point, size=SIZES[self.who]
        )

    def _parked(self, kerb: float, opening: Opening) -> float:
        """Lateral place of the parked vehicles: at the kerb, or half on it where that is tight."""
        at_kerb = abs(kerb) - VAN[1] / 2 - 0.2
        passable = opening.ego_size[1] / 2 + PASSING + VAN[1] / 2
        return -max(at_kerb, passable)

    def _is_hidden(self, opening: Opening, agents: AgentStates, person: int) -> bool:
        """Whether the person is out of the ego's sight when they set off."""
        eye_along = opening.along + opening.speed * self.onset + EYE_AHEAD * opening.ego_size[0]
        box = np.concatenate([agents.position, agents.yaw[:, None], agents.size], -1)
        covers = box[person + 1 :].astype(np.float64)
        seen = visible_fraction(
            np.array([opening.path.pose(eye_along)[:2]]),
            box[None, person, :5].astype(np.float64),
            agents.size[None, person, 2].astype(np.float64),
            covers[None],
            np.ones((1, len(covers)), np.bool_),
        )
        return bool(seen[0] < HIDDEN - 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OccludedPedestrian(Event):
    """A pedestrian steps out from behind parked vehicles on the ego's side.

    Sources: Euro NCAP CPNCO-50: child at 5 km/h from behind two parked cars 1 m apart, ego
    10-60 km/h; CARLA scenario_runner: 2.0 m/s. NHTSA pre-crash 12 (39 000 crashes a year, 0.66 %).

    Attributes:
        walking_speed: Speed of the pedestrian [m/s].
        hit_point: Where the ego would hit them if it did not brake, as a share of its width from
            the side they come from.
        cover_gap: Distance along the road between the parked vehicle and the person [m].
        onset: Time from the begin until they set off [s].
    """

    name: ClassVar[str] = "occluded_pedestrian"
    script: ClassVar[type[Script]] = OccludedPedestrianScript
    roles: ClassVar[tuple[str, ...]] = ("p", "o")
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.URBAN,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
        RoadKind.RURAL,
    )
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed", "p.speed": "walking_speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "from": ("near",),
        "who": ("child", "adult"),
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 35.0), "m/s"),
        "walking_speed": Limit(Range(0.5, 6.0), "m/s"),
        "hit_point": Limit(Range(0.0, 1.0), ""),
        "cover_gap": Limit(Range(0.2, 3.0), "m"),
        "onset": Limit(Range(0.2, 20.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 60 / 3.6))
    walking_speed: Range = field(default=Range(5 / 3.6, 2.2))
    hit_point: Range = field(default=Range(0.25, 0.75))
    cover_gap: Range = field(default=Range(0.5, 1.5))
    onset: Range = field(default=Range(0.5, 2.0))

    def draw(self, rng: np.random.Generator) -> OccludedPedestrianScript:
        """Draw every number on its own."""
        return OccludedPedestrianScript(
            ego_speed=self.ego_speed.draw(rng),
            who=self.option("who", rng),
            walking_speed=self.walking_speed.draw(rng),
            hit_point=self.hit_point.draw(rng),
            cover_gap=self.cover_gap.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a pedestrian crosses the ego's lane who was hidden by the occluder just now.

        See `crossing_road.crosses`; within the last JUST_NOW seconds the occluder alone left less
        than HIDDEN of the person in view. A tenth of the silhouette counts as one unit. With
        option who=child the person is lower than an adult.
        """
        person, occluder = actors
        there = view.both(EGO, person) & view.valid[:, occluder]
        covered = 10.0 * (HIDDEN - view.visible_fraction(person, by=(occluder,)))
        hidden = recently(known(there, covered), JUST_NOW)
        margin = all_of(crosses(view, person, options.get("from")), hidden)
        if "who" in options:
            taller = 10.0 * (view.states.size[:, person, 2] - CHILD_HEIGHT)
            margin = all_of(margin, taller if options["who"] == "adult" else -taller)
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Pedestrians in the ego's lane, each with every box near their line of sight."""
        covers = [*view.motor_vehicles().tolist(), *view.of_kind(AgentKind.STATIC).tolist()]
        return [
            (person, occluder)
            for person in people_near(view)
            for occluder in covers
            if (view.visible_fraction(person, by=(occluder,)) < HIDDEN).any()
        ]
