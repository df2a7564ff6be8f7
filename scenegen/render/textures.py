"""Seeded bitmaps that rasteriser and path tracer share: colour, glass, roughness and water.

RGB modulates the albedo, 128 standing for a factor of one; A marks glass: 0 is wall, about 100 a
dark pane, 255 a lit pane. The finish of a bitmap modulates the roughness of its material (128: a
factor of one) and tells how readily water stands on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.bitmaps import PAINTERS
from scenegen.render.facades import FACADES, LIT_PANE, PANE, paint_facade
from scenegen.render.noise import EDGE, UNIT
from scenegen.seeding import stream

__all__ = [
    "EDGE",
    "LEVELS",
    "LEVEL_START",
    "LIT_PANE",
    "PANE",
    "UNIT",
    "Textures",
    "draw_textures",
]

LEVELS = 9
"""Mip levels per bitmap, from EDGE texels down to one."""
LEVEL_START = np.concatenate([[0], np.cumsum([(EDGE >> k) ** 2 for k in range(LEVELS)])])
"""Offset of each level in the texels of a bitmap."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Textures:
    """Bitmaps with their mip levels.

    Attributes:
        names: Name of each bitmap.
        texels: Colour and glass, shape (B, LEVEL_START[-1], 4), uint8.
        finish: Factor on the roughness and readiness to hold water, shape
            (B, LEVEL_START[-1], 2), uint8.
    """

    names: tuple[str, ...]
    texels: IntArray
    finish: IntArray

    def bitmap(self, name: str) -> IntArray:
        """Give the full-size colour and glass, shape (EDGE, EDGE, 4), uint8."""
        return self._full(self.texels, name)

    def finish_bitmap(self, name: str) -> IntArray:
        """Give the full-size roughness and water, shape (EDGE, EDGE, 2), uint8."""
        return self._full(self.finish, name)

    def _full(self, texels: IntArray, name: str) -> IntArray:
        return texels[self.names.index(name), : EDGE * EDGE].reshape(EDGE, EDGE, -1)


def draw_textures(seed: int, lit_share: float) -> Textures:
    """Draw every bitmap.

    Args:
        seed: Seed of the scenario.
        lit_share: Share of the panes with light behind them, 0-1.
    """
    sheets = {name: paint(stream(seed, "texture", name)) for name, paint in PAINTERS.items()}
    for name in FACADES:
        rng = stream(seed, "texture", "facade", name)
        sheets[f"facade_{name}"] = paint_facade(rng, name, lit_share)
    return Textures(
        names=tuple(sheets),
        texels=np.stack([_mip_chain(sheet.color) for sheet in sheets.values()]),
        finish=np.stack([_mip_chain(sheet.finish) for sheet in sheets.values()]),
    )


def _mip_chain(bitmap: FloatArray) -> IntArray:
    """Levels of a bitmap end to end, each the mean of four texels of the one before."""
    channels = bitmap.shape[-1]
    levels, level = [], np.asarray(bitmap, np.float64)
    for _ in range(LEVELS):
        levels.append(level.reshape(-1, channels))
        if len(level) > 1:
            quarter = (level[::2, ::2] + level[1::2, ::2]) + (level[::2, 1::2] + level[1::2, 1::2])
            level = 0.25 * quarter
    return np.clip(np.rint(np.concatenate(levels)), 0, 255).astype(np.uint8)
