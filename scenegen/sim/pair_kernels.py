"""Measures of one pair of boxes, compiled: numpy broadcasts them over instants and pairs.

A box is given by centre x, y [m], cosine and sine of its heading, length and width [m] and speed
along the heading [m/s]; box i first, then box j. See `scenegen.sim.pairs` for the definitions.
"""

from __future__ import annotations

import numba as nb
import numpy as np

LEAST_CLOSING = 1.0
"""Relative speed at least assumed when a contact is turned into metres of margin [m/s]."""


@nb.njit(cache=True)
def _offsets(xi, yi, ci, si, xj, yj, cj, sj):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Offset from box i to box j on the four axes of their sides [m]."""
    x, y = xj - xi, yj - yi
    return x * ci + y * si, y * ci - x * si, x * cj + y * sj, y * cj - x * sj


@nb.njit(cache=True)
def _reaches(ci, si, li, wi, cj, sj, lj, wj):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Offsets on the four axes at which the boxes just touch [m]."""
    cos, sin = abs(ci * cj + si * sj), abs(ci * sj - si * cj)
    return (
        (li + lj * cos + wj * sin) / 2.0,
        (wi + lj * sin + wj * cos) / 2.0,
        (lj + li * cos + wi * sin) / 2.0,
        (wj + li * sin + wi * cos) / 2.0,
    )


@nb.njit(cache=True)
def _apart(offset, reach):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Separation on the widest axis [m], negative on overlap."""
    widest = abs(offset[0]) - reach[0]
    for k in range(1, 4):
        widest = max(widest, abs(offset[k]) - reach[k])
    return widest


@nb.njit(cache=True)
def _contact(offset, speed, reach):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """First t >= 0 with abs(offset + speed t) <= reach on all axes [s], inf if none."""
    enter, leave = 0.0, np.inf
    for k in range(4):
        if speed[k] == 0.0:
            if abs(offset[k]) > reach[k]:
                return np.inf
            continue
        toward = -offset[k] if speed[k] > 0.0 else offset[k]
        rate = abs(speed[k])
        enter = max(enter, (toward - reach[k]) / rate)
        leave = min(leave, (toward + reach[k]) / rate)
    return enter if enter <= leave else np.inf


@nb.njit(cache=True)
def _miss(offset, speed, reach):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Separation on the widest axis when the centres pass nearest [m]."""
    square = speed[0] ** 2 + speed[1] ** 2
    toward = -(offset[0] * speed[0] + offset[1] * speed[1])
    time = toward / square if toward > 0.0 and square > 0.0 else 0.0
    then = (
        offset[0] + speed[0] * time,
        offset[1] + speed[1] * time,
        offset[2] + speed[2] * time,
        offset[3] + speed[3] * time,
    )
    return _apart(then, reach)


@nb.vectorize(cache=True)  # type: ignore[no-untyped-call]
def separation(xi, yi, ci, si, li, wi, xj, yj, cj, sj, lj, wj):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Separation on the widest axis [m], negative on overlap."""
    return _apart(
        _offsets(xi, yi, ci, si, xj, yj, cj, sj), _reaches(ci, si, li, wi, cj, sj, lj, wj)
    )


@nb.vectorize(cache=True)  # type: ignore[no-untyped-call]
def gap(xi, yi, ci, si, li, wi, xj, yj, cj, sj, lj, wj):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Distance along i's heading to j in its corridor [m], 0 on overlap, inf off the corridor."""
    offset = _offsets(xi, yi, ci, si, xj, yj, cj, sj)
    reach = _reaches(ci, si, li, wi, cj, sj, lj, wj)
    if _apart(offset, reach) <= 0.0:
        return 0.0
    if abs(offset[1]) < reach[1] and offset[0] > reach[0]:
        return offset[0] - reach[0]
    return np.inf


@nb.vectorize(cache=True)  # type: ignore[no-untyped-call]
def ttc(xi, yi, ci, si, li, wi, vi, xj, yj, cj, sj, lj, wj, vj):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Time to collision [s], 0 on overlap, inf without contact."""
    offset = _offsets(xi, yi, ci, si, xj, yj, cj, sj)
    reach = _reaches(ci, si, li, wi, cj, sj, lj, wj)
    if _apart(offset, reach) <= 0.0:
        return 0.0
    speed = _offsets(vi * ci, vi * si, ci, si, vj * cj, vj * sj, cj, sj)
    if abs(offset[1]) < reach[1] and offset[0] > reach[0]:
        return (reach[0] - offset[0]) / speed[0] if speed[0] < 0.0 else np.inf
    return _contact(offset, speed, reach)


@nb.vectorize(cache=True)  # type: ignore[no-untyped-call]
def ttc_shortfall(xi, yi, ci, si, li, wi, vi, xj, yj, cj, sj, lj, wj, vj, threshold):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Finite margin [m] of a time to collision below a threshold [s]."""
    offset = _offsets(xi, yi, ci, si, xj, yj, cj, sj)
    reach = _reaches(ci, si, li, wi, cj, sj, lj, wj)
    speed = _offsets(vi * ci, vi * si, ci, si, vj * cj, vj * sj, cj, sj)
    if _apart(offset, reach) <= 0.0:
        return max(-speed[0], LEAST_CLOSING) * threshold
    if abs(offset[1]) < reach[1] and offset[0] > reach[0]:
        return threshold * max(-speed[0], 0.0) - (offset[0] - reach[0])
    time = _contact(offset, speed, reach)
    if time < np.inf:
        relative = np.sqrt(speed[0] ** 2 + speed[1] ** 2)
        return max(relative, LEAST_CLOSING) * (threshold - time)
    return -max(_miss(offset, speed, reach), 1e-9)
