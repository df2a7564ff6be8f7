"""Drawing light and weather: consistent numbers for what a query leaves open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from scenegen.scene.conditions import CLEAR_VISIBILITY, Conditions, Light, Weather

K = TypeVar("K", Light, Weather)

LIGHT_SHARE = {Light.DAY: 0.6, Light.DUSK: 0.15, Light.NIGHT: 0.25}
"""How often each light is drawn; darkness more often than its share of traffic, on purpose."""
WEATHER_SHARE = {
    Weather.CLEAR: 0.5,
    Weather.OVERCAST: 0.22,
    Weather.RAIN: 0.14,
    Weather.FOG: 0.08,
    Weather.SNOW: 0.06,
}
"""How often each weather is drawn; adverse weather more often than in nature, on purpose."""
SUN = {Light.DAY: (15.0, 65.0), Light.DUSK: (-4.0, 8.0), Light.NIGHT: (-60.0, -12.0)}
"""Elevation of the sun per light [degrees]; night begins at nautical dusk, -12."""
RAIN, RAIN_LIMIT = (1.0, 25.0), (0.1, 80.0)
"""Rain rates drawn, and those that can be asked for [mm/h] (ISO 34504, PAS 1883: violent rain
begins at 50 mm/h)."""
FOG, FOG_LIMIT = (60.0, 600.0), (20.0, 1000.0)
"""Visibilities in fog that are drawn, and those that can be asked for [m] (WMO: fog is below
1000 m)."""
SNOW, SNOW_LIMIT = (0.3, 4.0), (0.1, 20.0)
"""Snowfall that is drawn, and that can be asked for, water equivalent [mm/h]."""
FRICTION = {Weather.CLEAR: 0.9, Weather.OVERCAST: 0.9, Weather.FOG: 0.8}
"""Friction of asphalt that no rain or snow falls on; fog leaves it damp."""


def draw_conditions(
    rng: np.random.Generator,
    lights: Sequence[Light] = tuple(Light),
    weathers: Sequence[Weather] = tuple(Weather),
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Conditions:
    """Draw light and weather, then the numbers that go with them.

    Rain, fog, snow and the height of the sun are drawn within the bounds given, if need be beyond
    what is drawn without, and the numbers that follow from them fit: so heavy rain is also wet,
    slippery and hard to see through.

    Args:
        rng: Random numbers.
        lights: Times of day to choose from, by LIGHT_SHARE.
        weathers: Weathers to choose from, by WEATHER_SHARE.
        ranges: Bounds on single fields of Conditions, in its units; a number that still lies
            outside is moved to the nearer bound.

    Returns:
        Conditions whose numbers fit each other.

    Raises:
        ValueError: There is nothing to choose from, or a range cannot be met.
    """
    light = _choose(rng, lights, LIGHT_SHARE)
    weather = _choose(rng, weathers, WEATHER_SHARE)
    ranges = ranges or {}
    low, high = (math.radians(degrees) for degrees in SUN[light])
    sun = _drawn_range(ranges, "sun_elevation", (low, high), (-math.pi / 2, math.pi / 2))
    values = {
        "sun_elevation": rng.uniform(*sun),
        "sun_azimuth": rng.uniform(-math.pi, math.pi),
        "cloud_cover": rng.uniform(0.0, 0.5) if weather is Weather.CLEAR else rng.uniform(0.8, 1.0),
        **_weather_numbers(rng, weather, ranges),
    }
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"draw_conditions: {name} cannot lie between {low} and {high}")
        values[name] = min(max(values[name], low), high)
    return Conditions(light=light, weather=weather, **values)


def draw_light(rng: np.random.Generator, lights: Sequence[Light]) -> Light:
    """Draw a time of day, by LIGHT_SHARE.

    Raises:
        ValueError: There is nothing to choose from.
    """
    return _choose(rng, lights, LIGHT_SHARE)


def _choose(rng: np.random.Generator, options: Sequence[K], shares: Mapping[K, float]) -> K:
    if not options:
        raise ValueError("draw_conditions: no light or weather is left to choose from")
    weights = np.array([shares[option] for option in options])
    return options[int(rng.choice(len(options), p=weights / weights.sum()))]


def _drawn_range(
    ranges: Mapping[str, tuple[float, float]],
    name: str,
    usual: tuple[float, float],
    limit: tuple[float, float],
) -> tuple[float, float]:
    """Range to draw a number from: the usual one within the wish, else the wish within limits."""
    wish = ranges.get(name, (-math.inf, math.inf))
    for low, high in (usual, limit):
        inner = max(low, wish[0]), min(high, wish[1])
        if inner[0] < inner[1]:
            return inner
    return usual


def _weather_numbers(
    rng: np.random.Generator, weather: Weather, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    rain = snow = 0.0
    visibility = CLEAR_VISIBILITY
    if weather is Weather.RAIN:
        drops = _drawn_range(ranges, "rain_mm_per_h", RAIN, RAIN_LIMIT)
        rain = float(np.exp(rng.uniform(*np.log(drops))))
    if weather is Weather.SNOW:
        snow = float(rng.uniform(*_drawn_range(ranges, "snow_mm_per_h", SNOW, SNOW_LIMIT)))
    if weather is Weather.FOG:
        fog = _drawn_range(ranges, "visibility", FOG, FOG_LIMIT)
        visibility = float(np.exp(rng.uniform(*np.log(fog))))
    elif rain:
        # Extinction of rain 0.312 R^0.67 per km (Tremblay et al. 2020), MOR = 2.996 / extinction.
        visibility = 2996.0 / (0.312 * rain**0.67)
    elif snow:
        visibility = 1200.0 / (snow + 0.5)
    friction = FRICTION.get(weather, 0.9)
    if rain:
        friction = 0.7 - 0.2 * min(rain / 25.0, 1.0)
    elif snow:
        friction = 0.25 + 0.15 * float(rng.random())
    return {
        "rain_mm_per_h": rain,
        "snow_mm_per_h": snow,
        "visibility": min(visibility, CLEAR_VISIBILITY),
        "wetness": min(1.0, 0.4 + rain / 20.0) if rain else (0.3 if snow else 0.0),
        "friction": friction,
    }
