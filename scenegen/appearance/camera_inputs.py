"""What a learned camera sees: geometry, material, light and base of a view as one stack.

The stack is laid out by `CHANNELS`; its version changes whenever a name, an order or a coding
does, and weights say which version they were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba as nb
import numpy as np

from scenegen.appearance.camera_condition import ConditionCode
from scenegen.appearance.camera_noise import CELLS, surface_noise
from scenegen.appearance.camera_planes import (
    aim,
    classes,
    distances,
    faded_noise,
    incidence,
    roots,
    squeezed,
    squeezed_grey,
    sunshine,
    tones,
    turn_normals,
)
from scenegen.appearance.camera_tone import SPEED, carried_over, fixed_exposure
from scenegen.arrays import FloatArray, check_shape
from scenegen.errors import ShapeError
from scenegen.render.picture import Picture
from scenegen.render.sky import illuminate
from scenegen.render.stage import Stage

VERSION = 1
"""Version of the stack."""
CHANNELS = (
    *("albedo_red", "albedo_green", "albedo_blue"),
    *("normal_right", "normal_down", "normal_forward"),
    *("near", "far"),
    *("base_red", "base_green", "base_blue"),
    *("emission_red", "emission_green", "emission_blue"),
    *("roughness", "gloss", "water", "snow"),
    *("sun", "sky"),
    *("lamps_red", "lamps_green", "lamps_blue"),
    *("headlights", "unshadowed"),
    *("environment_red", "environment_green", "environment_blue"),
    *("mirror_red", "mirror_green", "mirror_blue"),
    "incidence",
    *("sky_coverage", "edge"),
    *("noise_fine", "noise_coarse"),
    "surface_class",
)
"""Name of each channel, in their order.

albedo: square root of the linear albedo. normal: unit normal in the camera's frame. near: 8 m over
8 m plus depth, 0 for sky; far: log(1 + depth) / log(301), 1 for sky. base, emission: tone (see
`camera_tone`) of the shaded base without air, and of what shines by itself. roughness: 0-1. gloss:
square root of the mirror reflection. water, snow: shares of the surface. sun: visible share of the
sun times the cosine to it. sky: visible share of the sky. lamps (shadowed), headlights (shadowed,
luminance), unshadowed (all lamps, luminance), environment (along the mirrored ray), mirror (what
the plane z = 0 mirrors, in sky light): sqrt(x / (1 + x)) of the exposed light x. incidence: cosine
between ray and normal. sky_coverage: share of the pixel that is sky. edge: 1 where the pixel to
the right or below shows another thing. noise: of the surface, -1 to 1, fading where its cells are
smaller than two pixels. surface_class: the number of the SurfaceClass over CLASS_SCALE."""
CHANNEL = {name: index for index, name in enumerate(CHANNELS)}
"""Index of each channel by name."""
BASE = slice(CHANNEL["base_red"], CHANNEL["base_red"] + 3)
"""Where the base lies in the stack."""
CLASS_SCALE = 32.0
"""What class numbers are divided by in the stack: all are exact, also as half floats."""
_ROWS = 8
"""Rows that are laid out at a time."""
_SHARES = tuple(CHANNEL[name] for name in ("roughness", "water", "snow", "sky_coverage"))
_ALBEDO, _NORMAL, _BASE_TONE, _EMISSION = (
    CHANNEL[name] for name in ("albedo_red", "normal_right", "base_red", "emission_red")
)
_LAMPS, _ENVIRONMENT, _MIRROR = (
    CHANNEL[name] for name in ("lamps_red", "environment_red", "mirror_red")
)
_NEAR, _FAR, _GLOSS, _INCIDENCE = (CHANNEL[name] for name in ("near", "far", "gloss", "incidence"))
_SUN, _SKY, _HEADLIGHTS, _UNSHADOWED = (
    CHANNEL[name] for name in ("sun", "sky", "headlights", "unshadowed")
)
_NOISE, _SURFACE = (CHANNEL[name] for name in ("noise_fine", "surface_class"))
"""Where the kernels write: colours and noise begin there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraInputs:
    """Everything a learned camera is given for one picture.

    Attributes:
        stack: The channels of CHANNELS, shape (C, H, W), float32.
        condition: Numbers of the ConditionCode, shape (K,), float32.
        exposure: Factor of `fixed_exposure` that tones are made with.
        radiance: Linear RGB of the shaded base, air included, shape (H, W, 3), float32.
        passed: Share of the light that the air lets through, shape (H, W), float32.
    """

    stack: FloatArray
    condition: FloatArray
    exposure: float
    radiance: FloatArray
    passed: FloatArray

    def __post_init__(self) -> None:
        """Check the shapes."""
        sizes = check_shape("stack", self.stack, len(CHANNELS), "H", "W")
        check_shape("radiance", self.radiance, sizes["H"], sizes["W"], 3)
        check_shape("passed", self.passed, sizes["H"], sizes["W"])

    @property
    def base(self) -> FloatArray:
        """Tone of the shaded base without air, shape (3, H, W)."""
        return self.stack[BASE]

    def developed(self, tone: FloatArray) -> FloatArray:
        """Put a learned picture behind the air of the base: radiance for the lens and the sensor.

        Only the difference from the base is carried over, so that the base itself comes back
        unchanged to the last bit, and lamps brighter than white keep their radiance.

        Args:
            tone: Picture in tone space, without air, shape (3, H, W).

        Returns:
            Linear RGB, not negative, shape (H, W, 3), float32.
        """
        check_shape("tone", tone, *self.base.shape)
        return carried_over(tone, self.base, self.exposure, self.radiance, self.passed)


def camera_inputs(picture: Picture, stage: Stage, noise_seed: int) -> CameraInputs:
    """Lay out what a picture is made of for a learned camera.

    Args:
        picture: A picture of `look(..., with_light=True)`.
        stage: What it shows.
        noise_seed: Seed of the noise on surfaces; one per scenario.

    Raises:
        ShapeError: The picture was taken without its light.
    """
    light, clear, gbuffer = picture.light, picture.clear, picture.gbuffer
    if light is None or clear is None:
        raise ShapeError("camera inputs: expected a picture of look(..., with_light=True)")
    camera, view = gbuffer.view.camera, gbuffer.view
    size = (camera.height_px, camera.width_px)
    sky, exposure = illuminate(stage.conditions), fixed_exposure(stage.conditions)
    stack = np.empty((len(CHANNELS), *size), np.float32)
    passed = np.empty(size, np.float32)
    noise = surface_noise(gbuffer, stage, noise_seed)
    below = light.mirror_albedo * sky.sky_light.astype(np.float32) + light.mirror_emission
    mirror = np.asarray(cv2.resize(below, size[::-1], interpolation=cv2.INTER_LINEAR))
    _fill(
        (
            *(gbuffer.depth, gbuffer.semantic, gbuffer.normal.reshape(-1)),
            *(gbuffer.albedo.reshape(-1), gbuffer.gloss),
        ),
        (gbuffer.emission.reshape(-1), noise, clear.reshape(-1), mirror.reshape(-1)),
        tuple(
            plane.reshape(-1)
            for plane in (light.roughness, light.water, light.snow, light.sky_coverage)
        ),
        (light.sun_visibility.reshape(-1), light.sky_visibility.reshape(-1)),
        tuple(
            plane.reshape(-1)
            for plane in (light.lamps, light.headlights, light.lamps_unshadowed, light.environment)
        ),
        (
            *(np.ascontiguousarray(view.turn, np.float32), camera.focal_px, *size),
            (np.array(CELLS) * camera.focal_px / 2.0).astype(np.float32),  # Cells over two pixels.
        ),
        (sky.sun_direction.astype(np.float32), np.float32(exposure), np.float32(sky.extinction)),
        stack.reshape(len(CHANNELS), -1),
        passed.reshape(-1),
    )
    _edges(gbuffer.semantic, gbuffer.instance, size[1], stack[CHANNEL["edge"]].reshape(-1))
    return CameraInputs(
        stack=stack,
        condition=ConditionCode.of(stage.conditions, view.turn).numbers,
        exposure=exposure,
        radiance=picture.radiance,
        passed=passed,
    )


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fill(buffer, colors, shares, visible, lights, optics, sky, out, passed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    # Plane by plane within some rows: planes lie a power of two apart and push each other out of
    # the cache, and long runs of one plane are fetched ahead.
    count, step = len(passed), _ROWS * optics[3]
    rays = np.empty((4, step), np.float32)
    for begin in range(0, count, step):
        end = min(begin + step, count)
        _fill_surface(begin, end, buffer, optics, sky, rays, out, passed[begin:end])
        _fill_light(begin, end, colors, lights, sky, out)
        for n in range(len(shares)):
            out[_SHARES[n], begin:end] = shares[n][begin:end]
        sunshine(
            buffer[2][3 * begin : 3 * end], visible[0][begin:end], sky[0], out[_SUN, begin:end]
        )
        out[_SKY, begin:end] = visible[1][begin:end]
        for k in range(len(optics[4])):
            noise = colors[1][k, begin:end]
            faded_noise(noise, buffer[0][begin:end], optics[4][k], out[_NOISE + k, begin:end])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fill_surface(begin, end, buffer, optics, sky, rays, out, passed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Lay out geometry and material of some rows."""
    depth, semantic, normal, albedo, gloss = buffer
    turn, focal, height, width, _ = optics
    part, across, per_px = end - begin, np.float32(width / 2), np.float32(1.0 / focal)
    for first in range(0, part, width):
        down = np.float32(((begin + first) // width + 0.5 - height / 2) / focal)
        aim(turn, across, down, per_px, rays[:, first : first + width])
    slant, down_, stretch, rise = rays[0, :part], rays[1, :part], rays[2, :part], rays[3, :part]
    roots(
        albedo[3 * begin : 3 * end],
        out[_ALBEDO, begin:end],
        out[_ALBEDO + 1, begin:end],
        out[_ALBEDO + 2, begin:end],
    )
    turn_normals(
        normal[3 * begin : 3 * end],
        turn,
        out[_NORMAL, begin:end],
        out[_NORMAL + 1, begin:end],
        out[_NORMAL + 2, begin:end],
    )
    distances(
        depth[begin:end], stretch, rise, sky[2], out[_NEAR, begin:end], out[_FAR, begin:end], passed
    )
    out[_GLOSS, begin:end] = np.sqrt(gloss[begin:end])
    incidence(
        (out[_NORMAL, begin:end], out[_NORMAL + 1, begin:end], out[_NORMAL + 2, begin:end]),
        (slant, down_, stretch),
        out[_INCIDENCE, begin:end],
    )
    classes(semantic[begin:end], np.float32(CLASS_SCALE), out[_SURFACE, begin:end])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fill_light(begin, end, colors, lights, sky, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Lay out the light of some rows: tones of what is sent back, and what arrives."""
    emission, _, clear, mirror = colors
    lamps, headlights, unshadowed, environment = lights
    first, last, exposure = 3 * begin, 3 * end, sky[1]
    film = exposure * np.float32(SPEED)
    tones(
        clear[first:last],
        film,
        out[_BASE_TONE, begin:end],
        out[_BASE_TONE + 1, begin:end],
        out[_BASE_TONE + 2, begin:end],
    )
    tones(
        emission[first:last],
        film,
        out[_EMISSION, begin:end],
        out[_EMISSION + 1, begin:end],
        out[_EMISSION + 2, begin:end],
    )
    squeezed(
        lamps[first:last],
        exposure,
        out[_LAMPS, begin:end],
        out[_LAMPS + 1, begin:end],
        out[_LAMPS + 2, begin:end],
    )
    squeezed_grey(headlights[first:last], exposure, out[_HEADLIGHTS, begin:end])
    squeezed_grey(unshadowed[first:last], exposure, out[_UNSHADOWED, begin:end])
    squeezed(
        environment[first:last],
        exposure,
        out[_ENVIRONMENT, begin:end],
        out[_ENVIRONMENT + 1, begin:end],
        out[_ENVIRONMENT + 2, begin:end],
    )
    squeezed(
        mirror[first:last],
        exposure,
        out[_MIRROR, begin:end],
        out[_MIRROR + 1, begin:end],
        out[_MIRROR + 2, begin:end],
    )


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _edges(semantic, number, width, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mark the pixels whose right or lower neighbour shows another thing."""
    last = len(semantic) - 1
    for i in range(len(semantic)):
        right, below = min(i + 1, last), min(i + width, last)
        if (i + 1) % width == 0:
            right = i
        if i + width > last:
            below = i
        apart = semantic[i] != semantic[right] or number[i] != number[right]
        apart = apart or semantic[i] != semantic[below] or number[i] != number[below]
        out[i] = 1.0 if apart else 0.0
