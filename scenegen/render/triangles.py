"""From a stage to one list of triangles around the ego, at the right level of detail."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triangles:
    """Triangles of one instant; positions are relative to `origin`, parallel to the map frame.

    Attributes:
        origin: Place of the ego in the map frame [m], shape (3,).
        vertices: Positions [m], shape (V, 3), float32.
        normals: Unit normals, shape (V, 3).
        uv: Texture coordinates [m], shape (V, 2).
        faces: Vertex indices, shape (F, 3).
        material: Index into MATERIALS per face, shape (F,).
        owner: Row of the thing each face belongs to, shape (F,).
        first_vertex: First vertex of each thing, shape (K + 1,).
        first_face: First face of each thing, shape (K + 1,).
        sphere: Bounding sphere of each thing: centre relative to origin, radius [m]; (K, 4).
        surface: SurfaceClass of each thing, shape (K,).
        number: Instance number of each thing, shape (K,).
        tint: Linear RGB of each thing, shape (K, 3).
        lamps: Brightness of head and tail lamps, shape (K, 2).
    """

    origin: FloatArray
    vertices: FloatArray
    normals: FloatArray
    uv: FloatArray
    faces: IntArray
    material: IntArray
    owner: IntArray
    first_vertex: IntArray
    first_face: IntArray
    sphere: FloatArray
    surface: IntArray
    number: IntArray
    tint: FloatArray
    lamps: FloatArray

    @property
    def count(self) -> int:
        """Number of faces F."""
        return len(self.faces)


def assemble(stage: Stage) -> Triangles:
    """Put every instance within its reach in place, at the level its distance asks for.

    The level depends on the distance to the ego alone, so that all sensors of a frame, and a
    path tracer, see the same triangles.
    """
    origin = np.array([*stage.map_from_ego[:2, 3], 0.0])
    bank, things = stage.bank, stage.instances
    ball = bank.sphere[things.model]
    position = things.position - origin
    center = position + np.einsum("kij,kj->ki", things.linear, ball[:, :3])
    scale = np.linalg.norm(things.linear, axis=1).max(-1)
    radius = ball[:, 3] * scale
    distance = np.hypot(center[:, 0], center[:, 1]) - radius
    rows = np.flatnonzero(distance < bank.reach[things.model])
    model = things.model[rows]
    level = (distance[rows, None] >= bank.switch[model]).sum(-1)
    mesh = bank.first_level[model] + level
    spans = bank.spans[mesh]
    first_vertex = np.concatenate([[0], np.cumsum(spans[:, 1])])
    first_face = np.concatenate([[0], np.cumsum(spans[:, 3])])
    arrays = _place(
        *bank.arrays,
        spans,
        first_vertex,
        first_face,
        things.linear[rows],
        _cofactor(things.linear[rows]),
        position[rows],
    )
    vertices, normals, uv, faces, material, owner = arrays
    return Triangles(
        origin=origin,
        vertices=vertices,
        normals=normals,
        uv=uv,
        faces=faces,
        material=material,
        owner=owner,
        first_vertex=first_vertex,
        first_face=first_face,
        sphere=np.column_stack([center, radius])[rows],
        surface=things.surface[rows],
        number=things.number[rows],
        tint=things.tint[rows],
        lamps=things.lamps[rows],
    )


def _cofactor(linear: FloatArray) -> FloatArray:
    """Matrix that turns normals when `linear` turns positions, up to length; (K, 3, 3)."""
    a, b, c = linear[:, :, 0], linear[:, :, 1], linear[:, :, 2]
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], -1)


@nb.njit(cache=True, nogil=True)
def _place(  # type: ignore[no-untyped-def] # noqa: ANN202
    bank_v,  # noqa: ANN001
    bank_n,  # noqa: ANN001
    bank_uv,  # noqa: ANN001
    bank_f,  # noqa: ANN001
    bank_m,  # noqa: ANN001
    spans,  # noqa: ANN001
    first_vertex,  # noqa: ANN001
    first_face,  # noqa: ANN001
    linear,  # noqa: ANN001
    turn,  # noqa: ANN001
    position,  # noqa: ANN001
):
    vertices = np.empty((first_vertex[-1], 3), np.float32)
    normals = np.empty((first_vertex[-1], 3), np.float32)
    uv = np.empty((first_vertex[-1], 2), np.float32)
    faces = np.empty((first_face[-1], 3), np.int32)
    material = np.empty(first_face[-1], np.uint8)
    owner = np.empty(first_face[-1], np.int32)
    for k in range(len(spans)):
        for i in range(spans[k, 1]):
            source, target = spans[k, 0] + i, first_vertex[k] + i
            x, y, z = bank_v[source, 0], bank_v[source, 1], bank_v[source, 2]
            nx, ny, nz = bank_n[source, 0], bank_n[source, 1], bank_n[source, 2]
            length = 0.0
            for c in range(3):
                vertices[target, c] = (
                    linear[k, c, 0] * x + linear[k, c, 1] * y + linear[k, c, 2] * z + position[k, c]
                )
                n = turn[k, c, 0] * nx + turn[k, c, 1] * ny + turn[k, c, 2] * nz
                normals[target, c] = n
                length += n * n
            inverse = 1.0 / max(np.sqrt(length), 1e-12)
            for c in range(3):
                normals[target, c] *= inverse
            uv[target, 0], uv[target, 1] = bank_uv[source, 0], bank_uv[source, 1]
        for i in range(spans[k, 3]):
            source, target = spans[k, 2] + i, first_face[k] + i
            for c in range(3):
                faces[target, c] = bank_f[source, c] + first_vertex[k]
            material[target] = bank_m[source]
            owner[target] = k
    return vertices, normals, uv, faces, material, owner
