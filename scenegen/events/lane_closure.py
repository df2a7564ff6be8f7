"""Lane closure: cones close the ego's lane for road works and it has to merge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.approaching import late_driver
from scenegen.events.casting import Cast
from scenegen.events.event import Event, Script
from scenegen.events.openings import Opening, Stretch, through_stretches
from scenegen.events.paths import Path, path_beside
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import all_of, known
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Maneuver, ManeuverKind, Trigger, TriggerKind
from scenegen.scene.roadmap import NO_LANE, Lane, RoadKind, RoadMap

CONE = (0.4, 0.4, 0.75)
"""Length, width and height of a cone [m]."""
TRAILER = (2.5, 1.9, 2.4)
"""The same of the warning trailer behind the taper [m]."""
SPACING = 12.0
"""Largest distance between the cones of a taper [m]."""
MOST_CONES = 7
"""Cones of a taper."""
BEHIND = 8.0
"""Distance from the taper's end to the trailer [m]."""
STRAIGHT = np.radians(20.0)
"""The road turns less than this before and along the works [rad]."""
BLOCKED = 1.0
"""Depth of a thing in the lane that blocks it [m]."""
SOON = 4.0
"""Time to the first cone from which the ego has to merge now [s]."""
MERGE_SPEED = 1.6
"""Peak lateral speed of the merge [m/s]."""
LEAST_THINGS = 3
"""Things before the one that blocks the lane that make it a taper."""
BEFORE = 100.0
"""Taper looked for before the thing that blocks the lane [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClosureScript(Script):
    """A concrete lane closure.

    Attributes:
        side: Side on which the closed lane lies: the ego merges to the other one.
        taper: Length over which the cones cross the lane [m].
        arrival: Time until the ego would reach the taper [s].
        merge: Time before that at which the ego begins to change lanes [s].
        neighbour: Time by which a vehicle in the open lane is ahead of the ego [s]; negative:
            behind.
    """

    event: ClassVar[str] = "lane_closure"
    side: str
    taper: float
    arrival: float
    merge: float
    neighbour: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Outer lanes that have a neighbour, with room for approach, taper and works."""
        length = self.ego_speed * self.arrival + self.taper + BEHIND + 30.0
        return through_stretches(roadmap, length, self.ego_speed, self._suits)

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Set up the cones, the trailer, and a neighbour in the open lane."""
        del rng  # nothing is left to chance
        path, (length, _, _) = opening.path, SIZE[AgentKind.CAR]
        begin = opening.front + opening.speed * self.arrival
        end = begin + self.taper + BEHIND + 10.0
        open_side = "left" if self.side == "right" else "right"
        beside = path_beside(path, opening.along, open_side)
        if beside is None or path.bend(opening.along, end) > STRAIGHT:
            return None
        if any(not self._suits(path.roadmap.lanes[k]) for k in self._lanes(path, opening, end)):
            return None
        cast = opening.cast(driver=late_driver(opening.speed, opening.speed))
        x, y, _ = path.pose(opening.along)
        abreast, displacement = beside.place(x, y)
        merge = Maneuver(
            kind=ManeuverKind.LANE_CHANGE,
            trigger=Trigger(kind=TriggerKind.TIME, threshold=self.arrival - self.merge),
            a=-displacement,
            b=MERGE_SPEED,
            c=beside.lane_at(abreast + opening.speed * (self.arrival - self.merge)),
        )
        cast.act(0, merge)
        along = abreast + self.neighbour * opening.speed
        apart = abs(self.neighbour) * opening.speed > length + 2.0
        if apart and length < along < beside.length - length:
            cast.drive(beside, along, opening.speed)
        trailer = begin + self.taper + BEHIND
        cast.stand(AgentKind.STATIC, path.pose(trailer), TRAILER, role="w")
        for x, y, yaw in self._cones(path, begin):
            cast.stand(AgentKind.STATIC, (x, y, yaw), CONE)
        cast.keep_clear(path, opening.along, end)
        return cast

    def _suits(self, lane: Lane) -> bool:
        other = lane.left if self.side == "right" else lane.right
        return getattr(lane, self.side) == NO_LANE and other != NO_LANE

    def _lanes(self, path: Path, opening: Opening, end: float) -> tuple[int, ...]:
        first, last = path.number_at(opening.along), path.number_at(min(end, path.length))
        return path.lanes[first : last + 1]

    def _cones(self, path: Path, begin: float) -> list[tuple[float, float, float]]:
        """Poses of the cones: across the lane, then along its open side."""
        count = min(max(math.ceil(self.taper / SPACING) + 1, 4), MOST_CONES)
        sign = -1.0 if self.side == "right" else 1.0
        poses = []
        for share in np.linspace(0.0, 1.0, count):
            along = begin + float(share) * self.taper
            half = path.width_at(along) / 2 - CONE[1]
            poses.append(path.pose(along, sign * half * (1.0 - 2.0 * float(share))))
        along = begin + self.taper + 2.0 * BEHIND
        poses.append(path.pose(along, -sign * (path.width_at(along) / 2 - CONE[1])))
        return poses


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClosure(Event):
    """The ego's lane is closed for road works behind a taper of cones; it has to merge.

    Sources: taper of 15-80 m; CARLA construction obstacle; NHTSA pre-crash 35 and 36, object in the
    road (85 000 crashes a year, 1.43 %). Times and the neighbour in the open lane are ours.

    Attributes:
        taper: Length over which the cones cross the lane [m].
        arrival: Time from the begin until the ego would reach the taper [s].
        merge: Time before that at which the ego begins to change lanes [s].
        neighbour: Time by which a vehicle in the open lane is ahead of the ego [s].
    """

    name: ClassVar[str] = "lane_closure"
    script: ClassVar[type[Script]] = LaneClosureScript
    roles: ClassVar[tuple[str, ...]] = ("w",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.HIGHWAY, RoadKind.URBAN)
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("right", "left")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(3.0, 40.0), "m/s"),
        "taper": Limit(Range(8.0, 120.0), "m"),
        "arrival": Limit(Range(1.5, 10.0), "s"),
        "merge": Limit(Range(0.2, 8.0), "s"),
        "neighbour": Limit(Range(-4.0, 4.0), "s"),
    }
    ego_speed: Range = field(default=Range(30 / 3.6, 100 / 3.6))
    taper: Range = field(default=Range(15.0, 80.0))
    arrival: Range = field(default=Range(3.0, 5.5))
    merge: Range = field(default=Range(1.0, 2.8))
    neighbour: Range = field(default=Range(-1.5, 1.5))

    def draw(self, rng: np.random.Generator) -> LaneClosureScript:
        """Draw every number on its own."""
        return LaneClosureScript(
            ego_speed=self.ego_speed.draw(rng),
            side=self.option("side", rng),
            taper=self.taper.draw(rng),
            arrival=self.arrival.draw(rng),
            merge=self.merge.draw(rng),
            neighbour=self.neighbour.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while the ego is in a lane that a taper closes ahead.

        All must hold: a thing reaches BLOCKED deep into the ego's lane, ahead of its front; up to
        BEFORE before it stand at least LEAST_THINGS further things in the lane whose places go
        across it, by more than half its width, away from the closed side (`side`) the nearer they
        are to the blocking one; and the ego, at its speed, is at the first of them within SOON.
        """
        (w,) = actors
        frame, there = view.ego_path, view.both(EGO, w)
        front = frame.ahead[:, w] - view.half_longitudinal(EGO)[:, EGO]
        blocks = view.intrusion(EGO, w) - BLOCKED
        sides = [options["side"]] if "side" in options else ["right", "left"]
        taper = np.maximum.reduce([_taper(view, w, side) for side in sides])
        return known(there, all_of(front, blocks, taper))

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Things that block the ego's lane ahead, where there are enough things for a taper."""
        things = view.of_kind(AgentKind.STATIC).tolist()
        if len(things) <= LEAST_THINGS:
            return []
        found: list[tuple[int, ...]] = []
        for w in things:
            ahead = view.ego_path.ahead[:, w] > 0
            if (view.both(EGO, w) & ahead & (view.intrusion(EGO, w) > BLOCKED)).any():
                found.append((w,))
        return found


def _taper(view: Tracks, blocking: int, side: str) -> FloatArray:
    """Margin of the things before the blocking one forming a taper from a side, shape (T,)."""
    frame = view.ego_path
    things = view.of_kind(AgentKind.STATIC)
    things = things[things != blocking]
    margin = np.full(view.steps, -1.0)
    sign = -1.0 if side == "right" else 1.0
    for t in range(view.steps):
        before = frame.ahead[t, blocking] - frame.ahead[t, things]
        inside = np.abs(frame.offset[t, things]) < frame.half_width[t, things]
        row = things[inside & (before > 0) & (before < BEFORE) & view.valid[t, things]]
        if len(row) < LEAST_THINGS:
            continue
        along, across = frame.ahead[t, row], sign * frame.offset[t, row]
        order = np.argsort(along)
        span = float(across[order[0]] - across[order[-1]])
        falls = np.diff(across[order]).max() < 0.2
        room = float(along.min()) - float(view.states.size[t, EGO, 0]) / 2
        near = SOON - room / max(float(view.states.speed[t, EGO]), 1.0)
        across_it = span - float(frame.half_width[t, blocking]) if falls else -1.0
        margin[t] = min(across_it, near)
    return margin
