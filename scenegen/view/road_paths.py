"""The road as filled areas and strokes, compact enough to travel inside an HTML file."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.scene import LaneKind, LineMarking, RoadMap
from scenegen.view.road_layer import DASH, LINE_WIDTH, marked_bounds, painted, zebra_stripes

TOLERANCE = 0.02
"""Outlines are thinned by at most this distance [m]."""


def road_paths(roadmap: RoadMap) -> dict[str, Any]:
    """Give a road as JSON values: what to fill and what to stroke, in drawing order.

    Args:
        roadmap: The road.

    Returns:
        `origin` [m]; `fills`, each a palette colour and rings; `strokes`, each a palette colour,
        a width [m], a dash pattern [m] and a polyline. Points are base64 of int32 pairs in
        centimetres from the origin.
    """
    low_x, low_y, high_x, high_y = roadmap.bounds
    origin = np.round([(low_x + high_x) / 2, (low_y + high_y) / 2])
    road = roadmap.drivable_area
    beside = roadmap.area(LaneKind.SHOULDER, LaneKind.PARKING).intersection(road)
    areas = [
        ("sidewalk", roadmap.area(LaneKind.SIDEWALK)),
        ("cycleway", roadmap.area(LaneKind.CYCLE)),
        ("kerb", road.buffer(0.2)),
        ("asphalt", road),
        ("shoulder", beside),
        *(("paint", stripe) for stripe in zebra_stripes(roadmap)),
    ]
    dash = DASH.get(roadmap.kind, (3.0, 6.0))
    return {
        "name": roadmap.name,
        "origin": origin.tolist(),
        "bounds": [round(v, 2) for v in roadmap.bounds],
        "fills": [
            {"colour": colour, "rings": rings}
            for colour, area in areas
            if (rings := _rings(area, origin))
        ],
        "strokes": [
            {
                "colour": "kerb" if marking is LineMarking.KERB else "paint",
                "width": 0.2 if marking is LineMarking.KERB else LINE_WIDTH,
                "dash": list(dash) if marking is LineMarking.DASHED else None,
                "points": _points(_thin(line), origin),
            }
            for bound, marking in marked_bounds(roadmap)
            for line in (
                painted(bound, marking, *dash) if marking is LineMarking.DOUBLE_SOLID else [bound]
            )
        ],
    }


def _rings(area: shapely.Geometry, origin: FloatArray) -> list[str]:
    thin = area.simplify(TOLERANCE)
    polygons = [part for part in getattr(thin, "geoms", (thin,)) if part.geom_type == "Polygon"]
    return [
        _points(np.asarray(ring.coords)[:, :2], origin)
        for part in polygons
        if not part.is_empty
        for ring in (part.exterior, *part.interiors)
    ]


def _thin(line: FloatArray) -> FloatArray:
    return np.asarray(shapely.LineString(line).simplify(TOLERANCE).coords)


def _points(points: FloatArray, origin: FloatArray) -> str:
    centimetres = np.round((points - origin) * 100).astype("<i4")
    return base64.b64encode(np.ascontiguousarray(centimetres).tobytes()).decode("ascii")
