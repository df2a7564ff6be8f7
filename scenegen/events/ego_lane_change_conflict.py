"""Ego lane change conflict: the ego moves over in front of a faster vehicle in the next lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.approaching import NEAREST, late_driver
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import path_beside
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, RoadKind, RoadMap

CRITICAL = 3.35
"""Deceleration rate to avoid a crash from which a conflict is critical [m/s^2] (Archer 2005)."""
LASTS = 4.0
"""A lane change matters for this long after the ego's box was in its old lane alone [s]."""
STEADY = 0.5
"""Who moves sideways faster than this changes lanes itself [m/s]."""
STRAIGHT = np.radians(8.0)
"""The road turns less than this where the ego changes lanes [rad]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgoLaneChangeConflictScript(Script):
    """A concrete lane change of the ego.

    Attributes:
        side: Where the ego moves, "left" or "right".
        closing: Speed of the vehicle behind minus that of the ego [m/s].
        ttc: Time to collision when the ego's box reaches the line [s].
        lateral_speed: Peak lateral speed of the ego [m/s].
        onset: Time until the ego begins to move over [s].
    """

    event: ClassVar[str] = "ego_lane_change_conflict"
    side: str
    closing: float
    ttc: float
    lateral_speed: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with a lane on the side, road behind the ego, and ahead for the change."""
        lasts = self.onset + 8.0 / self.lateral_speed
        return through_stretches(
            roadmap,
            self.ego_speed * lasts + 20.0,
            self.ego_speed,
            lambda lane: getattr(lane, self.side) != NO_LANE,
            margin=self.closing * (self.ttc + lasts) + 10.0,
        )

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the faster one behind in the next lane, and script the ego's lane change."""
        del rng  # nothing is left to chance
        path, (length, width) = opening.path, opening.ego_size
        beside = path_beside(path, opening.along, self.side)
        if beside is None or path.bend(opening.along, opening.along + 100.0) > STRAIGHT:
            return None
        x, y, _ = path.pose(opening.along)
        level, away = beside.place(x, y)
        to_line = (path.width_at(opening.along) - width) / 2
        before = self.onset + time_to_shift(away, self.lateral_speed, to_line)
        gap = self.closing * (self.ttc + before)
        along = level - length / 2 - gap - SIZE[AgentKind.CAR][0] / 2
        if along < SIZE[AgentKind.CAR][0] / 2 + 1.0:
            return None
        cast = opening.cast()
        change = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=Trigger(kind=TriggerKind.TIME, threshold=self.onset),
            a=-away,
            b=self.lateral_speed,
            c=beside.lane_at(level),
        )
        cast.act(EGO, change)
        speed = opening.speed + self.closing
        cast.drive(beside, along, speed, role="r", driver=late_driver(speed, self.closing))
        cast.keep_clear(beside, along, level + 2.0 * speed)
        cast.keep_clear(path, opening.along, opening.along + 2.0 * opening.speed)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class EgoLaneChangeConflict(Event):
    """The ego changes lanes in front of a vehicle that comes from behind much faster.

    The ego's lane change is scripted; where an environment takes the ego over, its driver decides.
    Sources: NHTSA pre-crash 18, changing lanes in the same direction (338 000 crashes a year,
    5.69 %); UN R157, 5.2.6: a lane change must not make the approaching vehicle brake harder than
    3 m/s^2 after 0.4 s; Archer 2005: conflicts are critical from a deceleration rate to avoid a
    crash of 3.35 m/s^2, CRITICAL; lateral speeds as for cut-ins. The other numbers are ours.

    Attributes:
        closing: Speed of the vehicle behind minus that of the ego [m/s].
        ttc: Time to collision when the ego's box reaches the line [s].
        drac: Deceleration with which the vehicle behind would just avoid a crash then [m/s^2].
        lateral_speed: Peak lateral speed of the ego [m/s].
        onset: Time from the begin until the ego begins to move over [s].
    """

    name: ClassVar[str] = "ego_lane_change_conflict"
    script: ClassVar[type[Script]] = EgoLaneChangeConflictScript
    roles: ClassVar[tuple[str, ...]] = ("r",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.URBAN)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "closing(r,ego)": "closing",
        "ttc(r,ego)": "ttc",
        "drac(r,ego)": "drac",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("left", "right")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(5.0, 45.0), "m/s"),
        "closing": Limit(Range(4.0, 25.0), "m/s"),
        "ttc": Limit(Range(0.3, 4.0), "s"),
        "drac": Limit(Range(1.0, 12.0), "m/s^2"),
        "lateral_speed": Limit(Range(0.5, 3.2), "m/s"),
        "onset": Limit(Range(0.2, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(40 / 3.6, 110 / 3.6))
    closing: Range = field(default=Range(7.0, 15.0))
    ttc: Range = field(default=Range(0.7, 2.0))
    drac: Range = field(default=Range(3.0, 8.0))
    lateral_speed: Range = field(default=Range(1.0, 2.2))
    onset: Range = field(default=Range(0.5, 1.5))

    def draw(self, rng: np.random.Generator) -> EgoLaneChangeConflictScript:
        """Draw numbers for which the needed deceleration, closing / (2 ttc), lies in its range."""

        def sample(rng: np.random.Generator) -> EgoLaneChangeConflictScript:
            return EgoLaneChangeConflictScript(
                ego_speed=self.ego_speed.draw(rng),
                side=self.option("side", rng),
                closing=self.closing.draw(rng),
                ttc=self.ttc.draw(rng),
                lateral_speed=self.lateral_speed.draw(rng),
                onset=self.onset.draw(rng),
            )

        return draw_coupled(self.name, rng, sample, lambda s: s.closing / (2 * s.ttc) in self.drac)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle must brake hard because the ego moved into its lane just now.

        All must hold: the ego's box reaches into the lane of the other, ahead of it, and was beside
        that lane within the last LASTS; the other moves sideways in its own lane slower than
        STEADY; it just avoids a crash with a deceleration above CRITICAL, closing^2 / (2 gap). With
        the option `side` the ego was on the other side of the lane before.
        """
        (r,) = actors
        frame, there = view.lane_frame(r), view.both(EGO, r)
        depth = view.intrusion(r, EGO)
        beside = known(there, -depth)
        if "side" in options:
            sign = {"left": -1.0, "right": 1.0}[options["side"]]
            beside = all_of(beside, sign * frame.offset[:, EGO])
        gap = view.gap(r, EGO)
        closing = np.maximum(view.closing(r, EGO), 0.0)
        needs = closing**2 / (2.0 * np.maximum(gap, NEAREST)) - CRITICAL
        sideways = np.abs(view.states.speed[:, r] * np.sin(frame.heading_error[:, r]))
        came = recently(beside, LASTS, frame.group)
        streets = np.where(view.in_junction[:, EGO] | view.in_junction[:, r], -1.0, 1.0)
        return known(there, all_of(depth, came, gap, needs, STEADY - sideways, streets))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles behind the ego that are faster at some time."""
        ahead, faster = view.ego_path.ahead, view.states.speed > view.states.speed[:, [EGO]]
        return [
            (r,)
            for r in view.motor_vehicles().tolist()
            if (view.both(EGO, r) & (ahead[:, r] < 0) & faster[:, r]).any()
        ]
