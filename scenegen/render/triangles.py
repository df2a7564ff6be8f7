"""From a stage to one list of triangles around the ego, at the right level of detail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
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
    return _assembled(stage, None)


def assemble_shape(stage: Stage, meets: Callable[[FloatArray], BoolArray]) -> Triangles:
    """Put in place what a view may show, for what hides what alone.

    Vertices and faces of those things are the ones that `assemble` gives; normals, texture
    coordinates and materials are left out, their arrays are empty.

    Args:
        stage: What there is.
        meets: Tells which bounding spheres, relative to the ego's place, matter: `View.meets`.
    """
    return _assembled(stage, meets)


def _assembled(stage: Stage, meets: Callable[[FloatArray], BoolArray] | None) -> Triangles:
    """Put things in place: all, or the shape of those that matter."""
    origin = np.array([*stage.map_from_ego[:2, 3], 0.0])
    bank, things = stage.bank, stage.instances
    ball = bank.sphere[things.model]
    position = things.position - origin
    center = position + np.einsum("kij,kj->ki", things.linear, ball[:, :3])
    scale = np.linalg.norm(things.linear, axis=1).max(-1)
    radius = ball[:, 3] * scale
    distance = np.hypot(center[:, 0], center[:, 1]) - radius
    sphere = np.column_stack([center, radius])
    rows = np.flatnonzero(distance < bank.reach[things.model])
    if meets is not None:
        rows = rows[meets(sphere[rows])]
    model = things.model[rows]
    level = (distance[rows, None] >= bank.switch[model]).sum(-1)
    spans = bank.spans[bank.first_level[model] + level]
    first_vertex = np.concatenate([[0], np.cumsum(spans[:, 1])])
    first_face = np.concatenate([[0], np.cumsum(spans[:, 3])])
    linear, shape_only = things.linear[rows], meets is not None
    vertices = np.empty((first_vertex[-1], 3), np.float32)
    faces, owner = np.empty((first_face[-1], 3), np.int32), np.empty(first_face[-1], np.int32)
    bank_v, bank_n, bank_uv, bank_f, bank_m = bank.arrays
    _place(bank_v.reshape(-1), spans, first_vertex, linear, position[rows], vertices.reshape(-1))
    _place_faces(bank_f.reshape(-1), spans, first_vertex, first_face, faces.reshape(-1), owner)
    rest = (0, 0) if shape_only else (int(first_vertex[-1]), int(first_face[-1]))
    normals, uv, material = _empty(*rest)
    if not shape_only:
        turn = _cofactor(linear)
        _place_normals(bank_n.reshape(-1), spans, first_vertex, turn, normals.reshape(-1))
        _copy_rest((bank_uv, bank_m), spans, first_vertex, first_face, (uv, material))
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
        sphere=sphere[rows],
        surface=things.surface[rows],
        number=things.number[rows],
        tint=things.tint[rows],
        lamps=things.lamps[rows],
    )


def _empty(vertices: int, faces: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Room for normals, texture coordinates and materials."""
    return (
        np.empty((vertices, 3), np.float32),
        np.empty((vertices, 2), np.float32),
        np.empty(faces, np.uint8),
    )


def _cofactor(linear: FloatArray) -> FloatArray:
    """Matrix that turns normals when `linear` turns positions, up to length; (K, 3, 3)."""
    a, b, c = linear[:, :, 0], linear[:, :, 1], linear[:, :, 2]
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], -1)


@nb.njit(cache=True, nogil=True)
def _place(bank, spans, first_vertex, linear, position, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put the vertices of every thing in place; vertices are flat rows."""
    for k in range(len(spans)):
        begin, end = spans[k, 0], spans[k, 0] + spans[k, 1]
        a = linear[k]
        matrix = (
            *(a[0, 0], a[0, 1], a[0, 2], position[k, 0], a[1, 0], a[1, 1], a[1, 2]),
            *(position[k, 1], a[2, 0], a[2, 1], a[2, 2], position[k, 2]),
        )
        target = out[3 * first_vertex[k] : 3 * first_vertex[k + 1]]
        _move(bank[3 * begin : 3 * end], matrix, target)


@nb.njit(cache=True, nogil=True)
def _move(source, matrix, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Map positions; all in a row, so that this is vectorised."""
    xx, xy, xz, px, yx, yy, yz, py, zx, zy, zz, pz = matrix
    for i in range(len(out) // 3):
        x, y, z = source[3 * i], source[3 * i + 1], source[3 * i + 2]
        out[3 * i] = xx * x + xy * y + xz * z + px
        out[3 * i + 1] = yx * x + yy * y + yz * z + py
        out[3 * i + 2] = zx * x + zy * y + zz * z + pz


@nb.njit(cache=True, nogil=True)
def _place_normals(bank, spans, first_vertex, turn, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn the normals of every thing; normals are flat rows."""
    for k in range(len(spans)):
        begin, end = spans[k, 0], spans[k, 0] + spans[k, 1]
        a = turn[k]
        matrix = (
            *(a[0, 0], a[0, 1], a[0, 2], a[1, 0], a[1, 1], a[1, 2]),
            *(a[2, 0], a[2, 1], a[2, 2]),
        )
        target = out[3 * first_vertex[k] : 3 * first_vertex[k + 1]]
        _turn(bank[3 * begin : 3 * end], matrix, target)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _turn(source, matrix, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn normals and bring them to length one; all in a row, so that this is vectorised."""
    xx, xy, xz, yx, yy, yz, zx, zy, zz = matrix
    for i in range(len(out) // 3):
        x, y, z = source[3 * i], source[3 * i + 1], source[3 * i + 2]
        nx, ny, nz = (
            xx * x + xy * y + xz * z,
            yx * x + yy * y + yz * z,
            zx * x + zy * y + zz * z,
        )
        inverse = 1.0 / max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
        out[3 * i] = np.float32(nx) * inverse
        out[3 * i + 1] = np.float32(ny) * inverse
        out[3 * i + 2] = np.float32(nz) * inverse


@nb.njit(cache=True, nogil=True)
def _place_faces(bank, spans, first_vertex, first_face, out, owner):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Number the vertices of the faces of every thing anew; faces are flat rows."""
    for k in range(len(spans)):
        source = bank[3 * spans[k, 2] : 3 * (spans[k, 2] + spans[k, 3])]
        first, last, base = first_face[k], first_face[k + 1], np.int32(first_vertex[k])
        _add(source, base, out[3 * first : 3 * last])
        owner[first:last] = k


@nb.njit(cache=True, nogil=True)
def _add(source, base, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(len(out)):
        out[i] = source[i] + base


@nb.njit(cache=True, nogil=True)
def _copy_rest(bank, spans, first_vertex, first_face, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Copy texture coordinates and materials of every thing."""
    for k in range(len(spans)):
        v, f = spans[k, 0], spans[k, 2]
        out[0][first_vertex[k] : first_vertex[k + 1]] = bank[0][v : v + spans[k, 1]]
        out[1][first_face[k] : first_face[k + 1]] = bank[1][f : f + spans[k, 3]]
