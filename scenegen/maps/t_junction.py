"""A priority road that a minor road joins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from scenegen.maps.draft import MapDraft
from scenegen.maps.junction_arms import Arm, ArmLanes, add_arm, add_sidewalk, connect, corner_reach
from scenegen.maps.source import Drawn, MapSource, Range, check_share, check_speeds
from scenegen.scene.roadmap import LaneKind, RoadKind

CROSSING_WIDTH = 4.0
"""Extent of the crosswalk on the minor road [m]."""
CORNER = 10.0
"""Most that a right turn leaves unpaved beside the straight lanes [m^2]."""
GIVE_WAY_BAND = 6.0
"""Distance from the begin of the corner to the give-way line where a crosswalk lies between [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TJunction(MapSource):
    """A road with priority and a minor road that ends at it; there are no signals.

    Traffic from the minor road gives way to everyone (`yields`), and so does traffic that turns
    left into it, to oncoming traffic. The minor road has one lane per direction.

    Attributes:
        lanes: Lanes per direction of the priority road, 1 or 2.
        width: Lane width [m].
        angle: Angle between the minor road and the priority road on its right [rad].
        corner_radius: Radius of the right turns [m].
        arm_length: Length of the arms [m].
        sidewalk: Width of the sidewalks [m].
        crosswalk_share: How often a crosswalk lies across the minor road, 0 to 1.
        major_speed_limits: Limits of the priority road to choose from [m/s]; 50, 60, 70 km/h.
        minor_speed_limits: Limits of the minor road to choose from [m/s]; 30 and 50 km/h.
    """

    name: ClassVar[str] = "t_junction"
    kind: ClassVar[RoadKind] = RoadKind.T_JUNCTION

    lanes: Range = field(default_factory=lambda: Range(low=1, high=2))
    width: Range = field(default_factory=lambda: Range(low=3.2, high=3.5))
    angle: Range = field(default_factory=lambda: Range(low=np.radians(78), high=np.radians(102)))
    corner_radius: Range = field(default_factory=lambda: Range(low=8.0, high=11.0))
    arm_length: Range = field(default_factory=lambda: Range(low=160.0, high=220.0))
    sidewalk: Range = field(default_factory=lambda: Range(low=1.8, high=2.5))
    crosswalk_share: float = 0.6
    major_speed_limits: tuple[float, ...] = (50 / 3.6, 60 / 3.6, 70 / 3.6)
    minor_speed_limits: tuple[float, ...] = (30 / 3.6, 50 / 3.6)

    def __post_init__(self) -> None:
        """Check that every draw gives a junction that can be built."""
        self.lanes.check_count("lanes", 1, 2)
        self.width.check_within("width", 3.0, 4.0)
        self.angle.check_within("angle", np.radians(75), np.radians(105))
        self.corner_radius.check_within("corner_radius", 8.0, 12.0)
        self.arm_length.check_within("arm_length", 50.0, 1000.0)
        self.sidewalk.check_within("sidewalk", 1.0, 4.0)
        check_share("crosswalk_share", self.crosswalk_share)
        check_speeds("major_speed_limits", self.major_speed_limits)
        check_speeds("minor_speed_limits", self.minor_speed_limits)

    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out arms, turns, the paved mouth and sidewalks."""
        drawn: Drawn = {
            "lanes": self.lanes.draw_integer(rng),
            "width": self.width.draw(rng),
            "angle": self.angle.draw(rng),
            "corner_radius": self.corner_radius.draw(rng),
            "arm_length": self.arm_length.draw(rng),
            "sidewalk": self.sidewalk.draw(rng),
            "crosswalk": int(rng.random() < self.crosswalk_share),
            "speed_limit": float(rng.choice(np.array(self.major_speed_limits))),
            "minor_speed_limit": float(rng.choice(np.array(self.minor_speed_limits))),
            "direction": float(rng.uniform(-np.pi, np.pi)),
        }
        draft = MapDraft()
        arms = _arms(drawn)
        lanes = [add_arm(draft, arm) for arm in arms]
        radius, sidewalk = float(drawn["corner_radius"]), float(drawn["sidewalk"])
        along, into, out_of = _add_turns(draft, lanes, radius)
        add_sidewalk(draft, (lanes[0].inbound[-1], along, lanes[1].outbound[-1]), sidewalk)
        add_sidewalk(draft, (lanes[1].inbound[-1], into, lanes[2].outbound[-1]), sidewalk)
        add_sidewalk(draft, (lanes[2].inbound[-1], out_of, lanes[0].outbound[-1]), sidewalk)
        _pave_mouth(draft, arms[2], arms[0].half)
        draft.pave_holes(CORNER)
        if drawn["crosswalk"]:
            middle = arms[2].stop - 1.0 - CROSSING_WIDTH / 2
            draft.crossing(arms[2].across(middle), CROSSING_WIDTH, sidewalk / 2)
        return draft, drawn


def _arms(drawn: Drawn) -> list[Arm]:
    """Both arms of the priority road, then the minor arm on the right of traffic from the 2nd."""
    base, angle = float(drawn["direction"]), float(drawn["angle"])
    radius, length = float(drawn["corner_radius"]), float(drawn["arm_length"])
    major = Arm(
        direction=base,
        lanes=int(drawn["lanes"]),
        width=float(drawn["width"]),
        stop=0.0,
        end=0.0,
        speed_limit=float(drawn["speed_limit"]),
    )
    minor = replace(
        major, direction=base - angle, lanes=1, speed_limit=float(drawn["minor_speed_limit"])
    )
    east = corner_reach(major, minor, angle, radius)
    west = corner_reach(major, minor, np.pi - angle, radius)
    band = GIVE_WAY_BAND if drawn["crosswalk"] else 0.0
    south = band + max(
        corner_reach(minor, major, between, radius) for between in (angle, np.pi - angle)
    )
    return [
        replace(major, stop=east, end=east + length),
        replace(major, direction=base + np.pi, stop=west, end=west + length),
        replace(minor, stop=south, end=south + length),
    ]


def _add_turns(draft: MapDraft, lanes: list[ArmLanes], radius: float) -> tuple[int, int, int]:
    """Junction lanes; gives the far straight lane, the right turn in and the right turn out."""
    east, west, south = lanes
    straight = [
        [
            connect(draft, first, then, 0, yields=False)
            for first, then in zip(a.inbound, b.outbound, strict=True)
        ]
        for a, b in ((east, west), (west, east))
    ]
    into = connect(draft, west.inbound[-1], south.outbound[0], -1, yields=False, radius=radius)
    out_of = connect(draft, south.inbound[0], east.outbound[-1], -1, yields=True, radius=radius)
    connect(draft, east.inbound[0], south.outbound[0], 1, yields=True)
    connect(draft, south.inbound[0], west.outbound[0], 1, yields=True)
    return straight[0][-1], into, out_of


def _pave_mouth(draft: MapDraft, minor: Arm, far: float) -> None:
    """Pave the mouth of the minor road between the curves, as far as the priority road."""
    out = np.linspace(minor.stop, far / 2, 8)
    draft.strip(LaneKind.SHOULDER, minor.place(out, 0.0), 2 * minor.half)
