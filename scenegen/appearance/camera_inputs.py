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
from scenegen.appearance.camera_tone import SPEED, fixed_exposure, from_tone, tone_of
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
_FAR = float(np.log(301.0))
_LIGHT_WEIGHTS = (0.2126, 0.7152, 0.0722)
_SQUEEZED = CHANNEL["lamps_red"], CHANNEL["mirror_blue"] + 1
"""First channel of light of any strength, and the one after the last."""
_ROOTS = (0, 1, 2, CHANNEL["gloss"])
"""Channels that are square roots: albedo and gloss."""
_TILE = 64
"""Pixels that are laid out at a time."""
_HAZE_WAY, _HAZE_RISE = 900.0, 0.12
"""Way of a ray through the air below the sky [m], and the rise it is divided by (`shading`)."""


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
        change = from_tone(tone, self.exposure) - from_tone(self.base, self.exposure)
        carried = change.transpose(1, 2, 0) * self.passed[..., None]
        return np.asarray(np.maximum(self.radiance + carried, 0.0), np.float32)


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
        (gbuffer.depth, gbuffer.semantic, gbuffer.normal, gbuffer.albedo, gbuffer.gloss),
        (gbuffer.emission, noise, clear.reshape(-1, 3), mirror.reshape(-1, 3)),
        tuple(
            plane.reshape(-1)
            for plane in (light.roughness, light.water, light.snow, light.sky_coverage)
        ),
        (light.sun_visibility.reshape(-1), light.sky_visibility.reshape(-1)),
        tuple(
            plane.reshape(-1, 3)
            for plane in (light.lamps, light.headlights, light.lamps_unshadowed, light.environment)
        ),
        (np.ascontiguousarray(view.turn), camera.focal_px, size[0], size[1], np.array(CELLS)),
        (sky.sun_direction, np.float32(exposure), np.float32(sky.extinction)),
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
    # Planes lie a power of two apart and would push each other out of the cache: tile by tile.
    tile = np.zeros((len(out), _TILE), np.float32)
    count = len(passed)
    for start in range(0, count, _TILE):
        stop = min(start + _TILE, count)
        _fill_tile(start, stop, buffer, colors, shares, visible, lights, optics, sky, tile, passed)
        _code(tile)
        for k in range(len(out)):
            for j in range(stop - start):
                out[k, start + j] = tile[k, j]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fill_tile(start, stop, buffer, colors, shares, visible, lights, optics, sky, out, passed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, semantic, normal, albedo, gloss = buffer
    emission, noise, clear, mirror = colors
    turn, focal, height, width, cells = optics
    sun, exposure, extinction = sky
    film = exposure * SPEED
    n, d = np.empty(3), np.empty(3)
    for i in range(start, stop):
        j = i - start
        row, column = i // width, i % width
        x, y, z = (column + 0.5 - width / 2) / focal, (row + 0.5 - height / 2) / focal, depth[i]
        stretch = np.sqrt(1.0 + x * x + y * y)
        for k in range(3):
            n[k] = turn[k, 0] * normal[i, 0] + turn[k, 1] * normal[i, 1] + turn[k, 2] * normal[i, 2]
            d[k] = (turn[0, k] * x + turn[1, k] * y + turn[2, k]) / stretch
            out[k, j] = albedo[i, k]
            out[3 + k, j] = n[k]
            out[8 + k, j] = tone_of(clear[i, k] * film)
            out[11 + k, j] = tone_of(emission[i, k] * film)
            out[20 + k, j] = lights[0][i, k] * exposure
            out[25 + k, j] = lights[3][i, k] * exposure
            out[28 + k, j] = mirror[i, k] * exposure
        away = z if z > 0.0 else 1e9
        out[6, j] = 8.0 / (8.0 + away) if z > 0.0 else 0.0
        out[7, j] = min(np.log(1.0 + away) / _FAR, 1.0)
        out[14, j], out[15, j] = shares[0][i], gloss[i]
        out[16, j], out[17, j] = shares[1][i], shares[2][i]
        facing = normal[i, 0] * sun[0] + normal[i, 1] * sun[1] + normal[i, 2] * sun[2]
        out[18, j], out[19, j] = visible[0][i] * max(facing, 0.0), visible[1][i]
        out[23, j] = _grey(lights[1], i) * exposure
        out[24, j] = _grey(lights[2], i) * exposure
        out[31, j] = max(-(x * n[0] + y * n[1] + n[2]) / stretch, 0.0)
        out[32, j] = shares[3][i]
        for k in range(len(cells)):
            fade = cells[k] * focal / (2.0 * away)  # Cells over two pixels.
            out[34 + k, j] = noise[k, i] * min(fade, 1.0)
        out[36, j] = semantic[i] / CLASS_SCALE
        way = z * stretch if z > 0.0 else _HAZE_WAY / (max(d[2], 0.0) + _HAZE_RISE)
        passed[i] = np.exp(-extinction * way)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _code(tile):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Squeeze light of any strength into 0 to 1, and take roots; plane by plane, as vectors."""
    one = np.float32(1.0)
    for k in range(_SQUEEZED[0], _SQUEEZED[1]):
        for j in range(_TILE):
            tile[k, j] = np.sqrt(tile[k, j] / (one + tile[k, j]))
    for k in _ROOTS:
        for j in range(_TILE):
            tile[k, j] = np.sqrt(tile[k, j])


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _grey(light, i):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    red, green, blue = _LIGHT_WEIGHTS
    return red * light[i, 0] + green * light[i, 1] + blue * light[i, 2]


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
