"""Trees, bushes, hedges, tufts and far woods: a trunk, a ragged core, and cards of leaves.

All levels of detail of a plant share one shape: its lobes. A card is a triangle that stands for a
twig; seen from near there are many small ones, from afar few large ones.
"""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_limb, add_tube

_SHADES = ("leaf_dark", "leaf", "leaf_light")
_CARDS = (1250, 360, 100, 34)
"""Cards of a tree at each of its levels."""


def tree(rng: np.random.Generator, height: float = 8.0) -> Model:
    """Build a broad-leaved tree at three levels of detail."""
    return _grow(rng, height, rng.uniform(0.20, 0.30), rng.uniform(0.28, 0.38))


def street_tree(rng: np.random.Generator, height: float = 7.5) -> Model:
    """Build a tree pruned as beside roads: the crown is narrow and begins 2.6 m up or higher."""
    return _grow(rng, height, rng.uniform(0.50, 0.54), rng.uniform(0.22, 0.26), pruned=True)


def _grow(
    rng: np.random.Generator, height: float, bare: float, wide: float, *, pruned: bool = False
) -> Model:
    """Build a tree whose trunk and crown have these shares of its height."""
    trunk, spread = bare * height, wide * height
    lobes = _lobes(rng, trunk, height, spread)
    lowest = 2.85 if pruned else 0.0
    levels = tuple(
        _tree(rng.spawn(1)[0], (trunk, height), lobes, detail, lowest)
        for detail in range(len(_CARDS))
    )
    # Streets have many trees and small ones: they change to fewer cards earlier.
    switch = (11.0, 26.0, 62.0) if pruned else (16.0, 40.0, 80.0)
    return Model(levels=levels, switch=switch, reach=240.0)


def _lobes(rng: np.random.Generator, trunk: float, height: float, spread: float) -> FloatArray:
    """Draw the balls that a crown consists of: centre and radius [m], shape (L, 4)."""
    count = int(rng.integers(9, 14))
    angle = np.arange(count) * 2.4 + rng.uniform(0, 6.3)
    rise = (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count
    # Widest a third up, as crowns that grow in the open are.
    girth = np.interp(rise, [0.0, 0.3, 0.75, 1.0], [0.62, 1.0, 0.72, 0.15])
    radius = spread * rng.uniform(0.34, 0.50, count) * (1.05 - 0.25 * rise)
    away = np.maximum(girth * spread - 0.75 * radius, 0.0) * rng.uniform(0.8, 1.1, count)
    lift = trunk + 0.25 * spread + rise * (height - trunk - 0.6 * spread)
    lift = np.minimum(lift, height - 0.8 * radius)
    return np.column_stack([away * np.cos(angle), away * np.sin(angle), lift, radius])


def _tree(
    rng: np.random.Generator,
    stem: tuple[float, float],
    lobes: FloatArray,
    detail: int,
    lowest: float,
) -> Mesh:
    parts = Parts()
    trunk, height = stem
    thick, fine = 0.021 * height, detail == 0
    bend = rng.uniform(-0.12, 0.12, 2)
    path = [(0, 0, 0), (*bend, trunk * 0.6), (0, 0, trunk * 1.1), (0, 0, 0.75 * height)]
    radii = [thick * 1.3, thick, thick * 0.8, thick * 0.25]
    add_tube(parts, path, radii, "bark", sides=(7, 4, 3, 3)[detail])
    if detail > 1:
        lobes = _merged(lobes, (8, 5)[detail - 2])
    _add_cores(parts, rng, lobes, lowest, (5, 4, 3, 3)[detail])
    # Pruned crowns are small.
    cards = _CARDS[detail] * (0.75 if lowest > 0 else 1.0)
    share = lobes[:, 3] ** 2 / (lobes[:, 3] ** 2).sum()
    for (x, y, z, radius), part in zip(lobes, share, strict=True):
        if fine:
            add_limb(parts, (0, 0, 0.95 * trunk), (x, y, z), 0.4 * thick, 0.12 * thick, "bark", 4)
        count = max(4, round(cards * float(part)))
        _add_cards(parts, rng, np.array([x, y, z]), float(radius), count, lowest)
    return parts.mesh()


def _merged(lobes: FloatArray, count: int) -> FloatArray:
    """Fewer and larger lobes that fill about the same crown, shape (count, 4)."""
    groups = np.array_split(lobes[np.argsort(lobes[:, 2], kind="stable")], count)
    out = []
    for group in groups:
        middle = group[:, :3].mean(0)
        away = np.linalg.norm(group[:, :3] - middle, axis=1)
        out.append(np.append(middle, (0.75 * away + group[:, 3]).mean()))
    return np.array(out)


def _add_cores(
    parts: Parts, rng: np.random.Generator, lobes: FloatArray, lowest: float, sides: int
) -> None:
    """Fill every lobe with a dark ragged body, so that no daylight shines through its middle."""
    around = np.arange(sides) / sides * 2 * np.pi
    ring = np.stack([np.cos(around), np.sin(around), 0 * around], -1)
    unit = np.concatenate([[[0.0, 0.0, 1.0]], ring, [[0.0, 0.0, -1.0]]])
    k = np.arange(sides)
    after = (k + 1) % sides
    fans = np.concatenate(
        [
            np.stack([0 * k, 1 + k, 1 + after], -1),
            np.stack([0 * k + sides + 1, 1 + after, 1 + k], -1),
        ]
    )
    shape = unit * rng.uniform(0.58, 0.86, (len(lobes), len(unit), 1)) * [1, 1, 0.85]
    vertices = lobes[:, None, :3] + shape * lobes[:, None, 3:]
    vertices[..., 2] = np.maximum(vertices[..., 2], lowest)
    faces = fans[None] + len(unit) * np.arange(len(lobes))[:, None, None]
    parts.add(vertices.reshape(-1, 3), faces.reshape(-1, 3), "leaf_dark", smooth=True)


def _add_cards(
    parts: Parts,
    rng: np.random.Generator,
    center: FloatArray,
    radius: float,
    count: int,
    lowest: float = 0.0,
) -> None:
    """Scatter cards over a lobe, facing outward and up; the deeper ones are darker."""
    out = rng.normal(size=(count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    depth = rng.uniform(0.60, 1.0, (count, 1))
    place = out * radius * depth
    size = radius * rng.uniform(2.0, 3.2, (count, 1)) / np.sqrt(count)
    corners = np.stack([place + size * rng.uniform(-1, 1, (count, 3)) for _ in range(3)], 1)
    # No spikes: a card ends where the lobe does, give or take a tenth.
    far = np.linalg.norm(corners, axis=-1, keepdims=True) / (
        radius * rng.uniform(0.95, 1.12, (count, 3, 1))
    )
    corners = center + corners / np.maximum(far, 1.0) * [1, 1, 0.88]
    corners[..., 2] = np.maximum(corners[..., 2], lowest)
    faced = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    corners = np.where(((faced * out).sum(-1) < 0)[:, None, None], corners[:, ::-1], corners)
    light = depth[:, 0] + 0.22 * out[:, 2] + 0.13 * rng.normal(size=count)
    names = np.array(_SHADES)[np.digitize(light, (0.74, 1.0))]
    vertices = corners.reshape(-1, 3)
    parts.add(vertices, np.arange(3 * count).reshape(-1, 3), list(names), smooth=True)
    # Leaves scatter light like the crown as a whole, so they take the normal of the lobe.
    tilt = 0.35 * rng.normal(size=(count, 3))
    normals = np.repeat(out + tilt + np.array([0.0, 0.0, 0.35]), 3, axis=0)
    parts.override_normals(normals)


def conifer(rng: np.random.Generator, height: float = 11.0) -> Model:
    """Build a conifer: whorls of drooping branches, each a card, around a trunk."""
    wide = rng.uniform(0.15, 0.21)
    levels = [_conifer(rng.spawn(1)[0], height, wide, n) for n in ((20, 24), (13, 13), (9, 8))]
    return Model(levels=tuple(levels), switch=(18.0, 50.0), reach=320.0)


def _conifer(rng: np.random.Generator, height: float, wide: float, rank: tuple[int, int]) -> Mesh:
    parts = Parts()
    whorls, branches = rank
    add_tube(parts, [(0, 0, 0), (0, 0, 0.96 * height)], [0.017 * height, 0.02], "bark", sides=5)
    corners, outward = [], []
    for k in range(whorls):
        t = (k + 0.5) / whorls
        z = height * (0.09 + 0.87 * t)
        reach = wide * height * (1 - 0.94 * t) * rng.uniform(0.85, 1.1)
        fall = 0.34 * reach + 0.04 * height / whorls
        for turn in np.arange(branches) / branches * 2 * np.pi + k * 0.7 + rng.normal(0, 0.12):
            long = reach * rng.uniform(0.72, 1.12)
            out = np.array([np.cos(turn), np.sin(turn), 0.0])
            side = np.array([-out[1], out[0], 0.0]) * max(long * 3.2 / branches, 0.12)
            shift = rng.normal(0, 0.28 * height / whorls)
            base = np.array([0.0, 0.0, z + shift + 0.8 * height / whorls])
            tip = out * long + [0, 0, max(z + shift - fall * rng.uniform(0.7, 1.3), 0.1)]
            corners += [[base, tip - side, tip + side]]
            outward.append(out)
    points = np.array(corners)
    count = len(points)
    names = np.array(_SHADES)[np.clip(rng.normal(0.25, 0.45, count).round(), 0, 1).astype(int)]
    parts.add(points.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3), list(names), smooth=True)
    normals = np.array(outward) + 0.25 * rng.normal(size=(count, 3)) + [0, 0, 0.55]
    parts.override_normals(np.repeat(normals, 3, axis=0))
    return parts.mesh()


def bush(rng: np.random.Generator) -> Model:
    """Build a bush about 1.2 m high."""
    lobes = rng.uniform([-0.5, -0.5, 0.35, 0.4], [0.5, 0.5, 0.6, 0.62], (4, 4))
    levels = []
    for cards in (200, 56, 16):
        parts = Parts()
        add_shrub(parts, rng, lobes, cards)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(14.0, 35.0), reach=140.0)


def add_shrub(
    parts: Parts, rng: np.random.Generator, lobes: FloatArray, cards: int, lowest: float = 0.0
) -> None:
    """Add a shrub that consists of balls full of leaves.

    Args:
        parts: Where it is added.
        rng: Random numbers for the leaves.
        lobes: Centre and radius of each ball [m], shape (L, 4).
        cards: Leaves in all.
        lowest: Nothing of it is lower [m].
    """
    _add_cores(parts, rng, lobes, lowest, 5)
    for x, y, z, radius in lobes:
        _add_cards(parts, rng, np.array([x, y, z]), radius, cards // len(lobes), lowest)


def hedge(rng: np.random.Generator, length: float = 4.0, height: float = 1.1) -> Model:
    """Build a clipped hedge along x from the origin, 0.7 m deep."""
    levels = []
    for cards in (300, 90, 24):
        parts = Parts()
        corners = [
            (x, y, z) for x in (0, length) for y in (-0.3, 0.3) for z in (0.0, height - 0.08)
        ]
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        parts.add(np.array(corners), np.array(quads), "leaf_dark")
        count = cards // 3
        for normal, axis in (((0, -1, 0), 1), ((0, 1, 0), 1), ((0, 0, 1), 2)):
            place = rng.uniform([0, -0.32, 0.05], [length, 0.32, height - 0.06], (count, 3))
            place[:, axis] = 0.32 * normal[1] if axis == 1 else height - 0.04
            size = 0.8 / np.sqrt(count / length)
            corner = place[:, None] + size * rng.uniform(-0.5, 0.5, (count, 3, 3)) * (
                np.array([1, 0.3, 1]) if axis == 1 else np.array([1, 1, 0.3])
            )
            corner[..., 2] = np.clip(corner[..., 2], 0.0, height + 0.05)
            names = np.array(_SHADES)[rng.choice(3, count, p=(0.25, 0.5, 0.25))]
            flat = corner.reshape(-1, 3)
            parts.add(flat, np.arange(3 * count).reshape(-1, 3), list(names), smooth=True)
            tilt = np.asarray(normal) + 0.4 * rng.normal(size=(count, 3)) + [0, 0, 0.2]
            parts.override_normals(np.repeat(tilt, 3, axis=0))
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(14.0, 40.0), reach=150.0)


def grove(rng: np.random.Generator, length: float = 26.0) -> Model:
    """Build the edge of a wood as seen from afar: crowns beside crowns along x, 26 m wide."""
    count = 9
    x = np.linspace(-length / 2, length / 2, count) + rng.normal(0, 1.2, count)
    tall = rng.uniform(5.5, 11.5, count)
    aside = rng.normal(0, 2.5, count)
    levels = []
    for cards in (22, 9, 4):
        parts = Parts()
        for at, y, height in zip(x, aside, tall, strict=True):
            for lift, wide in ((0.30, 0.34), (0.66, 0.28)):
                spot = np.array([at, y, lift * height])
                _add_cards(parts, rng, spot, 1.15 * wide * height, cards)
        if cards > 4:
            back = np.column_stack([x, aside + 0.5, 0.4 * tall, 0.42 * tall])
            _add_cores(parts, rng, back, 0.0, 4)
        levels.append(parts.mesh())
    return Model(levels=tuple(levels), switch=(75.0, 170.0), reach=650.0)


def add_tufts(
    parts: Parts, rng: np.random.Generator, places: FloatArray, toward: FloatArray, tall: float
) -> None:
    """Add tufts of grass that are to be seen from one side.

    The blades lean away from that side, so that the side that is lit from above is seen.

    Args:
        parts: Where to add them.
        rng: Random numbers.
        places: Roots (x, y, z) [m], shape (P, 3).
        toward: Heading towards the viewer at each root [rad], shape (P,).
        tall: Mean length of a blade [m].
    """
    blades = 5
    count = len(places) * blades
    root = np.repeat(places, blades, axis=0) + rng.normal(0, 0.08, (count, 3)) * [1, 1, 0]
    turn = np.repeat(toward, blades) + rng.normal(0, 0.45, count)
    front = np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1)
    across = np.stack([-np.sin(turn), np.cos(turn), 0 * turn], -1)
    across *= rng.uniform(0.025, 0.07, (count, 1))
    tip = root - front * rng.uniform(0.1, 0.7, (count, 1)) * tall
    tip += across * rng.normal(0, 1.5, (count, 1)) + [0, 0, tall] * rng.uniform(
        0.5, 1.3, (count, 1)
    )
    corners = np.stack([root - across, root + across, tip], 1)
    parts.add(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3), "blade", smooth=True)
    up = 0.35 * front + np.array([0.0, 0.0, 1.0]) + 0.15 * rng.normal(size=(count, 3))
    parts.override_normals(np.repeat(up, 3, axis=0))
