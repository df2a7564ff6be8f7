"""What stands about in streets: bins, benches, bollards, shelters, poles, fences, boards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenegen.render.mesh import Model, Parts
from scenegen.render.meshes.plants import add_shrub
from scenegen.render.solids import add_box, add_ellipsoid, add_limb, add_tube
from scenegen.render.surfaces import SurfaceClass

WIRE_SPAN = 35.0
"""Distance between the poles that carry wires [m]."""
POLE_HEIGHT = 9.5
"""Height of a pole that carries wires [m]."""


def _single(parts: Parts, reach: float = 90.0) -> Model:
    return Model(levels=(parts.mesh(),), reach=reach)


def _bin() -> Model:
    """Give a litter bin on a post, 1 m high."""
    parts = Parts()
    add_tube(parts, [(0, 0, 0.12), (0, 0, 0.2), (0, 0, 0.9)], [0.2, 0.23, 0.25], "street_paint")
    add_tube(parts, [(0, 0, 0.9), (0, 0, 0.96), (0, 0, 1.02)], [0.26, 0.22, 0.02], "dark_metal")
    add_box(parts, (0, 0, 0.06), (0.12, 0.12, 0.14), "dark_metal")
    return _single(parts)


def _container() -> Model:
    """Give a wheeled container for waste, 1.1 m high."""
    parts = Parts()
    add_box(parts, (0, 0, 0.58), (0.66, 0.56, 0.9), "street_paint")
    add_box(parts, (0.02, 0, 1.05), (0.74, 0.6, 0.08), "trim")
    add_box(parts, (-0.37, 0, 0.98), (0.06, 0.5, 0.05), "trim")
    for side in (-0.24, 0.24):
        add_box(parts, (-0.28, side, 0.09), (0.18, 0.05, 0.18), "rubber")
    return _single(parts)


def _bench() -> Model:
    """Give a bench of slats, 1.7 m wide along y, facing -x."""
    parts = Parts()
    for k in range(3):
        add_box(parts, (-0.18 + 0.16 * k, 0, 0.44), (0.12, 1.7, 0.04), "timber")
        add_box(parts, (0.26 + 0.03 * k, 0, 0.58 + 0.13 * k), (0.03, 1.7, 0.1), "timber")
    for side in (-0.7, 0.7):
        add_box(parts, (0.0, side, 0.21), (0.45, 0.06, 0.42), "dark_metal")
    return _single(parts)


def _bollard() -> Model:
    """Give a bollard of 0.95 m with a reflecting band."""
    parts = Parts()
    add_tube(parts, [(0, 0, 0), (0, 0, 0.95)], [0.075, 0.065], "dark_metal", sides=8)
    add_ellipsoid(parts, (0, 0, 0.95), (0.065, 0.065, 0.05), "dark_metal", 3, 8)
    add_tube(parts, [(0, 0, 0.78), (0, 0, 0.86)], 0.074, "sign_white", sides=8)
    return _single(parts, 70.0)


def _cabinet() -> Model:
    """Give a cabinet for cables, 1.2 m high, its doors facing -x."""
    parts = Parts()
    add_box(parts, (0, 0, 0.08), (0.4, 1.0, 0.16), "concrete")
    add_box(parts, (0, 0, 0.68), (0.36, 0.96, 1.05), "street_paint")
    add_box(parts, (0, 0, 1.22), (0.42, 1.02, 0.05), "street_paint")
    add_box(parts, (-0.185, 0, 0.68), (0.01, 0.012, 1.0), "gap")
    return _single(parts)


def _hydrant() -> Model:
    """Give a fire hydrant of 0.75 m."""
    parts = Parts()
    path = [(0, 0, 0), (0, 0, 0.06), (0, 0, 0.07), (0, 0, 0.55), (0, 0, 0.68), (0, 0, 0.75)]
    add_tube(parts, path, [0.15, 0.15, 0.1, 0.1, 0.1, 0.03], "street_paint")
    for end in ((0.17, 0), (-0.17, 0), (0, 0.17)):
        add_limb(parts, (0, 0, 0.45), (*end, 0.45), 0.06, 0.055, "street_paint", 6)
    return _single(parts, 70.0)


def _post_box() -> Model:
    """Give a letter box of 1.25 m."""
    parts = Parts()
    add_box(parts, (0, 0, 0.62), (0.5, 0.52, 1.1), "street_paint")
    around = np.linspace(0, np.pi, 7)
    arch = np.column_stack([0.25 * np.cos(around), 0 * around, 1.15 + 0.16 * np.sin(around)])
    half = np.array([0.0, 0.26, 0.0])
    rows = np.concatenate([arch - half, arch + half])
    quads = np.array([(i + 1, i, i + 7, i + 8) for i in range(6)])
    parts.add(rows, quads, "street_paint", smooth=True)
    add_box(parts, (-0.26, 0, 1.0), (0.02, 0.36, 0.05), "gap")
    return _single(parts)


def _planter() -> Model:
    """Give a concrete planter with a shrub."""
    rng = np.random.default_rng(3)
    lobes = rng.uniform([-0.2, -0.2, 0.62, 0.24], [0.2, 0.2, 0.72, 0.32], (4, 4))
    levels = []
    for cards in (160, 48):
        parts = Parts()
        add_box(parts, (0, 0, 0.25), (1.0, 1.0, 0.5), "concrete")
        add_box(parts, (0, 0, 0.49), (0.88, 0.88, 0.06), "soil")
        add_shrub(parts, rng, lobes, cards, 0.5)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(18.0,), reach=90.0)


def _shelter() -> Model:
    """Give a bus shelter of 4 m along y that opens towards -x."""
    parts = Parts()
    for y in (-1.95, 0.0, 1.95):
        add_box(parts, (0.7, y, 1.2), (0.07, 0.07, 2.4), "dark_metal")
    for y in (-1.95, 1.95):
        add_box(parts, (-0.6, y, 1.2), (0.07, 0.07, 2.4), "dark_metal")
    add_box(parts, (0.05, 0, 2.45), (1.6, 4.1, 0.1), "dark_metal")
    add_box(parts, (0.72, 0, 1.25), (0.015, 3.8, 1.7), "glass")
    add_box(parts, (0.05, 1.98, 1.25), (1.2, 0.1, 1.8), "sign_white")
    add_box(parts, (0.05, 1.98, 1.3), (1.0, 0.12, 1.4), "sign_blue")
    add_box(parts, (0.45, -0.6, 0.45), (0.35, 2.2, 0.05), "timber")
    return _single(parts, 150.0)


def _wire_pole() -> Model:
    """Give a wooden pole with a cross-arm along y and a transformer."""
    parts = Parts()
    add_tube(parts, [(0, 0, 0), (0, 0, POLE_HEIGHT)], [0.15, 0.1], "timber", sides=7)
    for z in (POLE_HEIGHT - 0.4, POLE_HEIGHT - 1.3):
        add_box(parts, (0, 0, z), (0.1, 2.2, 0.12), "timber")
        for y in (-0.95, 0.95):
            add_box(parts, (0, y, z + 0.12), (0.06, 0.06, 0.14), "dark_metal")
    add_tube(parts, [(0.3, 0, 6.6), (0.3, 0, 7.4)], 0.24, "metal", sides=8)
    return _single(parts, 250.0)


def _wires() -> Model:
    """Give four wires that sag from one pole to the next, WIRE_SPAN away along +x."""
    parts = Parts()
    t = np.linspace(0, 1, 9)
    for y, z in ((-0.95, -0.2), (-0.45, -0.2), (0.95, -0.2), (0.45, -1.1)):
        sag = 0.7 * 4 * t * (1 - t)
        path = np.column_stack([WIRE_SPAN * t, np.full(9, y), POLE_HEIGHT + z - sag])
        add_tube(parts, path, 0.014, "trim", sides=3)
    return _single(parts, 70.0)


def _billboard() -> Model:
    """Give a billboard of 6 x 3 m on two posts, facing -x."""
    parts = Parts()
    for y in (-2.0, 2.0):
        add_box(parts, (0.15, y, 2.2), (0.18, 0.18, 4.4), "dark_metal")
    add_box(parts, (0, 0, 4.2), (0.14, 6.2, 3.2), "dark_metal")
    add_box(parts, (-0.08, 0, 4.2), (0.02, 6.0, 3.0), "sign_white")
    add_box(parts, (-0.10, -0.9, 4.4), (0.02, 3.6, 2.2), "awning")
    for k, wide in enumerate((1.5, 1.2, 1.4)):
        add_box(parts, (-0.10, 1.9, 5.0 - 0.55 * k), (0.02, wide, 0.22), "dark_metal")
    return _single(parts, 220.0)


def _board() -> Model:
    """Give the folding board that shops put on the pavement, its faces along x."""
    parts = Parts()
    for side in (-1.0, 1.0):
        points = np.array(
            [(side * 0.22, -0.3, 0), (side * 0.22, 0.3, 0), (0, 0.3, 1), (0, -0.3, 1)]
        )
        quad = np.array([(0, 1, 2, 3)])
        parts.add(points, quad, "timber")
        parts.add(points * [0.99, 0.8, 0.95] + [side * 0.012, 0, 0.03], quad, "signal_off")
    return _single(parts, 60.0)


def _fence(posts: int, material: str, *, solid: bool) -> Model:
    """Give 4 m of fence along x from the origin."""
    parts = Parts()
    for k in range(posts + 1):
        add_box(parts, (4.0 * k / posts, 0, 0.55), (0.07, 0.07, 1.1), material)
    if solid:
        for k in range(4):
            place = (0.5 + k, -0.04, 0.58)
            add_box(parts, place, (0.97, 0.02, 0.98 + 0.04 * (k % 2)), material)
    for z in (0.35, 0.95):
        add_box(parts, (2.0, 0, z), (4.0, 0.04, 0.07), material)
    return _single(parts, 120.0)


def _garden_wall() -> Model:
    """Give 4 m of low wall along x from the origin."""
    parts = Parts()
    add_box(parts, (2.0, 0, 0.42), (4.0, 0.22, 0.84), "wall")
    add_box(parts, (2.0, 0, 0.87), (4.0, 0.3, 0.07), "concrete")
    return _single(parts, 150.0)


def _noise_wall() -> Model:
    """Give 4 m of noise barrier along x from the origin, 3.2 m high."""
    parts = Parts()
    add_box(parts, (2.0, 0, 1.6), (3.84, 0.14, 3.2), "wall")
    add_box(parts, (0.0, 0, 1.65), (0.2, 0.26, 3.3), "metal")
    for z in (0.8, 1.6, 2.4):
        add_box(parts, (2.0, -0.075, z), (3.8, 0.01, 0.03), "gap")
    return _single(parts, 250.0)


CLUTTER: dict[str, tuple[Callable[[], Model], SurfaceClass]] = {
    "bin": (_bin, SurfaceClass.BARRIER),
    "container": (_container, SurfaceClass.BARRIER),
    "bench": (_bench, SurfaceClass.BARRIER),
    "bollard": (_bollard, SurfaceClass.POLE),
    "cabinet": (_cabinet, SurfaceClass.BARRIER),
    "hydrant": (_hydrant, SurfaceClass.POLE),
    "post_box": (_post_box, SurfaceClass.BARRIER),
    "planter": (_planter, SurfaceClass.BARRIER),
    "shelter": (_shelter, SurfaceClass.BUILDING),
    "wire_pole": (_wire_pole, SurfaceClass.POLE),
    "wires": (_wires, SurfaceClass.POLE),
    "billboard": (_billboard, SurfaceClass.SIGN),
    "board": (_board, SurfaceClass.SIGN),
    "fence_wood": (lambda: _fence(2, "timber", solid=True), SurfaceClass.BARRIER),
    "fence_metal": (lambda: _fence(4, "metal", solid=False), SurfaceClass.BARRIER),
    "garden_wall": (_garden_wall, SurfaceClass.BARRIER),
    "noise_wall": (_noise_wall, SurfaceClass.BARRIER),
}
"""Builder and class of everything that clutters streets; barriers include street furniture."""
