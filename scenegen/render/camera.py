"""The pinhole camera and the view it has of the triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.render.triangles import Triangles

NEAR = 0.1
"""Distance of the near clipping plane [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinholeCamera:
    """An ideal camera: square pixels, principal point in the middle, no distortion.

    The camera frame is x right, y down, z forward; pixel (row 0, column 0) has its centre at
    image coordinates (0.5, 0.5).

    Attributes:
        width_px: Columns.
        height_px: Rows.
        fov: Horizontal field of view [rad].
    """

    width_px: int = 512
    height_px: int = 256
    fov: float = np.radians(80.0)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError(
                f"PinholeCamera: expected at least one pixel, got {self.width_px} x"
                f" {self.height_px}"
            )
        if not 0.01 <= self.fov <= 3.0:
            raise ValueError(f"PinholeCamera.fov: expected 0.01 to 3 rad, got {self.fov}")

    @property
    def focal_px(self) -> float:
        """Focal length [pixels]."""
        return self.width_px / 2 / float(np.tan(self.fov / 2))

    @property
    def intrinsics(self) -> FloatArray:
        """Matrix K with ``pixel ~ K @ point``, shape (3, 3)."""
        f = self.focal_px
        return np.array([[f, 0, self.width_px / 2], [0, f, self.height_px / 2], [0, 0, 1.0]])

    def scaled(self, factor: float) -> PinholeCamera:
        """Give the same view with `factor` times as many rows and columns."""
        return PinholeCamera(
            width_px=max(1, round(self.width_px * factor)),
            height_px=max(1, round(self.height_px * factor)),
            fov=self.fov,
        )

    def project(self, points: FloatArray) -> FloatArray:
        """Project camera-frame points.

        Args:
            points: Positions [m], shape (..., 3), in front of the camera.

        Returns:
            Image coordinates (column, row) [pixels], shape (..., 2).
        """
        check_shape("points", np.asarray(points), 3)
        center = np.array([self.width_px / 2, self.height_px / 2])
        return self.focal_px * points[..., :2] / points[..., 2:] + center


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A camera at a place among triangles.

    Attributes:
        camera: The camera.
        turn: Rotation, camera from origin-parallel map axes, shape (3, 3); may hold a mirror.
        eye: Place of the camera relative to the triangles' origin [m], shape (3,).
    """

    camera: PinholeCamera
    turn: FloatArray
    eye: FloatArray

    @classmethod
    def of(cls, camera: PinholeCamera, map_from_camera: FloatArray, origin: FloatArray) -> View:
        """Place a camera by its pose in the map frame, shape (4, 4)."""
        return cls(
            camera=camera,
            turn=map_from_camera[:3, :3].T.copy(),
            eye=map_from_camera[:3, 3] - origin,
        )

    def mirrored(self, camera: PinholeCamera) -> View:
        """Give the view of the mirror image below the ground plane z = 0."""
        flip = np.array([1.0, 1.0, -1.0])
        return View(camera=camera, turn=self.turn * flip, eye=self.eye * flip)

    def visible(self, triangles: Triangles) -> IntArray:
        """Rows of the things whose bounding sphere meets the view, nearest first."""
        rows = np.flatnonzero(self.meets(triangles.sphere))
        near = (triangles.sphere[:, :3] - self.eye) @ self.turn.T
        return rows[np.argsort(near[rows, 2] - triangles.sphere[rows, 3], kind="stable")]

    def meets(self, sphere: FloatArray) -> BoolArray:
        """Tell which bounding spheres (centre, radius) meet the view, shape (K,)."""
        center, radius = (sphere[:, :3] - self.eye) @ self.turn.T, sphere[:, 3]
        camera = self.camera
        inside = center[:, 2] > NEAR - radius
        for half, axis in ((camera.width_px / 2, 0), (camera.height_px / 2, 1)):
            slope = half / camera.focal_px
            length = np.hypot(1.0, slope)
            inside &= (np.abs(center[:, axis]) - slope * center[:, 2]) / length < radius
        return np.asarray(inside)
