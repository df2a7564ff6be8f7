"""The whole way from triangles to a picture: visibility, G-buffer, light, lens."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.atmosphere import add_precipitation
from scenegen.render.camera import View
from scenegen.render.camera_response import develop
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.light_buffers import LightBuffers, collect_light
from scenegen.render.light_field import light_field
from scenegen.render.lighting import Irradiance, LightField, irradiance
from scenegen.render.rasterizer import rasterize
from scenegen.render.shading import shade, shade_and_clear
from scenegen.render.sky import illuminate
from scenegen.render.stage import Stage
from scenegen.render.triangles import Triangles
from scenegen.render.world.world import lamps_on
from scenegen.scene import EGO


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """What a camera gives: the picture and the labels of the same pixels.

    Attributes:
        rgb: sRGB picture, shape (H, W, 3), uint8, None where that was not asked for.
        radiance: Linear RGB before the lens, shape (H, W, 3), float32.
        gbuffer: One sample per pixel, row by row.
        light: The light it is shaded with, None where that was not asked for.
        clear: Linear RGB as if there were no air between, shape (H, W, 3), float32, None likewise.
    """

    rgb: IntArray | None
    radiance: FloatArray
    gbuffer: GBuffer
    light: LightBuffers | None = None
    clear: FloatArray | None = None


def look(
    stage: Stage,
    triangles: Triangles,
    view: View,
    rng: np.random.Generator | None,
    *,
    with_light: bool = False,
) -> Picture:
    """Take a picture of a stage.

    Args:
        stage: What there is.
        triangles: The stage, assembled.
        view: From where.
        rng: Random numbers for rain drops and sensor noise; None to stop before the lens, without
            `rgb`.
        with_light: Whether to hand out the light as well.
    """
    on = lamps_on(stage.conditions)
    visibility = rasterize(triangles, view)
    gbuffer = resolve(triangles, view, Samples.centers(visibility), stage.textures, lamps_on=on)
    field = light_field(stage, triangles, view, gbuffer)
    edges = _resolve_edges(stage, triangles, view)
    every = np.ones(len(gbuffer.depth), np.bool_)
    inner = every.copy()
    inner[edges.pixel] = False
    arriving = irradiance(gbuffer, field, every if with_light else inner)
    at_edges = irradiance(edges.gbuffer, field, np.ones(len(edges.pixel), np.bool_))
    light, clear = None, None
    if with_light:
        light = collect_light(triangles, gbuffer, field, arriving, edges.fine)
        radiance, clear = _shaded_twice(gbuffer, edges, field, (arriving, at_edges), inner)
    else:
        radiance = _shaded(gbuffer, edges, field, (arriving, at_edges), inner)
    size = (view.camera.height_px, view.camera.width_px)
    rgb = None
    if rng is not None:
        rgb = photograph(radiance, gbuffer.depth.reshape(size), stage, rng)
    return Picture(rgb=rgb, radiance=radiance, gbuffer=gbuffer, light=light, clear=clear)


def photograph(
    radiance: FloatArray, depth: FloatArray, stage: Stage, rng: np.random.Generator
) -> IntArray:
    """Let rain or snow fall before a camera, and take the picture.

    Args:
        radiance: Linear RGB that comes through dry air, shape (H, W, 3).
        depth: Depth [m], 0 for sky, shape (H, W).
        stage: What there is.
        rng: Random numbers for drops and sensor noise.

    Returns:
        sRGB picture, shape (H, W, 3), uint8.
    """
    conditions = stage.conditions
    drops = 0.85 * illuminate(conditions).air + 0.015 * lamps_on(conditions)
    speed = float(np.abs(stage.agents.speed[EGO]))
    fallen = add_precipitation(radiance, depth, drops, conditions, speed, rng)
    return develop(fallen, conditions, rng)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Edges:
    """Samples of the pixels that show several things, each with its share of its pixel.

    Attributes:
        gbuffer: What the samples show.
        pixel: Pixel of each sample, ascending, shape (S,).
        share: Share of the pixel that the sample stands for, shape (S,).
        fine: Face of each of the four places in every pixel, shape (2 H, 2 W).
    """

    gbuffer: GBuffer
    fine: IntArray
    pixel: IntArray
    share: FloatArray

    def blend(self, light: FloatArray, radiance: FloatArray) -> None:
        """Put the mean of the samples in place of the pixels, shape (pixels, 3)."""
        radiance[self.pixel] = 0.0
        _add_up(light, self.pixel, self.share, radiance)


def _shaded(
    gbuffer: GBuffer,
    edges: _Edges,
    field: LightField,
    arriving: tuple[Irradiance, Irradiance],
    inner: BoolArray,
) -> FloatArray:
    """Shade the pixels that show one thing, and the samples of the others; shape (H, W, 3)."""
    radiance = shade(gbuffer, field, arriving[0], inner)
    each = np.ones(len(edges.pixel), np.bool_)
    edges.blend(shade(edges.gbuffer, field, arriving[1], each), radiance)
    return _as_image(gbuffer, radiance)


def _shaded_twice(
    gbuffer: GBuffer,
    edges: _Edges,
    field: LightField,
    arriving: tuple[Irradiance, Irradiance],
    inner: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """Give the same, and the same as if there were no air."""
    radiance, clear = shade_and_clear(gbuffer, field, arriving[0], inner)
    each = np.ones(len(edges.pixel), np.bool_)
    at_edges, clear_at_edges = shade_and_clear(edges.gbuffer, field, arriving[1], each)
    edges.blend(at_edges, radiance)
    edges.blend(clear_at_edges, clear)
    return _as_image(gbuffer, radiance), _as_image(gbuffer, clear)


def _as_image(gbuffer: GBuffer, radiance: FloatArray) -> FloatArray:
    camera = gbuffer.view.camera
    return radiance.reshape(camera.height_px, camera.width_px, 3)


def _resolve_edges(stage: Stage, triangles: Triangles, view: View) -> _Edges:
    """Look at every pixel four times; samples on one face are taken together."""
    fine = View(camera=view.camera.scaled(2.0), turn=view.turn, eye=view.eye)
    visibility = rasterize(triangles, fine)
    most = visibility.face.size
    pixel, face = np.empty(most, np.int64), np.empty(most, np.int32)
    place, share = np.empty((most, 2)), np.empty(most, np.float32)
    out = (pixel, face, place, share)
    count = _find_edges(visibility.face, triangles.owner, triangles.material, out)
    gbuffer = resolve(
        triangles,
        view,
        Samples(face=face[:count], place=place[:count]),
        stage.textures,
        lamps_on=lamps_on(stage.conditions),
    )
    return _Edges(gbuffer=gbuffer, pixel=pixel[:count], share=share[:count], fine=visibility.face)


@nb.njit(cache=True, nogil=True)
def _add_up(light, pixel, share, radiance):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(len(pixel)):
        for channel in range(3):
            radiance[pixel[i], channel] += share[i] * light[i, channel]


@nb.njit(cache=True, nogil=True)
def _find_edges(fine, owner, material, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """List the samples of the pixels whose four samples show different things or materials."""
    four, key = np.empty(4, np.int32), np.empty(4, np.int64)
    width = fine.shape[1] // 2
    count = 0
    for row in range(fine.shape[0] // 2):
        for column in range(width):
            four[0], four[1] = fine[2 * row, 2 * column], fine[2 * row, 2 * column + 1]
            four[2], four[3] = fine[2 * row + 1, 2 * column], fine[2 * row + 1, 2 * column + 1]
            if four[0] == four[1] and four[0] == four[2] and four[0] == four[3]:
                continue
            for i in range(4):
                f = four[i]
                key[i] = 256 * int(owner[f]) + int(material[f]) if f >= 0 else -1
            if key[0] == key[1] and key[0] == key[2] and key[0] == key[3]:
                continue
            count = _group(four, row, column, width, count, out)
    return count


@nb.njit(cache=True, nogil=True)
def _group(four, row, column, width, count, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write one sample for each face among four, in the middle of theirs; gives the new count."""
    pixel, face, place, share = out
    for i in range(4):
        first = True
        for j in range(i):
            first = first and four[j] != four[i]
        if not first:
            continue
        x, y, alike = 0.0, 0.0, 0
        for j in range(i, 4):
            if four[j] == four[i]:
                x, y, alike = x + 0.25 + 0.5 * (j % 2), y + 0.25 + 0.5 * (j // 2), alike + 1
        pixel[count], face[count], share[count] = row * width + column, four[i], alike / 4
        place[count, 0], place[count, 1] = column + x / alike, row + y / alike
        count += 1
    return count
