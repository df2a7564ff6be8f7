"""Wrong-way driver: a vehicle comes towards the ego in the ego's own lane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import Path, path_beside
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.lanes import locate
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, Lane, RoadKind, RoadMap

INVADES = 0.25
"""Depth of the box in the ego's lane from which it is in the way [m] (CARLA scenario_runner)."""
ONCOMING = np.radians(135.0)
"""Least angle between an oncoming vehicle and the lane [rad]."""
MOVING = 2.0
"""Below this speed nobody drives the wrong way [m/s]."""
IN_VIEW = 150.0
"""A vehicle farther ahead than this does not matter yet [m]."""
PASSING = 0.4
"""Sideways distance at which the two pass each other [m]."""
STAYING = 0.25
"""Share of wrong-way drivers who never return."""
SWERVE = 2.0
"""Peak lateral speed of a wrong-way driver who returns [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWayScript(Script):
    """A concrete wrong-way driver.

    Attributes:
        course: "returns" if the driver leaves the ego's lane in time, "stays" if not.
        speed: Their speed [m/s].
        ttc: Time to collision when they have left the lane, if nobody brakes; for those who
            stay, the time to collision at which others would have [s].
        onset: Time from the begin until they begin to swerve [s].
    """

    event: ClassVar[str] = "wrong_way_driver"
    course: str
    speed: float
    ttc: float
    onset: float

    @property
    def swerve_time(self) -> float:
        """Time it takes to get out of the way [s]."""
        return time_to_shift(3.5, SWERVE, SIZE[AgentKind.CAR][1] + PASSING)

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches of two-way road, or with a lane to the left, as long as both need."""
        reach = (self.ego_speed + self.speed) * (self.onset + self.swerve_time + self.ttc)

        def suits(lane: Lane) -> bool:
            return lane.left != NO_LANE or _way_back(roadmap, lane) is not None

        return through_stretches(roadmap, reach + 20.0, self.ego_speed, suits)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the driver so far ahead that the swerve ends at the drawn time to collision."""
        del rng  # nothing is left to chance
        path = opening.path
        threshold = self.ttc + self.swerve_time
        reach = (opening.speed + self.speed) * (threshold + self.onset)
        along = opening.front + reach + SIZE[AgentKind.CAR][0] / 2
        swerve_at = along - self.speed * self.onset
        if along + 10.0 > path.length:
            return None
        out = _way_out(path, swerve_at)
        if out is None:
            return None
        cast = opening.cast()
        w = cast.drive(path, along, self.speed, role="w", against=True, ignores=Ignores.LEADERS)
        if self.course == "returns":
            shift, lane = out
            trigger = Trigger(kind=TriggerKind.TTC, threshold=threshold, other=EGO)
            back = Maneuver(
                kind=ManeuverKind.LANE_CHANGE, trigger=trigger, a=-shift, b=SWERVE, c=lane
            )
            cast.act(w, back)
        cast.keep_clear(path, opening.along, along)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWayDriver(Event):
    """A vehicle drives against the ego's direction in its lane and returns late, or never.

    Sources: Euro NCAP CCFhos and CCFhol (head-on, both 50-80 km/h); CARLA invading_turn: invasion
    from 0.25 m. NHTSA pre-crash 20 and 21 (139 000 crashes a year, 2.3 %).

    Attributes:
        speed: Speed of the wrong-way driver [m/s].
        ttc: Time to collision at which they have left the ego's lane [s].
        onset: Time from the begin until they begin to swerve [s].
    """

    name: ClassVar[str] = "wrong_way_driver"
    script: ClassVar[type[Script]] = WrongWayScript
    roles: ClassVar[tuple[str, ...]] = ("w",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.RURAL,
        RoadKind.URBAN,
        RoadKind.HIGHWAY,
        RoadKind.INTERSECTION,
        RoadKind.T_JUNCTION,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "w.speed": "speed",
        "ttc(ego,w)": "ttc",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"course": ("returns", "stays")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 60.0), "m/s"),
        "speed": Limit(Range(3.0, 60.0), "m/s"),
        "ttc": Limit(Range(0.1, 8.0), "s"),
        "onset": Limit(Range(0.5, 20.0), "s"),
    }
    ego_speed: Range = field(default=Range(50 / 3.6, 80 / 3.6))
    speed: Range = field(default=Range(50 / 3.6, 80 / 3.6))
    ttc: Range = field(default=Range(0.4, 2.5))
    onset: Range = field(default=Range(1.0, 2.0))

    def draw(self, rng: np.random.Generator) -> WrongWayScript:
        """Draw every number on its own; without a wish, STAYING of the drivers stay."""
        returns = rng.random() >= STAYING
        if "course" in self.chosen:
            returns = self.chosen["course"] == "returns"
        return WrongWayScript(
            ego_speed=self.ego_speed.draw(rng),
            course="returns" if returns else "stays",
            speed=self.speed.draw(rng),
            ttc=self.ttc.draw(rng),
            onset=self.onset.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while an oncoming vehicle reaches into the ego's lane ahead of it.

        All must hold: the box is more than INVADES inside the lane, the vehicle points against it
        by more than ONCOMING, moves faster than MOVING, is ahead within IN_VIEW, and is not on a
        lane through a junction, where oncoming vehicles cross by right. The option `course` is
        about the end: with "returns" the box must be out of the lane again before it is level
        with the ego, with "stays" it must not.
        """
        (w,) = actors
        frame, there = view.ego_path, view.both(EGO, w)
        depth, gap = view.intrusion(EGO, w) - INVADES, view.gap(EGO, w)
        against = 10.0 * (np.abs(frame.heading_error[:, w]) - ONCOMING)
        moving = view.states.speed[:, w] - MOVING
        elsewhere = np.where(view.in_junction[:, w], -1.0, 1.0)
        margin = all_of(depth, against, moving, gap, IN_VIEW - gap, elsewhere)
        if "course" in options:
            nearest = np.flatnonzero(there & (gap > 0))
            last = float(depth[nearest[np.argmin(gap[nearest])]]) if len(nearest) else -1.0
            margin = all_of(
                margin, np.full(view.steps, -last if options["course"] == "returns" else last)
            )
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Vehicles that reach into the ego's lane while they point against it."""
        error = np.abs(view.ego_path.heading_error) > ONCOMING
        return [
            (w,)
            for w in view.motor_vehicles().tolist()
            if (view.both(EGO, w) & error[:, w] & (view.intrusion(EGO, w) > INVADES)).any()
        ]


def _way_out(path: Path, along: float) -> tuple[float, int] | None:
    """Where an oncoming driver swerves to: distance to the ego's left [m] and the lane, or None."""
    back = _own_lane(path.roadmap, path.pose(along), path.width_at(along))
    if back is not None:
        return back
    beside = path_beside(path, along, "left")
    if beside is None:
        return None
    x, y, _ = path.pose(along)
    return abs(beside.place(x, y)[1]), NO_LANE


def _way_back(roadmap: RoadMap, lane: Lane) -> tuple[float, int] | None:
    middle = len(lane.centerline) // 2
    (x, y), step = lane.centerline[middle], np.diff(lane.centerline, axis=0)[middle - 1]
    pose = (float(x), float(y), math.atan2(step[1], step[0]))
    return _own_lane(roadmap, pose, float(lane.width[middle]))


def _own_lane(
    roadmap: RoadMap, pose: tuple[float, float, float], width: float
) -> tuple[float, int] | None:
    """Lane of the oncoming direction to the left of a pose, with its distance [m]."""
    x, y, yaw = pose
    place = locate(
        roadmap,
        np.array([x - width * math.sin(yaw), y + width * math.cos(yaw)]),
        np.array(yaw + math.pi),
    )
    lane = int(place.lane)
    if lane == NO_LANE or abs(float(place.heading_error)) > 0.5 or abs(float(place.offset)) > 1.5:
        return None
    return width + float(place.offset), lane
