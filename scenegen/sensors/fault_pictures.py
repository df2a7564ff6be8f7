"""What faults do to pictures: dead pixels, exposure, dirt, drops, glare.

They act on the stored picture, in light that its sRGB transfer is undone for. Each gives the
picture and where it changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.camera_response import RESPONSES
from scenegen.render.sky import illuminate
from scenegen.render.stage import Stage
from scenegen.scene import Light
from scenegen.sensors.faults import (
    DeadPixels,
    Fault,
    Glare,
    LensDirt,
    WaterDrops,
    WrongExposure,
)

_SOIL = np.array([0.035, 0.028, 0.02], np.float32)
"""Light that dirt shows per light around, linear RGB."""
_CORE_DEG = 0.6
"""Angle below which the veil grows no more [degrees]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenery:
    """What glare needs to know about what the camera looks at.

    Attributes:
        stage: The stage.
        map_from_camera: Pose of the camera, shape (4, 4).
        rays: Unit rays of the pixels in the camera frame, shape (H, W, 3); NaN off the circle.
        range: Distance along each ray [m], 0 for sky, shape (H, W).
    """

    stage: Stage
    map_from_camera: FloatArray
    rays: FloatArray
    range: FloatArray


def spoil(
    rgb: IntArray, fault: Fault, rng: np.random.Generator, scenery: Scenery
) -> tuple[IntArray, BoolArray]:
    """Let a fault act on a picture.

    Args:
        rgb: sRGB picture, shape (H, W, 3), uint8.
        fault: The fault; kinds that do not act on pictures leave it as it is.
        rng: Random numbers of this fault; the same for all frames, so that dirt stays in place.
        scenery: What the camera looks at.

    Returns:
        The picture, and which pixels the fault touches, shape (H, W).
    """
    if isinstance(fault, DeadPixels):
        return _kill(rgb, fault, rng)
    if isinstance(fault, WrongExposure):
        light = _linear(rgb) * np.float32(2.0**fault.stops)
        return _encoded(light, rgb), np.full(rgb.shape[:2], fault.stops != 0)
    if isinstance(fault, LensDirt):
        return _soil(rgb, fault, rng)
    if isinstance(fault, WaterDrops):
        return _wet(rgb, fault, rng)
    if isinstance(fault, Glare):
        return _veil(rgb, fault, scenery)
    return rgb, np.zeros(rgb.shape[:2], np.bool_)


def _linear(rgb: IntArray) -> FloatArray:
    value = np.arange(256) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(table.astype(np.float32)[rgb])


def _encoded(light: FloatArray, like: IntArray) -> IntArray:
    """Encode light; what has not changed stays to the bit."""
    x = np.clip(light, 0.0, 1.0)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    out = np.rint(255 * srgb).astype(np.uint8)
    return np.where(light == _linear(like), like, out)


def _kill(rgb: IntArray, fault: DeadPixels, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    height, width = rgb.shape[:2]
    stuck = rng.random((height, width)) < fault.share
    level = np.where(rng.random((height, width)) < 0.5, 0, 255).astype(np.uint8)
    for axis, count, size in ((0, fault.rows, height), (1, fault.columns, width)):
        for line in rng.permutation(size)[:count]:
            index = (line, slice(None)) if axis == 0 else (slice(None), line)
            stuck[index] = True
            level[index] = 0
    out = rgb.copy()
    out[stuck] = level[stuck][:, None]
    return out, stuck


def _soil(rgb: IntArray, fault: LensDirt, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Blobs of smooth noise above the quantile that leaves the share to be covered."""
    height, width = rgb.shape[:2]
    noise = np.zeros((height, width), np.float32)
    for size, weight in ((0.09, 1.0), (0.03, 0.35)):
        white = rng.standard_normal((height, width), np.float32)
        field = np.asarray(cv2.GaussianBlur(white, (0, 0), size * height), np.float32)
        noise += np.float32(weight) * field / max(float(field.std()), 1e-12)
    if fault.cover == 0:
        return rgb, np.zeros((height, width), np.bool_)
    edge = np.quantile(noise, 1 - fault.cover)
    depth = np.clip((noise - edge) / 0.35 + 0.5, 0.0, 1.0) * fault.opacity
    light = _linear(rgb)
    around = light.mean((0, 1)) + 0.02
    share = depth[..., None].astype(np.float32)
    # The dirt is out of focus: what shows through it is, too.
    blurred = cv2.GaussianBlur(light, (0, 0), 0.012 * height)
    mixed = light + np.minimum(2 * share, 1) * (blurred - light)
    out = mixed * (1 - share) + share * _SOIL * (around / around.mean()) * around.mean() * 8
    return _encoded(np.where(share > 0, out, light), rgb), depth > 0.05


def _wet(rgb: IntArray, fault: WaterDrops, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Each drop is a ball lens: it shows the view around it, turned over and made small."""
    height, width = rgb.shape[:2]
    light = _linear(rgb)
    soft = cv2.GaussianBlur(light, (0, 0), 0.010 * height)
    out, touched = light.copy(), np.zeros((height, width), np.bool_)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(fault.count):
        x, y = rng.random(2) * [width, height]
        radius = fault.radius * height * float(np.exp(0.4 * rng.standard_normal()))
        squash = 1 + 0.3 * rng.random()
        dx, dy = (columns - np.float32(x)) / radius, (rows - np.float32(y)) / (radius * squash)
        off = np.sqrt(dx * dx + dy * dy)
        if not (off < 1.1).any():
            continue
        bend = np.float32(0.30 * height) * (0.4 + 0.6 * np.minimum(off, 1) ** 2)
        seen = cv2.remap(
            soft,
            np.clip(np.float32(x) - dx * bend, 0, width - 1),
            np.clip(np.float32(y) - dy * bend, 0, height - 1),
            cv2.INTER_LINEAR,
        )
        shade = 1 - 0.55 * np.clip((off - 0.75) / 0.25, 0, 1) * (0.6 - 0.4 * dy)
        inside = np.clip((1.05 - off) / 0.15, 0, 1)[..., None].astype(np.float32)
        out = out * (1 - inside) + seen * shade[..., None].astype(np.float32) * inside
        touched |= inside[..., 0] > 0.05
    return _encoded(np.where(touched[..., None], out, light), rgb), touched


def _veil(rgb: IntArray, fault: Glare, scenery: Scenery) -> tuple[IntArray, BoolArray]:
    """Add the veil 10 E / angle^2 of every bright source (Holladay, 1926; Stiles, 1929).

    E is the light that falls on the lens from the source and the angle to it is in degrees.
    """
    conditions = scenery.stage.conditions
    gain = 1.0 if conditions.light is Light.DAY else RESPONSES[conditions.light].gain
    rays = np.nan_to_num(scenery.rays).astype(np.float32)
    veil = np.zeros(rgb.shape, np.float32)
    for direction, light in bright_sources(scenery):
        cosine = np.clip(rays @ direction.astype(np.float32), -1, 1)
        angle = np.degrees(np.arccos(cosine))
        spread = 10.0 / np.maximum(angle, _CORE_DEG) ** 2
        veil += spread[..., None] * light.astype(np.float32)
    veil *= np.float32(fault.strength * gain)
    veil[~np.isfinite(scenery.rays[..., 0])] = 0
    return _encoded(_linear(rgb) + veil, rgb), veil.max(-1) > 0.02


def bright_sources(scenery: Scenery) -> list[tuple[FloatArray, FloatArray]]:
    """Sources that shine into a camera: directions in its frame and light on the lens.

    The sun counts where it is up and not behind something in the picture, lamps where the
    camera is in their cone and nothing in the picture stands before them.
    """
    stage, pose = scenery.stage, scenery.map_from_camera
    sky = illuminate(stage.conditions)
    out: list[tuple[FloatArray, FloatArray]] = []
    turn = pose[:3, :3]
    if sky.sun.max() > 0:
        ahead = sky.sun_direction @ turn
        if ahead[2] > -0.2 and not _is_hidden(ahead, np.inf, scenery):
            out.append((ahead, np.pi * sky.sun * max(float(ahead[2]), 0.1)))
    lights = stage.lights
    away = lights.position - pose[:3, 3]
    far = np.maximum(np.linalg.norm(away, axis=1), 0.5)
    toward = -(away / far[:, None] * lights.direction).sum(1)
    inner, outer = lights.cone.T
    within = np.clip((toward - outer) / np.maximum(inner - outer, 1e-6), 0, 1)
    strength = within / np.maximum(far, lights.core) ** 2
    for k in np.argsort(-strength)[:12]:
        ahead = away[k] / far[k] @ turn
        if strength[k] <= 0 or ahead[2] <= 0.05 or far[k] < 2.0:
            continue
        if not _is_hidden(ahead, float(far[k]) - 1.0, scenery):
            out.append((ahead, lights.color[k] * strength[k] * ahead[2]))
    return out


def _is_hidden(direction: FloatArray, far: float, scenery: Scenery) -> bool:
    """Whether the pixel nearest to a direction shows something before a distance."""
    cosine = np.nan_to_num(scenery.rays, nan=-1.0) @ direction
    best = int(cosine.argmax())
    if cosine.reshape(-1)[best] < np.cos(np.radians(0.7)):
        return False  # beside the picture
    found = float(scenery.range.reshape(-1)[best])
    return 0 < found < far
