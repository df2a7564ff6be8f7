"""Trees and bushes: a trunk, a dark core, and a cloud of leaf clusters around it."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_ellipsoid, add_limb, add_tube


def tree(rng: np.random.Generator, height: float = 8.0) -> Model:
    """Build a broad-leaved tree at three levels of detail; all levels share one shape."""
    return _grow(rng, height, rng.uniform(0.28, 0.36), rng.uniform(0.30, 0.38))


def street_tree(rng: np.random.Generator, height: float = 7.5) -> Model:
    """Build a tree pruned as beside roads: the crown is narrow and begins 2.6 m up or higher."""
    return _grow(rng, height, rng.uniform(0.48, 0.52), rng.uniform(0.24, 0.27))


def _grow(rng: np.random.Generator, height: float, bare: float, wide: float) -> Model:
    """Build a tree whose trunk and crown have these shares of its height."""
    trunk, spread = bare * height, wide * height
    count = int(rng.integers(6, 9))
    angle = np.arange(count) / count * 2 * np.pi + rng.uniform(0, 1, count)
    away = rng.uniform(0.35, 0.65, count) * spread
    lift = rng.uniform(trunk * 1.15, height - 0.45 * spread, count)
    lobes = np.column_stack(
        [away * np.cos(angle), away * np.sin(angle), lift, rng.uniform(0.42, 0.6, count) * spread]
    )
    lobes = np.vstack([lobes, [0, 0, height - 0.6 * spread, 0.7 * spread]])
    few = _merged(lobes)
    levels = (
        _tree(rng.spawn(1)[0], trunk, height, lobes, 90, 5),
        _tree(rng.spawn(1)[0], trunk, height, few, 80, 5),
        _tree(rng.spawn(1)[0], trunk, height, few, 0, 5),
    )
    return Model(levels=levels, switch=(16.0, 45.0), reach=230.0)


def _merged(lobes: FloatArray) -> FloatArray:
    """Three lobes that stand for many: two halves of the crown and its top."""
    order = np.argsort(np.arctan2(lobes[:-1, 1], lobes[:-1, 0]))
    halves = np.array_split(lobes[:-1][order], 2)
    merged = []
    for half in halves:
        middle = half[:, :3].mean(0)
        away = np.hypot(*(half[:, :2] - middle[:2]).T)
        merged.append(np.append(middle, (0.85 * away + half[:, 3]).mean() * 1.1))
    return np.vstack([*merged, lobes[-1]])


def _tree(
    rng: np.random.Generator,
    trunk: float,
    height: float,
    lobes: FloatArray,
    leaves: int,
    sides: int,
) -> Mesh:
    parts = Parts()
    thick = 0.020 * height
    bend = rng.uniform(-0.1, 0.1, 2)
    path = [(0, 0, 0), (*bend, trunk * 0.6), (0, 0, trunk * 1.4)]
    add_tube(parts, path, [thick * 1.25, thick, thick * 0.7], "bark", sides=sides)
    for x, y, z, radius in lobes:
        if leaves:
            add_limb(parts, (0, 0, trunk), (x, y, z), 0.4 * thick, 0.15 * thick, "bark", 3)
        grow = 0.86 if leaves else 1.05
        size = (grow * radius, grow * radius, 0.8 * grow * radius)
        rings = 3 if leaves or sides > 4 else 2
        add_ellipsoid(parts, (x, y, z), size, "leaf_dark" if leaves else "leaf", rings, sides)
        if leaves:
            _add_leaves(parts, rng, np.array([x, y, z]), radius, leaves)
    return parts.mesh()


def _add_leaves(
    parts: Parts, rng: np.random.Generator, center: FloatArray, radius: float, count: int
) -> None:
    """Scatter triangles over a lobe, facing outward and up, as clusters of leaves."""
    out = rng.normal(size=(count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    place = center + out * radius * rng.uniform(0.75, 1.05, (count, 1)) * [1, 1, 0.82]
    size = radius * rng.uniform(1.5, 2.3, (count, 1)) / np.sqrt(count)
    corners = np.stack([place + size * rng.uniform(-1, 1, (count, 3)) for _ in range(3)], 1)
    faced = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    corners = np.where(((faced * out).sum(-1) < 0)[:, None, None], corners[:, ::-1], corners)
    vertices = corners.reshape(-1, 3)
    names = np.where(rng.random(count) < 0.72, "leaf", "leaf_dark")
    parts.add(vertices, np.arange(3 * count).reshape(-1, 3), list(names), smooth=True)
    # Leaves scatter light like the crown as a whole, so they take the normal of the lobe.
    normals = np.repeat(out + np.array([0.0, 0.0, 0.35]), 3, axis=0)
    parts.override_normals(normals)


def conifer(rng: np.random.Generator, height: float = 11.0) -> Model:
    """Build a conifer as stacked ragged cones."""
    levels = []
    for sides in (11, 6):
        parts = Parts()
        add_tube(parts, [(0, 0, 0), (0, 0, 0.3 * height)], 0.017 * height, "bark", sides=5)
        tiers = 6 if sides > 6 else 3
        for k in range(tiers):
            low = height * (0.12 + 0.82 * k / tiers)
            tall = height * (1.25 / tiers)
            radius = 0.21 * height * (1 - 0.86 * k / tiers)
            angle = np.arange(sides) / sides * 2 * np.pi + k
            ragged = radius * (0.8 + 0.35 * rng.random(sides))
            ring = np.column_stack(
                [ragged * np.cos(angle), ragged * np.sin(angle), 0 * angle + low]
            )
            vertices = np.vstack([ring, [0, 0, min(low + tall, height)]])
            fan = np.array([(i, (i + 1) % sides, sides) for i in range(sides)])
            parts.add(vertices, fan, "leaf_dark" if k % 2 else "leaf", smooth=True)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(30.0,), reach=300.0)


def bush(rng: np.random.Generator) -> Model:
    """Build a bush about 1.2 m high."""
    levels = []
    lobes = rng.uniform([-0.5, -0.5, 0.35, 0.4], [0.5, 0.5, 0.6, 0.65], (3, 4))
    for leaves, sides in ((40, 5), (0, 4)):
        parts = Parts()
        for x, y, z, radius in lobes:
            size = (radius, radius, 0.85 * radius)
            add_ellipsoid(parts, (x, y, z), size, "leaf_dark" if leaves else "leaf", 3, sides)
            if leaves:
                _add_leaves(parts, rng, np.array([x, y, z]), radius, leaves)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(20.0,), reach=120.0)
