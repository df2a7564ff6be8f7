"""Lead hard brake: the vehicle ahead brakes far harder than traffic does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.following import MAX_HEADWAY, follower, leads
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, smoothed
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import RoadKind, RoadMap

HARD = 3.5
"""Braking beyond this is hard [m/s^2]: adaptive cruise control may not brake harder at speed
(ISO 15622)."""
HARDEST = 9.0
"""Strongest braking of simulated vehicles [m/s^2], about what a dry road gives."""
LEAST_DROP = 4.5
"""A script brakes by at least this much [m/s], so that the average can exceed HARD."""
SUSTAINED = 1.0
"""Braking is averaged over this long [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadHardBrakeScript(Script):
    """A concrete hard brake.

    Attributes:
        gap: Bumper-to-bumper distance at the start [m].
        lead_acceleration: Acceleration of the leader, negative [m/s^2].
        final_speed: Speed to which it brakes [m/s].
        onset: Time until it brakes [s].
    """

    event: ClassVar[str] = "lead_hard_brake"
    gap: float
    lead_acceleration: float
    final_speed: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with room for the leader to brake."""
        braking = self.ego_speed**2 / (2.0 * -self.lead_acceleration)
        length = self.ego_speed * self.onset + braking + self.gap + 20.0
        return through_stretches(roadmap, length, self.ego_speed)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the leader at the drawn gap, at the ego's speed."""
        del rng  # nothing is left to chance
        along = opening.front + self.gap + SIZE[AgentKind.CAR][0] / 2
        cast = opening.cast(driver=follower(opening.speed, self.gap))
        lead = cast.drive(opening.path, along, opening.speed, role="l", ignores=Ignores.LEADERS)
        trigger = Trigger(kind=TriggerKind.TIME, threshold=self.onset)
        brake = Maneuver(
            kind=ManeuverKind.SPEED, trigger=trigger, a=self.final_speed, b=-self.lead_acceleration
        )
        cast.act(lead, brake)
        cast.keep_clear(opening.path, opening.along, along + opening.speed * self.onset)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadHardBrake(Event):
    """The vehicle that the ego follows brakes hard.

    Sources: UN R157 deceleration; JRC-FSM: lead deceleration 0.05-1.0 g at 12-130 km/h, of which
    the part from 4.5 m/s^2 to HARDEST is drawn; Euro NCAP CCRb: both 50 km/h, gap 12 or 40 m, -2 or
    -6 m/s^2; UN R157 5.2.3.3: time gap 1.0-1.6 s. NHTSA pre-crash 25 (428 000 crashes a year,
    7.20 %).

    Attributes:
        gap: Bumper-to-bumper distance at the start [m].
        time_headway: Gap over speed at the start [s].
        lead_acceleration: Acceleration of the leader, negative [m/s^2].
        final_speed: Speed to which it brakes [m/s].
        onset: Time from the begin to the braking [s].
    """

    name: ClassVar[str] = "lead_hard_brake"
    script: ClassVar[type[Script]] = LeadHardBrakeScript
    roles: ClassVar[tuple[str, ...]] = ("l",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.HIGHWAY,
        RoadKind.RURAL,
        RoadKind.URBAN,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "gap(ego,l)": "gap",
        "thw(ego,l)": "time_headway",
        "l.accel": "lead_acceleration",
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 60.0), "m/s"),
        "gap": Limit(Range(1.0, 150.0), "m"),
        "time_headway": Limit(Range(0.1, MAX_HEADWAY - 0.5), "s"),
        "lead_acceleration": Limit(Range(-HARDEST, -HARD), "m/s^2"),
        "final_speed": Limit(Range(0.0, 30.0), "m/s"),
        "onset": Limit(Range(0.5, 20.0), "s"),
    }
    ego_speed: Range = field(default=Range(20 / 3.6, 130 / 3.6))
    gap: Range = field(default=Range(5.0, 80.0))
    time_headway: Range = field(default=Range(0.6, 1.6))
    lead_acceleration: Range = field(default=Range(-HARDEST, -4.5))
    final_speed: Range = field(default=Range(0.0, 0.0))
    onset: Range = field(default=Range(1.5, 3.0))

    def draw(self, rng: np.random.Generator) -> LeadHardBrakeScript:
        """Draw speed and gap so that gap and headway agree and there is something to brake."""

        def sample(rng: np.random.Generator) -> LeadHardBrakeScript:
            ego_speed = self.ego_speed.draw(rng)
            implied = Range(self.time_headway.low * ego_speed, self.time_headway.high * ego_speed)
            return LeadHardBrakeScript(
                ego_speed=ego_speed,
                gap=(self.gap.intersect(implied) or self.gap).draw(rng),
                lead_acceleration=self.lead_acceleration.draw(rng),
                final_speed=self.final_speed.draw(rng),
                onset=self.onset.draw(rng),
            )

        def agrees(s: LeadHardBrakeScript) -> bool:
            return (
                s.gap / s.ego_speed in self.time_headway
                and s.final_speed < s.ego_speed - LEAST_DROP
            )

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while the ego's leader brakes harder than HARD.

        All must hold: the vehicle leads the ego (see `following.leads`) and its acceleration,
        averaged over SUSTAINED, is below -HARD. The average keeps the noise of recorded tracks
        from counting as braking.
        """
        del options  # it has none
        (lead,) = actors
        braking = -smoothed(view.acceleration[:, lead], SUSTAINED) - HARD
        return known(view.both(EGO, lead), all_of(leads(view, lead), braking))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that brake hard at some time."""
        hard = np.any(view.valid & (view.acceleration < -HARD), axis=0).tolist()
        return [(j,) for j in view.motor_vehicles().tolist() if hard[j]]
