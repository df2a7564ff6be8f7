"""Bitmaps of facades: four bays by four storeys of wall with windows, lit or dark.

Where the windows are is a table, so that near houses have real openings at the very same place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.noise import EDGE, UNIT, Canvas, fractal, noise

PANE, LIT_PANE = 100, 255
"""Alpha of dark and of lit glass."""
CELL = EDGE // 4
"""Texels along a bay of a facade: four bays and four storeys share a bitmap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facade:
    """Design of a facade; places are in texels of a bay, row 0 below.

    Attributes:
        window: Left, right, lower and upper edge of the opening.
        bars: Columns of the upright bars of a window.
        frames: Albedos that the window frames may have.
        curtained: Share of the windows with a curtain or blind.
    """

    window: tuple[int, int, int, int]
    bars: tuple[int, ...]
    frames: tuple[float, ...]
    curtained: float


FACADES: dict[str, Facade] = {
    "brick": Facade(window=(19, 45, 18, 52), bars=(31,), frames=(0.6, 0.5, 0.1), curtained=0.45),
    "ashlar": Facade(window=(20, 44, 14, 52), bars=(31,), frames=(0.55, 0.3), curtained=0.35),
    "plaster": Facade(window=(15, 49, 18, 50), bars=(26, 37), frames=(0.6, 0.5), curtained=0.45),
    "panel": Facade(window=(8, 56, 20, 48), bars=(22, 40), frames=(0.5, 0.12), curtained=0.3),
    "office": Facade(window=(3, 61, 20, 57), bars=(17, 31, 46), frames=(0.08,), curtained=0.12),
    "hall": Facade(window=(8, 56, 38, 54), bars=(20, 31, 43), frames=(0.12,), curtained=0.0),
    "shop": Facade(window=(4, 60, 7, 46), bars=(31,), frames=(0.07, 0.3), curtained=0.0),
}
"""Facades by name."""

FASCIAS = (
    (0.055, 0.075, 0.125),
    (0.12, 0.028, 0.03),
    (0.035, 0.07, 0.05),
    (0.32, 0.30, 0.27),
    (0.05, 0.05, 0.05),
    (0.20, 0.13, 0.06),
    (0.42, 0.42, 0.41),
    (0.10, 0.085, 0.12),
)
"""Colours of the boards over shop windows: painted wood and plastic, faded; linear RGB."""


def paint_facade(rng: np.random.Generator, name: str, lit_share: float) -> Canvas:
    """Paint the facade of a name in FACADES.

    Args:
        rng: Random numbers.
        name: Which.
        lit_share: Share of the windows with light behind them, 0-1.
    """
    facade = FACADES[name]
    color = np.zeros((EDGE, EDGE, 4))
    color[..., :3] = UNIT * _wall(rng, name)
    for storey in range(4):
        for bay in range(4):
            y, x = CELL * storey, CELL * bay
            cell = color[y : y + CELL, x : x + CELL]
            _cut_window(rng, cell, facade, lit=rng.random() < lit_share)
            if name == "shop":
                _add_shop(rng, cell)
    finish = np.full((EDGE, EDGE, 2), (UNIT, 0.0))
    # Panes are as smooth as glass: 0.015 against the 0.85 of the wall.
    finish[color[..., 3] > PANE / 2, 0] = UNIT * 0.018
    return Canvas(color=np.clip(color, 0, 255), finish=finish)


def _wall(rng: np.random.Generator, name: str) -> FloatArray:
    """Linear albedo factors of the bare wall, shape (EDGE, EDGE, 3); 1 stands for albedo 1."""
    streaks = 0.05 * np.minimum(noise(rng, 64, 4), 0.4)
    stains = 1 + streaks + 0.05 * fractal(rng, 4, 4) + 0.03 * noise(rng, 128)
    if name == "brick":
        base = _bricks(rng)
    elif name == "ashlar":
        rows, columns = np.arange(EDGE)[:, None], np.arange(EDGE)[None, :]
        joint = (rows % 16 == 0) | ((columns + 16 * (rows // 16 % 2)) % 32 == 0)
        stones = np.kron(1 + 0.06 * rng.normal(size=(16, 16)), np.ones((16, 16)))
        base = np.where(joint, 0.24, 0.38 * stones)[..., None] * [1.0, 0.94, 0.82]
    elif name == "panel":
        rows, columns = np.arange(EDGE)[:, None], np.arange(EDGE)[None, :]
        joint = (rows % CELL == 0) | (columns % CELL == 0)
        base = np.where(joint, 0.16, 0.36)[..., None] * [1.0, 0.985, 0.95]
    elif name == "office":
        base = np.full((EDGE, EDGE, 1), 0.30) * [1.0, 1.0, 1.02]
    elif name == "hall":
        ribs = 1 - 0.16 * (np.arange(EDGE)[None, :] % 8 < 2) * np.ones((EDGE, 1))
        base = 0.38 * ribs[..., None] * [0.98, 1.0, 0.98]
    else:
        base = np.full((EDGE, EDGE, 1), 0.44) * [1.0, 0.97, 0.91]
    return np.asarray(base * stains[..., None])


def _bricks(rng: np.random.Generator) -> FloatArray:
    rows = np.arange(EDGE)
    bricks = 1 + 0.17 * np.kron(rng.normal(size=(64, 32)), np.ones((4, 8)))
    hue = 0.05 * np.kron(rng.normal(size=(64, 32, 1)), np.ones((4, 8, 1))) * [0.0, 1.0, 1.0]
    joint = (rows % 4 == 0)[:, None] | ((rows[None, :] + 4 * (rows[:, None] // 4 % 2)) % 8 == 0)
    tone = np.array([1.0, 0.60, 0.45]) + hue
    return np.where(joint[..., None], [0.26, 0.24, 0.21], 0.26 * bricks[..., None] * tone)


def _cut_window(rng: np.random.Generator, cell: FloatArray, facade: Facade, *, lit: bool) -> None:
    """Paint one bay: a window with frame, bars, sill and perhaps a curtain. Row 0 is below."""
    left, right, low, high = facade.window
    frame = float(rng.choice(facade.frames))
    cell[low - 3 : low, left - 3 : right + 3, :3] = 0.40 * UNIT
    cell[low : high + 2, left - 2 : right + 2, :3] = frame * UNIT
    # The reveal throws a shadow on the upper rim: cheap depth.
    cell[high : high + 2, left - 2 : right + 2, :3] = 0.08 * UNIT
    pane = cell[low + 1 : high, left:right]
    pane[..., :3] = rng.uniform(0.015, 0.05) * UNIT
    pane[..., 3] = LIT_PANE * rng.uniform(0.6, 1.0) if lit else PANE
    if rng.random() < facade.curtained:
        _hang_curtain(rng, pane)
    for bar in facade.bars:
        cell[low + 1 : high, bar : bar + 2, :3] = frame * UNIT
        cell[low + 1 : high, bar : bar + 2, 3] = 0
    if rng.random() < 0.5 and high - low > 24:
        rail = low + 2 * (high - low) // 3
        cell[rail : rail + 2, left:right, :3] = frame * UNIT
        cell[rail : rail + 2, left:right, 3] = 0


def _hang_curtain(rng: np.random.Generator, pane: FloatArray) -> None:
    """Draw a blind from above, or curtains from both sides, behind the glass."""
    height, width = pane.shape[:2]
    cloth = rng.uniform(0.16, 0.36) * UNIT
    if rng.random() < 0.5:
        drop = int(rng.integers(4, max(5, 2 * height // 3)))
        spots: tuple[tuple[slice, slice], ...] = ((slice(-drop, None), slice(None)),)
    else:
        reach = int(rng.integers(2, max(3, width // 3)))
        spots = ((slice(None), slice(reach)), (slice(None), slice(-reach, None)))
    for spot in spots:
        pane[(*spot, slice(3))] = cloth
        pane[(*spot, 3)] *= 0.45


def _add_shop(rng: np.random.Generator, cell: FloatArray) -> None:
    """Goods behind the glass, a board with something like lettering above, a dark plinth."""
    cell[:6, :, :3] *= 0.45
    left, right, low, high = FACADES["shop"].window
    goods = int(rng.integers(low + 6, low + 22))
    for column in range(left + 2, right - 4, int(rng.integers(5, 9))):
        top = goods - int(rng.integers(0, 6))
        cell[low + 2 : top, column : column + 4, :3] = UNIT * rng.uniform(0.03, 0.22, 3)
    board = np.array(FASCIAS[int(rng.integers(len(FASCIAS)))])
    cell[high + 2 : high + 15, 1:63, :3] = UNIT * board * rng.uniform(0.8, 1.2)
    cell[high + 2 : high + 15, 1:63, 3] = 0
    ink = 0.6 if board.max() < 0.25 else 0.04
    at = int(rng.integers(6, 16))
    for _ in range(int(rng.integers(4, 9))):
        wide = int(rng.integers(2, 5))
        if at + wide > 58:
            break
        cell[high + 6 : high + 11, at : at + wide, :3] = UNIT * ink
        at += wide + 2
