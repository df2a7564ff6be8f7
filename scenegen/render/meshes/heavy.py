"""Trucks and buses."""

from __future__ import annotations

import numpy as np

from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box, add_wheel, grid_faces

TRUCK_SIZE = (9.0, 2.5, 3.4)
BUS_SIZE = (12.0, 2.55, 3.1)


def truck() -> Model:
    """Build a rigid truck with a box body, at two levels of detail."""
    return Model(levels=(_truck(14), _truck(6)), switch=(45.0,), reach=400.0)


def bus() -> Model:
    """Build a city bus, at two levels of detail."""
    return Model(levels=(_bus(16), _bus(6)), switch=(45.0,), reach=400.0)


def _cabin(parts: Parts, outline: list[tuple[float, float]], half: float, glass: set[int]) -> None:
    """Add a body with an outline in (x, z) from rear to front over the top, and flat sides."""
    points = np.asarray(outline)
    count = len(points)
    edge = np.column_stack([points[:, 0], np.full(count, half), points[:, 1]])
    inner = np.column_stack([points[:, 0], np.full(count, 0.86 * half), points[:, 1]])
    low = np.column_stack([points[:, 0], np.full(count, half), np.full(count, points[:, 1].min())])
    across = np.stack([inner * [1, -1, 1], inner, edge * [1, -1, 1], edge])
    for rows, pane in (((0, 1), True), ((1, 3), False), ((2, 0), False)):
        names = ["glass" if pane and k in glass else "paint" for k in range(count - 1)]
        vertices = np.concatenate([across[rows[0]], across[rows[1]]])
        parts.add(vertices, grid_faces(2, count), names)
    for side in (-1.0, 1.0):
        vertices = np.concatenate([edge, low]) * [1.0, side, 1.0]
        parts.add(vertices, grid_faces(2, count), "paint")


def _truck(sides: int) -> Mesh:
    parts = Parts()
    cab = [(2.35, 0.75), (2.35, 2.75), (2.6, 2.95), (3.9, 2.85), (4.32, 1.65), (4.45, 1.5)]
    cab += [(4.5, 0.75)]
    _cabin(parts, cab, 1.22, {3})
    for side in (-1.0, 1.0):
        add_box(parts, (3.55, side * 1.225, 2.05), (0.95, 0.02, 0.8), "glass")
        add_box(parts, (4.3, side * 1.32, 2.1), (0.1, 0.2, 0.5), "trim")
        add_box(parts, (4.46, side * 0.9, 0.95), (0.1, 0.42, 0.2), "headlamp")
        add_box(parts, (-4.47, side * 1.0, 0.8), (0.06, 0.36, 0.16), "taillamp")
        add_box(parts, (-1.0, side * 1.2, 0.65), (3.0, 0.05, 0.34), "trim")
    add_box(parts, (4.49, 0.0, 1.2), (0.06, 1.5, 0.4), "trim")
    add_box(parts, (4.47, 0.0, 0.6), (0.12, 2.4, 0.36), "trim")
    add_box(parts, (-1.15, 0.0, 2.2), (6.6, 2.48, 2.4), "white_box")
    add_box(parts, (-4.46, 0.0, 2.2), (0.02, 0.05, 2.3), "trim")
    add_box(parts, (-1.15, 0.0, 0.9), (6.6, 2.3, 0.16), "trim")
    add_box(parts, (-0.3, 0.0, 0.62), (7.6, 0.8, 0.4), "trim")
    add_box(parts, (-4.4, 0.0, 0.55), (0.08, 2.2, 0.14), "trim")
    add_box(parts, (-4.5, 0.0, 0.72), (0.02, 0.5, 0.11), "plate")
    for axle in (-2.7, 3.2):
        for side in (-1.0, 1.0):
            add_wheel(parts, (axle, side * 1.06, 0.48), 0.48, 0.32, sides)
    return parts.mesh().fitted(TRUCK_SIZE)


def _bus(sides: int) -> Mesh:
    parts = Parts()
    outline = [(-6.0, 0.35), (-6.0, 1.6), (-5.96, 2.75), (-5.8, 3.02), (-5.0, 3.1), (5.2, 3.1)]
    outline += [(5.75, 3.0), (5.95, 2.7), (6.0, 1.15), (6.0, 0.35)]
    _cabin(parts, outline, 1.275, {1, 7})
    for side in (-1.0, 1.0):
        for k in range(7):
            x = -4.9 + 1.5 * k
            add_box(parts, (x, side * 1.27, 1.95), (1.36, 0.02, 1.0), "glass")
        door = (5.1, side * 1.27, 1.5)
        add_box(parts, door, (1.1, 0.025, 2.0), "glass")
        add_box(parts, (5.99, side * 0.95, 0.75), (0.06, 0.35, 0.2), "headlamp")
        add_box(parts, (-5.99, side * 1.08, 0.95), (0.06, 0.2, 0.5), "taillamp")
        add_box(parts, (0.0, side * 1.268, 0.42), (11.6, 0.02, 0.16), "trim")
    add_box(parts, (5.97, 0.0, 2.82), (0.06, 1.7, 0.26), "signal_off")
    add_box(parts, (-6.0, 0.0, 0.6), (0.02, 0.5, 0.11), "plate")
    add_box(parts, (0.0, 0.0, 0.45), (11.4, 2.3, 0.3), "trim")
    for axle in (-2.9, 3.3):
        for side in (-1.0, 1.0):
            add_wheel(parts, (axle, side * 1.12, 0.48), 0.48, 0.3, sides)
    return parts.mesh().fitted(BUS_SIZE)
