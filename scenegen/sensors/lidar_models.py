"""Makes of lidars: where their rays go and when, how far they see, how exact they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from scenegen.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rays:
    """The rays of one scan in the sensor frame, in the order of their numbers.

    Attributes:
        direction: Unit vectors, x forward, y left, z up, shape (R, 3).
        ring: Beam or detector row of each ray, shape (R,).
        slot: Which of the scan's moments each ray leaves at, shape (R,).
        time: The moments, against the instant of the frame [s], shape (S,).
    """

    direction: FloatArray
    ring: IntArray
    slot: IntArray
    time: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarMake:
    """What all lidars have: a link budget, an accuracy, a rate.

    Attributes:
        reach: Largest range [m].
        nearest: Smallest range [m].
        reach_dark: Range at which half the pulses come back from a target that reflects 10 %,
            square to the beam, in clear air [m].
        noise: Standard deviation of the range [m].
        rate: Scans per second [Hz]; 0 for a scan that takes no time.
        divergence: Full angle of a beam [rad].
        pulse: Length of a pulse [s], which parts two echoes that are c / 2 times it apart.
    """

    HAS_GRID: ClassVar[bool] = False

    reach: float
    nearest: float = 0.9
    reach_dark: float = 60.0
    noise: float = 0.02
    rate: float = 10.0
    divergence: float = 2.0e-3
    pulse: float = 5.0e-9

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.nearest < self.reach:
            raise ValueError(
                f"{type(self).__name__}: expected 0 <= nearest < reach, got nearest"
                f" {self.nearest} and reach {self.reach}"
            )
        for name in ("reach_dark", "pulse"):
            if getattr(self, name) <= 0:
                raise ValueError(
                    f"{type(self).__name__}.{name}: expected more than 0, got {getattr(self, name)}"
                )
        for name in ("noise", "rate", "divergence"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{type(self).__name__}.{name}: expected 0 or more, got {getattr(self, name)}"
                )

    @property
    def period(self) -> float:
        """Time that a scan takes [s]."""
        return 1.0 / self.rate if self.rate > 0 else 0.0

    def rays(self) -> Rays:
        """Give the rays of a scan, the same for every scan."""
        raise NotImplementedError(f"{type(self).__name__} gives no rays; override rays()")


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarModel(LidarMake):
    """A make of spinning lidar.

    It turns clockwise seen from above, from its back over the left side; the column that looks
    forward is measured at the instant of the frame, as where cameras are triggered by it.

    Attributes:
        elevation_deg: Angle of each beam above the horizon, ring 0 first.
        columns: Azimuth steps per turn; column c looks towards -pi + (c + 0.5) 2 pi / columns.
    """

    HAS_GRID: ClassVar[bool] = True

    elevation_deg: tuple[float, ...]
    columns: int

    def rays(self) -> Rays:
        """Give one ray per beam and column, beam by beam."""
        return _turn(self.elevation_deg, self.columns, self.period)


@lru_cache(maxsize=8)
def _turn(elevation_deg: tuple[float, ...], columns: int, period: float) -> Rays:
    elevation = np.radians(elevation_deg)
    azimuth = -np.pi + (np.arange(columns) + 0.5) * 2 * np.pi / columns
    cos = np.cos(elevation)[:, None]
    up = np.broadcast_to(np.sin(elevation)[:, None], (len(cos), columns))
    direction = np.stack([cos * np.cos(azimuth), cos * np.sin(azimuth), up], -1).reshape(-1, 3)
    beams = len(elevation)
    return Rays(
        direction=direction,
        ring=np.repeat(np.arange(beams), columns),
        slot=np.tile(np.arange(columns), beams),
        time=-azimuth / (2 * np.pi) * period,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RosetteModel(LidarMake):
    """A solid-state lidar that scans a rosette with two turning prisms, as the Livox Mid-40.

    Two wedges that deflect by the same small angle and turn against each other at rates f1 and
    f2 point the beam at half the field of view times (cos a + cos b, sin a + sin b) / 2, with
    a = 2 pi f1 t and b = -2 pi f2 t (Risley prisms in the paraxial limit; Marshall, 1999).
    The pattern does not close within a scan, but begins anew with every frame here.

    Attributes:
        points: Rays per scan.
        fov: Full angle of the circular field of view [rad].
        first_hz: Rate of the first prism; 7294 rpm for the Mid-40 [Hz].
        second_hz: Rate of the second; 4664 rpm [Hz].
    """

    points: int = 10_000
    fov: float = float(np.radians(38.4))
    first_hz: float = 7294.0 / 60.0
    second_hz: float = 4664.0 / 60.0

    def rays(self) -> Rays:
        """Give the rays in the order of time, ring 0."""
        return _rosette(self)


@lru_cache(maxsize=8)
def _rosette(model: RosetteModel) -> Rays:
    since = (np.arange(model.points) + 0.5) / model.points * max(model.period, 0.1)
    a, b = 2 * np.pi * model.first_hz * since, -2 * np.pi * model.second_hz * since
    left = model.fov / 4 * (np.cos(a) + np.cos(b))
    up = model.fov / 4 * (np.sin(a) + np.sin(b))
    off = np.hypot(left, up)
    across = np.sinc(off / np.pi)
    return Rays(
        direction=np.stack([np.cos(off), across * left, across * up], -1),
        ring=np.zeros(model.points, np.int64),
        slot=np.arange(model.points),
        time=(np.arange(model.points) + 0.5) / model.points * model.period - model.period / 2,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashModel(LidarMake):
    """A flash lidar: an array of detectors that all see the same pulse, behind a fisheye lens.

    Attributes:
        columns: Detectors across.
        rows: Detectors up and down.
        fov: Horizontal and vertical field of view [rad].
    """

    columns: int = 320
    rows: int = 64
    fov: tuple[float, float] = field(default=(float(np.radians(120.0)), float(np.radians(30.0))))

    def rays(self) -> Rays:
        """Give one ray per detector, the top row first, from left to right; all at once."""
        return _flash(self)


@lru_cache(maxsize=8)
def _flash(model: FlashModel) -> Rays:
    azimuth = model.fov[0] * (0.5 - (np.arange(model.columns) + 0.5) / model.columns)
    elevation = model.fov[1] * (0.5 - (np.arange(model.rows) + 0.5) / model.rows)
    cos = np.cos(elevation)[:, None]
    up = np.broadcast_to(np.sin(elevation)[:, None], (model.rows, model.columns))
    direction = np.stack([cos * np.cos(azimuth), cos * np.sin(azimuth), up], -1)
    return Rays(
        direction=direction.reshape(-1, 3),
        ring=np.repeat(np.arange(model.rows), model.columns),
        slot=np.zeros(model.rows * model.columns, np.int64),
        time=np.zeros(1),
    )


def _steps(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(float(v) for v in np.linspace(first, last, count))


_HDL64 = _steps(2.0, -8.333, 32) + _steps(-8.833, -24.333, 32)

LIDAR_MODELS: dict[str, LidarMake] = {
    "hdl64": LidarModel(
        elevation_deg=_HDL64, columns=1024, reach=120.0, reach_dark=50.0, divergence=2.0e-3
    ),
    "hdl64_full": LidarModel(
        elevation_deg=_HDL64, columns=2083, reach=120.0, reach_dark=50.0, divergence=2.0e-3
    ),
    "vlp32": LidarModel(
        elevation_deg=(
            *(15.0, 10.333, 7.0, 4.667, 3.333, 2.333, 1.667, 1.333, 1.0, 0.667, 0.333, 0.0),
            *(-0.333, -0.667, -1.0, -1.333, -1.667, -2.0, -2.333, -2.667, -3.0, -3.333, -3.667),
            *(-4.0, -4.667, -5.333, -6.148, -7.254, -8.843, -11.31, -15.639, -25.0),
        ),
        columns=1800,
        reach=200.0,
        reach_dark=80.0,
        noise=0.03,
        divergence=3.0e-3,
    ),
    "nuscenes32": LidarModel(
        elevation_deg=_steps(10.67, -30.67, 32),
        columns=1084,
        reach=100.0,
        reach_dark=45.0,
        rate=20.0,
        divergence=2.8e-3,
    ),
    "pandar64": LidarModel(
        elevation_deg=(
            *(15.0, 11.0, 8.0, 5.0, 3.0, 2.0),
            *_steps(1.833, -6.0, 48),
            *_steps(-7.0, -14.0, 8),
            *(-19.0, -25.0),
        ),
        columns=1800,
        nearest=0.3,
        reach=200.0,
        reach_dark=200.0,
        divergence=1.5e-3,
    ),
    "mid40": RosetteModel(nearest=1.0, reach=260.0, reach_dark=90.0, noise=0.02, divergence=2.0e-3),
    "flash": FlashModel(reach=50.0, nearest=0.2, reach_dark=20.0, noise=0.03, divergence=6.5e-3),
}
"""Makes by name, from the makers' data sheets and user manuals.

Velodyne HDL-64E S2 (manual 63-HDL64ES2h: beams every 1/3 degree from +2 and every 1/2 degree from
-8.83 to -24.33, 5 to 20 Hz, 50 m on asphalt, 120 m on cars, 2 cm, 5 ns pulse), at 64 x 1024 as
range images are used and with all of its 2083 columns at 10 Hz; VLP-32C (63-9378: table of
angles, 200 m, 3 cm, 0.2 degrees at 10 Hz, divergence 3 mrad); HDL-32E (63-9113: +10.67 to -30.67
degrees, 100 m, 2 cm) at the 20 Hz of nuScenes; Hesai Pandar64 (manual 640-en: 0.167 degrees from
+2 to -6, 200 m at 10 %, 2 cm, 0.3 m, 0.2 degrees at 10 Hz) as on PandaSet; Livox Mid-40 (user
manual: 38.4 degrees, 260 m at 80 % and 90 m at 10 %, 2 cm, 100 000 points/s). "flash" is no make:
detectors and range of the order of solid-state flash lidars for near range. Offsets of single
beams in azimuth and the timing of single lasers within a column (some 50 us) are not modelled;
`reach_dark` follows the range stated for 10 %."""
