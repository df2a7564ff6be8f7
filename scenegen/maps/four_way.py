"""A signalised junction of two roads, with crosswalks on all arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.geometry import polylines
from scenegen.maps.draft import MapDraft
from scenegen.maps.junction_arms import Arm, ArmLanes, add_arm, add_sidewalk, connect, corner_reach
from scenegen.maps.source import Drawn, MapSource, Range, check_speeds
from scenegen.scene.roadmap import RoadKind
from scenegen.scene.signals import Signal

CROSSING_WIDTH = 4.0
"""Extent of a crosswalk along the road [m]."""
CROSSING_BAND = 6.0
"""Distance from the begin of the corner to the stop line; the crosswalk lies between [m]."""
CORNER = 10.0
"""Most that a right turn leaves unpaved beside the straight lanes [m^2]."""
YELLOW = 3.0
"""Duration of yellow [s]: 3 s at 50 km/h (German RiLSA)."""
ALL_RED = 2.0
"""Time during which no arm has green or yellow, to clear the junction [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FourWay(MapSource):
    """Two roads that cross under fixed-time signals.

    Both arms of a road are green together; those who turn left give way to oncoming traffic
    (permissive left turns, `yields`). The leftmost lane serves left turns and straight on, the
    rightmost one right turns and straight on. Junction lanes begin at the stop line, so a signal
    governs the junction lanes of its arm. Turning lanes carry the speed that their curve allows.

    Attributes:
        lanes: Lanes per direction of each road, 1 to 3.
        width: Lane width [m].
        angle: Angle between the two roads [rad].
        corner_radius: Radius of the right turns [m].
        arm_length: Length of the arms before the stop line [m].
        sidewalk: Width of the sidewalks [m].
        green: Duration of green of each road [s].
        speed_limits: Limits to choose from [m/s]; 40, 50 and 60 km/h.
    """

    name: ClassVar[str] = "four_way"
    kind: ClassVar[RoadKind] = RoadKind.INTERSECTION

    lanes: Range = field(default_factory=lambda: Range(low=1, high=3))
    width: Range = field(default_factory=lambda: Range(low=3.2, high=3.5))
    angle: Range = field(default_factory=lambda: Range(low=np.radians(78), high=np.radians(102)))
    corner_radius: Range = field(default_factory=lambda: Range(low=8.0, high=9.5))
    arm_length: Range = field(default_factory=lambda: Range(low=160.0, high=200.0))
    sidewalk: Range = field(default_factory=lambda: Range(low=2.0, high=3.0))
    green: Range = field(default_factory=lambda: Range(low=15.0, high=35.0))
    speed_limits: tuple[float, ...] = (40 / 3.6, 50 / 3.6, 60 / 3.6)

    def __post_init__(self) -> None:
        """Check that every draw gives a junction that can be built."""
        self.lanes.check_count("lanes", 1, 3)
        self.width.check_within("width", 3.0, 4.0)
        self.angle.check_within("angle", np.radians(75), np.radians(105))
        self.corner_radius.check_within("corner_radius", 8.0, 12.0)
        self.arm_length.check_within("arm_length", 50.0, 1000.0)
        self.sidewalk.check_within("sidewalk", 1.0, 4.0)
        self.green.check_within("green", 5.0, 120.0)
        check_speeds("speed_limits", self.speed_limits)

    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out arms, turns, crosswalks, sidewalks and signals."""
        drawn: Drawn = {
            "lanes_a": self.lanes.draw_integer(rng),
            "lanes_b": self.lanes.draw_integer(rng),
            "width": self.width.draw(rng),
            "angle": self.angle.draw(rng),
            "corner_radius": self.corner_radius.draw(rng),
            "arm_length": self.arm_length.draw(rng),
            "sidewalk": self.sidewalk.draw(rng),
            "green_a": self.green.draw(rng),
            "green_b": self.green.draw(rng),
            "speed_limit": float(rng.choice(np.array(self.speed_limits))),
            "direction": float(rng.uniform(-np.pi, np.pi)),
        }
        arms = _arms(drawn)
        draft = MapDraft()
        lanes = [add_arm(draft, arm) for arm in arms]
        groups = _add_turns(draft, arms, lanes, float(drawn["corner_radius"]))
        draft.pave_holes(CORNER)
        for k, arm in enumerate(arms):
            right_turn = next(j for j in groups[k] if draft.lanes[j].turn < 0)
            around = (lanes[k].inbound[-1], right_turn, lanes[(k + 1) % 4].outbound[-1])
            add_sidewalk(draft, around, float(drawn["sidewalk"]))
            middle = arm.stop - 1.0 - CROSSING_WIDTH / 2
            draft.crossing(arm.across(middle), CROSSING_WIDTH, float(drawn["sidewalk"]) / 2)
        _add_signals(draft, arms, groups, float(drawn["green_a"]), float(drawn["green_b"]))
        return draft, drawn


def _arms(drawn: Drawn) -> list[Arm]:
    """Four arms counter-clockwise; the first and third are one road, the others the other."""
    skew, radius = float(drawn["angle"]), float(drawn["corner_radius"])
    counts = [int(drawn["lanes_a"]), int(drawn["lanes_b"])] * 2
    bare = [
        Arm(
            direction=float(drawn["direction"]) + (k // 2) * np.pi + (k % 2) * skew,
            lanes=counts[k],
            width=float(drawn["width"]),
            stop=0.0,
            end=0.0,
            speed_limit=float(drawn["speed_limit"]),
        )
        for k in range(4)
    ]
    arms = []
    for k, arm in enumerate(bare):
        corners = [
            corner_reach(arm, bare[(k + 1) % 4], skew if k % 2 == 0 else np.pi - skew, radius),
            corner_reach(arm, bare[k - 1], np.pi - skew if k % 2 == 0 else skew, radius),
        ]
        stop = max(corners) + CROSSING_BAND
        arms.append(
            Arm(
                direction=arm.direction,
                lanes=arm.lanes,
                width=arm.width,
                stop=stop,
                end=stop + float(drawn["arm_length"]),
                speed_limit=arm.speed_limit,
            )
        )
    return arms


def _add_turns(
    draft: MapDraft, arms: list[Arm], lanes: list[ArmLanes], radius: float
) -> list[tuple[int, ...]]:
    """Junction lanes of every arm: left, straight, right; arms count counter-clockwise."""
    groups = []
    for k in range(len(arms)):
        here, right, ahead, left = (lanes[(k + turn) % 4] for turn in (0, 1, 2, 3))
        group = [connect(draft, here.inbound[0], left.outbound[0], 1, yields=True)]
        group += [
            connect(draft, first, then, 0, yields=False)
            for first, then in zip(here.inbound, ahead.outbound, strict=True)
        ]
        group.append(
            connect(draft, here.inbound[-1], right.outbound[-1], -1, yields=False, radius=radius)
        )
        groups.append(tuple(group))
    return groups


def _add_signals(
    draft: MapDraft,
    arms: list[Arm],
    groups: list[tuple[int, ...]],
    green_a: float,
    green_b: float,
) -> None:
    """Two phases: road a, then road b, each followed by yellow and all red."""
    cycle = green_a + green_b + 2 * (YELLOW + ALL_RED)
    phases = ((0.0, green_a), (green_a + YELLOW + ALL_RED, green_b))
    for k, arm in enumerate(arms):
        begin, green = phases[k % 2]
        # Left end first, in the direction of travel: the middle of the road, then the kerb.
        line = arm.place(arm.stop, np.array([0.0, arm.half]))
        draft.signals.append(
            Signal(
                lanes=groups[k],
                stop_line=line,
                position=polylines.point_at(line, np.array(arm.half + 1.0)),
                cycle=cycle,
                green_start=begin,
                green=green,
                yellow=YELLOW,
            )
        )
