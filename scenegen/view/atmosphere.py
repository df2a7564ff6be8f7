"""Night, fog, rain and snow over the picture, deterministic in the scene's time."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from scenegen.scene import EGO, AgentKind, AgentStates, Conditions, Weather
from scenegen.view.palette import RGB, Palette
from scenegen.view.viewport import SHIFT, Viewport, fixed_point

THICKEST = 0.72
"""Fog never hides more than this share, so that a reader still sees who is there."""
BEAM = (44.0, 20.0, 0.5)
"""Length and width of the picture of a low beam and size of its pixels [m]."""
COARSE = 4
"""The light map has one pixel per this many pixels of the picture."""


def draw_beams(
    image: np.ndarray, frame: Viewport, agents: AgentStates, palette: Palette
) -> np.ndarray:
    """Brighten what the headlights of motor vehicles reach.

    Args:
        image: RGB image, shape (H, W, 3).
        frame: The part of the map that the image shows.
        agents: States, leading shape (N,).
        palette: The colours; `darkness` says how much the beams show.

    Returns:
        The lit image, uint8, shape (H, W, 3).
    """
    small = (frame.width_px // COARSE + 1, frame.height_px // COARSE + 1)
    light = np.zeros((small[1], small[0]), np.uint8)
    near = frame.contains(agents.position, BEAM[0])
    motor = agents.kind <= AgentKind.MOTORCYCLE
    sprite = _beam()
    length, width, metres = BEAM
    corners = np.array([[0, 0], [sprite.shape[1] - 1, 0], [0, sprite.shape[0] - 1]], np.float32)
    outline = np.array([[0.0, width / 2], [length - metres, width / 2], [0, metres - width / 2]])
    for i in np.flatnonzero(agents.valid & near & motor).tolist():
        front = np.array([float(agents.size[i, 0]) / 2 - 0.3, 0.0])
        pose = agents.position[i], float(agents.yaw[i])
        pixels = frame.stamp(outline + front, *pose, scale=1 / COARSE)
        onto = cv2.getAffineTransform(corners, pixels.astype(np.float32) / (1 << SHIFT))
        light = np.maximum(light, cv2.warpAffine(sprite, onto, small, flags=cv2.INTER_LINEAR))
    glow = light * np.float32(palette.darkness)
    warm = np.stack([glow, glow * 0.93, glow * 0.76], -1).astype(np.uint8)
    whole = (small[0] * COARSE, small[1] * COARSE)
    gain = cv2.resize(warm, whole)[: frame.height_px, : frame.width_px]
    lit_up = cv2.add(image, cv2.multiply(image, gain, scale=2.0 / 255))
    return cv2.addWeighted(lit_up, 1.0, gain, 0.22, 0.0)


@lru_cache(maxsize=1)
def _beam() -> np.ndarray:
    """Picture of a low beam that leaves to the right: it fades and widens with distance, uint8."""
    length, width, metres = BEAM
    x = np.arange(0.0, length, metres)[None, :]
    y = np.arange(-width / 2, width / 2, metres)[:, None]
    across = np.exp(-((y / (0.75 + 0.13 * x)) ** 2))
    along = np.exp(-x / 18.0) * np.clip((length - x) / 10.0, 0.0, 1.0)
    return np.round(255 * across * along).astype(np.uint8)


def draw_fog(
    image: np.ndarray, frame: Viewport, agents: AgentStates, visibility: float, haze: RGB
) -> np.ndarray:
    """Fade the picture with distance from the ego (Koschmieder, 1924).

    Contrast at distance d falls to exp(-3 d / V), V being the meteorological optical range.

    Args:
        image: RGB image, shape (H, W, 3).
        frame: The part of the map that the image shows.
        agents: States, leading shape (N,); the ego is the eye.
        visibility: Meteorological optical range V [m].
        haze: Colour of the fog.

    Returns:
        The faded image, uint8, shape (H, W, 3).
    """
    size = (frame.height_px, frame.width_px, frame.metres_per_px)
    if agents.valid[EGO]:
        eye = np.round(frame.to_px(agents.position[EGO]), 1).tolist()
    else:
        eye = [frame.width_px / 2, frame.height_px / 2]
    clear, veil = _fog(size, (eye[0], eye[1]), visibility, haze)
    return cv2.add(cv2.multiply(image, clear, scale=1 / 255), veil)


@lru_cache(maxsize=8)
def _fog(
    size: tuple[int, int, float], eye: tuple[float, float], visibility: float, haze: RGB
) -> tuple[np.ndarray, np.ndarray]:
    height, width, metres = size
    x = (np.arange(width, dtype=np.float32) - eye[0])[None, :] * metres
    y = (np.arange(height, dtype=np.float32) - eye[1])[:, None] * metres
    share = np.minimum(1.0 - np.exp(-3.0 * np.hypot(x, y) / visibility), THICKEST)[..., None]
    clear = np.broadcast_to(np.round(255 * (1 - share)), (height, width, 3))
    veil = np.round(share * np.array(haze, np.float32))
    return np.ascontiguousarray(clear, np.uint8), veil.astype(np.uint8)


def draw_precipitation(
    image: np.ndarray, frame: Viewport, conditions: Conditions, time: float, palette: Palette
) -> np.ndarray:
    """Draw falling rain or snow; the same time gives the same drops.

    Args:
        image: RGB image, shape (H, W, 3).
        frame: The part of the map that the image shows.
        conditions: The weather.
        time: Time since the scenario began [s].
        palette: The colours.

    Returns:
        The image with streaks or flakes, uint8, shape (H, W, 3).
    """
    rain = conditions.rain_mm_per_h
    rate = rain if conditions.weather is Weather.RAIN else conditions.snow_mm_per_h * 8
    if rate <= 0:
        return image
    count = round(image.shape[0] * image.shape[1] / 1100 * min(1.0, 0.25 + rate / 30))
    rng = np.random.default_rng(round(time * 10) + 1)
    start = rng.uniform(0.0, 1.0, (count, 2)) * [frame.width_px, frame.height_px]
    drops = image.copy()
    ink = (225, 233, 242) if palette.darkness < 1 else (132, 148, 168)
    if conditions.weather is Weather.RAIN:
        fall = rng.uniform(0.6, 1.4, (count, 1)) * [-3.0, 12.0]
        strokes = fixed_point(np.stack([start, start + fall], 1))
        cv2.polylines(drops, list(strokes), False, ink, 1, cv2.LINE_AA, SHIFT)
        return cv2.addWeighted(drops, 0.38, image, 0.62, 0.0)
    radii = rng.uniform(0.7, 1.9, count) * (1 << SHIFT)
    for (x, y), radius in zip(fixed_point(start).tolist(), radii.tolist(), strict=True):
        cv2.circle(drops, (x, y), round(radius), (252, 253, 255), -1, cv2.LINE_AA, SHIFT)
    return cv2.addWeighted(drops, 0.75, image, 0.25, 0.0)


def is_hazy(visibility: float, frame: Viewport) -> bool:
    """Whether fog shows in the picture at all: 2 % at its corner."""
    return math.exp(-3.0 * frame.diagonal / 2 / visibility) < 0.98
