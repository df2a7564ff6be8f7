"""Trucks and buses."""

from __future__ import annotations

import numpy as np

from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box, add_tube, add_wheel, grid_faces

TRUCK_SIZE = (9.0, 2.5, 3.4)
SEMI_SIZE = (15.6, 2.55, 3.9)
BUS_SIZE = (12.0, 2.55, 3.1)


def truck() -> Model:
    """Build a rigid truck with a box body, at two levels of detail."""
    return Model(levels=(_truck(14), _truck(6)), switch=(45.0,), reach=400.0)


def semi() -> Model:
    """Build a tractor with a semi-trailer as one rigid body, at two levels of detail."""
    return Model(levels=(_semi(14), _semi(6)), switch=(50.0,), reach=400.0)


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


def _rods(parts: Parts, x: float, half: float, low: float, high: float) -> None:
    """Add the double door of a box body: gap, hinges and locking rods on its rear face."""
    add_box(parts, (x, 0.0, (low + high) / 2), (0.02, 0.03, high - low - 0.1), "gap")
    add_box(parts, (x, 0.0, high - 0.06), (0.03, 2 * half, 0.07), "metal")
    add_box(parts, (x, 0.0, low + 0.06), (0.03, 2 * half, 0.09), "metal")
    for side in (-1.0, 1.0):
        add_box(
            parts, (x, side * (half - 0.05), (low + high) / 2), (0.03, 0.08, high - low), "metal"
        )
        for y in (0.22, 0.62):
            rod = [(x - 0.03, side * y, low + 0.1), (x - 0.03, side * y, high - 0.1)]
            add_tube(parts, rod, 0.018, "chrome", sides=5)
            add_box(parts, (x - 0.05, side * y, low + 0.75), (0.03, 0.3, 0.04), "metal")
        for z in np.linspace(low + 0.3, high - 0.3, 4):
            add_box(parts, (x - 0.01, side * (half - 0.06), float(z)), (0.03, 0.2, 0.05), "metal")


def _rear_frame(parts: Parts, x: float, half: float) -> None:
    """Add underrun bar, lamps, reflectors, mud flaps and plate at the rear of a truck."""
    add_box(parts, (x + 0.1, 0.0, 0.52), (0.1, 2 * half - 0.15, 0.13), "dark_metal")
    for k in range(8):
        y = (k - 3.5) * (2 * half - 0.3) / 8
        add_box(
            parts, (x + 0.04, y, 0.52), (0.02, 0.24, 0.08), "sign_red" if k % 2 else "sign_white"
        )
    for side in (-1.0, 1.0):
        add_box(parts, (x + 0.05, side * (half - 0.26), 0.8), (0.08, 0.46, 0.17), "trim")
        add_box(parts, (x, side * (half - 0.36), 0.8), (0.04, 0.22, 0.13), "taillamp")
        add_box(parts, (x, side * (half - 0.15), 0.8), (0.04, 0.13, 0.13), "indicator")
        add_box(parts, (x + 0.6, side * (half - 0.25), 0.42), (0.02, 0.4, 0.5), "rubber")
        add_box(parts, (x - 0.01, side * (half - 0.05), 3.28), (0.03, 0.07, 0.05), "taillamp")
    add_box(parts, (x, 0.0, 0.74), (0.03, 0.52, 0.12), "plate")


def _cab(parts: Parts, front: float) -> None:
    """Add a cab over the engine whose nose is at x = front."""
    at = front - 4.5
    outline = [(2.35, 0.75), (2.35, 2.6), (2.55, 2.95), (3.85, 2.95), (4.2, 2.55), (4.42, 1.62)]
    outline += [(4.48, 1.45), (4.5, 0.6)]
    _cabin(parts, [(x + at, z) for x, z in outline], 1.22, {4})
    for side in (-1.0, 1.0):
        add_box(parts, (3.62 + at, side * 1.225, 2.05), (0.9, 0.02, 0.75), "glass")
        add_box(parts, (3.14 + at, side * 1.225, 1.75), (0.02, 0.025, 1.9), "gap")
        add_box(parts, (4.12 + at, side * 1.225, 1.45), (0.02, 0.025, 1.3), "gap")
        add_box(parts, (3.3 + at, side * 1.24, 1.5), (0.2, 0.03, 0.04), "trim")
        add_box(parts, (4.36 + at, side * 1.36, 2.15), (0.1, 0.2, 0.62), "trim")
        add_box(parts, (4.3 + at, side * 1.37, 2.15), (0.03, 0.16, 0.55), "glass")
        add_box(parts, (4.48 + at, side * 0.92, 0.88), (0.08, 0.42, 0.2), "headlamp")
        add_box(parts, (4.47 + at, side * 1.16, 0.88), (0.08, 0.06, 0.18), "indicator")
        add_box(parts, (3.4 + at, side * 1.17, 0.6), (0.5, 0.12, 0.08), "trim")
        add_box(parts, (4.2 + at, side * 0.8, 2.98), (0.1, 0.12, 0.06), "indicator")
    for z in (1.1, 1.22, 1.34):
        add_box(parts, (4.5 + at, 0.0, z), (0.04, 1.5, 0.07), "trim")
    add_box(parts, (4.46 + at, 0.0, 0.6), (0.16, 2.42, 0.34), "trim")
    add_box(parts, (4.55 + at, 0.0, 0.6), (0.02, 0.52, 0.12), "plate")
    add_box(parts, (4.45 + at, 0.0, 1.56), (0.03, 1.9, 0.07), "trim")


def _truck(sides: int) -> Mesh:
    parts = Parts()
    fine = sides > 8
    _cab(parts, 4.5)
    add_box(parts, (-1.15, 0.0, 2.2), (6.6, 2.48, 2.4), "white_box")
    for x in (-4.44, 2.14):
        add_box(parts, (x, 0.0, 2.2), (0.05, 2.5, 2.42), "metal")
    add_box(parts, (-1.15, 0.0, 0.9), (6.6, 2.3, 0.16), "trim")
    add_box(parts, (-0.3, 0.0, 0.66), (7.6, 0.8, 0.4), "dark_metal")
    for side in (-1.0, 1.0):
        for z in (0.5, 0.72):
            add_box(parts, (0.3, side * 1.2, z), (3.2, 0.04, 0.1), "metal")
        add_box(parts, (1.3, side * 0.95, 0.6), (1.0, 0.45, 0.5), "metal")
        for x in (-4.0, -1.8, 0.4):
            add_box(parts, (x, side * 1.245, 1.05), (0.12, 0.02, 0.05), "indicator")
    if fine:
        _rods(parts, -4.47, 1.2, 1.0, 3.38)
    _rear_frame(parts, -4.49, 1.22)
    for axle in (-2.9, 3.2):
        for side in (-1.0, 1.0):
            add_wheel(parts, (axle, side * 1.06, 0.48), 0.48, 0.32, sides)
            add_box(parts, (axle, side * 1.07, 1.02), (1.1, 0.34, 0.04), "trim")
    return parts.mesh().fitted(TRUCK_SIZE)


def _semi(sides: int) -> Mesh:
    parts = Parts()
    _cab(parts, 7.75)
    add_box(parts, (-1.45, 0.0, 2.55), (12.6, 2.5, 2.7), "white_box")
    for x in (-7.72, 4.82):
        add_box(parts, (x, 0.0, 2.55), (0.06, 2.52, 2.72), "metal")
    add_box(parts, (-1.45, 0.0, 1.12), (12.6, 2.4, 0.2), "dark_metal")
    for y in (-0.45, 0.45):
        add_box(parts, (0.0, y, 0.95), (15.0, 0.16, 0.3), "dark_metal")
    for side in (-1.0, 1.0):
        for z in (0.55, 0.85):
            add_box(parts, (0.4, side * 1.18, z), (5.0, 0.04, 0.12), "metal")
        add_box(parts, (2.6, side * 0.6, 0.55), (0.14, 0.14, 0.9), "metal")
        for x in (-6.8, -3.4, 0.0, 3.4):
            add_box(parts, (x, side * 1.255, 1.25), (0.12, 0.02, 0.05), "indicator")
    if sides > 8:
        _rods(parts, -7.75, 1.2, 1.25, 3.88)
    _rear_frame(parts, -7.77, 1.22)
    for axle in (-6.4, -5.1, -3.8, 3.4, 6.6):
        for side in (-1.0, 1.0):
            add_wheel(parts, (axle, side * 1.06, 0.5), 0.5, 0.34, sides)
    return parts.mesh().fitted(SEMI_SIZE)


def _bus(sides: int) -> Mesh:
    parts = Parts()
    outline = [(-6.0, 0.35), (-6.0, 1.62), (-5.96, 2.6), (-5.9, 2.85), (-5.7, 3.05), (-5.0, 3.1)]
    outline += [(5.2, 3.1), (5.75, 3.02), (5.95, 2.75), (6.0, 1.05), (6.0, 0.35)]
    _cabin(parts, outline, 1.275, {1, 8})
    for side in (-1.0, 1.0):
        _add_bus_side(parts, side)
        add_box(parts, (6.0, side * 0.92, 0.72), (0.06, 0.38, 0.2), "headlamp")
        add_box(parts, (5.99, side * 1.18, 0.72), (0.06, 0.1, 0.2), "indicator")
        add_box(parts, (6.15, side * 1.22, 2.35), (0.12, 0.16, 0.42), "trim")
        add_box(parts, (-6.0, side * 1.1, 1.15), (0.05, 0.17, 0.8), "trim")
        for k, lamp in enumerate(("taillamp", "taillamp", "indicator", "headlamp")):
            if k < 3:
                add_box(parts, (-6.03, side * 1.1, 0.9 + 0.26 * k), (0.04, 0.13, 0.2), lamp)
        add_box(parts, (-6.0, side * 1.0, 2.98), (0.04, 0.16, 0.06), "taillamp")
    add_box(parts, (5.97, 0.0, 2.86), (0.06, 1.9, 0.26), "signal_off")
    add_box(parts, (6.0, 0.0, 2.86), (0.02, 1.2, 0.13), "indicator")
    add_box(parts, (6.01, 0.0, 1.85), (0.02, 0.04, 1.55), "trim")
    add_box(parts, (6.0, 0.0, 0.45), (0.06, 2.5, 0.22), "trim")
    add_box(parts, (6.04, 0.0, 0.62), (0.02, 0.52, 0.12), "plate")
    # The rear: window with a rim, number, engine flap with louvres, bumper.
    add_box(parts, (-5.99, 0.0, 2.72), (0.06, 0.7, 0.2), "signal_off")
    add_box(parts, (-6.0, 0.0, 1.6), (0.04, 2.3, 0.04), "gap")
    add_box(parts, (-6.0, 0.0, 0.82), (0.04, 1.9, 0.03), "gap")
    for k in range(6):
        add_box(parts, (-6.01, 0.0, 1.02 + 0.085 * k), (0.04, 1.3, 0.045), "trim")
    for y in (-0.95, 0.95):
        add_box(parts, (-6.0, y, 1.2), (0.04, 0.025, 0.76), "gap")
    add_box(parts, (-6.02, 0.0, 0.5), (0.1, 2.45, 0.24), "trim")
    add_box(parts, (-6.05, 0.0, 0.7), (0.02, 0.5, 0.11), "plate")
    add_box(parts, (0.0, 0.0, 0.45), (11.4, 2.3, 0.3), "trim")
    add_box(parts, (-2.0, 0.0, 3.12), (2.6, 1.7, 0.2), "white_box")
    for axle in (-2.9, 3.3):
        for side in (-1.0, 1.0):
            add_wheel(parts, (axle, side * 1.135, 0.48), 0.48, 0.3, sides)
    return parts.mesh().fitted(BUS_SIZE)


def _add_bus_side(parts: Parts, side: float) -> None:
    """Add windows, doors, band and arches of one flank of a bus."""
    y = side * 1.275
    add_box(parts, (-0.35, y, 1.98), (10.7, 0.015, 1.06), "trim")
    for k in range(7):
        add_box(parts, (-4.9 + 1.5 * k, side * 1.285, 1.98), (1.4, 0.02, 0.98), "glass")
        add_box(parts, (-4.9 + 1.5 * k, side * 1.292, 2.22), (1.38, 0.015, 0.025), "trim")
    for x in (5.15, -0.55) if side < 0 else ():
        add_box(parts, (x, side * 1.29, 1.45), (1.15, 0.025, 2.05), "trim")
        for shift in (-0.29, 0.29):
            add_box(parts, (x + shift, side * 1.30, 1.5), (0.5, 0.02, 1.85), "glass")
    if side > 0:
        add_box(parts, (5.2, side * 1.287, 1.75), (1.1, 0.02, 1.1), "glass")
    add_box(parts, (0.0, y, 1.30), (11.6, 0.02, 0.05), "trim")
    add_box(parts, (0.0, y, 0.42), (11.6, 0.02, 0.16), "trim")
    for axle in (-2.9, 3.3):
        angle = np.linspace(0, np.pi, 9)
        rim = np.column_stack(
            [axle + 0.62 * np.cos(angle), 0 * angle + side * 1.278, 0.48 + 0.62 * np.sin(angle)]
        )
        fan = np.array([(i, i + 1, 9) for i in range(8)])
        parts.add(np.vstack([rim, [axle, side * 1.278, 0.45]]), fan, "gap")
    for x in (-4.3, -1.0, 1.4, 4.4):
        add_box(parts, (x, side * 1.277, 0.85), (0.02, 0.015, 0.85), "gap")
