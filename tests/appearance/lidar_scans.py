"""Made-up lidar scans: a street between two walls, with echoes lost by a known rule."""

from __future__ import annotations

import numpy as np

from scenegen.appearance.lidar_fill import RealScan
from scenegen.appearance.lidar_image import LidarGroup, LidarScan
from scenegen.appearance.lidar_sets import RealSets
from scenegen.arrays import FloatArray, IntArray

HEIGHT, WALL = 2.0, 12.0
"""Height of the sensor and distance of the walls [m]."""


def street(
    beams: int = 16, columns: int = 64, shift: float = 0.0
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Range, elevation and group of a scan between walls to the left and the right."""
    elevation = np.radians(np.linspace(4.0, -20.0, beams))
    azimuth = -np.pi + (np.arange(columns) + 0.5) * 2 * np.pi / columns + shift
    level = WALL / np.maximum(np.abs(np.sin(azimuth)), 0.05)[None] / np.cos(elevation)[:, None]
    with np.errstate(divide="ignore"):
        ground = np.where(elevation < 0, HEIGHT / np.sin(-elevation), np.inf)[:, None]
    is_ground = ground < level
    ranges = np.where(is_ground, ground, level)
    return ranges, elevation, np.where(is_ground, LidarGroup.ROAD, LidarGroup.BUILDING)


def scan(preset: str = "vlp32", beams: int = 16, columns: int = 64) -> LidarScan:
    """A simulated scan of the street."""
    ranges, elevation, group = street(beams, columns)
    return LidarScan(
        range=ranges,
        elevation=elevation,
        group=group.astype(np.uint8),
        preset=preset,
        is_round=True,
        step=2 * np.pi / columns,
    )


def real(seed: int, preset: str = "vlp32", beams: int = 16, columns: int = 64) -> RealScan:
    """A recorded scan: three in ten echoes of the walls are lost, hardly any of the ground."""
    rng = np.random.default_rng(seed)
    ranges, elevation, group = street(beams, columns, shift=0.1 * rng.standard_normal())
    rate = np.where(group == LidarGroup.BUILDING, 0.3, 0.02)
    came = rng.random(ranges.shape) >= rate
    bright = np.where(group == LidarGroup.BUILDING, 60, 9)
    return RealScan(
        name=f"{preset}_{seed}",
        range=np.where(came, ranges, 0.0),
        intensity=np.where(came, bright, 0).astype(np.uint8),
        group=np.where(came, group, 0).astype(np.uint8),
        elevation=elevation,
        preset=preset,
        is_round=True,
        step=2 * np.pi / columns,
    )


def sets() -> RealSets:
    """A few scans of both presets."""
    return RealSets(
        train=(real(0, "pandar64"), real(1, "pandar64"), real(2), real(3)),
        validation=(real(4, "pandar64"), real(5)),
        test=(real(6, "pandar64"), real(7)),
        other=(),
    )
