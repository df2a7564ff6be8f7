"""What a learned camera is given is what the picture is made of, in the order that is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.appearance.camera_condition import CONDITION_NAMES, ConditionCode
from scenegen.appearance.camera_inputs import (
    CHANNEL,
    CHANNELS,
    CLASS_SCALE,
    VERSION,
    camera_inputs,
)
from scenegen.appearance.camera_noise import surface_noise
from scenegen.appearance.camera_tone import SPEED, fixed_exposure, from_tone, to_tone
from scenegen.errors import ShapeError
from scenegen.render import SurfaceClass, View
from scenegen.render.gbuffer import GBuffer
from scenegen.render.sky import illuminate
from scenegen.scene import Conditions, Light
from tests.appearance.camera_scenes import DAY, FOG, NIGHT, WET, inputs_of, small_scene, snap

ALL = [DAY, NIGHT, FOG, WET]


def channel(conditions: Conditions, name: str) -> np.ndarray:
    """One plane of the stack."""
    return inputs_of(conditions).stack[CHANNEL[name]]


def test_the_layout_of_version_one_is_frozen() -> None:
    """Weights refer to channels by place: names and order change only with the version."""
    assert VERSION == 1
    assert len(CHANNELS) == len(set(CHANNELS)) == 37
    places = {"albedo_red": 0, "normal_right": 3, "near": 6, "base_red": 8, "emission_red": 11}
    places |= {"roughness": 14, "sun": 18, "lamps_red": 20, "headlights": 23, "incidence": 31}
    places |= {"mirror_red": 28, "sky_coverage": 32, "noise_fine": 34, "surface_class": 36}
    assert {name: CHANNEL[name] for name in places} == places


@pytest.mark.parametrize("conditions", ALL, ids=lambda c: f"{c.light}-{c.weather}")
def test_every_channel_is_of_the_order_of_one(conditions: Conditions) -> None:
    """No channel drowns the others, none holds a value that is no number."""
    stack = inputs_of(conditions).stack

    assert np.isfinite(stack).all()
    assert np.abs(stack).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("conditions", ALL, ids=lambda c: f"{c.light}-{c.weather}")
def test_the_base_comes_back_to_the_last_bit(conditions: Conditions) -> None:
    """A picture that is not corrected is the shaded base, behind its air."""
    inputs = inputs_of(conditions)

    np.testing.assert_array_equal(inputs.developed(inputs.base), snap(conditions).radiance)


def test_fog_hides_what_is_learned() -> None:
    """A correction reaches the eye as far as the air lets light through."""
    inputs = inputs_of(FOG)
    brighter = np.clip(inputs.base + 0.1, 0.0, 1.0)

    change = inputs.developed(brighter) - inputs.radiance

    clear = from_tone(brighter, inputs.exposure) - from_tone(inputs.base, inputs.exposure)
    wanted = clear.transpose(1, 2, 0) * inputs.passed[..., None]
    np.testing.assert_allclose(change, wanted, atol=1e-5)
    depth = snap(FOG).gbuffer.depth.reshape(inputs.passed.shape)
    far, near = inputs.passed[depth > 100.0], inputs.passed[(depth > 0) & (depth < 5.0)]
    assert far.max() < 0.05
    assert near.min() > 0.7


def test_classes_are_exact_as_half_floats() -> None:
    """The class of every pixel survives the cache."""
    plane = channel(DAY, "surface_class").astype(np.float16).astype(np.float32)

    classes = np.rint(plane * CLASS_SCALE).astype(np.uint8).reshape(-1)

    np.testing.assert_array_equal(classes, snap(DAY).gbuffer.semantic)


def test_normals_are_those_of_the_camera() -> None:
    """The road's normal points up, which is against the camera's axis down."""
    road = channel(DAY, "surface_class") * CLASS_SCALE == SurfaceClass.ROAD

    assert channel(DAY, "normal_down")[road].max() < -0.9


def test_the_sun_shines_by_day_and_lamps_at_night() -> None:
    """Light arrives in the channels of what gives it."""
    assert channel(DAY, "sun").max() > 0.5
    assert channel(NIGHT, "sun").max() == 0.0
    assert channel(NIGHT, "headlights").max() > 0.2


def test_a_picture_without_its_light_is_refused() -> None:
    """The message says how to take the picture."""
    picture = replace(snap(DAY), light=None)

    with pytest.raises(ShapeError, match="with_light=True"):
        camera_inputs(picture, small_scene(DAY).stage, 0)


@pytest.mark.parametrize("exposure", [0.3, 1.0, 8.0])
def test_tone_and_radiance_are_inverse_below_white(exposure: float) -> None:
    """Going to tone space and back changes nothing that is not white."""
    radiance = np.geomspace(1e-4, 6.0, 400).astype(np.float32) / np.float32(exposure)

    back = from_tone(to_tone(radiance, exposure), exposure)

    np.testing.assert_allclose(back, radiance, rtol=2e-3, atol=1e-6)


def test_tone_is_monotonic_and_ends_at_white() -> None:
    """More light is never darker."""
    tone = to_tone(np.linspace(0.0, 20.0, 2000, dtype=np.float32), 1.0)

    assert (np.diff(tone) >= 0.0).all()
    assert tone[0] == 0.0
    assert tone[-1] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_table_is_the_curve(seed: int) -> None:
    """Read between its entries, the table is the filmic curve and the sRGB transfer."""
    x = np.random.default_rng(seed).uniform(0.0, 7.2, 500) ** 2 / 7.2

    film = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    srgb = np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)

    np.testing.assert_allclose(to_tone(x / SPEED, 1.0), srgb, atol=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_inverse_table_is_the_root_of_the_curve(seed: int) -> None:
    """Read between its entries, the table of exposures solves the filmic curve's quadratic."""
    tone = np.random.default_rng(seed).uniform(0.002, 0.9997, 500)

    film = np.where(tone <= 0.04045, tone / 12.92, ((tone + 0.055) / 1.055) ** 2.4)
    a, b, c = 2.51 - 2.43 * film, 0.03 - 0.59 * film, -0.14 * film
    root = (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)

    np.testing.assert_allclose(from_tone(tone, 1.0) * SPEED, root, rtol=6e-5)


def test_the_air_lets_through_what_is_lost_exponentially() -> None:
    """The share that passes is exp(-extinction way), along the ray of every pixel."""
    inputs = inputs_of(FOG)
    buffer = snap(FOG).gbuffer
    camera, size = buffer.view.camera, inputs.passed.shape
    slope = (buffer.samples.place - np.array(size[::-1]) / 2) / camera.focal_px
    way = (buffer.depth * np.sqrt(1 + (slope**2).sum(-1))).reshape(size)

    wanted = np.exp(-illuminate(FOG).extinction * way)

    seen = way > 0
    np.testing.assert_allclose(inputs.passed[seen], wanted[seen], rtol=1e-5, atol=1e-9)


def test_depth_is_coded_twice() -> None:
    """Near is 8 m over 8 m plus depth, far the logarithm up to 300 m."""
    depth = snap(DAY).gbuffer.depth.reshape(channel(DAY, "near").shape)
    seen = depth > 0

    np.testing.assert_allclose(channel(DAY, "near")[seen], 8 / (8 + depth[seen]), atol=1e-6)
    wanted = np.minimum(np.log(1 + depth[seen]) / np.log(301), 1)
    np.testing.assert_allclose(channel(DAY, "far")[seen], wanted, atol=2e-4)
    assert (channel(DAY, "near")[~seen] == 0).all()
    assert (channel(DAY, "far")[~seen] == 1).all()


def test_exposure_opens_up_in_the_dark() -> None:
    """The darker, the longer; snow, which is bright, the shorter."""
    day, night = (fixed_exposure(Conditions(light=light)) for light in (Light.DAY, Light.NIGHT))

    assert night > 3.0 * day


def test_the_condition_code_says_light_and_weather() -> None:
    """One-hot parts add up to two; the direction to the sun has length one."""
    code = ConditionCode.of(NIGHT, small_scene(NIGHT).views[0].turn).numbers

    at = CONDITION_NAMES.index
    assert len(code) == len(CONDITION_NAMES)
    assert code[at("night")] == 1.0
    assert code[:8].sum() == 2.0
    sun = code[at("sun_right") : at("sun_forward") + 1]
    assert np.linalg.norm(sun) == pytest.approx(1.0, abs=1e-6)


def seen_from(gbuffer: GBuffer, ahead: float) -> GBuffer:
    """The same points of the world, as a camera further ahead and turned away sees them."""
    view = gbuffer.view
    slope = (gbuffer.samples.place - [32.0, 16.0]) / view.camera.focal_px
    ray = np.concatenate([slope, np.ones((len(slope), 1))], 1) * gbuffer.depth[:, None]
    cosine, sine = np.cos(0.2), np.sin(0.2)
    turn = np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]]) @ view.turn
    other = View(camera=view.camera, turn=turn, eye=view.eye + ahead * view.turn[2])
    point = (view.eye + ray @ view.turn - other.eye) @ other.turn.T
    with np.errstate(divide="ignore", invalid="ignore"):
        place = point[:, :2] / point[:, 2:] * view.camera.focal_px + [32.0, 16.0]
    samples = replace(gbuffer.samples, place=place)
    return replace(gbuffer, view=other, samples=samples, depth=point[:, 2].astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ahead", [-2.0, 1.5])
def test_noise_sticks_to_the_world(seed: int, ahead: float) -> None:
    """A point of the world has the same noise in two cameras, wherever they are."""
    stage, here = small_scene(DAY).stage, snap(DAY).gbuffer
    there = seen_from(here, ahead)

    mine, theirs = surface_noise(here, stage, seed), surface_noise(there, stage, seed)

    both = (here.depth > 0.0) & (there.depth > 0.5) & (here.depth < 60.0)
    assert both.sum() > 500
    # Depths are single floats: a point may fall just beyond the face of its cell.
    assert (mine == theirs)[:, both].mean() > 0.999


def test_noise_is_uniform_and_follows_its_seed() -> None:
    """Another seed gives other noise, spread alike; the sky has none."""
    stage, gbuffer = small_scene(DAY).stage, snap(DAY).gbuffer
    first, again, other = (surface_noise(gbuffer, stage, seed) for seed in (1, 1, 2))

    surface = gbuffer.depth > 0.0
    np.testing.assert_array_equal(first, again)
    assert (first != other)[:, surface].mean() > 0.95
    assert np.abs(first[0, surface].mean()) < 0.1
    assert 0.5 < first[0, surface].std() < 0.65
    assert (first[:, ~surface] == 0.0).all()


def test_noise_rides_on_what_moves() -> None:
    """When a car and the camera move on together, the noise on the car stays as it was."""
    scene = small_scene(DAY)
    gbuffer, stage = snap(DAY).gbuffer, scene.stage
    shift = np.array([17.3, -4.1])
    agents = replace(stage.agents, position=stage.agents.position + shift)
    pose = stage.map_from_ego.copy()
    pose[:2, 3] += shift
    later = replace(stage, agents=agents, map_from_ego=pose)

    before, after = surface_noise(gbuffer, stage, 5), surface_noise(gbuffer, later, 5)

    car = gbuffer.instance > 0
    road = (gbuffer.semantic == SurfaceClass.ROAD) & (gbuffer.depth < 30.0)
    assert (before == after)[:, car].mean() > 0.97
    assert (before == after)[:, road].mean() < 0.2
