"""Seeded bitmaps that rasteriser and path tracer share: RGB modulates the albedo, A marks glass.

RGB 128 stands for a factor of one. Alpha 0 is wall, about 100 is a dark pane, 255 a lit pane.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.seeding import stream

EDGE = 256
"""Texels along an edge of every bitmap, a power of two."""
LEVELS = 9
"""Mip levels per bitmap, from EDGE texels down to one."""
LEVEL_START = np.concatenate([[0], np.cumsum([(EDGE >> k) ** 2 for k in range(LEVELS)])])
"""Offset of each level in the texels of a bitmap."""
UNIT = 128.0
"""Value that stands for a factor of one."""
PANE, LIT_PANE = 100, 255
"""Alpha of dark and of lit glass."""
CELL = EDGE // 4
"""Texels along a bay of a facade: four bays and four storeys share a bitmap."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Textures:
    """Bitmaps with their mip levels.

    Attributes:
        names: Name of each bitmap.
        texels: Shape (B, LEVEL_START[-1], 4), uint8.
    """

    names: tuple[str, ...]
    texels: IntArray

    def bitmap(self, name: str) -> IntArray:
        """Give the full-size bitmap, shape (EDGE, EDGE, 4), uint8."""
        return self.texels[self.names.index(name), : EDGE * EDGE].reshape(EDGE, EDGE, 4)


def draw_textures(seed: int, lit_share: float) -> Textures:
    """Draw every bitmap.

    Args:
        seed: Seed of the scenario.
        lit_share: Share of the panes with light behind them, 0-1.
    """
    painters = {
        "asphalt": _asphalt,
        "wear": _wear,
        "concrete": _concrete,
        "paving": _paving,
        "grass": _grass,
        "leaf": _leaf,
    }
    bitmaps = {name: paint(stream(seed, "texture", name)) for name, paint in painters.items()}
    for name in ("brick", "plaster", "office", "shop"):
        rng = stream(seed, "texture", "facade", name)
        bitmaps[f"facade_{name}"] = _facade(rng, name, lit_share)
    texels = np.stack([_mip_chain(bitmap) for bitmap in bitmaps.values()])
    return Textures(names=tuple(bitmaps), texels=texels)


def _mip_chain(bitmap: FloatArray) -> IntArray:
    levels, level = [], bitmap
    for _ in range(LEVELS):
        levels.append(level.reshape(-1, 4))
        if len(level) > 1:
            level = level.reshape(len(level) // 2, 2, len(level) // 2, 2, 4).mean((1, 3))
    return np.clip(np.rint(np.concatenate(levels)), 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, cells: int, cells_y: int | None = None) -> FloatArray:
    """Smooth tileable noise of about unit variance with a number of cells along the edge."""
    grid = rng.normal(size=(cells_y or cells, cells))
    if grid.shape == (EDGE, EDGE):
        return grid
    padded = np.pad(grid, 2, mode="wrap").astype(np.float32)
    step = (EDGE // grid.shape[1], EDGE // grid.shape[0])
    large = cv2.resize(
        padded,
        (padded.shape[1] * step[0], padded.shape[0] * step[1]),
        interpolation=cv2.INTER_CUBIC,
    )
    return large[2 * step[1] : 2 * step[1] + EDGE, 2 * step[0] : 2 * step[0] + EDGE].astype(
        np.float64
    )


def _grey(factor: FloatArray) -> FloatArray:
    out = np.zeros((EDGE, EDGE, 4))
    out[..., :3] = UNIT * factor[..., None]
    return out


def _asphalt(rng: np.random.Generator) -> FloatArray:
    fine = 0.09 * _noise(rng, 256) + 0.03 * _noise(rng, 128)
    patches = 0.035 * _noise(rng, 8) + 0.02 * _noise(rng, 16) + 0.03 * _noise(rng, 4)
    cracks = np.abs(_noise(rng, 8) + 0.35 * _noise(rng, 32)) < 0.022
    cracked = cracks & (_noise(rng, 4) > 0.35)
    return _grey(np.clip(1 + fine + patches - 0.42 * cracked, 0.3, 1.9))


def _wear(rng: np.random.Generator) -> FloatArray:
    return _grey(np.clip(0.97 + 0.07 * _noise(rng, 64) + 0.07 * _noise(rng, 16), 0.5, 1.2))


def _concrete(rng: np.random.Generator) -> FloatArray:
    stains = 0.06 * _noise(rng, 8) + 0.05 * _noise(rng, 32, 4)
    return _grey(np.clip(1 + 0.05 * _noise(rng, 128) + stains, 0.5, 1.5))


def _paving(rng: np.random.Generator) -> FloatArray:
    slabs = np.kron(1 + 0.09 * rng.normal(size=(8, 8)), np.ones((32, 32)))
    joint = np.zeros((EDGE, EDGE))
    joint[::32], joint[:, ::32] = 1, 1
    return _grey(np.clip(slabs + 0.05 * _noise(rng, 256) - 0.35 * joint, 0.3, 1.6))


def _grass(rng: np.random.Generator) -> FloatArray:
    tufts = 0.2 * _noise(rng, 256) + 0.16 * _noise(rng, 64) + 0.14 * _noise(rng, 16)
    out = _grey(np.clip(1 + tufts + 0.12 * _noise(rng, 4), 0.3, 1.95))
    dry = np.clip(0.5 * _noise(rng, 8) + 0.3 * _noise(rng, 32), 0, 1)[..., None]
    out[..., :3] *= 1 + dry * np.array([0.35, 0.08, 0.0])
    return np.minimum(out, 255)


def _leaf(rng: np.random.Generator) -> FloatArray:
    return _grey(np.clip(1 + 0.33 * _noise(rng, 64) + 0.2 * _noise(rng, 128), 0.25, 1.9))


def _facade(rng: np.random.Generator, style: str, lit_share: float) -> FloatArray:
    out = np.zeros((EDGE, EDGE, 4))
    out[..., :3] = UNIT * _wall(rng, style)
    for storey in range(4):
        for bay in range(4):
            y, x = CELL * storey, CELL * bay
            cell = out[y : y + CELL, x : x + CELL]
            _cut_window(rng, cell, style, lit=rng.random() < lit_share)
    return np.clip(out, 0, 255)


def _wall(rng: np.random.Generator, style: str) -> FloatArray:
    """Linear albedo factors of the bare wall, shape (EDGE, EDGE, 3); 1 stands for albedo 1."""
    stains = 1 + 0.05 * _noise(rng, 32, 4) + 0.05 * _noise(rng, 8) + 0.04 * _noise(rng, 128)
    if style == "brick":
        rows = np.arange(EDGE)
        bricks = 1 + 0.14 * np.kron(rng.normal(size=(64, 32)), np.ones((4, 8)))
        joint = (rows % 4 == 0)[:, None] | ((rows[None, :] + 4 * (rows[:, None] // 4 % 2)) % 8 == 0)
        base = np.where(joint, 0.34, 0.30 * bricks)[..., None] * [1.0, 0.62, 0.48]
    elif style == "office":
        base = np.full((EDGE, EDGE, 1), 0.34) * [1.0, 1.0, 1.02]
    else:
        base = np.full((EDGE, EDGE, 1), 0.46) * [1.0, 0.97, 0.90]
    return base * stains[..., None]


def _cut_window(rng: np.random.Generator, cell: FloatArray, style: str, *, lit: bool) -> None:
    """Paint one bay: a window with frame, bars, sill and perhaps a curtain. Row 0 is below."""
    left, right, low, high = {
        "brick": (18, 46, 18, 52),
        "plaster": (16, 48, 18, 52),
        "office": (3, 61, 20, 56),
        "shop": (4, 60, 8, 48),
    }[style]
    frame = rng.choice([0.6, 0.5, 0.1]) if style not in {"office", "shop"} else 0.08
    cell[low - 3 : low, left - 3 : right + 3, :3] = 0.45 * UNIT
    cell[low : high + 2, left - 2 : right + 2, :3] = frame * UNIT
    # The reveal throws a shadow on the upper rim: cheap depth.
    cell[high : high + 2, left - 2 : right + 2, :3] = 0.08 * UNIT
    pane = cell[low + 1 : high, left:right]
    pane[..., :3] = rng.uniform(0.02, 0.06) * UNIT
    pane[..., 3] = LIT_PANE * rng.uniform(0.75, 1.0) if lit else PANE
    if style in {"brick", "plaster"} and rng.random() < 0.4:
        drop = int(rng.integers(4, 20))
        pane[-drop:, :, :3] = 0.38 * UNIT
        pane[-drop:, :, 3] *= 0.3
    middle = (left + right) // 2
    bars = (middle,) if style != "office" else (left + 14, left + 28, left + 43)
    for bar in bars:
        cell[low + 1 : high, bar : bar + 2, :3] = frame * UNIT
        cell[low + 1 : high, bar : bar + 2, 3] = 0
    if style == "shop":
        cell[50:61, 2:62, :3] = UNIT * rng.uniform(0.05, 0.5, 3)
        cell[50:61, 2:62, 3] = 0
