"""What stands along a road: houses, trees, guard rails, lamps, signs, signals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.render.mesh import Model, Parts
from scenegen.render.meshes.buildings import BAY, VARIANTS, building, building_depth
from scenegen.render.meshes.furniture import SIGNS
from scenegen.render.solids import add_box, add_wall
from scenegen.render.stage import Placement
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.world.ground import LAND_DEPTH, TILE, polygons
from scenegen.scene import RoadKind

LAMP_SPACING = 28.0
"""Distance between street lamps on one side [m]; EN 13201 roads: 3 to 4 times the height."""
WALLS = (
    (0.62, 0.60, 0.56),
    (0.95, 0.90, 0.80),
    (0.85, 0.66, 0.46),
    (0.74, 0.74, 0.78),
    (0.90, 0.78, 0.66),
    (1.0, 1.0, 1.0),
)
"""Tints of facades, linear RGB."""


@dataclass(slots=True)
class Roadside:
    """Placements gathered along a road, with the ground that is already taken.

    Attributes:
        placements: What stands where.
        models: Models made for this road alone, by name.
        lamps: Street lamps: position of the pole and heading of the arm.
        taken: Middle and footprint of each building.
        clear: Ground on which nothing may stand beside the kerb.
    """

    placements: list[Placement] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    lamps: list[tuple[float, float, float]] = field(default_factory=list)
    taken: list[tuple[float, float, shapely.Geometry]] = field(default_factory=list)
    clear: shapely.Geometry = field(default_factory=shapely.Polygon)

    def may_stand(self, at: FloatArray, away: float) -> bool:
        """Whether a place (x, y) is farther than `away` from what is kept clear [m]."""
        return not shapely.dwithin(self.clear, shapely.Point(at), away)

    def near(self, x: float, y: float, reach: float) -> list[shapely.Geometry]:
        """Footprints whose middle is within a distance of a place along both axes [m]."""
        return [f for u, v, f in self.taken if abs(u - x) < reach and abs(v - y) < reach]

    def put(self, model: str, surface: SurfaceClass, at: FloatArray, **changes: object) -> None:
        """Add one placement at a place (x, y)."""
        self.placements.append(
            Placement(model=model, surface=surface, x=float(at[0]), y=float(at[1]), **changes)  # type: ignore[arg-type]
        )


def borders(area: shapely.Geometry, away: float) -> Iterator[FloatArray]:
    """Outline of a region grown by a distance [m]: rings with the region on their right."""
    grown = polygons(area.buffer(away, join_style="round"))
    for part in grown.geoms:
        for k, ring in enumerate((part.exterior, *part.interiors)):
            points = np.asarray(ring.coords)[:, :2]
            # Exterior rings clockwise, holes counter-clockwise: the region is on the right.
            yield points[::-1] if shapely.is_ccw(ring) == (k == 0) else points


def walk(ring: FloatArray, spacing: FloatArray | float, first: float = 0.0) -> FloatArray:
    """Places along a ring: rows (x, y, heading), shape (P, 3)."""
    length = float(polylines.arc_length(ring)[-1])
    along = np.arange(first, length, float(np.mean(spacing)))
    if not len(along):
        return np.zeros((0, 3))
    return np.column_stack([polylines.point_at(ring, along), polylines.heading_at(ring, along)])


def add_town(
    side: Roadside, paved: shapely.Geometry, road: shapely.Geometry, rng: np.random.Generator
) -> None:
    """Line a town road with houses, lamps, trees, signs and bushes."""
    shapely.prepare(paved)
    for ring in borders(paved, float(rng.uniform(0.3, 1.5))):
        _add_row(side, ring, paved, rng, _designs(rng, 24, (2, 7), shops=0.45))
    for ring in borders(paved, 24.0):
        _add_row(side, ring, paved, rng, _designs(rng, 12, (5, 11), shops=0.0))
    for ring in borders(road, 0.7):
        _add_street(side, ring, rng)
    for ring in borders(paved, 7.0):
        for x, y, _ in walk(ring, 7.0):
            _add_plant(side, np.array([x, y]) + rng.normal(0, 2.0, 2), paved, rng, town=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """A house to build: bays, storeys, variant, and whether it has shops."""

    bays: int
    storeys: int
    variant: int
    shops: bool


def _designs(
    rng: np.random.Generator, count: int, storeys: tuple[int, int], *, shops: float
) -> list[_Design]:
    """Draw the houses that a street is built of, with a range of storeys and a share of shops."""
    return [
        _Design(
            bays=int(rng.integers(3, 7)),
            storeys=int(rng.integers(*storeys)),
            variant=int(rng.integers(VARIANTS)),
            shops=bool(rng.random() < shops),
        )
        for _ in range(count)
    ]


def _add_row(
    side: Roadside,
    ring: FloatArray,
    paved: shapely.Geometry,
    rng: np.random.Generator,
    designs: list[_Design],
) -> None:
    """Put houses side by side along a ring, fronts to the road on its right."""
    length = float(polylines.arc_length(ring)[-1])
    at = float(rng.uniform(0, 6))
    while at < length - 12:
        design = designs[int(rng.integers(len(designs)))]
        bays = design.bays
        if rng.random() < 0.2:
            at += float(rng.uniform(5, 22))
            continue
        ends = polylines.point_at(ring, np.array([at, at + bays * BAY]))
        yaw = float(np.arctan2(*(ends[1] - ends[0])[::-1]))
        if _is_free(side, ends[0], yaw, bays, building_depth(design.variant), paved):
            _put_block(side, ends[0], yaw, design, rng)
            at += bays * BAY + float(rng.choice([0.05, 0.05, 2.0, 5.0]))
        else:
            at += 3.0


def _put_block(
    side: Roadside, corner: FloatArray, yaw: float, design: _Design, rng: np.random.Generator
) -> None:
    """Put a house with its front left corner at a place."""
    bays, storeys, variant, shops = design.bays, design.storeys, design.variant, design.shops
    name = f"building/{bays}/{storeys}/{variant}/{int(shops)}"
    if name not in side.models:
        side.models[name] = building(bays, storeys, shops=shops, variant=variant)
    red, green, blue = np.array(WALLS[int(rng.integers(len(WALLS)))]) * rng.uniform(0.8, 1.0)
    tint = (float(red), float(green), float(blue))
    side.put(name, SurfaceClass.BUILDING, corner, yaw=yaw, z=LAND_DEPTH, tint=tint)


def _is_free(
    side: Roadside, corner: FloatArray, yaw: float, bays: int, deep: int, paved: shapely.Geometry
) -> bool:
    """Whether a block fits there; if so, its footprint is taken."""
    along, inward = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    right, back = bays * BAY * along, deep * BAY * inward
    footprint = shapely.Polygon([corner, corner + right, corner + right + back, corner + back])
    if shapely.intersects(paved, footprint):
        return False
    shrunk = footprint.buffer(-0.2)
    x, y = (float(v) for v in corner + (right + back) / 2)
    near = side.near(x, y, 40.0)
    if any(shapely.intersects(shrunk, other) for other in near):
        return False
    side.taken.append((x, y, footprint))
    return True


def _add_street(side: Roadside, ring: FloatArray, rng: np.random.Generator) -> None:
    """Lamps, street trees and signs along the kerb; the road is on the right of the ring."""
    for x, y, heading in walk(ring, LAMP_SPACING, float(rng.uniform(2, LAMP_SPACING))):
        arm = float(heading - np.pi / 2)
        if side.may_stand(np.array([x, y]), 0.3):
            side.put("street_lamp", SurfaceClass.POLE, np.array([x, y]), yaw=arm)
            side.lamps.append((float(x), float(y), arm))
    # Looks have dice of their own: a tree that is left out changes no other.
    looks = rng.spawn(1)[0]
    shaded = rng.random() < 0.7
    spacing = float(rng.uniform(9, 15))
    for x, y, heading in walk(ring, spacing, float(rng.uniform(5, 12))):
        # The pavement's far edge: trunks stand 2.2 m behind the kerb, the ring 0.7 m.
        at = np.array([x, y]) + np.array([-np.sin(heading), np.cos(heading)]) * 1.5
        if shaded and rng.random() < 0.8 and side.may_stand(at, 0.6):
            _put_tree(side, at, looks, street=True)
    for x, y, heading in walk(ring, 45.0, float(rng.uniform(5, 40))):
        kind = str(rng.choice([name for name in SIGNS if name != "direction"]))
        # Traffic on the near side travels along the ring reversed; the plate faces it.
        yaw = float(heading) + np.pi
        if side.may_stand(np.array([x, y]), 0.5):
            side.put("sign_post", SurfaceClass.POLE, np.array([x, y]), yaw=yaw)
            side.put(f"sign/{kind}", SurfaceClass.SIGN, np.array([x, y]), yaw=yaw)


def _put_tree(
    side: Roadside, at: FloatArray, rng: np.random.Generator, *, street: bool = False
) -> None:
    scale = float(rng.uniform(0.95, 1.15) if street else rng.uniform(0.8, 1.4))
    name = f"street_tree/{int(rng.integers(4))}" if street else f"tree/{int(rng.integers(5))}"
    if not street and rng.random() < 0.3:
        name = f"conifer/{int(rng.integers(3))}"
    green = rng.uniform(0.75, 1.15) * np.array([rng.uniform(0.8, 1.25), 1.0, rng.uniform(0.7, 1.1)])
    yaw = float(rng.uniform(-np.pi, np.pi))
    side.put(
        name,
        SurfaceClass.VEGETATION,
        at,
        yaw=yaw,
        scale=(scale,) * 3,
        tint=tuple(green),
        z=LAND_DEPTH,
    )


def _add_plant(
    side: Roadside, at: FloatArray, paved: shapely.Geometry, rng: np.random.Generator, *, town: bool
) -> None:
    """Put a tree or a bush where nothing else is."""
    spot = shapely.Point(at)
    near = side.near(float(at[0]), float(at[1]), 25.0)
    if shapely.dwithin(paved, spot, 2.5) or any(shapely.dwithin(f, spot, 1.5) for f in near):
        return
    if rng.random() < (0.5 if town else 0.35):
        scale = float(rng.uniform(0.7, 1.6))
        tint = tuple(rng.uniform(0.7, 1.2) * np.array([1.0, 1.0, 0.9]))
        side.put(
            f"bush/{int(rng.integers(3))}",
            SurfaceClass.VEGETATION,
            at,
            yaw=float(rng.uniform(-np.pi, np.pi)),
            scale=(scale,) * 3,
            tint=tint,
            z=LAND_DEPTH,
        )
    else:
        _put_tree(side, at, rng)


def add_country(
    side: Roadside, paved: shapely.Geometry, kind: RoadKind, rng: np.random.Generator
) -> None:
    """Line a road outside towns with posts, guard rails, woods, signs and a few farms."""
    shapely.prepare(paved)
    if kind is RoadKind.HIGHWAY:
        for ring in borders(paved, 0.6):
            _add_rail(side, ring)
    if kind is RoadKind.RURAL:
        _add_farms(side, paved, rng)
    _add_posts(side, paved, rng, highway=kind is RoadKind.HIGHWAY)
    dense = float(rng.uniform(5.0, 11.0))
    for away in (9.0, 15.0, 23.0, 36.0):
        for ring in borders(paved, away):
            _add_wood(side, ring, away, dense, paved, rng)


def _add_posts(
    side: Roadside, paved: shapely.Geometry, rng: np.random.Generator, *, highway: bool
) -> None:
    """Delineator posts every 50 m, and signs."""
    name, scale = ("sign/direction", (2.6,) * 3) if highway else ("sign/limit", (1.0,) * 3)
    for ring in borders(paved, 1.1 if highway else 0.5):
        for x, y, heading in walk(ring, 50.0, float(rng.uniform(0, 50))):
            side.put("delineator", SurfaceClass.POLE, np.array([x, y]), yaw=float(heading))
        for x, y, heading in walk(ring, 170.0, float(rng.uniform(20, 120))):
            yaw = float(heading) + np.pi
            side.put(name, SurfaceClass.SIGN, np.array([x, y]), yaw=yaw, scale=scale)
            side.put("sign_post", SurfaceClass.POLE, np.array([x, y]), yaw=yaw, scale=scale)


def _add_wood(
    side: Roadside,
    ring: FloatArray,
    away: float,
    dense: float,
    paved: shapely.Geometry,
    rng: np.random.Generator,
) -> None:
    """Trees and bushes along a ring, with clearings."""
    clear_until = 0
    for k, (x, y, _) in enumerate(walk(ring, dense * (1 + away / 60))):
        if k < clear_until:
            continue
        if rng.random() < 0.04:
            clear_until = k + int(rng.integers(4, 14))
        at = np.array([x, y]) + rng.normal(0, 0.12 * away + 0.6, 2)
        _add_plant(side, at, paved, rng, town=False)


def _add_farms(side: Roadside, paved: shapely.Geometry, rng: np.random.Generator) -> None:
    for ring in borders(paved, 14.0):
        for x, y, heading in walk(ring, 130.0, float(rng.uniform(20, 130))):
            at, yaw, variant = np.array([x, y]), float(heading), int(rng.integers(VARIANTS))
            if _is_free(side, at, yaw, 4, building_depth(variant), paved):
                farm = _Design(bays=4, storeys=2, variant=variant, shops=False)
                _put_block(side, at, yaw, farm, rng)


def _add_rail(side: Roadside, ring: FloatArray) -> None:
    """A steel guard rail: a band from 0.45 to 0.75 m with posts every 4 m."""
    length = float(polylines.arc_length(ring)[-1])
    for begin in np.arange(0.0, length, TILE):
        line = polylines.point_at(ring, np.linspace(begin, min(begin + TILE, length), 13))
        parts = Parts()
        for low, high, out in ((0.46, 0.56, 0.0), (0.56, 0.66, 0.05), (0.66, 0.76, 0.0)):
            add_wall(parts, polylines.offset(line, -out), low, high, "metal")
        for x, y in line:
            add_box(parts, (x, y, 0.35), (0.09, 0.09, 0.8), "metal")
        name = f"rail/{len(side.models)}"
        side.models[name] = Model(levels=(parts.mesh(),), reach=180.0)
        side.put(name, SurfaceClass.BARRIER, np.zeros(2))
