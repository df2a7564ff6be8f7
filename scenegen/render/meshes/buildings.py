"""Buildings: boxes with a facade bitmap per bay and storey; near ones have real openings."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.facades import CELL, FACADES
from scenegen.render.mesh import Model, Parts
from scenegen.render.solids import add_box, add_tube, add_wall
from scenegen.seeding import stream

BAY = 3.2
"""Width of a bay and height of a storey [m]; the facade bitmaps hold 4 x 4 of them."""
WALLS = ("brick", "plaster", "ashlar", "panel", "office", "plaster", "brick", "hall")
"""Facade of the upper storeys by variant."""
VARIANTS = len(WALLS)
"""Variants of each size of block that a street draws from."""
RECESS = 0.16
"""How far windows lie behind the wall [m]."""


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
    deep = building_depth(variant)
    width, depth, height = bays * BAY, deep * BAY, storeys * BAY
    facade = WALLS[variant % len(WALLS)] if storeys > 2 else "plaster"
    outline = np.array([(0, 0), (width, 0), (width, depth), (0, depth), (0, 0)], np.float64)
    levels = []
    for detail in (2, 1, 0):
        rng = stream(variant, "building", bays, storeys, int(shops))
        parts = Parts()
        for side, ends in enumerate(pairwise(outline)):
            _add_side(parts, np.stack(ends), (storeys, shops, facade), detail if side != 2 else 0)
        if storeys <= 3 and rng.random() < 0.7 and facade != "hall":
            _add_gable(parts, (width, depth, height), "tiles" if variant % 3 else "slate", detail)
        else:
            _add_flat_roof(parts, rng, (width, depth, height), detail)
        if detail:
            _add_trimmings(parts, rng, (bays, storeys, shops, facade), detail)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(26.0, 70.0), reach=480.0)


def _add_side(parts: Parts, ends: FloatArray, design: tuple[int, bool, str], detail: int) -> None:
    """Add one wall between two corners, shape (2, 2), with real openings at the finest detail."""
    storeys, shops, facade = design
    bands = [("shop", 0, 1)] if shops else []
    bands.append((facade, 1 if shops else 0, storeys))
    for name, low, high in bands:
        if high <= low:
            continue
        if detail == 2:
            _add_openings(parts, ends, name, low, high)
        else:
            add_wall(parts, ends, low * BAY, high * BAY, name)


def _add_openings(parts: Parts, ends: FloatArray, name: str, low: int, high: int) -> None:
    """Add storeys `low` to `high` of a wall whose windows lie behind it.

    The texture coordinates are those of the plain wall, so that both show the same picture.
    """
    length = float(np.hypot(*(ends[1] - ends[0])))
    along = (ends[1] - ends[0]) / length
    inward = np.array([-along[1], along[0]])
    left, right, sill, head = (k * BAY / CELL for k in FACADES[name].window)
    bays = round(length / BAY)
    u = np.concatenate([[0.0], *[(k * BAY + left, k * BAY + right) for k in range(bays)], [length]])
    z = np.concatenate(
        [[low * BAY], *[(k * BAY + sill, k * BAY + head) for k in range(low, high)], [high * BAY]]
    )
    i, j = np.meshgrid(np.arange(len(u) - 1), np.arange(len(z) - 1), indexing="ij")
    is_pane = (i % 2 == 1) & (j % 2 == 1)
    rows: list[FloatArray] = []
    corner_u = np.stack([u[i], u[i + 1], u[i + 1], u[i]], -1)
    corner_z = np.stack([z[j], z[j], z[j + 1], z[j + 1]], -1)
    back = np.where(is_pane, RECESS, 0.0)[..., None] * np.ones(4)
    rows.append(np.stack([corner_u, corner_z, back], -1).reshape(-1, 4, 3))
    u0, u1, z0, z1 = u[i][is_pane], u[i + 1][is_pane], z[j][is_pane], z[j + 1][is_pane]
    front, rear = np.zeros_like(u0), np.full_like(u0, RECESS)
    for a, b, c, d in (
        ((u0, z0), (u0, z0), (u0, z1), (u0, z1)),
        ((u1, z1), (u1, z1), (u1, z0), (u1, z0)),
        ((u1, z0), (u1, z0), (u0, z0), (u0, z0)),
        ((u0, z1), (u0, z1), (u1, z1), (u1, z1)),
    ):
        quad = [(*a, rear), (*b, front), (*c, front), (*d, rear)]
        rows.append(np.stack([np.stack(q, -1) for q in quad], 1)[:, ::-1])
    grid = np.concatenate(rows).reshape(-1, 3)
    flat = ends[0] + grid[:, :1] * along + grid[:, 2:] * inward
    # Reveals show the wall beside the opening, not the pane.
    vertices = np.column_stack([flat, grid[:, 1]])
    uv = grid[:, :2].copy()
    reveals = len(rows[0]) * 4
    uv[reveals:, 0] = np.floor(uv[reveals:, 0] / BAY) * BAY + 0.1 + 0.05 * (grid[reveals:, 2] > 0)
    parts.add(vertices, np.arange(len(grid)).reshape(-1, 4), name, uv=uv)


def _add_gable(parts: Parts, size: tuple[float, float, float], cover: str, detail: int) -> None:
    """Add a pitched roof that overhangs, with chimneys when seen from near."""
    width, depth, height = size
    over, ridge = 0.4, height + 0.36 * depth
    corners = [(-over, -over), (width + over, -over), (width + over, depth + over)]
    eaves = [(x, y, height - 0.12) for x, y in [*corners, (-over, depth + over)]]
    top = [(-over, depth / 2, ridge), (width + over, depth / 2, ridge)]
    points = np.array([*eaves, *top])
    slope = np.hypot(depth / 2 + over, ridge - height)
    uv = np.array([(0, 0), (width, 0), (0, 0), (width, 0), (0, slope), (width, slope)], np.float64)
    parts.add(points, np.array([(0, 1, 5, 4), (2, 3, 4, 5)]), cover, uv=uv)
    if detail:
        # The underside of the eaves; two sheets in one place would shade each other.
        under = points - [0.0, 0.0, 0.05]
        parts.add(under, np.array([(4, 5, 1, 0), (5, 4, 3, 2)]), "timber")
        for x in (0.22 * width, 0.8 * width):
            add_box(parts, (x, depth / 2 + 0.9, ridge + 0.1), (0.7, 0.5, 1.6), "wall")
    for x in (0.0, width):
        gable = np.array([(x, 0, height), (x, depth, height), (x, depth / 2, ridge - 0.15)])
        parts.add(gable, np.array([(0, 1, 2)]), "wall")


def _add_flat_roof(
    parts: Parts, rng: np.random.Generator, size: tuple[float, float, float], detail: int
) -> None:
    """Add a roof with a hut, a parapet and, seen from near, machines and a mast."""
    width, depth, height = size
    spot = rng.uniform(0.25, 0.75, 2) * (width, depth)
    roof = np.array(
        [(0, 0, height), (width, 0, height), (width, depth, height), (0, depth, height)]
    )
    parts.add(roof, np.array([(0, 1, 2, 3)]), "roof")
    add_box(parts, (spot[0], spot[1], height + 1.1), (3.0, 3.0, 2.2), "wall")
    if not detail:
        return
    for center, extent in (
        ((width / 2, -0.05, height), (width + 0.3, 0.4, 0.5)),
        ((width / 2, depth + 0.05, height), (width + 0.3, 0.4, 0.5)),
        ((-0.05, depth / 2, height), (0.4, depth, 0.5)),
        ((width + 0.05, depth / 2, height), (0.4, depth, 0.5)),
    ):
        add_box(parts, center, extent, "wall")
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.1, 0.9, 2) * (width, depth)
        add_box(parts, (x, y, height + 0.5), (1.5, 1.1, 1.0), "metal", yaw=float(rng.uniform(0, 1)))
    x, y = spot
    add_tube(parts, [(x, y, height + 2.2), (x, y, height + 5.0)], 0.04, "metal", sides=3)


def _add_trimmings(
    parts: Parts, rng: np.random.Generator, design: tuple[int, int, bool, str], detail: int
) -> None:
    """Add what stands out from the front: string courses, doors, awnings, balconies, pipes."""
    bays, storeys, shops, facade = design
    width, height = bays * BAY, storeys * BAY
    if shops:
        add_box(parts, (width / 2, -0.06, BAY), (width + 0.1, 0.3, 0.22), "concrete")
        _add_awnings(parts, rng, bays)
    elif facade != "hall":
        x = BAY * int(rng.integers(0, bays)) + 0.05
        add_box(parts, (x, -0.05, 1.15), (1.15, 0.14, 2.3), "frame")
        add_box(parts, (x, -0.13, 1.1), (0.95, 0.02, 2.1), "timber")
        add_box(parts, (x, -0.5, 0.07), (1.6, 0.9, 0.14), "concrete")
        add_box(parts, (x, -0.45, 2.45), (1.6, 0.9, 0.1), "wall")
    if facade in {"brick", "ashlar"} and storeys > 3:
        add_box(parts, (width / 2, -0.04, height - 0.75), (width + 0.1, 0.22, 0.2), "concrete")
    if detail < 2:
        return
    low = 1 if shops else 0
    _, _, sill, _ = FACADES[facade].window
    if facade in {"brick", "ashlar", "plaster"}:
        left, right = FACADES[facade].window[0] * BAY / CELL, FACADES[facade].window[1] * BAY / CELL
        for storey in range(low, min(storeys, 4)):
            for bay in range(bays):
                x, z = bay * BAY + (left + right) / 2, storey * BAY + sill * BAY / CELL - 0.13
                add_box(parts, (x, -0.05, z), (right - left + 0.2, 0.18, 0.08), "frame")
    if facade in {"plaster", "panel"} and storeys > 2 and rng.random() < 0.6:
        _add_balconies(parts, rng, bays, storeys)
    for x in (0.12, width - 0.12):
        add_tube(parts, [(x, -0.09, 0.1), (x, -0.09, height - 0.1)], 0.05, "metal", sides=4)


def _add_awnings(parts: Parts, rng: np.random.Generator, bays: int) -> None:
    """Hang canvas over some of the shop windows."""
    for bay in range(bays):
        if rng.random() > 0.35:
            continue
        x0, x1, z = bay * BAY + 0.15, (bay + 1) * BAY - 0.15, 2.42
        out, drop = rng.uniform(0.7, 1.1), rng.uniform(0.25, 0.45)
        low = z - drop
        rim = [(x0, -0.02, z), (x1, -0.02, z), (x1, -out, low), (x0, -out, low)]
        points = np.array([*rim, (x1, -out, low - 0.2), (x0, -out, low - 0.2)])
        uv = np.array([(x0, 0), (x1, 0), (x1, 1), (x0, 1), (x1, 1.2), (x0, 1.2)])
        parts.add(points, np.array([(3, 2, 1, 0), (5, 4, 2, 3)]), "awning", uv=uv)


def _add_balconies(parts: Parts, rng: np.random.Generator, bays: int, storeys: int) -> None:
    """Add balconies with bars in one or two columns of bays."""
    for bay in rng.permutation(bays)[: max(1, bays // 3)]:
        x = (float(bay) + 0.5) * BAY
        for storey in range(1, min(storeys, 6)):
            z = storey * BAY + 0.42
            add_box(parts, (x, -0.5, z), (2.4, 1.0, 0.14), "concrete")
            for rail in (0.5, 1.0):
                add_box(parts, (x, -0.97, z + rail), (2.4, 0.04, 0.05), "dark_metal")
                for side in (-1.18, 1.18):
                    add_box(parts, (x + side, -0.5, z + rail), (0.04, 0.95, 0.05), "dark_metal")
            for k in range(7):
                place = (x - 1.18 + 0.393 * k, -0.97, z + 0.55)
                add_box(parts, place, (0.03, 0.03, 0.95), "dark_metal")
