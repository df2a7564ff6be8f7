"""Drift: a vehicle leaves its lane slowly, into the ego's lane or over the edge of the road."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.crossing_road import kerb_offset
from scenegen.events.event import Event, Script
from scenegen.events.following import headway_reach
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import path_beside
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently, soon
from scenegen.geometry.boxes import box_corners
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores, Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, Lane, RoadKind, RoadMap

FASTEST = 1.3
"""A lateral speed above this is steering, not drifting [m/s]."""
LASTS = 4.0
"""A drift goes on for this long after the line [s]."""
STAYS_OUT = 4.0
"""Who changes lanes has its centre in the lane within this time of the line [s]."""
FARTHEST_EDGE = 5.0
"""Edges of the road farther from the path are not reached [m]."""
STRAIGHT = np.radians(12.0)
"""The road turns less than this where somebody drifts [rad]."""
LEAST_DEPTH = 0.1
"""Depth beyond the line from which it counts [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDriftScript(Script):
    """A concrete drift.

    Attributes:
        towards: "ego": from a neighbour lane into the ego's; "edge": ahead of the ego over the
            right edge of the road.
        closing: Ego speed minus the speed of the other [m/s].
        gap: Distance from the ego's front to the other when its box is at the line [m].
        lateral_speed: Its peak lateral speed [m/s].
        depth: How far it gets beyond the line [m].
        onset: Time until it begins to drift [s].
    """

    event: ClassVar[str] = "lane_drift"
    towards: str
    closing: float
    gap: float
    lateral_speed: float
    depth: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with a neighbour lane, or with an edge near, as long as the drift lasts."""
        lasts = self.onset + 4.0 / self.lateral_speed
        length = self.gap + self.closing * lasts + self.ego_speed * lasts + 20.0

        def suits(lane: Lane) -> bool:
            if self.towards == "edge":
                return lane.right == NO_LANE
            return lane.left != NO_LANE or lane.right != NO_LANE

        return through_stretches(roadmap, min(length, 160.0), self.ego_speed, suits)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Solve for the start so that the drawn gap holds when the box is at the line."""
        path, (length, width, _) = opening.path, SIZE[AgentKind.CAR]
        speed = opening.speed - self.closing
        guess = opening.front + self.gap + length / 2
        if speed <= 1.0 or path.bend(guess, guess + 6.0 * opening.speed) > STRAIGHT:
            return None
        lane, displacement = path, 0.0
        if self.towards == "edge":
            edge = kerb_offset(path, guess, -1)
            if edge is None or abs(edge) > FARTHEST_EDGE:
                return None
            displacement = -(abs(edge) - width / 2 + self.depth)
        else:
            sides = [s for s in ("left", "right") if path_beside(path, guess, s) is not None]
            if not sides:
                return None
            beside = path_beside(path, guess, sides[int(rng.integers(len(sides)))])
            assert beside is not None
            x, y, _ = path.pose(guess)
            away = beside.place(x, y)[1]
            lane = beside
            to_line = abs(away) - width / 2 - path.width_at(guess) / 2
            displacement = float(np.sign(away)) * (to_line + self.depth)
        before = time_to_shift(displacement, self.lateral_speed, abs(displacement) - self.depth)
        along = guess + self.closing * (self.onset + before)
        x, y, _ = path.pose(along)
        begin = along if lane is path else lane.place(x, y)[0]
        if begin > lane.length - 40.0:
            return None
        cast = opening.cast()
        d = cast.drive(lane, begin, speed, role="d", ignores=Ignores.LEADERS)
        trigger = Trigger(kind=TriggerKind.TIME, threshold=self.onset)
        over = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=trigger,
            a=displacement,
            b=self.lateral_speed,
            c=NO_LANE,
        )
        cast.act(d, over)
        cast.keep_clear(path, opening.along, along + 2.0 * speed)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDrift(Event):
    """A vehicle drifts out of its lane, into the ego's lane or ahead of it over the road's edge.

    Sources: NHTSA pre-crash 19, drifting in the same direction (98 000 crashes a year, 1.65 %), and
    6-8, road edge departure (468 000, 7.87 %); lateral speeds of 0.1-1.0 m/s, of which those from
    0.4 m/s are drawn unless a query asks for less: slower ones outlast a scenario of 8 s. The
    other numbers are ours.

    Attributes:
        closing: Ego speed minus the speed of the other [m/s].
        gap: Distance from the ego's front to the other when its box is at the line [m].
        lateral_speed: Its peak lateral speed [m/s].
        depth: How far it gets beyond the line [m].
        onset: Time from the begin until it begins to drift [s].
    """

    name: ClassVar[str] = "lane_drift"
    script: ClassVar[type[Script]] = LaneDriftScript
    roles: ClassVar[tuple[str, ...]] = ("d",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (
        RoadKind.RURAL,
        RoadKind.HIGHWAY,
        RoadKind.URBAN,
    )
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "closing(ego,d)": "closing",
        "gap(ego,d)": "gap",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"towards": ("ego", "edge")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(5.0, 50.0), "m/s"),
        "closing": Limit(Range(-5.0, 15.0), "m/s"),
        "gap": Limit(Range(1.0, 80.0), "m"),
        "lateral_speed": Limit(Range(0.1, 1.2), "m/s"),
        "depth": Limit(Range(0.15, 1.2), "m"),
        "onset": Limit(Range(0.2, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(40 / 3.6, 130 / 3.6))
    closing: Range = field(default=Range(0.0, 4.0))
    gap: Range = field(default=Range(4.0, 25.0))
    lateral_speed: Range = field(default=Range(0.4, 1.0))
    depth: Range = field(default=Range(0.3, 0.8))
    onset: Range = field(default=Range(0.3, 1.0))

    def draw(self, rng: np.random.Generator) -> LaneDriftScript:
        """Draw numbers such that the other is not slower than a walk."""

        def sample(rng: np.random.Generator) -> LaneDriftScript:
            return LaneDriftScript(
                ego_speed=self.ego_speed.draw(rng),
                towards=self.option("towards", rng),
                closing=self.closing.draw(rng),
                gap=self.gap.draw(rng),
                lateral_speed=self.lateral_speed.draw(rng),
                depth=self.depth.draw(rng),
                onset=self.onset.draw(rng),
            )

        return draw_coupled(self.name, rng, sample, lambda s: s.ego_speed - s.closing > 2.0)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle ahead is beyond a line that it passed slowly.

        All must hold: its centre is ahead of the ego's front bumper, the gap below MAX_HEADWAY of
        the ego's travel (at least MAX_GAP); it moves; its lateral speed stayed below FASTEST over
        the last LASTS; and one of: it is LEAST_DEPTH inside the ego's lane, was outside within
        the last LASTS and its centre stays outside for STAYS_OUT (towards=ego); it is LEAST_DEPTH
        beyond the edge of the road and was on the road within the last LASTS (towards=edge).
        """
        (d,) = actors
        frame, there = view.ego_path, view.both(EGO, d)
        front = frame.ahead[:, d] - view.half_longitudinal(EGO)[:, EGO]
        near = headway_reach(view) - view.gap(EGO, d)
        sideways = np.abs(view.lateral_speed(EGO, d))
        slow = FASTEST - recently(known(there, sideways), LASTS, frame.group)
        moving = view.states.speed[:, d] - 1.0
        wanted = [options["towards"]] if "towards" in options else ["ego", "edge"]
        beyond = [_into_lane(view, d) if w == "ego" else _off_road(view, d) for w in wanted]
        return known(there, all_of(front, near, slow, moving, np.maximum.reduce(beyond)))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles ahead that reach beyond a line of the ego's lane at some time."""
        frame = view.ego_path
        found: list[tuple[int, ...]] = []
        for d in view.motor_vehicles().tolist():
            here = view.both(EGO, d) & (frame.ahead[:, d] > 0)
            over = np.abs(frame.offset[:, d]) + view.half_lateral(EGO)[:, d]
            if (here & (over > frame.half_width[:, d]) & (np.abs(frame.offset[:, d]) < 8.0)).any():
                found.append((d,))
        return found


def _into_lane(view: Tracks, agent: int) -> FloatArray:
    """Margin of being a little inside the ego's lane, coming from beside it, shape (T,)."""
    frame, there = view.ego_path, view.both(EGO, agent)
    depth = view.intrusion(EGO, agent)
    outside = recently(known(there, -depth), LASTS, frame.group)
    centre = frame.half_width[:, agent] - np.abs(frame.offset[:, agent])
    stays = -soon(known(there, centre), STAYS_OUT, frame.group)
    return all_of(depth - LEAST_DEPTH, outside, stays)


def _off_road(view: Tracks, agent: int) -> FloatArray:
    """Margin of being a little off the road, coming from it, shape (T,)."""
    s = view.states
    corners = box_corners(s.position[:, agent], s.yaw[:, agent], s.size[:, agent, :2])
    points = shapely.points(corners)
    area = view.roadmap.drivable_area
    out = shapely.distance(points, area).max(axis=-1)
    depth = np.where(out > 0, out, -0.5)
    return all_of(depth - LEAST_DEPTH, recently(-depth, LASTS))
