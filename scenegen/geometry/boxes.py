"""Oriented boxes: corners, overlap by the separating axis theorem, distance."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, check_shape
from scenegen.geometry.transforms import to_local, to_map

UNIT_CORNERS = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
"""Corners of the unit box, counter-clockwise from front left, shape (4, 2)."""


def box_corners(position: FloatArray, yaw: FloatArray, size: FloatArray) -> FloatArray:
    """Corners of oriented boxes, counter-clockwise from front left.

    Args:
        position: Box centres [m], shape (..., 2).
        yaw: Headings [rad], shape (...).
        size: Length and width [m], shape (..., 2 or more); further columns are ignored.

    Returns:
        Corners [m], shape (..., 4, 2).
    """
    check_shape("position", position, 2)
    local = UNIT_CORNERS * np.asarray(size)[..., None, :2]
    return to_map(local, np.asarray(position)[..., None, :], np.asarray(yaw)[..., None])


def boxes_overlap(
    position_a: FloatArray,
    yaw_a: FloatArray,
    size_a: FloatArray,
    position_b: FloatArray,
    yaw_b: FloatArray,
    size_b: FloatArray,
) -> BoolArray:
    """Whether two oriented boxes touch or overlap (separating axis theorem; Gottschalk 1996).

    Args:
        position_a: Centres of the first boxes [m], shape (..., 2).
        yaw_a: Headings of the first boxes [rad], shape (...).
        size_a: Length and width [m], shape (..., 2 or more).
        position_b: Centres of the second boxes [m], shape (..., 2), broadcast.
        yaw_b: Headings of the second boxes [rad], shape (...).
        size_b: Length and width [m], shape (..., 2 or more).

    Returns:
        True where the boxes share at least one point, shape (...).
    """
    half_a, half_b = np.asarray(size_a)[..., :2] / 2, np.asarray(size_b)[..., :2] / 2
    b_in_a = np.abs(to_local(position_b, position_a, yaw_a))
    a_in_b = np.abs(to_local(position_a, position_b, yaw_b))
    cos, sin = np.abs(np.cos(yaw_a - yaw_b)), np.abs(np.sin(yaw_a - yaw_b))
    reach_a = half_a[..., 0] + half_b[..., 0] * cos + half_b[..., 1] * sin
    side_a = half_a[..., 1] + half_b[..., 0] * sin + half_b[..., 1] * cos
    reach_b = half_b[..., 0] + half_a[..., 0] * cos + half_a[..., 1] * sin
    side_b = half_b[..., 1] + half_a[..., 0] * sin + half_a[..., 1] * cos
    return (
        (b_in_a[..., 0] <= reach_a)
        & (b_in_a[..., 1] <= side_a)
        & (a_in_b[..., 0] <= reach_b)
        & (a_in_b[..., 1] <= side_b)
    )


def points_to_box(
    points: FloatArray, position: FloatArray, yaw: FloatArray, size: FloatArray
) -> FloatArray:
    """Distance from points to an oriented box.

    Args:
        points: Positions [m], shape (..., 2).
        position: Box centres [m], shape (..., 2), broadcast.
        yaw: Headings [rad], shape (...).
        size: Length and width [m], shape (..., 2 or more).

    Returns:
        Distances [m], shape (...); 0 inside the box.
    """
    outside = np.abs(to_local(points, position, yaw)) - np.asarray(size)[..., :2] / 2
    return np.linalg.norm(np.maximum(outside, 0.0), axis=-1)


def box_distance(
    position_a: FloatArray,
    yaw_a: FloatArray,
    size_a: FloatArray,
    position_b: FloatArray,
    yaw_b: FloatArray,
    size_b: FloatArray,
) -> FloatArray:
    """Shortest distance between two oriented boxes.

    Two disjoint convex polygons are nearest at a vertex of one of them, so the minimum over
    the eight vertex-to-box distances is exact.

    Args:
        position_a: Centres of the first boxes [m], shape (..., 2).
        yaw_a: Headings of the first boxes [rad], shape (...).
        size_a: Length and width [m], shape (..., 2 or more).
        position_b: Centres of the second boxes [m], shape (..., 2), broadcast.
        yaw_b: Headings of the second boxes [rad], shape (...).
        size_b: Length and width [m], shape (..., 2 or more).

    Returns:
        Distances [m], shape (...); 0 where the boxes touch or overlap.
    """
    corners_a, corners_b = (
        box_corners(position_a, yaw_a, size_a),
        box_corners(position_b, yaw_b, size_b),
    )
    from_b = points_to_box(
        corners_b, position_a[..., None, :], yaw_a[..., None], np.asarray(size_a)[..., None, :]
    )
    from_a = points_to_box(
        corners_a, position_b[..., None, :], yaw_b[..., None], np.asarray(size_b)[..., None, :]
    )
    apart = np.minimum(from_a.min(-1), from_b.min(-1))
    overlap = boxes_overlap(position_a, yaw_a, size_a, position_b, yaw_b, size_b)
    return np.where(overlap, 0.0, apart)
