"""What is left out early for the sake of speed would have changed nothing."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.render.lidar_weather import lidar_air
from scenegen.scene import Conditions, Weather
from scenegen.sensors.lidar_air_echoes import air_echoes, cloud_bounds, haze_before, rare_air

WEATHERS = {
    "fog": Conditions(weather=Weather.FOG, visibility=60.0),
    "thin fog": Conditions(weather=Weather.FOG, visibility=400.0),
    "rain": Conditions(weather=Weather.RAIN, rain_mm_per_h=30.0, visibility=500.0),
    "snow": Conditions(weather=Weather.SNOW, snow_mm_per_h=3.0, visibility=200.0),
}


@pytest.mark.parametrize("name", WEATHERS)
def test_rays_without_an_echo_of_the_air_are_known_early(name: str) -> None:
    """Deciding every ray in full gives the same echoes, to the last bit."""
    rng = np.random.default_rng(1)
    air = lidar_air(WEATHERS[name], reach_dark=50.0, nearest=0.9, divergence=2e-3, pulse=5e-9)
    rays = 20_000
    dice = (
        rng.standard_normal((rays, 3), np.float32),
        rng.random(rays, np.float32),
        rng.standard_normal((rays, 2), np.float32),
        rng.random((rays, 5), np.float32),
    )
    weather = (air.extinction, air.fog_echo, air.wetness, float(air.grid[1]), 2e-3)
    tables, make = (air.fog_range, air.particles), (0.9, 120.0, 0.1 / 50.0**2, 0.02, 0.75)
    found = []
    for rare in (rare_air(weather, tables, make), (0.0, 2.0)):
        echoes = np.zeros((rays, 5, 4))
        for i in range(rays):
            air_echoes(i, 60.0, (0.0, np.inf), dice, weather, tables, make, rare, echoes[i])
        found.append(echoes)

    np.testing.assert_array_equal(found[0], found[1])
    assert 0 < (found[0][:, 2:, 1] > 0).any(-1).sum() < rays


@pytest.mark.parametrize("seed", range(3))
def test_haze_is_the_way_through_the_clouds(seed: int) -> None:
    """The optical depth is what samples along the ray add up to, for every cloud."""
    rng = np.random.default_rng(seed)
    count, rays = 6, 200
    angle = rng.uniform(-np.pi, np.pi, count)
    clouds = (
        rng.uniform(-25.0, 25.0, (count, 3)) * [1.0, 1.0, 0.05],
        np.column_stack([np.cos(angle), np.sin(angle)]),
        rng.uniform(0.5, 6.0, (count, 3)),
        rng.uniform(0.02, 0.1, count),
    )
    direction = rng.normal(size=(rays, 3)) * [1.0, 1.0, 0.1]
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    pose = np.eye(4)[None]
    pose[0, :3, 3] = 1.0, -2.0, 0.5
    scan = (direction, np.zeros(rays, np.int64), pose, pose)
    around = cloud_bounds(pose, clouds)
    step = np.arange(0.0, 40.0, 0.01) + 0.005

    for i in range(rays):
        depth, begin = haze_before(i, 40.0, scan, clouds, around)

        away = pose[0, :3, 3] + step[:, None] * direction[i] - clouds[0][:, None]
        ahead, left = clouds[1][:, None, 0], clouds[1][:, None, 1]
        local = np.stack(
            [
                away[..., 0] * ahead + away[..., 1] * left,
                away[..., 1] * ahead - away[..., 0] * left,
                away[..., 2],
            ],
            -1,
        )
        inside = (np.abs(local) < clouds[2][:, None]).all(-1)
        assert depth == pytest.approx((inside.sum(1) * 0.01) @ clouds[3], abs=0.02)
        if inside.sum() > 4:
            assert begin == pytest.approx(step[inside.any(0)][0], abs=0.05)
