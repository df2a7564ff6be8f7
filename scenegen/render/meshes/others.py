"""Animals, and things that lie or stand on the road."""

from __future__ import annotations

import numpy as np

from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box, add_ellipsoid, add_limb, add_tube


def animal(phase: int, phases: int = 8) -> Model:
    """Build a deer-like animal at an instant of its trot."""
    swing = np.sin(2 * np.pi * phase / phases)
    return Model(levels=(_animal(swing, 7), _animal(swing, 4)), switch=(25.0,), reach=150.0)


def _animal(swing: float, sides: int) -> Mesh:
    parts = Parts()
    add_ellipsoid(parts, (-0.08, 0, 0.72), (0.48, 0.19, 0.21), "fur", 6, sides + 3)
    add_limb(parts, (0.32, 0, 0.78), (0.52, 0, 1.0), 0.12, 0.075, "fur", sides)
    add_ellipsoid(parts, (0.60, 0, 1.03), (0.14, 0.065, 0.075), "fur", 5, sides + 1)
    for side in (-1.0, 1.0):
        add_limb(parts, (0.53, side * 0.05, 1.07), (0.50, side * 0.1, 1.17), 0.03, 0.012, "fur", 4)
        for x, move in ((0.27, swing * side), (-0.42, -swing * side)):
            knee = (x + 0.08 * move, side * 0.1, 0.36)
            foot = (x + 0.14 * move, side * 0.1, 0.04)
            add_limb(parts, (x, side * 0.1, 0.66), knee, 0.075, 0.042, "fur", sides)
            add_limb(parts, knee, foot, 0.036, 0.028, "fur", sides)
    add_limb(parts, (-0.55, 0, 0.8), (-0.64, 0, 0.66), 0.035, 0.02, "fur", 4)
    return parts.mesh()


def cone() -> Model:
    """Build a traffic cone of 0.75 m."""
    parts = Parts()
    add_box(parts, (0, 0, 0.02), (0.42, 0.42, 0.04), "rubber")
    heights = [0.04, 0.25, 0.25, 0.42, 0.42, 0.75]
    radii = [0.17, 0.125, 0.127, 0.09, 0.088, 0.03]
    colors = ["cone", "sign_white", "cone"]
    for k, color in enumerate(colors):
        path = [(0, 0, heights[2 * k]), (0, 0, heights[2 * k + 1])]
        add_tube(parts, path, radii[2 * k : 2 * k + 2], color, sides=10)
    return Model(levels=(parts.mesh().fitted((1, 1, 1)),), reach=150.0)


def crate() -> Model:
    """Build a lost load: a wooden crate with battens, as a unit cube."""
    parts = Parts()
    add_box(parts, (0, 0, 0.5), (0.94, 0.94, 0.94), "crate")
    for side in (-1.0, 1.0):
        for edge in (-0.45, 0.45):
            add_box(parts, (side * 0.47, edge, 0.5), (0.06, 0.1, 1.0), "crate")
            add_box(parts, (edge, side * 0.47, 0.5), (0.1, 0.06, 1.0), "crate")
            add_box(parts, (side * 0.47, 0, 0.5 + edge), (0.06, 1.0, 0.1), "crate")
            add_box(parts, (0, side * 0.47, 0.5 + edge), (1.0, 0.06, 0.1), "crate")
    return Model(levels=(parts.mesh().fitted((1, 1, 1)),), reach=150.0)


def barrier() -> Model:
    """Build a road-works barrier with red and white boards, as a unit box."""
    parts = Parts()
    for k in range(6):
        color = "sign_red" if k % 2 else "sign_white"
        for z in (0.45, 0.85):
            add_box(parts, (-0.415 + k * 0.166, 0, z), (0.166, 0.3, 0.24), color)
    for x in (-0.38, 0.38):
        add_box(parts, (x, 0, 0.5), (0.05, 0.5, 1.0), "metal")
        add_box(parts, (x, 0, 0.03), (0.1, 1.0, 0.06), "rubber")
    return Model(levels=(parts.mesh().fitted((1, 1, 1)),), reach=200.0)
