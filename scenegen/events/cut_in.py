"""Cut-in: a vehicle of the next lane moves into the ego's lane, close ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.following import headway_reach
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import LIMIT_SHARE, Opening, Stretch, through_stretches
from scenegen.events.paths import path_beside, straight_on
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known, recently, soon
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, RoadKind, RoadMap

LASTS = 2.0
"""A cut-in goes on for this long after the box crossed the lane marking [s]."""
COMMITTED = 0.3
"""Depth that the box reaches in the lane for the crossing to count [m] (UN R157, 5.2.5.2)."""
COMMITS_WITHIN = 3.0
"""Time after the crossing within which it gets that deep [s]."""
PARALLEL = np.radians(30.0)
"""Largest angle between the vehicle and the lane; more is turning in, not cutting in [rad]."""
STRAIGHT = np.radians(25.0)
"""Largest bend of the road on which a cut-in is staged where the road is short [rad]."""
AFTER = 3.0
"""Road kept free for the ego after the crossing [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutInScript(Script):
    """A concrete cut-in.

    Attributes:
        side: Side the other vehicle comes from, "left" or "right".
        speed: Speed of the other vehicle [m/s].
        ttc: Time to collision when its box touches the lane marking, if nobody reacts [s].
        lateral_speed: Its peak lateral speed [m/s].
        onset: Time until it begins to move over [s].
    """

    event: ClassVar[str] = "cut_in"
    side: str
    speed: float
    ttc: float
    lateral_speed: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Stretches with a neighbour lane on the side, and room for approach and landing."""
        crossing = time_to_shift(3.5, self.lateral_speed, 0.9)
        lead = (self.ego_speed - self.speed) * (self.onset + crossing + self.ttc)
        length = lead + self.ego_speed * (self.onset + crossing) + self.speed * AFTER + 10.0
        return through_stretches(
            roadmap, length, self.ego_speed, lambda lane: getattr(lane, self.side) != NO_LANE
        ) or self._short_stretches(roadmap, lead, crossing)

    def _short_stretches(self, roadmap: RoadMap, lead: float, crossing: float) -> list[Stretch]:
        """Where the road is short: the neighbour lane need only reach from begin to crossing.

        The ego may come from a lane before it, and go on through a junction behind it.
        """
        found = []
        travel = self.speed * (self.onset + crossing)
        for k in roadmap.traffic_lanes:
            lane = roadmap.lanes[k]
            too_fast = self.ego_speed > LIMIT_SHARE * lane.speed_limit
            if lane.in_junction or too_fast or getattr(lane, self.side) == NO_LANE:
                continue
            path = straight_on(roadmap, k, lane.length + 150.0, back=lead + 30.0)
            begin = float(path.starts[path.lanes.index(k)])
            low = max(begin - lead, 3.0)
            high = min(begin + lane.length - travel, path.length - travel - 20.0) - lead
            if low <= high and path.bend(low, low + lead + travel + 20.0) < STRAIGHT:
                found.append(Stretch(path=path, low=low, high=high))
        return found

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Solve for the start so that the drawn TTC holds when the box touches the marking."""
        del rng  # nothing is left to chance
        path = opening.path
        closing = opening.speed - self.speed
        if closing <= 0:
            return None
        length, width, _ = SIZE[AgentKind.CAR]
        guess = opening.front + closing * (self.ttc + self.onset + 2.0) + length / 2
        beside = path_beside(path, guess, self.side)
        if beside is None:
            return None
        x, y, _ = path.pose(guess)
        displacement = beside.place(x, y)[1]  # of the ego's lane, seen from the other's
        shift = abs(displacement) - width / 2 - path.width_at(guess) / 2
        crossing = time_to_shift(displacement, self.lateral_speed, shift)
        along = opening.front + closing * (self.ttc + crossing + self.onset) + length / 2
        landing = along + self.speed * (self.onset + 2 * crossing)
        x, y, _ = path.pose(along)
        begin = beside.place(x, y)[0]
        if landing > path.length or begin > beside.length - 10.0:
            return None
        cast = opening.cast()
        c = cast.drive(beside, begin, self.speed, role="c")
        trigger = Trigger(kind=TriggerKind.TTC, threshold=self.ttc + crossing, other=EGO)
        over = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=trigger,
            a=displacement,
            b=self.lateral_speed,
            c=path.lane_at(along + self.speed * self.onset),
        )
        cast.act(c, over)
        cast.keep_clear(path, opening.along, along + 2.0 * self.speed)
        return cast


@dataclass(frozen=True, slots=True, kw_only=True)
class CutIn(Event):
    """A vehicle from the adjacent lane of the same direction cuts in ahead of the ego.

    Sources: UN R157 cut-in; ranges of the JRC-FSM grid: ego 10-130 km/h, other 10 km/h to the
    ego's speed, gap 1-120 m, lateral speed 0-1.8 m/s. Below 0.7 m/s a lane change takes longer
    than 10 s, so that is the least drawn by default. NHTSA pre-crash 18 (338 000 crashes a year,
    5.69 %).

    Attributes:
        speed: Speed of the cutting-in vehicle, below the ego's [m/s].
        ttc: Time to collision when its box touches the lane marking [s].
        gap: Bumper-to-bumper distance at that instant [m].
        time_headway: Gap over ego speed at that instant [s].
        closing: Speed difference [m/s].
        lateral_speed: Peak lateral speed [m/s].
        onset: Time from the begin to the lane change [s].
    """

    name: ClassVar[str] = "cut_in"
    script: ClassVar[type[Script]] = CutInScript
    roles: ClassVar[tuple[str, ...]] = ("c",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.URBAN)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "c.speed": "speed",
        "ttc(ego,c)": "ttc",
        "gap(ego,c)": "gap",
        "thw(ego,c)": "time_headway",
        "closing(ego,c)": "closing",
    }
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("left", "right")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 60.0), "m/s"),
        "speed": Limit(Range(0.5, 59.0), "m/s"),
        "ttc": Limit(Range(0.2, 10.0), "s"),
        "gap": Limit(Range(0.5, 150.0), "m"),
        "time_headway": Limit(Range(0.02, 10.0), "s"),
        "closing": Limit(Range(0.5, 40.0), "m/s"),
        "lateral_speed": Limit(Range(0.2, 3.0), "m/s"),
        "onset": Limit(Range(0.5, 20.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 130 / 3.6))
    speed: Range = field(default=Range(10 / 3.6, 125 / 3.6))
    ttc: Range = field(default=Range(0.6, 4.0))
    gap: Range = field(default=Range(1.0, 120.0))
    time_headway: Range = field(default=Range(0.05, 3.0))
    closing: Range = field(default=Range(1.0, 15.0))
    lateral_speed: Range = field(default=Range(0.7, 1.8))
    onset: Range = field(default=Range(1.0, 2.0))

    def draw(self, rng: np.random.Generator) -> CutInScript:
        """Draw speeds and TTC so that gap, headway and speed difference agree."""

        def sample(rng: np.random.Generator) -> CutInScript:
            ego_speed = self.ego_speed.draw(rng)
            reachable = Range(ego_speed - self.closing.high, ego_speed - self.closing.low)
            speeds = self.speed.intersect(reachable) or self.speed
            return CutInScript(
                ego_speed=ego_speed,
                side=self.option("side", rng),
                speed=speeds.draw(rng),
                ttc=self.ttc.draw(rng),
                lateral_speed=self.lateral_speed.draw(rng),
                onset=self.onset.draw(rng),
            )

        def agrees(s: CutInScript) -> bool:
            gap = s.ttc * (s.ego_speed - s.speed)
            return (
                s.ego_speed - s.speed in self.closing
                and gap in self.gap
                and gap / s.ego_speed in self.time_headway
            )

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold from the crossing of the marking until LASTS later.

        All must hold: the box reaches into the ego's lane, and gets COMMITTED deep within
        COMMITS_WITHIN; within the last LASTS it was wholly outside on the given side, less than
        a lane's width away, while the ego's lane path was the same; its centre is ahead of the
        ego's front bumper, the gap below MAX_HEADWAY of the ego's travel (at least MAX_GAP); it
        points along the lane within PARALLEL and moves forward.
        """
        (c,) = actors
        frame = view.ego_path
        depth, wide = view.intrusion(EGO, c), 2.0 * frame.half_width[:, c]
        sides = {"left": frame.offset[:, c], "right": -frame.offset[:, c]}
        wanted = [options["side"]] if "side" in options else list(sides)
        outside = np.maximum.reduce([all_of(-depth, sides[s], wide + depth) for s in wanted])
        there = view.both(EGO, c)
        beside = recently(known(there, outside), LASTS, frame.group)
        ahead = frame.ahead[:, c] - view.half_longitudinal(EGO)[:, EGO]
        near = headway_reach(view) - view.gap(EGO, c)
        parallel = 10.0 * (PARALLEL - np.abs(frame.heading_error[:, c]))
        committed = soon(known(there, depth), COMMITS_WITHIN, frame.group) - COMMITTED
        moving = view.states.speed[:, c] - 0.5
        return known(there, all_of(depth, beside, ahead, near, parallel, committed, moving))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that are beside the ego's lane and, later, in it."""
        found: list[tuple[int, ...]] = []
        for c in view.motor_vehicles().tolist():
            depth = view.intrusion(EGO, c)[view.both(EGO, c)]
            if len(depth) and depth.max() > 0 > depth.min():
                found.append((c,))
        return found
