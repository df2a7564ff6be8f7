"""Right-turn conflict: a vehicle turns right into the lane of another one that is close behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.casting import Cast, Driver
from scenegen.events.conflict_areas import Conflict, merges
from scenegen.events.event import Event, Script
from scenegen.events.junction_lanes import Passage, passage
from scenegen.events.meeting import approach, shows
from scenegen.events.openings import Opening, Stretch
from scenegen.events.profiles import lone_drive
from scenegen.events.ranges import Limit, Range
from scenegen.events.tracks import Tracks
from scenegen.events.windows import FAR, all_of, known, recently
from scenegen.geometry.angles import wrap_angle
from scenegen.scene.agents import EGO, SIZE, AgentKind
from scenegen.scene.plans import Ignores
from scenegen.scene.roadmap import Lane, RoadKind, RoadMap
from scenegen.scene.signals import SignalState

ACROSS = (np.radians(45.0), np.radians(135.0))
"""Angles between the directions in which the two enter the junction [rad]."""
CRITICAL_GAP = 4.5
"""Gaps that most drivers refuse [s]; the critical gap of right turns is 6.2 s (HCM 2010)."""
LASTS = 4.0
"""A turn counts for this long after it [s]."""
MOVING = 2.0
"""A slower vehicle is not coming [m/s]."""

TURNING = Range(10 / 3.6, 30 / 3.6)
"""Approach speeds of the vehicle that turns [m/s]."""
THROUGH = Range(30 / 3.6, 60 / 3.6)
"""Speeds of the one that goes straight on [m/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightTurnConflictScript(Script):
    """A concrete right turn into a gap.

    Attributes:
        turns: Who turns right, "ego" or "other"; the one who does not goes straight on.
        speed: Speed of the other vehicle on its approach [m/s].
        gap: Time from the turning vehicle's arrival at the merging point to that of the one
            behind, front to front, if nobody reacts [s].
        arrival: Time until the ego reaches the merging point [s].
    """

    event: ClassVar[str] = "right_turn_conflict"
    turns: str
    speed: float
    gap: float
    arrival: float

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Approaches to junctions where a right turn and a way straight on merge."""
        window = (self.arrival - 0.5, self.arrival + 0.5)
        ways = _merges(roadmap, self.turns == "ego")
        found = (approach(c, self.ego_speed, *window) for c in ways)
        return [s for s in found if s is not None]

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Put the other where it reaches the merging point the gap after, or before, the ego."""
        roadmap, half = opening.path.roadmap, SIZE[AgentKind.CAR][0] / 2
        sign = 1.0 if self.turns == "ego" else -1.0
        ways = [c for c in _merges(roadmap, sign > 0) if c.ego.lanes == opening.path.lanes]
        for number in rng.permutation(len(ways)):
            way = ways[int(number)]
            mine = lone_drive(way.ego, opening.speed, opening.along)
            meet = mine.when(way.ego_area[0] - opening.ego_size[0] / 2) + sign * self.gap
            other = lone_drive(way.other, self.speed)
            along = other.where(other.when(way.other_area[0] - half) - meet)
            enters = mine.when(way.ego_stop - opening.ego_size[0] / 2)
            if meet < 1.0 or not half + 1.0 <= along <= way.other_stop - half - 2.0:
                continue
            if not shows(roadmap, way.ego_lane, 0.0, enters, SignalState.GREEN):
                continue
            turner, through = Ignores.PRIORITY, Ignores.NOTHING
            rules = (turner, through) if self.turns == "ego" else (through, turner)
            cast = opening.cast(ignores=rules[0])
            driver = Driver(desired_speed=self.speed)
            pace = other.pace(along)
            cast.drive(way.other, along, pace, role="t", driver=driver, ignores=rules[1])
            cast.keep_clear(way.ego, opening.along, way.ego_area[1])
            cast.keep_clear(way.other, along, way.other_area[1])
            return cast
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RightTurnConflict(Event):
    """A vehicle turns right out of a minor road, the ego or another, too near ahead of a second.

    It does not give way: it misjudges the gap. Sources: NHTSA pre-crash 28, turning right at
    junctions (35 000 crashes a year, 0.59 %); CARLA right-turn scenarios: gaps of 1.5-6 s, of which
    those up to CRITICAL_GAP are drawn unless a query asks for more. Speeds are ours: approaches of
    10-30 km/h to the turn and 30-60 km/h straight on.

    Attributes:
        speed: Speed of the other vehicle on its approach [m/s].
        gap: Time between the two at the merging point if nobody reacts [s].
        arrival: Time from the begin until the ego is there [s].
    """

    name: ClassVar[str] = "right_turn_conflict"
    script: ClassVar[type[Script]] = RightTurnConflictScript
    roles: ClassVar[tuple[str, ...]] = ("t",)
    road_kinds: ClassVar[tuple[RoadKind, ...]] = (RoadKind.T_JUNCTION,)
    signals: ClassVar[Mapping[str, str]] = {"ego.speed": "ego_speed", "t.speed": "speed"}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"turns": ("ego", "other")}
    limits: ClassVar[Mapping[str, Limit]] = {
        "ego_speed": Limit(Range(2.0, 25.0), "m/s"),
        "speed": Limit(Range(2.0, 25.0), "m/s"),
        "gap": Limit(Range(0.8, 6.0), "s"),
        "arrival": Limit(Range(2.0, 12.0), "s"),
    }
    ego_speed: Range = field(default=Range(10 / 3.6, 60 / 3.6))
    speed: Range = field(default=Range(10 / 3.6, 60 / 3.6))
    gap: Range = field(default=Range(1.5, CRITICAL_GAP))
    arrival: Range = field(default=Range(3.0, 5.0))

    def draw(self, rng: np.random.Generator) -> RightTurnConflictScript:
        """Draw speeds that suit who turns: TURNING for that one, THROUGH for the other."""
        turns = self.option("turns", rng)
        ego, other = (TURNING, THROUGH) if turns == "ego" else (THROUGH, TURNING)
        return RightTurnConflictScript(
            ego_speed=(self.ego_speed.intersect(ego) or self.ego_speed).draw(rng),
            turns=turns,
            speed=(self.speed.intersect(other) or self.speed).draw(rng),
            gap=self.gap.draw(rng),
            arrival=self.arrival.draw(rng),
        )

    @classmethod
    def margin(
        cls, view: Tracks, actors: tuple[int, ...], options: Mapping[str, str]
    ) -> FloatArray:
        """Hold while one is ahead of the other in a lane that it turned right into just now.

        All must hold: within the last LASTS the box of the one ahead was on a junction lane that
        turns right and that the other does not come along (see `_comes_in`), which it entered at
        ACROSS to the direction of the other; it reaches into the lane of the other, ahead of it,
        and the gap is below CRITICAL_GAP of the other's travel; the other moves. The
        option `turns` says which of the two turned.
        """
        (t,) = actors
        there = view.both(EGO, t)
        pairs = {"ego": (EGO, t), "other": (t, EGO)}
        wanted = [pairs[options["turns"]]] if "turns" in options else list(pairs.values())
        margin = np.maximum.reduce([_pulls_in_front(view, a, b) for a, b in wanted])
        return known(there, margin)

    @classmethod
    def candidates(cls, view: Tracks) -> list[tuple[int, ...]]:
        """Motor vehicles that turn right themselves; all, if the ego does."""
        if not any(_turns_right(k, lane) for k, lane in enumerate(view.roadmap.lanes)):
            return []
        others = view.motor_vehicles().tolist()
        if passage(view, EGO, _turns_right).inside.max() > 0:
            return [(t,) for t in others]
        return [(t,) for t in others if passage(view, t, _turns_right).inside.max() > 0]


def _turns_right(index: int, lane: Lane) -> bool:
    del index
    return lane.in_junction and lane.turn < 0


def _comes_in(view: Tracks, turner: int, through: int) -> Passage:
    """Right turns by which one vehicle came into the road of another that is on it already.

    A turn that the other takes as well, or that leads off a road that both were on, such as the
    exit of a roundabout, is none.
    """
    lanes = view.roadmap.lanes
    driven = {k for path in view.lane_frame(through).paths if path for k in path.lanes}

    def suits(index: int, lane: Lane) -> bool:
        from_there = driven.intersection((index, *lane.predecessors))
        ring = any(lanes[k].in_junction for k in lane.predecessors)
        return _turns_right(index, lane) and not from_there and not ring

    return passage(view, turner, suits)


def _pulls_in_front(view: Tracks, turner: int, through: int) -> FloatArray:
    """Margin of one vehicle being ahead in the lane of another after a right turn, shape (T,)."""
    way, s = _comes_in(view, turner, through), view.states
    from_side = np.abs(wrap_angle(s.yaw[:, through] - way.entry))
    slant = np.minimum(from_side - ACROSS[0], ACROSS[1] - from_side)
    turned = recently(np.where(way.inside > 0, all_of(way.inside, 10.0 * slant), -FAR), LASTS)
    gap, speed = view.gap(through, turner), s.speed[:, through]
    near = CRITICAL_GAP - gap / np.maximum(speed, MOVING)
    return all_of(turned, view.intrusion(through, turner), gap, near, speed - MOVING)


@lru_cache(maxsize=64)
def _merges(roadmap: RoadMap, ego_turns: bool) -> tuple[Conflict, ...]:
    lanes = roadmap.lanes

    def turns(k: int) -> bool:
        return lanes[k].turn < 0

    def through(k: int) -> bool:
        return lanes[k].turn == 0 and not lanes[k].yields

    pair = (turns, through) if ego_turns else (through, turns)
    return tuple(merges(roadmap, *pair, ACROSS))
