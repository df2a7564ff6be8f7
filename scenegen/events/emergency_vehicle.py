"""Emergency vehicle: one with blue light and siren comes up on the ego from behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast, Driver
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently, soon
from scenegen.scene.agents import EGO, AgentKind
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import NO_LANE, Lane, RoadKind, RoadMap

VEHICLES = {
    "car": (AgentKind.CAR, (4.9, 1.9, 1.8)),
    "ambulance": (AgentKind.TRUCK, (6.2, 2.1, 2.7)),
    "fire_engine": (AgentKind.TRUCK, (8.6, 2.5, 3.3)),
}
"""Kind and size of each vehicle [m]."""
GAINING = 2.0
"""Who is this much faster than the ego comes up on it [m/s]."""
CLOSE = 60.0
"""Distance behind the ego within which it matters [m] (CARLA yield_to_emergency_vehicle: 50 m)."""
LANE_WIDTHS = 1.5
"""Sideways reach within which it passes, in lane widths."""
LASTS = 2.0
"""It matters for this long after it came up [s]."""
YIELDS_WITHIN = 12.0
"""An ego that yields has left the lane within this time [s]."""
URGENT = Ignores.SIREN | Ignores.SIGNALS | Ignores.PRIORITY
"""Rules that do not hold for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyVehicleScript(Script):
    """A concrete approach of an emergency vehicle.

    Attributes:
        vehicle: "car", "ambulance" or "fire_engine".
        yields: "yes" if the ego's driver makes way when it can, "no" if it stays in the lane.
        closing: How much faster than the ego the other would like to go [m/s].
        arrival: Time until it would be at the ego's bumper [s].
    """

    event: ClassVar[str] = "emergency_vehicle"
    vehicle: str
    yields: str
    closing: float
    arrival: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Roads with a second lane and room behind the ego."""
        length = 6.0 * self.ego_speed + 20.0
        behind = self.closing * self.arrival + 15.0

        def suits(lane: Lane) -> bool:
            return lane.left != NO_LANE or lane.right != NO_LANE

        return through_stretches(roadmap, length, self.ego_speed, suits, behind)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the other behind the ego in its lane."""
        del rng  # nothing is left to chance
        kind, size = VEHICLES[self.vehicle]
        speed = opening.speed + self.closing
        tail = opening.along - opening.ego_size[0] / 2
        along = tail - self.closing * self.arrival - size[0] / 2
        if along < size[0]:
            return None
        polite = 0.2 if self.yields == "yes" else None
        cast = opening.cast(driver=Driver(desired_speed=opening.speed, politeness=polite))
        hurry = Driver(desired_speed=speed, time_headway=0.5, acceleration=2.0, deceleration=4.0)
        cast.drive(
            opening.path, along, speed, role="e", kind=kind, driver=hurry, ignores=URGENT, size=size
        )
        cast.keep_clear(opening.path, along, opening.along)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyVehicle(Event):
    """A vehicle with blue light and siren comes up on the ego in its lane, faster than the traffic.

    Drivers ahead of it in its lane change lanes as soon as a gap allows; the ego does or does not.
    Sources: 5-15 m/s faster than the flow; CARLA yield_to_emergency_vehicle: 25 km/h faster, heard
    at 50 m; UN R157, 5.1.2 asks an automated lane keeping system to react. The rest is ours.

    Attributes:
        closing: How much faster than the ego the other would like to go [m/s].
        arrival: Time from the begin until it would be at the ego's bumper [s].
    """

    name: ClassVar[str] = "emergency_vehicle"
    script: ClassVar[type[Script]] = EmergencyVehicleScript
    roles: ClassVar[tuple[str, ...]] = ("e",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.URBAN)
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed", "closing(e,ego)": "closing"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "yields": ("yes", "no"),
        "vehicle": tuple(VEHICLES),
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 50.0), "m/s"),
        "closing": Limit(Range(2.0, 25.0), "m/s"),
        "arrival": Limit(Range(2.0, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(30 / 3.6, 110 / 3.6))
    closing: Range = field(default=Range(5.0, 15.0))
    arrival: Range = field(default=Range(3.0, 5.5))

    def draw(self, rng: np.random.Generator) -> EmergencyVehicleScript:
        """Draw every number on its own."""
        return EmergencyVehicleScript(
            ego_speed=self.ego_speed.draw(rng),
            vehicle=self.option("vehicle", rng),
            yields=self.option("yields", rng),
            closing=self.closing.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle with a siren comes up behind the ego, and LASTS longer.

        All must hold: it has a siren (`Scenario.sirens`); within the last LASTS it was behind the
        ego, nearer than CLOSE, on the ego's road within LANE_WIDTHS, and faster than the ego by
        GAINING. With the option `yields` the ego does, or does not, leave the other's lane path
        within YIELDS_WITHIN; `vehicle` tells a car from the larger ones by its length.
        """
        (e,) = actors
        there = view.both(EGO, e)
        siren = np.full(view.steps, 1.0 if e in view.scenario.sirens else -1.0)
        frame = view.ego_path
        gap = -frame.ahead[:, e] - view.half_longitudinal(EGO)[:, [EGO, e]].sum(axis=1)
        width = 2.0 * frame.half_width[:, e]
        beside = LANE_WIDTHS * width - np.abs(frame.offset[:, e])
        gains = view.states.speed[:, e] - view.states.speed[:, EGO] - GAINING
        came = recently(known(there, all_of(gap, CLOSE - gap, beside, gains)), LASTS)
        margin = all_of(came, siren)
        if "vehicle" in options:
            length = float(view.states.size[:, e, 0].max())
            nearest = min(VEHICLES, key=lambda name: abs(VEHICLES[name][1][0] - length))
            margin = all_of(margin, siren if nearest == options["vehicle"] else -np.abs(siren))
        if "yields" in options:
            left = soon(known(there, -view.intrusion(e, EGO)), YIELDS_WITHIN)
            margin = all_of(margin, left if options["yields"] == "yes" else -left)
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Those with a siren."""
        return [(e,) for e in view.scenario.sirens if e != EGO]
