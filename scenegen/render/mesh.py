"""Triangle meshes, the parts they are assembled from, and models with levels of detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import FloatArray, IntArray, check_shape
from scenegen.render.surfaces import MATERIAL_INDEX


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """Triangles of one rigid thing, in its own frame (x forward, y left, z up).

    Attributes:
        vertices: Positions [m], shape (V, 3).
        normals: Unit normals per vertex, shape (V, 3).
        uv: Texture coordinates [m], shape (V, 2).
        faces: Vertex indices, shape (F, 3).
        material: Index into MATERIALS per face, shape (F,).
    """

    vertices: FloatArray
    normals: FloatArray
    uv: FloatArray
    faces: IntArray
    material: IntArray

    def __post_init__(self) -> None:
        """Check that the arrays agree."""
        count = len(self.vertices)
        check_shape("vertices", self.vertices, count, 3)
        check_shape("normals", self.normals, count, 3)
        check_shape("uv", self.uv, count, 2)
        check_shape("faces", self.faces, len(self.material), 3)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest corner [m], each of shape (3,)."""
        return self.vertices.min(0), self.vertices.max(0)

    def fitted(self, size: Sequence[float]) -> Mesh:
        """Scale to fill the box [-l/2, l/2] x [-w/2, w/2] x [0, h] of a size (l, w, h)."""
        low, high = self.bounds
        scale = np.asarray(size, np.float64) / np.maximum(high - low, 1e-6)
        shift = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
        normals = self.normals / scale
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return Mesh(
            vertices=((self.vertices - shift) * scale).astype(np.float32),
            normals=normals.astype(np.float32),
            uv=self.uv,
            faces=self.faces,
            material=self.material,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """One thing at several levels of detail.

    Attributes:
        levels: Meshes from fine to coarse.
        switch: Distance [m] from which each coarser level is used, shape (levels - 1,).
        reach: Distance beyond which it is not drawn [m].
    """

    levels: tuple[Mesh, ...]
    switch: tuple[float, ...] = ()
    reach: float = 400.0

    def __post_init__(self) -> None:
        """Check that there is one switching distance between neighbouring levels."""
        if len(self.levels) != len(self.switch) + 1:
            raise ValueError(
                f"Model: expected one switch distance less than levels, got {len(self.levels)}"
                f" levels and {len(self.switch)} distances"
            )


@dataclass(slots=True)
class Parts:
    """A mesh under construction: parts are added, then `mesh()` joins them."""

    _vertices: list[FloatArray] = field(default_factory=list)
    _normals: list[FloatArray] = field(default_factory=list)
    _uv: list[FloatArray] = field(default_factory=list)
    _faces: list[IntArray] = field(default_factory=list)
    _material: list[IntArray] = field(default_factory=list)
    _count: int = 0

    def add(
        self,
        vertices: FloatArray,
        faces: IntArray,
        material: str | Sequence[str],
        *,
        smooth: bool = False,
        uv: FloatArray | None = None,
    ) -> None:
        """Add a part.

        Args:
            vertices: Positions [m], shape (V, 3).
            faces: Triangles or quads, shape (F, 3) or (F, 4).
            material: One name for all faces, or one per face.
            smooth: Whether normals are averaged over the faces around a vertex.
            uv: Texture coordinates [m], shape (V, 2); by default the part is projected along
                the largest axis of its normals.
        """
        points = np.asarray(vertices, np.float64)
        corners, names = _triangles(np.asarray(faces, np.int64), material)
        if not smooth:
            uv = None if uv is None else np.asarray(uv)[corners.reshape(-1)]
            points = points[corners.reshape(-1)]
            corners = np.arange(len(points)).reshape(-1, 3)
        normals = _vertex_normals(points, corners, smooth=smooth)
        self._vertices.append(points)
        self._normals.append(normals)
        self._uv.append(box_projection(points, normals) if uv is None else np.asarray(uv))
        self._faces.append(corners + self._count)
        self._material.append(names)
        self._count += len(points)

    def override_normals(self, normals: FloatArray) -> None:
        """Give the part added last other normals, shape (V, 3), of any length but zero."""
        check_shape("normals", normals, len(self._normals[-1]), 3)
        self._normals[-1] = normals / np.linalg.norm(normals, axis=1, keepdims=True)

    def place(self, mesh: Mesh, turn: FloatArray, shift: Sequence[float]) -> None:
        """Add a copy of a mesh, turned by a rotation matrix (3, 3), then shifted [m]."""
        self._vertices.append(mesh.vertices @ np.asarray(turn).T + np.asarray(shift))
        self._normals.append(mesh.normals @ np.asarray(turn).T)
        self._uv.append(mesh.uv)
        self._faces.append(mesh.faces + self._count)
        self._material.append(mesh.material)
        self._count += len(mesh.vertices)

    def mesh(self) -> Mesh:
        """Join the parts."""
        return Mesh(
            vertices=np.concatenate(self._vertices).astype(np.float32),
            normals=np.concatenate(self._normals).astype(np.float32),
            uv=np.concatenate(self._uv).astype(np.float32),
            faces=np.concatenate(self._faces).astype(np.int32),
            material=np.concatenate(self._material).astype(np.uint8),
        )


def box_projection(points: FloatArray, normals: FloatArray) -> FloatArray:
    """Texture coordinates by projection along the largest axis of the normal.

    Args:
        points: Positions [m], shape (V, 3).
        normals: Unit normals, shape (V, 3).

    Returns:
        Coordinates [m], shape (V, 2): x, y on floors, horizontal and z on walls.
    """
    axis = np.abs(normals).argmax(-1)
    across = np.where(axis == 0, points[:, 1], points[:, 0])
    up = np.where(axis == 2, points[:, 1], points[:, 2])
    return np.stack([across, up], -1)


def _triangles(faces: IntArray, material: str | Sequence[str]) -> tuple[IntArray, IntArray]:
    names = [material] * len(faces) if isinstance(material, str) else list(material)
    index = np.array([MATERIAL_INDEX[name] for name in names], np.int64)
    if faces.shape[1] == 4:
        faces = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
        index = np.concatenate([index, index])
    return faces, index


def _vertex_normals(points: FloatArray, faces: IntArray, *, smooth: bool) -> FloatArray:
    """Normal of each vertex: of its face, or the area-weighted mean of the faces around it."""
    u, v = points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    weighted = np.empty_like(u)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        weighted[:, i] = u[:, j] * v[:, k] - u[:, k] * v[:, j]
    if smooth:
        normals = np.zeros_like(points)
        for corner in range(3):
            np.add.at(normals, faces[:, corner], weighted)
    else:
        normals = np.repeat(weighted, 3, axis=0)
    length = np.sqrt((normals * normals).sum(-1))
    empty = length < 1e-12
    normals[empty] = 0.0, 0.0, 1.0
    return normals / np.where(empty, 1.0, length)[:, None]
