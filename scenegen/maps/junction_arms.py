"""The arms of a junction: straight roads that end at a stop line, and the turns between them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.maps.draft import PLAIN, MapDraft
from scenegen.maps.paths import curve_speed, turn_path
from scenegen.scene.roadmap import Lane, LaneKind, LineMarking

ARM_STEP = 5.0
"""Spacing of the points on a straight arm [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A straight two-way road that leads to a junction at the origin.

    Attributes:
        direction: Angle under which the arm leaves the junction [rad].
        lanes: Lanes per direction.
        width: Lane width [m].
        stop: Distance of the stop line from the origin [m].
        end: Distance of the far end from the origin [m].
        speed_limit: Limit [m/s].
    """

    direction: float
    lanes: int
    width: float
    stop: float
    end: float
    speed_limit: float

    @property
    def half(self) -> float:
        """Distance from the middle of the road to its kerb [m]."""
        return self.lanes * self.width

    def place(self, outward: FloatArray | float, left: FloatArray | float) -> FloatArray:
        """Point at a distance from the origin and to the left of the outward direction [m]."""
        cos, sin = np.cos(self.direction), np.sin(self.direction)
        out, side = np.asarray(outward, float), np.asarray(left, float)
        return np.stack(np.broadcast_arrays(out * cos - side * sin, out * sin + side * cos), -1)

    def across(self, outward: float) -> FloatArray:
        """Kerb to kerb line at a distance from the origin, from the inbound side, (2, 2)."""
        return self.place(outward, np.array([self.half, -self.half]))

    def entry(self, lane: int) -> FloatArray:
        """Pose x, y, heading where an inbound lane (0 is the leftmost) meets the stop line."""
        point = self.place(self.stop, (lane + 0.5) * self.width)
        return np.array([*point, self.direction + np.pi])

    def exit(self, lane: int) -> FloatArray:
        """Pose x, y, heading where an outbound lane (0 is the leftmost) begins."""
        point = self.place(self.stop, -(lane + 0.5) * self.width)
        return np.array([*point, self.direction])


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLanes:
    """Indices of an arm's lanes, the leftmost in its direction first.

    Attributes:
        inbound: Lanes towards the junction.
        outbound: Lanes away from it.
    """

    inbound: tuple[int, ...]
    outbound: tuple[int, ...]


def corner_reach(arm: Arm, other: Arm, between: float, radius: float) -> float:
    """Distance from the origin at which a right turn from an arm begins [m].

    Args:
        arm: The arm that traffic comes from.
        other: The arm it leaves by, or the other way round: the corner is the same.
        between: Angle between the two arms [rad], in (0, pi).
        radius: Radius of the arc that rounds the corner [m].
    """
    here, there = arm.half - arm.width / 2, other.half - other.width / 2
    crossing = (there + here * np.cos(between)) / np.sin(between)
    return float(crossing + radius * np.tan((np.pi - between) / 2))


def add_arm(draft: MapDraft, arm: Arm) -> ArmLanes:
    """Add the lanes of an arm, both directions, with paint and neighbours."""
    count = int(np.ceil((arm.end - arm.stop) / ARM_STEP)) + 1
    out = np.linspace(arm.stop, arm.end, count)
    middle = LineMarking.DOUBLE_SOLID if arm.lanes > 1 else LineMarking.SOLID
    rows = []
    for side in (1, -1):  # inbound lanes lie to the left of the outward direction
        row = []
        for k in range(arm.lanes):
            center = arm.place(out, side * (k + 0.5) * arm.width)
            last = k == arm.lanes - 1
            row.append(
                draft.add(
                    Lane(
                        centerline=center[::-1].copy() if side > 0 else center,
                        width=np.full(count, arm.width),
                        speed_limit=arm.speed_limit,
                        left_marking=middle if k == 0 else LineMarking.DASHED,
                        right_marking=LineMarking.KERB if last else LineMarking.DASHED,
                    )
                )
            )
        for left, right in itertools.pairwise(row):
            draft.beside(left, right)
        rows.append(tuple(row))
    return ArmLanes(inbound=rows[0], outbound=rows[1])


def connect(
    draft: MapDraft, first: int, then: int, turn: int, *, yields: bool, radius: float = np.inf
) -> int:
    """Add the junction lane from an inbound lane to an outbound one and give its index.

    Args:
        draft: The plan that has both lanes.
        first: Inbound lane.
        then: Outbound lane.
        turn: +1 left, -1 right, 0 straight.
        yields: Whether traffic on it gives way.
        radius: Radius of the arc that rounds the corner [m].
    """
    a, b = draft.lanes[first], draft.lanes[then]
    center = turn_path(_pose(a.centerline, -1), _pose(b.centerline, 0), radius)
    along = polylines.arc_length(center)
    limit = min(a.speed_limit, b.speed_limit)
    lane = draft.add(
        Lane(
            centerline=center,
            width=np.interp(along, along[[0, -1]], [a.width[-1], b.width[0]]),
            speed_limit=limit if turn == 0 else curve_speed(center, limit),
            left_marking=PLAIN,
            right_marking=LineMarking.KERB if turn < 0 else PLAIN,
            in_junction=True,
            yields=yields,
            turn=turn,
        )
    )
    draft.follow(first, lane)
    draft.follow(lane, then)
    return lane


def add_sidewalk(draft: MapDraft, lanes: Sequence[int], width: float) -> None:
    """Add the sidewalk along the right edge of lanes that follow each other."""
    pieces = [draft.lanes[k] for k in lanes]
    points = np.concatenate([p.centerline[min(i, 1) :] for i, p in enumerate(pieces)])
    halves = np.concatenate([p.width[min(i, 1) :] / 2 for i, p in enumerate(pieces)])
    draft.strip(LaneKind.SIDEWALK, polylines.offset(points, -halves - width / 2), width)


def _pose(points: FloatArray, end: int) -> FloatArray:
    """Pose x, y, heading at the begin (0) or the end (-1) of a polyline."""
    step = points[1] - points[0] if end == 0 else points[-1] - points[-2]
    return np.array([*points[end], np.arctan2(step[1], step[0])])
