"""First hits along arbitrary rays among moving triangles: a bounding volume tree, or Embree.

For the regular grid of a spinning lidar `cast_grid` is several times cheaper; this is for every
other pattern of rays, each with an origin and a time of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from enum import StrEnum

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.errors import ScenegenError
from scenegen.render.rasterizer import NOTHING
from scenegen.render.triangles import Triangles

_LEAF = 4
"""Faces in a leaf of the tree."""
_BINS = 16
"""Places at which a node may be parted."""
_STACK = 96
"""Nodes that can wait; a run of faces that would need more stays one leaf."""


class Caster(StrEnum):
    """What finds the first hit."""

    TREE = "tree"
    EMBREE = "embree"


class MissingExtraError(ScenegenError, ImportError):
    """An optional package is asked for that is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RayHits:
    """What each ray meets first.

    Attributes:
        range: Distance along the ray [m], inf where it meets nothing, shape (R,).
        face: Face index, NOTHING for none, shape (R,).
        incidence: Cosine between ray and surface normal, 0-1, shape (R,).
    """

    range: FloatArray
    face: IntArray
    incidence: FloatArray


def cast_rays(
    triangles: Triangles,
    origin: FloatArray,
    direction: FloatArray,
    *,
    reach: float,
    time: FloatArray | None = None,
    motions: FloatArray | None = None,
    caster: Caster = Caster.TREE,
) -> RayHits:
    """Find the first triangle along every ray, each at its own time.

    The tree is exact for things that move at constant velocity and yaw rate. Embree finds the
    face at time zero; the range is then that of its plane at the ray's own time, so that only
    at outlines, within the way a thing moves during a scan, another face may be meant.

    Args:
        triangles: What there is at time zero.
        origin: Where each ray begins, relative to the triangles' origin [m], shape (R, 3).
        direction: Unit vectors along map axes, shape (R, 3).
        reach: Hits beyond this are left out [m].
        time: When each ray leaves [s], shape (R,); time zero by default.
        motions: Motion of each thing: velocity, yaw rate, centre of rotation relative to the
            triangles' origin: vx, vy, rate, x, y; shape (K, 5). Nothing moves by default.
        caster: Tree of our own, or Embree.

    Raises:
        MissingExtraError: Embree is asked for and `embreex` is not installed.
    """
    count = len(origin)
    check_shape("origin", origin, "R", 3)
    check_shape("direction", direction, count, 3)
    moments = np.zeros(count) if time is None else np.asarray(time, np.float64)
    drift = np.zeros((len(triangles.number), 5)) if motions is None else motions
    check_shape("time", moments, count)
    check_shape("motions", drift, len(triangles.number), 5)
    rays = (
        np.ascontiguousarray(origin, np.float64),
        np.ascontiguousarray(direction, np.float64),
        np.ascontiguousarray(moments, np.float64),
    )
    out = RayHits(
        range=np.full(count, np.inf),
        face=np.full(count, NOTHING, np.int32),
        incidence=np.zeros(count, np.float32),
    )
    if not triangles.count or not count:
        return out
    mesh = (triangles.vertices, triangles.faces, triangles.owner, np.ascontiguousarray(drift))
    if caster is Caster.EMBREE:
        found = _embree(triangles, rays[0], rays[1])
        _measure(mesh, rays, found, reach, out.range, out.face, out.incidence)
        return out
    tree = build_tree(mesh, float(moments.min()), float(moments.max()))
    _trace(mesh, tree, rays, reach, out.range, out.face, out.incidence)
    return out


def _embree(triangles: Triangles, origin: FloatArray, direction: FloatArray) -> IntArray:
    if importlib.util.find_spec("embreex") is None:
        raise MissingExtraError(
            "Caster.EMBREE: expected the package embreex, which is not installed; run"
            " pip install 'scenegen[raycast]', or use Caster.TREE"
        )
    scene = importlib.import_module("embreex.rtcore_scene").EmbreeScene()
    corners = np.ascontiguousarray(triangles.vertices[triangles.faces], np.float32)
    importlib.import_module("embreex.mesh_construction").TriangleMesh(scene, corners)
    return np.asarray(scene.run(origin.astype(np.float32), direction.astype(np.float32)))


Mesh = tuple[FloatArray, IntArray, IntArray, FloatArray]


Tree = tuple[IntArray, FloatArray, IntArray]


def build_tree(mesh: Mesh, first: float, last: float) -> Tree:
    """Part faces by the surface area heuristic in bins (Wald, 2007).

    Args:
        mesh: Vertices, faces, owner of each face, motion of each owner.
        first: First time the boxes hold for [s].
        last: Last time [s].

    Returns:
        Faces in order, shape (F,); box (low, high) of each node, root first, shape (M, 6); and
        of each node its second child, or the first of its faces, and their number, 0 for an
        inner node, whose first child is the next row; shape (M, 2).
    """
    faces = len(mesh[1])
    bounds = np.empty((faces, 6))
    _bound(mesh, first, last, bounds)
    order = np.arange(faces, dtype=np.int64)
    boxes, links = np.empty((2 * faces, 6)), np.zeros((2 * faces, 2), np.int64)
    count = _grow(bounds, order, boxes, links)
    return order, boxes[:count], links[:count]


@nb.njit(cache=True, nogil=True)
def _bound(mesh, first, last, bounds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    vertices, faces, owner, motions = mesh
    for f in range(len(faces)):
        move = motions[owner[f]]
        still = move[0] == 0.0 and move[1] == 0.0 and move[2] == 0.0
        bounds[f, :3], bounds[f, 3:] = np.inf, -np.inf
        for n in range(1 if still else 5):
            time = first + n / 4 * (last - first)
            for corner in range(3):
                v = faces[f, corner]
                x, y = carry(vertices[v, 0], vertices[v, 1], move, time)
                bounds[f, 0], bounds[f, 3] = min(bounds[f, 0], x), max(bounds[f, 3], x)
                bounds[f, 1], bounds[f, 4] = min(bounds[f, 1], y), max(bounds[f, 4], y)
                z = vertices[v, 2]
                bounds[f, 2], bounds[f, 5] = min(bounds[f, 2], z), max(bounds[f, 5], z)
        for axis in range(3):
            bounds[f, axis] -= 1e-4
            bounds[f, 3 + axis] += 1e-4


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _grow(bounds, order, boxes, links):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Build all nodes, depth first; gives their number."""
    stack = np.empty((_STACK, 3), np.int64)
    bins, sums = np.empty((_BINS, 7)), np.empty((_BINS, 2))
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, len(order), -1
    top, count = 1, 0
    while top > 0:
        top -= 1
        begin, end, parent = stack[top, 0], stack[top, 1], stack[top, 2]
        node = count
        count += 1
        if parent >= 0:
            links[parent, 0] = node
        _enclose(bounds, order, begin, end, boxes[node])
        split = begin
        if end - begin > _LEAF and top + 2 <= _STACK:
            split = _part(bounds, order, begin, end, bins, sums)
        if split == begin:
            links[node, 0], links[node, 1] = begin, end - begin
            continue
        # The first child is the next node; the second tells its parent where it is.
        stack[top, 0], stack[top, 1], stack[top, 2] = split, end, node
        stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2] = begin, split, -1
        top += 2
    return count


@nb.njit(cache=True, nogil=True)
def _enclose(bounds, order, begin, end, box):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    box[:3], box[3:] = np.inf, -np.inf
    for place in range(begin, end):
        _widen(box, bounds[order[place]])


@nb.njit(cache=True, nogil=True, forceinline=True)
def _widen(box, other):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for axis in range(3):
        box[axis] = min(box[axis], other[axis])
        box[3 + axis] = max(box[3 + axis], other[3 + axis])


@nb.njit(cache=True, nogil=True, forceinline=True)
def _area(box):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    x, y, z = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    return x * y + y * z + z * x


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _part(bounds, order, begin, end, bins, sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Order a run of faces so that the first part goes left; gives where the second begins."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for place in range(begin, end):
        box = bounds[order[place]]
        for axis in range(3):
            middle = box[axis] + box[3 + axis]
            low[axis], high[axis] = min(low[axis], middle), max(high[axis], middle)
    axis = int(np.argmax(high - low))
    width = high[axis] - low[axis]
    if width <= 0.0:
        return begin
    scale = (_BINS - 1e-6) / width
    bins[:, :3], bins[:, 3:6], bins[:, 6] = np.inf, -np.inf, 0.0
    for place in range(begin, end):
        box = bounds[order[place]]
        chosen = int((box[axis] + box[3 + axis] - low[axis]) * scale)
        _widen(bins[chosen], box)
        bins[chosen, 6] += 1
    last = _cheapest(bins, sums)
    left, right = begin, end - 1
    while left <= right:
        box = bounds[order[left]]
        if int((box[axis] + box[3 + axis] - low[axis]) * scale) <= last:
            left += 1
        else:
            order[left], order[right] = order[right], order[left]
            right -= 1
    return left


@nb.njit(cache=True, nogil=True)
def _cheapest(bins, sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bin after which parting costs least: the sum of areas times faces on both sides."""
    box, number = np.empty(6), 0.0
    box[:3], box[3:] = np.inf, -np.inf
    for i in range(_BINS - 1, 0, -1):
        _widen(box, bins[i])
        number += bins[i, 6]
        sums[i, 0], sums[i, 1] = _area(box) if number > 0.0 else 0.0, number
    box[:3], box[3:] = np.inf, -np.inf
    best, chosen, number = np.inf, 0, 0.0
    for i in range(_BINS - 1):
        _widen(box, bins[i])
        number += bins[i, 6]
        if number == 0.0 or sums[i + 1, 1] == 0.0:
            continue
        cost = _area(box) * number + sums[i + 1, 0] * sums[i + 1, 1]
        if cost < best:
            best, chosen = cost, i
    return chosen


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _trace(mesh, tree, rays, reach, ranges, face, incidence):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    order, boxes, links = tree
    origin, direction, time = rays
    stack, entry = np.empty(_STACK, np.int64), np.empty(_STACK)
    for i in range(len(origin)):
        best, top = reach, 1
        stack[0], entry[0] = 0, _enter(boxes, 0, origin[i], direction[i])
        while top > 0:
            top -= 1
            node = stack[top]
            if entry[top] >= best:
                continue
            if links[node, 1] > 0:
                for place in range(links[node, 0], links[node, 0] + links[node, 1]):
                    f = order[place]
                    far, margin, cosine = meet(mesh, f, time[i], origin[i], direction[i])
                    if margin >= 0.0 and 0.0 < far < best:
                        best = far
                        ranges[i], face[i], incidence[i] = far, f, cosine
                continue
            near, behind = node + 1, links[node, 0]
            a = _enter(boxes, near, origin[i], direction[i])
            b = _enter(boxes, behind, origin[i], direction[i])
            if b < a:
                near, behind, a, b = behind, near, b, a
            if b < best:
                stack[top], entry[top] = behind, b
                top += 1
            if a < best:
                stack[top], entry[top] = near, a
                top += 1


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _enter(boxes, node, origin, direction):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Where a ray enters a box, inf if it does not (Kay and Kajiya, 1986)."""
    near, far = 0.0, np.inf
    for axis in range(3):
        low, high = boxes[node, axis] - origin[axis], boxes[node, 3 + axis] - origin[axis]
        if direction[axis] == 0.0:
            if low > 0.0 or high < 0.0:
                return np.inf
            continue
        inverse = 1.0 / direction[axis]
        a, b = low * inverse, high * inverse
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near if near <= far else np.inf


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _measure(mesh, rays, found, reach, ranges, face, incidence):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    origin, direction, time = rays
    for i in range(len(found)):
        if found[i] < 0:
            continue
        far, _, cosine = meet(mesh, found[i], time[i], origin[i], direction[i])
        if 0.0 < far < reach:
            ranges[i], face[i], incidence[i] = far, found[i], cosine


@nb.njit(cache=True, nogil=True, forceinline=True)
def carry(x, y, move, time):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Place of a point of a thing after a time; the height stays."""
    if move[2] == 0.0:
        return x + move[0] * time, y + move[1] * time
    cos, sin = np.cos(move[2] * time), np.sin(move[2] * time)
    dx, dy = x - move[3], y - move[4]
    return (
        move[3] + cos * dx - sin * dy + move[0] * time,
        move[4] + sin * dx + cos * dy + move[1] * time,
    )


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def meet(mesh, f, time, origin, direction):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Intersect a ray with the plane of a face at a time (Moller and Trumbore, 1997).

    Returns:
        Distance to the plane [m], the least of the three barycentric weights there (inside the
        face where it is not negative), and the cosine between ray and normal.
    """
    vertices, faces, owner, motions = mesh
    k = owner[f]
    rate = motions[k, 2]
    ox, oy, oz = origin[0], origin[1], origin[2]
    dx, dy, dz = direction[0], direction[1], direction[2]
    # The ray in the frame of the thing, which stands there.
    ox, oy = ox - motions[k, 0] * time, oy - motions[k, 1] * time
    if rate != 0.0 and time != 0.0:
        cos, sin, px, py = np.cos(rate * time), np.sin(rate * time), motions[k, 3], motions[k, 4]
        x, y = ox - px, oy - py
        ox, oy = px + cos * x + sin * y, py + cos * y - sin * x
        dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
    ux, uy, uz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
    vx, vy, vz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    against = nx * dx + ny * dy + nz * dz
    if against == 0.0 or length == 0.0:
        return np.inf, -np.inf, 0.0
    sx, sy, sz = ox - ax, oy - ay, oz - az
    inverse = 1.0 / against
    far = -(nx * sx + ny * sy + nz * sz) * inverse
    # Weights by triple products of ray, way to the corner and edges.
    qx, qy, qz = dy * sz - dz * sy, dz * sx - dx * sz, dx * sy - dy * sx
    wb = (vx * qx + vy * qy + vz * qz) * inverse
    wc = -(ux * qx + uy * qy + uz * qz) * inverse
    return far, min(wb, wc, 1.0 - wb - wc), abs(against) / length


def seen_by(hits: RayHits) -> BoolArray:
    """Which rays met something, shape (R,)."""
    return np.asarray(hits.face != NOTHING)
