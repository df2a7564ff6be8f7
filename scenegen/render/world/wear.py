"""What years do to a road: wheel tracks, patches, sealed cracks, joints, covers and drains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.render.mesh import Model, Parts
from scenegen.render.solids import add_ribbon
from scenegen.scene import Lane, LaneKind

TRACK_HEIGHT, PATCH_HEIGHT, CRACK_HEIGHT = 0.001, 0.002, 0.003
"""Tracks, patches and tar lie this high over the road, under the paint [m]."""
TRACK_LENGTH, TRACK_TILE = 14.0, 4.0
"""Length of road that one repetition of the bitmap of a lane covers, and its edge in the units of
the texture coordinates [m]."""
TRACK_REACH, WEAR_REACH = 150.0, 75.0
"""Distance beyond which tracks, and patches and cracks, are not drawn [m]."""


@dataclass(slots=True)
class _Tiles:
    """Parts per square of the ground, so that what is out of view is skipped.

    Attributes:
        edge: Edge of a square [m].
        parts: Parts by lattice index.
    """

    edge: float
    parts: dict[tuple[int, int], Parts] = field(default_factory=dict)

    def at(self, place: FloatArray) -> Parts:
        """Parts of the square that a place (x, y) lies in."""
        i, j = np.floor(np.asarray(place) / self.edge).astype(int)
        return self.parts.setdefault((int(i), int(j)), Parts())


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """How well a road is kept, counts per 100 m of lane.

    Attributes:
        patches: Patches where something was dug up.
        cracks: Cracks sealed with tar.
        covers: Iron covers.
        tone: Factor on the albedo of all asphalt, linear RGB.
    """

    patches: float
    cracks: float
    covers: float
    tone: tuple[float, float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator, *, town: bool) -> Upkeep:
        """Draw a road between new and overdue; old asphalt is lighter."""
        age = float(rng.random())
        level = (0.62 + 0.75 * age) * rng.uniform(0.92, 1.08)
        warm = rng.uniform(-0.03, 0.05)
        return cls(
            patches=(1.6 if town else 0.5) * age * rng.uniform(0.4, 1.6),
            cracks=(5.0 if town else 4.0) * age**1.5 * rng.uniform(0.4, 1.6),
            covers=1.4 if town else 0.0,
            tone=(level * (1 + warm), level, level * (1 - warm)),
        )


def wear_models(
    lanes: Sequence[Lane], upkeep: Upkeep, edge: float, rng: np.random.Generator
) -> dict[str, Model]:
    """Make the wear of a road.

    Args:
        lanes: Lanes of the road, run-outs included.
        upkeep: How well it is kept.
        edge: Edge of the squares that the models are cut into [m].
        rng: Random numbers.

    Returns:
        Models by name; all of them lie on the road.
    """
    tracks, marks = _Tiles(edge), _Tiles(edge)
    for index, lane in enumerate(lanes):
        if lane.in_junction or not lane.kind.carries_traffic or float(lane.width.min()) < 2.0:
            continue
        _add_tracks(tracks, lane, TRACK_HEIGHT + 0.0003 * (index % 3))
        _add_marks(marks, lane, upkeep, rng)
    models = {
        f"tracks/{i}/{j}": Model(levels=(parts.mesh(),), reach=TRACK_REACH)
        for (i, j), parts in tracks.parts.items()
    }
    models |= {
        f"wear/{i}/{j}": Model(levels=(parts.mesh(),), reach=WEAR_REACH)
        for (i, j), parts in marks.parts.items()
    }
    return models


def _add_tracks(tiles: _Tiles, lane: Lane, height: float) -> None:
    """Cover a lane with ribbons whose texture runs along it."""
    line = polylines.resample(lane.centerline, 6.0)
    along = polylines.arc_length(line)
    width = np.interp(along, polylines.arc_length(lane.centerline), lane.width)
    left, right = polylines.offset(line, 0.5 * width), polylines.offset(line, -0.5 * width)
    for begin in range(0, len(line) - 1, 4):
        span = slice(begin, begin + 5)
        count = len(line[span])
        if count < 2:
            continue
        flat = np.concatenate([right[span], left[span]])
        v = along[span] * (TRACK_TILE / TRACK_LENGTH)
        uv = np.column_stack([np.repeat([TRACK_TILE, 0.0], count), np.concatenate([v, v])])
        i = np.arange(count - 1)
        faces = np.stack([i, i + 1, count + i + 1, count + i], -1)
        vertices = np.column_stack([flat, np.full(2 * count, height)])
        tiles.at(line[begin]).add(vertices, faces, "lane", uv=uv)


def _add_marks(tiles: _Tiles, lane: Lane, upkeep: Upkeep, rng: np.random.Generator) -> None:
    """Scatter patches, cracks and covers over a lane."""
    length = lane.length
    for kind, rate in (("patch", upkeep.patches), ("crack", upkeep.cracks)):
        for _ in range(int(rng.poisson(rate * length / 100.0))):
            at = float(rng.uniform(0, length))
            if kind == "patch":
                _add_patch(tiles, lane, at, rng)
            elif rng.random() < 0.45:
                _add_cross_crack(tiles, lane, at, rng)
            else:
                _add_long_crack(tiles, lane, at, rng)
    for _ in range(int(rng.poisson(upkeep.covers * length / 100.0))):
        at, aside = float(rng.uniform(0, length)), float(rng.uniform(-0.3, 0.3))
        if lane.kind is LaneKind.DRIVING:
            _add_cover(tiles, lane, at, aside)


def _strip(lane: Lane, along: FloatArray, aside: FloatArray) -> FloatArray:
    """Places at arc lengths and shares of the half-width to the left, shape (P, 2)."""
    along = np.clip(along, 0.0, lane.length)
    center = polylines.point_at(lane.centerline, along)
    heading = polylines.heading_at(lane.centerline, along)
    half = 0.5 * np.interp(along, polylines.arc_length(lane.centerline), lane.width)
    normal = np.stack([-np.sin(heading), np.cos(heading)], -1)
    return np.asarray(center + (half * aside)[:, None] * normal)


def _add_patch(tiles: _Tiles, lane: Lane, at: float, rng: np.random.Generator) -> None:
    """Add a rectangle of newer or older asphalt with a tarred rim."""
    long = float(rng.uniform(1.2, 4.0) if rng.random() < 0.6 else rng.uniform(6.0, 22.0))
    middle = float(rng.uniform(-0.6, 0.6))
    half = float(rng.uniform(0.18, 0.5))
    low, high = max(middle - half, -0.95), min(middle + half, 0.95)
    along = np.linspace(at, min(at + long, lane.length), max(2, int(long / 4) + 1))
    if along[-1] - along[0] < 0.5:
        return
    left, right = (_strip(lane, along, np.full(len(along), a)) for a in (high, low))
    material = "patch" if rng.random() < 0.7 else "patch_old"
    parts = tiles.at(left[0])
    add_ribbon(parts, left, right, PATCH_HEIGHT, material)
    if rng.random() < 0.6:
        for edge in (left, right):
            _tar(parts, edge, 0.05)
        for k in (0, -1):
            _tar(parts, np.stack([left[k], right[k]]), 0.05)


def _add_cross_crack(tiles: _Tiles, lane: Lane, at: float, rng: np.random.Generator) -> None:
    """Add a crack across the lane, as cold winters leave them."""
    aside = np.linspace(-1.0, 1.0, 8)
    along = at + np.cumsum(rng.normal(0, 0.12, 8))
    path = _strip(lane, along, aside)
    _tar(tiles.at(path[0]), path, float(rng.uniform(0.02, 0.07)))


def _add_long_crack(tiles: _Tiles, lane: Lane, at: float, rng: np.random.Generator) -> None:
    """Add a crack along a wheel track or a seam."""
    count = int(rng.integers(6, 16))
    aside = float(rng.choice([-0.98, -0.5, 0.0, 0.5, 0.98])) + np.cumsum(
        rng.normal(0, 0.035, count)
    )
    along = at + np.cumsum(rng.uniform(0.5, 1.3, count))
    keep = along < lane.length
    if keep.sum() < 3:
        return
    path = _strip(lane, along[keep], np.clip(aside[keep], -1.0, 1.0))
    _tar(tiles.at(path[0]), path, float(rng.uniform(0.015, 0.06)))


def _tar(parts: Parts, path: FloatArray, width: float) -> None:
    """Add a band of tar along a path."""
    left, right = polylines.offset(path, width / 2), polylines.offset(path, -width / 2)
    add_ribbon(parts, left, right, CRACK_HEIGHT, "tar")


def _add_cover(tiles: _Tiles, lane: Lane, at: float, aside: float) -> None:
    """Add a round iron cover of 66 cm in a ring of new asphalt."""
    center = _strip(lane, np.array([at]), np.array([aside]))[0]
    parts = tiles.at(center)
    for radius, height, material in ((0.46, PATCH_HEIGHT, "patch"), (0.33, CRACK_HEIGHT, "iron")):
        angle = np.arange(12) / 12 * 2 * np.pi
        rim = center + radius * np.stack([np.cos(angle), np.sin(angle)], -1)
        flat = np.vstack([rim, center])
        fan = np.array([(i, (i + 1) % 12, 12) for i in range(12)])
        parts.add(np.column_stack([flat, np.full(13, height)]), fan, material, uv=flat)
