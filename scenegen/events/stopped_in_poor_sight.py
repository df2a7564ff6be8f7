"""Stopped in poor sight: the ego does not brake for a standing vehicle that it saw late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.approaching import forces_braking
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import path_beside
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, RoadKind, RoadMap

STANDS = 0.5
"""Below this speed a vehicle is stopped [m/s]."""
CALM = 2.0
"""Braking below this is no answer to what stands in the way [m/s^2]."""
HIDDEN = 0.5
"""Less of a vehicle in view than this is half hidden."""
JUST_NOW = 3.0
"""Time within which it was half hidden [s]."""
MISS = 0.4
"""Sideways distance by which the leader passes the standing vehicle [m]."""
KEEPS = 1.0
"""Acceleration with which an inattentive driver holds the speed [m/s^2]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedInPoorSightScript(Script):
    """A concrete approach of an inattentive ego.

    Attributes:
        side: Side to which the vehicle between the two moves out, "left" or "right".
        headway: Time gap from the ego to that vehicle [s].
        lateral_speed: Peak lateral speed of that vehicle [m/s].
        spare: Time by which it could have moved out later [s].
        notice: Time to collision at which the ego's driver looks up [s].
        onset: Time until that vehicle begins to move out [s].
    """

    event: ClassVar[str] = "stopped_in_poor_sight"
    side: str
    headway: float
    lateral_speed: float
    spare: float
    notice: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with a neighbour lane on the side, and room up to past the one that stands."""
        lasts = self.onset + self.headway + 5.0 / self.lateral_speed + self.spare
        return through_stretches(
            roadmap,
            self.ego_speed * lasts + 30.0,
            self.ego_speed,
            lambda lane: getattr(lane, self.side) != NO_LANE,
        )

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put a leader ahead, and the standing vehicle where it has to move out at the onset."""
        del rng  # nothing is left to chance
        path, speed, (length, width, _) = opening.path, opening.speed, SIZE[AgentKind.CAR]
        lead = opening.front + self.headway * speed + length / 2
        beside = path_beside(path, lead, self.side)
        if beside is None:
            return None
        level, away = beside.place(*path.pose(lead)[:2])
        passes = time_to_shift(away, self.lateral_speed, width + MISS) + self.spare
        along = lead + speed * (self.onset + passes) + length
        if along + speed > path.length:
            return None
        cast = opening.cast()
        looks = (along - length / 2 - opening.front) / speed - self.notice
        when = (Trigger(threshold=0.0), Trigger(kind=TriggerKind.TIME, threshold=max(looks, 0.0)))
        cast.act(
            EGO,
            Maneuver(kind=ManeuverKind.SPEED, trigger=when[0], a=speed, b=KEEPS),
            Maneuver(kind=ManeuverKind.RESUME, trigger=when[1]),
        )
        front = cast.drive(path, lead, speed, ignores=Ignores.LEADERS)
        moves_out = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=Trigger(kind=TriggerKind.TIME, threshold=self.onset),
            a=-away,
            b=self.lateral_speed,
            c=beside.lane_at(level),
        )
        cast.act(front, moves_out)
        cast.stand(AgentKind.CAR, path.pose(along), role="l")
        cast.keep_clear(path, opening.along, along)
        cast.keep_clear(beside, level - self.headway * speed, level + (along - lead) + speed)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedInPoorSight(Event):
    """The ego comes up on a standing vehicle that was half hidden until late, and does not brake.

    The vehicle ahead of the ego hides it and moves out; the ego's driver looks away and holds the
    speed until a drawn time to collision. Where an environment takes the ego over, its driver
    decides. Rain and fog are for the query to ask. Sources: NHTSA pre-crash 26, lead vehicle
    stopped (975 000 crashes a year, 16.41 %); glances off the road of more than 2 s double the
    near-crash risk (Klauer et al. 2006, NHTSA DOT HS 810 594); UN R157, 5.2.3.3: time gaps of
    1.0-1.6 s, here shorter; lateral speeds as for cut-outs. The other numbers are ours.

    Attributes:
        headway: Time gap from the ego to the vehicle that hides the other [s].
        lateral_speed: Peak lateral speed of that vehicle [m/s].
        spare: Time by which it could have moved out later [s].
        notice: Time to collision at which the ego's driver looks up [s].
        onset: Time from the begin until that vehicle begins to move out [s].
    """

    name: ClassVar[str] = "stopped_in_poor_sight"
    script: ClassVar[type[Script]] = StoppedInPoorSightScript
    roles: ClassVar[tuple[str, ...]] = ("l",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.URBAN)
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("left", "right")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(12.0, 45.0), "m/s"),
        "headway": Limit(Range(0.3, 2.0), "s"),
        "lateral_speed": Limit(Range(1.0, 3.2), "m/s"),
        "spare": Limit(Range(0.0, 2.0), "s"),
        "notice": Limit(Range(0.0, 2.0), "s"),
        "onset": Limit(Range(0.1, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(60 / 3.6, 120 / 3.6))
    headway: Range = field(default=Range(0.5, 1.0))
    lateral_speed: Range = field(default=Range(2.0, 3.1))
    spare: Range = field(default=Range(0.1, 0.5))
    notice: Range = field(default=Range(0.2, 1.0))
    onset: Range = field(default=Range(0.5, 2.0))

    def draw(self, rng: np.random.Generator) -> StoppedInPoorSightScript:
        """Draw every number on its own."""
        return StoppedInPoorSightScript(
            ego_speed=self.ego_speed.draw(rng),
            side=self.option("side", rng),
            headway=self.headway.draw(rng),
            lateral_speed=self.lateral_speed.draw(rng),
            spare=self.spare.draw(rng),
            notice=self.notice.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while the ego does not brake for a standing vehicle that was half hidden just now.

        All must hold: the vehicle is slower than STANDS and forces the ego to brake hard (see
        `approaching.forces_braking`); the ego brakes less than CALM; and within the last JUST_NOW
        less than HIDDEN of the vehicle was in view past others, or it was farther away than the
        meteorological visibility. A tenth of the silhouette counts as one unit. The option `side`
        is about the script alone.
        """
        del options  # who hid it may be anybody
        (stands,) = actors
        s, there = view.states, view.both(EGO, stands)
        forced = known(there, forces_braking(view, stands))
        calm = CALM + view.acceleration[:, EGO]
        still = STANDS - np.abs(s.speed[:, stands])
        margin = all_of(forced, calm, still)
        if not (margin > 0).any():
            return margin
        covered = 10.0 * (HIDDEN - view.visible_fraction(stands))
        away = view.distance(EGO, stands) - view.conditions.visibility
        hidden = recently(known(there, np.maximum(covered, away)), JUST_NOW)
        return known(there, all_of(margin, hidden))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that stand and force the ego to brake at some time."""
        still = np.abs(view.states.speed) < STANDS
        return [
            (j,)
            for j in view.motor_vehicles().tolist()
            if (still[:, j] & (forces_braking(view, j) > 0)).any()
        ]
