"""Makes of automotive radar, and how strongly road users and scenery echo at 77 GHz."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.render import SurfaceClass
from scenegen.scene import AgentKind

BOLTZMANN, TEMPERATURE = 1.380649e-23, 290.0
"""[J/K], and the reference temperature of noise figures [K]."""
SPEED_OF_LIGHT = 299_792_458.0
"""[m/s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarModel:
    """A frequency-modulated continuous-wave radar.

    Attributes:
        fov: Half of the horizontal field of view [rad].
        reach: Largest range [m].
        range_step: Edge of a resolution cell in range, c / 2B [m].
        azimuth_step: The same in azimuth, at the middle [rad].
        rate_step: The same in range rate, wavelength / 2T [m/s].
        fastest: Range rates beyond this, either way, are not measured [m/s].
        frequency: Carrier [Hz].
        power: Transmitted power [W].
        gain: Gain of either antenna on its axis, as a factor.
        noise_figure: Noise figure of the receiver, as a factor.
        loss: Losses of the system, as a factor.
        false_alarm: Chance that the noise in one cell is taken for an echo.
    """

    fov: float
    reach: float
    range_step: float
    azimuth_step: float
    rate_step: float
    fastest: float = 70.0
    frequency: float = 76.5e9
    power: float = 0.010
    gain: float = 50.0
    noise_figure: float = 15.8
    loss: float = 4.0
    false_alarm: float = 1e-6

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("fov", "reach", "range_step", "azimuth_step", "rate_step", "power", "gain"):
            if getattr(self, name) <= 0:
                raise ValueError(
                    f"RadarModel.{name}: expected more than 0, got {getattr(self, name)}"
                )
        if not 0 < self.false_alarm < 1:
            raise ValueError(
                f"RadarModel.false_alarm: expected a chance in (0, 1), got {self.false_alarm}"
            )

    @property
    def wavelength(self) -> float:
        """Wavelength of the carrier [m]."""
        return SPEED_OF_LIGHT / self.frequency

    @property
    def dwell(self) -> float:
        """Time over which an echo is integrated coherently [s]."""
        return self.wavelength / (2 * self.rate_step)

    @property
    def threshold(self) -> float:
        """Power over that of the noise from which a cell counts as an echo."""
        return float(-np.log(self.false_alarm))

    def snr(self, section: FloatArray, range_: FloatArray, azimuth: FloatArray) -> FloatArray:
        """Signal over noise by the radar equation (Skolnik, 2008, eq. 1.6).

        P G^2 w^2 s / ((4 pi)^3 R^4 L) over k T F / dwell; the gain falls off with azimuth as a
        Gaussian, by 3 dB one way at the edge of the field of view.

        Args:
            section: Radar cross section [m^2], shape (...).
            range_: Range [m], shape (...).
            azimuth: Azimuth off the axis [rad], shape (...).
        """
        gain = self.gain * np.exp2(-((azimuth / self.fov) ** 2))
        echo = self.power * gain**2 * self.wavelength**2 * section
        echo = echo / ((4 * np.pi) ** 3 * np.maximum(range_, 0.5) ** 4 * self.loss)
        noise = BOLTZMANN * TEMPERATURE * self.noise_figure / self.dwell
        return np.asarray(echo / noise)

    def detection_chance(self, snr: FloatArray) -> FloatArray:
        """Chance to detect a fluctuating target: Pfa^(1 / (1 + snr)) (Swerling, 1960, case 1)."""
        return np.asarray(self.false_alarm ** (1 / (1 + np.asarray(snr))))


def _degrees(value: float) -> float:
    return float(np.radians(value))


RADAR_MODELS: dict[str, RadarModel] = {
    "long_range": RadarModel(
        fov=_degrees(9.0), reach=250.0, range_step=1.79, azimuth_step=_degrees(1.6),
        rate_step=0.10, gain=50.0,
    ),
    "short_range": RadarModel(
        fov=_degrees(60.0), reach=70.0, range_step=0.39, azimuth_step=_degrees(3.2),
        rate_step=0.12, gain=16.0,
    ),
    "corner": RadarModel(
        fov=_degrees(75.0), reach=80.0, range_step=0.4, azimuth_step=_degrees(4.0),
        rate_step=0.12, gain=14.0,
    ),
}  # fmt: skip
"""Makes by name. "long_range" and "short_range" have the fields, reaches and resolutions of the far
and near scan of the Continental ARS 408-21 (data sheet); "corner" those of common 77 GHz corner
radars. Power, gain, noise figure and losses are of the order that makes a car of 10 m^2 seen
with 13 dB at the stated reach and beyond (Hasch et al. 2012 list such budgets)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSection:
    """Radar cross section of a kind of road user by aspect [dBsm].

    Attributes:
        front: Seen from straight ahead.
        side: Seen from straight beside.
        rear: Seen from straight behind.
        between: Seen from the corners.
        lobe: Half width of the lobes at front, sides and rear [rad].
    """

    front: float
    side: float
    rear: float
    between: float
    lobe: float = _degrees(12.0)

    def at(self, aspect: FloatArray) -> FloatArray:
        """Cross section [m^2] by the direction the radar is seen in from the target.

        Args:
            aspect: Angle against the heading of the target [rad], 0 ahead, shape (...).
        """
        off = np.abs(np.arctan2(np.sin(aspect), np.cos(aspect)))
        level = np.full(np.shape(off), self.between)
        for peak, place in ((self.front, 0.0), (self.side, np.pi / 2), (self.rear, np.pi)):
            level = level + (peak - self.between) * np.exp(-(((off - place) / self.lobe) ** 2))
        return np.asarray(10 ** (level / 10))


CROSS_SECTIONS: dict[AgentKind, CrossSection] = {
    AgentKind.CAR: CrossSection(front=10.0, side=18.0, rear=13.0, between=4.0),
    AgentKind.TRUCK: CrossSection(front=18.0, side=28.0, rear=25.0, between=12.0),
    AgentKind.BUS: CrossSection(front=18.0, side=28.0, rear=23.0, between=12.0),
    AgentKind.MOTORCYCLE: CrossSection(front=3.0, side=8.0, rear=3.0, between=0.0),
    AgentKind.CYCLIST: CrossSection(front=-4.0, side=4.0, rear=-3.0, between=-6.0),
    AgentKind.PEDESTRIAN: CrossSection(front=-7.0, side=-9.0, rear=-7.0, between=-8.0),
    AgentKind.ANIMAL: CrossSection(front=-9.0, side=-3.0, rear=-9.0, between=-7.0),
    AgentKind.STATIC: CrossSection(front=-6.0, side=-6.0, rear=-6.0, between=-10.0),
}
"""Cross sections at 76 to 77 GHz: pedestrians -8 dBsm (Yamada et al. 2005), cars with lobes at the
flat sides and some 5 dBsm between (Bel Kamel et al. 2017), bicycles with a lobe at the side
(Belgiovane and Chen, 2017); lorries, buses, animals and debris are scaled from these by size."""

CLUTTER: dict[SurfaceClass, float] = {
    SurfaceClass.ROAD: -38.0,
    SurfaceClass.MARKING: -38.0,
    SurfaceClass.SIDEWALK: -34.0,
    SurfaceClass.TERRAIN: -28.0,
    SurfaceClass.VEGETATION: -20.0,
    SurfaceClass.BUILDING: -14.0,
    SurfaceClass.BARRIER: -4.0,
    SurfaceClass.POLE: 0.0,
    SurfaceClass.SIGNAL: -2.0,
    SurfaceClass.SIGN: 2.0,
}
"""Cross section of scenery per area that is seen [dB m^2/m^2], of the order Ulaby and Dobson (1989)
tabulate for roads and vegetation at millimetre waves; structures of metal are assumed."""
MIRRORS = (SurfaceClass.BARRIER, SurfaceClass.BUILDING)
"""Classes with flat upright faces that mirror radar waves."""
MIRROR_LOSS = 0.32
"""Share of the power that a guard rail mirrors, one way: -5 dB; assumed."""


def clutter_table() -> FloatArray:
    """Cross section per area of each surface class, 0 for those that are agents."""
    table = np.zeros(len(SurfaceClass))
    for surface, level in CLUTTER.items():
        table[surface] = 10 ** (level / 10)
    return table


def cross_section(kind: IntArray, aspect: FloatArray) -> FloatArray:
    """Cross section of agents by kind and aspect [m^2], shape (n,)."""
    out = np.zeros(len(kind))
    for which, section in CROSS_SECTIONS.items():
        rows = np.flatnonzero(kind == which)
        out[rows] = section.at(aspect[rows])
    return out


def rain_loss(rate: float, range_: FloatArray) -> FloatArray:
    """Share of the power that rain leaves over both ways (ITU-R P.838-3 at 76 GHz).

    Args:
        rate: Rain rate [mm/h].
        range_: Range [m].
    """
    decibel_per_km = 1.10 * rate**0.70
    return np.asarray(10 ** (-2 * decibel_per_km * np.asarray(range_) / 1e4))
