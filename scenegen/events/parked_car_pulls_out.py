"""Parked car pulls out: a vehicle that stood at the kerb drives off into the ego's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import STRAIGHT, kerb_offset, walking_stretches
from scenegen.events.event import Event, Script
from scenegen.events.following import headway_reach
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import RoadKind, RoadMap

PASSING = 0.4
"""Sideways distance at which the ego would pass the parked car [m]."""
KERB = 0.2
"""Distance of the parked car from the kerb [m]."""
SIDEWAYS = 1.5
"""Peak lateral speed of the pull-out [m/s]; at low speed the steering allows less."""
MOVING = 0.5
"""Below this speed a vehicle stands [m/s]."""
LASTS = 5.0
"""A pull-out is over this long after the vehicle stood [s]."""
SAME_WAY = np.radians(60.0)
"""Largest angle between the vehicle and the ego's lane [rad]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOutScript(Script):
    """A concrete pull-out.

    Attributes:
        lead_time: Time before the ego would be level with it at which it sets off [s].
        pull_out: Its acceleration [m/s^2].
        speed: Speed it reaches [m/s].
        onset: Time from the begin until it sets off [s].
    """

    event: ClassVar[str] = "parked_car_pulls_out"
    lead_time: float
    pull_out: float
    speed: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Streets that reach beyond the parked car."""
        return walking_stretches(roadmap, self.ego_speed, self.lead_time + self.onset + 1.0)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Park the car at the kerb; it sets off when the ego is near."""
        del rng  # nothing is left to chance
        path, (length, width, _) = opening.path, SIZE[AgentKind.CAR]
        along = opening.front + opening.speed * (self.lead_time + self.onset)
        kerb = kerb_offset(path, along, -1)
        if kerb is None or along + 25.0 > path.length_to_junction:
            return None
        if path.bend(max(along - 40.0, 0.0), along + 20.0) > STRAIGHT:
            return None
        offset = -max(abs(kerb) - width / 2 - KERB, opening.ego_size[1] / 2 + PASSING + width / 2)
        if abs(offset) > path.width_at(along) / 2 + width:
            return None  # it would have to cross another lane first
        cast = opening.cast()
        car = cast.stand(AgentKind.CAR, path.pose(along, offset), role="k")
        near = Trigger(kind=TriggerKind.ARRIVAL, threshold=self.lead_time, other=EGO)
        at_once = Trigger(kind=TriggerKind.DELAY)
        lane = path.lane_at(along)
        cast.act(
            car,
            Maneuver(kind=ManeuverKind.SPEED, trigger=near, a=self.speed, b=self.pull_out),
            Maneuver(kind=ManeuverKind.LANE_CHANGE, trigger=at_once, a=-offset, b=SIDEWAYS, c=lane),
        )
        cast.keep_clear(path, opening.along, along + length + 5.0)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedCarPullsOut(Event):
    """A car parked at the kerb on the ego's side pulls out in front of it.

    Sources: CARLA parking_cut_in: acceleration 1-3 m/s^2, delay 0.5-2 s; NHTSA pre-crash 17
    (48 000 crashes a year, 0.81 %). Speeds and the time left to the ego are ours.

    Attributes:
        lead_time: Time before the ego would be level with it at which it sets off [s].
        pull_out: Its acceleration [m/s^2].
        speed: Speed it reaches [m/s].
        onset: Time from the begin until it sets off [s].
    """

    name: ClassVar[str] = "parked_car_pulls_out"
    script: ClassVar[type[Script]] = PullOutScript
    roles: ClassVar[tuple[str, ...]] = ("k",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.URBAN,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
    )
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed", "k.accel": "pull_out"}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 25.0), "m/s"),
        "lead_time": Limit(Range(1.0, 6.0), "s"),
        "pull_out": Limit(Range(0.5, 4.0), "m/s^2"),
        "speed": Limit(Range(2.0, 15.0), "m/s"),
        "onset": Limit(Range(0.2, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(20 / 3.6, 50 / 3.6))
    lead_time: Range = field(default=Range(2.2, 4.0))
    pull_out: Range = field(default=Range(1.0, 3.0))
    speed: Range = field(default=Range(20 / 3.6, 40 / 3.6))
    onset: Range = field(default=Range(0.5, 2.0))

    def draw(self, rng: np.random.Generator) -> PullOutScript:
        """Draw every number on its own."""
        return PullOutScript(
            ego_speed=self.ego_speed.draw(rng),
            lead_time=self.lead_time.draw(rng),
            pull_out=self.pull_out.draw(rng),
            speed=self.speed.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle that stood beside the ego's way moves into it, ahead.

        All must hold: within the last LASTS it stood clear of the strip that the ego sweeps, less
        than a lane's width beside it; now its box reaches into the strip, it moves and points along
        the lane within SAME_WAY; its centre is ahead of the ego's front bumper, the gap below
        MAX_HEADWAY of the ego's travel (at least MAX_GAP).
        """
        del options  # it has none
        (k,) = actors
        frame, half, there = view.ego_path, view.half_lateral(EGO), view.both(EGO, k)
        apart = np.abs(frame.offset[:, k] - frame.offset[:, EGO])
        overlap = half[:, k] + half[:, EGO] - apart
        moving = view.states.speed[:, k] - MOVING
        beside = 2.0 * frame.half_width[:, k] + overlap
        stood = recently(known(there, all_of(-moving, -overlap, beside)), LASTS, frame.group)
        along = 10.0 * (SAME_WAY - np.abs(frame.heading_error[:, k]))
        front = frame.ahead[:, k] - view.half_longitudinal(EGO)[:, EGO]
        near = headway_reach(view) - view.gap(EGO, k)
        return known(there, all_of(stood, overlap, moving, along, front, near))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that both stand and move."""
        speed = np.where(view.valid, view.states.speed, MOVING)
        both = np.any(speed < MOVING, axis=0) & np.any(speed > MOVING, axis=0)
        return [(k,) for k in view.motor_vehicles().tolist() if bool(both[k])]
