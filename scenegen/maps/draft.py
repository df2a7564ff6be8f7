"""A road map under construction: lanes are added, then linked, then frozen."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.scene.roadmap import Crossing, Lane, LaneKind, LineMarking, RoadKind, RoadMap
from scenegen.scene.signals import Signal

PLAIN = LineMarking.NONE


class MapDraft:
    """Collects lanes, signals and crossings; every link is set on both of its ends."""

    def __init__(self) -> None:
        """Start with an empty plan."""
        self.lanes: list[Lane] = []
        self.signals: list[Signal] = []
        self.crossings: list[Crossing] = []

    def add(self, lane: Lane) -> int:
        """Add a lane and give its index."""
        self.lanes.append(lane)
        return len(self.lanes) - 1

    def follow(self, first: int, then: int) -> None:
        """Let one lane lead into another."""
        a, b = self.lanes[first], self.lanes[then]
        self.lanes[first] = replace(a, successors=(*a.successors, then))
        self.lanes[then] = replace(b, predecessors=(*b.predecessors, first))

    def chain(self, sections: Iterable[Iterable[int]]) -> None:
        """Let the lanes of each section lead into those of the next, one to one."""
        rows = [list(section) for section in sections]
        for firsts, thens in itertools.pairwise(rows):
            for first, then in zip(firsts, thens, strict=True):
                self.follow(first, then)

    def beside(self, left: int, right: int) -> None:
        """Make two lanes of the same direction neighbours."""
        self.lanes[left] = replace(self.lanes[left], right=right)
        self.lanes[right] = replace(self.lanes[right], left=left)

    def strip(self, kind: LaneKind, centerline: FloatArray, width: FloatArray | float) -> int:
        """Add a strip without traffic and without paint, and give its index."""
        return self.add(
            Lane(
                centerline=centerline,
                width=np.broadcast_to(np.asarray(width, float), len(centerline)).copy(),
                kind=kind,
                speed_limit=1.5 if kind in {LaneKind.SIDEWALK, LaneKind.CROSSWALK} else 5.0,
                left_marking=PLAIN,
                right_marking=PLAIN,
                in_junction=kind is LaneKind.CROSSWALK,
            )
        )

    def crossing(self, path: FloatArray, width: float, reach: float) -> None:
        """Add a zebra crossing and the crosswalk lane on it.

        Args:
            path: From kerb to kerb [m], shape (2, 2).
            width: Extent along the road [m].
            reach: How far the crosswalk lane runs on beyond each kerb, onto the sidewalk [m].
        """
        left, right = (polylines.offset(path, side * width / 2) for side in (1, -1))
        outline = np.concatenate([right, left[::-1]])
        shape = shapely.Polygon(outline)
        crossed = tuple(
            i
            for i, lane in enumerate(self.lanes)
            if lane.kind.carries_traffic and shapely.Polygon(lane.polygon).intersects(shape)
        )
        self.crossings.append(Crossing(outline=outline, path=path, lanes=crossed))
        length = float(polylines.arc_length(path)[-1])
        ends = np.array([-reach, *np.linspace(0.0, length, 5), length + reach])
        along = (path[1] - path[0]) / length
        self.strip(LaneKind.CROSSWALK, path[0] + ends[:, None] * along, width)

    def pave_holes(self, largest: float) -> None:
        """Pave holes of the carriageway up to an area [m^2] with shoulders of their extent.

        Such holes are no islands: the corner that a wide right turn leaves beside the straight
        lanes, and the wedges between recorded lanelets that end at a slant.
        """
        kinds = [kind for kind in LaneKind if kind.is_drivable]
        area = self.build("", RoadKind.RECORDED, {}).area(*kinds)
        for part in area.geoms if hasattr(area, "geoms") else (area,):
            for ring in part.interiors:
                hole = shapely.Polygon(ring)
                if hole.area <= largest:
                    box = shapely.get_coordinates(shapely.oriented_envelope(hole))
                    self._pave_box(box)

    def _pave_box(self, corners: FloatArray) -> None:
        first, second = np.hypot(*np.diff(corners[:3], axis=0).T)
        a, b, c, d = corners[:4] if first >= second else corners[[1, 2, 3, 0]]
        ends = np.stack([(a + d) / 2, (b + c) / 2])
        self.strip(LaneKind.SHOULDER, ends, max(float(min(first, second)), 0.1))

    def build(self, name: str, kind: RoadKind, source: dict[str, str | int | float]) -> RoadMap:
        """Freeze the plan."""
        return RoadMap(
            name=name,
            kind=kind,
            lanes=tuple(self.lanes),
            signals=tuple(self.signals),
            crossings=tuple(self.crossings),
            source=source,
        )
