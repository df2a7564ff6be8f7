"""The light that is handed out is the light that the picture is shaded with."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from scenegen.render import (
    AgentMotion,
    LightBuffers,
    Picture,
    PinholeCamera,
    Stage,
    SurfaceClass,
    Triangles,
    View,
    assemble,
    build_world,
    light_buffers,
    look,
)
from scenegen.render.light_field import light_field
from scenegen.render.lighting import irradiance
from scenegen.render.shading import ambient, shade, shade_and_clear
from scenegen.scene import AgentKind, AgentStates, Conditions, Light, Scene, Weather
from scenegen.sensors import camera_pose
from tests.builders import straight_road

CAMERA = PinholeCamera(width_px=160, height_px=80, fov=math.radians(80))
SIZE, HALF = (80, 160), (40, 80)
DAY = Conditions()
NIGHT = Conditions(light=Light.NIGHT, sun_elevation=-0.5)
WET = Conditions(weather=Weather.RAIN, rain_mm_per_h=2.0, wetness=0.7, cloud_cover=1.0)
SNOW = Conditions(weather=Weather.SNOW, snow_mm_per_h=2.0)
ALL = [DAY, NIGHT, WET, SNOW]
ROAD = straight_road(lanes=3)


@cache
def scene(conditions: Conditions) -> tuple[Stage, Triangles, View]:
    """A car 9 m ahead, one that comes towards the ego, and the view from the windscreen."""
    rows = [
        (AgentKind.CAR, 100.0, 3.5, 0.0, 20.0),
        (AgentKind.CAR, 111.0, 3.5, 0.0, 20.0),
        (AgentKind.CAR, 125.0, 7.0, 3.1, 9.0),
    ]
    agents = AgentStates.of(rows)
    world = build_world(ROAD, conditions, 1)
    stage = world.stage(
        Scene(roadmap=ROAD, agents=agents, conditions=conditions), AgentMotion.still(3)
    )
    triangles = assemble(stage)
    pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5)
    return stage, triangles, View.of(CAMERA, pose, triangles.origin)


@cache
def snap(conditions: Conditions) -> Picture:
    """Take the picture, with its light."""
    return look(*scene(conditions), np.random.default_rng(0), with_light=True)


def light_of(conditions: Conditions) -> LightBuffers:
    """Light of the picture."""
    light = snap(conditions).light
    assert light is not None
    return light


@pytest.mark.parametrize("conditions", ALL, ids=["day", "night", "wet", "snow"])
def test_arrays_have_their_shapes_and_ranges(conditions: Conditions) -> None:
    """Shares lie in 0-1, irradiances are finite and not negative, sizes are as announced."""
    light = light_of(conditions)

    for field in fields(light):
        array = getattr(light, field.name)
        rows = HALF if field.name.startswith("mirror") else SIZE
        assert array.shape[:2] == rows, field.name
        assert array.dtype == np.float32, field.name
        assert np.isfinite(array).all(), field.name
        assert (array >= 0).all(), field.name
    for name in ("sun_visibility", "sky_visibility", "roughness", "water", "snow", "sky_coverage"):
        assert getattr(light, name).max() <= 1.0 + 1e-6, name


def test_asking_for_the_light_changes_no_pixel() -> None:
    """The picture is the same bytes with and without."""
    plain = look(*scene(NIGHT), np.random.default_rng(0))

    assert plain.light is None
    np.testing.assert_array_equal(plain.rgb, snap(NIGHT).rgb)
    np.testing.assert_array_equal(plain.radiance, snap(NIGHT).radiance)


def test_light_without_a_picture_is_the_same_light() -> None:
    """`light_buffers` gives what `look` gives, to the bit."""
    buffer, light = light_buffers(*scene(NIGHT))

    np.testing.assert_array_equal(buffer.albedo, snap(NIGHT).gbuffer.albedo)
    for field in fields(light):
        np.testing.assert_array_equal(
            getattr(light, field.name), getattr(light_of(NIGHT), field.name), field.name
        )


@pytest.mark.parametrize("conditions", [DAY, NIGHT], ids=["day", "night"])
def test_matt_surfaces_are_albedo_times_the_light(conditions: Conditions) -> None:
    """Radiance of the dry dull road is albedo times the sum of the buffers, but for the air."""
    stage, triangles, view = scene(conditions)
    buffer, light = snap(conditions).gbuffer, light_of(conditions)
    field = light_field(stage, triangles, view, buffer)
    clear = replace(field, illumination=replace(field.illumination, extinction=0.0))
    every = np.ones(len(buffer.depth), np.bool_)
    radiance = shade(buffer, clear, irradiance(buffer, clear, every), every)
    road = (buffer.semantic == SurfaceClass.ROAD) & (buffer.gloss < 0.004)
    road &= buffer.normal[:, 2] > 0.9999
    sun = field.illumination.sun_direction[2] * light.sun_visibility.reshape(-1, 1)
    share, around = light.sky_visibility.reshape(-1, 1), ambient(field.illumination, field.bounce)
    sky = share * around[0] + (1 - share) * around[2]
    lamps = (light.lamps + light.headlights).reshape(-1, 3)

    expected = buffer.albedo * (sun * field.illumination.sun + sky + lamps)

    assert road.sum() > 300
    np.testing.assert_allclose(radiance[road], expected[road], rtol=0.02, atol=1e-5)


def test_shadows_only_take_light_away() -> None:
    """Lamps with shadows give no more than without, and less behind the car ahead."""
    light = light_of(NIGHT)
    shadowed = light.lamps + light.headlights

    assert (shadowed <= light.lamps_unshadowed * (1 + 1e-5) + 1e-9).all()
    taken = light.lamps_unshadowed - shadowed
    assert (taken[..., 0] > 0.3 * light.lamps_unshadowed[..., 0] + 1e-6).mean() > 0.002


def test_the_headlights_are_the_egos() -> None:
    """They light the road ahead, with the inverse square law and no light without the ego's."""
    light = light_of(NIGHT)
    road = (snap(NIGHT).gbuffer.semantic == SurfaceClass.ROAD).reshape(SIZE)

    middle = light.headlights[:, 60:100, 0].mean(1)
    assert middle[70] > 0.01
    assert middle[70] > middle[60] * 0.5 > 0
    assert (light.headlights[road] >= 0).all()
    assert light_of(DAY).headlights.max() == 0.0
    assert light_of(DAY).lamps_unshadowed.max() == 0.0


def test_the_sun_is_hidden_under_the_car_and_by_night() -> None:
    """A share of the road near the car is dark by day; at night nothing sees the sun."""
    light = light_of(DAY)
    road = (snap(DAY).gbuffer.semantic == SurfaceClass.ROAD).reshape(SIZE)

    assert (light.sun_visibility[road] == 1).mean() > 0.3
    assert (light.sun_visibility[road] < 0.1).any()
    assert light_of(NIGHT).sun_visibility.max() == 0.0
    assert light_of(WET).sun_visibility.max() == 0.0


def test_only_a_wet_road_has_a_mirrored_world() -> None:
    """Where it rains the mirror shows the car upside down; where it is dry it is empty."""
    wet, dry = light_of(WET), light_of(DAY)

    assert (wet.mirror_depth > 0).mean() > 0.05
    assert wet.mirror_albedo.max() > 0.1
    assert dry.mirror_depth.max() == 0.0
    assert dry.water.max() == 0.0
    assert wet.water.max() > 0.3
    rough = wet.roughness[wet.water > 0.3].mean(), dry.roughness[wet.water > 0.3].mean()
    assert rough[0] < 0.8 * rough[1]


def test_the_mirrored_car_stands_under_the_car() -> None:
    """Mirrored depths are those of the mirrored world: a car's at the distance of the car."""
    picture, light = snap(WET), light_of(WET)
    car = (picture.gbuffer.instance == 2).reshape(SIZE)
    rows, columns = np.nonzero(car)
    below = light.mirror_depth[(rows.max() + 4) // 2, int(columns.mean()) // 2]

    depth = picture.gbuffer.depth.reshape(SIZE)[car]
    assert depth.min() - 0.3 < below < depth.max() + 5.0


def test_the_edge_of_the_sky_is_soft() -> None:
    """Coverage is 1 in the open sky, 0 on the road, and between at some of the skyline."""
    coverage = light_of(DAY).sky_coverage
    semantic = snap(DAY).gbuffer.semantic.reshape(SIZE)

    assert (coverage[semantic == SurfaceClass.ROAD] < 0.8).all()
    assert (coverage[:8] == 1).any()
    assert ((coverage > 0) & (coverage < 1)).any()
    assert set(np.unique(coverage)) <= {0.0, 0.25, 0.5, 0.75, 1.0}


@pytest.mark.parametrize("name", ["wetness", "snow"])
def test_weather_on_the_ground_is_monotone_and_nothing_at_zero(name: str) -> None:
    """More wetness or snow covers no pixel less; none covers none and changes no radiance."""
    stage, triangles, view = scene(DAY)
    buffer = snap(DAY).gbuffer
    field = light_field(stage, triangles, view, buffer)
    every = np.ones(len(buffer.depth), np.bool_)
    shares, radiances = [], []
    for level in (0.0, 0.2, 0.5, 0.8):
        light = replace(field.illumination, **{name: level})
        arriving = irradiance(buffer, replace(field, illumination=light), every)
        shares.append(arriving.water if name == "wetness" else arriving.snow)
        radiances.append(shade(buffer, replace(field, illumination=light), arriving, every))

    assert shares[0].max() == 0.0
    np.testing.assert_array_equal(
        radiances[0], shade(buffer, field, irradiance(buffer, field, every), every)
    )
    for less, more in pairwise(shares):
        assert (more >= less).all()
        assert more.mean() > less.mean()


def test_fog_is_monotone_and_nothing_at_zero() -> None:
    """Every surface moves towards the air, farther the thicker it is, and not at all at zero."""
    stage, triangles, view = scene(DAY)
    buffer = snap(DAY).gbuffer
    field = light_field(stage, triangles, view, buffer)
    every = np.ones(len(buffer.depth), np.bool_)
    arriving = irradiance(buffer, field, every)
    far = buffer.depth > 5.0

    def away(extinction: float) -> np.ndarray:
        light = replace(field.illumination, extinction=extinction)
        radiance = shade(buffer, replace(field, illumination=light), arriving, every)
        return np.abs(radiance[far] - light.air.astype(np.float32)).sum(-1)

    clear, thin, thick = away(0.0), away(0.01), away(0.05)
    black = replace(field.illumination, extinction=0.0, air=np.zeros(3))
    same = shade(buffer, replace(field, illumination=black), arriving, every)
    with_air = replace(field.illumination, extinction=0.0)
    other = shade(buffer, replace(field, illumination=with_air), arriving, every)
    np.testing.assert_array_equal(same[far], other[far])
    assert (thin <= clear + 1e-6).all()
    assert (thick <= thin + 1e-6).all()
    assert thick.mean() < 0.7 * clear.mean()


@pytest.mark.parametrize("conditions", [DAY, WET], ids=["day", "wet"])
def test_shading_once_gives_the_light_with_and_without_air(conditions: Conditions) -> None:
    """Both are, to the last bit, what two passes give."""
    stage, triangles, view = scene(conditions)
    buffer = snap(conditions).gbuffer
    field = light_field(stage, triangles, view, buffer)
    every = np.ones(len(buffer.depth), np.bool_)
    arriving = irradiance(buffer, field, every)
    airless = replace(field, illumination=replace(field.illumination, extinction=0.0))

    radiance, clear = shade_and_clear(buffer, field, arriving, every)

    np.testing.assert_array_equal(radiance, shade(buffer, field, arriving, every))
    np.testing.assert_array_equal(clear, shade(buffer, airless, arriving, every))
