"""A compact roundabout with one circulating lane and three or four arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.maps.draft import PLAIN, MapDraft
from scenegen.maps.junction_arms import Arm, add_sidewalk
from scenegen.maps.paths import curve_speed, turn_path
from scenegen.maps.source import Drawn, MapSource, Range, check_share, check_speeds
from scenegen.scene.roadmap import Lane, LineMarking, RoadKind

RING_STEP = 0.35
"""Spacing of the points on the ring [m]; a step turns by less than 2 deg."""
MERGE_ANGLE = np.radians(33.0)
"""Angle at the centre between an arm and the place where its entry meets the ring [rad]."""
GIVE_WAY_CLEARANCE = 1.5
"""Distance of the give-way line from the ring's outer edge [m]."""
CROSSING_WIDTH = 4.0
"""Extent of a crosswalk along the arm [m]."""
CROSSING_SETBACK = 8.0
"""Distance from the give-way line to the middle of a crosswalk [m]: one car length lies between
(NCHRP Report 672, Roundabouts: An Informational Guide, chapter 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roundabout(MapSource):
    """Single-lane roundabout; those who enter give way to those on the ring.

    The ring is split where entries join and exits leave. Entry lanes between the give-way line
    and the ring have `yields`; exits count as right turns.

    Attributes:
        arms: Number of arms, 3 or 4.
        radius: Radius of the ring lane's centreline [m].
        width: Lane width of the arms [m].
        ring_width: Width of the ring lane [m].
        arm_length: Length of the arms, from the centre [m].
        sidewalk: Width of the sidewalks [m].
        crosswalk_share: How often crosswalks lie across the arms, 0 to 1.
        speed_limits: Limits of the arms to choose from [m/s]; 40 and 50 km/h.
    """

    name: ClassVar[str] = "roundabout"
    kind: ClassVar[RoadKind] = RoadKind.ROUNDABOUT

    arms: Range = field(default_factory=lambda: Range(low=3, high=4))
    radius: Range = field(default_factory=lambda: Range(low=14.0, high=19.0))
    width: Range = field(default_factory=lambda: Range(low=3.2, high=3.6))
    ring_width: Range = field(default_factory=lambda: Range(low=4.4, high=5.0))
    arm_length: Range = field(default_factory=lambda: Range(low=170.0, high=220.0))
    sidewalk: Range = field(default_factory=lambda: Range(low=1.8, high=2.5))
    crosswalk_share: float = 0.6
    speed_limits: tuple[float, ...] = (40 / 3.6, 50 / 3.6)

    def __post_init__(self) -> None:
        """Check that every draw gives a roundabout that can be built."""
        self.arms.check_count("arms", 3, 4)
        self.radius.check_within("radius", 13.0, 25.0)
        self.width.check_within("width", 2.75, 4.0)
        self.ring_width.check_within("ring_width", 4.0, 5.0)
        self.arm_length.check_within("arm_length", 80.0, 1000.0)
        self.sidewalk.check_within("sidewalk", 1.0, 2.5)
        check_share("crosswalk_share", self.crosswalk_share)
        check_speeds("speed_limits", self.speed_limits)

    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out the ring, entries, exits, sidewalks and crosswalks."""
        count = self.arms.draw_integer(rng)
        drawn: Drawn = {
            "arms": count,
            "radius": self.radius.draw(rng),
            "width": self.width.draw(rng),
            "ring_width": self.ring_width.draw(rng),
            "arm_length": self.arm_length.draw(rng),
            "sidewalk": self.sidewalk.draw(rng),
            "crosswalk": int(rng.random() < self.crosswalk_share),
            "speed_limit": float(rng.choice(np.array(self.speed_limits))),
        }
        spread = np.radians(4.0 if count == 4 else 15.0)
        angles = 2 * np.pi * np.arange(count) / count + rng.uniform(-spread, spread, count)
        arms = [
            Arm(
                direction=float(angle),
                lanes=1,
                width=float(drawn["width"]),
                stop=0.0,
                end=float(drawn["arm_length"]),
                speed_limit=float(drawn["speed_limit"]),
            )
            for angle in angles + rng.uniform(-np.pi, np.pi)
        ]
        radius, ring_width = float(drawn["radius"]), float(drawn["ring_width"])
        draft = MapDraft()
        arcs = _add_ring(draft, arms, radius, ring_width)
        ways = [_add_way(draft, arm, arcs[k], radius, ring_width) for k, arm in enumerate(arms)]
        for k, (inbound, entry, _, _) in enumerate(ways):
            _, _, leaving, outbound = ways[(k + 1) % count]
            around = (inbound, entry, arcs[k].between, leaving, outbound)
            add_sidewalk(draft, around, float(drawn["sidewalk"]))
        if drawn["crosswalk"]:
            outer = radius + ring_width / 2
            for arm, way in zip(arms, ways, strict=True):
                _add_crosswalk(draft, arm, (way[0], way[3]), outer, float(drawn["sidewalk"]))
        return draft, drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arcs:
    """Ring lanes at one arm: `arriving` ends at its exit, `past` passes it, `between` goes on."""

    arriving: int
    past: int
    between: int


def _add_ring(draft: MapDraft, arms: Sequence[Arm], radius: float, width: float) -> list[_Arcs]:
    """Circulating lanes, counter-clockwise: past each arm, then on to the next arm's exit."""
    count = len(arms)
    past, between = [], []
    for k, arm in enumerate(arms):
        begin, join = arm.direction - MERGE_ANGLE, arm.direction + MERGE_ANGLE
        ahead = (arms[(k + 1) % count].direction - arm.direction) % (2 * np.pi)
        leave = arm.direction + ahead - MERGE_ANGLE
        past.append(_add_arc(draft, begin, join, radius, width))
        between.append(_add_arc(draft, join, leave, radius, width))
    for k in range(count):
        draft.follow(past[k], between[k])
        draft.follow(between[k], past[(k + 1) % count])
    return [_Arcs(arriving=between[k - 1], past=past[k], between=between[k]) for k in range(count)]


def _add_arc(draft: MapDraft, begin: float, end: float, radius: float, width: float) -> int:
    count = max(3, int(np.ceil((end - begin) * radius / RING_STEP)) + 1)
    angle = np.linspace(begin, end, count)
    center = radius * np.stack([np.cos(angle), np.sin(angle)], -1)
    return draft.add(
        Lane(
            centerline=center,
            width=np.full(count, width),
            speed_limit=curve_speed(center, 30 / 3.6),
            left_marking=LineMarking.KERB,
            right_marking=PLAIN,
            in_junction=True,
        )
    )


def _add_way(
    draft: MapDraft, arm: Arm, arcs: _Arcs, radius: float, ring_width: float
) -> tuple[int, int, int, int]:
    """Approach, entry, exit and departure of one arm; an exit mirrors an entry."""
    entering = _entry_line(arm, radius)
    # The mirror image about the arm's axis, driven backwards.
    axis = np.array([np.cos(2 * arm.direction), np.sin(2 * arm.direction)])
    flip = np.array([[axis[0], axis[1]], [axis[1], -axis[0]]])
    give_way = radius + ring_width / 2 + GIVE_WAY_CLEARANCE
    split = int(np.flatnonzero(np.hypot(*entering.T) > give_way)[-1])
    widen = np.linspace(arm.width, ring_width, len(entering) - split)
    limit = curve_speed(entering[split - 20 :], arm.speed_limit)
    road = Lane(
        centerline=entering[: split + 1],
        width=np.full(split + 1, arm.width),
        speed_limit=arm.speed_limit,
        left_marking=LineMarking.SOLID,
        right_marking=LineMarking.KERB,
    )
    gate = replace(
        road,
        centerline=entering[split:],
        width=widen,
        speed_limit=limit,
        left_marking=LineMarking.KERB,
        in_junction=True,
    )
    inbound, entry = draft.add(road), draft.add(replace(gate, yields=True))
    leaving = draft.add(
        replace(gate, centerline=(gate.centerline @ flip)[::-1], width=widen[::-1], turn=-1)
    )
    outbound = draft.add(replace(road, centerline=(road.centerline @ flip)[::-1]))
    # Mirrored ends differ from the ring's by rounding; a link must hold to the bit.
    _snap(draft, entry, -1, draft.lanes[arcs.between].centerline[0])
    _snap(draft, leaving, 0, draft.lanes[arcs.past].centerline[0])
    for first, then in (
        (inbound, entry),
        (entry, arcs.between),
        (arcs.arriving, leaving),
        (leaving, outbound),
    ):
        draft.follow(first, then)
    return inbound, entry, leaving, outbound


def _entry_line(arm: Arm, radius: float) -> FloatArray:
    """Centreline from the far end of an arm to the ring."""
    angle = arm.direction + MERGE_ANGLE
    joint = radius * np.array([np.cos(angle), np.sin(angle)])
    start = np.array([*arm.place(arm.end, arm.width / 2), arm.direction + np.pi])
    line = turn_path(start, np.array([*joint, angle + np.pi / 2]))
    straight = polylines.arc_length(line) < np.hypot(*(line[0] - line[-1])) - 3 * radius
    coarse = straight & (np.arange(len(line)) % 2 == 1)  # 4 m are enough on the straight
    return line[~coarse]


def _snap(draft: MapDraft, lane: int, end: int, point: FloatArray) -> None:
    moved = draft.lanes[lane].centerline.copy()
    moved[end] = point
    draft.lanes[lane] = replace(draft.lanes[lane], centerline=moved)


def _add_crosswalk(
    draft: MapDraft, arm: Arm, lanes: tuple[int, int], outer: float, sidewalk: float
) -> None:
    """Crosswalk over an arm, from the right edge of its approach to that of its departure."""
    distance = outer + CROSSING_SETBACK + GIVE_WAY_CLEARANCE
    sides = []
    for k in lanes:
        edge = draft.lanes[k].right_bound
        outward = edge @ np.array([np.cos(arm.direction), np.sin(arm.direction)])
        sides.append(edge[int(np.abs(outward - distance).argmin())])
    draft.crossing(np.stack(sides), CROSSING_WIDTH, sidewalk / 2)
