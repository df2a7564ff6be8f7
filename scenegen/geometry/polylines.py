"""Polylines: length, resampling, offset, projection."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray, check_shape


def arc_length(points: FloatArray) -> FloatArray:
    """Distance along a polyline at each of its points.

    Args:
        points: Vertices [m], shape (P, 2).

    Returns:
        Arc lengths [m], shape (P,), starting at 0.
    """
    check_shape("points", points, "P", 2)
    step = points[1:] - points[:-1]
    along = np.zeros(len(points))
    along[1:] = np.cumsum(np.hypot(step[:, 0], step[:, 1]))
    return along


def resample(points: FloatArray, spacing: float) -> FloatArray:
    """Put points on a polyline at equal distance, keeping both ends.

    Args:
        points: Vertices [m], shape (P, 2).
        spacing: Largest distance between neighbours [m].

    Returns:
        Vertices [m], shape (Q, 2).
    """
    along = arc_length(points)
    count = max(2, int(np.ceil(along[-1] / spacing - 1e-9)) + 1)
    return point_at(points, np.linspace(0.0, along[-1], count))


def point_at(points: FloatArray, along: FloatArray) -> FloatArray:
    """Points at given distances along a polyline; beyond the ends it goes on straight.

    Args:
        points: Vertices [m], shape (P, 2).
        along: Arc lengths [m], shape (...).

    Returns:
        Positions [m], shape (..., 2).
    """
    grid = arc_length(points)
    index, ratio = _segment(grid, along)
    start, end = points[index], points[index + 1]
    return start + (end - start) * ratio[..., None]


def heading_at(points: FloatArray, along: FloatArray) -> FloatArray:
    """Direction of a polyline at given distances along it.

    Args:
        points: Vertices [m], shape (P, 2).
        along: Arc lengths [m], shape (...).

    Returns:
        Headings [rad], shape (...).
    """
    index, _ = _segment(arc_length(points), along)
    step = points[index + 1] - points[index]
    return np.arctan2(step[..., 1], step[..., 0])


def offset(points: FloatArray, distance: FloatArray | float) -> FloatArray:
    """Shift a polyline sideways, positive to its left, along mitred vertex normals.

    Args:
        points: Vertices [m], shape (P, 2).
        distance: Shift [m], one number or shape (P,).

    Returns:
        Shifted vertices [m], shape (P, 2).
    """
    step = np.diff(points, axis=0)
    unit = step / np.maximum(np.hypot(*step.T), 1e-9)[:, None]
    normal = np.stack([-unit[:, 1], unit[:, 0]], -1)
    before, after = np.vstack([normal[:1], normal]), np.vstack([normal, normal[-1:]])
    mitre = before + after
    scale = 2.0 / np.maximum((mitre**2).sum(-1), 1.0)  # |n1+n2|^2 = 2(1+cos); capped at 90 degrees
    return points + mitre * scale[:, None] * np.broadcast_to(distance, len(points))[:, None]


def project(points: FloatArray, queries: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nearest place on a polyline (Frenet coordinates).

    Args:
        points: Vertices [m], shape (P, 2).
        queries: Positions [m], shape (..., 2).

    Returns:
        Arc length of the nearest place [m], shape (...), and the signed lateral distance
        [m], shape (...), positive to the left of the polyline.
    """
    start, step = points[:-1], np.diff(points, axis=0)
    length = np.maximum(np.hypot(*step.T), 1e-9)
    unit = step / length[:, None]
    delta = queries[..., None, :] - start
    along = np.clip((delta * unit).sum(-1), 0.0, length)
    away = delta - along[..., None] * unit
    distance = np.hypot(away[..., 0], away[..., 1])
    best = distance.argmin(-1)
    pick = best[..., None]
    side = np.take_along_axis(unit[:, 0] * delta[..., 1] - unit[:, 1] * delta[..., 0], pick, -1)
    reach = np.take_along_axis(distance, pick, -1)[..., 0]
    place = arc_length(points)[best] + np.take_along_axis(along, pick, -1)[..., 0]
    return place, np.where(side[..., 0] >= 0, reach, -reach)


def _segment(grid: FloatArray, along: FloatArray) -> tuple[np.ndarray, FloatArray]:
    along = np.asarray(along, dtype=np.float64)
    found = np.searchsorted(grid, along, side="right") - 1
    index = np.minimum(np.maximum(found, 0), len(grid) - 2)  # np.clip is slow for few numbers
    width = np.maximum(grid[index + 1] - grid[index], 1e-9)
    return index, (along - grid[index]) / width
