"""How much of the sky houses hide from a place: horizons around a coarse grid in space."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.shadows import shadow_map
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.triangles import Triangles

HALF, EDGE = 96.0, 48
"""Half edge of the grid [m], cells along it."""
LAYERS = np.array([0.0, 4.0, 10.0, 20.0])
"""Heights of the grid's layers over the ground [m]."""
_AROUND = 12
"""Directions in which the horizon is looked for."""
_AWAY = np.array([3.0, 5.0, 8.0, 12.0, 18.0, 27.0, 40.0, 60.0])
"""Distances at which it is looked for [m]."""
_AHEAD = 0.7
"""Where the grid lies before the camera, as a share of its half edge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enclosure:
    """Moments of the visible sky in a grid that lies along the map axes.

    With v the sky that is visible, 0 or 1, the irradiance over pi that an even sky of radiance
    one gives a normal n is close to a + b n with a the integral of v / 4 pi over the upper half
    space and b the integral of v times the direction / 2 pi: exact for the open sky, (1 + n_z) / 2
    (Ramamoorthi and Hanrahan, 2001, degrees 0 and 1).

    Attributes:
        corner: Coordinates of the grid's corner [m], shape (2,).
        cell: Edge of a cell [m].
        moments: a and b per layer and cell, a below zero within houses;
            shape (layers, EDGE, EDGE, 4), float32; row along y, column along x. Without a
            house anywhere the sky is open, and the shape (layers, 0, 0, 4).
    """

    corner: FloatArray
    cell: float
    moments: FloatArray


def enclosure(triangles: Triangles, eye: FloatArray, forward: FloatArray) -> Enclosure:
    """Look for the horizon that houses make around a view.

    Args:
        triangles: What there is.
        eye: Place of the camera relative to the triangles' origin [m], shape (3,).
        forward: Level unit vector along the optical axis, shape (3,).
    """
    houses = triangles.surface == SurfaceClass.BUILDING
    center = (eye + _AHEAD * HALF * forward) * [1.0, 1.0, 0.0]
    top = shadow_map(triangles, np.array([0.0, 0.0, 1.0]), center, HALF, EDGE, houses)
    height = np.maximum(top.height, np.float32(0.0))
    if not height.any():
        nothing = np.zeros((len(LAYERS), 0, 0, 4), np.float32)
        return Enclosure(corner=top.corner, cell=top.texel, moments=nothing)
    moments = np.empty((len(LAYERS), EDGE, EDGE, 4), np.float32)
    angle = np.arange(_AROUND) * 2 * np.pi / _AROUND
    ways = np.stack([np.cos(angle), np.sin(angle)], -1)
    _look_around(height, top.texel, ways, _AWAY, LAYERS, moments)
    return Enclosure(corner=top.corner, cell=top.texel, moments=moments)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _look_around(height, cell, ways, away, layers, moments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    edge, part = height.shape[0], 2.0 * np.pi / len(ways)
    slope, free = np.empty(len(layers)), np.zeros((len(ways), 4))
    step = np.empty((len(ways), len(away), 2))
    for way in range(len(ways)):
        _add_sector(0.0, ways[way, 0], ways[way, 1], part, free[way])
        for d in range(len(away)):
            for axis in range(2):
                step[way, d, axis] = ways[way, axis] * away[d] / cell
    moments[:] = 0.0
    for row in range(edge):
        for column in range(edge):
            for way in range(len(ways)):
                _find_slopes(row, column, step[way], height, away, layers, slope)
                for n in range(len(layers)):
                    out = moments[n, row, column]
                    if slope[n] > 0.0:
                        _add_sector(slope[n], ways[way, 0], ways[way, 1], part, out)
                        continue
                    for axis in range(4):
                        out[axis] += free[way, axis]
            for n in range(len(layers)):
                if height[row, column] > layers[n] + 0.5:
                    moments[n, row, column, 0] = -1.0


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _find_slopes(row, column, step, height, away, layers, slope):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Slope of the horizon in one direction, from every layer."""
    edge = height.shape[0]
    slope[:] = 0.0
    for d in range(len(away)):
        c, r = int(column + 0.5 + step[d, 0]), int(row + 0.5 + step[d, 1])
        if c < 0 or r < 0 or c >= edge or r >= edge or height[r, c] <= 0.0:
            continue
        for n in range(len(layers)):
            slope[n] = max(slope[n], (height[r, c] - layers[n]) / away[d])


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _add_sector(slope, x, y, part, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add the sky above a horizon of this slope in a sector around a direction."""
    cos2 = 1.0 / (1.0 + slope * slope)
    sin = slope * np.sqrt(cos2)
    # The integral of cos^2 from the horizon up; the arc tangent by Hastings (1955), to 0.005.
    if slope <= 1.0:
        angle = slope * (0.7853982 + 0.273 * (1.0 - slope))
    else:
        angle = 1.5707963 - (0.7853982 + 0.273 * (1.0 - 1.0 / slope)) / slope
    level = 0.7853982 - 0.5 * angle - 0.5 * slope * cos2
    out[0] += part * (1.0 - sin) / (4.0 * np.pi)
    out[1] += part * level * x / (2.0 * np.pi)
    out[2] += part * level * y / (2.0 * np.pi)
    out[3] += part * 0.5 * cos2 / (2.0 * np.pi)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def open_sky(point, n, corner, cell, moments, layers):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Share of the sky before a surface that no house hides, 0-1; 1 off the grid.

    Read one cell off the surface: bilinear among the cells that lie outside of houses, linear
    between the layers.
    """
    # A house is not to hide the sky from its own walls, nor from its roof.
    s = (point[0] + n[0] * cell - corner[0]) / cell - 0.5
    t = (point[1] + n[1] * cell - corner[1]) / cell - 0.5
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    edge = moments.shape[1]
    if s0 < 0 or t0 < 0 or s0 >= edge - 1 or t0 >= edge - 1 or point[2] >= layers[-1]:
        return 1.0
    low = 0
    while low < len(layers) - 2 and point[2] >= layers[low + 1]:
        low += 1
    up = min(max((point[2] - layers[low]) / (layers[low + 1] - layers[low]), 0.0), 1.0)
    # What faces down sees lit ground: as much of that as the sky its back sees.
    up_or_down = abs(n[2])
    total, weights = 0.0, 0.0
    for corner_cell in range(8):
        i, j, k = corner_cell & 1, (corner_cell >> 1) & 1, corner_cell >> 2
        weight = (s - s0 if i else 1.0 - s + s0) * (t - t0 if j else 1.0 - t + t0)
        weight *= up if k else 1.0 - up
        layer, row, column = low + k, t0 + j, s0 + i
        a = moments[layer, row, column, 0]
        if a >= 0.0:
            seen = a + moments[layer, row, column, 1] * n[0] + moments[layer, row, column, 2] * n[1]
            total += weight * (seen + moments[layer, row, column, 3] * up_or_down)
            weights += weight
    if weights < 1e-3:
        return 0.5
    return min(max(total / (weights * (0.5 + 0.5 * up_or_down)), 0.0), 1.0)
