"""Backing vehicle: a car backs out of a driveway into the ego's way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import STRAIGHT, kerb_offset, walking_stretches
from scenegen.events.event import Event, Script
from scenegen.events.following import headway_reach
from scenegen.events.jaywalker import SIDES
from scenegen.events.kinematics import time_to_walk
from scenegen.events.openings import Opening, Stretch
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import RoadKind, RoadMap

BEHIND_KERB = 0.4
"""Distance from the kerb to the tail of the car that waits [m]."""
FARTHEST = 7.0
"""Kerbs farther from the ego's path than this are not backed over [m]."""
CURVATURE = 0.09
"""Curvature of the way out [1/m]: the steering lock of a car gives 0.25."""
BACKWARDS = 0.3
"""Slower motion is no backing [m/s]."""
LASTS = 3.0
"""A vehicle counts as backing for this long after it stopped [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingVehicleScript(Script):
    """A concrete car that backs out.

    Attributes:
        side: Side of the road it comes from, "near" (the ego's right) or "far".
        speed: Speed it reaches backwards [m/s].
        acceleration: How it gets there [m/s^2].
        lead_time: Time before the ego would be level with it at which its tail is in the ego's
            way [s].
        onset: Time from the begin until it sets off [s].
    """

    event: ClassVar[str] = "backing_vehicle"
    side: str
    speed: float
    acceleration: float
    lead_time: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Streets that reach beyond the driveway."""
        return walking_stretches(roadmap, self.ego_speed, self.lead_time + self.onset + 3.0)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the car behind the kerb, its tail to the road; it sets off when the ego is near."""
        del rng  # nothing is left to chance
        path, (length, _, _) = opening.path, SIZE[AgentKind.CAR]
        sign = SIDES[self.side]
        guess = opening.front + opening.speed * (self.lead_time + self.onset + 2.0)
        kerb = kerb_offset(path, guess, sign)
        if kerb is None or abs(kerb) > FARTHEST:
            return None
        reach = abs(kerb) + BEHIND_KERB - opening.ego_size[1] / 2
        lead = self.lead_time + time_to_walk(reach, self.speed, self.acceleration)
        along = opening.front + opening.speed * (lead + self.onset)
        kerb = kerb_offset(path, along, sign)
        if kerb is None or abs(kerb) > FARTHEST or along + 20.0 > path.length_to_junction:
            return None
        if path.bend(max(along - 40.0, 0.0), along + 10.0) > STRAIGHT:
            return None
        x, y, yaw = path.pose(along, kerb + sign * (BEHIND_KERB + length / 2))
        away = math.remainder(yaw + sign * math.pi / 2, math.tau)
        cast = opening.cast()
        car = cast.stand(AgentKind.CAR, (x, y, away), role="k")
        # It turns its nose the way it will drive off: along the lane nearest to its kerb.
        back = Maneuver(
            kind=ManeuverKind.REVERSE,
            trigger=Trigger(kind=TriggerKind.ARRIVAL, threshold=lead, other=EGO),
            a=self.speed,
            b=self.acceleration,
            c=-CURVATURE,
            d=abs(kerb) + BEHIND_KERB + length / 2,
        )
        cast.act(car, back)
        cast.keep_clear(path, opening.along, along + length)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingVehicle(Event):
    """A car backs out of a driveway into the ego's lane, close ahead.

    Sources: NHTSA pre-crash 15, backing up into another vehicle (131 000 crashes a year, 2.20 %);
    reversing at 3-15 km/h. Its acceleration and the time left to the ego are ours.

    Attributes:
        speed: Speed it reaches backwards [m/s].
        acceleration: How it gets there [m/s^2].
        lead_time: Time before the ego would be level with it at which its tail is in the ego's
            way [s].
        onset: Time from the begin until it sets off [s].
    """

    name: ClassVar[str] = "backing_vehicle"
    script: ClassVar[type[Script]] = BackingVehicleScript
    roles: ClassVar[tuple[str, ...]] = ("k",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.URBAN,
        RoadKind.RURAL,
        RoadKind.T_JUNCTION,
        RoadKind.INTERSECTION,
    )
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"from": ("near", "far")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 30.0), "m/s"),
        "speed": Limit(Range(0.5, 6.0), "m/s"),
        "acceleration": Limit(Range(0.3, 3.0), "m/s^2"),
        "lead_time": Limit(Range(0.2, 6.0), "s"),
        "onset": Limit(Range(0.2, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(20 / 3.6, 60 / 3.6))
    speed: Range = field(default=Range(3 / 3.6, 15 / 3.6))
    acceleration: Range = field(default=Range(0.8, 2.0))
    lead_time: Range = field(default=Range(1.2, 2.8))
    onset: Range = field(default=Range(0.5, 1.5))

    def draw(self, rng: np.random.Generator) -> BackingVehicleScript:
        """Draw every number on its own."""
        return BackingVehicleScript(
            ego_speed=self.ego_speed.draw(rng),
            side=self.option("from", rng),
            speed=self.speed.draw(rng),
            acceleration=self.acceleration.draw(rng),
            lead_time=self.lead_time.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle that drives backwards is in the ego's way, ahead.

        All must hold: within the last LASTS it drove backwards, faster than BACKWARDS; its box
        reaches into the strip that the ego sweeps; its centre is ahead of the ego's front bumper,
        the gap below MAX_HEADWAY of the ego's travel (at least MAX_GAP). With the option `from`
        its centre was on that side when it began to be in the way.
        """
        (k,) = actors
        frame, half, there = view.ego_path, view.half_lateral(EGO), view.both(EGO, k)
        aside = frame.offset[:, k] - frame.offset[:, EGO]
        overlap = half[:, k] + half[:, EGO] - np.abs(aside)
        backing = recently(known(there, -view.states.speed[:, k] - BACKWARDS), LASTS)
        front = frame.ahead[:, k] - view.half_longitudinal(EGO)[:, EGO]
        near = headway_reach(view) - view.gap(EGO, k)
        margin = known(there, all_of(backing, overlap, front, near))
        if "from" in options and (margin > 0).any():
            first = int(np.argmax(margin > 0))
            came = float(SIDES[options["from"]] * aside[first])
            margin = all_of(margin, np.full(view.steps, came))
        return margin

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that drive backwards at some time."""
        slowest = np.where(view.valid, view.states.speed, 0.0).min(axis=0)
        return [(k,) for k in view.motor_vehicles().tolist() if slowest[k] < -BACKWARDS]
