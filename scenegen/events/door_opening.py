"""Door opening: somebody opens the door of a parked car into the ego's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import STRAIGHT, may_park, walking_stretches
from scenegen.events.doors import Door, doors_of, opens
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.roadmap import RoadKind, RoadMap

IN_REACH = 60.0
"""Doors farther ahead do not matter yet [m]."""
NEAR_MISS = 0.6
"""A door that the ego would pass nearer than this is one to avoid [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOpeningScript(Script):
    """A concrete door.

    Attributes:
        clearance: Sideways distance at which the ego would pass the closed door [m].
        width: How far the open door stands out [m].
        duration: Time that opening takes [s].
        lead_time: Time before the ego would be at the door's hinge at which it begins to open [s].
        onset: Time from the begin until then [s].
    """

    event: ClassVar[str] = "door_opening"
    clearance: float
    width: float
    duration: float
    lead_time: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Streets that reach beyond the parked car."""
        return walking_stretches(roadmap, self.ego_speed, self.lead_time + self.onset + 1.0)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Park a car beside the ego's way; its door opens when the ego is near."""
        del rng  # nothing is left to chance
        path, (_, width, _) = opening.path, SIZE[AgentKind.CAR]
        along = opening.front + opening.speed * (self.lead_time + self.onset)
        if along + 25.0 > path.length_to_junction:
            return None
        if path.bend(max(along - 40.0, 0.0), along + 20.0) > STRAIGHT:
            return None
        offset = -(opening.ego_size[1] / 2 + self.clearance + width / 2)
        if not may_park(path, along, offset):
            return None
        cast = opening.cast()
        cast.stand(AgentKind.CAR, path.pose(along, offset), role="k")
        door = Door(width=self.width, duration=self.duration, lead_time=self.lead_time)
        door.mount(cast, path.pose(along, offset), role="d")
        cast.keep_clear(path, opening.along, along + 5.0)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOpening(Event):
    """The door of a parked car opens into the ego's way, close ahead.

    The door is a thin rigid box that turns about its hinge. Sources: Euro NCAP CBDA: door 1.0 m in
    0.5-1 s; CARLA vehicle_opens_door; NHTSA pre-crash 17 and 36 in part. Clearances and the time
    left to the ego are ours.

    Attributes:
        clearance: Sideways distance at which the ego would pass the closed door [m].
        width: How far the open door stands out [m].
        duration: Time that opening takes [s].
        lead_time: Time before the ego would be at the door's hinge at which it begins to open [s].
        onset: Time from the begin until then [s].
    """

    name: ClassVar[str] = "door_opening"
    script: ClassVar[type[Script]] = DoorOpeningScript
    roles: ClassVar[tuple[str, ...]] = ("k", "d")
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.URBAN,
        RoadKind.T_JUNCTION,
        RoadKind.INTERSECTION,
    )
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed"}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 25.0), "m/s"),
        "clearance": Limit(Range(0.2, 1.5), "m"),
        "width": Limit(Range(0.6, 1.4), "m"),
        "duration": Limit(Range(0.3, 3.0), "s"),
        "lead_time": Limit(Range(0.5, 6.0), "s"),
        "onset": Limit(Range(0.2, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(20 / 3.6, 50 / 3.6))
    clearance: Range = field(default=Range(0.3, 0.9))
    width: Range = field(default=Range(0.9, 1.1))
    duration: Range = field(default=Range(0.5, 1.0))
    lead_time: Range = field(default=Range(1.5, 3.0))
    onset: Range = field(default=Range(0.5, 2.5))

    def draw(self, rng: np.random.Generator) -> DoorOpeningScript:
        """Draw every number on its own."""
        return DoorOpeningScript(
            ego_speed=self.ego_speed.draw(rng),
            clearance=self.clearance.draw(rng),
            width=self.width.draw(rng),
            duration=self.duration.draw(rng),
            lead_time=self.lead_time.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a door that opened just now stands into the ego's way.

        All must hold: see `doors.opens` for the car and its door; the door reaches nearer than
        NEAR_MISS to the strip that the ego sweeps; it is ahead of the ego's front, within IN_REACH.
        """
        del options  # it has none
        k, d = actors
        frame, half = view.ego_path, view.half_lateral(EGO)
        apart = np.abs(frame.offset[:, d] - frame.offset[:, EGO]) - half[:, d] - half[:, EGO]
        front = frame.ahead[:, d] - view.half_longitudinal(EGO)[:, EGO]
        margin = all_of(opens(view, k, d), NEAR_MISS - apart, front, IN_REACH - front)
        return known(view.both(EGO, k) & view.valid[:, d], margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Doors that turn, each with the nearest motor vehicle."""
        return doors_of(view)
