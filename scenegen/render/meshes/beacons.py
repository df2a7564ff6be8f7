"""Vehicles with blue light: any vehicle under a bar of beacons."""

from __future__ import annotations

import numpy as np

from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box

PHASES = 2
"""Pictures of a bar: its left half shines, then its right half."""
FLASHES_PER_SECOND = 4.0
"""How often the shining half changes [Hz]; each flashes at 2 Hz (UN Regulation 65: 2-4 Hz)."""
_TALL = 0.13
"""Height of the bar [m]."""


def with_beacons(model: Model, phase: int) -> Model:
    """Put a bar of blue lights onto the roof of a vehicle, which keeps its size in all.

    Args:
        model: The vehicle.
        phase: Which half shines, 0 the left one, 1 the right one.
    """
    return Model(
        levels=tuple(_crowned(mesh, phase) for mesh in model.levels),
        switch=model.switch,
        reach=model.reach,
    )


def _crowned(mesh: Mesh, phase: int) -> Mesh:
    low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
    roof = mesh.vertices[mesh.vertices[:, 2] > high[2] - 0.04]
    x, z = float((roof[:, 0].min() + roof[:, 0].max()) / 2), float(high[2])
    half = 0.36 * float(high[1] - low[1])
    parts = Parts()
    parts.place(mesh, np.eye(3), (0.0, 0.0, 0.0))
    add_box(parts, (x, 0.0, z + 0.015), (0.34, 2 * half, 0.03), "trim")
    for number, side in enumerate((1.0, -1.0)):
        name = "beacon" if number == phase else "beacon_off"
        center = (x, side * (half / 2 + 0.06), z + 0.03 + (_TALL - 0.03) / 2)
        add_box(parts, center, (0.30, half - 0.12, _TALL - 0.03), name)
    add_box(parts, (x, 0.0, z + _TALL / 2), (0.26, 0.2, _TALL - 0.02), "trim")
    size = high - low
    return parts.mesh().fitted((float(size[0]), float(size[1]), float(size[2])))
