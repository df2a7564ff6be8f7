"""What the rays of a scan meet while sensor and agents move: geometry of a lidar, without physics.

A spinning lidar measures each column at its own time. Its ranges come from one pass of the
spherical rasteriser over vertices that are put where the sensor meets them: for each vertex the
time at which the beam comes by is solved for, with the motions of sensor and thing. The straight
edges of the warped triangles are the only approximation, so that every ray is then intersected
exactly, at its own time, with the face it was given and, at outlines, with the faces of the eight
rays around it. Where the scan begins and ends, behind the sensor, a turning ego sees a sector
twice or not at all, and faces there are taken from one of the two times. Other patterns trace
every ray exactly through a tree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry.transforms import se3_inverse
from scenegen.render import RayGrid, cast_grid
from scenegen.render.lidar_raster import quick_atan2
from scenegen.render.rasterizer import NOTHING
from scenegen.render.ray_caster import Caster, cast_rays, meet
from scenegen.scene import EGO
from scenegen.sensors.lidar_models import LidarMake, LidarModel, Rays
from scenegen.sensors.motion import pose_after, thing_motions
from scenegen.sensors.sensor import WorldView

_NEARLY = 0.5
"""Farther than this from the warped range, a hit beside its face is not believed [m]."""
_PARTED = 0.3
"""Neighbouring rays whose ranges differ by more may straddle an edge [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """What each ray of a scan meets first; all arrays have the leading shape (R,).

    Attributes:
        range: Distance along the ray [m], inf where it meets nothing.
        face: Face index, NOTHING for none.
        incidence: Cosine between ray and normal, 0-1.
    """

    range: FloatArray
    face: IntArray
    incidence: FloatArray

    @classmethod
    def none(cls, count: int) -> Hits:
        """Give rays that meet nothing."""
        return cls(
            range=np.full(count, np.inf),
            face=np.full(count, NOTHING, np.int32),
            incidence=np.zeros(count, np.float32),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """A scan as geometry.

    Attributes:
        rays: The rays in the sensor frame.
        pose: Pose of the sensor at each moment of the scan, relative to the triangles' origin
            and along map axes, shape (S, 4, 4).
        home: Pose at the instant of the frame, likewise, shape (4, 4).
        first: What each ray meets.
        second: What the part of the beam that passes the first thing meets; None where beams
            are taken to be thin.
        share: Part of the beam that the first and the second hit take, 0-1, shape (R, 2).
    """

    rays: Rays
    pose: FloatArray
    home: FloatArray
    first: Hits
    second: Hits | None
    share: FloatArray


def scan(
    make: LidarMake,
    view: WorldView,
    ego_from_sensor: FloatArray,
    *,
    wide: bool = False,
    caster: Caster = Caster.TREE,
) -> Scan:
    """Find what the rays of a lidar meet.

    Args:
        make: The make.
        view: The world and how it moves.
        ego_from_sensor: Pose of the sensor, shape (4, 4).
        wide: Whether beams have a width, so that a beam over an edge meets two things.
        caster: What traces the rays of patterns that are no grid.

    Raises:
        MissingExtraError: Embree is asked for and not installed.
    """
    triangles, rays = view.triangles, make.rays()
    pose = pose_after(view.stage.map_from_ego, view.twists[EGO], rays.time) @ ego_from_sensor
    pose[:, :3, 3] -= triangles.origin
    home = view.stage.map_from_ego @ ego_from_sensor
    home[:3, 3] -= triangles.origin
    motions = thing_motions(triangles, view.stage.agents, view.twists)
    mesh = (triangles.vertices, triangles.faces, triangles.owner, motions)
    share = np.zeros((len(rays.slot), 2), np.float32)
    share[:, 0] = 1.0
    if not (make.HAS_GRID and isinstance(make, LidarModel)):
        turn = pose[rays.slot, :3, :3]
        found = cast_rays(
            triangles,
            pose[rays.slot, :3, 3],
            np.einsum("rij,rj->ri", turn, rays.direction),
            reach=make.reach,
            time=rays.time[rays.slot],
            motions=motions,
            caster=caster,
        )
        first = Hits(range=found.range, face=found.face, incidence=found.incidence)
        return Scan(rays=rays, pose=pose, home=home, first=first, second=None, share=share)
    first = _turn(make, view, ego_from_sensor, (rays, pose, motions))
    if not wide or make.divergence <= 0:
        return Scan(rays=rays, pose=pose, home=home, first=first, second=None, share=share)
    second = Hits.none(len(rays.slot))
    _widen(
        mesh,
        (rays.direction, rays.time, pose),
        (len(make.elevation_deg), make.columns, make.divergence / 4),
        _merging(make.pulse),
        (first.range, first.face, first.incidence),
        (second.range, second.face, second.incidence),
        share,
    )
    return Scan(rays=rays, pose=pose, home=home, first=first, second=second, share=share)


def _merging(pulse: float) -> float:
    """Two echoes nearer to each other than this cannot be told apart [m]: c t / 2."""
    return 299_792_458.0 * pulse / 2


def _turn(
    make: LidarModel,
    view: WorldView,
    ego_from_sensor: FloatArray,
    moving: tuple[Rays, FloatArray, FloatArray],
) -> Hits:
    """Give the hits of a spinning lidar, beam by beam."""
    rays, pose, motions = moving
    triangles, middle = view.triangles, view.stage.map_from_ego @ ego_from_sensor
    grid = RayGrid(elevation=np.radians(make.elevation_deg), columns=make.columns)
    still = not (motions[:, :3].any() or view.twists[EGO].any()) or make.period == 0
    if still:
        image = cast_grid(triangles, grid, middle, reach=make.reach)
        return Hits(
            range=image.range.reshape(-1),
            face=image.face.reshape(-1),
            incidence=image.incidence.reshape(-1),
        )
    local = middle.copy()
    local[:3, 3] -= triangles.origin
    vertices = np.empty_like(triangles.vertices)
    sphere = triangles.sphere.copy()
    twist = view.twists[EGO]
    # Nothing moves farther against the sensor than this while the scan lasts.
    away = np.hypot(motions[:, 0] - twist[0], motions[:, 1] - twist[1])
    reach_around = np.abs(twist[2]) * np.linalg.norm(sphere[:, :3], axis=1)
    sphere[:, 3] += (away + reach_around + np.abs(motions[:, 2]) * sphere[:, 3]) * make.period
    ego = view.stage.map_from_ego[:2, 3] - triangles.origin[:2]
    near = np.linalg.norm(sphere[:, :3] - local[:3, 3], axis=1) - sphere[:, 3] < make.reach
    _warp(
        (triangles.vertices, triangles.first_vertex, motions, near),
        se3_inverse(local),
        np.array([twist[0], twist[1], twist[2], ego[0], ego[1]]),
        make.period,
        vertices,
    )
    warped = replace(triangles, vertices=vertices, sphere=sphere)
    image = cast_grid(warped, grid, middle, reach=make.reach)
    out = Hits(
        range=np.empty(image.face.size),
        face=np.empty(image.face.size, np.int32),
        incidence=np.empty(image.face.size, np.float32),
    )
    _refine(
        (triangles.vertices, triangles.faces, triangles.owner, motions),
        (rays.direction, rays.time, pose),
        (np.ascontiguousarray(image.range), np.ascontiguousarray(image.face)),
        (out.range, out.face, out.incidence),
    )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _warp(things, inverse, ego, period, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put every vertex where the turning sensor meets it, as seen by an ego that has not moved."""
    vertices, first_vertex, motions, near = things
    sensor = (
        *(inverse[0, 0], inverse[0, 1], inverse[0, 2], inverse[0, 3]),
        *(inverse[1, 0], inverse[1, 1], inverse[1, 2], inverse[1, 3]),
        -period / (2 * np.pi),
    )
    flat, flat_out = vertices.reshape(-1), out.reshape(-1)
    for k in range(len(first_vertex) - 1):
        if near[k]:
            begin, end, move = 3 * first_vertex[k], 3 * first_vertex[k + 1], motions[k]
            course = (
                *(move[2], move[3], move[4], move[0] - ego[0], move[1] - ego[1]),
                *(-ego[2], ego[3], ego[4]),
            )
            _warp_thing(flat[begin:end], course, sensor, flat_out[begin:end])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _warp_thing(vertices, course, sensor, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Warp the vertices of one thing, which lie in one row so that this is vectorised."""
    for i in range(len(vertices) // 3):
        x0, y0, z = (
            np.float64(vertices[3 * i]),
            np.float64(vertices[3 * i + 1]),
            np.float64(vertices[3 * i + 2]),
        )
        x, y = _meet_in_time(x0, y0, x0, y0, z, course, sensor)
        x, y = _meet_in_time(x0, y0, x, y, z, course, sensor)
        out[3 * i], out[3 * i + 1], out[3 * i + 2] = x, y, z


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _meet_in_time(x0, y0, x, y, z, course, sensor):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Where a vertex is when the beam comes by the place that it was last thought to be at."""
    axx, axy, axz, ax, ayx, ayy, ayz, ay, per_angle = sensor
    rate, px, py, vx, vy, turn, ex, ey = course
    ahead = axx * x + axy * y + axz * z + ax
    time = quick_atan2(ayx * x + ayy * y + ayz * z + ay, ahead) * per_angle
    x, y = _spin(x0, y0, px, py, rate * time)
    return _spin(x + vx * time, y + vy * time, ex, ey, turn * time)


@nb.njit(cache=True, nogil=True, forceinline=True)
def _spin(x, y, px, py, angle):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn a place about another by a small angle.

    Two terms of sine and cosine do; what is met is measured exactly.
    """
    cos, dx, dy = 1.0 - 0.5 * angle * angle, x - px, y - py
    return px + cos * dx - angle * dy, py + angle * dx + cos * dy


@nb.njit(cache=True, nogil=True, forceinline=True)
def _aim(x, y, z, pose, slot, origin, ray):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in origin and direction of a ray along map axes at one of the scan's moments."""
    for axis in range(3):
        origin[axis] = pose[slot, axis, 3]
        ray[axis] = pose[slot, axis, 0] * x + pose[slot, axis, 1] * y + pose[slot, axis, 2] * z


@nb.njit(cache=True, nogil=True)
def _around(image, row, column, found):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """List the different faces of a ray and of the eight around it, its own first."""
    rows, columns = image.shape
    found[0] = image[row, column]
    left = column - 1 if column > 0 else columns - 1
    right = column + 1 if column + 1 < columns else 0
    count = 1
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        for c in (left, column, right):
            f = image[r, c]
            new = f != NOTHING
            for n in range(count):
                new = new and found[n] != f
            if new:
                found[count] = f
                count += 1
    return count


@nb.njit(cache=True, nogil=True, forceinline=True)
def _is_alone(things, row, column):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether the eight rays around meet the same thing, or nothing as it does."""
    rows, columns = things.shape
    own = things[row, column]
    left = column - 1 if column > 0 else columns - 1
    right = column + 1 if column + 1 < columns else 0
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        if things[r, left] != own or things[r, column] != own or things[r, right] != own:
            return False
    return True


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _refine(mesh, scan, warped, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Intersect every ray at its own time with the faces it may meet."""
    direction, time, pose = scan
    ranges, face, incidence = out
    depth, image = warped
    rows, columns = image.shape
    origin, ray, found = np.empty(3), np.empty(3), np.empty(9, np.int64)
    things = np.empty(image.shape, np.int32)
    for row in range(rows):
        for column in range(columns):
            own = image[row, column]
            things[row, column] = mesh[2][own] if own != NOTHING else NOTHING
    for row in range(rows):
        for column in range(columns):
            i, own = row * columns + column, image[row, column]
            alone = _is_alone(things, row, column)
            ranges[i], face[i], incidence[i] = np.inf, NOTHING, 0.0
            if own == NOTHING and alone:
                continue
            x, y, z = direction[i, 0], direction[i, 1], direction[i, 2]
            _aim(x, y, z, pose, column, origin, ray)
            best, margin, cosine = np.inf, -1.0, 0.0
            if own != NOTHING:
                best, margin, cosine = meet(mesh, own, time[column], origin, ray)
            if not (alone and margin >= 0.0 and best > 0.0):
                count = _around(image, row, column, found)
                aimed = (time[column], origin, ray)
                own, best, cosine = _choose(
                    mesh, found, count, aimed, depth[row, column], best, margin, cosine
                )
            ranges[i], face[i], incidence[i] = best, own, cosine


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _choose(mesh, found, count, aimed, warped, best, margin, cosine):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Face, range and incidence of a ray near an outline, among its own face and those around."""
    time, origin, ray = aimed
    owner, own = mesh[2], found[0]
    chosen, fallback, slope = own, best, cosine
    inside = margin >= 0.0 and best > 0.0
    if not inside:
        best, chosen = np.inf, NOTHING
    for n in range(1, count):
        if inside and owner[found[n]] == owner[own]:
            continue
        far, within, cos = meet(mesh, found[n], time, origin, ray)
        if within >= 0.0 and 0.0 < far < best:
            best, chosen, cosine = far, found[n], cos
    if chosen == NOTHING and own != NOTHING:
        # It meets a face between those that were tested, on the same thing.
        best, chosen, cosine = fallback, own, slope
        if not abs(best - warped) < _NEARLY:
            best = warped
    return chosen, best, cosine


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _widen(mesh, scan, grid, apart, first, second, share):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Part the beams that straddle an edge into what the first and the second thing take."""
    direction, time, pose = scan
    rows, columns, quarter = grid
    ranges, face, _ = first
    image, depth = face.copy().reshape((rows, columns)), ranges.copy().reshape((rows, columns))
    origin, ray, found = np.empty(3), np.empty(3), np.empty(9, np.int64)
    four, hits = np.empty((4, 2)), np.empty(4, np.int64)
    for row in range(rows):
        for column in range(columns):
            count = _around(image, row, column, found)
            if not _straddles(depth, row, column, mesh[2], found, count):
                continue
            i = row * columns + column
            for n in range(4):
                _tilt(direction[i], quarter * (2 * (n % 2) - 1), quarter * (2 * (n // 2) - 1), ray)
                _aim(ray[0], ray[1], ray[2], pose, column, origin, ray)
                four[n, 0], hits[n] = np.inf, NOTHING
                for m in range(count):
                    if found[m] == NOTHING:
                        continue
                    far, margin, cos = meet(mesh, found[m], time[column], origin, ray)
                    if margin >= 0.0 and 0.0 < far < four[n, 0]:
                        four[n, 0], four[n, 1], hits[n] = far, cos, found[m]
            _split(i, four, hits, apart, first, second, share)


@nb.njit(cache=True, nogil=True)
def _straddles(depth, row, column, owner, found, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether rays around one meet other things, or the same much nearer or farther."""
    for n in range(1, count):
        if found[0] == NOTHING or owner[found[n]] != owner[found[0]]:
            return True
    here, columns = depth[row, column], depth.shape[1]
    for step in (-1, 1):  # noqa: SIM110 - compiled code knows no generators
        if abs(depth[row, (column + step) % columns] - here) > _PARTED:
            return True
    return False


@nb.njit(cache=True, nogil=True, forceinline=True)
def _tilt(direction, left, up, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn a ray by small angles about the axes across it."""
    x, y, z = direction[0], direction[1], direction[2]
    flat = max(np.sqrt(x * x + y * y), 1e-9)
    # Across: (-y, x, 0) / flat; up: (-x z, -y z, flat^2) / flat.
    out[0] = x - left * y / flat - up * x * z / flat
    out[1] = y + left * x / flat - up * y * z / flat
    out[2] = z + up * flat
    length = np.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2])
    for axis in range(3):
        out[axis] /= length


@nb.njit(cache=True, nogil=True)
def _split(i, four, hits, apart, first, second, share):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Group the four parts of a beam by range; the nearest group is the first echo."""
    near = np.inf
    for n in range(4):
        near = min(near, four[n, 0])
    if near == np.inf:
        return
    _gather(i, four, hits, near - 1.0, near + apart, first, share[:, 0])
    beyond = np.inf
    for n in range(4):
        if four[n, 0] > near + apart:
            beyond = min(beyond, four[n, 0])
    if beyond < np.inf:
        _gather(i, four, hits, near + apart, beyond + apart, second, share[:, 1])


@nb.njit(cache=True, nogil=True)
def _gather(i, four, hits, low, high, out, share):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write down the mean of the parts within a span of ranges, and the face of the nearest."""
    ranges, face, incidence = out
    total, cosine, count, nearest = 0.0, 0.0, 0, np.inf
    for n in range(4):
        if low < four[n, 0] <= high:
            total, cosine, count = total + four[n, 0], cosine + four[n, 1], count + 1
            if four[n, 0] < nearest:
                nearest, face[i] = four[n, 0], hits[n]
    ranges[i], incidence[i], share[i] = total / count, cosine / count, count / 4
