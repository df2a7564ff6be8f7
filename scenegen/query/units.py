"""Physical units of the query language: one small table, dimension checks, margins' scales."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scenegen.errors import QueryError
from scenegen.query.messages import unknown


@dataclass(frozen=True, slots=True)
class Dimension:
    """Exponents of the base quantities; two terms can be compared when these are equal.

    Angles and precipitation are base quantities here, so that a yaw rate is not taken for a
    frequency nor rain for a speed.

    Attributes:
        length: Exponent of length [m].
        time: Exponent of time [s].
        angle: Exponent of angle [rad].
        precipitation: Exponent of rain or snow rate [mm/h].
    """

    length: int = 0
    time: int = 0
    angle: int = 0
    precipitation: int = 0

    def __mul__(self, other: Dimension) -> Dimension:
        """Dimension of a product."""
        return Dimension(
            self.length + other.length,
            self.time + other.time,
            self.angle + other.angle,
            self.precipitation + other.precipitation,
        )

    def __truediv__(self, other: Dimension) -> Dimension:
        """Dimension of a quotient."""
        return self * Dimension(-other.length, -other.time, -other.angle, -other.precipitation)

    @property
    def is_number(self) -> bool:
        """Whether it is a pure number."""
        return self == NUMBER

    @property
    def label(self) -> str:
        """Name for messages, for example ``a speed [m/s]``."""
        if self in NAMES:
            unit = DISPLAY[self]
            return f"{NAMES[self]} [{unit}]" if unit else NAMES[self]
        parts = zip(
            ("m", "s", "rad", "mm/h"),
            (self.length, self.time, self.angle, self.precipitation),
            strict=True,
        )
        return "a quantity [" + " ".join(f"{u}^{k}" for u, k in parts if k) + "]"

    @property
    def scale(self) -> float:
        """Difference [SI] that counts as a margin of 1: 1 s, 1 m, 1 m/s, 0.1 rad."""
        return 0.1 if self.angle else 1.0


NUMBER = Dimension()
TIME = Dimension(time=1)
LENGTH = Dimension(length=1)
SPEED = Dimension(length=1, time=-1)
ACCELERATION = Dimension(length=1, time=-2)
JERK = Dimension(length=1, time=-3)
ANGLE = Dimension(angle=1)
YAW_RATE = Dimension(angle=1, time=-1)
PRECIPITATION = Dimension(precipitation=1)

NAMES = {
    NUMBER: "a pure number",
    TIME: "a time",
    LENGTH: "a length",
    SPEED: "a speed",
    ACCELERATION: "an acceleration",
    JERK: "a jerk",
    ANGLE: "an angle",
    YAW_RATE: "a yaw rate",
    PRECIPITATION: "a rate of rain",
}
"""What each dimension is called."""

UNITS: dict[str, tuple[Dimension, float]] = {
    "": (NUMBER, 1.0),
    "%": (NUMBER, 0.01),
    "s": (TIME, 1.0),
    "ms": (TIME, 1e-3),
    "min": (TIME, 60.0),
    "h": (TIME, 3600.0),
    "m": (LENGTH, 1.0),
    "km": (LENGTH, 1000.0),
    "cm": (LENGTH, 0.01),
    "m/s": (SPEED, 1.0),
    "km/h": (SPEED, 1.0 / 3.6),
    "mph": (SPEED, 0.44704),
    "m/s^2": (ACCELERATION, 1.0),
    "g": (ACCELERATION, 9.80665),
    "m/s^3": (JERK, 1.0),
    "rad": (ANGLE, 1.0),
    "deg": (ANGLE, math.pi / 180.0),
    "rad/s": (YAW_RATE, 1.0),
    "deg/s": (YAW_RATE, math.pi / 180.0),
    "mm/h": (PRECIPITATION, 1.0),
}
"""Dimension and factor to the stored unit (SI; mm/h for precipitation) of every unit."""

MEANT = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("meter", "meters", "metre", "metres"), "m"),
    **dict.fromkeys(("kmh", "kph", "kmph", "km_h"), "km/h"),
    **dict.fromkeys(("mps", "m_s", "ms-1"), "m/s"),
    **dict.fromkeys(("m/s2", "m/s/s", "m/s**2", "ms-2", "mps2", "m_s2"), "m/s^2"),
    **dict.fromkeys(("degree", "degrees", "\N{DEGREE SIGN}"), "deg"),
    **dict.fromkeys(("percent", "pct"), "%"),
    "mm": "cm",
    "minutes": "min",
    "radians": "rad",
}
"""Unit that was probably meant by a name that is none."""

DISPLAY = {dimension: unit for unit, (dimension, factor) in reversed(UNITS.items()) if factor == 1}
"""Unit in which values of a dimension are shown when the query names none."""


def unit_of(name: str) -> tuple[Dimension, float]:
    """Dimension and factor of a unit.

    Raises:
        QueryError: There is no such unit.

    >>> unit_of("km/h")[1] * 36
    10.0
    """
    if name not in UNITS:
        raise QueryError(unknown_unit(name))
    return UNITS[name]


def unknown_unit(name: str) -> str:
    """Say that a unit is not known, and which one was probably meant."""
    meant = MEANT.get(name.lower())
    if meant is not None:
        return f"unknown unit {name!r}. Did you mean {meant!r}?"
    return unknown("unit", name, [unit for unit in UNITS if unit])


def expected_units(dimension: Dimension) -> str:
    """Units a value of this dimension may be written in, for messages."""
    return ", ".join(unit for unit, (found, _) in UNITS.items() if found == dimension and unit)


def format_number(value: float) -> str:
    """Shortest text that reads back as the same number, without a trailing ``.0``.

    >>> format_number(20.0), format_number(1.5), format_number(-0.0)
    ('20', '1.5', '0')
    """
    if value == 0:
        return "0"
    text = repr(float(value))
    return text.removesuffix(".0") if "e" not in text else text
