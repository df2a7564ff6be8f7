"""Full-range targets from real scans: what was there, where no echo came back?

A real scan has no range where its echo was lost, but a simulator knows the range of every ray.
To learn which echoes are lost from ranges, those of lost echoes are taken from their neighbours:
ground is continued as a plane, gaps between two returns are bridged, and what is neither is left
out, sky above all. A network could tell bridged rays by their smoothness and so cheat; therefore
as many returned rays as were lost are hidden and bridged in the same way ("decoys"), with the
pattern of the gaps of the same scan, shifted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.appearance.lidar_image import FLOORS, LidarScan
from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape

REACH = 150.0
"""Ground is not continued farther than this [m]."""
WIDE, NARROW, HIGH = 48, 6, 8
"""Longest gaps that are bridged: columns below or between things, columns against the sky, rows."""
_ALIKE = 1.15
"""Two sides of a gap with ranges in a larger ratio are two things; the nearer side is taken."""
_LOW = -1.0
"""What lies lower than this below the sensor may be ground, where classes are unknown [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealScan:
    """A recorded scan on the grid of its beams.

    Attributes:
        name: Which it is.
        range: Distance along the ray [m], 0 where no echo came back, shape (B, C).
        intensity: Reflectivity as reported, 0-255, shape (B, C).
        group: LidarGroup, shape (B, C).
        elevation: Angle of each beam above the horizon [rad], descending, shape (B,).
        preset: Which sensor it is, as in LidarScan.
        is_round: Whether the last column is beside the first.
        step: Azimuth from column to column [rad].
    """

    name: str
    range: FloatArray
    intensity: IntArray
    group: IntArray
    elevation: FloatArray
    preset: str
    is_round: bool
    step: float

    def __post_init__(self) -> None:
        """Check that all arrays are of one size."""
        sizes = check_shape("RealScan.range", self.range, "B", "C")
        for name in ("intensity", "group"):
            check_shape(f"RealScan.{name}", getattr(self, name), sizes["B"], sizes["C"])
        check_shape("RealScan.elevation", self.elevation, sizes["B"])

    @property
    def returned(self) -> BoolArray:
        """Whether an echo came back, shape (B, C)."""
        return np.asarray(self.range > 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledScan:
    """A scan with a range for every ray that is known to meet a thing.

    Attributes:
        scan: Ranges, those of lost and hidden echoes bridged; inf where it is not known.
        known: Whether a ray meets a thing, shape (B, C).
        returned: Whether its echo came back, shape (B, C).
        intensity: Reflectivity as reported, 0-255; 0 where no echo came back, shape (B, C).
        bridged: Whether the range is that of its neighbours, shape (B, C).
    """

    scan: LidarScan
    known: BoolArray
    returned: BoolArray
    intensity: IntArray
    bridged: BoolArray


def fill(real: RealScan, hide: BoolArray | None = None) -> FilledScan:
    """Bridge lost echoes, and hidden ones as if they were lost.

    Args:
        real: The scan.
        hide: Returned echoes to hide, shape (B, C); none by default.
    """
    seen = real.returned if hide is None else real.returned & ~hide
    ranges = np.where(seen, real.range, 0.0).astype(np.float64)
    group = np.where(seen, real.group, 0).astype(np.uint8)
    out, out_group = ranges.copy(), group.copy()
    floors = np.zeros(256, np.bool_)
    floors[list(FLOORS)] = True
    _bridge(
        ranges, group, np.asarray(real.elevation, np.float64),
        (real.is_round, real.step), floors, out, out_group,
    )  # fmt: skip
    known = out > 0
    scan = LidarScan(
        range=np.where(known, out, np.inf),
        elevation=real.elevation,
        group=out_group,
        preset=real.preset,
        is_round=real.is_round,
        step=real.step,
    )
    return FilledScan(
        scan=scan,
        known=known,
        returned=real.returned & known,
        intensity=np.where(real.returned & known, real.intensity, 0),
        bridged=known & ~seen,
    )


def decoys(real: RealScan, rng: np.random.Generator) -> BoolArray:
    """Choose returned echoes to hide: about as many as were lost, in gaps of the same shapes."""
    lost = fill(real).known & ~real.returned
    wanted, hidden = int(lost.sum()), np.zeros_like(lost)
    for _ in range(8):
        if hidden.sum() >= 0.7 * wanted:
            break
        gaps = lost[:, ::-1] if rng.random() < 0.5 else lost
        gaps = np.roll(gaps, int(rng.integers(lost.shape[1])), axis=1)
        gaps = np.roll(gaps, int(rng.integers(-3, 4)), axis=0)
        hidden |= gaps & real.returned
    return np.asarray(hidden)


@nb.njit(cache=True, nogil=True)
def _nearest(seen, is_round):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Steps to the nearest return to the left, right, above and below; 0 for none."""
    rows, columns = seen.shape
    found = np.zeros((4, rows, columns), np.int32)
    for row in range(rows):
        for side in range(2):
            away = 0
            for k in range(2 * columns if is_round else columns):
                column = (k if side == 0 else -1 - k) % columns
                away = away + 1 if away > 0 else 0
                if seen[row, column]:
                    away = 1
                elif away > 0 and away - 1 < columns:
                    found[side, row, column] = away - 1
    for column in range(columns):
        for side in range(2):
            away = 0
            for k in range(rows):
                row = k if side == 0 else rows - 1 - k
                away = away + 1 if away > 0 else 0
                if seen[row, column]:
                    away = 1
                elif away > 0:
                    found[2 + side, row, column] = away - 1
    return found


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _bridge(ranges, group, elevation, around, floors, out, out_group):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Give a range and a group to every gap that has one."""
    rows, columns = ranges.shape
    found = _nearest(ranges > 0, around[0])
    for row in range(rows):
        for column in range(columns):
            if ranges[row, column] > 0:
                continue
            left, right, up, down = found[:, row, column]
            one, two = (column - left) % columns, (column + right) % columns
            place, source_row, source_column = 0.0, row, column
            if left > 0 and right > 0:
                below_sky = up > 0 or elevation[row] < 0.0
                if left + right <= (WIDE if below_sky else NARROW):
                    place, first = _between(ranges[row, one], ranges[row, two], left, right)
                    source_column = one if first else two
            ground = _ground(ranges, group, elevation, floors, row, column, up, down)
            # A narrow gap within something that stands before the ground is that thing.
            if ground > 0 and not (0 < place < 0.8 * ground and left + right <= NARROW):
                place, source_row, source_column = ground, row + down, column
            elif place == 0 and up > 0 and down > 0 and up + down <= HIGH:
                above, below = ranges[row - up, column], ranges[row + down, column]
                place, first = _between(above, below, up, down)
                source_row, source_column = (row - up if first else row + down), column
            out[row, column] = place
            if place > 0:
                out_group[row, column] = group[source_row, source_column]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _between(one, two, before, after):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Range between two returns, linear in its inverse as on a plane; whether the first is nearer.

    Of two things the one that is nearer on the grid is taken.
    """
    first = before <= after
    if max(one, two) > _ALIKE * min(one, two):
        return (one if first else two), first
    share = before / (before + after)
    return 1.0 / ((1.0 - share) / one + share / two), first


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _ground(ranges, group, elevation, floors, row, column, up, down):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Range of the ground below continued level, or of what stands on it; 0 for no ground."""
    if down == 0 or elevation[row] > -0.003:
        return 0.0
    below = ranges[row + down, column]
    height = below * np.sin(elevation[row + down])
    kind = group[row + down, column]
    is_floor = floors[kind] or (kind == 0 and height < _LOW)
    if not is_floor or height >= 0.0:
        return 0.0
    level = height / np.sin(elevation[row])
    if up > 0:
        level = min(level, max(ranges[row - up, column], below))
    return level if level <= REACH else 0.0
