"""A town street: parking on both sides, sidewalks, zebra crossings between the blocks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.maps.draft import MapDraft
from scenegen.maps.paths import Path, winding_path
from scenegen.maps.source import Drawn, MapSource, Range, check_speeds
from scenegen.scene.roadmap import Lane, LaneKind, LineMarking, RoadKind

STEP = 2.0
"""Spacing of the points [m]."""
CROSSING_WIDTH = 4.0
"""Extent of a zebra crossing along the road [m]."""
CLEAR = 7.0
"""No parking closer than this to the middle of a crossing [m], for the view on people there."""
TAPER = 4.0
"""Length over which the kerb moves out to the lane at a crossing [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Urban(MapSource):
    """A street of one or two lanes per direction with parking strips and zebra crossings.

    At a crossing the sidewalk is built out to the lane, so that people wait in view.

    Attributes:
        lanes: Lanes per direction, 1 or 2.
        width: Lane width [m].
        parking: Width of the parking strips [m].
        sidewalk: Width of the sidewalks [m].
        length: Length of the street [m].
        radius: Least radius of the curves [m].
        crossings: Number of zebra crossings.
        speed_limits: Limits to choose from [m/s]; 30, 40 and 50 km/h.
    """

    name: ClassVar[str] = "urban"
    kind: ClassVar[RoadKind] = RoadKind.URBAN

    lanes: Range = field(default_factory=lambda: Range(low=1, high=2))
    width: Range = field(default_factory=lambda: Range(low=3.0, high=3.5))
    parking: Range = field(default_factory=lambda: Range(low=2.0, high=2.4))
    sidewalk: Range = field(default_factory=lambda: Range(low=2.0, high=3.5))
    length: Range = field(default_factory=lambda: Range(low=500.0, high=600.0))
    radius: Range = field(default_factory=lambda: Range(low=500.0, high=3000.0))
    crossings: Range = field(default_factory=lambda: Range(low=1, high=3))
    speed_limits: tuple[float, ...] = (30 / 3.6, 40 / 3.6, 50 / 3.6)

    def __post_init__(self) -> None:
        """Check that every draw gives a road that can be built."""
        self.lanes.check_count("lanes", 1, 2)
        self.width.check_within("width", 2.5, 5.0)
        self.parking.check_within("parking", 1.8, 3.0)
        self.sidewalk.check_within("sidewalk", 1.0, 6.0)
        self.length.check_within("length", 200.0, 2000.0)
        self.radius.check_within("radius", 100.0, 1e6)
        self.crossings.check_count("crossings", 0, 3)
        check_speeds("speed_limits", self.speed_limits)

    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out lanes, parking, sidewalks and crossings."""
        lanes = self.lanes.draw_integer(rng)
        width, parking, sidewalk = (
            given.draw(rng) for given in (self.width, self.parking, self.sidewalk)
        )
        length, radius = self.length.draw(rng), self.radius.draw(rng)
        count = self.crossings.draw_integer(rng)
        limit = float(rng.choice(np.array(self.speed_limits)))
        path = winding_path(rng, length, STEP, radius)
        blocks = (np.arange(count) + rng.uniform(0.3, 0.7, count)) / max(count, 1)
        places = [path.index(float(share * path.along[-1])) for share in blocks]
        draft = MapDraft()
        _add_lanes(draft, path, lanes, width, limit)
        edge = lanes * width
        _add_sides(draft, path, edge, parking, sidewalk, places)
        for place in places:
            draft.crossing(path.across(place, -edge, edge), CROSSING_WIDTH, parking + sidewalk / 2)
        return draft, {
            "lanes": lanes,
            "width": width,
            "parking": parking,
            "sidewalk": sidewalk,
            "length": float(path.along[-1]),
            "radius": radius,
            "crossings": count,
            "speed_limit": limit,
        }


def _add_lanes(draft: MapDraft, path: Path, lanes: int, width: float, limit: float) -> None:
    """Driving lanes of both directions; lane 0 is the rightmost along the path."""
    middle = LineMarking.DASHED if lanes == 1 else LineMarking.DOUBLE_SOLID
    for side in (-1, 1):
        row = []
        for k in reversed(range(lanes)):  # rightmost first
            center = path.offset(side * (k + 0.5) * width)
            row.append(
                draft.add(
                    Lane(
                        centerline=center if side < 0 else center[::-1].copy(),
                        width=np.full(len(center), width),
                        speed_limit=limit,
                        left_marking=middle if k == 0 else LineMarking.DASHED,
                        right_marking=LineMarking.SOLID if k == lanes - 1 else LineMarking.DASHED,
                    )
                )
            )
        for right_lane, left_lane in itertools.pairwise(row):
            draft.beside(left_lane, right_lane)


def _add_sides(
    draft: MapDraft, path: Path, edge: float, parking: float, sidewalk: float, places: list[int]
) -> None:
    """Parking strips with a gap at every crossing, build-outs in the gaps, sidewalks."""
    apart = np.min([np.abs(path.along - path.along[k]) for k in places] or [path.along + 1e9], 0)
    depth = parking * np.clip((apart - CLEAR) / TAPER, 0.0, 1.0)
    for side in (-1, 1):
        for inside in _runs(depth > 0):
            _strip(draft, path, side, edge, edge + depth, inside, LaneKind.PARKING)
        for inside in _runs(depth < parking):
            _strip(draft, path, side, edge + depth, edge + parking, inside, LaneKind.SIDEWALK)
        outer = edge + parking
        everything = slice(0, len(path.points))
        _strip(draft, path, side, outer, outer + sidewalk, everything, LaneKind.SIDEWALK)


def _runs(inside: FloatArray) -> list[slice]:
    """Stretches where a condition holds, with one point more at either end."""
    change = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [
        slice(max(int(a) - 1, 0), min(int(b) + 1, len(inside)))
        for a, b in zip(change[::2], change[1::2], strict=True)
    ]


def _strip(
    draft: MapDraft,
    path: Path,
    side: int,
    near: FloatArray | float,
    far: FloatArray | float,
    pick: slice,
    kind: LaneKind,
) -> None:
    """Add a strip between two distances from the middle, in the direction of its side."""
    count = len(path.points)
    near, far = np.broadcast_to(near, count), np.broadcast_to(far, count)
    center, width = path.offset(side * (near + far) / 2)[pick], (far - near)[pick]
    if side > 0:
        center, width = center[::-1].copy(), width[::-1].copy()
    draft.strip(kind, center, width)
