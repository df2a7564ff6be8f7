"""Bitmaps of ground, paint, plants and small things; facades have a file of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.noise import EDGE, Canvas, canvas, fractal, noise

_ROW = np.arange(EDGE)[:, None]
_COLUMN = np.arange(EDGE)[None, :]
_ACROSS = (np.arange(EDGE)[None, :] + 0.5) / EDGE


def _bump(center: float, half_width: float) -> FloatArray:
    """Bell over the width of the bitmap, 1 at the centre, shape (1, EDGE)."""
    return np.asarray(np.exp(-(((_ACROSS - center) / half_width) ** 2)))


def _cracks(rng: np.random.Generator, cells: int, width: float, where: FloatArray) -> FloatArray:
    """Lines along which noise changes sign: 1 inside a crack, 0 elsewhere."""
    field = noise(rng, cells) + 0.4 * noise(rng, 4 * cells)
    return np.asarray((np.abs(field) < width) & (where > 0.45), np.float64)


def _asphalt(rng: np.random.Generator) -> Canvas:
    """Asphalt off the tracks: grains, stains, crazing."""
    grain = 0.08 * noise(rng, 256) + 0.03 * noise(rng, 128)
    stains = 0.05 * fractal(rng, 4, 4)
    crazed = _cracks(rng, 16, 0.05, noise(rng, 4))
    hollow = np.clip(0.5 + 0.4 * fractal(rng, 2, 3), 0, 1)
    factor = np.clip(1 + grain + stains - 0.4 * crazed, 0.25, 1.95)
    return canvas(factor, 1 + 0.10 * noise(rng, 64) + 0.1 * crazed, hollow)


def _lane(rng: np.random.Generator) -> Canvas:
    """Asphalt under traffic: one lane across, 14 m along; polished tracks, oil in the middle."""
    tracks = _bump(0.26, 0.085) + _bump(0.74, 0.085)
    along = 0.5 * noise(rng, 16, 1) + 0.5 * noise(rng, 64, 2)
    patchy = 1 + 0.35 * noise(rng, 4, 8)
    grain = 0.12 * noise(rng, 256) + 0.06 * noise(rng, 128, 256)
    oil = _bump(0.5, 0.09) * np.clip(0.10 + 0.035 * noise(rng, 8, 16), 0, 0.2)
    dust = 0.05 * (_bump(0.0, 0.05) + _bump(1.0, 0.05))
    drips = (noise(rng, 64, 128) > 2.6) * _bump(0.5, 0.12) * 0.25
    factor = 1 + grain + 0.03 * along + (0.075 * tracks * patchy) - oil + dust - drips
    factor -= 0.28 * _cracks(rng, 8, 0.03, noise(rng, 4)) * (1 - 0.5 * tracks)
    factor += 0.03 * fractal(rng, 2, 4)
    return canvas(np.clip(factor, 0.3, 1.9), 1 - 0.16 * tracks + 0 * along, 0.25 + 0.5 * tracks)


def _line(rng: np.random.Generator) -> Canvas:
    """Paint on asphalt: dirty, and worn through to the stones here and there."""
    dirt = 0.90 + 0.05 * fractal(rng, 8, 3)
    worn = fractal(rng, 8, 5, 0.75) > 1.55
    factor = np.where(worn, 0.24 + 0.05 * noise(rng, 256), dirt + 0.03 * noise(rng, 256))
    tint = np.where(worn[..., None], 1.0, np.array([1.0, 0.995, 0.97]))
    return canvas(np.clip(factor, 0.1, 1.1)[..., None] * tint, np.where(worn, 1.1, 0.7))


def _wear(rng: np.random.Generator) -> Canvas:
    """Cloth, and things that stand in the street."""
    factor = 0.97 + 0.06 * noise(rng, 64) + 0.07 * noise(rng, 16) - 0.04 * noise(rng, 32, 4)
    return canvas(np.clip(factor, 0.5, 1.2), 1 + 0.1 * noise(rng, 16))


def _concrete(rng: np.random.Generator) -> Canvas:
    stains = 0.07 * fractal(rng, 4, 4) + 0.06 * np.minimum(noise(rng, 64, 4), 0.5)
    return canvas(np.clip(1 + 0.05 * noise(rng, 128) + stains, 0.4, 1.5), 1 + 0.1 * noise(rng, 32))


def _kerb(rng: np.random.Generator) -> Canvas:
    """Kerb stones of one metre with dark joints."""
    stone = np.repeat(1 + 0.06 * rng.normal(size=4), EDGE // 4)[None, :]
    joint = (_COLUMN % (EDGE // 4) < 2) * 0.45
    factor = stone + 0.07 * noise(rng, 128) + 0.06 * fractal(rng, 8, 3) - joint
    return canvas(np.clip(factor, 0.2, 1.6))


def _paving(rng: np.random.Generator) -> Canvas:
    """Slabs of 38 cm with joints, some replaced, gum and stains."""
    slabs = np.kron(1 + 0.055 * rng.normal(size=(8, 8)), np.ones((32, 32)))
    joint = ((_ROW % 32 == 0) | (_COLUMN % 32 == 0)) * 0.32
    gum = (noise(rng, 64) > 2.7) * 0.3
    factor = slabs + 0.05 * noise(rng, 256) + 0.05 * fractal(rng, 4, 4) - joint - gum
    return canvas(np.clip(factor, 0.3, 1.6), 1.0 - 0.1 * noise(rng, 8), 0.2 + joint)


def _gravel(rng: np.random.Generator) -> Canvas:
    stones = 0.22 * noise(rng, 256) + 0.16 * noise(rng, 128) + 0.08 * fractal(rng, 8, 3)
    return canvas(np.clip(1 + stones, 0.3, 1.9))


def _iron(rng: np.random.Generator) -> Canvas:
    """Cast iron covers: a lattice of studs, worn bright."""
    studs = ((_ROW // 12 + _COLUMN // 12) % 2) * 0.25
    return canvas(np.clip(0.85 + studs + 0.12 * noise(rng, 64), 0.3, 1.6), 0.7)


def _grass(rng: np.random.Generator) -> Canvas:
    """Meadow: tufts, dry and bare spots, no lawn."""
    tufts = 0.17 * noise(rng, 256) + 0.15 * noise(rng, 64) + 0.10 * noise(rng, 16)
    factor = np.clip(0.95 + tufts + 0.10 * noise(rng, 4), 0.3, 1.95)[..., None]
    dry = np.clip(0.35 + 0.45 * fractal(rng, 4, 4), 0, 1)[..., None]
    tint = 1 + dry * np.array([0.55, 0.22, 0.05])
    bare = np.clip(3 * (fractal(rng, 8, 3) - 1.55), 0, 1)[..., None]
    color = factor * tint
    return canvas(color + bare * (np.array([1.5, 1.05, 1.3]) - color), 1.0, 0.3)


def _wood(rng: np.random.Generator) -> Canvas:
    """Wooded hills from afar: crowns beside crowns."""
    crowns = 0.24 * noise(rng, 64) + 0.18 * noise(rng, 128) + 0.14 * fractal(rng, 4, 3)
    color = np.clip(1 + crowns, 0.25, 1.9)[..., None] * np.ones(3)
    color *= 1 + np.clip(0.14 * fractal(rng, 2, 4), -0.2, 0.4)[..., None] * [1.0, 0.5, 0.2]
    return canvas(color)


def _leaf(rng: np.random.Generator) -> Canvas:
    factor = np.clip(1 + 0.42 * noise(rng, 64) + 0.26 * noise(rng, 128), 0.2, 1.95)
    warm = 1 + 0.05 * noise(rng, 16)[..., None] * [1.0, 0.2, -0.3]
    return canvas(factor[..., None] * warm, 0.9)


def _bark(rng: np.random.Generator) -> Canvas:
    ridges = 0.24 * noise(rng, 64, 8) + 0.12 * noise(rng, 128, 32)
    return canvas(np.clip(1 + ridges + 0.08 * fractal(rng, 4, 3), 0.35, 1.8))


def _roof_tiles(rng: np.random.Generator) -> Canvas:
    """Rows of overlapping tiles, 20 by 28 cm."""
    rows = _ROW // 24
    tone = 1 + 0.14 * rng.normal(size=(EDGE // 24 + 1, 16))
    shift = (_COLUMN + 8 * (rows % 2)) // 16 % 16
    edge = np.where(_ROW % 24 < 4, 0.45, 0.0) + np.where(
        (_COLUMN + 8 * (rows % 2)) % 16 < 1, 0.2, 0
    )
    moss = 0.10 * fractal(rng, 4, 4)
    return canvas(np.clip(tone[rows, shift] - edge + moss, 0.25, 1.6))


def _awning(rng: np.random.Generator) -> Canvas:
    """Canvas with broad stripes, faded."""
    stripes = np.where(_COLUMN // 32 % 2 == 0, 1.0, 0.72) + 0.06 * fractal(rng, 4, 4)
    return canvas(np.clip(stripes * np.ones((EDGE, 1)), 0.3, 1.3))


def _box(rng: np.random.Generator) -> Canvas:
    """Walls of box bodies: riveted seams every 1.1 m, dirt that rises from below."""
    seams = (_COLUMN % 32 < 1) * 0.16
    streaks = 0.06 * np.minimum(noise(rng, 128, 4), 0.3) + 0.04 * fractal(rng, 4, 4)
    return canvas(np.clip(1 - seams + streaks + 0 * _ROW, 0.4, 1.2))


def _plate(rng: np.random.Generator) -> Canvas:
    """Licence plates: dark strokes without a meaning, 12 by 10 cm apart."""
    cell = _COLUMN % 32
    strokes = rng.random((8, 8)) < 0.85
    inked = (cell > 6) & (cell < 26) & (_ROW % 28 > 5) & (_ROW % 28 < 22)
    hollow = (noise(rng, 64) > 0.2) & strokes[(_ROW // 32) % 8, (_COLUMN // 32) % 8]
    return canvas(np.where(inked & hollow, 0.22, 0.95))


PAINTERS: dict[str, Callable[[np.random.Generator], Canvas]] = {
    "asphalt": _asphalt,
    "lane": _lane,
    "line": _line,
    "wear": _wear,
    "concrete": _concrete,
    "kerb": _kerb,
    "paving": _paving,
    "gravel": _gravel,
    "iron": _iron,
    "grass": _grass,
    "wood": _wood,
    "leaf": _leaf,
    "bark": _bark,
    "roof_tiles": _roof_tiles,
    "awning": _awning,
    "box": _box,
    "plate": _plate,
}
"""Painter of each bitmap by name."""
