"""Looking for a watermark: a picture's phases at the pattern's waves, at every scale and shift.

The picture is evened out, and its Fourier transform is taken at exactly the frequencies that the
waves have at an assumed scale. Phases count more than sizes there (Horner and Gianino, 1984,
"Phase-only matched filtering"), since the sizes are mostly the picture's own.

The statistic of one scale and shift is S = sum_k w_k cos(phase_k - key_k) with sum_k w_k^2 = N,
where the weights w depend on the picture alone. For a picture that knows nothing of the key the
N differences are independent and uniform on the circle, whatever the picture is, so that
E exp(t S) = prod_k I0(t w_k) <= exp(t^2 N / 4) and, with the best t (Chernoff, 1952),

    P(S >= s) <= exp(-s^2 / N).

The largest S over all scales and shifts that are tried is compared with that bound times their
number (Bonferroni), which makes the p-value valid without any assumption about pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numba as nb
import numpy as np

from scenegen.appearance.watermark_pattern import TILE_PX, Waves, waves
from scenegen.arrays import Array, FloatArray

FINE_SIGMA, COARSE_SIGMA = 2.5, 4.0
"""Widths of the windows for mean and standard deviation when a picture is evened out [pixels]."""
QUIETEST = 0.7
"""Standard deviation that is added before dividing, so that noise of flat areas stays small."""
LOUDNESS = 0.5
"""Exponent of a wave's size in its weight."""
SHIFTS = TILE_PX
"""Shifts tried per axis: whole pixels of the marked picture."""
USUAL_SCALES = (1.0, 0.5, 0.75, 1.5, 2.0)
"""Scales that are tried before all others."""
DRIFT_PX = 0.5
"""Largest error of place within a picture that a scale between two tried ones may cause."""


NEARBY = 16
"""Scales tried around the best one, between its neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """How well the pattern fits at the best scale and shift.

    Attributes:
        exponent: s^2 / N of the largest S [nats]; 0 where S is not positive.
        scale: Size of the picture relative to the marked one.
        shift: Rows and columns of the pattern before the picture's corner [marked pixels].
        phases: Value of every wave after the shift, w exp(i phase), shape (N,), complex.
    """

    exponent: float
    scale: float
    shift: tuple[int, int]
    phases: FloatArray


def even_out(rgb: Array) -> FloatArray:
    """Give the detail of a picture's brightness, equally strong everywhere, shape (H, W)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey = rgb.astype(np.float32) @ weights
    detail = grey - cv2.GaussianBlur(grey, (0, 0), FINE_SIGMA)
    power = cv2.GaussianBlur(detail * detail, (0, 0), COARSE_SIGMA)
    return np.asarray(detail / (np.sqrt(power) + np.float32(QUIETEST)))


def all_scales(width_px: int, lowest: float, highest: float) -> FloatArray:
    """Give the scales to try, ascending, so close that the pattern never drifts by much.

    Args:
        width_px: Longer edge of the picture.
        lowest: Smallest scale.
        highest: Largest scale.
    """
    # A relative error e of the scale moves what is half a width from the middle by e/2 of the
    # width, in marked pixels; neighbours are twice the allowed error apart.
    out = [lowest]
    while out[-1] < highest:
        out.append(out[-1] * (1.0 + 4.0 * DRIFT_PX * out[-1] / width_px))
    out[-1] = highest
    return np.array(out)


def nearby_scales(scale: float, width_px: int) -> FloatArray:
    """Give NEARBY scales around one that fits roughly, arguments as for `all_scales`.

    A pattern that fits well is found some steps away from its true scale, too.
    """
    step = 4.0 * DRIFT_PX * scale / width_px
    return np.asarray(scale * (1.0 + step * np.linspace(-3.0, 3.0, NEARBY)))


def matches(detail: FloatArray, scales: FloatArray) -> Iterator[Match]:
    """Match the pattern at each scale in turn.

    Args:
        detail: From `even_out`.
        scales: Size of the picture relative to the marked one.
    """
    drawn = waves()
    for scale in scales:
        yield _match(detail, float(scale), drawn)


def _match(detail: FloatArray, scale: float, drawn: Waves) -> Match:
    values = _transform(detail, scale, drawn)
    size = np.abs(values) + 1e-12
    weight = size**LOUDNESS
    weight /= np.sqrt(np.mean(weight[drawn.sync] ** 2))
    phases = weight * values / size
    grid = np.zeros((SHIFTS, SHIFTS // 2 + 1), np.complex128)
    keyed = phases[drawn.sync] * np.exp(-1j * drawn.sync_phase)
    row, column = drawn.row[drawn.sync], drawn.column[drawn.sync]
    np.add.at(grid, (row % SHIFTS, column), keyed)
    middle = column == 0  # waves on the axis are their own half of the grid: add the other one
    np.add.at(grid, (-row[middle] % SHIFTS, column[middle]), keyed[middle].conj())
    # The inverse transform of the half grid is twice the sum over it, divided by the size.
    sums = np.fft.irfft2(grid, (SHIFTS, SHIFTS)) * (SHIFTS * SHIFTS / 2)
    at = divmod(int(sums.argmax()), SHIFTS)
    best = max(float(sums[at]), 0.0)
    turn = np.exp(2j * np.pi * (drawn.row * at[0] + drawn.column * at[1]) / SHIFTS)
    return Match(
        exponent=best * best / len(drawn.sync), scale=scale, shift=at, phases=phases * turn
    )


def _transform(detail: FloatArray, scale: float, drawn: Waves) -> FloatArray:
    """Fourier transform at the waves' frequencies, phases at the picture's corner, shape (N,)."""
    height, width = detail.shape
    most = int(np.abs(drawn.row).max())
    unit = 2 * np.pi / (TILE_PX * scale)
    # Pixel j of the scaled picture shows the marked picture at (j + 0.5) / scale - 0.5.
    x = (np.arange(width) + 0.5 - 0.5 * scale) * unit
    y = (np.arange(height) + 0.5 - 0.5 * scale) * unit
    across = np.exp(-1j * np.outer(x, np.arange(most + 1))).astype(np.complex64)
    down = np.exp(-1j * np.outer(y, np.arange(-most, most + 1))).astype(np.complex64)
    spectrum = np.zeros((2 * most + 1, most + 1), np.complex64)
    _project(detail, across.real.copy(), across.imag.copy(), down, spectrum)
    return np.asarray(spectrum[drawn.row + most, drawn.column])


@nb.njit(cache=True, nogil=True)
def _project(detail, real, imaginary, down, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sum a picture times waves; a library's product would start threads for each scale."""
    height, width = detail.shape
    count = real.shape[1]
    first, second = np.empty(count, np.float32), np.empty(count, np.float32)
    for row in range(height):
        first[:], second[:] = 0.0, 0.0
        for column in range(width):
            value = detail[row, column]
            for k in range(count):
                first[k] += value * real[column, k]
                second[k] += value * imaginary[column, k]
        for j in range(out.shape[0]):
            turn = down[row, j]
            for k in range(count):
                out[j, k] += turn * np.complex64(complex(first[k], second[k]))
