"""What weather does to the points of a lidar, and what it never does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from scenegen.arrays import Array
from scenegen.render.lidar_weather import spray_clouds
from scenegen.scene import AgentKind, Conditions
from scenegen.sensors import LIDAR_MODELS, Lidar
from scenegen.sensors.lidar import SCALE, Loss
from tests.sensors.streets import BUSY, middle, sensed

LIDAR = Lidar(model=replace(LIDAR_MODELS["hdl64"], columns=512), losses=True)
NAMES = ("fog", "rain", "snow", "wet")


def worse(name: str) -> list[Conditions]:
    """Conditions of one kind of weather, worse and worse."""
    return {
        "fog": [Conditions(visibility=v) for v in (20_000.0, 800.0, 200.0, 80.0, 40.0)],
        "rain": [Conditions(rain_mm_per_h=r) for r in (0.0, 1.0, 5.0, 20.0, 60.0)],
        "snow": [Conditions(snow_mm_per_h=s) for s in (0.0, 0.5, 2.0, 8.0, 20.0)],
        "wet": [Conditions(wetness=w) for w in (0.0, 0.25, 0.5, 0.75, 1.0)],
    }[name]


def rays(arrays: Mapping[str, Array]) -> set[int]:
    """Rays whose solid echo is lost."""
    return set(arrays["lost_ray"].tolist())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_worse_weather_loses_more_ray_by_ray(name: str, seed: int) -> None:
    """With the same dice, a ray lost in bad weather is not seen in worse."""
    lost = [rays(sensed(LIDAR, middle(BUSY, c, seed))) for c in worse(name)]

    for less, more in pairwise(lost):
        assert less <= more
    assert len(lost[-1]) > len(lost[0])


@pytest.mark.parametrize("name", NAMES)
def test_no_weather_is_the_identity(name: str) -> None:
    """At zero intensity every array is that of clear air, to the bit."""
    clear, none = (sensed(LIDAR, middle(BUSY, c)) for c in (Conditions(), worse(name)[0]))

    assert all(clear[key].tobytes() == none[key].tobytes() for key in clear)


def test_clear_air_gives_no_points() -> None:
    """Without weather every point lies on a thing."""
    arrays = sensed(LIDAR, middle())

    assert not arrays["is_weather"].any()
    assert (arrays["semantic"] > 0).all()


@pytest.mark.parametrize("name", ["fog", "rain", "snow"])
def test_points_of_the_air_are_marked(name: str) -> None:
    """They have class sky, no instance, and lie within some metres of the sensor."""
    arrays = sensed(LIDAR, middle(BUSY, worse(name)[-1]))

    made = arrays["is_weather"] == 1
    far = np.linalg.norm(arrays["xyz"][made] * SCALE, axis=1)
    assert made.sum() > 50
    assert (arrays["semantic"][made] == 0).all()
    assert (arrays["instance"][made] == 0).all()
    assert np.percentile(far, 95) < 15.0


def test_a_wet_road_is_lost_far_away_first() -> None:
    """Water mirrors grazing pulses away, and only on the ground; the list says so."""
    # Too slow to throw up spray.
    rows = tuple((*row[:4], min(row[4], 5.0)) for row in BUSY)
    dry, wet = (sensed(LIDAR, middle(rows, c)) for c in (Conditions(), Conditions(wetness=1.0)))

    def count(arrays: Mapping[str, Array], low: float, high: float) -> int:
        far = np.linalg.norm(arrays["xyz"] * SCALE, axis=1)
        return int(((arrays["semantic"] == 1) & (far > low) & (far < high)).sum())

    assert count(wet, 20, 40) < 0.2 * count(dry, 20, 40)
    assert count(wet, 0, 8) > 0.95 * count(dry, 0, 8)
    assert (wet["lost_reason"] == Loss.WET).sum() > 100
    for track in (2, 4):
        assert (wet["instance"] == track).sum() == (dry["instance"] == track).sum()


def test_intensity_does_not_fall_with_range() -> None:
    """Calibrated intensity is that of the surface: the same car twice as far reads the same."""
    levels = []
    for away in (10.0, 20.0):
        rows = (BUSY[0], (AgentKind.CAR, 100.0 + away, 3.5, 0.0, 25.0))
        arrays = sensed(LIDAR, middle(rows))
        square = (arrays["incidence"] > 200) & (arrays["instance"] == 2)
        levels.append(float(np.median(arrays["intensity"][square])))

    assert levels[1] == pytest.approx(levels[0], rel=0.1)


def test_fast_vehicles_on_a_wet_road_trail_spray() -> None:
    """Clouds hang behind who is fast, not behind the ego, walkers or cyclists, nor when dry."""
    wet, dry = middle(BUSY, Conditions(wetness=1.0)), middle()

    clouds = spray_clouds(wet.stage, wet.triangles)

    assert len(clouds.haze) == 4
    assert len(spray_clouds(dry.stage, dry.triangles).haze) == 0
    lead = wet.stage.agents.position[1] - wet.triangles.origin[:2]
    assert clouds.place[0, 0] < lead[0] - 2.25
    assert abs(clouds.place[0, 1] - lead[1]) < 0.1
    arrays = sensed(LIDAR, wet)
    made = arrays["is_weather"] == 1
    points = arrays["xyz"][made] * SCALE
    assert made.sum() > 20
    assert points[:, 2].max() < 0.0  # below the sensor: spray hugs the road
