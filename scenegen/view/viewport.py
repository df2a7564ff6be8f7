"""Which part of the map a picture shows, and where a map point falls in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray

SHIFT = 4
"""Fractional bits of the fixed-point pixel coordinates handed to OpenCV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """A window on the map, seen from above.

    Attributes:
        height_px: Rows of the picture.
        width_px: Columns of the picture.
        metres_per_px: Size of a pixel on the ground [m].
        centre: Map point in the middle of the picture [m].
        up: Map direction that points to the top of the picture [rad].
        px_from_map: Affine transform from map metres to pixel indices, shape (2, 3), derived.
            Index (0, 0) is the middle of the top left pixel, as OpenCV counts.
    """

    height_px: int
    width_px: int
    metres_per_px: float
    centre: tuple[float, float]
    up: float = math.pi / 2
    px_from_map: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that there is a picture to draw; derive the transform."""
        if self.height_px < 1 or self.width_px < 1 or not self.metres_per_px > 0:
            raise ValueError(
                f"Viewport: expected at least one pixel and metres_per_px > 0, got"
                f" {self.height_px} x {self.width_px} px at {self.metres_per_px} m"
            )
        cos, sin = math.cos(self.up), math.sin(self.up)
        turn = np.array([[sin, -cos], [-cos, -sin]]) / self.metres_per_px
        middle = np.array([self.width_px - 1, self.height_px - 1]) / 2
        shift = middle - turn @ np.array(self.centre)
        object.__setattr__(self, "px_from_map", np.concatenate([turn, shift[:, None]], 1))

    @property
    def diagonal(self) -> float:
        """Distance between opposite corners [m]."""
        return math.hypot(self.height_px, self.width_px) * self.metres_per_px

    def to_px(self, points: FloatArray) -> FloatArray:
        """Pixel coordinates (column, row) of map points [m], shape (..., 2)."""
        turn, shift = self.px_from_map[:, :2], self.px_from_map[:, 2]
        return np.asarray(points, np.float64) @ turn.T + shift

    def stamp(
        self, outline: FloatArray, position: FloatArray, yaw: float, scale: float = 1.0
    ) -> IntArray:
        """Fixed-point pixels of an outline in the frame of a pose, for OpenCV.

        Args:
            outline: Corners in the frame of the pose [m], shape (K, 2).
            position: Origin of the pose in the map [m], shape (2,).
            yaw: Its heading in the map [rad].
            scale: Pixels of the target per pixel of the picture.

        Returns:
            Columns and rows with SHIFT fractional bits, int32, shape (K, 2).
        """
        fine = scale * (1 << SHIFT)
        cos, sin = fine * math.cos(yaw), fine * math.sin(yaw)
        turn = self.px_from_map[:, :2] @ np.array([[cos, -sin], [sin, cos]])
        shift = fine * (self.px_from_map[:, :2] @ position + self.px_from_map[:, 2])
        return np.rint(outline @ turn.T + shift).astype(np.int32)

    def contains(self, points: FloatArray, reach: float) -> BoolArray:
        """Whether points [m] lie in the picture or nearer to it than `reach` [m], shape (...)."""
        px, slack = self.to_px(points), reach / self.metres_per_px
        far = np.array([self.width_px, self.height_px]) - 1 + slack
        return np.asarray(((px >= -slack) & (px <= far)).all(-1))


def fixed_point(px: FloatArray) -> IntArray:
    """Pixel coordinates as integers with SHIFT fractional bits, for OpenCV, shape (..., 2)."""
    return np.round(np.clip(px, -30_000, 30_000) * (1 << SHIFT)).astype(np.int32)
