"""The learned lidar within the receiver: which rays of a scan have an echo, and how strong.

Real scans do not tell materials, so that a network learns what a class typically reports at a
range and incidence. A simulated surface differs from the typical one of its class as its material
does: a number plate outshines paint, a window is darker. Its reflectivity over the median of its
class in the scan is therefore multiplied in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.appearance.lidar_appearance import LidarAppearance
from scenegen.appearance.lidar_image import GROUP_OF_SURFACE, LidarGroup, LidarScan, preset_for
from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render import Triangles
from scenegen.render.rasterizer import NOTHING
from scenegen.sensors.lidar_models import LidarMake, LidarModel
from scenegen.sensors.scan import Scan

_ODDEST = 20.0
"""A material differs from the typical one of its class by this factor at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearnedEchoes:
    """What a learned lidar makes of the first hits of a scan, in clear air.

    Attributes:
        keep: Whether the echo comes back, shape (R,); empty where nothing is learned.
        reflectivity: What it then reports, 1 for a white wall, shape (R,).
    """

    keep: BoolArray
    reflectivity: FloatArray

    @classmethod
    def none(cls) -> LearnedEchoes:
        """Leave all to the hand-made receiver."""
        return cls(keep=np.zeros(0, np.bool_), reflectivity=np.zeros(0, np.float32))


def learned_echoes(
    appearance: LidarAppearance | None,
    make: LidarMake,
    found: Scan,
    triangles: Triangles,
    reflectivity: FloatArray,
    rng: np.random.Generator,
) -> LearnedEchoes:
    """Ask a learned lidar about a scan; makes whose rays are no grid are left to the receiver.

    Args:
        appearance: The learned lidar, or None.
        make: The make.
        found: What the rays meet.
        triangles: What that is.
        reflectivity: Near-infrared reflectivity of each face, shape (F,).
        rng: Random numbers; drawn only where something is learned.
    """
    if appearance is None or not isinstance(make, LidarModel):
        return LearnedEchoes.none()
    shape = (len(make.elevation_deg), make.columns)
    order = np.argsort(-np.array(make.elevation_deg), kind="stable")
    face = found.first.face
    surface = np.zeros(len(face), np.uint8)
    solid = face != NOTHING
    if triangles.count:
        surface[solid] = triangles.surface[triangles.owner[face[solid]]]
    ranges = np.where(found.first.range < make.reach, found.first.range, np.inf)
    group = GROUP_OF_SURFACE[surface]
    scan = LidarScan(
        range=ranges.reshape(shape)[order],
        elevation=np.radians(make.elevation_deg)[order],
        group=group.reshape(shape)[order],
        preset=preset_for(shape[0]),
        is_round=True,
        step=2 * np.pi / make.columns,
    )
    answer = appearance.apply(scan, rng)
    kept = appearance.draw(answer, rng)
    place = np.argsort(order)
    own = np.zeros(len(face), np.float32)
    own[solid] = reflectivity[face[solid]]
    return LearnedEchoes(
        keep=np.ascontiguousarray(kept[place]).reshape(-1),
        reflectivity=answer.reflectivity[place].reshape(-1) * _oddness(own, group),
    )


def _oddness(reflectivity: FloatArray, group: IntArray) -> FloatArray:
    """Reflectivity of each ray's hit over the median of its class, shape (R,)."""
    out = np.ones(len(group), np.float32)
    for kind in LidarGroup:
        own = group == kind
        if kind and own.any():
            typical = max(float(np.median(reflectivity[own])), 1e-3)
            out[own] = np.clip(reflectivity[own] / typical, 1 / _ODDEST, _ODDEST)
    return out
