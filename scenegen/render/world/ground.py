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
from scenegen.render.world.wear import Upkeep, wear_models
from scenegen.scene import Lane, LaneKind, LineMarking, RoadKind, RoadMap
from scenegen.seeding import stream

TILE = 48.0
"""Edge of the tiles the ground is cut into, so that what is out of view is skipped [m]."""
PAINT_HEIGHT, LAND_DEPTH, WALK_HEIGHT, KERB_HEIGHT = 0.004, -0.04, 0.015, 0.09
"""Paint lies this high over the road, land lies below it, pavements and kerbs rise over it [m]."""
_SAME = 0.3
"""Bounds of two lanes nearer than this are one [m]."""
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
STRIP_WIDTH, STRIP_DEPTH = 0.8, -0.012
"""Width and height of the strip of gravel beside roads outside towns [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """Regions of the ground, and the meshes made of them.

    Attributes:
        road: Where vehicles drive, run-outs included.
        paved: Road, pavements and everything else that is not land.
        models: Meshes by name, with their class.
        tone: Factor on the albedo of the asphalt, linear RGB.
    """

    road: shapely.Geometry
    paved: shapely.Geometry
    models: dict[str, tuple[Model, SurfaceClass]]
    tone: tuple[float, float, float]


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


def build_ground(
    roadmap: RoadMap, rng: np.random.Generator, *, yellow_centers: bool = False
) -> Ground:
    """Make the ground of a road map; the hills and the upkeep of the road are drawn.

    Args:
        roadmap: The road.
        rng: Random numbers.
        yellow_centers: Whether double lines are yellow.
    """
    hills_rng, wear_rng = rng.spawn(2)
    kind = dressing(roadmap)
    tails = tuple(run_outs(roadmap))
    lanes = (*roadmap.lanes, *tails)
    driven = _union(lane for lane in lanes if lane.kind.is_drivable or lane.kind is LaneKind.CYCLE)
    # Close the slits between lanes of a junction, and cut its corners a little.
    road = driven.buffer(1.2, join_style="mitre").buffer(-1.2, join_style="mitre")
    walks = _union(lane for lane in lanes if lane.kind is LaneKind.SIDEWALK)
    road = _mended(road)
    if is_town(kind):
        walks = walks.union(road.buffer(WALK_WIDTH, join_style="mitre"))
    else:
        road = road.union(_verge(road, kind))
    # Where lanes all but touch, rounding makes borders cross.
    road = _mended(road)
    walks = _mended(walks).difference(road)
    models: dict[str, tuple[Model, SurfaceClass]] = {}
    _add_tiles(models, "road", road, 0.0, "asphalt", SurfaceClass.ROAD)
    _add_tiles(models, "walk", walks, WALK_HEIGHT, "paving", SurfaceClass.SIDEWALK)
    _add_paint(models, roadmap, yellow_centers=yellow_centers)
    upkeep = Upkeep.draw(wear_rng, town=is_town(kind))
    worn = wear_models(lanes, upkeep, TILE, wear_rng)
    models |= {name: (model, SurfaceClass.ROAD) for name, model in worn.items()}
    if is_town(kind):
        _add_kerbs(models, road, walks)
    else:
        strip = _mended(road.buffer(STRIP_WIDTH, join_style="mitre")).difference(road)
        _add_tiles(models, "strip", strip, STRIP_DEPTH, "gravel", SurfaceClass.TERRAIN)
    models["land"] = (Model(levels=(_land(),), reach=1e9), SurfaceClass.TERRAIN)
    models["hills"] = (Model(levels=(_hills(hills_rng),), reach=1e9), SurfaceClass.VEGETATION)
    return Ground(road=road, paved=road.union(walks), models=models, tone=upkeep.tone)


def _mended(area: shapely.Geometry) -> shapely.Geometry:
    """Give an area whose borders do not cross, itself if they never did."""
    return area if area.is_valid else polygons(shapely.make_valid(area))


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintedLine:
    """One line along a lane as it is painted.

    Attributes:
        points: Middle of the line in driving direction [m], shape (P, 2).
        marking: How it is painted; never NONE or KERB.
        is_yellow: Whether the paint is yellow, else white.
    """

    points: FloatArray
    marking: LineMarking
    is_yellow: bool


def painted_lines(roadmap: RoadMap, *, yellow_centers: bool) -> Iterator[PaintedLine]:
    """Give every line along the lanes, run-outs included; a bound of two lanes is given once.

    Args:
        roadmap: The road.
        yellow_centers: Whether double lines, which part opposite directions, are yellow, as in
            the Americas (MUTCD 3A.03).
    """
    centers: list[FloatArray] = []
    for lane in (*roadmap.lanes, *run_outs(roadmap)):
        yield from _lines_of(lane, yellow_centers, shared=_is_shared(lane, centers))
        if lane.left < 0:
            centers.append(lane.left_bound)


def has_yellow_centers(seed: int) -> bool:
    """Whether the centre lines of a scenario's roads are yellow; drawn for half of the seeds."""
    return bool(stream(seed, "paint").random() < 0.5)


def _lines_of(lane: Lane, yellow: bool, *, shared: bool) -> Iterator[PaintedLine]:
    """Lines of one lane; a bound between two lanes is painted by one of them."""
    if lane.in_junction or not lane.kind.is_drivable:
        return
    sides = (
        (lane.left_bound, LineMarking.NONE if shared else lane.left_marking, -0.15),
        (lane.right_bound, lane.right_marking if lane.right < 0 else LineMarking.NONE, 0.15),
    )
    for bound, marking, inward in sides:
        if marking in {LineMarking.NONE, LineMarking.KERB}:
            continue
        line = polylines.resample(bound, 4.0)
        points = polylines.offset(line, inward) if marking is LineMarking.SOLID else line
        is_yellow = yellow and marking is LineMarking.DOUBLE_SOLID
        yield PaintedLine(points=points, marking=marking, is_yellow=is_yellow)


def _add_paint(
    models: dict[str, tuple[Model, SurfaceClass]], roadmap: RoadMap, *, yellow_centers: bool
) -> None:
    """Gather all paint per tile: lane markings, stop lines, crossings."""
    kind = dressing(roadmap)
    strips = [
        (*ends, "line_yellow" if line.is_yellow else "line")
        for line in painted_lines(roadmap, yellow_centers=yellow_centers)
        for ends in _line_paint(line, kind)
    ]
    strips += [(*_stop_line(signal.stop_line), "line") for signal in roadmap.signals]
    for crossing in roadmap.crossings:
        strips += [(*ends, "line") for ends in _zebra(crossing.outline, crossing.path)]
    groups: dict[tuple[int, int], Parts] = {}
    for left, right, material in strips:
        middle = np.floor((left[0] + right[-1]) / 2 / TILE).astype(int)
        parts = groups.setdefault((int(middle[0]), int(middle[1])), Parts())
        add_ribbon(parts, left, right, PAINT_HEIGHT, material)
    for (i, j), parts in groups.items():
        models[f"paint/{i}/{j}"] = (Model(levels=(parts.mesh(),)), SurfaceClass.MARKING)


def _is_shared(lane: Lane, bounds: list[FloatArray]) -> bool:
    """Whether the left bound was painted already, by the lane of the opposite direction."""
    middle = polylines.point_at(lane.left_bound, np.array([lane.length / 2]))
    return any(
        abs(float(polylines.project(other, middle)[1][0])) < _SAME
        for other in bounds
        if (other.min(0) - _SAME < middle[0]).all() and (other.max(0) + _SAME > middle[0]).all()
    )


def _line_paint(line: PaintedLine, kind: RoadKind) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Strips of paint of one line, left and right edge each."""
    if line.marking is LineMarking.DASHED:
        yield from _dashes(line.points, *DASHES.get(kind, TOWN_DASHES))
    elif line.marking is LineMarking.DOUBLE_SOLID:
        yield from _solid(line.points, 0.13)
        yield from _solid(line.points, -0.13)
    else:
        yield from _solid(line.points, 0.0)


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
    """Close the horizon with a ring of wooded hills, a low ridge before a higher one."""
    parts = Parts()
    steps = 240
    angle = np.linspace(0, 2 * np.pi, steps + 1)
    rise = float(rng.uniform(0.5, 2.6))
    for away, base, waves in (
        (1.0, 14.0, ((5, 4.0), (11, 4.0), (23, 2.5))),
        (1.09, 24.0 * rise, ((3, 14.0 * rise), (7, 10.0 * rise), (13, 6.0 * rise), (31, 3.0))),
    ):
        height = np.full(steps + 1, base)
        for number, tall in waves:
            height += tall * np.sin(number * angle + rng.uniform(0, 2 * np.pi))
        # Crowns make the skyline ragged.
        height += rng.normal(0, 1.4, steps + 1)
        height = np.maximum(height, 5.0)
        height[-1] = height[0]
        low = np.column_stack([np.cos(angle), np.sin(angle)]) * RIM * away
        rings = [np.column_stack([low * (1 + 0.05 * t), height * t - 2]) for t in (0.0, 0.6, 1.0)]
        i = np.arange(steps)
        band = np.stack([i, i + 1, steps + 2 + i, steps + 1 + i], -1)
        faces = np.concatenate([band, band + steps + 1])
        parts.add(np.concatenate(rings), faces, "hill", smooth=True)
    return parts.mesh()
