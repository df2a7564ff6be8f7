"""Rigid transforms; they read by cancelling: ``map_from_ego @ ego_from_camera``."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray, check_shape


def rotation(yaw: FloatArray) -> FloatArray:
    """Rotation matrix of a heading.

    Args:
        yaw: Heading [rad], counter-clockwise, shape (...).

    Returns:
        Matrices, shape (..., 2, 2); ``R @ [1, 0]`` is the heading direction.
    """
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def to_local(points: FloatArray, origin: FloatArray, yaw: FloatArray) -> FloatArray:
    """Express map-frame points in the frame of a pose (x forward, y left; ISO 8855).

    Args:
        points: Map-frame positions [m], shape (..., 2).
        origin: Position of the frame [m], shape (..., 2), broadcast against `points`.
        yaw: Heading of the frame [rad], shape (...).

    Returns:
        Local positions [m], shape (..., 2).
    """
    delta = points - origin
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y = delta[..., 0], delta[..., 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x], -1)


def to_map(points: FloatArray, origin: FloatArray, yaw: FloatArray) -> FloatArray:
    """Express local points of a pose in the map frame; the inverse of `to_local`.

    Args:
        points: Local positions [m], shape (..., 2).
        origin: Position of the frame in the map [m], shape (..., 2).
        yaw: Heading of the frame [rad], shape (...).

    Returns:
        Map-frame positions [m], shape (..., 2).
    """
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1) + origin


def se3(translation: FloatArray, roll: float, pitch: float, yaw: float) -> FloatArray:
    """Homogeneous transform from intrinsic z-y-x (yaw, pitch, roll) angles, ISO 8855.

    Args:
        translation: Origin of the child frame in the parent frame [m], shape (3,).
        roll: Rotation about the forward axis [rad].
        pitch: Rotation about the left axis [rad]; positive points the nose down.
        yaw: Rotation about the up axis [rad]; positive turns left.

    Returns:
        ``parent_from_child``, shape (4, 4), float64.
    """
    check_shape("translation", np.asarray(translation), 3)
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    out = np.eye(4)
    out[:3, :3] = about_z @ about_y @ about_x
    out[:3, 3] = translation
    return out


def se3_inverse(parent_from_child: FloatArray) -> FloatArray:
    """Invert a rigid transform.

    Args:
        parent_from_child: Rigid transforms, shape (..., 4, 4).

    Returns:
        ``child_from_parent``, shape (..., 4, 4).
    """
    check_shape("parent_from_child", parent_from_child, 4, 4)
    turn = np.swapaxes(parent_from_child[..., :3, :3], -1, -2)
    out = np.zeros_like(parent_from_child)
    out[..., :3, :3] = turn
    out[..., :3, 3] = -(turn @ parent_from_child[..., :3, 3:])[..., 0]
    out[..., 3, 3] = 1.0
    return out
