"""Everything that sheds light on a view, prepared once: sun, lamps, shade, a wet road's mirror."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.render.camera import View
from scenegen.render.enclosure import enclosure
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

NEAR_SHADOW, FAR_SHADOW = (32.0, 25.0, 640), (200.0, 150.0, 640)
"""Fine and coarse shadow map of the sun: half edge [m], how far before the camera its centre lies
[m], texels along the edge."""
COVER = (44.0, 34.0, 320)
"""The same for the map of contact shadows."""
MIRROR_SCALE = 0.5
"""Size of the mirrored view, as a factor on rows and columns."""
_STREET, _STREET_ALBEDO = 45.0, 0.2
"""Lamps within this distance light the street at large [m], and its albedo, walls included."""
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
    forward = forward / max(float(np.linalg.norm(forward)), 0.1)
    place = view.eye * [1.0, 1.0, 0.0]
    near = far = ShadowMap(
        axes=np.eye(3), corner=np.zeros(2), texel=1.0, height=np.zeros((1, 1), np.float32)
    )
    if light.sun.sum() > 0:
        near, far = (
            shadow_map(triangles, light.sun_direction, place + ahead * forward, half, edge)
            for half, ahead, edge in (NEAR_SHADOW, FAR_SHADOW)
        )
    lamps = _near_lamps(stage.lights, triangles.origin, view)
    tiles = lamp_tiles(view.camera, gbuffer, lamps)
    field = LightField(
        illumination=light,
        clouds=stage.clouds,
        sun_shadow=near,
        far_shadow=far,
        enclosure=enclosure(triangles, view.eye, forward),
        cover=cover_map(triangles, place + COVER[1] * forward, COVER[0], COVER[2]),
        lamps=lamps,
        own_lamp=_own(lamps, stage),
        tiles=tiles,
        spots=spot_shadows(triangles, lamps, np.unique(tiles[tiles >= 0]), view.eye),
        bounce=_bounce(lamps, place + COVER[1] * forward),
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


def _bounce(lamps: Lights, center: FloatArray) -> FloatArray:
    """Light that the street around a place throws up from its lamps, radiance, shape (3,).

    The flux of the cones, spread over the disc that the lamps are taken from, times the albedo.
    """
    near = np.linalg.norm(lamps.position[:, :2] - center[:2], axis=1) < _STREET
    # Half of the fading rim counts; over pi, like every irradiance.
    solid = 2 * np.pi * (1 - lamps.cone.mean(1))
    flux = (lamps.color * solid[:, None])[near].sum(0)
    return np.asarray(_STREET_ALBEDO * flux / (np.pi * _STREET**2))


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
