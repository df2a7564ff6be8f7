"""The ground: carriageway, paint, kerbs, pavements, crossings, land up to the horizon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_polygon, add_ribbon, add_wall
from scenegen.render.surfaces import SurfaceClass
from scenegen.scene import Lane, LaneKind, LineMarking, RoadKind, RoadMap

TILE = 48.0
"""Edge of the tiles the ground is cut into, so that what is out of view is skipped [m]."""
PAINT_HEIGHT, LAND_DEPTH, WALK_HEIGHT, KERB_HEIGHT = 0.004, -0.04, 0.015, 0.09
"""Paint lies this high over the road, land lies below it, pavements and kerbs rise over it [m]."""
PAINT_WIDTH = 0.14
"""Width of a lane marking [m]; German RMS: 0.12 on roads, 0.15 on motorways."""
DASHES = {
    RoadKind.HIGHWAY: (6.0, 12.0),
    RoadKind.RURAL: (4.0, 8.0),
}
"""Length of dash and of gap [m] per kind of road (German RMS-1: 6/12 on motorways, 4/8 outside,
3/6 inside towns)."""
TOWN_DASHES = (3.0, 6.0)
RUN_OUT = 160.0
"""Roads go on this far beyond the end of the map, so that they do not stop in a field [m]."""
WALK_WIDTH = 3.0
"""Width of the pavement along a town road that has none in its map [m]."""
FAR, RIM = 1400.0, 1250.0
"""Half-width of the land and radius of the hills around it [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """Regions of the ground, and the meshes made of them.

    Attributes:
        road: Where vehicles drive, run-outs included.
        paved: Road, pavements and everything else that is not land.
        models: Meshes by name, with their class.
    """

    road: shapely.Geometry
    paved: shapely.Geometry
    models: dict[str, tuple[Model, SurfaceClass]]


def dressing(roadmap: RoadMap) -> RoadKind:
    """Which kind of road the surroundings are drawn for.

    A recorded map does not tell: where 90 km/h or more are allowed and no signal stands it is a
    motorway, where more than 60 km/h are allowed a road outside towns, else a street.
    """
    if roadmap.kind is not RoadKind.RECORDED:
        return roadmap.kind
    fastest = max((lane.speed_limit for lane in roadmap.lanes), default=0.0)
    if fastest >= 25.0 and not roadmap.signals:
        return RoadKind.HIGHWAY
    return RoadKind.RURAL if fastest > 17.0 else RoadKind.URBAN


def is_town(kind: RoadKind) -> bool:
    """Whether a road of this kind is lined with pavements, houses and street lamps."""
    return kind not in {RoadKind.HIGHWAY, RoadKind.RURAL}


def build_ground(roadmap: RoadMap, seed_hills: np.random.Generator) -> Ground:
    """Make the ground of a road map."""
    kind = dressing(roadmap)
    tails = tuple(run_outs(roadmap))
    lanes = (*roadmap.lanes, *tails)
    driven = _union(lane for lane in lanes if lane.kind.is_drivable or lane.kind is LaneKind.CYCLE)
    # Close the slits between lanes of a junction, and cut its corners a little.
    road = driven.buffer(1.2, join_style="mitre").buffer(-1.2, join_style="mitre")
    walks = _union(lane for lane in lanes if lane.kind is LaneKind.SIDEWALK)
    if is_town(kind):
        walks = walks.union(road.buffer(WALK_WIDTH, join_style="mitre"))
    else:
        road = road.union(_verge(road, kind))
    walks = walks.difference(road)
    models: dict[str, tuple[Model, SurfaceClass]] = {}
    _add_tiles(models, "road", road, 0.0, "asphalt", SurfaceClass.ROAD)
    _add_tiles(models, "walk", walks, WALK_HEIGHT, "paving", SurfaceClass.SIDEWALK)
    _add_paint(models, roadmap, lanes)
    if is_town(kind):
        _add_kerbs(models, road, walks)
    models["land"] = (Model(levels=(_land(),), reach=1e9), SurfaceClass.TERRAIN)
    models["hills"] = (Model(levels=(_hills(seed_hills),), reach=1e9), SurfaceClass.VEGETATION)
    return Ground(road=road, paved=road.union(walks), models=models)


def run_outs(roadmap: RoadMap) -> Iterator[Lane]:
    """Continue every lane that begins or ends at the edge of the map, straight on."""
    for lane in roadmap.lanes:
        if lane.kind is LaneKind.CROSSWALK:
            continue
        points = lane.centerline
        if not lane.successors and lane.length > 15:
            yield _tail(lane, points[-1], points[-1] - points[-2], float(lane.width[-1]))
        if not lane.predecessors and lane.length > 15:
            yield _tail(lane, points[0], points[0] - points[1], float(lane.width[0]))


def _tail(lane: Lane, begin: FloatArray, step: FloatArray, width: float) -> Lane:
    unit = step / np.hypot(*step)
    ahead = bool((lane.centerline[-1] == begin).all())
    line = begin + np.linspace(0, RUN_OUT, 9)[:, None] * unit
    return Lane(
        centerline=line if ahead else line[::-1],
        width=np.full(9, width),
        kind=lane.kind,
        left_marking=lane.left_marking,
        right_marking=lane.right_marking,
    )


def _union(lanes: Iterator[Lane]) -> shapely.Geometry:
    shapes = [shapely.make_valid(shapely.Polygon(lane.polygon)) for lane in lanes]
    return shapely.union_all(shapes) if shapes else shapely.Polygon()


def _verge(road: shapely.Geometry, kind: RoadKind) -> shapely.Geometry:
    """Asphalt beyond the edge line of a road outside towns."""
    return road.buffer(1.2 if kind is RoadKind.HIGHWAY else 0.35, join_style="mitre")


def _add_tiles(
    models: dict[str, tuple[Model, SurfaceClass]],
    name: str,
    area: shapely.Geometry,
    height: float,
    material: str,
    surface: SurfaceClass,
) -> None:
    for key, piece in tiles(area):
        parts = Parts()
        add_polygon(parts, piece, height, material)
        models[f"{name}/{key[0]}/{key[1]}"] = (Model(levels=(parts.mesh(),)), surface)


def tiles(area: shapely.Geometry) -> Iterator[tuple[tuple[int, int], shapely.Geometry]]:
    """Cut a region along a square lattice; gives lattice index and polygons of each piece."""
    if area.is_empty:
        return
    shapely.prepare(area)
    x0, y0, x1, y1 = np.floor(np.array(area.bounds) / TILE).astype(int)
    for i in range(x0, x1 + 1):
        for j in range(y0, y1 + 1):
            cell = shapely.box(i * TILE, j * TILE, (i + 1) * TILE, (j + 1) * TILE)
            if not shapely.intersects(area, cell):
                continue
            piece = polygons(shapely.intersection(area, cell))
            if not piece.is_empty:
                yield (i, j), piece


def polygons(area: shapely.Geometry) -> shapely.MultiPolygon:
    """Keep the polygons of a geometry, without slivers below 1 cm^2."""
    parts = shapely.get_parts(area)
    flat = [g for part in parts for g in shapely.get_parts(part)]
    return shapely.MultiPolygon([g for g in flat if g.geom_type == "Polygon" and g.area > 1e-4])


def _add_paint(
    models: dict[str, tuple[Model, SurfaceClass]], roadmap: RoadMap, lanes: tuple[Lane, ...]
) -> None:
    """Gather all paint per tile: lane markings, stop lines, crossings."""
    strips = []
    centers: list[FloatArray] = []
    for lane in lanes:
        strips += list(_lane_paint(lane, dressing(roadmap), shared=_is_shared(lane, centers)))
        if lane.left < 0:
            centers.append(lane.left_bound)
    for signal in roadmap.signals:
        strips.append(_stop_line(signal.stop_line))
    for crossing in roadmap.crossings:
        strips += list(_zebra(crossing.outline, crossing.path))
    groups: dict[tuple[int, int], Parts] = {}
    for left, right in strips:
        middle = np.floor((left[0] + right[-1]) / 2 / TILE).astype(int)
        parts = groups.setdefault((int(middle[0]), int(middle[1])), Parts())
        add_ribbon(parts, left, right, PAINT_HEIGHT, "line")
    for (i, j), parts in groups.items():
        models[f"paint/{i}/{j}"] = (Model(levels=(parts.mesh(),)), SurfaceClass.MARKING)


def _is_shared(lane: Lane, bounds: list[FloatArray]) -> bool:
    """Whether the left bound was painted already, by the lane of the opposite direction."""
    middle = polylines.point_at(lane.left_bound, np.array([lane.length / 2]))
    return any(abs(float(polylines.project(other, middle)[1][0])) < 0.3 for other in bounds)


def _lane_paint(
    lane: Lane, kind: RoadKind, *, shared: bool
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Paint of one lane; a bound between two lanes is painted by one of them."""
    if lane.in_junction or not lane.kind.is_drivable:
        return
    sides = (
        (lane.left_bound, LineMarking.NONE if shared else lane.left_marking, -0.15),
        (lane.right_bound, lane.right_marking if lane.right < 0 else LineMarking.NONE, 0.15),
    )
    for bound, marking, inward in sides:
        line = polylines.resample(bound, 4.0)
        if marking is LineMarking.DASHED:
            yield from _dashes(line, *DASHES.get(kind, TOWN_DASHES))
        elif marking is LineMarking.DOUBLE_SOLID:
            yield from _solid(line, 0.13)
            yield from _solid(line, -0.13)
        elif marking is LineMarking.SOLID:
            yield from _solid(line, inward)


def _solid(line: FloatArray, shift: float) -> Iterator[tuple[FloatArray, FloatArray]]:
    for begin in range(0, len(line) - 1, 8):
        piece = line[begin : begin + 9]
        if len(piece) > 1:
            yield (
                polylines.offset(piece, shift + PAINT_WIDTH / 2),
                polylines.offset(piece, shift - PAINT_WIDTH / 2),
            )


def _dashes(line: FloatArray, dash: float, gap: float) -> Iterator[tuple[FloatArray, FloatArray]]:
    length = float(polylines.arc_length(line)[-1])
    for begin in np.arange(0.5 * gap, length - 0.5 * dash, dash + gap):
        along = np.linspace(begin, min(begin + dash, length), 3)
        piece = polylines.point_at(line, along)
        yield (
            polylines.offset(piece, PAINT_WIDTH / 2),
            polylines.offset(piece, -PAINT_WIDTH / 2),
        )


def _stop_line(ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    return polylines.offset(ends, 0.2), polylines.offset(ends, -0.2)


def _zebra(outline: FloatArray, path: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Stripes of 0.5 m with gaps of 0.5 m, along the traffic, within a crossing."""
    step = path[1] - path[0]
    length = float(np.hypot(*step))
    unit = step / length
    across = np.array([-unit[1], unit[0]])
    half = np.abs((outline - path[0]) @ across).max()
    for begin in np.arange(0.3, length - 0.5, 1.0):
        near, far = path[0] + begin * unit, path[0] + (begin + 0.5) * unit
        yield (
            np.stack([near - half * across, near + half * across]),
            np.stack([far - half * across, far + half * across]),
        )


def _add_kerbs(
    models: dict[str, tuple[Model, SurfaceClass]], road: shapely.Geometry, walks: shapely.Geometry
) -> None:
    """Raise a stone of 15 cm along the border of road and pavement."""
    stone = polygons(road.buffer(0.15, join_style="mitre").difference(road).intersection(walks))
    groups: dict[tuple[int, int], Parts] = {}
    for key, piece in tiles(stone):
        parts = groups.setdefault(key, Parts())
        add_polygon(parts, piece, KERB_HEIGHT, "kerb")
        for part in shapely.get_parts(piece):
            add_wall(parts, np.asarray(part.exterior.coords)[:, :2], 0.0, KERB_HEIGHT, "kerb")
    for (i, j), parts in groups.items():
        models[f"kerb/{i}/{j}"] = (Model(levels=(parts.mesh(),)), SurfaceClass.SIDEWALK)


def _land() -> Mesh:
    """Land in rings of growing quads: small near the map, so that depths stay precise."""
    parts = Parts()
    edges = np.array([-1.0, -0.3, -0.1, 0.1, 0.3, 1.0]) * FAR
    for i in range(5):
        for j in range(5):
            cell = shapely.box(edges[i], edges[j], edges[i + 1], edges[j + 1])
            add_polygon(parts, cell, LAND_DEPTH, "grass")
    return parts.mesh()


def _hills(rng: np.random.Generator) -> Mesh:
    """Close the horizon with a ring of wooded hills."""
    angle = np.linspace(0, 2 * np.pi, 121)
    phase = rng.uniform(0, 2 * np.pi, 4)
    waves = [
        np.sin(n * angle + p) * h
        for n, p, h in zip((3, 7, 13, 29), phase, (9, 7, 4, 2), strict=True)
    ]
    height = np.maximum(26.0 + np.sum(waves, 0), 4.0)
    height[-1] = height[0]
    low = np.column_stack([RIM * np.cos(angle), RIM * np.sin(angle), 0 * angle - 2])
    mid = np.column_stack([1.03 * low[:, :2], 0.7 * height])
    top = np.column_stack([1.12 * low[:, :2], height])
    parts = Parts()
    vertices = np.concatenate([low, mid, top])
    i = np.arange(120)
    bands = [np.stack([i, i + 1, 122 + i, 121 + i], -1) + 121 * k for k in range(2)]
    parts.add(vertices, np.concatenate(bands), "hill", smooth=True)
    return parts.mesh()
