"""Pictures to mark: a rendered street, noise with the spectrum of photographs, real frames."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from scenegen.scene import Conditions, Light, Weather
from scenegen.sensors import Camera
from tests.sensors.streets import middle
from tests.sizes import data_folder

DAY = Conditions()
NIGHT = Conditions(light=Light.NIGHT, sun_elevation=-0.5)
FOG = Conditions(weather=Weather.FOG, visibility=120.0)
SKIES = {"day": DAY, "night": NIGHT, "fog": FOG}


@cache
def street(sky: str = "day") -> np.ndarray:
    """The street through the standard camera, uint8 (256, 512, 3)."""
    rgb = np.asarray(Camera().sense(middle(conditions=SKIES[sky]))["camera/front/rgb"])
    rgb.setflags(write=False)
    return rgb


def pink(seed: int, height: int = 192, width: int = 256) -> np.ndarray:
    """Noise whose amplitude falls as one over frequency, as that of photographs does."""
    rng = np.random.default_rng(seed)
    row, column = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    size = 1.0 / np.maximum(np.hypot(row, column), 1.0 / width)
    wave = size * np.exp(2j * np.pi * rng.random(size.shape))
    grey = np.fft.irfft2(wave, (height, width))
    grey = 128.0 + 45.0 * (grey - grey.mean()) / grey.std()
    color = grey[..., None] + rng.normal(0.0, 3.0, (height, width, 3))
    return np.clip(color, 0, 255).astype(np.uint8)


def real_frames(most: int) -> list[np.ndarray]:
    """Frames of real cars' cameras, 512 columns wide, spread over the sets; skips without them."""
    files = sorted((data_folder() / "camera").glob("**/*.jpg"))
    if not files:
        pytest.skip("no real camera frames; set SCENEGEN_DATA to test with them")
    chosen = files[:: max(1, len(files) // most)][:most]
    return [_narrowed(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)) for file in chosen]


def _narrowed(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    size = (512, round(512 * height / width))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def through_jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    """Encode and decode."""
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def rescaled(rgb: np.ndarray, scale: float) -> np.ndarray:
    """Resize both axes."""
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=how))


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal to noise ratio [dB]."""
    error = np.mean((first.astype(np.float64) - second) ** 2)
    return float(10.0 * np.log10(255.0**2 / error))
