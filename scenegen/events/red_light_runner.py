"""Red-light runner: a vehicle crosses the ego's way through a junction against a red signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.conflict_areas import Conflict, conflicts
from scenegen.events.event import Event, Script
from scenegen.events.junction_script import JunctionScript, keep_both_clear
from scenegen.events.meeting import SETTLED, crosses_ahead, shows
from scenegen.events.openings import Opening
from scenegen.events.ranges import Limit, Range
from scenegen.events.stop_lines import red_crossing
from scenegen.events.tracks import Tracks
from scenegen.events.windows import FAR, all_of, known, recently, soon
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import RoadKind, RoadMap
from scenegen.scene.signals import SignalState

SQUARE = (np.radians(45.0), np.radians(135.0))
"""Angles between crossing directions [rad]."""
LASTS = 5.0
"""A run goes on for this long after the stop line [s]."""
IN_THE_WAY = 60.0
"""The runner crosses the ego's lane at most this far ahead of it [m]."""
CLOSE_CALL = 2.0
"""Longest time between the two at a place that the ego passes first [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedLightRunnerScript(JunctionScript):
    """A concrete red-light runner; it is "runner" or "ego" that is first."""

    event: ClassVar[str] = "red_light_runner"

    @staticmethod
    def ways(roadmap: RoadMap) -> tuple[Conflict, ...]:
        """Approaches to signalled junctions with a crossing road."""
        return _signalled_crossings(roadmap)

    def meet(self, opening: Opening, way: Conflict) -> Cast | None:
        """Put the runner where it meets the ego, if the ego has green and the runner red then."""
        roadmap, half = opening.path.roadmap, SIZE[AgentKind.CAR][0] / 2
        along = self.meeting(opening).other_along(way, opening.front, opening.ego_size[0])
        runs_at = (way.other_stop - along - half) / self.speed
        leaves = (way.ego_stop - opening.front) / opening.speed
        if not half + 1.0 <= along <= way.other_stop - half - 5.0:
            return None
        if not shows(roadmap, way.ego_lane, 0.0, leaves, SignalState.GREEN):
            return None
        if not shows(roadmap, way.other_lane, runs_at - SETTLED, runs_at + 0.3, SignalState.RED):
            return None
        cast = opening.cast(ignores=Ignores.PRIORITY)
        rules = Ignores.SIGNALS | Ignores.PRIORITY
        cast.drive(way.other, along, self.speed, role="r", ignores=rules)
        return keep_both_clear(cast, way, opening.along, along)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedLightRunner(Event):
    """The ego drives through on green while a vehicle runs its red light on the crossing road.

    The ego's driver trusts the green light: it reacts to the runner only once that is in its way.
    Sources: NHTSA pre-crash 4, running a red light (254 000 crashes a year, 4.27 %); CARLA
    opposite_vehicle_taking_priority: 60 km/h; Euro NCAP CCCscp: up to 60 km/h each.

    Attributes:
        speed: Speed of the runner [m/s].
        pet: Post-encroachment time if nobody reacts [s]; negative: a crash.
        arrival: Time from the begin until the ego reaches the conflict area [s].
    """

    name: ClassVar[str] = "red_light_runner"
    script: ClassVar[type[Script]] = RedLightRunnerScript
    roles: ClassVar[tuple[str, ...]] = ("r",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.INTERSECTION,)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "r.speed": "speed",
        "pet(ego,r)": "pet",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"first": ("runner", "ego")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 30.0), "m/s"),
        "speed": Limit(Range(3.0, 35.0), "m/s"),
        "pet": Limit(Range(-2.0, 3.0), "s"),
        "arrival": Limit(Range(1.5, 12.0), "s"),
    }
    ego_speed: Range = field(default=Range(30 / 3.6, 60 / 3.6))
    speed: Range = field(default=Range(30 / 3.6, 70 / 3.6))
    pet: Range = field(default=Range(-0.4, 1.0))
    arrival: Range = field(default=Range(3.0, 5.0))

    def draw(self, rng: np.random.Generator) -> RedLightRunnerScript:
        """Draw every number on its own."""
        return RedLightRunnerScript(
            ego_speed=self.ego_speed.draw(rng),
            first=self.option("first", rng),
            speed=self.speed.draw(rng),
            pet=self.pet.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold from the stop line until LASTS later.

        All must hold: within the last LASTS the runner's front crossed the stop line of a signal
        that was red; and either its box crosses the ego's lane ahead of it within LASTS before or
        after now (see `meeting.crosses_ahead`), or the two cover a common place within CLOSE_CALL
        of each other. The option `first` is about who was first at a place both passed.
        """
        (r,) = actors
        there = view.both(EGO, r)
        run = recently(known(view.valid[:, r], red_crossing(view, r)), LASTS)
        crossing = crosses_ahead(view, r, IN_THE_WAY)
        ahead = np.maximum(recently(crossing, LASTS), soon(crossing, LASTS))
        behind = CLOSE_CALL - min(view.encroachment(EGO, r), FAR)
        margin = all_of(run, np.maximum(ahead, behind))
        if "first" in options:
            lead = view.encroachment_lead(r, EGO)
            lead = lead if options["first"] == "runner" else -lead
            margin = all_of(margin, np.full(view.steps, lead))
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that cross a stop line at red."""
        if not view.roadmap.signals:
            return []
        return [(r,) for r in view.motor_vehicles().tolist() if (red_crossing(view, r) > 0).any()]


@lru_cache(maxsize=64)
def _signalled_crossings(roadmap: RoadMap) -> tuple[Conflict, ...]:
    governed = set(roadmap.signal_of_lane)

    def suits(lane: int) -> bool:
        return lane in governed and roadmap.lanes[lane].turn == 0

    return tuple(conflicts(roadmap, suits, suits, SQUARE))
