"""Buildings: boxes with a facade bitmap per bay and storey, cornices and roofs."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.mesh import Model, Parts
from scenegen.render.solids import add_box, add_wall
from scenegen.seeding import stream

BAY = 3.2
"""Width of a bay and height of a storey [m]; the facade bitmaps hold 4 x 4 of them."""
FACADES = ("brick", "plaster", "office")
"""Materials of the upper storeys."""
VARIANTS = 6
"""Variants of each size of block that a street draws from."""


def building_depth(variant: int) -> int:
    """Bays of a block away from the street."""
    return 3 + variant % 2


@lru_cache(maxsize=512)
def building(bays: int, storeys: int, *, shops: bool, variant: int) -> Model:
    """Build a block; its front lies on y = 0 and faces -y, its front left corner is the origin.

    Args:
        bays: Bays along the street.
        storeys: Storeys, the ground floor included.
        shops: Whether the ground floor has shop windows.
        variant: Which facade, roof and depth, from 0; the same arguments give the same block.
    """
    rng = stream(variant, "building", bays, storeys, int(shops))
    deep = building_depth(variant)
    width, depth, height = bays * BAY, deep * BAY, storeys * BAY
    facade = FACADES[variant % len(FACADES)] if storeys > 2 else "plaster"
    gabled = storeys <= 3 and rng.random() < 0.7
    spot = rng.uniform(0.25, 0.75, 2) * (width, depth)
    outline = np.array([(0, 0), (width, 0), (width, depth), (0, depth), (0, 0)], np.float64)
    levels = []
    for near in (True, False):
        parts = Parts()
        for begin, end in pairwise(outline):
            side = np.stack([begin, end])
            if shops:
                add_wall(parts, side, 0.0, BAY, "shop")
            add_wall(parts, side, BAY if shops else 0.0, height, facade)
        if shops and near:
            add_box(parts, (width / 2, -0.05, BAY), (width + 0.1, 0.3, 0.25), "concrete")
        if gabled:
            _add_gable(parts, width, depth, height)
        else:
            _add_flat_roof(parts, spot, width, depth, height, near=near)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(70.0,), reach=450.0)


def _add_gable(parts: Parts, width: float, depth: float, height: float) -> None:
    over, ridge = 0.4, height + 0.32 * depth
    corners = [(-over, -over), (width + over, -over), (width + over, depth + over)]
    eaves = [(x, y, height - 0.1) for x, y in [*corners, (-over, depth + over)]]
    top = [(-over, depth / 2, ridge), (width + over, depth / 2, ridge)]
    parts.add(np.array([*eaves, *top]), np.array([(0, 1, 5, 4), (2, 3, 4, 5)]), "tiles")
    for x in (0.0, width):
        gable = np.array([(x, 0, height), (x, depth, height), (x, depth / 2, ridge - 0.15)])
        parts.add(gable, np.array([(0, 1, 2)]), "wall")


def _add_flat_roof(
    parts: Parts, spot: FloatArray, width: float, depth: float, height: float, *, near: bool
) -> None:
    """Add a roof with a hut at a spot and, seen from near, a parapet."""
    roof = np.array(
        [(0, 0, height), (width, 0, height), (width, depth, height), (0, depth, height)]
    )
    parts.add(roof, np.array([(0, 1, 2, 3)]), "roof")
    add_box(parts, (spot[0], spot[1], height + 1.1), (3.0, 3.0, 2.2), "wall")
    if not near:
        return
    for center, size in (
        ((width / 2, -0.05, height), (width + 0.3, 0.4, 0.5)),
        ((width / 2, depth + 0.05, height), (width + 0.3, 0.4, 0.5)),
        ((-0.05, depth / 2, height), (0.4, depth, 0.5)),
        ((width + 0.05, depth / 2, height), (0.4, depth, 0.5)),
    ):
        add_box(parts, center, size, "wall")
