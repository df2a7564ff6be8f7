"""Echoes that the air sends back to a lidar: fog, drops, flakes and spray, ray by ray."""

from __future__ import annotations

import numba as nb
import numpy as np

SIGMA = 0.45
"""Spread of the threshold from pulse to pulse, as the logarithm of power."""
SPRAY_REFLECTIVITY = 0.04
"""Reflectivity that the echo of a cloud of spray corresponds to; assumed."""
_FOG, _GRAIN, _SPRAY = 2, 3, 4
"""Rows of the echoes of the air; those of things come first."""


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def rare_air(weather, tables, make):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Chances below which fog, and above which drops and flakes, surely give no echo.

    They spare most rays the logarithms; what they leave is decided as without them. No noise is
    stronger than seven standard deviations here, and single precision is allowed for.
    """
    fog = 0.0
    if weather[1] > 0.0:
        fog = -np.expm1(-make[2] * np.exp(-7.0 * SIGMA) / weather[1]) * (1.0 - 1e-5)
    return fog, -np.expm1(-tables[1][-1]) * (1.0 + 1e-5) + 1e-6


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def air_echoes(i, until, haze, dice, weather, tables, make, rare, echo):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fill in the echoes of fog, of a drop or flake, and of spray, before a range."""
    die = dice[3]
    if weather[1] > 0.0 and (die[i, 1] >= rare[0] or dice[0][i, 1] < -7.0):
        _foggy(i, until, dice, weather[1], tables[0], make, echo)
    if die[i, 2] <= rare[1]:
        _grainy(i, until, die, weather[3], tables[1], make, echo)
    if haze[0] > 0.0:
        threshold = make[2] * np.exp(SIGMA * dice[0][i, 1])
        depth = -np.log1p(-die[i, 4])
        far = haze[1] + depth / haze[0] * 0.5
        power = SPRAY_REFLECTIVITY / (far * far)
        if depth < haze[0] and power > threshold and make[0] < far < until:
            echo[_SPRAY, 0], echo[_SPRAY, 1] = far, power / threshold
            echo[_SPRAY, 2], echo[_SPRAY, 3] = SPRAY_REFLECTIVITY, 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _foggy(i, until, dice, strongest, places, make, echo):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the echo of fog before a range."""
    die, threshold = dice[3], make[2] * np.exp(SIGMA * dice[0][i, 1])
    far = places[int(die[i, 0] * len(places)) % len(places)]
    # Many droplets together: intensity is exponential, as speckle is (Goodman, 2007).
    power = -np.log1p(-die[i, 1]) * strongest
    if power > threshold and make[0] < far < until:
        echo[_FOG, 0], echo[_FOG, 1], echo[_FOG, 2] = far, power / threshold, power * far * far
        echo[_FOG, 3] = 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _grainy(i, until, die, step, many, make, echo):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the echo of a drop or flake before a range."""
    wanted = -np.log1p(-die[i, 2])
    if wanted < many[-1]:
        k = np.searchsorted(many, wanted, side="right")
        far = k * step
        # Of those that can be seen at all; diameters fall off as an exponential.
        taken = min(make[2] * (1.0 - np.log1p(-die[i, 3])) ** 2, 1.0 / (far * far))
        if make[0] < far < until:
            echo[_GRAIN, 0], echo[_GRAIN, 1] = far, taken / make[2]
            echo[_GRAIN, 2], echo[_GRAIN, 3] = taken * far * far, 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def cloud_bounds(pose, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Ball around each cloud of spray, seen from each pose.

    Gives the way to its middle, and by how much the square of that way exceeds a generous radius
    squared, shape (poses, clouds, 4).
    """
    place, _, half, haze = clouds
    out = np.empty((len(pose), len(haze), 4))
    for s in range(len(pose)):
        for k in range(len(haze)):
            away, size = 0.0, 0.0
            for axis in range(3):
                out[s, k, axis] = place[k, axis] - pose[s, axis, 3]
                away += out[s, k, axis] * out[s, k, axis]
                size += half[k, axis] * half[k, axis]
            out[s, k, 3] = away - 1.01 * size
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def haze_before(i, until, rays, clouds, around):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Optical depth of the spray before a range, and where the first cloud begins."""
    direction, slot, pose, _ = rays
    depth, begin, s = 0.0, np.inf, slot[i]
    if around.shape[1] == 0:
        return depth, begin
    x, y, z = direction[i, 0], direction[i, 1], direction[i, 2]
    ahead = (
        pose[s, 0, 0] * x + pose[s, 0, 1] * y + pose[s, 0, 2] * z,
        pose[s, 1, 0] * x + pose[s, 1, 1] * y + pose[s, 1, 2] * z,
        pose[s, 2, 0] * x + pose[s, 2, 1] * y + pose[s, 2, 2] * z,
    )
    origin = (pose[s, 0, 3], pose[s, 1, 3], pose[s, 2, 3])
    for k in range(around.shape[1]):
        # Most rays pass by most clouds: those that miss the ball around it are left out first.
        along = around[s, k, 0] * ahead[0] + around[s, k, 1] * ahead[1] + around[s, k, 2] * ahead[2]
        if around[s, k, 3] > 0.0 and (along <= 0.0 or along * along < around[s, k, 3]):
            continue
        near, far = _through(k, until, origin, ahead, clouds)
        if far > near:
            depth += clouds[3][k] * (far - near)
            begin = min(begin, near)
    return depth, begin


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _through(k, until, origin, ahead, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Ranges between which a ray is within a cloud of spray; the second is less if it is not."""
    place, heading, half, _ = clouds
    near, far = 0.0, until
    for axis in range(3):
        if axis < 2:
            ux, uy = heading[k, 0], heading[k, 1]
            if axis == 1:
                ux, uy = -uy, ux
            start = (origin[0] - place[k, 0]) * ux + (origin[1] - place[k, 1]) * uy
            slope = ahead[0] * ux + ahead[1] * uy
        else:
            start, slope = origin[2] - place[k, 2], ahead[2]
        if abs(slope) < 1e-9:
            if abs(start) > half[k, axis]:
                far = -1.0
            continue
        a, b = (-half[k, axis] - start) / slope, (half[k, axis] - start) / slope
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near, far
