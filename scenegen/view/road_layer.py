"""The picture of the road without traffic, drawn once per map, palette and scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry import polylines
from scenegen.scene import Lane, LaneKind, LineMarking, RoadKind, RoadMap
from scenegen.view.palette import RGB, Palette, mix
from scenegen.view.viewport import SHIFT, Viewport, fixed_point

LINE_WIDTH = 0.15
"""Width of painted lines [m]; 0.12-0.15 m on European roads (Vienna Convention practice)."""
DASH = {RoadKind.HIGHWAY: (6.0, 12.0)}
"""Length of dash and gap per kind of road [m]; 3 and 6 elsewhere (German RMS-1)."""
ZEBRA = 0.5
"""Width of a zebra stripe and of the gap after it [m]."""
SAME = 0.3
"""Bounds whose ends and middles lie nearer than this are one line [m]."""
LARGEST_TILE = 4200
"""A tile is drawn at double resolution only up to this many pixels a side."""


def road_picture(roadmap: RoadMap, palette: Palette, viewport: Viewport) -> np.ndarray:
    """Picture of the road alone.

    The map is drawn north-up in square tiles that are kept; a picture is one affine warp of the
    tile that covers it, whatever its centre and rotation.

    Args:
        roadmap: The road.
        palette: The colours.
        viewport: The part of the map.

    Returns:
        RGB image, uint8, shape (H, W, 3), owned by the caller.
    """
    stride = viewport.diagonal / 2
    column, row = (math.floor(c / stride) for c in viewport.centre)
    tile = _tile(roadmap, palette, viewport.diagonal, viewport.metres_per_px, column, row)
    frame = _frame(viewport.diagonal, viewport.metres_per_px, column, row)
    whole = np.array([[0.0, 0.0, 1.0]])
    tile_from_map = np.concatenate([frame.px_from_map, whole])
    map_from_px = np.linalg.inv(np.concatenate([viewport.px_from_map, whole]))
    picture = cv2.warpAffine(
        tile,
        (tile_from_map @ map_from_px)[:2],
        (viewport.width_px, viewport.height_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB)


def _frame(diagonal: float, metres_per_px: float, column: int, row: int) -> Viewport:
    """Viewport of a tile: any view whose centre lies in its middle cell fits inside."""
    stride = diagonal / 2
    fine = 2 if 3.0 * diagonal / metres_per_px <= LARGEST_TILE else 1
    side = math.ceil(1.5 * diagonal / metres_per_px * fine) + 4
    return Viewport(
        height_px=side,
        width_px=side,
        metres_per_px=metres_per_px / fine,
        centre=((column + 0.5) * stride, (row + 0.5) * stride),
    )


@lru_cache(maxsize=8)
def _tile(
    roadmap: RoadMap,
    palette: Palette,
    diagonal: float,
    metres_per_px: float,
    column: int,
    row: int,
) -> np.ndarray:
    frame = _frame(diagonal, metres_per_px, column, row)
    image = np.empty((frame.height_px, frame.width_px, 3), np.uint8)
    image[:] = palette.ground
    _fill_areas(image, frame, roadmap, palette)
    for stripe in zebra_stripes(roadmap):
        fill_area(image, frame, stripe, mix(palette.asphalt, palette.paint, 0.88))
    _draw_markings(image, frame, roadmap, palette)
    aligned = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)  # warps twice as fast as three channels
    aligned.setflags(write=False)
    return aligned


def _fill_areas(image: np.ndarray, frame: Viewport, roadmap: RoadMap, palette: Palette) -> None:
    kerb = palette.kerb
    for kind, colour in (
        (LaneKind.SIDEWALK, palette.sidewalk),
        (LaneKind.CYCLE, palette.cycleway),
    ):
        fill_area(image, frame, roadmap.area(kind), colour)
    road = roadmap.drivable_area
    fill_area(image, frame, road.buffer(0.2), kerb)
    fill_area(image, frame, road, palette.asphalt)
    beside = roadmap.area(LaneKind.SHOULDER, LaneKind.PARKING)
    fill_area(image, frame, beside.intersection(road), palette.shoulder)


def fill_area(image: np.ndarray, frame: Viewport, area: shapely.Geometry, colour: RGB) -> None:
    """Fill a shapely area, holes left open.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        frame: The part of the map that the image shows.
        area: Polygons in the map frame [m].
        colour: The colour.
    """
    half = np.array([frame.width_px, frame.height_px]) * frame.metres_per_px / 2 + 5.0
    low, high = np.array(frame.centre) - half, np.array(frame.centre) + half
    seen = shapely.clip_by_rect(area, low[0], low[1], high[0], high[1])
    for part in getattr(seen, "geoms", (seen,)):
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        rings = [part.exterior, *part.interiors]
        points = [fixed_point(frame.to_px(np.asarray(r.coords)[:, :2])) for r in rings]
        cv2.fillPoly(image, points, colour, cv2.LINE_AA, SHIFT)


def zebra_stripes(roadmap: RoadMap) -> list[shapely.Geometry]:
    """List the painted stripes of all crossings, along the traffic, as areas in the map frame."""
    stripes = []
    for crossing in roadmap.crossings:
        outline = shapely.Polygon(crossing.outline).buffer(0)
        start, end = crossing.path
        length = float(np.hypot(*(end - start)))
        along = (end - start) / max(length, 1e-9)
        across = np.array([-along[1], along[0]]) * 20.0
        for at in np.arange(ZEBRA / 2, length - ZEBRA / 2, 2 * ZEBRA):
            near, far = start + along * at, start + along * (at + ZEBRA)
            stripe = shapely.Polygon([near - across, far - across, far + across, near + across])
            stripes.append(stripe.intersection(outline))
    return stripes


def _draw_markings(image: np.ndarray, frame: Viewport, roadmap: RoadMap, palette: Palette) -> None:
    dash, gap = DASH.get(roadmap.kind, (3.0, 6.0))
    px = 1.0 / frame.metres_per_px
    thick = max(1, round(LINE_WIDTH * px))
    for bound, marking in marked_bounds(roadmap):
        if marking is LineMarking.KERB:
            strokes, colour, wide = [bound], palette.kerb, max(1, round(0.2 * px))
        else:
            strokes, colour, wide = painted(bound, marking, dash, gap), palette.paint, thick
        points = [fixed_point(frame.to_px(stroke)) for stroke in strokes]
        cv2.polylines(image, points, False, colour, wide, cv2.LINE_AA, SHIFT)


def painted(bound: FloatArray, marking: LineMarking, dash: float, gap: float) -> list[FloatArray]:
    """Split a lane bound into the strokes that its marking paints.

    Args:
        bound: Points along the bound [m], shape (P, 2).
        marking: The paint.
        dash: Length of a dash [m].
        gap: Length of the gap after it [m].

    Returns:
        Polylines [m], each of shape (K, 2).
    """
    if marking is LineMarking.DOUBLE_SOLID:
        return [polylines.offset(bound, side * LINE_WIDTH) for side in (-1.0, 1.0)]
    if marking is not LineMarking.DASHED:
        return [bound]
    length = float(polylines.arc_length(bound)[-1])
    strokes = []
    for begin in np.arange(gap / 2, length, dash + gap):
        end = min(begin + dash, length)
        steps = np.linspace(begin, end, max(2, math.ceil((end - begin) / 1.5) + 1))
        strokes.append(polylines.point_at(bound, steps))
    return strokes


def marked_bounds(roadmap: RoadMap) -> Iterator[tuple[FloatArray, LineMarking]]:
    """List every painted bound once, also where two lanes share it.

    Yields:
        Points along the bound [m], shape (P, 2), and its marking; never NONE.
    """
    bounds = [side for lane in roadmap.lanes for side in _sides(lane)]
    bounds = [(bound, marking) for bound, marking in bounds if marking is not LineMarking.NONE]
    bounds.sort(key=lambda side: -side[1])  # where lanes disagree, the stronger paint stays
    seen = np.zeros((0, 6))
    for bound, marking in bounds:
        middle = polylines.point_at(bound, polylines.arc_length(bound)[-1:] / 2)[0]
        forth = np.concatenate([bound[0], middle, bound[-1]])
        back = np.concatenate([bound[-1], middle, bound[0]])
        if any((np.abs(seen - way).max(1, initial=0.0) < SAME).any() for way in (forth, back)):
            continue
        seen = np.concatenate([seen, forth[None]])
        yield bound, marking


def _sides(lane: Lane) -> tuple[tuple[FloatArray, LineMarking], ...]:
    return (lane.left_bound, lane.left_marking), (lane.right_bound, lane.right_marking)
