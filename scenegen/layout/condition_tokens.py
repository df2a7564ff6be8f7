"""What a scene is asked to be, as one vector of values with a mask of what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.errors import UnknownNameError
from scenegen.scene import Light, Weather

DENSITY_MEAN, DENSITY_SCALE = 17.5, 7.5
"""Traffic [vehicles per lane kilometre]: free flow to the edge of congestion, 5 to 30, drawn
uniformly; its deviation is 7.2."""
SPEED_MEAN, SPEED_SCALE = 12.0, 8.0
"""Speed of the ego [m/s]: town to motorway; 14.2 with deviation 7.5 over a corpus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is asked of a scene; None leaves it open.

    Attributes:
        event: Event family, "" for everyday traffic.
        severity: Least time to collision of the ego within the scene [s], inf for none.
        light: Time of day.
        weather: The dominant weather.
        density: Traffic [vehicles per lane kilometre].
        ego_speed: Speed of the ego at the begin [m/s].
    """

    event: str | None = None
    severity: float | None = None
    light: Light | None = None
    weather: Weather | None = None
    density: float | None = None
    ego_speed: float | None = None

    def __post_init__(self) -> None:
        """Check that what cannot be negative is not."""
        for name in ("severity", "density"):
            value = getattr(self, name)
            if value is not None and not value >= 0.0:
                raise ValueError(f"Condition.{name}: expected 0 or more, got {value}")


def condition_groups(events: Sequence[str]) -> dict[str, slice]:
    """Where each field of Condition lies in the vector, for a list of event families.

    A model drops whole groups at random to learn to do without them.
    """
    widths = {
        "event": len(events) + 1,
        "severity": 1,
        "light": len(Light),
        "weather": len(Weather),
        "density": 1,
        "ego_speed": 1,
    }
    ends = np.cumsum(list(widths.values())).tolist()
    return {n: slice(end - w, end) for (n, w), end in zip(widths.items(), ends, strict=True)}


def encode_condition(condition: Condition, events: Sequence[str]) -> tuple[FloatArray, BoolArray]:
    """Turn a condition into numbers.

    Args:
        condition: What is asked.
        events: Names of the event families the model knows; the order of the list is that of the
            vector, everyday traffic comes first.

    Returns:
        Values, float32, zero where nothing is asked, and whether each is asked; shapes (C,).

    Raises:
        UnknownNameError: The event is not in the list.
    """
    groups = condition_groups(events)
    size = groups["ego_speed"].stop
    values, known = np.zeros(size, np.float32), np.zeros(size, np.bool_)
    for name, where in groups.items():
        asked = getattr(condition, name)
        if asked is not None:
            known[where] = True
            values[where] = _group(name, asked, events)
    return values, known


def _group(name: str, asked: object, events: Sequence[str]) -> FloatArray:
    if isinstance(asked, Light | Weather):
        return np.array([float(option is asked) for option in type(asked)])
    if isinstance(asked, str):
        if asked and asked not in events:
            raise UnknownNameError("event", asked, events)
        return np.array([float(option == asked) for option in ("", *events)])
    number = float(asked)  # type: ignore[arg-type]  # Every other field is a number.
    if name == "severity":
        # Bounded, and finest where it matters: 1 at contact, 0 at 1 s, -1 where nothing closes.
        return np.array([2.0 / (1.0 + number) - 1.0])
    if name == "density":
        return np.array([(number - DENSITY_MEAN) / DENSITY_SCALE])
    return np.array([(number - SPEED_MEAN) / SPEED_SCALE])
