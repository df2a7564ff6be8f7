"""The spherical rasteriser: exact ranges on a grid of azimuths and beam elevations.

A spinning lidar is a camera with a cylindrical pixel grid. For each triangle the window of rays
that can meet it follows from the azimuths of its corners and from the elevations of its corners
and edges; the rays inside are tested exactly. There is no acceleration structure to build, so a
moving scene costs no more than a still one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.geometry.transforms import se3_inverse
from scenegen.render.rasterizer import NOTHING
from scenegen.render.shadows import CASTERS, FARTHEST
from scenegen.render.triangles import Triangles

_TURN = 2 * np.pi
_SLACK = 2e-6
"""Margin of the windows of rays [rad]; what is inside is tested exactly."""
_BENT = 0.6
"""Span of azimuths from which the bend of an edge in elevation is computed, not bounded [rad]."""
_HIDES = 24
"""Faces from which a thing is worth the test whether it is hidden altogether."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RayGrid:
    """One ray per beam and column, all from one point.

    Attributes:
        elevation: Angle of each beam above the horizon [rad], any order, shape (B,).
        columns: Number of azimuths; column c looks towards -pi + (c + 0.5) 2 pi / columns.
    """

    elevation: FloatArray
    columns: int

    @property
    def azimuth(self) -> FloatArray:
        """Azimuth of each column, counter-clockwise from forward [rad], shape (columns,)."""
        return -np.pi + (np.arange(self.columns) + 0.5) * _TURN / self.columns

    @property
    def directions(self) -> FloatArray:
        """Unit rays in the sensor frame, shape (B, columns, 3)."""
        cos = np.cos(self.elevation)[:, None]
        azimuth = self.azimuth
        up = np.broadcast_to(np.sin(self.elevation)[:, None], (len(cos), self.columns))
        return np.stack([cos * np.cos(azimuth), cos * np.sin(azimuth), up], -1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RangeImage:
    """What each ray meets first.

    Attributes:
        range: Distance along the ray [m], inf where it meets nothing, shape (B, columns).
        face: Face index, NOTHING for none, shape (B, columns).
        incidence: Cosine between ray and surface normal, 0-1, shape (B, columns).
    """

    range: FloatArray
    face: IntArray
    incidence: FloatArray


def cast_grid(
    triangles: Triangles,
    grid: RayGrid,
    map_from_sensor: FloatArray,
    *,
    reach: float,
    among: BoolArray | None = None,
) -> RangeImage:
    """Find the first triangle along every ray of a grid.

    Args:
        triangles: What there is.
        grid: The rays, in the sensor frame.
        map_from_sensor: Pose of the sensor, shape (4, 4).
        reach: Things that begin beyond this distance are left out [m].
        among: Which things are there, shape (K,); all by default.
    """
    sensor_from_map = se3_inverse(map_from_sensor)
    turn = np.ascontiguousarray(sensor_from_map[:3, :3])
    eye = map_from_sensor[:3, 3] - triangles.origin
    distance = np.linalg.norm(triangles.sphere[:, :3] - eye, axis=1) - triangles.sphere[:, 3]
    rows = np.flatnonzero(distance < reach if among is None else (distance < reach) & among)
    rows = rows[np.argsort(distance[rows], kind="stable")]
    order = np.argsort(grid.elevation, kind="stable")
    image = _cast(triangles, rows, grid, turn, eye, order)
    place = np.argsort(order)
    ranges, face, incidence = image
    return RangeImage(range=ranges.T[place], face=face.T[place], incidence=incidence.T[place])


def hidden_share(
    triangles: Triangles,
    grid: RayGrid,
    map_from_sensor: FloatArray,
    rows: IntArray,
    *,
    reach: float,
) -> tuple[IntArray, IntArray]:
    """Count the rays that would meet some things alone, and those that do meet them.

    Args:
        triangles: What there is.
        grid: The rays, in the sensor frame.
        map_from_sensor: Pose of the sensor, shape (4, 4).
        rows: Things to count for.
        reach: As in `cast_grid`.

    Returns:
        Rays that meet the thing if nothing else is there, and rays that meet it as it is; both of
        shape (len(rows),).
    """
    image = cast_grid(
        triangles,
        grid,
        map_from_sensor,
        reach=reach,
        among=_may_hide(triangles, map_from_sensor[:3, 3] - triangles.origin, rows),
    )
    met = image.face[image.face != NOTHING]
    seen = np.bincount(triangles.owner[met], minlength=len(triangles.surface))[rows]
    elevation = np.sort(grid.elevation.astype(np.float64))
    azimuth = grid.azimuth
    stamp = np.full((grid.columns, len(elevation)), -1, np.int32)
    alone = np.zeros(len(rows), np.int64)
    _count_alone(
        (triangles.vertices, triangles.faces, triangles.first_vertex, triangles.first_face),
        rows.astype(np.int64),
        np.ascontiguousarray(se3_inverse(map_from_sensor)[:3, :3]),
        map_from_sensor[:3, 3] - triangles.origin,
        elevation,
        (np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)),
        stamp,
        alone,
    )
    return alone, seen


def _may_hide(triangles: Triangles, eye: FloatArray, rows: IntArray) -> BoolArray:
    """Which things may stand between a place and some things, themselves included, (K,).

    A thing can do so if, seen from there, its bounding sphere overlaps that of one of them and
    begins before it ends.
    """
    away = triangles.sphere[:, :3] - eye
    distance = np.maximum(np.linalg.norm(away, axis=1), 1e-9)
    radius = triangles.sphere[:, 3]
    half = np.arcsin(np.minimum(radius / distance, 1.0))
    unit = away / distance[:, None]
    between = np.arccos(np.clip(unit @ unit[rows].T, -1.0, 1.0))
    overlaps = between <= half[:, None] + half[rows] + 1e-6
    inside = (distance <= radius)[:, None] | (distance <= radius)[rows]
    before = (distance - radius)[:, None] < (distance + radius)[rows]
    # The ground lies under everything and hides nothing that stands on it.
    solid = CASTERS[triangles.surface] & (radius < FARTHEST)
    return np.asarray(((overlaps | inside) & before).any(1) & solid)


def _cast(
    triangles: Triangles,
    rows: IntArray,
    grid: RayGrid,
    turn: FloatArray,
    eye: FloatArray,
    order: IntArray,
) -> tuple[FloatArray, IntArray, FloatArray]:
    elevation = np.ascontiguousarray(grid.elevation[order], np.float64)
    shape = (grid.columns, len(elevation))
    ranges = np.full(shape, np.inf)
    face = np.full(shape, NOTHING, np.int32)
    incidence = np.zeros(shape, np.float32)
    azimuth = grid.azimuth
    center = (triangles.sphere[rows, :3] - eye) @ turn.T
    _sweep(
        (triangles.vertices, triangles.faces, triangles.first_vertex, triangles.first_face),
        rows.astype(np.int64),
        np.column_stack([center, triangles.sphere[rows, 3]]),
        turn,
        eye,
        elevation,
        (np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)),
        (ranges, face, incidence),
    )
    return ranges, face, incidence


@nb.njit(cache=True, nogil=True)
def _sweep(mesh, rows, balls, turn, eye, elevation, rays, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sweep the rays over things and keep range, face and incidence of the nearest hit."""
    vertices, faces, first_vertex, first_face = mesh
    points, angles = _room(rows, first_vertex)
    corner, window = np.empty((3, 3)), np.empty(4)
    for n in range(len(rows)):
        k = rows[n]
        if _frame(balls[n], window):
            low = np.searchsorted(elevation, window[2] - _SLACK)
            high = np.searchsorted(elevation, window[3] + _SLACK)
            many = first_face[k + 1] - first_face[k] >= _HIDES
            if high <= low or (many and _is_hidden(balls[n], window, low, high, out[0])):
                continue
        base = first_vertex[k]
        _to_sensor(vertices, base, first_vertex[k + 1], turn, eye, points, angles)
        for f in range(first_face[k], first_face[k + 1]):
            a, b, c = faces[f, 0] - base, faces[f, 1] - base, faces[f, 2] - base
            low, high = _beams(points, angles, a, b, c, elevation, corner, window)
            if high > low:
                _test(corner, window, low, high, f, rays, out)


@nb.njit(cache=True, nogil=True)
def _frame(ball, window):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bounds of a sphere (x, y, z, radius): azimuth begin and end, elevation low and high [rad].

    Gives False where the sensor is inside the sphere or its axis pierces it: there are none.
    """
    x, y, z, radius = ball[0], ball[1], ball[2], ball[3]
    level = np.sqrt(x * x + y * y)
    if level <= radius * 1.0001:
        return False
    azimuth, half = np.arctan2(y, x), np.arcsin(radius / level)
    elevation, rise = np.arctan2(z, level), np.arcsin(radius / np.sqrt(level * level + z * z))
    window[0], window[1] = azimuth - half, azimuth + half
    window[2], window[3] = elevation - rise, elevation + rise
    return True


@nb.njit(cache=True, nogil=True)
def _is_hidden(ball, window, low, high, ranges):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether every ray that could meet a sphere has met something before it."""
    begin, end = _columns(window, len(ranges))
    near = np.sqrt(ball[0] * ball[0] + ball[1] * ball[1] + ball[2] * ball[2]) - ball[3]
    for i in range(begin, end + 1):
        column = i % len(ranges)
        for row in range(low, high):
            if ranges[column, row] > near:
                return False
    return True


@nb.njit(cache=True, nogil=True)
def _count_alone(mesh, rows, turn, eye, elevation, rays, stamp, alone):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the rays that meet each thing, whatever stands before it."""
    vertices, faces, first_vertex, first_face = mesh
    points, angles = _room(rows, first_vertex)
    corner, window = np.empty((3, 3)), np.empty(4)
    for n in range(len(rows)):
        k = rows[n]
        base = first_vertex[k]
        _to_sensor(vertices, base, first_vertex[k + 1], turn, eye, points, angles)
        for f in range(first_face[k], first_face[k + 1]):
            a, b, c = faces[f, 0] - base, faces[f, 1] - base, faces[f, 2] - base
            low, high = _beams(points, angles, a, b, c, elevation, corner, window)
            if high > low:
                alone[n] += _mark(corner, window, low, high, n, rays, stamp)


@nb.njit(cache=True, nogil=True)
def _room(rows, first_vertex):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Scratch for the corners of the largest thing: positions, and azimuth and elevation."""
    most = 1
    for k in rows:
        most = max(most, first_vertex[k + 1] - first_vertex[k])
    return np.empty((most, 3)), np.empty((most, 2))


@nb.njit(cache=True, nogil=True)
def _to_sensor(vertices, begin, end, turn, eye, points, angles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    pose = (
        *(turn[0, 0], turn[0, 1], turn[0, 2], turn[1, 0], turn[1, 1], turn[1, 2]),
        *(turn[2, 0], turn[2, 1], turn[2, 2], eye[0], eye[1], eye[2]),
    )
    flat = vertices.reshape(-1)[3 * begin : 3 * end]
    _to_angles(flat, pose, points.reshape(-1), angles.reshape(-1))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _to_angles(vertices, pose, points, angles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in positions and angles of vertices; each array is one row, to be vectorised."""
    ax, ay, az, bx, by, bz, cx, cy, cz, ex, ey, ez = pose
    for i in range(len(vertices) // 3):
        x, y, z = vertices[3 * i] - ex, vertices[3 * i + 1] - ey, vertices[3 * i + 2] - ez
        px, py, pz = ax * x + ay * y + az * z, bx * x + by * y + bz * z, cx * x + cy * y + cz * z
        points[3 * i], points[3 * i + 1], points[3 * i + 2] = px, py, pz
        angles[2 * i] = quick_atan2(py, px)
        angles[2 * i + 1] = quick_atan2(pz, np.sqrt(px * px + py * py))


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def quick_atan2(y, x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Angle of a direction to 1e-7 rad (Abramowitz and Stegun, 1964, 4.4.49)."""
    across, along = abs(y), abs(x)
    most = max(across, along)
    q = min(across, along) / most if most > 0.0 else 0.0
    s = q * q
    p = 0.0028662257 * s - 0.0161657367
    p = p * s + 0.0429096138
    p = p * s - 0.0752896400
    p = p * s + 0.1065626393
    p = p * s - 0.1420889944
    p = p * s + 0.1999355085
    p = p * s - 0.3333314528
    angle = q + q * s * p
    if across > along:
        angle = np.pi / 2 - angle
    if x < 0.0:
        angle = np.pi - angle
    return -angle if y < 0.0 else angle


@nb.njit(cache=True, nogil=True, forceinline=True)
def _beams(points, angles, a, b, c, elevation, corner, window):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill corners and window of a triangle; gives the beams that may meet it, low to high."""
    for axis in range(3):
        corner[0, axis] = points[a, axis]
        corner[1, axis] = points[b, axis]
        corner[2, axis] = points[c, axis]
    _window(corner, angles[a], angles[b], angles[c], window)
    low = _first_beam(elevation, window[2] - _SLACK)
    high = low
    while high < len(elevation) and elevation[high] < window[3] + _SLACK:
        high += 1
    return low, high


@nb.njit(cache=True, nogil=True, forceinline=True)
def _first_beam(elevation, angle):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """First of the ascending beams that is not below an angle."""
    low, high = 0, len(elevation)
    while low < high:
        middle = (low + high) >> 1
        if elevation[middle] < angle:
            low = middle + 1
        else:
            high = middle
    return low


@nb.njit(cache=True, nogil=True, forceinline=True)
def _window(corner, a, b, c, window):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bounds of a triangle: azimuth begin and end, elevation low and high [rad]."""
    low, high = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
    pa, pb, pc = a[0], b[0], c[0]
    span = max(pa, pb, pc) - min(pa, pb, pc)
    if span < _BENT:
        # An edge is an arc of a great circle: with corners at elevation e and a span of d it
        # bends to atan(tan(e) / cos(d / 2)), which is e + sin(2 e) d^2 / 16 and at most:
        bend = 0.075 * span * span
        window[0], window[1] = min(pa, pb, pc), max(pa, pb, pc)
        window[2], window[3] = low - bend, high + bend
        return
    for i in range(3):
        bend = _edge_extremum(corner[i], corner[(i + 1) % 3])
        if bend < 9.0:
            low, high = min(low, bend), max(high, bend)
    window[2], window[3] = low, high
    ab = corner[0, 0] * corner[1, 1] - corner[1, 0] * corner[0, 1]
    bc = corner[1, 0] * corner[2, 1] - corner[2, 0] * corner[1, 1]
    ca = corner[2, 0] * corner[0, 1] - corner[0, 0] * corner[2, 1]
    if (ab >= 0 and bc >= 0 and ca >= 0) or (ab <= 0 and bc <= 0 and ca <= 0):
        # The vertical through the sensor pierces the triangle: it spans every azimuth.
        window[0], window[1] = -np.pi, np.pi
        above = corner[0, 2] + corner[1, 2] + corner[2, 2]
        window[2] = -np.pi / 2 if above <= 0 else low
        window[3] = np.pi / 2 if above >= 0 else high
        return
    if span > np.pi:
        pa, pb, pc = pa % _TURN, pb % _TURN, pc % _TURN
    window[0], window[1] = min(pa, pb, pc), max(pa, pb, pc)


@nb.njit(cache=True, nogil=True, forceinline=True)
def _edge_extremum(a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Elevation where it is stationary inside an edge from a to b, 10 if nowhere.

    d/ds of z / |p| along p = a + s d vanishes at
    s = (a_z a.d - d_z |a|^2) / (d_z a.d - a_z |d|^2).
    """
    dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    aa = a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
    ad = a[0] * dx + a[1] * dy + a[2] * dz
    dd = dx * dx + dy * dy + dz * dz
    den = dz * ad - a[2] * dd
    if den == 0.0:
        return 10.0
    s = (a[2] * ad - dz * aa) / den
    if s <= 0.0 or s >= 1.0:
        return 10.0
    x, y, z = a[0] + s * dx, a[1] + s * dy, a[2] + s * dz
    return np.arctan2(z, np.sqrt(x * x + y * y))


@nb.njit(cache=True, nogil=True, forceinline=True)
def _columns(window, columns):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """First and last column of a window; the last may run on beyond the seam."""
    step = _TURN / columns
    begin = int(np.ceil((window[0] + np.pi) / step - 0.5 - _SLACK))
    end = int(np.floor((window[1] + np.pi) / step - 0.5 + _SLACK))
    return begin, min(end, begin + columns - 1)


@nb.njit(cache=True, nogil=True, forceinline=True)
def _planes(corner):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Normals of the triangle and of the planes through the sensor and each edge.

    Signs are such that a ray inside all three planes of the edges meets the triangle.
    """
    n = _cross(corner[0], corner[1], corner[0], corner[2])
    height = n[0] * corner[0, 0] + n[1] * corner[0, 1] + n[2] * corner[0, 2]
    sign = 1.0 if height > 0 else -1.0
    origin = (0.0, 0.0, 0.0)
    a = _cross(origin, corner[0], origin, corner[1])
    b = _cross(origin, corner[1], origin, corner[2])
    c = _cross(origin, corner[2], origin, corner[0])
    return n, height, sign, a, b, c


@nb.njit(cache=True, nogil=True)
def _test(corner, window, low, high, f, rays, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Test the rays of a window against a triangle and keep it where it is nearest."""
    cos_azimuth, sin_azimuth, cos_elevation, sin_elevation = rays
    ranges, face, incidence = out
    begin, end = _columns(window, len(cos_azimuth))
    if end < begin:
        return
    n, height, sign, a, b, c = _planes(corner)
    length = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
    if height == 0.0 or length == 0.0:
        return
    column = begin % len(cos_azimuth) - 1
    for _ in range(begin, end + 1):
        column = column + 1 if column + 1 < len(cos_azimuth) else 0
        cos, sin = cos_azimuth[column], sin_azimuth[column]
        for row in range(low, high):
            dx, dy, dz = cos_elevation[row] * cos, cos_elevation[row] * sin, sin_elevation[row]
            if _inside(a, b, c, sign, dx, dy, dz):
                against = n[0] * dx + n[1] * dy + n[2] * dz
                if against != 0.0:
                    t = height / against
                    if 0.0 < t < ranges[column, row]:
                        ranges[column, row] = t
                        face[column, row] = f
                        incidence[column, row] = abs(against) / length


@nb.njit(cache=True, nogil=True)
def _mark(corner, window, low, high, number, rays, stamp):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Stamp the rays that meet a triangle with a number; gives how many were not yet so."""
    cos_azimuth, sin_azimuth, cos_elevation, sin_elevation = rays
    begin, end = _columns(window, len(cos_azimuth))
    if end < begin:
        return 0
    _, height, sign, a, b, c = _planes(corner)
    if height == 0.0:
        return 0
    new = 0
    for i in range(begin, end + 1):
        column = i % len(cos_azimuth)
        for row in range(low, high):
            dx = cos_elevation[row] * cos_azimuth[column]
            dy = cos_elevation[row] * sin_azimuth[column]
            if stamp[column, row] != number and _inside(a, b, c, sign, dx, dy, sin_elevation[row]):
                stamp[column, row] = number
                new += 1
    return new


@nb.njit(cache=True, nogil=True, forceinline=True)
def _inside(a, b, c, sign, dx, dy, dz):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return (
        sign * (a[0] * dx + a[1] * dy + a[2] * dz) >= 0
        and sign * (b[0] * dx + b[1] * dy + b[2] * dz) >= 0
        and sign * (c[0] * dx + c[1] * dy + c[2] * dz) >= 0
    )


@nb.njit(cache=True, nogil=True, forceinline=True)
def _cross(p, q, r, s):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Cross product (q - p) x (s - r)."""
    ax, ay, az = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    bx, by, bz = s[0] - r[0], s[1] - r[1], s[2] - r[2]
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
