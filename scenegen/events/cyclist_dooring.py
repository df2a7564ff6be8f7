"""Dooring: a cyclist swerves round an opening car door into the ego's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import STRAIGHT, may_park, walking_stretches
from scenegen.events.doors import HINGE, SLIT, THICKNESS, Door, turns
from scenegen.events.event import Event, Script
from scenegen.events.following import headway_reach
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, RoadKind, RoadMap

BESIDE = 0.25
"""Sideways distance at which the ego would pass the cyclist [m]."""
SPARE = 0.3
"""Distance from the door at which the cyclist gets past [m]."""
REACTION = 0.4
"""Time from the begin of the opening until the cyclist swerves [s]."""
AT_DOOR = 12.0
"""A cyclist farther from the door does not swerve because of it [m]."""
LASTS = 3.0
"""A swerve goes on for this long [s]."""
LEAST_CLOSING = 1.5
"""The ego gains on the cyclist at least this fast [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclistDooringScript(Script):
    """A concrete dooring.

    Attributes:
        speed: Speed of the cyclist [m/s].
        clearance: Sideways distance of the cyclist from the closed door [m].
        width: How far the open door stands out [m].
        duration: Time that opening takes [s].
        lead_time: Time before the cyclist would be at the hinge at which the door begins to open
            [s].
        gap: Distance from the ego's front to the cyclist when it swerves [m].
        swerve: Peak lateral speed of the cyclist [m/s].
        onset: Time from the begin until the door begins to open [s].
    """

    event: ClassVar[str] = "cyclist_dooring"
    speed: float
    clearance: float
    width: float
    duration: float
    lead_time: float
    gap: float
    swerve: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Streets that reach beyond the parked car."""
        return walking_stretches(roadmap, self.ego_speed, self.lead_time + self.onset + 2.0)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the cyclist ahead, and the car whose door it is about to pass."""
        del rng  # nothing is left to chance
        path, (_, width, _) = opening.path, SIZE[AgentKind.CAR]
        length, wide, _ = SIZE[AgentKind.CYCLIST]
        closing = opening.speed - self.speed
        swerves = self.onset + REACTION
        along = opening.front + self.gap + closing * swerves + length / 2
        hinge = along + length / 2 + self.speed * (self.onset + self.lead_time)
        offset = -(opening.ego_size[1] / 2 + BESIDE + wide / 2)
        parked = offset - wide / 2 - self.clearance - THICKNESS - SLIT - width / 2
        if hinge + 25.0 > path.length_to_junction:
            return None
        if path.bend(max(along - 20.0, 0.0), hinge + 20.0) > STRAIGHT:
            return None
        if not may_park(path, hinge, parked):
            return None
        cast = opening.cast()
        rules = Ignores.LEADERS
        kind = AgentKind.CYCLIST
        b = cast.drive(path, along, self.speed, role="b", kind=kind, offset=offset, ignores=rules)
        shift = self.width + SPARE - self.clearance
        aside = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=Trigger(kind=TriggerKind.TIME, threshold=swerves),
            a=max(shift, 0.3),
            b=self.swerve,
            c=NO_LANE,
        )
        cast.act(b, aside)
        pose = path.pose(hinge - HINGE, parked)
        cast.stand(AgentKind.CAR, pose)
        door = Door(width=self.width, duration=self.duration, lead_time=self.lead_time)
        door.mount(cast, pose, role="d", other=b)
        cast.keep_clear(path, opening.along, hinge + 5.0)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclistDooring(Event):
    """A parked car's door opens in front of a cyclist, who swerves into the way of the ego behind.

    Sources: Euro NCAP CBDA: cyclist 15 km/h, here 10-20 km/h, door 1.0 m in 0.5-1 s; NHTSA
    pre-crash 13 and 14 (42 000 crashes a year with cyclists). The other numbers are ours.

    Attributes:
        speed: Speed of the cyclist [m/s].
        clearance: Sideways distance of the cyclist from the closed door [m].
        width: How far the open door stands out [m].
        duration: Time that opening takes [s].
        lead_time: Time before the cyclist would be at the hinge at which the door begins to open
            [s].
        gap: Distance from the ego's front to the cyclist when it swerves [m].
        swerve: Peak lateral speed of the cyclist [m/s].
        onset: Time from the begin until the door begins to open [s].
    """

    name: ClassVar[str] = "cyclist_dooring"
    script: ClassVar[type[Script]] = CyclistDooringScript
    roles: ClassVar[tuple[str, ...]] = ("b", "d")
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.URBAN,
        RoadKind.T_JUNCTION,
        RoadKind.INTERSECTION,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "b.speed": "speed",
        "gap(ego,b)": "gap",
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(4.0, 25.0), "m/s"),
        "speed": Limit(Range(1.5, 10.0), "m/s"),
        "clearance": Limit(Range(0.2, 1.2), "m"),
        "width": Limit(Range(0.6, 1.4), "m"),
        "duration": Limit(Range(0.3, 3.0), "s"),
        "lead_time": Limit(Range(1.0, 5.0), "s"),
        "gap": Limit(Range(1.0, 60.0), "m"),
        "swerve": Limit(Range(0.6, 3.0), "m/s"),
        "onset": Limit(Range(0.2, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(25 / 3.6, 50 / 3.6))
    speed: Range = field(default=Range(10 / 3.6, 20 / 3.6))
    clearance: Range = field(default=Range(0.3, 0.7))
    width: Range = field(default=Range(0.9, 1.1))
    duration: Range = field(default=Range(0.5, 1.0))
    lead_time: Range = field(default=Range(1.8, 2.6))
    gap: Range = field(default=Range(4.0, 18.0))
    swerve: Range = field(default=Range(1.3, 2.2))
    onset: Range = field(default=Range(0.5, 2.0))

    def draw(self, rng: np.random.Generator) -> CyclistDooringScript:
        """Draw speeds such that the ego gains on the cyclist."""

        def sample(rng: np.random.Generator) -> CyclistDooringScript:
            return CyclistDooringScript(
                ego_speed=self.ego_speed.draw(rng),
                speed=self.speed.draw(rng),
                clearance=self.clearance.draw(rng),
                width=self.width.draw(rng),
                duration=self.duration.draw(rng),
                lead_time=self.lead_time.draw(rng),
                gap=self.gap.draw(rng),
                swerve=self.swerve.draw(rng),
                onset=self.onset.draw(rng),
            )

        return draw_coupled(
            self.name, rng, sample, lambda s: s.ego_speed - s.speed >= LEAST_CLOSING
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a cyclist who swerved because of a door is in the ego's way.

        All must hold: the box of the cyclist reaches into the strip that the ego sweeps, ahead of
        it, and was beside it within the last LASTS; within the last LASTS a door turned (see
        `doors.turns`) while the cyclist was nearer to it than AT_DOOR; the gap is below MAX_HEADWAY
        of the ego's travel (at least MAX_GAP).
        """
        del options  # it has none
        b, d = actors
        frame, half, there = view.ego_path, view.half_lateral(EGO), view.both(EGO, b)
        apart = np.abs(frame.offset[:, b] - frame.offset[:, EGO])
        overlap = half[:, b] + half[:, EGO] - apart
        was = recently(known(there, -overlap), LASTS, frame.group)
        door = all_of(turns(view, d), AT_DOOR - view.distance(b, d))
        dodges = recently(known(view.both(b, d), door), LASTS)
        front = frame.ahead[:, b] - view.half_longitudinal(EGO)[:, EGO]
        near = headway_reach(view) - view.gap(EGO, b)
        kind = np.full(view.steps, 1.0 if view.kind[b] == AgentKind.CYCLIST else -1.0)
        return known(there, all_of(overlap, was, dodges, front, near, kind))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Cyclists near doors that turn."""
        doors = [d for d in view.of_kind(AgentKind.STATIC).tolist() if turns(view, d).max() > 0]
        return [
            (b, d)
            for d in doors
            for b in view.of_kind(AgentKind.CYCLIST).tolist()
            if (view.both(b, d) & (view.distance(b, d) < AT_DOOR)).any()
        ]
