"""Cars: one lofted body per type, with wheel arches, glass, lamps, grille, seams and wheels.

A body is a row of cross-sections along x. Each section is a ring from the floor over the flank, the
belt line and the window to the roof; materials follow from where a face lies on the ring and
along the car. The lower edge of the flank rises over the wheels, and nose and tail are bent
backwards at the sides, as the bumpers of real cars are.
"""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.meshes.car_shapes import CAR_SHAPES, CarShape
from scenegen.render.solids import add_box, add_ellipsoid, add_tube, add_wheel, grid_faces

__all__ = ["CAR_SHAPES", "CarShape", "car"]

_KEPT = ((0, 2, 4, 7, 9, 10, 12), (0, 1, 2, 4, 6, 7, 8, 9, 10, 12), tuple(range(13)))
"""Vertices of half a section that each detail keeps, from the floor's to the roof's middle."""
_FLOOR, _BELT, _WINDOW, _RAIL = 1, 7, 8, 9
"""Segments up to the sill, of the belt moulding, of the side window, of the roof's edge."""
_LAMPS = (5, 6)
"""Segments that lamps reach round the corners in."""
_SEAM = 0.0013
"""Half-width of the gap around a door, as a share of the length."""
_BEND, _BEND_FROM = 0.13, 0.36
"""How far the corners are drawn back [m], and the share of the length where that begins."""


def car(name: str) -> Model:
    """Build a car of a type in CAR_SHAPES, at three levels of detail, at its nominal size."""
    shape = CAR_SHAPES[name]
    levels = (_car(shape, 2, 18), _car(shape, 1, 8), _car(shape, 0, 5))
    return Model(levels=levels, switch=(15.0, 38.0), reach=250.0)


def _car(shape: CarShape, detail: int, wheel_sides: int) -> Mesh:
    parts = Parts()
    stations = _stations(shape, detail)
    _add_body(parts, shape, stations, detail)
    width, radius = shape.size[1], shape.wheel_radius
    for axle in shape.axles:
        for side in (-1.0, 1.0):
            center = (axle, side * (width / 2 - 0.125), radius)
            add_wheel(parts, center, radius, 0.215, wheel_sides)
    if detail:
        _add_fittings(parts, shape, fine=detail == 2)
    return parts.mesh().fitted(shape.size)


def _stations(shape: CarShape, detail: int) -> FloatArray:
    """Sections at the control points, at material borders, over the wheels, and between them."""
    places = list(shape.stations)
    length = shape.size[0]
    if detail:
        places += [*shape.windscreen, *shape.rear_window, *shape.windows]
        for pillar in shape.pillars:
            places += [pillar - 0.009, pillar + 0.009]
        steps = (0.0, 0.5, 0.85, 1.0) if detail == 2 else (0.0, 0.75, 1.0)
        for axle in shape.axles:
            for t in steps:
                places += [(axle + sign * t * shape.arch) / length for sign in (-1, 1)]
    if detail == 2:
        places += [*np.linspace(-0.42, 0.42, 7), -0.47, 0.47]
        for door in shape.doors:
            places += [door - _SEAM, door + _SEAM]
    out = np.unique(np.clip(np.round(places, 4), -0.5, 0.5))
    return out[np.concatenate([[True], np.diff(out) > 1.5e-3])]


def _sill(shape: CarShape, at: FloatArray) -> FloatArray:
    """Height of the flank's lower edge at each station [m]: it rises at the ends and arches."""
    low = shape.clearance + 0.10 * np.clip((np.abs(at) - 0.4) / 0.1, 0, 1) ** 2
    for axle in shape.axles:
        away = at * shape.size[0] - axle
        inside = np.maximum(shape.arch**2 - away**2, 0.0)
        low = np.where(inside > 1e-9, np.maximum(low, shape.wheel_radius + np.sqrt(inside)), low)
    return np.asarray(low)


def _sections(shape: CarShape, at: FloatArray) -> FloatArray:
    """Half a ring of (y, z) at each station, shape (S, 13, 2)."""
    top = _smooth(at, shape.stations, shape.top)
    belt = np.minimum(_smooth(at, shape.stations, shape.belt), top)
    end = np.clip((0.5 - np.abs(at)) / 0.15, 0.0, 1.0)
    half = shape.size[1] / 2 * (0.90 + 0.10 * (1 - (1 - end) ** 2.5) ** 0.5)
    floor = np.full_like(at, shape.clearance)
    sill = np.minimum(_sill(shape, at), top - 0.06)
    cabin = np.maximum(top - belt, 0.0)
    lean, flank = shape.tumblehome * cabin, belt - sill
    bulge = 0.035 * np.clip(1 - cabin / 0.05, 0, 1) * np.clip((0.5 - np.abs(at)) / 0.06, 0, 1)
    rows = [
        (0.0 * half, floor),
        (0.72 * half, floor),
        (0.955 * half, sill),
        (0.985 * half, sill + 0.07 * flank),
        (half, sill + 0.40 * flank),
        (0.992 * half, sill + 0.66 * flank),
        (0.962 * half, sill + 0.88 * flank),
        (0.930 * half, belt),
        (0.920 * half - 0.06 * lean, belt + 0.05 * cabin),
        (0.905 * half - 0.80 * lean, belt + 0.84 * cabin),
        (0.845 * half - lean, belt + 0.96 * cabin + 0.3 * bulge),
        (0.45 * half - 0.5 * lean, belt + 0.992 * cabin + 0.85 * bulge),
        (0.0 * half, top + bulge),
    ]
    return np.stack([np.stack([y, z], -1) for y, z in rows], 1)


def _bent(vertices: FloatArray, shape: CarShape) -> FloatArray:
    """Draw the corners of nose and tail back."""
    length, width, _ = shape.size
    near = np.clip((np.abs(vertices[:, 0]) / length - _BEND_FROM) / (0.5 - _BEND_FROM), 0, 1)
    aside = np.abs(vertices[:, 1]) / (width / 2)
    out = vertices.copy()
    out[:, 0] -= np.sign(vertices[:, 0]) * _BEND * near**1.5 * aside**2.6
    return out


def _add_body(parts: Parts, shape: CarShape, at: FloatArray, detail: int) -> None:
    kept = _KEPT[detail]
    half = _sections(shape, at)[:, kept]
    length = shape.size[0]
    mirrored = half[:, -2:0:-1] * [-1.0, 1.0]
    ring = np.concatenate([half, mirrored], 1)  # (S, 2 kept - 2, 2), floor to floor
    x = np.broadcast_to(at[:, None, None] * length, (*ring.shape[:2], 1))
    vertices = _bent(np.concatenate([x, ring], -1).reshape(-1, 3), shape)
    around = ring.shape[1]
    quads = grid_faces(len(at), around, closed=True)
    materials = [
        _body_material(shape, (at[i] + at[i + 1]) / 2, kept[min(j, around - 1 - j) + 1] - 1)
        for i in range(len(at) - 1)
        for j in range(around)
    ]
    _add_by_material(parts, vertices, quads, materials)
    grid = ((5, 4), (9, 7), (15, 11))[detail]
    for row, nose in ((0, False), (len(at) - 1, True)):
        _add_end(parts, shape, ring[row], at[row] * length, grid, nose=nose)


def _add_by_material(
    parts: Parts, vertices: FloatArray, quads: np.ndarray, materials: list[str]
) -> None:
    """Smooth paint and glass apart, so that highlights break at the window edge."""
    names = np.array(materials)
    for group in (("glass",), ("paint",)):
        chosen = np.isin(names, group)
        if chosen.any():
            _add_smooth(parts, vertices, quads[chosen], names[chosen])
    rest = ~np.isin(names, ("glass", "paint"))
    _add_smooth(parts, vertices, quads[rest], names[rest])


def _add_smooth(parts: Parts, vertices: FloatArray, quads: np.ndarray, names: np.ndarray) -> None:
    used, index = np.unique(quads, return_inverse=True)
    parts.add(vertices[used], index.reshape(quads.shape), list(names), smooth=True)


def _body_material(shape: CarShape, x: float, segment: int) -> str:
    """Material of the face between ring vertices `segment` and the next, at a share x."""
    if segment <= _FLOOR:
        return "gap"
    if segment >= _RAIL:
        return _roof_material(shape, x, segment)
    if any(abs(x - door) < _SEAM for door in shape.doors) and segment > _FLOOR + 1:
        return "gap"
    if segment in {_BELT, _WINDOW} and shape.windows[0] < x < shape.windows[1]:
        near_pillar = any(abs(x - pillar) < 0.009 for pillar in shape.pillars)
        return "trim" if near_pillar or segment == _BELT else "glass"
    if segment in _LAMPS and not -0.474 < x < 0.462:
        return "headlamp" if x > 0 else "taillamp"
    return "trim" if segment == _FLOOR + 1 else "paint"


def _roof_material(shape: CarShape, x: float, segment: int) -> str:
    """Material of bonnet, roof, boot, windscreen, rear window and load bed at a share x."""
    if any(begin < x < end for begin, end in (shape.windscreen, shape.rear_window)):
        return "glass" if segment > _RAIL else "trim"
    return "gap" if shape.bed[0] < x < shape.bed[1] and segment > _RAIL else "paint"


def _add_end(
    parts: Parts, shape: CarShape, ring: FloatArray, x: float, grid: tuple[int, int], *, nose: bool
) -> None:
    """Close the nose or the tail with a panel that carries bumper, lamps, grille and plate."""
    low, high = ring[:, 1].min(), ring[:, 1].max()
    half = np.abs(ring[:, 0]).max()
    ys, zs = np.linspace(-1, 1, grid[0]), np.linspace(0, 1, grid[1])
    y, t = np.meshgrid(ys, zs, indexing="ij")
    # The bumper stands out, the edges above and below are drawn in.
    profile = np.interp(t, [0.0, 0.14, 0.34, 0.55, 0.9, 1.0], [-0.09, -0.01, 0.03, 0.01, 0.0, 0.0])
    narrow = 0.96 + 0.04 * np.sin(np.pi * np.clip(t, 0.05, 0.95))
    vertices = np.stack([x + np.sign(x) * profile, half * narrow * y, low + (high - low) * t], -1)
    aside = np.abs(ys[:-1] + ys[1:]) / 2
    up = (zs[:-1] + zs[1:]) / 2
    pick = _nose_material if nose else _tail_material
    materials = [pick(a, u, shape.grille) for a in aside for u in up]
    faces = grid_faces(*grid)
    parts.add(_bent(vertices.reshape(-1, 3), shape), faces, materials, smooth=True)


def _nose_material(aside: float, up: float, grille: float) -> str:
    """Material of a place on the nose, both coordinates from 0 (middle, below) to 1."""
    if up < 0.12:
        return "trim"
    if up < 0.36:
        return "trim" if aside < 0.55 or 0.74 < aside < 0.93 else "paint"
    if 0.62 < up < 0.93 and aside > 0.56:
        return "headlamp"
    if 0.93 - grille < up < 0.93 and aside < 0.5:
        return "trim"
    return "paint"


def _tail_material(aside: float, up: float, grille: float) -> str:
    """Material of a place on the tail, both coordinates from 0 (middle, below) to 1."""
    if up < 0.2:
        return "trim"
    if 0.62 < up < 0.92 and aside > (0.62 if grille < 0.35 else 0.7):
        return "taillamp"
    if 0.5 < up < 0.78 and aside < 0.3:
        return "trim"
    return "gap" if 0.38 < up < 0.46 and aside < 0.85 else "paint"


def _add_fittings(parts: Parts, shape: CarShape, *, fine: bool) -> None:
    """Add mirrors and plates and, seen from near, handles, rails, exhaust and brake lamp."""
    length, width, _ = shape.size
    shoulder = float(np.interp(shape.windows[1], shape.stations, shape.belt))
    x = shape.windows[1] * length - 0.10
    for side in (-1.0, 1.0):
        place = (x, side * (width / 2 - 0.055), shoulder + 0.085)
        if fine:
            add_ellipsoid(parts, place, (0.075, 0.085, 0.07), "paint", 5, 8)
            add_box(parts, (x - 0.06, place[1], place[2]), (0.03, 0.12, 0.09), "glass")
        else:
            add_box(parts, place, (0.11, 0.15, 0.12), "paint")
    add_box(parts, (-length / 2 - 0.03, 0.0, shape.plates[1]), (0.02, 0.5, 0.11), "plate")
    add_box(parts, (length / 2 + 0.035, 0.0, shape.plates[0]), (0.02, 0.5, 0.11), "plate")
    if not fine:
        return
    for side in (-1.0, 1.0):
        for door in shape.handles:
            z = float(np.interp(door, shape.stations, shape.belt)) - 0.11
            add_box(
                parts, (door * length, side * (width / 2 - 0.018), z), (0.19, 0.03, 0.028), "trim"
            )
        if shape.rails:
            begin, end = shape.windows[0] * length + 0.1, shape.windows[1] * length - 0.75
            z = shape.size[2] - 0.03
            y = side * (0.80 * width / 2 - shape.tumblehome * 0.5)
            add_tube(parts, [(begin, y, z - 0.04), (end, y, z - 0.04)], 0.022, "trim", sides=5)
    top = float(np.interp(shape.rear_window[1], shape.stations, shape.top))
    add_box(
        parts, (shape.rear_window[1] * length - 0.05, 0, top - 0.045), (0.03, 0.3, 0.03), "taillamp"
    )


def _smooth(x: FloatArray, places: tuple[float, ...], values: tuple[float, ...]) -> FloatArray:
    """Monotone cubic interpolation (Fritsch and Carlson, 1980, with harmonic slopes)."""
    at, y = np.asarray(places), np.asarray(values)
    step = np.diff(at)
    slope = np.diff(y) / step
    inner = np.zeros(len(slope) - 1)
    rising = slope[:-1] * slope[1:] > 0
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    w1, w2, before, after = w1[rising], w2[rising], slope[:-1][rising], slope[1:][rising]
    inner[rising] = (w1 + w2) / (w1 / before + w2 / after)
    m = np.concatenate([[slope[0]], inner, [slope[-1]]])
    k = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(step) - 1)
    t = (x - at[k]) / step[k]
    return (
        (2 * t**3 - 3 * t**2 + 1) * y[k]
        + (t**3 - 2 * t**2 + t) * step[k] * m[k]
        + (-2 * t**3 + 3 * t**2) * y[k + 1]
        + (t**3 - t**2) * step[k] * m[k + 1]
    )
