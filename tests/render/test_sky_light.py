"""The light that a surface takes from the sky is the integral of the very sky that is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render.sky import (
    Illumination,
    illuminate,
    sky_harmonics,
    sky_irradiance,
    sky_radiance,
)
from scenegen.scene import Conditions, Light, Weather

SKIES = {
    "clear": Conditions(cloud_cover=0.0, sun_elevation=0.6),
    "scattered": Conditions(cloud_cover=0.45, sun_elevation=1.0),
    "overcast": Conditions(weather=Weather.OVERCAST, cloud_cover=1.0),
    "dusk": Conditions(light=Light.DUSK, sun_elevation=0.03, cloud_cover=0.1),
    "night": Conditions(light=Light.NIGHT, sun_elevation=-0.6),
}
NORMALS = {
    "up": (0.0, 0.0, 1.0),
    "north": (0.0, 1.0, 0.0),
    "south": (0.0, -1.0, 0.0),
    "east": (1.0, 0.0, 0.0),
    "roof": (0.6, 0.0, 0.8),
    "down": (0.0, 0.0, -1.0),
}


def brute_force(light: Illumination, normal: FloatArray) -> FloatArray:
    """Irradiance over pi by summing the drawn sky over a grid, under skies of every density."""
    packed, out, rows, columns, maps = light.packed(), np.zeros(3), 24, 48, 6
    even = [np.full((256, 256), (k + 0.5) / maps, np.float32) for k in range(maps)]
    for up in (np.arange(rows) + 0.5) / rows:
        flat = np.sqrt(1 - up * up)
        for azimuth in (np.arange(columns) + 0.5) / columns * 2 * np.pi:
            way = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), up])
            facing = max(float(way @ normal), 0.0)
            if facing == 0.0 or way @ light.sun_direction > 0.9998:
                continue
            for clouds in even:
                out += facing * np.array(sky_radiance(*way, packed, clouds))
    return out * 2 / (rows * columns * maps)


def without_glow(conditions: Conditions) -> Illumination:
    """Give the light of a cloudless sky without the glow around the sun."""
    light = replace(illuminate(conditions), glow=np.zeros(3), cloud_cover=0.0)
    return replace(light, harmonics=sky_harmonics(light.packed()))


@pytest.mark.parametrize("name", ["clear", "dusk", "night"])
def test_the_ground_takes_a_sixth_from_the_horizon(name: str) -> None:
    """The cosine integral of h (1 - u)^2 + z (1 - (1 - u)^2) over u = sine is h / 6 + 5 z / 6.

    What is left out beyond degree two is below 4 %.
    """
    light = without_glow(SKIES[name])

    expected = light.horizon / 6 + 5 * light.zenith / 6

    np.testing.assert_allclose(light.sky_light, expected, rtol=0.04)


@pytest.mark.parametrize("name", SKIES)
@pytest.mark.parametrize("facing", NORMALS)
def test_irradiance_is_the_integral_of_the_drawn_sky(name: str, facing: str) -> None:
    """For every normal within 3 % of what lies flat; clouds count at the mean of densities."""
    light = illuminate(SKIES[name])
    normal = np.array(NORMALS[facing])

    found = np.array(sky_irradiance(*normal, light.harmonics))

    tolerance = 0.03 * brute_force(light, np.array([0.0, 0.0, 1.0])).max()
    np.testing.assert_allclose(found, brute_force(light, normal), atol=tolerance)


def test_an_even_sky_gives_by_the_tilt_alone() -> None:
    """Half of the sky lies before a wall: (1 + n_z) / 2 of what lies before flat ground."""
    even = replace(
        illuminate(SKIES["clear"]),
        glow=np.zeros(3),
        cloud_cover=0.0,
        zenith=np.ones(3),
        horizon=np.ones(3),
    )
    harmonics = sky_harmonics(even.packed())

    for normal in NORMALS.values():
        expected = np.full(3, (1 + normal[2]) / 2)
        np.testing.assert_allclose(sky_irradiance(*normal, harmonics), expected, atol=0.005)


def test_the_zenith_is_no_bluer_than_air_makes_it() -> None:
    """Red stays above 0.28 of blue: the hue of sunlight scattered by the inverse fourth power."""
    for elevation in (0.1, 0.5, 1.2):
        zenith = illuminate(Conditions(sun_elevation=elevation)).zenith
        assert 0.28 < zenith[0] / zenith[2] < zenith[1] / zenith[2] < 0.6
