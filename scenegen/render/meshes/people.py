"""People: on foot in a walking phase, on cycles, on motorcycles."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box, add_ellipsoid, add_limb, add_tube, add_wheel, grid_faces

WALK_PHASES = 8
"""Number of modelled instants of one double step."""
STRIDE = 1.35
"""Length of one double step of a walking adult [m] (Murray et al. 1964: 1.56 m at free speed)."""


def pedestrian(phase: int) -> Model:
    """Build an adult at an instant of the double step, 0 to WALK_PHASES - 1.

    A child is the same figure, scaled; the arms and legs swing as sines in opposite phase.
    """
    swing = np.sin(2 * np.pi * phase / WALK_PHASES)
    levels = (_walker(swing, 6), _walker(swing, 4), _walker(swing, 3))
    return Model(levels=levels, switch=(12.0, 25.0), reach=150.0)


def _walker(swing: float, sides: int) -> Mesh:
    parts = Parts()
    hip = 0.90
    _torso(parts, np.array([0.0, 0.0, hip]), 0.04, sides + 3)
    neck = np.array([0.03, 0.0, 1.44])
    add_limb(parts, neck, neck + np.array([0.01, 0, 0.09]), 0.055, 0.055, "skin", sides)
    _head(parts, neck + np.array([0.03, 0.0, 0.19]), "hair", sides)
    for side, move in ((1.0, swing), (-1.0, -swing)):
        knee = np.array([0.02 + 0.16 * move, side * 0.095, 0.49])
        foot = np.array([-0.02 + 0.21 * move, side * 0.095, 0.09 + 0.05 * max(-move, 0.0)])
        add_limb(parts, (0.0, side * 0.09, hip), knee, 0.088, 0.062, "trousers", sides)
        add_limb(parts, knee, foot, 0.060, 0.045, "trousers", sides)
        add_limb(
            parts,
            foot - [0.03, 0, 0.03],
            foot + np.array([0.13, 0, -0.04]),
            0.05,
            0.04,
            "trim",
            sides,
        )
        elbow = np.array([-0.03 - 0.12 * move, side * 0.25, 1.12])
        hand = np.array([0.05 - 0.20 * move, side * 0.26, 0.88])
        add_limb(parts, (0.02, side * 0.20, 1.38), elbow, 0.055, 0.045, "cloth", sides)
        add_limb(parts, elbow, hand, 0.043, 0.038, "cloth", sides)
        if sides > 3:
            add_ellipsoid(
                parts, hand + np.array([0.01, 0, -0.05]), (0.035, 0.03, 0.055), "skin", 2, 4
            )
    return parts.mesh()


def _torso(parts: Parts, hip: FloatArray, lean: float, sides: int) -> None:
    """Add rings from the seat to the shoulders, leaning forward [rad]."""
    around = np.arange(sides) / sides * 2 * np.pi
    height = np.array([-0.08, 0.0, 0.12, 0.28, 0.42, 0.50, 0.555])
    depth = np.array([0.10, 0.125, 0.115, 0.125, 0.125, 0.10, 0.05])
    width = np.array([0.15, 0.175, 0.155, 0.185, 0.21, 0.195, 0.07])
    ring = np.stack(
        [
            depth[:, None] * np.cos(around),
            width[:, None] * np.sin(around),
            height[:, None] + 0 * around,
        ],
        -1,
    ).reshape(-1, 3)
    cos, sin = np.cos(lean), np.sin(lean)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    parts.add(ring @ turn.T + hip, grid_faces(7, sides, closed=True), "cloth", smooth=True)


def _head(parts: Parts, center: FloatArray, cover: str, sides: int) -> None:
    rings = max(3, sides - 1)
    add_ellipsoid(parts, center, (0.098, 0.078, 0.125), "skin", rings, sides + 1)
    size = (0.105, 0.088, 0.115) if cover == "hair" else (0.14, 0.10, 0.11)
    add_ellipsoid(parts, center + np.array([-0.02, 0.0, 0.035]), size, cover, rings, sides + 1)


def cyclist() -> Model:
    """Build a cycle with its rider, at its nominal size."""
    return Model(levels=(_cyclist(14, 5), _cyclist(6, 3)), switch=(20.0,), reach=200.0)


def _cyclist(wheel: int, sides: int) -> Mesh:
    parts = Parts()
    rear, front = np.array([-0.52, 0.0, 0.34]), np.array([0.52, 0.0, 0.34])
    crank, seat, head = (
        np.array([-0.08, 0, 0.30]),
        np.array([-0.2, 0, 0.88]),
        np.array([0.38, 0, 0.9]),
    )
    for hub in (rear, front):
        angle = np.linspace(0, 2 * np.pi, wheel + 1)
        circle = hub + 0.32 * np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
        add_tube(parts, circle, 0.024, "rubber", sides=4)
        for turn in np.arange(4 if wheel > 6 else 0) * np.pi / 4:
            spoke = 0.31 * np.array([np.cos(turn), 0.0, np.sin(turn)])
            add_tube(parts, [hub - spoke, hub + spoke], 0.006, "metal", sides=3)
    for a, b in ((rear, crank), (rear, seat), (crank, seat), (seat, head), (crank, head)):
        add_tube(parts, [a, b], 0.018, "paint", sides=5)
    add_tube(parts, [front, head, head + np.array([-0.03, 0, 0.12])], 0.018, "paint", sides=5)
    add_tube(
        parts, [(0.33, -0.25, 1.03), (0.37, 0, 1.03), (0.33, 0.25, 1.03)], 0.015, "trim", sides=4
    )
    add_box(parts, seat + np.array([0.0, 0.0, 0.04]), (0.24, 0.12, 0.05), "trim")
    add_box(parts, (-0.42, 0.0, 0.75), (0.05, 0.06, 0.05), "taillamp")
    _rider(
        parts,
        hip=np.array([-0.2, 0.0, 1.0]),
        hands=np.array([0.33, 0.24, 1.04]),
        lean=0.62,
        sides=sides,
    )
    return parts.mesh().fitted((1.8, 0.65, 1.75))


def motorcycle() -> Model:
    """Build a motorcycle with its rider, at its nominal size."""
    return Model(levels=(_motorcycle(14, 5), _motorcycle(6, 3)), switch=(20.0,), reach=200.0)


def _motorcycle(wheel: int, sides: int) -> Mesh:
    parts = Parts()
    add_wheel(parts, (-0.72, 0, 0.31), 0.31, 0.17, wheel)
    add_wheel(parts, (0.72, 0, 0.31), 0.31, 0.12, wheel)
    add_ellipsoid(parts, (0.2, 0, 0.82), (0.36, 0.17, 0.17), "paint", 6, 10)
    add_ellipsoid(parts, (0.05, 0, 0.5), (0.38, 0.19, 0.22), "dark_metal", 5, 8)
    add_ellipsoid(parts, (-0.45, 0, 0.8), (0.45, 0.14, 0.09), "trim", 5, 8)
    add_ellipsoid(parts, (0.62, 0, 0.95), (0.17, 0.2, 0.2), "paint", 5, 8)
    for side in (-0.09, 0.09):
        add_tube(parts, [(0.72, side, 0.31), (0.52, side, 0.98)], 0.03, "metal", sides=5)
        add_tube(parts, [(-0.72, side, 0.31), (0.0, side, 0.42)], 0.035, "dark_metal", sides=4)
    add_tube(parts, [(-0.1, -0.2, 0.33), (-0.9, -0.2, 0.4)], 0.05, "metal", sides=6)
    add_tube(
        parts, [(0.45, -0.36, 1.04), (0.5, 0, 1.06), (0.45, 0.36, 1.04)], 0.02, "trim", sides=4
    )
    add_ellipsoid(parts, (0.77, 0, 0.93), (0.05, 0.1, 0.09), "headlamp", 3, 8)
    add_box(parts, (-0.93, 0, 0.84), (0.05, 0.16, 0.07), "taillamp")
    add_box(parts, (-0.99, 0, 0.62), (0.02, 0.2, 0.16), "plate")
    _rider(
        parts,
        hip=np.array([-0.25, 0.0, 0.93]),
        hands=np.array([0.44, 0.34, 1.06]),
        lean=0.5,
        sides=sides,
    )
    return parts.mesh().fitted((2.2, 0.8, 1.5))


def _rider(parts: Parts, *, hip: FloatArray, hands: FloatArray, lean: float, sides: int) -> None:
    _torso(parts, hip, lean, sides + 3)
    shoulder = hip + 0.5 * np.array([np.sin(lean), 0.0, np.cos(lean)])
    head = shoulder + np.array([0.12, 0.0, 0.22])
    add_limb(parts, shoulder, head - [0.02, 0, 0.08], 0.055, 0.05, "skin", sides)
    _head(parts, head, "paint", sides)
    mirror = np.array([1.0, -1.0, 1.0])
    for side, lift in ((1.0, 0.10), (-1.0, -0.06)):
        turn = mirror if side < 0 else np.ones(3)
        reach = hands * turn
        elbow = (shoulder + reach) / 2 + [-0.02, side * 0.17, -0.08]
        add_limb(
            parts, shoulder + np.array([0, side * 0.19, -0.05]), elbow, 0.052, 0.045, "cloth", sides
        )
        add_limb(parts, elbow, reach, 0.043, 0.04, "cloth", sides)
        knee = hip + np.array([0.38, side * 0.12, -0.24 + lift])
        foot = hip + np.array([0.18, side * 0.12, -0.68 + lift])
        add_limb(
            parts, hip + np.array([0, side * 0.09, -0.03]), knee, 0.09, 0.065, "trousers", sides
        )
        add_limb(parts, knee, foot, 0.06, 0.05, "trousers", sides)
        add_limb(parts, foot, foot + np.array([0.14, 0, -0.03]), 0.05, 0.04, "trim", sides)
