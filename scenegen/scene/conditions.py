"""Light and weather, in physical units."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Light(StrEnum):
    """Time of day as it matters to a camera."""

    DAY = "day"
    DUSK = "dusk"
    NIGHT = "night"


class Weather(StrEnum):
    """The dominant weather; the numbers in Conditions say how much."""

    CLEAR = "clear"
    OVERCAST = "overcast"
    RAIN = "rain"
    FOG = "fog"
    SNOW = "snow"


CLEAR_VISIBILITY = 20_000.0
"""Meteorological optical range of clear air [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Light, weather and road surface of one scenario; they hold throughout.

    Attributes:
        light: Time of day.
        weather: The dominant weather.
        rain_mm_per_h: Rain rate [mm/h], 0-80.
        snow_mm_per_h: Snowfall rate, water equivalent [mm/h], 0-20.
        visibility: Meteorological optical range [m]: contrast falls to 5 % (Koschmieder, 1924).
        sun_elevation: Sun above the horizon [rad]; negative at night.
        sun_azimuth: Direction towards the sun in the map frame [rad], counter-clockwise from x.
        cloud_cover: Share of the sky that is cloud, 0-1.
        wetness: Water on the road, 0 dry - 1 puddles.
        friction: Coefficient of road friction, 0.05-1.2; dry asphalt 0.9, wet 0.6, snow 0.25.
    """

    light: Light = Light.DAY
    weather: Weather = Weather.CLEAR
    rain_mm_per_h: float = 0.0
    snow_mm_per_h: float = 0.0
    visibility: float = CLEAR_VISIBILITY
    sun_elevation: float = math.radians(45.0)
    sun_azimuth: float = math.radians(120.0)
    cloud_cover: float = 0.2
    wetness: float = 0.0
    friction: float = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        limits = {
            "rain_mm_per_h": (0.0, 80.0),
            "snow_mm_per_h": (0.0, 20.0),
            "visibility": (5.0, 100_000.0),
            "sun_elevation": (-math.pi / 2, math.pi / 2),
            "cloud_cover": (0.0, 1.0),
            "wetness": (0.0, 1.0),
            "friction": (0.05, 1.2),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"Conditions.{name}: expected {low} to {high}, got {value}")

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_json`."""
        named = {"light": Light(data["light"]), "weather": Weather(data["weather"])}
        return cls(**{**data, **named})
