"""What air does to laser pulses: extinction, echoes of fog, drops and flakes, wet surfaces, spray.

All of it is per ray and analytic. Echoes are measured in the unit in which a white wall, square
to the beam at 1 m in clear air, gives 1: a surface of reflectivity rho at range r gives
rho / r^2, so that the link budget of a sensor is one number, the range at which it still sees
10 % (its echo there is 0.1 / reach^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.stage import Stage
from scenegen.render.triangles import Triangles
from scenegen.scene import EGO, AgentKind, Conditions
from scenegen.scene.conditions import CLEAR_VISIBILITY

SPEED_OF_LIGHT = 299_792_458.0
"""[m/s]"""
BACKSCATTER = 0.046
"""Backscatter of fog times its visibility [1/sr] (Rasshofer et al. 2011)."""
OVERLAP = 0.9, 3.0
"""Ranges at which the beam enters the receiver's view, and is all within it [m]; assumed."""
APERTURE = 0.005
"""Radius of a beam where it leaves the sensor [m]; assumed."""
DROP_REFLECTIVITY, FLAKE_REFLECTIVITY = 0.02, 0.2
"""Reflectivity of a disc that gives the echo of a particle of its size: a drop sends back
Fresnel's 2 % at its front; a flake is a rough white grain."""
FLAKE_GROWTH = 2.15
"""Diameter of a flake over that of the drop it melts to, at a density of 0.1 g/cm^3."""
NEAR = 30.0
"""Single drops farther than this are never seen [m]."""
_GRID = np.linspace(0.0, NEAR, 601)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarAir:
    """The air of some conditions as one make of lidar meets it.

    Attributes:
        extinction: Extinction beyond that of clear air, which the stated reach contains [1/m].
        fog_echo: Largest echo of the fog itself, in the unit of the module.
        fog_range: Range of that echo at evenly spaced chances [m], shape (Q,).
        particles: Mean number of drops or flakes with an echo that can be told from noise up to
            each range of `grid`, shape (G,), not falling.
        grid: Ranges [m], shape (G,).
        wetness: Water on the ground, 0-1.
    """

    extinction: float
    fog_echo: float
    fog_range: FloatArray
    particles: FloatArray
    grid: FloatArray
    wetness: float


def rain_extinction(rate: float) -> float:
    """Extinction of rain [1/m]: 0.312 R^0.67 per km (Ulbrich, 1985; R in mm/h)."""
    return 0.312e-3 * rate**0.67


def snow_extinction(rate: float) -> float:
    """Extinction of wet snow at 905 nm [1/m] (ITU-R P.1814, S in mm/h of water).

    The recommendation gives a S^0.72 dB/km with a = 1.023e-4 x wavelength [nm] + 3.786.
    """
    decibel_per_km = (1.023e-4 * 905 + 3.7855466) * rate**0.72
    return decibel_per_km * np.log(10.0) / 10 / 1000


def extinctions(conditions: Conditions) -> tuple[float, float]:
    """Part the visibility into what falls and what floats.

    Visibility V is the meteorological range: ln 20 / V is the extinction (Koschmieder, 1924).
    Rain and snow have the share that their rate gives, fog has the rest.

    Returns:
        Extinction of all beyond clear air, and of fog alone [1/m].
    """
    clear = np.log(20.0) / CLEAR_VISIBILITY
    seen = max(np.log(20.0) / conditions.visibility - clear, 0.0)
    falling = rain_extinction(conditions.rain_mm_per_h) + snow_extinction(conditions.snow_mm_per_h)
    return float(max(seen, falling)), float(max(seen - falling, 0.0))


@lru_cache(maxsize=32)
def lidar_air(
    conditions: Conditions, *, reach_dark: float, nearest: float, divergence: float, pulse: float
) -> LidarAir:
    """Prepare the air of some conditions for a lidar; made once for all frames, do not write.

    Args:
        conditions: Visibility, rain and snow rate, wetness.
        reach_dark: Range at which 10 % can just be seen [m].
        nearest: Smallest range [m].
        divergence: Full angle of a beam [rad].
        pulse: Length of a pulse [s].
    """
    extinction, fog = extinctions(conditions)
    echo, places = fog_profile(fog, pulse=pulse, nearest=nearest)
    threshold = 0.1 / reach_dark**2
    rate = particle_rate(conditions, threshold, divergence=divergence, nearest=nearest)
    step = _GRID[1] - _GRID[0]
    count = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * step)])
    return LidarAir(
        extinction=extinction,
        fog_echo=echo,
        fog_range=places,
        particles=count,
        grid=_GRID,
        wetness=conditions.wetness,
    )


def fog_profile(fog: float, *, pulse: float, nearest: float) -> tuple[float, FloatArray]:
    """Echo of homogeneous fog: its peak, and where a fluctuating peak is found.

    Each layer dx of fog with backscatter b is a Lambertian target of reflectivity pi b dx; the
    pulse, a sine squared of full length c t = 2 x its half width, adds up the layers within half
    of it. The echo at r is

        s(r) = pi b  int_0^L  sin^2(pi x / L)  o(r - x) exp(-2 a (r - x)) / (r - x)^2  dx

    with L = c t_H, overlap o and b = 0.046 / V (Rasshofer et al. 2011; Hahner et al. 2021 use the
    same integral for their soft target). Turbulence makes the echo of single pulses fluctuate;
    the range of the largest is drawn with a density that goes as s^2.

    Args:
        fog: Extinction of the fog [1/m].
        pulse: Half width of the pulse [s].
        nearest: Smallest range [m].

    Returns:
        Peak of s, in the unit of the module, and the range at 64 evenly spaced chances [m].
    """
    length = SPEED_OF_LIGHT * pulse
    x = (np.arange(40) + 0.5) / 40 * length
    weight = np.sin(np.pi * x / length) ** 2 * length / 40
    grid = np.linspace(max(nearest, 0.05), NEAR, 500)
    near = np.maximum(grid[:, None] - x, 1e-3)
    seen = np.clip((near - OVERLAP[0]) / (OVERLAP[1] - OVERLAP[0]), 0.0, 1.0)
    per_layer = seen * np.exp(-2 * fog * near) / near**2
    shape = per_layer @ weight
    share = np.cumsum(shape**2) / (shape**2).sum()
    places = np.interp((np.arange(64) + 0.5) / 64, share, grid)
    backscatter = BACKSCATTER * fog / np.log(20.0)
    return float(np.pi * backscatter * shape.max()), places


def particle_rate(
    conditions: Conditions, threshold: float, *, divergence: float, nearest: float
) -> FloatArray:
    """Mean number of single particles per metre of beam whose echo exceeds a threshold.

    A disc of diameter D within a beam of radius w takes the share (D / 2 w)^2 of the pulse, so
    that it is seen from D_min = 2 w r sqrt(threshold / (rho o)) with the overlap o. Rain has
    N(D) = 8000 exp(-L D) drops per m^3 and mm with L = 4.1 R^-0.21 (Marshall and Palmer, 1948).
    Flakes keep the spread of
    sizes of 1 mm/h (Gunn and Marshall, 1958: L = 2.55) and their number follows the extinction.

    Returns:
        Particles per metre at ranges from 0 to NEAR, shape (G,).
    """
    width = APERTURE + divergence / 2 * _GRID
    area = np.pi * width**2
    rain, snow = conditions.rain_mm_per_h, conditions.snow_mm_per_h
    overlap = np.clip((_GRID - OVERLAP[0]) / (OVERLAP[1] - OVERLAP[0]), 1e-9, 1.0)
    seen = nearest <= _GRID
    weakest = threshold / overlap
    rate = np.zeros(len(_GRID))
    if rain > 0:
        slope = 4.1 * rain**-0.21
        least = 2e3 * width * _GRID * np.sqrt(weakest / DROP_REFLECTIVITY)
        rate += seen * area * 8000 / slope * np.exp(-slope * least)
    if snow > 0:
        slope = 2.55 / FLAKE_GROWTH
        least = 2e3 * width * _GRID * np.sqrt(weakest / FLAKE_REFLECTIVITY)
        # Extinction of large grains is twice their area: 2 N pi / 4 <D^2>, <D^2> = 2 / slope^2.
        number = snow_extinction(snow) / (np.pi * 1e-6 / slope**2)
        rate += seen * area * number * np.exp(-slope * least)
    return rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spray:
    """Clouds of spray behind vehicles on a wet road, as boxes with a haze in them.

    Attributes:
        place: Middle of each box relative to the triangles' origin [m], shape (P, 3).
        heading: Cosine and sine of its heading, shape (P, 2).
        half: Half its length, width and height [m], shape (P, 3).
        haze: Extinction within it [1/m], shape (P,).
    """

    place: FloatArray
    heading: FloatArray
    half: FloatArray
    haze: FloatArray


SPRAY_FROM, SPRAY_FULL = 8.0, 30.0
"""Spray begins at this speed and is thickest from this one on [m/s] (Walz et al. 2021 see none
below 50 km/h behind a car on a thin film and dense clouds at 80 to 130 km/h)."""
SPRAY_HAZE = 0.09
"""Extinction of the thickest spray behind a car on a flooded road [1/m]; assumed. Behind lorries
and buses it is twice that."""
SPRAY_TIME = 0.55
"""Time for which spray hangs behind a vehicle [s]; its length is this times the speed."""


def spray_clouds(stage: Stage, triangles: Triangles) -> Spray:
    """Put a cloud of spray behind every fast vehicle but the ego on a wet road.

    The haze grows with the water on the road and with the square of the speed above 8 m/s.
    """
    agents, wetness = stage.agents, stage.conditions.wetness
    kinds = np.isin(agents.kind, [AgentKind.CAR, AgentKind.TRUCK, AgentKind.BUS])
    speed = agents.speed.astype(np.float64)
    rows = np.flatnonzero(agents.valid & kinds & (speed > SPRAY_FROM) & (wetness > 0))
    rows = rows[rows != EGO]
    swift = np.clip((speed[rows] - SPRAY_FROM) / (SPRAY_FULL - SPRAY_FROM), 0.0, 1.0)
    heavy = np.where(agents.kind[rows] == AgentKind.CAR, 1.0, 2.0)
    size, yaw = agents.size[rows].astype(np.float64), agents.yaw[rows].astype(np.float64)
    length = np.minimum(SPRAY_TIME * speed[rows], 20.0)
    height = 0.8 * np.minimum(size[:, 2], 2.2)
    heading = np.column_stack([np.cos(yaw), np.sin(yaw)])
    back = (size[:, 0] + length) / 2
    place = agents.position[rows] - triangles.origin[:2] - back[:, None] * heading
    return Spray(
        place=np.column_stack([place, height / 2]),
        heading=heading,
        half=np.column_stack([length, 1.25 * size[:, 1], height]) / 2,
        haze=SPRAY_HAZE * wetness * heavy * swift**2,
    )
