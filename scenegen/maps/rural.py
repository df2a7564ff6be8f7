"""A winding two-lane country road."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.maps.draft import MapDraft
from scenegen.maps.paths import Path, path_from_curvature
from scenegen.maps.source import Drawn, MapSource, Range, check_speeds
from scenegen.scene.roadmap import Lane, LaneKind, LineMarking, RoadKind

STEP = 4.0
"""Spacing of the points [m]."""
CURVE_ACCELERATION = 3.5
"""Lateral acceleration at the posted limit of a curve [m/s^2]; our choice: brisk, but at half of
what a car holds on a wet road."""
LEAST_LIMIT = 70 / 3.6
"""No curve is posted below this [m/s]; it fits a radius of 120 m at CURVE_ACCELERATION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rural(MapSource):
    """One lane per direction through bends of clothoid, arc and clothoid.

    Lane sections change where the road bends: bends have a double solid centre line and a limit
    that their radius allows, rounded down to 10 km/h; straights have a dashed centre line.

    Attributes:
        width: Lane width [m].
        shoulder: Width of the paved shoulders [m].
        length: Length of the road [m].
        radius: Radius of the bends along the middle of the road [m], at least 120.
        bend: How far a bend turns [rad].
        straight: Length of the straights between bends [m].
        speed_limits: Limits of the straights to choose from [m/s]; 80, 90 and 100 km/h.
    """

    name: ClassVar[str] = "rural"
    kind: ClassVar[RoadKind] = RoadKind.RURAL

    width: Range = field(default_factory=lambda: Range(low=3.0, high=3.5))
    shoulder: Range = field(default_factory=lambda: Range(low=0.5, high=1.25))
    length: Range = field(default_factory=lambda: Range(low=900.0, high=1100.0))
    radius: Range = field(default_factory=lambda: Range(low=130.0, high=400.0))
    bend: Range = field(default_factory=lambda: Range(low=0.35, high=0.9))
    straight: Range = field(default_factory=lambda: Range(low=40.0, high=140.0))
    speed_limits: tuple[float, ...] = (80 / 3.6, 90 / 3.6, 100 / 3.6)

    def __post_init__(self) -> None:
        """Check that every draw gives a road that can be built."""
        self.width.check_within("width", 2.75, 5.0)
        self.shoulder.check_within("shoulder", 0.25, 3.0)
        self.length.check_within("length", 300.0, 3000.0)
        self.radius.check_within("radius", 120.0, 2000.0)
        self.bend.check_within("bend", 0.1, 1.2)
        self.straight.check_within("straight", 20.0, 500.0)
        check_speeds("speed_limits", self.speed_limits)

    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out the bends, then the lanes section by section."""
        width, shoulder = self.width.draw(rng), self.shoulder.draw(rng)
        limit = float(rng.choice(np.array(self.speed_limits)))
        curvature, breaks = self._curvature(rng, self.length.draw(rng))
        # The bends take turns, so the middle of the swing is the direction to point along x.
        swing = np.concatenate([[0.0], np.cumsum((curvature[:-1] + curvature[1:]) / 2 * STEP)])
        path = path_from_curvature(curvature, STEP, -float(swing.max() + swing.min()) / 2)
        draft = MapDraft()
        rows: list[tuple[int, int]] = []
        for first, last in itertools.pairwise(breaks):
            peak = float(np.abs(curvature[first : last + 1]).max())
            posted = min(limit, max(LEAST_LIMIT, _posted(peak))) if peak > 0 else limit
            rows.append(_add_section(draft, path, (first, last), width, posted, peak > 0))
        draft.chain([row[0]] for row in rows)
        draft.chain([row[1]] for row in reversed(rows))
        for side in (-1, 1):
            center = path.offset(side * (width + shoulder / 2))
            draft.strip(LaneKind.SHOULDER, center if side < 0 else center[::-1].copy(), shoulder)
        sharpest = float(np.abs(curvature).max())
        return draft, {
            "width": width,
            "shoulder": shoulder,
            "length": float(path.along[-1]),
            "least_radius": 1.0 / sharpest,
            "bends": (len(breaks) - 1) // 2,
            "speed_limit": limit,
        }

    def _curvature(self, rng: np.random.Generator, length: float) -> tuple[FloatArray, list[int]]:
        """Curvature at every point [1/m], and the points where straights and bends meet."""
        pieces, breaks, side = [np.zeros(1)], [0], 1 if rng.random() < 0.5 else -1
        least = 0.0
        while least < length:
            straight = np.zeros(max(2, round(self.straight.draw(rng) / STEP)))
            radius = np.exp(rng.uniform(np.log(self.radius.low), np.log(self.radius.high)))
            transition = max(4, round(float(radius) / 3.0 / STEP))
            ramp = np.arange(1, transition + 1) / transition
            turned = (transition * STEP) / radius
            arc = max(1, round((self.bend.draw(rng) - turned) * radius / STEP))
            bend = side / radius * np.concatenate([ramp, np.ones(arc), ramp[::-1][1:], [0.0]])
            pieces += [straight, bend]
            breaks += [breaks[-1] + len(straight), breaks[-1] + len(straight) + len(bend)]
            side, least = -side, breaks[-1] * STEP
        closing = np.zeros(max(2, round(self.straight.draw(rng) / STEP)))
        return np.concatenate([*pieces, closing]), [*breaks, breaks[-1] + len(closing)]


def _posted(curvature: float) -> float:
    """Limit that fits a curvature [1/m], rounded down to 10 km/h, in m/s."""
    return float(np.floor(np.sqrt(CURVE_ACCELERATION / curvature) * 0.36) / 0.36)


def _add_section(
    draft: MapDraft, path: Path, ends: tuple[int, int], width: float, limit: float, bends: bool
) -> tuple[int, int]:
    """Add both lanes between two points of the path: along it, then against it."""
    pick = slice(ends[0], ends[1] + 1)
    middle = LineMarking.DOUBLE_SOLID if bends else LineMarking.DASHED
    lanes = []
    for side in (-1, 1):
        center = path.offset(side * width / 2)[pick]
        lanes.append(
            draft.add(
                Lane(
                    centerline=center if side < 0 else center[::-1].copy(),
                    width=np.full(len(center), width),
                    speed_limit=limit,
                    left_marking=middle,
                    right_marking=LineMarking.SOLID,
                )
            )
        )
    return lanes[0], lanes[1]
