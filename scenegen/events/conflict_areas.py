"""Places where two paths through a junction cross: the common area, where it begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from scenegen.events.paths import Path, straight_on
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.scene.plans import ROUTE_LENGTH
from scenegen.scene.roadmap import RoadMap

APPROACH = 220.0
"""Road looked for before a junction [m]."""
BEYOND = 80.0
"""Road looked for after a junction [m]."""
CORRIDOR = 1.9
"""Width that a vehicle sweeps [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conflict:
    """Two paths that cross in a junction.

    Attributes:
        ego: Path of the ego, through one junction lane.
        other: Path of the other vehicle.
        ego_stop: Arc length where the ego's junction lane begins [m].
        other_stop: Arc length where the other's junction lane begins [m].
        ego_area: Arc lengths between which the ego's corridor overlaps the other's [m].
        other_area: The same on the other's path [m].
    """

    ego: Path
    other: Path
    ego_stop: float
    other_stop: float
    ego_area: tuple[float, float]
    other_area: tuple[float, float]

    @property
    def ego_lane(self) -> int:
        """Junction lane of the ego."""
        return self.ego.lane_at(self.ego_stop + 0.01)

    @property
    def other_lane(self) -> int:
        """Junction lane of the other."""
        return self.other.lane_at(self.other_stop + 0.01)


def conflicts(
    roadmap: RoadMap,
    ego: Callable[[int], bool],
    other: Callable[[int], bool],
    angle: tuple[float, float],
) -> Iterator[Conflict]:
    """Find pairs of junction lanes that cross.

    Args:
        roadmap: The road.
        ego: Whether the junction lane of an index suits the ego.
        other: Whether it suits the other vehicle.
        angle: Least and greatest angle between the directions in which they enter [rad].

    Yields:
        Conflicts, in the order of the lanes.
    """
    inside = [k for k in roadmap.traffic_lanes if roadmap.lanes[k].in_junction]
    for i in (k for k in inside if ego(k)):
        for j in (k for k in inside if other(k)):
            turned = abs(float(wrap_angle(np.array(_entry(roadmap, i) - _entry(roadmap, j)))))
            if not angle[0] <= turned <= angle[1]:
                continue
            lines = [shapely.LineString(roadmap.lanes[k].centerline) for k in (i, j)]
            if lines[0].crosses(lines[1]):
                found = _conflict(roadmap, i, j)
                if found is not None:
                    yield found


def merges(
    roadmap: RoadMap,
    ego: Callable[[int], bool],
    other: Callable[[int], bool],
    angle: tuple[float, float],
) -> Iterator[Conflict]:
    """Find pairs of junction lanes that come from different roads and end in the same lane.

    Their areas begin where the corridors first overlap and end with the junction lane.

    Args:
        roadmap: The road.
        ego: Whether the junction lane of an index suits the ego.
        other: Whether it suits the other vehicle.
        angle: Least and greatest angle between the directions in which they enter [rad].

    Yields:
        Conflicts, in the order of the lanes.
    """
    inside = [k for k in roadmap.traffic_lanes if roadmap.lanes[k].in_junction]
    for i in (k for k in inside if ego(k)):
        for j in (k for k in inside if other(k)):
            shared = set(roadmap.lanes[i].successors) & set(roadmap.lanes[j].successors)
            turned = abs(float(wrap_angle(np.array(_entry(roadmap, i) - _entry(roadmap, j)))))
            if i == j or not shared or not angle[0] <= turned <= angle[1]:
                continue
            found = _conflict(roadmap, i, j)
            if found is not None:
                yield found


def _conflict(roadmap: RoadMap, i: int, j: int) -> Conflict | None:
    mine, others = (
        straight_on(roadmap, k, BEYOND + roadmap.lanes[k].length, back=APPROACH) for k in (i, j)
    )
    if max(len(mine.lanes), len(others.lanes)) > ROUTE_LENGTH:
        return None
    stops = [float(p.starts[p.lanes.index(k)]) for p, k in ((mine, i), (others, j))]
    sweeps = [
        shapely.LineString(roadmap.lanes[k].centerline).buffer(CORRIDOR / 2, cap_style="flat")
        for k in (i, j)
    ]
    shared = sweeps[0].intersection(sweeps[1])
    corners = shapely.get_coordinates(shared)
    if not len(corners):
        return None
    areas = []
    for path in (mine, others):
        along, _ = polylines.project(path.points, corners)
        areas.append((float(along.min()), float(along.max())))
    return Conflict(
        ego=mine,
        other=others,
        ego_stop=stops[0],
        other_stop=stops[1],
        ego_area=areas[0],
        other_area=areas[1],
    )


def _entry(roadmap: RoadMap, lane: int) -> float:
    line = roadmap.lanes[lane].centerline
    return float(np.arctan2(*(line[1] - line[0])[::-1]))
