"""Simple solids: boxes, tubes, ellipsoids, lathes, lofts, flat polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.mesh import Parts

Point = Sequence[float] | FloatArray

_BOX_CORNERS = np.array(
    [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float64
)
_BOX_FACES = np.array(
    [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
)


def grid_faces(rows: int, columns: int, *, closed: bool = False) -> IntArray:
    """Quads of a grid of vertices numbered row by row.

    Args:
        rows: Vertices along the first axis.
        columns: Vertices along the second axis.
        closed: Whether the last column joins the first.

    Returns:
        Vertex indices, shape (Q, 4).
    """
    i, j = np.meshgrid(
        np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij"
    )
    after = (j + 1) % columns
    quads = [i * columns + j, (i + 1) * columns + j, (i + 1) * columns + after, i * columns + after]
    return np.stack(quads, -1).reshape(-1, 4)


def add_box(parts: Parts, center: Point, size: Point, material: str, *, yaw: float = 0.0) -> None:
    """Add a box of a size (l, w, h) [m] around a centre [m], turned about z."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    parts.add((_BOX_CORNERS * size) @ turn.T + np.asarray(center), _BOX_FACES, material)


def add_tube(
    parts: Parts,
    path: Sequence[Point] | FloatArray,
    radius: float | Sequence[float] | FloatArray,
    material: str,
    *,
    sides: int = 8,
) -> None:
    """Add a round tube along a path of points [m], shape (P, 3), with a radius per point [m]."""
    points = np.asarray(path, np.float64)
    radii = np.broadcast_to(radius, len(points))
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    side = np.cross(helper, along)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    third = np.cross(along, side)
    angle = np.arange(sides) / sides * 2 * np.pi
    ring = (
        np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * third[:, None]
    )
    vertices = (points[:, None] + radii[:, None, None] * ring).reshape(-1, 3)
    parts.add(vertices, grid_faces(len(points), sides, closed=True)[:, ::-1], material, smooth=True)


def add_limb(
    parts: Parts,
    a: Point,
    b: Point,
    radius_a: float,
    radius_b: float,
    material: str,
    sides: int = 6,
) -> None:
    """Add a tube with rounded ends from a to b [m]."""
    start, end = np.asarray(a, np.float64), np.asarray(b, np.float64)
    unit = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    path = [start - 0.7 * radius_a * unit, start, end, end + 0.7 * radius_b * unit]
    radii = [0.4 * radius_a, radius_a, radius_b, 0.4 * radius_b]
    add_tube(parts, path, radii, material, sides=sides)


def add_ellipsoid(
    parts: Parts, center: Point, radii: Point, material: str, rings: int = 5, sides: int = 8
) -> None:
    """Add an ellipsoid with semi-axes [m] around a centre [m]."""
    polar = np.linspace(0.0, np.pi, rings + 1)
    around = np.arange(sides) / sides * 2 * np.pi
    unit = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(around),
            np.sin(polar)[:, None] * np.sin(around),
            np.cos(polar)[:, None] * np.ones(sides),
        ],
        -1,
    ).reshape(-1, 3)
    vertices = unit * np.asarray(radii) + np.asarray(center)
    parts.add(vertices, grid_faces(rings + 1, sides, closed=True), material, smooth=True)


def add_wheel(
    parts: Parts, center: Point, radius: float, width: float, sides: int, rim: str = "rim"
) -> None:
    """Add a wheel with its axle along y: a tyre, and a rim on both faces."""
    angle = np.arange(sides) / sides * 2 * np.pi
    circle = np.stack([np.cos(angle), np.zeros(sides), np.sin(angle)], -1)
    half = width / 2
    profile = [(0.66, -half), (0.95, -half), (1.0, -0.7 * half), (1.0, 0.7 * half), (0.95, half)]
    profile += [(0.66, half)]
    if sides < 9:
        profile = [(1.0, -half), (1.0, half)]
    across = np.array([0.0, 1.0, 0.0])
    rings = [radius * r * circle + y * across for r, y in profile]
    tyre = np.concatenate(rings) + np.asarray(center)
    parts.add(tyre, grid_faces(len(profile), sides, closed=True), "rubber", smooth=True)
    fan = np.array([(i, (i + 1) % sides, sides) for i in range(sides)])
    for y in (-0.85 * half, 0.85 * half):
        reach = 0.67 if sides >= 9 else 1.0
        disc = np.vstack([reach * radius * circle + y * across, 0.8 * y * across])
        # Every other wedge is dark: spokes, for the price of none.
        spokes = [rim if i % 2 else "trim" for i in range(sides)]
        parts.add(disc + np.asarray(center), fan, spokes)


def add_polygon(parts: Parts, area: shapely.Geometry, height: float, material: str) -> None:
    """Add a flat region facing up at a height [m]; the region may have holes and pieces."""
    if area.is_empty:
        return
    pieces = shapely.get_parts(shapely.constrained_delaunay_triangles(area))
    if not len(pieces):
        return
    corners = np.stack([np.asarray(piece.exterior.coords)[:3, :2] for piece in pieces])
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    corners = np.where(
        (a[:, 0] * b[:, 1] < a[:, 1] * b[:, 0])[:, None, None], corners[:, ::-1], corners
    )
    flat = corners.reshape(-1, 2)
    vertices = np.column_stack([flat, np.full(len(flat), height)])
    parts.add(vertices, np.arange(len(flat)).reshape(-1, 3), material, uv=flat)


def add_ribbon(
    parts: Parts, left: FloatArray, right: FloatArray, height: float, material: str
) -> None:
    """Add a flat strip between two edges of equal length, shape (P, 2), at a height [m]."""
    flat = np.concatenate([np.asarray(right), np.asarray(left)])
    count = len(left)
    i = np.arange(count - 1)
    faces = np.stack([i, i + 1, count + i + 1, count + i], -1)
    parts.add(np.column_stack([flat, np.full(2 * count, height)]), faces, material, uv=flat)


def add_wall(
    parts: Parts, path: FloatArray, low: float, high: float, material: str, *, smooth: bool = False
) -> None:
    """Add an upright band along a path, shape (P, 2), between two heights [m]."""
    count = len(path)
    vertices = np.concatenate([np.column_stack([path, np.full(count, z)]) for z in (low, high)])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    uv = np.concatenate([np.column_stack([along, np.full(count, z)]) for z in (low, high)])
    i = np.arange(count - 1)
    faces = np.stack([i, i + 1, count + i + 1, count + i], -1)
    parts.add(vertices, faces, material, smooth=smooth, uv=uv)
