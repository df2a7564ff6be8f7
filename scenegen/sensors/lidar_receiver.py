"""Which pulses of a lidar come back, from where, and why others do not.

Power: an echo of reflectivity rho at range r is rho g(incidence) s w exp(-2 a r) / r^2 with
the share s of the beam that the thing takes, extinction a, and g of a rough surface lit from
where it is seen, cos + 0.30 sin^2 (Oren and Nayar, 1994, for slopes of 20 degrees). On wet
ground w = (1 - F)^2 / n^2, with Fresnel's reflection F at both ways through the film and the
light lost to total reflection within it (Lekner and Dorf, 1988); partly wet ground mixes it
with 1. The echo is reported where it exceeds a threshold, set by 10 % at `reach_dark` and
fluctuating from pulse to pulse.

Reported reflectivity is the power times r^2 for the surface as it lies: it falls with
incidence, wetness and extinction, not with range (as calibrated sensors report it).

Where a learned lidar is asked, it decides in clear air: an echo it keeps was at least as strong as
the threshold, and the weather takes of it what it takes of any echo.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.geometry.transforms import se3_inverse
from scenegen.render.lidar_weather import LidarAir, Spray
from scenegen.render.rasterizer import NOTHING
from scenegen.sensors.lidar_air_echoes import SIGMA, air_echoes, cloud_bounds, haze_before, rare_air
from scenegen.sensors.lidar_learned import LearnedEchoes
from scenegen.sensors.lidar_models import LidarMake
from scenegen.sensors.scan import Scan

SCALE = 0.005
"""Metres per step of the stored coordinates."""
LIMIT = 32767 * SCALE
"""Largest coordinate that can be stored [m]; points beyond are left out, never wrapped."""
LOST = 0.008
"""Share of the pulses that are lost for no reason that the model knows."""
ROUGHNESS = float(np.radians(20.0))
"""Standard deviation of the slopes of surfaces [rad], of the order Carrea et al. (2016) fit."""
WATER_INDEX = 1.33
"""Index of refraction of water."""
_MOST = 32767.0
_SPECKLE = 0.08
"""Spread of the reported intensity, as the logarithm."""
_FIRST, _SECOND = range(2)
"""Rows of the echoes of things; those of the air follow."""


class Loss(IntEnum):
    """Why the echo of a thing is not reported; the numbers are stored, they never change."""

    RANDOM = 0
    RANGE = 1
    WEAK = 2
    WET = 3
    WEATHER = 4
    MASKED = 5


_RANDOM, _RANGE, _WEAK, _WET, _WEATHER, _MASKED = (int(reason) for reason in Loss)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Returns:
    """Echoes that are reported, in the order of rays; all have the leading shape (n,).

    Attributes:
        ray: Number of the ray.
        number: 0 for the strongest echo, 1 for the last (or second strongest).
        steps: Compensated coordinates in the sensor frame in steps of SCALE, shape (n, 3).
        reflectivity: What the sensor takes the reflectivity to be.
        face: Face the echo comes from, NOTHING for the air.
        incidence: Cosine between ray and normal; 0 for the air.
        lost_ray: Rays that meet a thing whose echo is not reported, shape (m,).
        lost_reason: Loss of each, shape (m,).
    """

    ray: IntArray
    number: IntArray
    steps: IntArray
    reflectivity: FloatArray
    face: IntArray
    incidence: FloatArray
    lost_ray: IntArray
    lost_reason: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matter:
    """What the faces are made of.

    Attributes:
        reflectivity: Near-infrared reflectivity of each face, shape (F,).
        is_floor: Whether water can stand on each face, shape (F,).
    """

    reflectivity: FloatArray
    is_floor: BoolArray


def receive(
    found: Scan,
    matter: Matter,
    air: LidarAir,
    spray: Spray,
    make: LidarMake,
    dual: bool,
    rng: np.random.Generator,
    rng_air: np.random.Generator,
    learned: LearnedEchoes | None = None,
) -> Returns:
    """Decide which echoes are reported.

    Args:
        found: What the rays meet.
        matter: What that is made of.
        air: The air.
        spray: Spray behind vehicles.
        make: The make of lidar.
        dual: Whether the strongest and the last echo are reported, not the strongest alone.
        rng: Random numbers for pulses.
        rng_air: Random numbers for the air; drawn only where there is weather.
        learned: Which first echoes come back in clear air, and how strong; None for the rules.
    """
    told = learned or LearnedEchoes.none()
    rays = len(found.rays.slot)
    noise = rng.standard_normal((rays, 3), np.float32)
    chance = rng.random(rays, np.float32)
    again = rng.standard_normal((rays if found.second is not None else 1, 2), np.float32)
    has_air = air.fog_echo > 0 or air.particles[-1] > 0 or len(spray.haze) > 0
    dice = rng_air.random((rays if has_air else 1, 5), np.float32)
    points = _room(2 * rays if dual else rays)
    lost = np.empty(rays, np.int64), np.empty(rays, np.uint8)
    first, second = found.first, found.second or found.first
    drift = se3_inverse(found.home) @ found.pose
    count, gone = _collect(
        (found.rays.direction, found.rays.slot, found.pose, drift),
        (first.range, first.face, first.incidence),
        (second.range, second.face, second.incidence),
        found.share,
        (matter.reflectivity, matter.is_floor, told.keep, told.reflectivity),
        (noise, chance, again, dice),
        (air.extinction, air.fog_echo, air.wetness, float(air.grid[1]), make.divergence),
        (air.fog_range, air.particles),
        (spray.place, spray.heading, spray.half, spray.haze),
        (
            *(make.nearest, make.reach, 0.1 / make.reach_dark**2, make.noise),
            299_792_458.0 * make.pulse / 2,
        ),
        (dual, found.second is not None, has_air),
        points,
        lost,
    )
    return _returns(tuple(part[:count] for part in points), (lost[0][:gone], lost[1][:gone]))


def _returns(points: tuple[Any, ...], lost: tuple[IntArray, IntArray]) -> Returns:
    """Name what was written down."""
    ray, number, steps, reflectivity, face, incidence = points
    return Returns(
        ray=ray,
        number=number,
        steps=steps,
        reflectivity=reflectivity,
        face=face,
        incidence=incidence,
        lost_ray=lost[0],
        lost_reason=lost[1],
    )


def _room(most: int) -> tuple[IntArray, IntArray, IntArray, FloatArray, IntArray, FloatArray]:
    """Ray, number, steps, reflectivity, face and incidence of so many echoes, not yet filled."""
    return (
        np.empty(most, np.int64),
        np.empty(most, np.uint8),
        np.empty((most, 3), np.int16),
        np.empty(most, np.float32),
        np.empty(most, np.int32),
        np.empty(most, np.float32),
    )


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _collect(  # type: ignore[no-untyped-def]  # noqa: ANN202
    rays,  # noqa: ANN001
    first,  # noqa: ANN001
    second,  # noqa: ANN001
    share,  # noqa: ANN001
    matter,  # noqa: ANN001
    dice,  # noqa: ANN001
    weather,  # noqa: ANN001
    tables,  # noqa: ANN001
    clouds,  # noqa: ANN001
    make,  # noqa: ANN001
    modes,  # noqa: ANN001
    points,  # noqa: ANN001
    lost,  # noqa: ANN001
):
    """Go through the rays and write down echoes and losses; gives the numbers of both."""
    ranges, faces, cosines = first
    noise, chance = dice[0], dice[1]
    lost_ray, lost_reason = lost
    count, gone = 0, 0
    echo = np.zeros((5, 4))  # range, power over threshold, reflectivity, incidence
    face, chosen = np.full(5, NOTHING), np.empty(2, np.int64)
    around = cloud_bounds(rays[2], clouds)
    rare = rare_air(weather, tables, make)
    for i in range(len(chance)):
        f, far = faces[i], ranges[i]
        if f == NOTHING and not modes[2]:
            continue
        haze = haze_before(i, far, rays, clouds, around) if modes[2] else (0.0, np.inf)
        reason, place, power, shown = -1, 0.0, 0.0, 0.0
        if f != NOTHING:
            film = _film(cosines[i], weather[2]) if matter[1][f] and weather[2] > 0.0 else 1.0
            clear = share[i, 0] * _strength(matter[0][f], cosines[i])
            beam = (far, clear, film, haze[0], weather[0], chance[i])
            reason, place, power, shown = _first_echo(i, beam, noise, make, matter)
        echo[_FIRST, 0], echo[_FIRST, 1], echo[_FIRST, 2] = place, power, shown
        echo[_FIRST, 3], face[_FIRST] = cosines[i], f
        found = 1 if power > 0.0 else 0
        chosen[0] = _FIRST
        if (modes[1] or modes[2]) and chance[i] >= LOST:
            for n in range(1, 5):
                echo[n, 1] = 0.0
            if modes[1] and second[1][i] != NOTHING:
                _behind(i, second, share[i, 1], haze, matter, dice, weather, make, echo, face)
            if modes[2]:
                air_echoes(i, min(far, make[1]), haze, dice, weather, tables, make, rare, echo)
            if echo[1, 1] > 0.0 or echo[2, 1] > 0.0 or echo[3, 1] > 0.0 or echo[4, 1] > 0.0:
                found = _choose(echo, make[4], modes[0], chosen)
        reported = False
        for n in range(found):
            own = chosen[n]
            if not _write(i, n, own, rays, echo, face, points, count):
                reason = _RANGE if own == _FIRST else reason
                continue
            reported = reported or own == _FIRST
            count += 1
        if f != NOTHING and not reported:
            lost_ray[gone], lost_reason[gone] = i, reason if reason >= 0 else _MASKED
            gone += 1
    return count, gone


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _first_echo(i, beam, noise, make, matter):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Echo of the first thing by the rules, or as a learned lidar has told; as `_solid`."""
    far, clear, film, haze, extinction, chance = beam
    if len(matter[2]) > 0:
        if matter[2][i]:
            dice = (noise[i, 0], noise[i, 1], noise[i, 2])
            return _kept(far, clear, film, haze, extinction, dice, make, matter[3][i])
    elif chance >= LOST:
        dice = (noise[i, 0], noise[i, 1], noise[i, 2])
        return _solid(far, clear, film, haze, extinction, dice, make)
    return _RANDOM, 0.0, 0.0, 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _strength(reflect, cosine):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Reflectivity of a dry surface as the sensor sees it from 1 m."""
    return reflect * (cosine + 0.2994 * (1.0 - cosine * cosine))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _film(cosine, wetness):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Share of the echo that a film of water on the ground leaves."""
    bent = np.sqrt(1.0 - (1.0 - cosine * cosine) / WATER_INDEX**2)
    s = (cosine - WATER_INDEX * bent) / (cosine + WATER_INDEX * bent)
    p = (WATER_INDEX * cosine - bent) / (WATER_INDEX * cosine + bent)
    through = 1.0 - 0.5 * (s * s + p * p)
    return 1.0 - wetness + wetness * through * through / WATER_INDEX**2


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _solid(far, clear, film, haze, extinction, noise, make):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Echo of the first thing.

    Gives why there is none (-1 if there is one), its range, its power over the threshold (0 for
    none) and its reflectivity.
    """
    measured = far + make[3] * noise[0]
    if measured <= make[0] or measured >= make[1]:
        return _RANGE, 0.0, 0.0, 0.0
    threshold = make[2] * np.exp(SIGMA * noise[1])
    near = 1.0 / (max(far, 1.0) * max(far, 1.0))
    shown = clear * film
    if extinction > 0.0 or haze > 0.0:
        shown *= np.exp(-2.0 * extinction * far - 2.0 * haze)
    if shown * near > threshold:
        return -1, measured, shown * near / threshold, shown * np.exp(_SPECKLE * noise[2])
    if clear * near <= threshold:
        return _WEAK, 0.0, 0.0, 0.0
    return _WET if clear * film * near <= threshold else _WEATHER, 0.0, 0.0, 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _kept(far, clear, film, haze, extinction, noise, make, bright):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Echo of the first thing where it is known to come back in clear air; as `_solid`."""
    measured = far + make[3] * noise[0]
    if measured <= make[0] or measured >= make[1]:
        return _RANGE, 0.0, 0.0, 0.0
    threshold = make[2] * np.exp(SIGMA * noise[1])
    power = max(clear / (max(far, 1.0) * max(far, 1.0)) / threshold, 1.0)
    through = np.exp(-2.0 * extinction * far - 2.0 * haze) * film
    if power * through >= 1.0:
        return -1, measured, power * through, bright * through
    return _WET if power * film < 1.0 else _WEATHER, 0.0, 0.0, 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _behind(i, hit, share, haze, matter, dice, weather, make, echo, face):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill in the echo of what is seen past the first thing."""
    ranges, faces, incidence = hit
    f, far = faces[i], ranges[i]
    measured = far + make[3] * dice[2][i, 0]
    if measured <= make[0] or measured >= make[1]:
        return
    film = _film(incidence[i], weather[2]) if matter[1][f] and weather[2] > 0.0 else 1.0
    shown = share * _strength(matter[0][f], incidence[i]) * film
    shown *= np.exp(-2.0 * weather[0] * far - 2.0 * haze[0])
    power = shown / max(far, 1.0) ** 2 / (make[2] * np.exp(SIGMA * dice[2][i, 1]))
    if power > 1.0:
        echo[_SECOND, 0], echo[_SECOND, 1], echo[_SECOND, 2] = measured, power, shown
        echo[_SECOND, 3], face[_SECOND] = incidence[i], f


@nb.njit(cache=True, nogil=True)
def _choose(echo, apart, dual, chosen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0912
    """Pick the strongest echo and, if asked, the last (or the second strongest); their number."""
    for a in range(5):
        for b in range(5):
            close = abs(echo[a, 0] - echo[b, 0]) < apart
            if a != b and echo[a, 1] > echo[b, 1] > 0.0 and close:
                echo[b, 1] = 0.0  # two echoes within a pulse are one
    strongest = -1
    for n in range(5):
        if echo[n, 1] > 0.0 and (strongest < 0 or echo[n, 1] > echo[strongest, 1]):
            strongest = n
    if strongest < 0:
        return 0
    chosen[0] = strongest
    if not dual:
        return 1
    last = strongest
    for n in range(5):
        if echo[n, 1] > 0.0 and echo[n, 0] > echo[last, 0]:
            last = n
    if last == strongest:
        last = -1
        for n in range(5):
            if n == strongest or echo[n, 1] <= 0.0:
                continue
            if last < 0 or echo[n, 1] > echo[last, 1]:
                last = n
    if last < 0:
        return 1
    chosen[1] = last
    return 2


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _write(i, number, which, rays, echo, face, points, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write one echo down; gives False where its place cannot be stored."""
    direction, slot, _, drift = rays
    ray, numbers, steps, shown, faces, incidence = points
    x, y, z = direction[i, 0], direction[i, 1], direction[i, 2]
    s, far = slot[i], echo[which, 0]
    for axis in range(3):
        along = drift[s, axis, 0] * x + drift[s, axis, 1] * y + drift[s, axis, 2] * z
        value = np.rint((along * far + drift[s, axis, 3]) / SCALE)
        if abs(value) > _MOST:
            return False
        steps[count, axis] = int(value)
    ray[count], numbers[count] = i, number
    shown[count], faces[count], incidence[count] = echo[which, 2], face[which], echo[which, 3]
    return True
