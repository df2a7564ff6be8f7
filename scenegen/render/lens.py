"""Lenses: from a point before a camera to its place in the picture, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import FloatArray, check_shape
from scenegen.render.camera import PinholeCamera

_NEAREST = 0.05
"""Points nearer than this to the plane of a pinhole are not imaged [m]."""
_ROUNDS = 40
"""Newton steps at most; the models of real lenses need about six."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens(ABC):
    """A picture of some size behind a lens; the frame is x right, y down, z forward.

    Pixel (row 0, column 0) has its centre at image coordinates (0.5, 0.5).

    Attributes:
        width_px: Columns.
        height_px: Rows.
        focal: Focal lengths across and down [pixels].
        center: Principal point, column and row [pixels]; the middle of the picture by default.
    """

    width_px: int
    height_px: int
    focal: tuple[float, float]
    center: tuple[float, float] = (-1.0, -1.0)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width_px < 1 or self.height_px < 1 or min(self.focal) <= 0:
            raise ValueError(
                f"{type(self).__name__}: expected at least one pixel and focal lengths above 0,"
                f" got {self.width_px} x {self.height_px} and {self.focal}"
            )

    @property
    def middle(self) -> FloatArray:
        """Principal point (column, row) [pixels], shape (2,)."""
        given = np.array(self.center, np.float64)
        return np.where(given < 0, [self.width_px / 2, self.height_px / 2], given)

    @property
    def intrinsics(self) -> FloatArray:
        """Matrix K of focal lengths and principal point, shape (3, 3)."""
        x, y = self.middle
        return np.array([[self.focal[0], 0, x], [0, self.focal[1], y], [0, 0, 1.0]])

    @property
    @abstractmethod
    def coefficients(self) -> FloatArray:
        """Coefficients of the distortion in the order of OpenCV."""

    @property
    @abstractmethod
    def is_wide(self) -> bool:
        """Whether it may see what is beside or behind it, so that depth means range."""

    @abstractmethod
    def project(self, points: FloatArray) -> FloatArray:
        """Project points.

        Args:
            points: Positions in the camera frame [m], shape (..., 3).

        Returns:
            Image coordinates (column, row) [pixels], shape (..., 2); NaN for what the lens does
            not image. They may lie outside the picture.
        """

    @abstractmethod
    def unproject(self, pixels: FloatArray) -> FloatArray:
        """Give the unit rays of image coordinates, shape (..., 3); NaN outside the image circle.

        Args:
            pixels: Column and row [pixels], shape (..., 2).
        """

    def rays(self) -> FloatArray:
        """Unit rays through the centres of all pixels, shape (H, W, 3); shared, read-only."""
        return _rays(self)

    def _flat(self, pixels: FloatArray) -> FloatArray:
        check_shape("pixels", np.asarray(pixels), 2)
        return (np.asarray(pixels, np.float64) - self.middle) / np.array(self.focal)


@lru_cache(maxsize=16)
def _rays(lens: Lens) -> FloatArray:
    rows, columns = np.mgrid[0 : lens.height_px, 0 : lens.width_px]
    out = lens.unproject(np.stack([columns + 0.5, rows + 0.5], -1))
    out.flags.writeable = False
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class BrownConradyLens(Lens):
    """A pinhole with radial and tangential distortion (Brown, 1966), in OpenCV's convention.

    With x = X / Z, y = Y / Z and r^2 = x^2 + y^2 the image is at
    x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2), and likewise for y. Points
    beyond the radius at which the radial part stops growing are not imaged.

    Attributes:
        radial: k1, k2, k3.
        tangential: p1, p2.
    """

    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, camera: PinholeCamera) -> BrownConradyLens:
        """Give the lens without distortion that a pinhole camera has."""
        return cls(
            width_px=camera.width_px,
            height_px=camera.height_px,
            focal=(camera.focal_px, camera.focal_px),
        )

    @property
    def coefficients(self) -> FloatArray:
        """Give k1, k2, p1, p2, k3."""
        k1, k2, k3 = self.radial
        return np.array([k1, k2, *self.tangential, k3])

    @property
    def is_wide(self) -> bool:
        """It sees only what is before it."""
        return False

    @property
    def is_plain(self) -> bool:
        """Whether there is no distortion."""
        return not any((*self.radial, *self.tangential))

    def project(self, points: FloatArray) -> FloatArray:
        """Project points in front of the camera."""
        check_shape("points", np.asarray(points), 3)
        points = np.asarray(points, np.float64)
        seen = points[..., 2] > _NEAREST
        flat = points[..., :2] / np.where(seen, points[..., 2], 1.0)[..., None]
        seen &= (flat**2).sum(-1) <= self._limit() ** 2
        out = self._distort(flat) * np.array(self.focal) + self.middle
        return np.where(seen[..., None], out, np.nan)

    def unproject(self, pixels: FloatArray) -> FloatArray:
        """Invert the distortion by Newton's method, to machine precision."""
        target = self._flat(pixels)
        flat = target.copy()
        if not self.is_plain:
            limit = self._limit()
            for _ in range(_ROUNDS):
                radius = np.sqrt((flat**2).sum(-1))
                flat *= np.minimum(1.0, limit / np.maximum(radius, 1e-12))[..., None]
                step = self._solve(flat, self._distort(flat) - target)
                flat -= step
                if not np.abs(step).max(initial=0.0) > 1e-14:
                    break
            wrong = np.abs(self._distort(flat) - target).max(-1) > 1e-9
            flat = np.where(wrong[..., None], np.nan, flat)
        ray = np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], -1)
        return np.asarray(ray / np.linalg.norm(ray, axis=-1, keepdims=True))

    def _limit(self) -> float:
        """Radius x^2 + y^2 up to which the radial part grows."""
        k1, k2, k3 = self.radial
        roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0]) if any(self.radial) else np.zeros(0)
        real = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real > 0)]
        return float(np.sqrt(real.min())) if len(real) else 1e6

    def _distort(self, flat: FloatArray) -> FloatArray:
        k1, k2, k3 = self.radial
        p1, p2 = self.tangential
        x, y = flat[..., 0], flat[..., 1]
        r2 = x * x + y * y
        swell = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return np.stack(
            [
                x * swell + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * swell + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            -1,
        )

    def _solve(self, flat: FloatArray, error: FloatArray) -> FloatArray:
        """Divide an error by the derivative of the distortion."""
        k1, k2, k3 = self.radial
        p1, p2 = self.tangential
        x, y = flat[..., 0], flat[..., 1]
        r2 = x * x + y * y
        swell = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        growth = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))
        a = swell + growth * x * x + 2 * p1 * y + 6 * p2 * x
        b = growth * x * y + 2 * p1 * x + 2 * p2 * y
        d = swell + growth * y * y + 6 * p1 * y + 2 * p2 * x
        det = a * d - b * b
        det = np.where(np.abs(det) < 1e-12, 1e-12, det)
        left = (d * error[..., 0] - b * error[..., 1]) / det
        right = (a * error[..., 1] - b * error[..., 0]) / det
        return np.stack([left, right], -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KannalaBrandtLens(Lens):
    """A fisheye: radius f (t + k1 t^3 + k2 t^5 + k3 t^7 + k4 t^9) at an angle t off the axis.

    Kannala and Brandt (2006), as OpenCV's fisheye module has it.

    Attributes:
        radial: k1, k2, k3, k4.
        widest: Largest angle off the axis that is imaged [rad].
    """

    radial: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    widest: float = float(np.radians(95.0))

    def __post_init__(self) -> None:
        """Check that the radius grows as far as the lens sees."""
        super(KannalaBrandtLens, self).__post_init__()
        angle = np.linspace(0, self.widest, 200)
        if not 0 < self.widest <= np.pi or np.any(self._slope(angle) <= 0):
            raise ValueError(
                f"KannalaBrandtLens: expected a radius that grows up to widest = {self.widest}"
                f" rad (at most pi), got coefficients {self.radial}; make `widest` smaller"
            )

    @property
    def coefficients(self) -> FloatArray:
        """Give k1 to k4."""
        return np.array(self.radial)

    @property
    def is_wide(self) -> bool:
        """It may see what is beside it."""
        return True

    def project(self, points: FloatArray) -> FloatArray:
        """Project points in any direction within the image circle."""
        check_shape("points", np.asarray(points), 3)
        points = np.asarray(points, np.float64)
        off = np.hypot(points[..., 0], points[..., 1])
        angle = np.arctan2(off, points[..., 2])
        with np.errstate(invalid="ignore", divide="ignore"):
            flat = points[..., :2] * np.where(off > 0, self._radius(angle) / off, 0.0)[..., None]
        out = flat * np.array(self.focal) + self.middle
        return np.where((angle <= self.widest)[..., None], out, np.nan)

    def unproject(self, pixels: FloatArray) -> FloatArray:
        """Invert the radius by Newton's method, to machine precision."""
        flat = self._flat(pixels)
        radius = np.hypot(flat[..., 0], flat[..., 1])
        angle = np.minimum(radius, self.widest)
        for _ in range(_ROUNDS):
            step = (self._radius(angle) - radius) / self._slope(angle)
            angle = np.clip(angle - step, 0.0, self.widest)
            if not np.abs(step).max(initial=0.0) > 1e-14:
                break
        with np.errstate(invalid="ignore", divide="ignore"):
            across = np.where(radius > 0, np.sin(angle) / radius, 1.0)
        ray = np.concatenate([flat * across[..., None], np.cos(angle)[..., None]], -1)
        outside = np.abs(self._radius(angle) - radius) > 1e-9
        return np.where(outside[..., None], np.nan, ray)

    def _radius(self, angle: FloatArray) -> FloatArray:
        k1, k2, k3, k4 = self.radial
        t2 = angle * angle
        return np.asarray(angle * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))))

    def _slope(self, angle: FloatArray) -> FloatArray:
        k1, k2, k3, k4 = self.radial
        t2 = angle * angle
        return np.asarray(1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4))))
