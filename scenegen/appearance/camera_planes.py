"""Rows of the planes of a camera's stack: simple loops over values that lie side by side.

Every loop is one that compilers turn into vector instructions: no branch, no call, nothing but
what is read at the same place or from a table. Three-channel values are passed as flat rows.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from scenegen.appearance.camera_tone import tone_of
from scenegen.arrays import FloatArray

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_NEAR = np.float32(8.0)
"""Depth at which the plane of near things is one half [m]."""
_FAR = float(np.log(301.0))
_FAR_STEPS = 8192
_BEYOND = np.float32(1e9)
"""Depth that stands for the sky's [m]."""
_HAZE_WAY, _HAZE_RISE = np.float32(900.0), np.float32(0.12)
"""Way of a ray through the air below the sky [m], and the rise it is divided by (`shading`)."""
_PER_FADE, _MOST_FADE = np.float32(16.0), np.float32(39.9)
_RED, _GREEN, _BLUE = (np.float32(weight) for weight in (0.2126, 0.7152, 0.0722))


def _far_table() -> FloatArray:
    """log(1 + depth) / log(301), at most 1, by 8 / (8 + depth) in even steps.

    Off by less than 1e-6, by 2e-4 next to 300 m, where it bends.
    """
    near = np.maximum(np.arange(_FAR_STEPS + 1) / _FAR_STEPS, 1e-6)
    return np.minimum(np.log(1.0 + 8.0 / near - 8.0) / _FAR, 1.0).astype(np.float32)


_FAR_TABLE = _far_table()
_FADES = np.exp(-np.arange(641) / 16.0).astype(np.float32)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _faded(way):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """exp(-x) of x from 0 up, float32: a table, and four terms of the series between its entries.

    Beyond 39.9 it stays at 5e-18.
    """
    place = min(way, _MOST_FADE) * _PER_FADE
    entry = np.int32(place)
    x = (place - np.float32(entry)) * np.float32(1.0 / 16.0)
    rest = x * (_HALF - x * (np.float32(1.0 / 6.0) - x * np.float32(1.0 / 24.0)))
    return _FADES[entry] * (_ONE - x * (_ONE - rest))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def aim(turn, across, down, per_px, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fill in the rays of a row of pixels.

    Args:
        turn: View.turn, float32.
        across: Column of the principal point [pixels].
        down: Downward slope of the row.
        per_px: One over the focal length [1/pixel].
        out: Sideways and downward slope, length at depth one, and rise of the unit ray along
            map z; shape (4, W).
    """
    ax, ay, az = turn[0, 2], turn[1, 2] * down, turn[2, 2]
    slant, fall, stretch, rise = out[0], out[1], out[2], out[3]
    for i in range(len(slant)):
        x = (np.float32(i) + _HALF - across) * per_px
        length = np.sqrt(_ONE + x * x + down * down)
        slant[i], fall[i], stretch[i] = x, down, length
        rise[i] = (ax * x + ay + az) / length


@nb.njit(cache=True, nogil=True, error_model="numpy")
def turn_normals(normal, turn, right, down, forward):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Bring normals, flat, into the camera's frame."""
    ax, ay, az = turn[0, 0], turn[0, 1], turn[0, 2]
    bx, by, bz = turn[1, 0], turn[1, 1], turn[1, 2]
    cx, cy, cz = turn[2, 0], turn[2, 1], turn[2, 2]
    for i in range(len(right)):
        x, y, z = normal[3 * i], normal[3 * i + 1], normal[3 * i + 2]
        right[i] = ax * x + ay * y + az * z
        down[i] = bx * x + by * y + bz * z
        forward[i] = cx * x + cy * y + cz * z


@nb.njit(cache=True, nogil=True, error_model="numpy")
def incidence(normals, rays, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Cosine between ray and normal, both in the camera's frame; 0 where it faces away."""
    nx, ny, nz = normals
    slant, down, stretch = rays
    for i in range(len(out)):
        out[i] = max(-(slant[i] * nx[i] + down[i] * ny[i] + nz[i]) / stretch[i], _ZERO)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def distances(depth, stretch, rise, extinction, near, far, passed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Code depth twice, and give the share of the light that the air lets through."""
    steps, last = np.float32(_FAR_STEPS), np.int32(_FAR_STEPS - 1)
    for i in range(len(depth)):
        z = depth[i]
        seen = z > _ZERO
        near_by = _NEAR / (_NEAR + (z if seen else _BEYOND))
        near[i] = near_by if seen else _ZERO
        place = near_by * steps
        entry = min(np.int32(place), last)
        far[i] = _FAR_TABLE[entry] + (place - np.float32(entry)) * (
            _FAR_TABLE[entry + 1] - _FAR_TABLE[entry]
        )
        below = _HAZE_WAY / (max(rise[i], _ZERO) + _HAZE_RISE)
        passed[i] = _faded(extinction * (z * stretch[i] if seen else below))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def roots(color, red, green, blue):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Part colours, flat, into planes of their square roots."""
    for i in range(len(red)):
        red[i] = np.sqrt(color[3 * i])
        green[i] = np.sqrt(color[3 * i + 1])
        blue[i] = np.sqrt(color[3 * i + 2])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def tones(color, film, red, green, blue):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Part radiance, flat, into planes of its tone; `film` is the exposure times SPEED."""
    for i in range(len(red)):
        red[i] = tone_of(color[3 * i] * film)
        green[i] = tone_of(color[3 * i + 1] * film)
        blue[i] = tone_of(color[3 * i + 2] * film)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def squeezed(color, exposure, red, green, blue):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Part light of any strength, flat, into planes of sqrt(x / (1 + x)), x exposed."""
    for i in range(len(red)):
        r, g, b = color[3 * i], color[3 * i + 1], color[3 * i + 2]
        r, g, b = r * exposure, g * exposure, b * exposure
        red[i] = np.sqrt(r / (_ONE + r))
        green[i] = np.sqrt(g / (_ONE + g))
        blue[i] = np.sqrt(b / (_ONE + b))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def squeezed_grey(color, exposure, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Give the luminance of light, flat, as sqrt(x / (1 + x)), x exposed."""
    for i in range(len(out)):
        x = _RED * color[3 * i] + _GREEN * color[3 * i + 1] + _BLUE * color[3 * i + 2]
        x *= exposure
        out[i] = np.sqrt(x / (_ONE + x))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def sunshine(normal, share, sun, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Visible share of the sun times the cosine to it; normals, flat, and sun along map axes."""
    sx, sy, sz = sun[0], sun[1], sun[2]
    for i in range(len(out)):
        facing = normal[3 * i] * sx + normal[3 * i + 1] * sy + normal[3 * i + 2] * sz
        out[i] = share[i] * max(facing, _ZERO)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def faded_noise(noise, depth, reach, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fade noise beyond the depth at which a cell spans two pixels, `reach` [m]."""
    for i in range(len(out)):
        z = depth[i]
        out[i] = noise[i] * min(reach / (z if z > _ZERO else _BEYOND), _ONE)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def classes(semantic, scale, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Give class numbers over a scale."""
    for i in range(len(out)):
        out[i] = np.float32(semantic[i]) / scale
