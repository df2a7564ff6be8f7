"""What a learned camera is told about light and weather: one row of numbers per picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.appearance.camera_tone import fixed_exposure
from scenegen.arrays import FloatArray
from scenegen.render.camera_response import LUMINANCE
from scenegen.render.sky import illuminate
from scenegen.scene import Conditions, Light, Weather
from scenegen.scene.conditions import CLEAR_VISIBILITY

CONDITION_NAMES = (
    *(light.value for light in Light),
    *(weather.value for weather in Weather),
    "sun_right",
    "sun_down",
    "sun_forward",
    "sun_light",
    "sky_light",
    "rain",
    "snowfall",
    "haze",
    "cloud_cover",
    "wetness",
    "exposure",
)
"""Name of each number of a ConditionCode, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConditionCode:
    """Light and weather of a picture, of the order of one.

    Attributes:
        numbers: One-hot light and weather; the direction to the sun in the camera's frame; light
            of the sun and of the sky as exposed, log(1 + x); rain and snowfall, log(1 + mm/h) / 4;
            haze log(V0 / V) / 6 of the visibility V against clear air; cloud cover; wetness; and
            log(exposure) / 3. Shape (len(CONDITION_NAMES),), float32.
    """

    numbers: FloatArray

    @classmethod
    def of(cls, conditions: Conditions, turn: FloatArray) -> ConditionCode:
        """Code conditions as a camera sees them.

        Args:
            conditions: Light and weather.
            turn: Rotation, camera from map axes, shape (3, 3).
        """
        light, exposure = illuminate(conditions), fixed_exposure(conditions)
        numbers = [
            *(float(conditions.light is one) for one in Light),
            *(float(conditions.weather is one) for one in Weather),
            *(np.asarray(turn) @ light.sun_direction),
            np.log1p(exposure * float(light.sun @ LUMINANCE)),
            np.log1p(exposure * float(light.sky_light @ LUMINANCE)),
            np.log1p(conditions.rain_mm_per_h) / 4.0,
            np.log1p(conditions.snow_mm_per_h) / 4.0,
            np.log(CLEAR_VISIBILITY / conditions.visibility) / 6.0,
            light.cloud_cover,
            conditions.wetness,
            np.log(exposure) / 3.0,
        ]
        return cls(numbers=np.array(numbers, np.float32))
