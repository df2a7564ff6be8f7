"""Merge conflict: a vehicle comes from a ramp and merges right in front of the ego."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast
from scenegen.events.cut_in import LASTS, CutIn
from scenegen.events.event import Event, Script
from scenegen.events.kinematics import time_to_shift
from scenegen.events.openings import LIMIT_SHARE, Opening, Stretch
from scenegen.events.paths import path_beside, straight_on
from scenegen.events.ranges import Limit, Range, draw_coupled
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, recently
from scenegen.scene.agents import SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, LaneKind, RoadKind, RoadMap

LANE = 3.6
"""Lane width that decides about room [m]; the move itself is aimed with the true width."""
TAPER = 40.0
"""The last part of a ramp lane, which narrows and is not used [m]."""
LEAST_TTC = 1.2
"""Shorter times to collision at the marking are not drawn [s]: nobody could avoid a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflictScript(Script):
    """A concrete merge.

    Attributes:
        speed: Speed of the merging vehicle [m/s].
        headway: Time gap from the ego to it when its box touches the lane marking [s].
        lateral_speed: Its peak lateral speed [m/s].
        onset: Time until it begins to move over [s].
    """

    event: ClassVar[str] = "merge_conflict"
    speed: float
    headway: float
    lateral_speed: float
    onset: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Lanes beside a ramp lane that ends, where the merge begins on the ramp lane."""
        found = []
        ahead = self._ahead(self.ego_speed, self._crossing(LANE)) + self.speed * self.onset
        travel = 2.0 * self.speed * self._crossing(LANE) + TAPER
        for k in roadmap.traffic_lanes:
            lane = roadmap.lanes[k]
            ramp = roadmap.lanes[lane.right] if lane.right != NO_LANE else None
            if ramp is None or ramp.kind is not LaneKind.RAMP or ramp.successors:
                continue
            path = straight_on(roadmap, k, lane.length + 300.0, back=300.0)
            begin = float(path.starts[path.lanes.index(k)]) - ahead
            low, high = max(begin, 5.0), begin + lane.length - travel
            if low <= high and self.ego_speed <= LIMIT_SHARE * lane.speed_limit:
                found.append(Stretch(path=path, low=low, high=high))
        return found

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Solve for the start so that the drawn time gap holds when the box touches the marking."""
        del rng  # nothing is left to chance
        path, width = opening.path, SIZE[AgentKind.CAR][1]
        guess = opening.along + self._ahead(opening.speed, self._crossing(LANE))
        beside = path_beside(path, guess + self.speed * self.onset, "right")
        if beside is None:
            return None
        x, y, _ = path.pose(guess + self.speed * self.onset)
        displacement = beside.place(x, y)[1]  # of the ego's lane, seen from the other's
        shift = abs(displacement) - width / 2 - path.width_at(guess) / 2
        crossing = time_to_shift(displacement, self.lateral_speed, shift)
        move = opening.along + self._ahead(opening.speed, crossing) + self.speed * self.onset
        x, y, _ = path.pose(move)
        begin = beside.place(x, y)[0] - self.speed * self.onset
        if begin < 5.0:
            return None
        cast = opening.cast()
        m = cast.drive(beside, begin, self.speed, role="m")
        over = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=Trigger(kind=TriggerKind.TIME, threshold=self.onset),
            a=displacement,
            b=self.lateral_speed,
            c=path.lane_at(move),
        )
        cast.act(m, over)
        cast.keep_clear(path, opening.along, move + 2.0 * self.speed)
        return cast

    def _crossing(self, lane: float) -> float:
        return time_to_shift(lane, self.lateral_speed, (lane - SIZE[AgentKind.CAR][1]) / 2)

    def _ahead(self, ego_speed: float, crossing: float) -> float:
        """Distance at the start from the ego's centre to that of the other [m]."""
        closed = (ego_speed - self.speed) * (self.onset + crossing)
        return self.headway * ego_speed + closed + SIZE[AgentKind.CAR][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflict(Event):
    """A vehicle on the acceleration lane of a motorway merges in front of the ego, close.

    Sources: ISO 34502, merge zone; time gap 0.3-2.5 s and speed difference within 15 m/s, of which
    the half where the ego is faster is drawn unless a query asks for the other; NHTSA pre-crash 16
    (222 000 crashes a year, 3.73 %). Lateral speeds as in a cut-in. The ego's speed is ours.

    Attributes:
        speed: Speed of the merging vehicle [m/s].
        headway: Time gap from the ego to it when its box touches the lane marking [s].
        closing: Ego speed minus its speed [m/s].
        lateral_speed: Its peak lateral speed [m/s].
        onset: Time from the begin to the lane change [s].
    """

    name: ClassVar[str] = "merge_conflict"
    script: ClassVar[type[Script]] = MergeConflictScript
    roles: ClassVar[tuple[str, ...]] = ("m",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY,)
    signals: ClassVar[Mapping[str, str]] = {
        "ego.speed": "ego_speed",
        "m.speed": "speed",
        "thw(ego,m)": "headway",
        "closing(ego,m)": "closing",
    }
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(8.0, 50.0), "m/s"),
        "speed": Limit(Range(5.0, 50.0), "m/s"),
        "headway": Limit(Range(0.1, 4.0), "s"),
        "closing": Limit(Range(-15.0, 25.0), "m/s"),
        "lateral_speed": Limit(Range(0.4, 3.0), "m/s"),
        "onset": Limit(Range(0.5, 10.0), "s"),
    }
    ego_speed: Range = field(default=Range(60 / 3.6, 130 / 3.6))
    speed: Range = field(default=Range(40 / 3.6, 130 / 3.6))
    headway: Range = field(default=Range(0.3, 2.5))
    closing: Range = field(default=Range(0.0, 15.0))
    lateral_speed: Range = field(default=Range(0.9, 1.8))
    onset: Range = field(default=Range(0.5, 1.5))

    def draw(self, rng: np.random.Generator) -> MergeConflictScript:
        """Draw speeds whose difference suits, with a chance left to avoid a crash."""

        def sample(rng: np.random.Generator) -> MergeConflictScript:
            return MergeConflictScript(
                ego_speed=self.ego_speed.draw(rng),
                speed=self.speed.draw(rng),
                headway=self.headway.draw(rng),
                lateral_speed=self.lateral_speed.draw(rng),
                onset=self.onset.draw(rng),
            )

        def agrees(s: MergeConflictScript) -> bool:
            closing = s.ego_speed - s.speed
            return closing in self.closing and s.headway * s.ego_speed >= LEAST_TTC * closing

        return draw_coupled(self.name, rng, sample, agrees)

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while a vehicle that was on a ramp lane just now cuts in; see `CutIn.margin`."""
        del options  # it has none
        ramps = np.array([*(lane.kind is LaneKind.RAMP for lane in view.roadmap.lanes), False])
        on_ramp = np.where(ramps[view.place.lane[:, actors[0]]], 1.0, -1.0)
        return all_of(CutIn.margin(view, actors, {}), recently(on_ramp, 2.0 * LASTS))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Those of a cut-in, on a road with ramps."""
        ramps = any(lane.kind is LaneKind.RAMP for lane in view.roadmap.lanes)
        return CutIn.candidates(view) if ramps else []
