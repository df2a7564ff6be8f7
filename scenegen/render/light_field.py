"""Everything that sheds light on a view, prepared once: sun, lamps, shade, a wet road's mirror."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.render.camera import View
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.lighting import LightField, irradiance, lamp_tiles
from scenegen.render.rasterizer import rasterize
from scenegen.render.shading import shade
from scenegen.render.shadows import CASTERS, ShadowMap, cover_map, shadow_map
from scenegen.render.sky import illuminate
from scenegen.render.spot_shadows import spot_shadows
from scenegen.render.stage import Lights, Stage
from scenegen.render.triangles import Triangles
from scenegen.render.world.world import lamps_on
from scenegen.scene import EGO

SHADOW_HALF, SHADOW_EDGE = 44.0, 640
"""Half edge of the region with sun shadows [m], texels along it."""
COVER_EDGE = 320
"""Texels along the edge of the map of contact shadows."""
AHEAD = 34.0
"""The shadowed region is centred this far in front of the camera [m]."""
MIRROR_SCALE = 0.5
"""Size of the mirrored view, as a factor on rows and columns."""
_WET = 0.05
"""Wetness of the ground from which it mirrors."""
_AT_THE_NOSE = 0.4
"""A lamp this near to the middle of the ego's front is the ego's own, but for its height [m]."""


def light_field(stage: Stage, triangles: Triangles, view: View, gbuffer: GBuffer) -> LightField:
    """Prepare everything that sheds light on a view.

    Args:
        stage: What there is.
        triangles: The stage, assembled.
        view: The view.
        gbuffer: What it shows, one sample per pixel.
    """
    light = illuminate(stage.conditions)
    forward = view.turn[2] * [1.0, 1.0, 0.0]
    center = view.eye * [1.0, 1.0, 0.0] + AHEAD * forward / max(float(np.linalg.norm(forward)), 0.1)
    sun = ShadowMap(
        axes=np.eye(3), corner=np.zeros(2), texel=1.0, height=np.zeros((1, 1), np.float32)
    )
    if light.sun.sum() > 0:
        sun = shadow_map(triangles, light.sun_direction, center, SHADOW_HALF, SHADOW_EDGE)
    lamps = _near_lamps(stage.lights, triangles.origin, view)
    tiles = lamp_tiles(view.camera, gbuffer, lamps)
    field = LightField(
        illumination=light,
        clouds=stage.clouds,
        sun_shadow=sun,
        cover=cover_map(triangles, center, SHADOW_HALF, COVER_EDGE),
        lamps=lamps,
        own_lamp=_own(lamps, stage),
        tiles=tiles,
        spots=spot_shadows(triangles, lamps, np.unique(tiles[tiles >= 0]), view.eye),
        mirror=np.zeros((0, 0, 3), np.float32),
        reflection=None,
    )
    if light.wetness < _WET or light.snow > 0:
        return field
    reflection = _reflection(stage, triangles, view)
    return replace(field, reflection=reflection, mirror=_mirror(reflection, field))


def _near_lamps(lights: Lights, origin: FloatArray, view: View) -> Lights:
    """Lamps that may light something within view, relative to the triangles' origin."""
    place = lights.position - origin
    ahead = (place - view.eye) @ view.turn[2]
    keep = (ahead > -lights.reach) & (ahead < 110.0)
    near = lights.chosen(keep)
    return replace(near, position=near.position - origin)


def _own(lamps: Lights, stage: Stage) -> BoolArray:
    """Which lamps shine from the middle of the ego's front, shape (L,)."""
    agents, yaw = stage.agents, float(stage.agents.yaw[EGO])
    nose = agents.size[EGO, 0] / 2 * np.array([np.cos(yaw), np.sin(yaw)])
    away = np.linalg.norm(lamps.position[:, :2] - nose, axis=1)
    return np.asarray((away < _AT_THE_NOSE) & (lamps.position[:, 2] < agents.size[EGO, 2]))


def _reflection(stage: Stage, triangles: Triangles, view: View) -> GBuffer:
    """What the view mirrored in the plane z = 0 shows of all that stands on the ground."""
    mirrored = view.mirrored(view.camera.scaled(MIRROR_SCALE))
    visibility = rasterize(triangles, mirrored, CASTERS[triangles.surface])
    samples = Samples.centers(visibility)
    on = lamps_on(stage.conditions)
    return resolve(triangles, mirrored, samples, stage.textures, lamps_on=on)


def _mirror(reflection: GBuffer, field: LightField) -> FloatArray:
    """Radiance of the mirrored view, blurred as wet asphalt does."""
    camera = reflection.view.camera
    dim = replace(field, tiles=lamp_tiles(camera, reflection, field.lamps))
    every = np.ones(len(reflection.depth), np.bool_)
    light = shade(reflection, dim, irradiance(reflection, dim, every), every)
    image = np.minimum(light.reshape(camera.height_px, camera.width_px, 3), 8.0)
    sharp = cv2.GaussianBlur(image, (0, 0), sigmaX=0.8, sigmaY=2.0)
    smear = cv2.GaussianBlur(image, (0, 0), sigmaX=1.6, sigmaY=9.0)
    return 0.45 * sharp + 0.55 * smear
