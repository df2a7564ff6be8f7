"""Tailgater: a vehicle comes up from behind and follows the ego far too close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.following import ALIGNED, follower
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.roadmap import RoadKind, RoadMap

TOO_CLOSE = 1.0
"""Following with a shorter time headway is too close [s]: the least gap of UN R157, 5.2.3.3."""
MOVING = 5.0
"""Slower vehicles queue, they do not tailgate [m/s]."""
FALLS_BACK = 1.0
"""A vehicle that becomes slower than the ego by more than this keeps away [m/s]."""
LASTS = 1.0
"""Tailgating has gone on for this long [s]."""
APPROACH = 2.5
"""Time over which a script comes up from behind [s]."""
LATE_BRAKING = 6.0
"""Braking that a tailgater counts on [m/s^2]."""
DRIVE = 8.0
"""Road needed ahead of the ego [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailgaterScript(Script):
    """A concrete tailgater.

    Attributes:
        headway: Time headway at which it settles [s].
        closing: Speed at which it comes up from behind [m/s].
    """

    event: ClassVar[str] = "tailgater"
    headway: float
    closing: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with road behind the ego, and ahead for the whole event."""
        begin = self._gap(self.ego_speed) + 2.0 * SIZE[AgentKind.CAR][0]
        length = 0.5 * DRIVE * self.ego_speed
        return through_stretches(roadmap, length, self.ego_speed, margin=begin)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the tailgater behind the ego, faster than it by the drawn speed."""
        del rng  # nothing is left to chance
        rear = opening.along - opening.ego_size[0] / 2
        along = rear - self._gap(opening.speed) - SIZE[AgentKind.CAR][0] / 2
        if along < SIZE[AgentKind.CAR][0] / 2:
            return None
        driver = follower(opening.speed, self.headway * opening.speed, LATE_BRAKING)
        cast = opening.cast()
        cast.drive(opening.path, along, opening.speed + self.closing, role="f", driver=driver)
        cast.keep_clear(opening.path, along, opening.along + 2.0 * opening.speed)
        return cast

    def _gap(self, speed: float) -> float:
        return self.headway * speed + self.closing * APPROACH


@dataclass(frozen=True, slots=True, kw_only=True)
class Tailgater(Event):
    """A vehicle closes in from behind and stays at a very short headway.

    Sources: ISO 34502, following vehicle too close: time headway 0.2-0.8 s, closing 0-8 m/s; the
    rear-end types 22-26 of NHTSA's pre-crash typology with the ego as the struck vehicle. The
    ego's speed is ours: country road to motorway.

    Attributes:
        headway: Time headway at which the follower settles [s].
        closing: Speed at which it comes up from behind [m/s].
    """

    name: ClassVar[str] = "tailgater"
    script: ClassVar[type[Script]] = TailgaterScript
    roles: ClassVar[tuple[str, ...]] = ("f",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.HIGHWAY,
        RoadKind.RURAL,
        RoadKind.URBAN,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "thw(f,ego)": "headway",
        "closing(f,ego)": "closing",
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(6.0, 50.0), "m/s"),
        "headway": Limit(Range(0.15, TOO_CLOSE), "s"),
        "closing": Limit(Range(0.0, 12.0), "m/s"),
    }
    ego_speed: Range = field(default=Range(30 / 3.6, 130 / 3.6))
    headway: Range = field(default=Range(0.2, 0.8))
    closing: Range = field(default=Range(0.0, 8.0))

    def draw(self, rng: np.random.Generator) -> TailgaterScript:
        """Draw every number on its own."""
        return TailgaterScript(
            ego_speed=self.ego_speed.draw(rng),
            headway=self.headway.draw(rng),
            closing=self.closing.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle has followed the ego too close for LASTS.

        All must have held throughout: its centre is inside the ego's lane, behind the ego and
        aligned with the lane within `following.ALIGNED`; both move faster than MOVING; its gap is
        less than TOO_CLOSE times its speed; it does not fall back faster than FALLS_BACK.
        """
        del options  # it has none
        (f,) = actors
        frame, speed = view.ego_path, view.states.speed
        inside = frame.half_width[:, f] - np.abs(frame.offset[:, f])
        aligned = 10.0 * (ALIGNED - np.abs(frame.heading_error[:, f]))
        moving = np.minimum(speed[:, f], speed[:, EGO]) - MOVING
        near = TOO_CLOSE - view.gap(f, EGO) / np.maximum(speed[:, f], MOVING)
        follows = FALLS_BACK + view.closing(f, EGO)
        now = all_of(inside, -frame.ahead[:, f], aligned, moving, near, follows)
        return -recently(-known(view.both(EGO, f), now), LASTS)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that are in the ego's lane behind it at some time."""
        frame = view.ego_path
        behind = (frame.ahead < 0) & (np.abs(frame.offset) < frame.half_width) & view.valid
        seen = np.any(behind, axis=0).tolist()
        return [(f,) for f in view.motor_vehicles().tolist() if seen[f]]
