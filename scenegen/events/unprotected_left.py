"""Unprotected left: the ego turns left across the path of an oncoming vehicle (LTAP/OD)."""

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
from scenegen.events.meeting import crosses_ahead, shows
from scenegen.events.openings import Opening
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import FAR, all_of, known, recently, soon
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.polylines import heading_at
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import RoadKind, RoadMap
from scenegen.scene.signals import SignalState

OPPOSITE = (np.radians(135.0), np.pi)
"""Angles between opposite directions [rad]."""
ONCOMING = np.radians(120.0)
"""Least angle between an oncoming vehicle and the ego as it enters the junction [rad]."""
CLOSE_CALL = 3.0
"""Longest time between the two at the same place [s]."""
CRITICAL_GAP = 4.1
"""Gap that drivers who turn left off a major road begin to accept [s] (HCM 2010, ch. 19)."""
IN_THE_WAY = 20.0
"""An oncoming vehicle crosses the ego's lane at most this far ahead of it [m]."""
MOVING = 1.0
"""Below this speed nobody is oncoming [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectedLeftScript(JunctionScript):
    """A concrete unprotected left turn; it is "ego" or "oncoming" that is first."""

    event: ClassVar[str] = "unprotected_left"

    @staticmethod
    def ways(roadmap: RoadMap) -> tuple[Conflict, ...]:
        """Approaches from which a left turn crosses an oncoming lane."""
        return _left_turns(roadmap)

    def meet(self, opening: Opening, way: Conflict) -> Cast | None:
        """Put the oncoming vehicle where it meets the ego, while neither is held by a signal."""
        roadmap, half = opening.path.roadmap, SIZE[AgentKind.CAR][0] / 2
        along = self.meeting(opening).other_along(way, opening.front, opening.ego_size[0])
        lines = (
            (way.ego_lane, (way.ego_stop - opening.front) / opening.speed),
            (way.other_lane, (way.other_stop - along - half) / self.speed),
        )
        if not half + 1.0 <= along <= way.other_stop - half - 2.0:
            return None
        if not all(shows(roadmap, k, 0.0, t, SignalState.GREEN) for k, t in lines):
            return None
        cast = opening.cast(ignores=Ignores.PRIORITY)
        cast.drive(way.other, along, self.speed, role="t")
        return keep_both_clear(cast, way, opening.along, along)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectedLeft(Event):
    """The ego turns left in front of, or close behind, an oncoming vehicle that goes straight on.

    The ego's driver does not give way: it misjudges the gap. Sources: Euro NCAP CCFtap: ego
    10-20 km/h, oncoming 30-60 km/h; NHTSA pre-crash 27 and 29, left turn across path from the
    opposite direction (410 000 crashes a year, 6.9 %).

    Attributes:
        speed: Speed of the oncoming vehicle [m/s].
        pet: Post-encroachment time if nobody reacts [s]; negative: a crash.
        arrival: Time from the begin until the ego reaches the conflict area [s].
    """

    name: ClassVar[str] = "unprotected_left"
    script: ClassVar[type[Script]] = UnprotectedLeftScript
    roles: ClassVar[tuple[str, ...]] = ("t",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.INTERSECTION, RoadKind.T_JUNCTION)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "t.speed": "speed",
        "pet(ego,t)": "pet",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"first": ("ego", "oncoming")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 12.0), "m/s"),
        "speed": Limit(Range(3.0, 30.0), "m/s"),
        "pet": Limit(Range(-2.0, CLOSE_CALL), "s"),
        "arrival": Limit(Range(1.5, 12.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 20 / 3.6))
    speed: Range = field(default=Range(30 / 3.6, 60 / 3.6))
    pet: Range = field(default=Range(-0.4, 1.5))
    arrival: Range = field(default=Range(1.8, 3.5))

    def draw(self, rng: np.random.Generator) -> UnprotectedLeftScript:
        """Draw every number on its own."""
        return UnprotectedLeftScript(
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
        """Hold while the ego turns left and an oncoming vehicle passes the same place soon.

        All must hold: the ego's box is on a junction lane that turns left; the vehicle points
        against the direction in which the ego entered by more than ONCOMING at some time in the
        junction, and moves; and it crosses the ego's lane ahead within IN_THE_WAY and CLOSE_CALL
        before or after now (see `meeting.crosses_ahead`), or the ego is in its lane less than
        CRITICAL_GAP ahead of it, or the two cover a common place within CLOSE_CALL of each
        other. The option `first` is about who was first at a place both passed.
        """
        (t,) = actors
        turning, entry = _left_turn(view)
        there = view.both(EGO, t)
        away = np.abs(wrap_angle(view.states.yaw[:, t] - entry))
        oncoming = all_of(10.0 * (away - ONCOMING), view.states.speed[:, t] - MOVING)
        against = float(known(there & (turning > -20.0), oncoming).max(initial=-FAR))
        crossing = crosses_ahead(view, t, IN_THE_WAY)
        ahead = np.maximum(recently(crossing, CLOSE_CALL), soon(crossing, CLOSE_CALL))
        passed = CLOSE_CALL - min(view.encroachment(EGO, t), FAR)
        meets = np.maximum.reduce([ahead, _takes_gap(view, t), np.full(view.steps, passed)])
        margin = all_of(turning, meets, np.full(view.steps, against))
        if "first" in options:
            lead = view.encroachment_lead(EGO, t)
            lead = lead if options["first"] == "ego" else -lead
            margin = all_of(margin, np.full(view.steps, lead))
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that point against the ego's way in while it is about to turn left."""
        turning, entry = _left_turn(view)
        if turning.max() <= 0:
            return []
        away = np.abs(wrap_angle(view.states.yaw - entry[:, None])) > ONCOMING
        seen = (away & view.valid).any(0)
        return [(t,) for t in view.motor_vehicles().tolist() if seen[t]]


@lru_cache(maxsize=64)
def _left_turns(roadmap: RoadMap) -> tuple[Conflict, ...]:
    lanes = roadmap.lanes
    return tuple(
        conflicts(roadmap, lambda k: lanes[k].turn > 0, lambda k: lanes[k].turn == 0, OPPOSITE)
    )


def _takes_gap(view: Tracks, t: int) -> FloatArray:
    """Margin of the ego being in the lane of t, too near ahead of it, shape (T,)."""
    gap = view.gap(t, EGO)
    spare = CRITICAL_GAP - gap / np.maximum(view.states.speed[:, t], MOVING)
    return known(view.both(EGO, t), all_of(view.intrusion(t, EGO), gap, spare))


def _left_turn(view: Tracks) -> tuple[FloatArray, FloatArray]:
    """How far the ego's box is inside a left turn [m], and the direction it entered [rad]."""
    frame = view.ego_path
    inside, entry = np.full(view.steps, -FAR), np.zeros(view.steps)
    half = view.states.size[:, EGO, 0] / 2
    for number, path in enumerate(frame.paths):
        rows = frame.group == number
        for k, lane in enumerate(path.lanes if path is not None else ()):
            road = view.roadmap.lanes[lane]
            if path is None or not road.in_junction or road.turn <= 0:
                continue
            begin, end = path.starts[k], path.starts[k + 1]
            into = all_of(frame.along + half - begin, end + half - frame.along)
            better = rows & (into > inside)
            inside[better] = into[better]
            entry[better] = heading_at(path.points, np.array(begin + 0.01))
    return known(view.valid[:, EGO], inside), entry
