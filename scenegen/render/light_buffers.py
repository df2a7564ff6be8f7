"""What a renderer that learns light needs beside the G-buffer: what arrives, what mirrors show."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera import View
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.light_field import MIRROR_SCALE, light_field
from scenegen.render.lighting import Irradiance, LightField, irradiance, surroundings
from scenegen.render.rasterizer import NOTHING, rasterize
from scenegen.render.shading import ambient
from scenegen.render.stage import Stage
from scenegen.render.surfaces import MATERIALS
from scenegen.render.triangles import Triangles
from scenegen.render.world.world import lamps_on

_ROUGHNESS = np.array([material.roughness for material in MATERIALS.values()], np.float32)
_WET_ROUGHNESS = np.float32(0.06)
"""Roughness of a film of water that rain has left."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightBuffers:
    """Light at the centre of each pixel: the same arrays that the shaded picture is made from.

    Irradiances are over pi, linear RGB, in units in which full sun on a white wall gives one;
    all arrays are float32. Where nothing is seen (sky) all but `sky_coverage` and `environment`
    are zero.

    Attributes:
        sun_visibility: Share of the sun's disc that the surface sees, 0-1; 0 where it faces away,
            at night, and under a closed sky. From shadow maps of 0.1 m texels (32 m around a
            place 25 m ahead) and 0.6 m (200 m around 150 m ahead), soft over one texel; (H, W).
        sky_visibility: Share of the open sky that reaches the surface, 0-1. A proxy: the
            horizon of the houses around, times, on the ground, one minus the blurred height of
            what stands close by (capped at 1.6 m), on flanks the height above the ground, among
            leaves a constant; shape (H, W).
        lamps: Irradiance of the street lamps and of others' headlamps, with shadows of the
            nearest eight lamps, shape (H, W, 3).
        headlights: Irradiance of the ego's own headlamps, with shadows, shape (H, W, 3).
        lamps_unshadowed: Irradiance of all lamps as if nothing threw a shadow, (H, W, 3).
        roughness: Roughness of the surface, 0 a mirror to 1 chalk, film of water included, (H, W).
        water: Share of the surface under a film of water, 0-1, shape (H, W).
        snow: Share of the surface under snow, 0-1, shape (H, W).
        environment: Radiance of sky and surroundings along the mirrored ray, (H, W, 3); along
            the ray itself where the pixel sees the sky.
        sky_coverage: Share of the pixel's four samples that see the sky, 0-1, shape (H, W).
        mirror_albedo: Albedo of what the view mirrored in the plane z = 0 shows, for a wet road;
            zero where the road is dry, shape (h, w, 3), half as many rows and columns.
        mirror_emission: Emission of the same, shape (h, w, 3).
        mirror_depth: Depth of the same along the mirrored optical axis [m], 0 for sky, (h, w).
    """

    sun_visibility: FloatArray
    sky_visibility: FloatArray
    lamps: FloatArray
    headlights: FloatArray
    lamps_unshadowed: FloatArray
    roughness: FloatArray
    water: FloatArray
    snow: FloatArray
    environment: FloatArray
    sky_coverage: FloatArray
    mirror_albedo: FloatArray
    mirror_emission: FloatArray
    mirror_depth: FloatArray


def light_buffers(stage: Stage, triangles: Triangles, view: View) -> tuple[GBuffer, LightBuffers]:
    """Give geometry, material and light of a view without a picture.

    Args:
        stage: What there is.
        triangles: The stage, assembled.
        view: From where.

    Returns:
        The G-buffer, one sample per pixel, and the light at the same pixels; `look` gives the
        same beside its picture.
    """
    on = lamps_on(stage.conditions)
    samples = Samples.centers(rasterize(triangles, view))
    gbuffer = resolve(triangles, view, samples, stage.textures, lamps_on=on)
    field = light_field(stage, triangles, view, gbuffer)
    arriving = irradiance(gbuffer, field, np.ones(len(gbuffer.depth), np.bool_))
    twice = View(camera=view.camera.scaled(2.0), turn=view.turn, eye=view.eye)
    fine = rasterize(triangles, twice).face
    return gbuffer, collect_light(triangles, gbuffer, field, arriving, fine)


def collect_light(
    triangles: Triangles, gbuffer: GBuffer, field: LightField, arriving: Irradiance, fine: IntArray
) -> LightBuffers:
    """Lay out the light of a view, one sample per pixel.

    Args:
        triangles: What there is.
        gbuffer: What the view shows.
        field: What lights it.
        arriving: The light that arrives at every sample.
        fine: Face of each of the four samples of a pixel, shape (2 H, 2 W).
    """
    camera = gbuffer.view.camera
    small = camera.scaled(MIRROR_SCALE)
    mirror_size = (small.height_px, small.width_px)
    size = (camera.height_px, camera.width_px)
    lamps, headlights, unshadowed = (
        (light if len(light) else np.zeros((gbuffer.depth.size, 3), np.float32)).reshape(*size, 3)
        for light in (arriving.lamps, arriving.headlights, arriving.unshadowed)
    )
    coverage, roughness = np.empty(size, np.float32), np.empty(size, np.float32)
    _cover(np.ascontiguousarray(fine), coverage)
    _roughen(
        (gbuffer.samples.face, triangles.material, _ROUGHNESS),
        arriving.water,
        roughness.reshape(-1),
    )
    seen, count = field.reflection, mirror_size[0] * mirror_size[1]
    nothing = np.zeros((count, 3), np.float32)
    return LightBuffers(
        sun_visibility=arriving.sun.reshape(size),
        sky_visibility=arriving.sky.reshape(size),
        lamps=lamps,
        headlights=headlights,
        lamps_unshadowed=unshadowed,
        roughness=roughness,
        water=arriving.water.reshape(size),
        snow=arriving.snow.reshape(size),
        environment=_environment(gbuffer, field).reshape(*size, 3),
        sky_coverage=coverage,
        mirror_albedo=(nothing if seen is None else seen.albedo).reshape(*mirror_size, 3),
        mirror_emission=(nothing if seen is None else seen.emission).reshape(*mirror_size, 3),
        mirror_depth=(nothing[:, 0] if seen is None else seen.depth).reshape(mirror_size),
    )


@nb.njit(cache=True, nogil=True)
def _cover(fine, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Share of the four samples of each pixel that see nothing."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            count = 0
            for n in range(4):
                count += fine[2 * row + n // 2, 2 * column + n % 2] == NOTHING
            out[row, column] = np.float32(0.25) * np.float32(count)


@nb.njit(cache=True, nogil=True)
def _roughen(surface, water, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Roughness of the material of each sample, 0 for sky, film of water included."""
    face, material, roughness = surface
    for i in range(len(out)):
        dry = roughness[material[face[i]]] if face[i] >= 0 else np.float32(0.0)
        out[i] = dry * (np.float32(1.0) - water[i]) + _WET_ROUGHNESS * water[i]


def _environment(gbuffer: GBuffer, field: LightField) -> FloatArray:
    """Radiance along the mirrored ray of each sample, shape (S, 3), float32."""
    view, light = gbuffer.view, field.illumination
    camera = view.camera
    out = np.empty((len(gbuffer.depth), 3), np.float32)
    _reflect(
        (gbuffer.depth, gbuffer.normal, gbuffer.samples.place),
        (view.turn, camera.focal_px, camera.width_px / 2, camera.height_px / 2),
        (light.packed(), ambient(light, field.bounce), field.clouds),
        out,
    )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _reflect(buffer, optics, sky, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, normal, place = buffer
    turn, focal, cx, cy = optics
    light, ambient, clouds = sky
    for i in range(len(depth)):
        x, y = (place[i, 0] - cx) / focal, (place[i, 1] - cy) / focal
        unit = 1.0 / np.sqrt(1.0 + x * x + y * y)
        d = (
            (turn[0, 0] * x + turn[1, 0] * y + turn[2, 0]) * unit,
            (turn[0, 1] * x + turn[1, 1] * y + turn[2, 1]) * unit,
            (turn[0, 2] * x + turn[1, 2] * y + turn[2, 2]) * unit,
        )
        n = (float(normal[i, 0]), float(normal[i, 1]), float(normal[i, 2]))
        color, _, _ = surroundings(d, n, light, ambient, clouds)
        out[i, 0], out[i, 1], out[i, 2] = color
