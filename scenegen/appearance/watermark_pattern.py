"""The pattern of a watermark: a tile of pseudo-random waves, repeated over the picture.

Spread spectrum (Cox et al., 1997, "Secure spread spectrum watermarking for multimedia"): the mark
is a weak sum of many waves whose phases only the key knows. The waves are the harmonics of a tile
(Kutter, 1998, "Watermarking resisting to translation, rotation and scaling", tiles a mark for the
same reason), so that a shift of the picture turns their phases in a known way and a change of
scale moves them along rays. They lie where JPEG quantises finely and halving a picture keeps
them. A third of them synchronises and proves; the others carry the symbols of the payload by
their choice among 256 sets of phases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.appearance.watermark_code import SYMBOLS, VALUES, encode_payload
from scenegen.arrays import FloatArray, IntArray
from scenegen.seeding import stream

TILE_PX = 128
"""Period of the pattern in the picture as it was marked [pixels]."""
LOWEST, HIGHEST = 4.0, 22.0
"""Frequencies of the waves [cycles per tile]: from 0.03 to 0.17 cycles per pixel."""
SYNC_SHARE = 0.33
"""Part of the waves that carries no payload."""
SLOPE = -0.5
"""Exponent of the waves' amplitude over frequency; pictures themselves have about -1."""
KEY = 20_260
"""Seed of the phases. It is public: the mark says what a picture is, it does not defend itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waves:
    """The waves of the pattern, one of each conjugate pair.

    Attributes:
        row: Cycles per tile along the rows' axis, shape (N,).
        column: Cycles per tile along the columns' axis, shape (N,), not negative.
        sync: Indices of the waves that synchronise, shape (S,).
        sync_phase: Their phases [rad], shape (S,).
        symbols: Indices of the waves of each symbol.
        books: Phases of a symbol's waves for each of its values [rad], shape (256, waves).
    """

    row: IntArray
    column: IntArray
    sync: IntArray
    sync_phase: FloatArray
    symbols: tuple[IntArray, ...]
    books: tuple[FloatArray, ...]

    def phases(self, symbols: IntArray) -> FloatArray:
        """Phase of every wave for the symbols of a payload [rad], shape (N,)."""
        out = np.empty(len(self.row))
        out[self.sync] = self.sync_phase
        for waves, book, value in zip(self.symbols, self.books, symbols, strict=True):
            out[waves] = book[value]
        return out


@lru_cache(maxsize=1)
def waves() -> Waves:
    """Draw the pattern's waves from the key."""
    rng = stream(KEY, "watermark")
    cycles = np.arange(-TILE_PX // 2 + 1, TILE_PX // 2)
    row, column = np.meshgrid(cycles, cycles, indexing="ij")
    radius = np.hypot(row, column)
    one_of_pair = (column > 0) | ((column == 0) & (row > 0))
    chosen = one_of_pair & (radius >= LOWEST) & (radius <= HIGHEST)
    row, column = row[chosen], column[chosen]
    order = rng.permutation(len(row))
    count = round(SYNC_SHARE * len(row))
    parts = np.array_split(order[count:], SYMBOLS)
    turn = 2 * np.pi
    return Waves(
        row=row,
        column=column,
        sync=np.sort(order[:count]),
        sync_phase=rng.uniform(0, turn, count),
        symbols=tuple(np.sort(part) for part in parts),
        books=tuple(rng.uniform(0, turn, (VALUES, len(part))) for part in parts),
    )


@lru_cache(maxsize=64)
def tile(payload: int) -> FloatArray:
    """Give one period of the pattern, mean 0, variance 1, shape (TILE_PX, TILE_PX), float32.

    Args:
        payload: Integer of PAYLOAD_BITS bits.

    Raises:
        ValueError: The payload has more bits.
    """
    drawn = waves()
    radius = np.hypot(drawn.row, drawn.column)
    value = radius**SLOPE * np.exp(1j * drawn.phases(encode_payload(payload)))
    spectrum = np.zeros((TILE_PX, TILE_PX), np.complex128)
    spectrum[drawn.row % TILE_PX, drawn.column % TILE_PX] = value
    spectrum[-drawn.row % TILE_PX, -drawn.column % TILE_PX] = value.conj()
    pattern = np.fft.ifft2(spectrum).real
    out = (pattern / pattern.std()).astype(np.float32)
    out.setflags(write=False)
    return out
