"""Cars: one lofted body per type, with glass, lamps, grille and wheels.

A body is a row of cross-sections along x. Each section is a ring from the sill over the flank, the
belt line and the window to the roof; materials follow from where a face lies on the ring and
along the car.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box, add_wheel, grid_faces


@dataclass(frozen=True, slots=True, kw_only=True)
class CarShape:
    """Proportions of one type of car; x runs from the tail (-0.5) to the nose (0.5).

    Attributes:
        size: Length, width, height [m].
        stations: Places of the control sections, as shares of the length.
        top: Height of the silhouette at each station [m].
        belt: Height of the belt line at each station [m]; equal to `top` on bonnet and boot.
        windscreen: Begin and end of the windscreen, shares of the length.
        rear_window: Begin and end of the rear window.
        windows: Begin and end of the side windows.
        pillars: Places of the pillars between side windows.
        wheel_radius: Radius of the wheels [m].
        axles: Places of the rear and the front axle [m].
        tumblehome: How far the side windows lean in, metres per metre of height.
    """

    size: tuple[float, float, float]
    stations: tuple[float, ...]
    top: tuple[float, ...]
    belt: tuple[float, ...]
    windscreen: tuple[float, float]
    rear_window: tuple[float, float]
    windows: tuple[float, float]
    pillars: tuple[float, ...]
    wheel_radius: float
    axles: tuple[float, float]
    tumblehome: float = 0.34


CAR_SHAPES: dict[str, CarShape] = {
    "sedan": CarShape(
        size=(4.65, 1.82, 1.46),
        stations=(-0.5, -0.485, -0.44, -0.33, -0.2, -0.03, 0.09, 0.235, 0.36, 0.45, 0.487, 0.5),
        top=(0.60, 0.86, 1.00, 1.05, 1.37, 1.46, 1.42, 1.02, 0.93, 0.80, 0.70, 0.52),
        belt=(0.60, 0.86, 0.98, 1.00, 0.97, 0.95, 0.94, 0.96, 0.92, 0.80, 0.70, 0.52),
        windscreen=(0.092, 0.232),
        rear_window=(-0.328, -0.205),
        windows=(-0.29, 0.17),
        pillars=(-0.06,),
        wheel_radius=0.33,
        axles=(-1.32, 1.38),
    ),
    "hatch": CarShape(
        size=(4.15, 1.78, 1.50),
        stations=(-0.5, -0.488, -0.455, -0.375, -0.2, -0.02, 0.1, 0.245, 0.36, 0.45, 0.487, 0.5),
        top=(0.58, 0.92, 1.10, 1.40, 1.48, 1.50, 1.45, 1.05, 0.97, 0.83, 0.72, 0.52),
        belt=(0.58, 0.90, 0.98, 1.00, 0.98, 0.96, 0.95, 0.98, 0.95, 0.83, 0.72, 0.52),
        windscreen=(0.102, 0.242),
        rear_window=(-0.452, -0.378),
        windows=(-0.36, 0.17),
        pillars=(-0.08, -0.28),
        wheel_radius=0.32,
        axles=(-1.25, 1.27),
    ),
    "suv": CarShape(
        size=(4.70, 1.90, 1.71),
        stations=(-0.5, -0.488, -0.46, -0.4, -0.25, 0.0, 0.11, 0.228, 0.34, 0.45, 0.49, 0.5),
        top=(0.66, 1.00, 1.20, 1.58, 1.68, 1.71, 1.66, 1.20, 1.13, 0.99, 0.86, 0.56),
        belt=(0.66, 0.98, 1.08, 1.12, 1.10, 1.08, 1.07, 1.12, 1.10, 0.99, 0.86, 0.56),
        windscreen=(0.112, 0.226),
        rear_window=(-0.458, -0.402),
        windows=(-0.40, 0.17),
        pillars=(-0.06, -0.28),
        wheel_radius=0.37,
        axles=(-1.38, 1.40),
    ),
    "van": CarShape(
        size=(5.30, 2.00, 2.14),
        stations=(-0.5, -0.496, -0.48, -0.42, -0.25, 0.0, 0.22, 0.345, 0.4, 0.46, 0.49, 0.5),
        top=(0.58, 1.92, 2.04, 2.11, 2.14, 2.14, 2.08, 1.36, 1.18, 1.02, 0.86, 0.52),
        belt=(0.58, 1.12, 1.14, 1.15, 1.15, 1.15, 1.14, 1.20, 1.14, 1.01, 0.86, 0.52),
        windscreen=(0.222, 0.343),
        rear_window=(-0.499, -0.497),
        windows=(0.08, 0.29),
        pillars=(),
        wheel_radius=0.35,
        axles=(-1.60, 1.75),
        tumblehome=0.10,
    ),
}
"""Car types by name."""

_KEPT = ((0, 2, 5, 7, 9), (0, 2, 3, 4, 5, 7, 9), tuple(range(10)))
"""Vertices of half a section that each detail keeps, from the floor's to the roof's middle."""


def car(name: str) -> Model:
    """Build a car of a type in CAR_SHAPES, at three levels of detail, at its nominal size."""
    shape = CAR_SHAPES[name]
    levels = (_car(shape, 2, 16), _car(shape, 1, 7), _car(shape, 0, 5))
    return Model(levels=levels, switch=(16.0, 40.0), reach=250.0)


def _car(shape: CarShape, detail: int, wheel_sides: int) -> Mesh:
    parts = Parts()
    stations = _stations(shape, detail)
    _add_body(parts, shape, stations, _KEPT[detail])
    length, width, _ = shape.size
    radius = shape.wheel_radius
    for axle in shape.axles:
        for side in (-1.0, 1.0):
            center = (axle, side * (width / 2 - 0.105), radius)
            add_wheel(parts, center, radius, 0.215, wheel_sides)
            if detail:
                _add_arch(parts, (axle, side * (width / 2 - 0.012), radius), radius, wheel_sides)
    if detail:
        add_box(parts, (0.0, 0.0, 0.27), (0.86 * length, 0.7 * width, 0.12), "trim")
        for side in (-1.0, 1.0):
            x = shape.windows[1] * length - 0.05
            z = float(np.interp(shape.windows[1], shape.stations, shape.belt)) + 0.06
            add_box(parts, (x, side * (width / 2 - 0.02), z), (0.12, 0.16, 0.11), "paint")
        add_box(parts, (-length / 2 - 0.005, 0.0, 0.62), (0.02, 0.5, 0.11), "plate")
        add_box(parts, (length / 2 + 0.005, 0.0, 0.40), (0.02, 0.5, 0.11), "plate")
    return parts.mesh().fitted(shape.size)


def _stations(shape: CarShape, detail: int) -> FloatArray:
    """Sections at the control points, at material borders, and between them."""
    places = list(shape.stations)
    if detail:
        places += [*shape.windscreen, *shape.rear_window, *shape.windows]
        for pillar in shape.pillars:
            places += [pillar - 0.009, pillar + 0.009]
    if detail == 2:
        places += [*np.linspace(-0.42, 0.42, 9), -0.495, 0.495, 0.47, -0.47]
    out = np.unique(np.clip(np.round(places, 4), -0.5, 0.5))
    return out[np.concatenate([[True], np.diff(out) > 2e-3])]


def _sections(shape: CarShape, at: FloatArray) -> FloatArray:
    """Half a ring of (y, z) at each station, shape (S, 10, 2)."""
    _, width, _ = shape.size
    top = _smooth(at, shape.stations, shape.top)
    belt = np.minimum(_smooth(at, shape.stations, shape.belt), top)
    end = np.clip((0.5 - np.abs(at)) / 0.15, 0.0, 1.0)
    half = width / 2 * (0.80 + 0.20 * (1 - (1 - end) ** 2.5) ** 0.5)
    sill = np.minimum(0.20 + 0.20 * np.clip((np.abs(at) - 0.4) / 0.1, 0, 1) ** 2, top - 0.04)
    cabin = np.maximum(top - belt, 0.0)
    lean = shape.tumblehome * cabin
    flank = belt - sill
    y = np.stack(
        [
            np.zeros_like(at),
            0.86 * half,
            0.97 * half,
            half,
            0.985 * half,
            0.955 * half,
            0.945 * half - 0.1 * lean,
            0.935 * half - 0.85 * lean,
            0.86 * half - lean,
            np.zeros_like(at),
        ],
        1,
    )
    bulge = 0.03 * np.clip(1 - cabin / 0.05, 0, 1)
    z = np.stack(
        [
            sill,
            sill,
            sill + 0.12 * flank,
            sill + 0.45 * flank,
            sill + 0.78 * flank,
            belt,
            belt + 0.10 * cabin,
            belt + 0.84 * cabin,
            belt + 0.97 * cabin + 0.4 * bulge,
            top + bulge,
        ],
        1,
    )
    return np.stack([y, z], -1)


def _add_body(parts: Parts, shape: CarShape, at: FloatArray, kept: tuple[int, ...]) -> None:
    half = _sections(shape, at)[:, kept]
    length = shape.size[0]
    mirrored = half[:, -2:0:-1] * [-1.0, 1.0]
    ring = np.concatenate([half, mirrored], 1)  # (S, 2 kept - 2, 2), floor to floor
    x = np.broadcast_to(at[:, None, None] * length, (*ring.shape[:2], 1))
    vertices = np.concatenate([x, ring], -1).reshape(-1, 3)
    around = ring.shape[1]
    quads = grid_faces(len(at), around, closed=True)
    materials = [
        _body_material(shape, (at[i] + at[i + 1]) / 2, kept[min(j, around - 1 - j) + 1] - 1)
        for i in range(len(at) - 1)
        for j in range(around)
    ]
    _add_by_material(parts, vertices, quads, materials)
    fine = len(kept) > 7
    for row, nose in ((0, False), (len(at) - 1, True)):
        _add_end(parts, ring[row], at[row] * length, (9, 6) if fine else (5, 4), nose=nose)


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
    """Material of the face between ring vertices `segment` and the next, at a share x.

    Segments 0 and 1 are the sill, 3 and 4 the upper flank with the lamps, 6 the side windows, 7
    their upper frame and 8 the roof with windscreen and rear window.
    """
    panes = (shape.windscreen, shape.rear_window)
    if segment >= 7:
        in_pane = any(begin < x < end for begin, end in panes)
        return ("glass" if segment >= 8 else "trim") if in_pane else "paint"
    if segment == 6 and shape.windows[0] < x < shape.windows[1]:
        near_pillar = any(abs(x - pillar) < 0.009 for pillar in shape.pillars)
        return "trim" if near_pillar else "glass"
    if segment in {3, 4} and (x > 0.472 or (x > 0.455 and segment == 4)):
        return "headlamp"
    if segment == 4 and x < -0.478:
        return "taillamp"
    return "trim" if segment <= 1 else "paint"


def _add_end(
    parts: Parts, ring: FloatArray, x: float, grid: tuple[int, int], *, nose: bool
) -> None:
    """Close the nose or the tail with a bowed panel that carries bumper, lamps and grille."""
    low, high = ring[:, 1].min(), ring[:, 1].max()
    half = np.abs(ring[:, 0]).max()
    ys, zs = np.linspace(-1, 1, grid[0]), np.linspace(0, 1, grid[1])
    y, t = np.meshgrid(ys, zs, indexing="ij")
    height = low + (high - low) * t
    bow = 0.05 * (1 - y**2) * np.sin(np.pi * (0.1 + 0.8 * t)) * (1 if nose else -1)
    vertices = np.stack([x + bow, half * y * 0.99, height], -1).reshape(-1, 3)
    aside = np.abs(ys[:-1] + ys[1:]) / 2
    up = (zs[:-1] + zs[1:]) / 2
    materials = [_end_material(a, u, nose=nose) for a in aside for u in up]
    parts.add(vertices, grid_faces(*grid), materials, smooth=True)


def _end_material(aside: float, up: float, *, nose: bool) -> str:
    """Material of a place on the nose or tail, both coordinates from 0 (middle, below) to 1."""
    if up < 0.2:
        return "trim"
    if nose:
        return "trim" if aside < 0.6 and up < 0.8 else "paint"
    return "taillamp" if aside > 0.7 and up > 0.6 else "paint"


def _add_arch(parts: Parts, center: tuple[float, float, float], radius: float, sides: int) -> None:
    """Add the dark opening around a wheel."""
    angle = np.linspace(-0.15, np.pi + 0.15, sides + 1)
    rim = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1) * (1.17 * radius)
    vertices = np.vstack([rim, np.zeros((1, 3))]) + np.asarray(center)
    fan = np.array([(i, i + 1, sides + 1) for i in range(sides)])
    parts.add(vertices, fan, "trim")


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
