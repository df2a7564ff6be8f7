"""Slower lead: the ego comes up on a vehicle that stands in its lane or goes much slower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.approaching import LEAST_CLOSING, forces_braking, late_driver
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.following import ALIGNED
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, smoothed
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import RoadKind, RoadMap

STANDS = 0.5
"""Below this speed a vehicle is stopped [m/s]."""
STEADY = 1.0
"""A vehicle that changes its speed faster than this is not slow but braking [m/s^2]."""
AVERAGED = 1.0
"""Speed changes are averaged over this long [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowerLeadScript(Script):
    """A concrete approach.

    Attributes:
        lead: Whether the vehicle ahead is "stopped" or "slower".
        speed: Its speed [m/s].
        ttc: Time to collision at the start [s].
    """

    event: ClassVar[str] = "slower_lead"
    lead: str
    speed: float
    ttc: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with room for the approach and the braking."""
        gap = (self.ego_speed - self.speed) * self.ttc
        return through_stretches(roadmap, gap + self.speed * 2.0 * self.ttc + 25.0, self.ego_speed)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the vehicle ahead at the drawn time to collision."""
        del rng  # nothing is left to chance
        gap = (opening.speed - self.speed) * self.ttc
        along = opening.front + gap + SIZE[AgentKind.CAR][0] / 2
        if gap <= 0 or along + 5.0 > opening.path.length_to_junction:
            return None
        cast = opening.cast(driver=late_driver(opening.speed, opening.speed - self.speed))
        if self.lead == "stopped":
            cast.stand(AgentKind.CAR, opening.path.pose(along), role="l")
        else:
            cast.drive(opening.path, along, self.speed, role="l", ignores=Ignores.LEADERS)
        cast.keep_clear(opening.path, opening.along, along)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowerLead(Event):
    """The ego comes up on a stopped or much slower vehicle and brakes late.

    Sources: Euro NCAP CCRs (target stopped, ego 10-80 km/h) and CCRm (target at 20 km/h, ego 30-80
    km/h); NHTSA pre-crash 26, lead vehicle stopped (975 000 crashes a year, 16.41 %), and 24, lead
    vehicle moving slower (210 000, 3.53 %). Approaches below LEAST_CLOSING are not drawn. The
    time to collision at the start is ours: long enough to see the approach within a scenario.

    Attributes:
        speed: Speed of the vehicle ahead [m/s]; 0 where it is stopped.
        closing: Speed difference at the start [m/s].
        ttc: Time to collision at the start [s].
    """

    name: ClassVar[str] = "slower_lead"
    script: ClassVar[type[Script]] = SlowerLeadScript
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
        "l.speed": "speed",
        "closing(ego,l)": "closing",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"lead": ("stopped", "slower")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 45.0), "m/s"),
        "speed": Limit(Range(0.0, 30.0), "m/s"),
        "closing": Limit(Range(LEAST_CLOSING, 45.0), "m/s"),
        "ttc": Limit(Range(1.0, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 80 / 3.6))
    speed: Range = field(default=Range(0.0, 20 / 3.6))
    closing: Range = field(default=Range(LEAST_CLOSING, 80 / 3.6))
    ttc: Range = field(default=Range(3.0, 5.0))

    def draw(self, rng: np.random.Generator) -> SlowerLeadScript:
        """Draw speeds that agree with each other and with the option."""

        def sample(rng: np.random.Generator) -> SlowerLeadScript:
            lead = self.option("lead", rng)
            return SlowerLeadScript(
                ego_speed=self.ego_speed.draw(rng),
                lead=lead,
                speed=0.0 if lead == "stopped" else self.speed.draw(rng),
                ttc=self.ttc.draw(rng),
            )

        def agrees(s: SlowerLeadScript) -> bool:
            moves = s.lead == "stopped" or s.speed > 2.0 * STANDS
            return moves and s.speed in self.speed and s.ego_speed - s.speed in self.closing

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while the ego must brake hard for a vehicle ahead that does not brake itself.

        All must hold: the vehicle forces the ego to brake (see `approaching.forces_braking`), it
        is aligned with the ego's lane, and its speed, averaged over AVERAGED, changes by less
        than STEADY. It is stopped below STANDS, else slower.
        """
        (lead,) = actors
        s = view.states
        steady = STEADY - np.abs(smoothed(view.acceleration[:, lead], AVERAGED))
        aligned = 10.0 * (ALIGNED - np.abs(view.ego_path.heading_error[:, lead]))
        margin = all_of(forces_braking(view, lead), steady, aligned)
        if "lead" in options:
            still = STANDS - s.speed[:, lead]
            margin = all_of(margin, still if options["lead"] == "stopped" else -still)
        return known(view.both(EGO, lead), margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that force the ego to brake at some time."""
        return [(j,) for j in view.motor_vehicles().tolist() if forces_braking(view, j).max() > 0]
