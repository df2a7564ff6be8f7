"""A motorway carriageway with shoulders, an on-ramp and an off-ramp."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.maps.draft import MapDraft
from scenegen.maps.paths import Path, winding_path
from scenegen.maps.source import Drawn, MapSource, Range, check_share, check_speeds
from scenegen.scene.roadmap import Lane, LaneKind, LineMarking, RoadKind

STEP = 3.75
"""Spacing of the points [m]."""
RAMP_LENGTH = 150.0
"""Length of each ramp beyond its nose [m]."""
RAMP_SPREAD = 20.0
"""How far the ramp has moved away from the carriageway at its end [m]."""
TAPER = 60.0
"""Length over which a ramp lane opens or closes [m]."""
INNER_SHOULDER = 1.0
"""Width of the hard strip along the median [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Highway(MapSource):
    """One carriageway of a motorway, often with the opposite one beyond a median.

    The on-ramp becomes an acceleration lane, a right neighbour of the through lanes that ends
    without a successor; the deceleration lane opens further on without a predecessor and leads
    into the off-ramp. Along the ramps the paved shoulder fills the nose.

    Attributes:
        lanes: Through lanes per direction, 2 to 4.
        width: Lane width [m].
        shoulder: Width of the hard shoulder [m].
        median: Width of the median between the hard strips [m].
        radius: Least radius of the curves [m].
        speed_limits: Limits to choose from [m/s]; 100, 110, 120 and 130 km/h.
        ramp_speed_limit: Limit of the ramps [m/s].
        opposite_share: How often the opposite carriageway is there, 0 to 1.
    """

    name: ClassVar[str] = "highway"
    kind: ClassVar[RoadKind] = RoadKind.HIGHWAY

    lanes: Range = field(default_factory=lambda: Range(low=2, high=4))
    width: Range = field(default_factory=lambda: Range(low=3.5, high=3.75))
    shoulder: Range = field(default_factory=lambda: Range(low=2.5, high=3.0))
    median: Range = field(default_factory=lambda: Range(low=3.0, high=8.0))
    radius: Range = field(default_factory=lambda: Range(low=900.0, high=2500.0))
    speed_limits: tuple[float, ...] = (100 / 3.6, 110 / 3.6, 120 / 3.6, 130 / 3.6)
    ramp_speed_limit: float = 80 / 3.6
    opposite_share: float = 0.7

    def __post_init__(self) -> None:
        """Check that every draw gives a road that can be built."""
        self.lanes.check_count("lanes", 2, 4)
        self.width.check_within("width", 2.75, 5.0)
        self.shoulder.check_within("shoulder", 0.5, 4.0)
        self.median.check_within("median", 0.5, 40.0)
        self.radius.check_within("radius", 500.0, 1e6)
        check_share("opposite_share", self.opposite_share)
        check_speeds("speed_limits", self.speed_limits)
        check_speeds("ramp_speed_limit", (self.ramp_speed_limit,))

    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out the carriageways and the ramps."""
        drawn: Drawn = {
            "lanes": self.lanes.draw_integer(rng),
            "width": self.width.draw(rng),
            "shoulder": self.shoulder.draw(rng),
            "median": self.median.draw(rng),
            "radius": self.radius.draw(rng),
            "speed_limit": float(rng.choice(np.array(self.speed_limits))),
            "opposite": int(rng.random() < self.opposite_share),
        }
        lengths = np.array(
            [
                rng.uniform(200, 260),  # before the acceleration lane
                rng.uniform(180, 240),  # acceleration lane
                rng.uniform(280, 360),  # between the ramps, both tapers included
                rng.uniform(150, 200),  # deceleration lane
                rng.uniform(200, 260),  # beyond the off-ramp
            ]
        )
        stations = np.concatenate([[0], np.cumsum(np.round(lengths / STEP).astype(int))])
        drawn["length"] = float(stations[-1] * STEP)
        path = winding_path(rng, float(drawn["length"]), STEP, float(drawn["radius"]))
        layout = _Layout(
            path=path,
            stations=tuple(int(k) for k in stations),
            lanes=int(drawn["lanes"]),
            width=float(drawn["width"]),
            shoulder=float(drawn["shoulder"]),
            speed_limit=float(drawn["speed_limit"]),
            ramp_speed_limit=self.ramp_speed_limit,
        )
        draft = MapDraft()
        _add_carriageway(draft, layout)
        _add_ramp_shoulders(draft, layout)
        if drawn["opposite"]:
            _add_opposite(draft, layout, float(drawn["median"]))
        return draft, drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Numbers shared by the parts; lateral offsets count from the left edge, left positive."""

    path: Path
    stations: tuple[int, ...]
    lanes: int
    width: float
    shoulder: float
    speed_limit: float
    ramp_speed_limit: float

    @property
    def edge(self) -> float:
        """Lateral offset of the right edge of the through lanes [m]."""
        return -self.lanes * self.width

    def ribbon(
        self, first: int, last: int, left: FloatArray | float, right: FloatArray | float
    ) -> tuple[FloatArray, FloatArray]:
        """Centreline and width between two lateral offsets, over a range of stations."""
        count = len(self.path.points)
        left, right = np.broadcast_to(left, count), np.broadcast_to(right, count)
        pick = slice(first, last + 1)
        return self.path.offset((left + right) / 2)[pick], (left - right)[pick]

    def gap(self, beyond: FloatArray) -> FloatArray:
        """Distance from the carriageway's edge to a ramp, at distances beyond the nose [m]."""
        return RAMP_SPREAD * np.clip(beyond / RAMP_LENGTH, 0.0, None) ** 2


def _add_carriageway(draft: MapDraft, layout: _Layout) -> None:
    """Through lanes in five sections, with the ramps and their extra lanes."""
    sections = []
    for number, (first, last) in enumerate(
        zip(layout.stations[:-1], layout.stations[1:], strict=True)
    ):
        beside_ramp = number in {1, 3}
        row = []
        for k in range(layout.lanes):  # rightmost first
            right = layout.edge + k * layout.width
            center, width = layout.ribbon(first, last, right + layout.width, right)
            edge = LineMarking.DASHED if k > 0 or beside_ramp else LineMarking.SOLID
            leftmost = k == layout.lanes - 1
            row.append(
                draft.add(
                    Lane(
                        centerline=center,
                        width=width,
                        speed_limit=layout.speed_limit,
                        left_marking=LineMarking.SOLID if leftmost else LineMarking.DASHED,
                        right_marking=edge,
                    )
                )
            )
        for right_lane, left_lane in itertools.pairwise(row):
            draft.beside(left_lane, right_lane)
        sections.append(row)
    draft.chain(sections)
    _add_ramp(draft, layout, sections[1][0], entering=True)
    _add_ramp(draft, layout, sections[3][0], entering=False)


def _add_ramp(draft: MapDraft, layout: _Layout, neighbour: int, *, entering: bool) -> None:
    """Ramp and extra lane: acceleration lane for entering, deceleration lane for leaving."""
    first, last = layout.stations[1:3] if entering else layout.stations[3:5]
    center, width = layout.ribbon(first, last, layout.edge, layout.edge - layout.width)
    limit = layout.speed_limit if entering else max(layout.ramp_speed_limit, 25.0)
    painted = Lane(
        centerline=center,
        width=width,
        kind=LaneKind.RAMP,
        speed_limit=limit,
        left_marking=LineMarking.DASHED,
        right_marking=LineMarking.SOLID,
    )
    extra = draft.add(painted)
    draft.beside(neighbour, extra)
    away = _ramp_line(layout, entering=entering)
    ramp = draft.add(
        replace(
            painted,
            centerline=away,
            width=np.full(len(away), layout.width),
            speed_limit=layout.ramp_speed_limit,
            left_marking=LineMarking.SOLID,
        )
    )
    if entering:
        draft.follow(ramp, extra)
    else:
        draft.follow(extra, ramp)
    side = -(layout.width + layout.shoulder) / 2
    draft.strip(LaneKind.SHOULDER, polylines.offset(away, side), layout.shoulder)


def _ramp_line(layout: _Layout, *, entering: bool) -> FloatArray:
    """Centreline of a ramp, which leaves the carriageway at a constant rate of turn."""
    reach = round(RAMP_LENGTH / STEP)
    nose = layout.stations[1] if entering else layout.stations[4]
    beyond = (layout.path.along - layout.path.along[nose]) * (-1 if entering else 1)
    center = layout.path.offset(layout.edge - layout.width / 2 - layout.gap(beyond))
    return center[nose - reach : nose + 1] if entering else center[nose : nose + reach + 1]


def _add_ramp_shoulders(draft: MapDraft, layout: _Layout) -> None:
    """Right shoulder of the through lanes; it widens in the tapers and narrows at the noses."""
    start, on, merged, off, nose, end = layout.stations
    along, edge, wide = layout.path.along, layout.edge, layout.shoulder
    closing = np.clip((along - along[merged]) / TAPER, 0.0, 1.0)
    opening = np.clip((along[off] - along) / TAPER, 0.0, 1.0)
    taper = layout.width * (1.0 - np.minimum(closing, opening))
    before = np.minimum(wide, layout.gap(along[on] - along))
    after = np.minimum(wide, layout.gap(along - along[nose]))
    beside_ramp_lane = edge - layout.width
    for first, last, left, right in (
        (start, on, edge, edge - before),
        (on, merged, beside_ramp_lane, beside_ramp_lane - wide),
        (merged, off, edge, edge - wide - taper),
        (off, nose, beside_ramp_lane, beside_ramp_lane - wide),
        (nose, end, edge, edge - after),
    ):
        draft.strip(LaneKind.SHOULDER, *layout.ribbon(first, last, left, right))
    strip = layout.ribbon(start, end, INNER_SHOULDER, 0.0)
    draft.strip(LaneKind.SHOULDER, *strip)


def _add_opposite(draft: MapDraft, layout: _Layout, median: float) -> None:
    """Opposite carriageway beyond the median, driven the other way."""
    base = 2 * INNER_SHOULDER + median
    last = layout.stations[-1]
    row = []
    for k in range(layout.lanes):  # leftmost of its own direction first
        right = base + k * layout.width
        center, width = layout.ribbon(0, last, right + layout.width, right)
        rightmost = k == layout.lanes - 1
        row.append(
            draft.add(
                Lane(
                    centerline=center[::-1].copy(),
                    width=width[::-1].copy(),
                    speed_limit=layout.speed_limit,
                    left_marking=LineMarking.SOLID if k == 0 else LineMarking.DASHED,
                    right_marking=LineMarking.SOLID if rightmost else LineMarking.DASHED,
                )
            )
        )
    for left_lane, right_lane in itertools.pairwise(row):
        draft.beside(left_lane, right_lane)
    outer = base + layout.lanes * layout.width
    for left, right in ((base, base - INNER_SHOULDER), (outer + layout.shoulder, outer)):
        center, width = layout.ribbon(0, last, left, right)
        draft.strip(LaneKind.SHOULDER, center[::-1].copy(), width[::-1].copy())
