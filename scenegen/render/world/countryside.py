"""What lies beyond the verge: tufts of grass, fields, noise barriers and woods on the horizon."""

from __future__ import annotations

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.render.mesh import Model, Parts
from scenegen.render.meshes.plants import add_tufts
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.world.ground import LAND_DEPTH, TILE
from scenegen.render.world.roadside import Roadside, borders, walk
from scenegen.scene import RoadKind

TUFT_REACH = 34.0
"""Distance beyond which tufts are not drawn [m]."""
FIELDS = (
    (0.155, 0.145, 0.065),
    (0.20, 0.165, 0.085),
    (0.085, 0.115, 0.04),
    (0.13, 0.10, 0.065),
    (0.11, 0.135, 0.05),
)
"""Albedos of stubble, ripe grain, meadow, ploughed soil and young crop; linear RGB."""
_MEADOW = np.array([0.115, 0.125, 0.055])
"""Albedo of the material `grass`, which the tint of a field multiplies."""
PIECE = 4.0
"""Length of a piece of noise barrier [m]."""


def add_verges(
    side: Roadside, paved: shapely.Geometry, away: tuple[float, ...], rng: np.random.Generator
) -> None:
    """Grow tufts of grass along the border of the paved ground.

    Args:
        side: What stands there already; models and placements are added.
        paved: Ground that nothing grows on.
        away: Distances from it at which tufts grow [m].
        rng: Random numbers.
    """
    groups: dict[tuple[int, int], list[FloatArray]] = {}
    for distance in away:
        for ring in borders(paved, distance):
            places = walk(ring, 0.8)
            places[:, :2] += rng.normal(0, 0.16, (len(places), 2))
            # The paved ground, and who looks, is on the right of the ring.
            places[:, 2] -= np.pi / 2
            places = places[rng.random(len(places)) < 0.8]
            cells = np.floor(places[:, :2] / TILE).astype(int)
            for cell in np.unique(cells, axis=0):
                groups.setdefault((int(cell[0]), int(cell[1])), []).append(
                    places[(cells == cell).all(-1)]
                )
    dry = rng.uniform(0.0, 1.0)
    tint = (float(1.0 + 0.7 * dry), float(1.0 + 0.25 * dry), 1.0)
    for (i, j), found in groups.items():
        places = np.concatenate(found)
        parts = Parts()
        rooted = np.column_stack([places[:, :2], np.full(len(places), LAND_DEPTH)])
        add_tufts(parts, rng, rooted, places[:, 2], float(rng.uniform(0.12, 0.26)))
        name = f"tufts/{i}/{j}"
        side.models[name] = Model(levels=(parts.mesh(),), reach=TUFT_REACH)
        side.put(name, SurfaceClass.TERRAIN, np.zeros(2), tint=tint)


def add_horizon(
    side: Roadside, paved: shapely.Geometry, kind: RoadKind, rng: np.random.Generator
) -> None:
    """Lay out fields and the edges of woods out to a few hundred metres.

    Args:
        side: What stands there already; placements are added.
        paved: Road and pavements.
        kind: What the surroundings are drawn for.
        rng: Random numbers.
    """
    _add_fields(side, paved, rng)
    if kind is RoadKind.HIGHWAY and rng.random() < 0.45:
        _add_barrier(side, paved, rng)
    for away in (70.0, 130.0, 210.0):
        for ring in borders(paved, away):
            wooded = rng.uniform(0.35, 0.9)
            run = False
            for x, y, heading in walk(ring, 22.0, float(rng.uniform(0, 22))):
                run = rng.random() < (0.88 if run else 0.4) * (0.6 + 0.5 * wooded)
                if run:
                    _put_grove(side, np.array([x, y]), float(heading), away, rng)


def _put_grove(
    side: Roadside, at: FloatArray, heading: float, away: float, rng: np.random.Generator
) -> None:
    spot = at + rng.normal(0, 0.05 * away, 2)
    tall = float(rng.uniform(0.75, 1.35) * (1 + away / 400))
    green = rng.uniform(0.7, 1.05) * np.array([rng.uniform(0.85, 1.25), 1.0, rng.uniform(0.8, 1.1)])
    side.put(
        f"grove/{int(rng.integers(3))}",
        SurfaceClass.VEGETATION,
        spot,
        yaw=heading + float(rng.choice([0.0, np.pi])),
        scale=(1.0, 1.0, tall),
        tint=tuple(float(v) for v in green),
        z=LAND_DEPTH,
    )


def _add_fields(side: Roadside, paved: shapely.Geometry, rng: np.random.Generator) -> None:
    """Cover the land with fields; they lie under the road, so that they may cross it."""
    x0, y0, x1, y1 = paved.bounds
    parts = Parts()
    corners = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float64)
    parts.add(corners, np.array([(0, 1, 2, 3)]), "grass", uv=corners[:, :2] * 120.0)
    side.models["field"] = Model(levels=(parts.mesh(),), reach=1500.0)
    yaw = float(rng.uniform(0, np.pi / 2))
    for k in range(36):
        color = np.array(FIELDS[int(rng.integers(len(FIELDS)))]) * rng.uniform(0.85, 1.15)
        at = rng.uniform([x0 - 350, y0 - 350], [x1 + 350, y1 + 350])
        size = rng.uniform(70, 240, 2)
        middle = shapely.Point(at + size / 2)
        if shapely.distance(paved, middle) < 40.0:
            continue
        side.put(
            "field",
            SurfaceClass.TERRAIN,
            at,
            yaw=yaw,
            scale=(float(size[0]), float(size[1]), 1.0),
            z=LAND_DEPTH + 0.0015 + 0.0006 * k,
            tint=tuple(float(v) for v in color / _MEADOW),
        )


def _add_barrier(side: Roadside, paved: shapely.Geometry, rng: np.random.Generator) -> None:
    """Put a noise barrier along one stretch of a motorway."""
    rings = list(borders(paved, 3.2))
    ring = rings[int(rng.integers(len(rings)))]
    length = float(polylines.arc_length(ring)[-1])
    begin = float(rng.uniform(0, max(length - 150.0, 1.0)))
    end = min(length, begin + float(rng.uniform(120, 320)))
    tint = tuple(float(v) for v in rng.uniform(0.5, 0.9) * np.array([1.0, 0.98, 0.9]))
    along = np.arange(begin, end, PIECE)
    for (x, y), heading in zip(
        polylines.point_at(ring, along), polylines.heading_at(ring, along), strict=True
    ):
        side.put(
            "noise_wall",
            SurfaceClass.BARRIER,
            np.array([x, y]),
            yaw=float(heading) + np.pi,
            z=LAND_DEPTH,
            tint=tint,
        )
