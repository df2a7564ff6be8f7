"""Triangles without a world, and a brute-force ray caster to compare with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render import Triangles
from scenegen.render.mesh import Mesh, Parts


def soup(corners: FloatArray) -> Triangles:
    """Build one thing per triangle from corners of shape (F, 3, 3), each with its own number."""
    count = len(corners)
    middle = corners.mean(1)
    radius = np.linalg.norm(corners - middle[:, None], axis=-1).max(-1) + 1e-6
    return Triangles(
        origin=np.zeros(3),
        vertices=corners.reshape(-1, 3).astype(np.float32),
        normals=np.tile(np.array([0, 0, 1], np.float32), (3 * count, 1)),
        uv=np.zeros((3 * count, 2), np.float32),
        faces=np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
        material=np.zeros(count, np.uint8),
        owner=np.arange(count, dtype=np.int32),
        first_vertex=3 * np.arange(count + 1),
        first_face=np.arange(count + 1),
        sphere=np.column_stack([middle, radius]),
        surface=np.full(count, 11, np.uint8),
        number=np.arange(1, count + 1).astype(np.uint16),
        tint=np.ones((count, 3), np.float32),
        lamps=np.zeros((count, 2), np.float32),
    )


def of_mesh(mesh: Mesh, shift: tuple[float, float, float]) -> Triangles:
    """Build the triangles of a mesh at a place."""
    return soup((mesh.vertices + np.array(shift))[mesh.faces].astype(np.float64))


def cast(origin: FloatArray, rays: FloatArray, corners: FloatArray) -> tuple[FloatArray, IntArray]:
    """Cast rays (R, 3) at triangles (F, 3, 3) one by one (Moller and Trumbore, 1997).

    Returns:
        Multiples of the ray at the first hit, inf for none, and face indices, -1 for none.
    """
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(rays[:, None], ac[None])
    det = (p * ab).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = origin - a
        u = (p * s).sum(-1) / det
        q = np.cross(s, ab)
        v = (rays @ q.T) / det
        t = (ac * q).sum(-1) / det
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    t = np.where(hit, t, np.inf)
    face = t.argmin(-1)
    first = t[np.arange(len(rays)), face]
    return first, np.where(np.isfinite(first), face, -1)


def random_triangles(seed: int, count: int = 60) -> FloatArray:
    """Draw triangles of 1 to 6 m all around the origin, corners of shape (F, 3, 3)."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-25, 25, (count, 1, 3)) * [1, 1, 0.3]
    corners = middle + rng.normal(0, rng.uniform(0.5, 3, (count, 1, 1)), (count, 3, 3))
    return corners.astype(np.float32).astype(np.float64)


def cube(edge: float) -> Mesh:
    """Build a cube around the origin."""
    parts = Parts()
    half = edge / 2
    grid = np.array(
        [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (-half, half)]
    )
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    parts.add(grid, np.array(quads), "paint")
    return parts.mesh()


def clumps(corners: FloatArray) -> Triangles:
    """Build one thing per clump of triangles from corners of shape (K, n, 3, 3)."""
    things, count = corners.shape[:2]
    single = soup(corners.reshape(-1, 3, 3))
    middle = corners.mean((1, 2))
    radius = np.linalg.norm(corners - middle[:, None, None], axis=-1).max((1, 2)) + 1e-6
    return replace(
        single,
        owner=np.repeat(np.arange(things, dtype=np.int32), count),
        first_vertex=3 * count * np.arange(things + 1),
        first_face=count * np.arange(things + 1),
        sphere=np.column_stack([middle, radius]),
        surface=np.full(things, 11, np.uint8),
        number=np.arange(1, things + 1).astype(np.uint16),
        tint=np.ones((things, 3), np.float32),
        lamps=np.zeros((things, 2), np.float32),
    )
