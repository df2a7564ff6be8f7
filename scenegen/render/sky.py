"""What shines from afar: sun, sky, clouds and the air in between, for given conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numba as nb
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.render.textures import EDGE
from scenegen.scene import Conditions, Light, Weather
from scenegen.seeding import stream

_MASK = EDGE - 1
_LIT_AIR = {
    Light.DAY: np.zeros(3),
    Light.DUSK: np.array([0.006, 0.0055, 0.005]),
    Light.NIGHT: np.array([0.008, 0.0068, 0.005]),
}
"""Radiance that artificial light gives to thick air."""
_UP, _AROUND, _DENSITIES = 20, 40, 8
"""Quadrature of the sky: Gauss nodes in the sine of the elevation, steps around, clouds."""
_GRASS, _SNOW = 0.14, 0.59
"""Albedo of the ground at large, bare and under snow (Oke, 1987, table 1.1)."""
_WALL = 0.2
"""Albedo of walls at large, panes included."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Illumination:
    """Light from the sky and what the weather does to it.

    Radiances are in units in which full sun gives a white wall a radiance of one.

    Attributes:
        sun_direction: Unit vector towards the sun, map axes, shape (3,).
        sun: Irradiance of the sun over pi, linear RGB, shape (3,); zero when hidden or set.
        zenith: Radiance of the sky overhead, linear RGB, shape (3,).
        horizon: Radiance of the sky at the horizon, shape (3,).
        glow: Radiance added around the sun, shape (3,).
        cloud: Radiance of the clouds, shape (3,).
        cloud_cover: Share of the sky that is cloud, 0-1.
        extinction: Extinction of the air [1/m].
        air: Radiance of the air itself over a long way, shape (3,).
        wetness: Water on the ground, 0-1.
        snow: Share of upward surfaces under snow, 0-1.
        harmonics: Irradiance over pi from the open sky for every normal, clouds at their mean:
            coefficients for `sky_irradiance`, shape (9, 3).
    """

    sun_direction: FloatArray
    sun: FloatArray
    zenith: FloatArray
    horizon: FloatArray
    glow: FloatArray
    cloud: FloatArray
    cloud_cover: float
    extinction: float
    air: FloatArray
    wetness: float
    snow: float
    harmonics: FloatArray

    @property
    def sky_light(self) -> FloatArray:
        """Irradiance over pi on the ground from the open sky without the sun, shape (3,)."""
        return np.array(sky_irradiance(0.0, 0.0, 1.0, self.harmonics))

    @property
    def ground_light(self) -> FloatArray:
        """Radiance of open ground, by the sun and the sky, shape (3,)."""
        albedo = _GRASS + (_SNOW - _GRASS) * self.snow
        sun = self.sun * max(float(self.sun_direction[2]), 0.0)
        return albedo * (sun + self.sky_light)

    @property
    def wall_light(self) -> FloatArray:
        """Radiance of walls at large, shape (3,): not half of the sky, and little of the sun."""
        flat = float(np.hypot(*self.sun_direction[:2]))
        return np.asarray(_WALL * (0.3 * self.sky_light + 0.12 * flat * self.sun))

    def packed(self) -> FloatArray:
        """Give the parts that compiled code reads, shape (8, 3)."""
        return np.stack(
            [
                self.sun_direction,
                self.sun,
                self.zenith,
                self.horizon,
                self.glow,
                self.cloud,
                np.array([self.cloud_cover, self.extinction, self.wetness]),
                self.air,
            ]
        )


@lru_cache(maxsize=64)
def illuminate(conditions: Conditions) -> Illumination:
    """Derive the light from the conditions; remembered, so its arrays are not to be changed.

    Fog follows Koschmieder (1924): contrast falls to 5 % over the visibility V, so the
    extinction is ln 20 / V.
    """
    elevation, azimuth = conditions.sun_elevation, conditions.sun_azimuth
    direction = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    if conditions.light is Light.NIGHT:
        sun, zenith, horizon, glow, cloud = _night()
    elif conditions.light is Light.DUSK:
        sun, zenith, horizon, glow, cloud = _dusk(elevation)
    else:
        sun, zenith, horizon, glow, cloud = _day(elevation)
    cover = conditions.cloud_cover
    if conditions.weather is not Weather.CLEAR:
        cover = max(cover, 0.97)
    thick = np.clip((cover - 0.55) / 0.4, 0.0, 1.0)
    sun, glow = sun * (1 - thick), glow * (1 - thick)
    if conditions.weather in {Weather.RAIN, Weather.FOG, Weather.SNOW}:
        dim = {Weather.RAIN: 0.62, Weather.FOG: 0.85, Weather.SNOW: 0.8}[conditions.weather]
        cloud, zenith, horizon = dim * cloud, dim * zenith, dim * horizon
    snow = float(np.clip(0.45 + conditions.snow_mm_per_h / 4, 0, 0.92))
    light = Illumination(
        sun_direction=direction,
        sun=sun,
        zenith=zenith,
        horizon=horizon,
        glow=glow,
        cloud=cloud,
        cloud_cover=cover,
        extinction=float(np.log(20.0) / conditions.visibility),
        air=(1 - thick) * horizon + thick * 0.92 * cloud + _LIT_AIR[conditions.light],
        wetness=conditions.wetness,
        snow=snow if conditions.weather is Weather.SNOW else 0.0,
        harmonics=np.zeros((9, 3)),
    )
    return replace(light, harmonics=sky_harmonics(light.packed()))


_Light = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]


def _day(elevation: float) -> _Light:
    high = float(np.clip(np.sin(elevation) / np.sin(np.radians(50.0)), 0.0, 1.0))
    warm = np.array([1.0, 0.80 + 0.15 * high, 0.60 + 0.28 * high])
    sun = warm * (0.45 + 0.55 * high)
    # No sky is bluer than Rayleigh's, whose hue lies at (0.29, 0.46, 1).
    zenith = np.array([0.115, 0.185, 0.39]) * (0.6 + 0.4 * high)
    horizon = np.array([0.43, 0.53, 0.66]) * (0.65 + 0.35 * high)
    return sun, zenith, horizon, 0.5 * warm, np.array([0.62, 0.64, 0.67]) * (0.55 + 0.45 * high)


def _dusk(elevation: float) -> _Light:
    # From the horizon down to -6 degrees, civil twilight, the light falls by a factor of about 10.
    level = float(np.clip((np.degrees(elevation) + 6.0) / 12.0, 0.08, 1.0))
    up = float(np.clip(np.degrees(elevation) / 6.0, 0.0, 1.0))
    sun = np.array([0.62, 0.28, 0.10]) * up
    zenith = np.array([0.035, 0.055, 0.12]) * level
    horizon = np.array([0.30, 0.20, 0.16]) * level
    return (
        sun,
        zenith,
        horizon,
        np.array([0.55, 0.24, 0.08]) * level,
        np.array([0.16, 0.13, 0.14]) * level,
    )


def _night() -> _Light:
    none = np.zeros(3)
    zenith, horizon = np.array([0.0006, 0.0008, 0.0015]), np.array([0.0040, 0.0036, 0.0036])
    return none, zenith, horizon, none, np.array([0.0036, 0.0032, 0.0032])


def cloud_map(seed: int) -> FloatArray:
    """Draw a tileable field of cloud density, 0-1 uniformly distributed, (EDGE, EDGE) float32."""
    rng = stream(seed, "clouds")
    spectrum = np.fft.fft2(rng.normal(size=(EDGE, EDGE)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(EDGE), np.fft.fftfreq(EDGE)))
    frequency[0, 0] = np.inf
    field = np.fft.ifft2(spectrum * frequency**-1.6).real
    rank = np.argsort(np.argsort(field.reshape(-1), kind="stable"), kind="stable")
    return (rank / rank.size).reshape(EDGE, EDGE).astype(np.float32)


def sky_harmonics(light: FloatArray) -> FloatArray:
    """Project the sky on the nine real harmonics up to degree two, as irradiance over pi.

    Of each degree a clamped cosine leaves, over pi, the shares 1, 2/3 and 1/4; of those beyond
    too little to matter (Ramamoorthi and Hanrahan, 2001, eq. 8 and 9).
    """
    nodes, weights = np.polynomial.legendre.leggauss(_UP)
    azimuth = (np.arange(_AROUND) + 0.5) / _AROUND * 2 * np.pi
    density = (np.arange(_DENSITIES) + 0.5) / _DENSITIES
    out = np.zeros((9, 3))
    _project((nodes + 1) / 2, weights / 2 * 2 * np.pi / _AROUND, azimuth, density, light, out)
    return out * np.repeat([1.0, 2 / 3, 1 / 4], (1, 3, 5))[:, None]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _project(up, solid, azimuth, density, light, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for j in range(len(up)):
        flat = np.sqrt(1.0 - up[j] * up[j])
        for k in range(len(azimuth)):
            x, y = flat * np.cos(azimuth[k]), flat * np.sin(azimuth[k])
            basis = _basis(x, y, up[j])
            for cloud in density:
                weight = solid[j] / len(density)
                color = _radiance(x, y, up[j], cloud, 0.0, light)
                for i in range(9):
                    for channel in range(3):
                        out[i, channel] += weight * basis[i] * color[channel]


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _basis(x, y, z):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Real spherical harmonics up to degree two."""
    return (
        *(0.28209479, 0.48860251 * y, 0.48860251 * z, 0.48860251 * x, 1.09254843 * x * y),
        *(1.09254843 * y * z, 0.31539157 * (3.0 * z * z - 1.0), 1.09254843 * x * z),
        0.54627422 * (x * x - y * y),
    )


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sky_irradiance(x, y, z, harmonics):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Irradiance over pi from the open sky on a surface with a unit normal, linear RGB."""
    red, green, blue = 0.0, 0.0, 0.0
    basis = _basis(x, y, z)
    for i in range(9):
        red += basis[i] * harmonics[i, 0]
        green += basis[i] * harmonics[i, 1]
        blue += basis[i] * harmonics[i, 2]
    return max(red, 0.0), max(green, 0.0), max(blue, 0.0)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sky_radiance(dx, dy, dz, light, clouds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Radiance of the sky in a unit direction, linear RGB; `light` is Illumination.packed()."""
    up = max(dz, 0.0)
    # Clouds lie on a plane at unit height; the offset keeps them finite at the horizon.
    scale = 34.0 / (up + 0.10)
    s, t = dx * scale + 512.0, dy * scale + 512.0
    s0, t0 = int(np.floor(s)), int(np.floor(t))
    fs, ft = s - s0, t - t0
    a = clouds[t0 & _MASK, s0 & _MASK] * (1 - fs) + clouds[t0 & _MASK, (s0 + 1) & _MASK] * fs
    b = clouds[(t0 + 1) & _MASK, s0 & _MASK] * (1 - fs)
    b += clouds[(t0 + 1) & _MASK, (s0 + 1) & _MASK] * fs
    return _radiance(dx, dy, up, a * (1 - ft) + b * ft, 1.0, light)


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _radiance(dx, dy, up, density, with_disc, light):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Radiance of the sky where the clouds have a density; `with_disc` 0 leaves the sun out."""
    mix = (1.0 - up) * (1.0 - up)
    toward = max(dx * light[0, 0] + dy * light[0, 1] + up * light[0, 2], 0.0)
    halo = toward**24 * 0.7 + toward**4 * 0.16
    disc = with_disc if toward > 0.99985 else 0.0
    cover = light[6, 0]
    opacity = min(max((density - (1.0 - cover)) * 3.0 + (cover - 0.5) * 0.4, 0.0), 1.0)
    opacity *= min(1.0, 0.35 + 5.0 * up)
    shade = 1.06 - 0.62 * max(density - 0.62, 0.0)
    if cover > 0.9:
        opacity, shade = 1.0, 1.16 - 0.42 * density * min(1.0, 0.25 + 3.0 * up) - 0.05 * up
    red = _mix(mix, halo, disc, opacity, shade, light, 0)
    green = _mix(mix, halo, disc, opacity, shade, light, 1)
    blue = _mix(mix, halo, disc, opacity, shade, light, 2)
    return red, green, blue


@nb.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _mix(mix, halo, disc, opacity, shade, light, channel):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    clear = light[3, channel] * mix + light[2, channel] * (1.0 - mix)
    clear += light[4, channel] * halo + 12.0 * light[1, channel] * disc
    cloud = (
        light[5, channel] * shade
        + 0.25 * light[1, channel] * shade
        + light[4, channel] * halo * 0.5
    )
    return clear * (1.0 - opacity) + cloud * opacity
