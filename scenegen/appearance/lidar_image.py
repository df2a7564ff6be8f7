"""Range images of lidars, and what a network is told about each of their rays.

A range image has one row per beam, the highest first, and one column per azimuth. The features
are computed from range, beam angles and classes alone, in one place for real and for simulated
scans, so that a network that learned from the one can be asked about the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray, check_shape
from scenegen.render import SurfaceClass

PRESETS = ("pandar64", "vlp32")
"""Sensors with data that weights may be shipped from; the numbers are stored, they never change."""
FARTHEST = 200.0
"""Range that the logarithm of ranges is scaled by [m]."""
_EDGE = 0.05
"""Step of the logarithm of range between neighbours that counts as a half edge."""


class LidarGroup(IntEnum):
    """What a ray meets, as coarse as all data sets tell it; stored, the numbers never change."""

    UNKNOWN = 0
    ROAD = 1
    MARKING = 2
    SIDEWALK = 3
    VEGETATION = 4
    BUILDING = 5
    POLE = 6
    VEHICLE = 7
    PERSON = 8


FLOORS = (LidarGroup.ROAD, LidarGroup.MARKING, LidarGroup.SIDEWALK)
"""Groups that lie flat."""
_GROUP_OF = {
    SurfaceClass.ROAD: LidarGroup.ROAD,
    SurfaceClass.MARKING: LidarGroup.MARKING,
    SurfaceClass.SIDEWALK: LidarGroup.SIDEWALK,
    SurfaceClass.TERRAIN: LidarGroup.VEGETATION,
    SurfaceClass.BUILDING: LidarGroup.BUILDING,
    SurfaceClass.BARRIER: LidarGroup.BUILDING,
    SurfaceClass.POLE: LidarGroup.POLE,
    SurfaceClass.SIGNAL: LidarGroup.POLE,
    SurfaceClass.SIGN: LidarGroup.POLE,
    SurfaceClass.VEGETATION: LidarGroup.VEGETATION,
    SurfaceClass.CAR: LidarGroup.VEHICLE,
    SurfaceClass.TRUCK: LidarGroup.VEHICLE,
    SurfaceClass.BUS: LidarGroup.VEHICLE,
    SurfaceClass.MOTORCYCLE: LidarGroup.PERSON,
    SurfaceClass.CYCLIST: LidarGroup.PERSON,
    SurfaceClass.PEDESTRIAN: LidarGroup.PERSON,
    SurfaceClass.ANIMAL: LidarGroup.PERSON,
    SurfaceClass.STATIC: LidarGroup.BUILDING,
}
GROUP_OF_SURFACE = np.array([_GROUP_OF.get(c, LidarGroup.UNKNOWN) for c in SurfaceClass], np.uint8)
"""LidarGroup of each SurfaceClass."""

CHANNELS = (
    *("is_solid", "log_range", "incidence", "elevation", "height", "spacing", "edge"),
    *("step_left", "step_right", "step_up", "step_down"),
    *(group.name.lower() for group in LidarGroup if group),
)
"""What the channels of `features` are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarScan:
    """What the rays of a spinning lidar meet.

    Attributes:
        range: Distance along each ray [m], inf where it meets nothing, shape (B, C).
        elevation: Angle of each beam above the horizon [rad], descending, shape (B,).
        group: LidarGroup of what it meets, shape (B, C).
        preset: Which sensor it is, one of PRESETS.
        is_round: Whether the last column is beside the first.
        step: Azimuth from column to column [rad].
    """

    range: FloatArray
    elevation: FloatArray
    group: IntArray
    preset: str
    is_round: bool
    step: float

    def __post_init__(self) -> None:
        """Check shapes, order and values."""
        sizes = check_shape("LidarScan.range", self.range, "B", "C")
        check_shape("LidarScan.elevation", self.elevation, sizes["B"])
        check_shape("LidarScan.group", self.group, sizes["B"], sizes["C"])
        if self.range.ndim != 2:
            raise ValueError(f"LidarScan.range: expected one image, got shape {self.range.shape}")
        if self.preset not in PRESETS:
            raise ValueError(
                f"LidarScan.preset: expected one of {', '.join(PRESETS)}, got {self.preset!r}"
            )
        if (np.diff(self.elevation) >= 0).any():
            raise ValueError("LidarScan.elevation: expected descending angles; sort the beams")
        if not (self.range > 0).all():
            raise ValueError(
                "LidarScan.range: expected more than 0 everywhere, got"
                f" {np.count_nonzero(~(self.range > 0))} rays with zero, less or NaN; write inf"
                " where a ray meets nothing"
            )
        if self.step <= 0:
            raise ValueError(f"LidarScan.step: expected more than 0, got {self.step}")


def preset_for(beams: int) -> str:
    """Name the preset whose data is nearest to a lidar with so many beams."""
    return "pandar64" if beams >= 48 else "vlp32"


def features(scan: LidarScan) -> FloatArray:
    """Describe every ray by CHANNELS, all of the order of one.

    The incidence is that of the plane through the points beside and above or below a point, on
    the side where the range changes less (as it is computed where there is no surface to ask).

    Returns:
        Shape (len(CHANNELS), B, C), float32.
    """
    rows, columns = scan.range.shape
    out = np.zeros((len(CHANNELS), rows, columns), np.float32)
    with np.errstate(divide="ignore"):
        logs = np.log(np.minimum(scan.range, 10 * FARTHEST))
    _describe(
        np.ascontiguousarray(scan.range, np.float64),
        np.where(np.isfinite(scan.range), logs, np.nan),
        np.ascontiguousarray(scan.elevation, np.float64),
        np.ascontiguousarray(scan.group),
        (scan.is_round, scan.step),
        out,
    )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _describe(ranges, logs, elevation, group, around, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the channels ray by ray."""
    rows, columns = ranges.shape
    sin, cos = np.sin(elevation), np.cos(elevation)
    turn, scale = (np.cos(around[1]), np.sin(around[1])), 1.0 / np.log1p(FARTHEST)
    for row in range(rows):
        up, down = max(row - 1, 0), min(row + 1, rows - 1)
        spacing = (elevation[up] - elevation[down]) / max(down - up, 1)
        for column in range(columns):
            out[3, row, column] = 2.0 * elevation[row]
            out[5, row, column] = np.log(max(spacing, 1e-4) / 0.006)
            r = ranges[row, column]
            if not r < np.inf:
                out[1, row, column] = 1.0
                continue
            left, right = _beside(column, columns, around[0])
            here = logs[row, column]
            steps = (
                *(_step(logs[row, left], here), _step(logs[row, right], here)),
                *(_step(logs[up, column], here), _step(logs[down, column], here)),
            )
            out[0, row, column] = 1.0
            out[1, row, column] = np.log1p(r) * scale
            out[2, row, column] = _incidence(
                (r, sin[row], cos[row], turn),
                (ranges[row, left], ranges[row, right], steps[0], steps[1]),
                (ranges[up, column], ranges[down, column], steps[2], steps[3]),
                (sin[up], cos[up], sin[down], cos[down], up < row, down > row),
            )
            out[4, row, column] = max(-2.0, min(2.0, r * sin[row] / 5.0))
            most = 0.0
            for k in range(4):
                most = max(most, abs(steps[k]))
                out[7 + k, row, column] = steps[k]
            out[6, row, column] = most
            if group[row, column] > 0:
                out[10 + group[row, column], row, column] = 1.0


@nb.njit(cache=True, nogil=True, forceinline=True)
def _beside(column, columns, is_round):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Columns to both sides of one; its own where there is none."""
    left, right = column - 1, column + 1
    if left < 0:
        left = columns - 1 if is_round else 0
    if right == columns:
        right = 0 if is_round else columns - 1
    return left, right


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _step(there, here):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """How much farther a neighbour is, -1 to 1; 1 where it meets nothing."""
    if np.isnan(there):
        return 1.0
    away = (there - here) / _EDGE
    return away / (1.0 + abs(away))


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _incidence(own, sideways, upright, rays):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Cosine between a ray and the normal of the surface through its neighbours.

    In the frame whose x axis is the ray's azimuth, the ray is (cos e, 0, sin e).
    """
    r, sin, cos, turn = own
    left, right, step_left, step_right = sideways
    above, below, step_up, step_down = upright
    # To which side matters not: the cosine is that of either normal.
    beside = left if abs(step_left) < abs(step_right) else right
    use_up = (rays[4] and abs(step_up) < abs(step_down)) or not rays[5]
    other, s, c = (above, rays[0], rays[1]) if use_up else (below, rays[2], rays[3])
    if not (beside < np.inf and other < np.inf) or not (rays[4] or rays[5]):
        return 0.5
    ax, ay = (beside * turn[0] - r) * cos, beside * cos * turn[1]
    az, bx, bz = (beside - r) * sin, other * c - r * cos, other * s - r * sin
    nx, ny, nz = ay * bz, az * bx - ax * bz, -ay * bx
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    return abs(nx * cos + nz * sin) / length if length > 0.0 else 0.5
