"""Intervals of numbers: what a logical scenario leaves open and a concrete one draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scenegen.errors import QueryError

T = TypeVar("T")

DRAWS = 2000
"""Draws after which coupled ranges are taken to contradict each other."""


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval [low, high] in SI units; bounds of a query may be infinite.

    >>> Range(1.0, 3.0).intersect(Range(2.0, math.inf))
    Range(low=2.0, high=3.0)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check that the bounds are numbers in order."""
        if not self.low <= self.high:
            raise ValueError(f"Range: expected low <= high, got {self.low} and {self.high}")

    def __contains__(self, value: float) -> bool:
        """Whether a value lies inside, bounds included."""
        return self.low <= value <= self.high

    def draw(self, rng: np.random.Generator) -> float:
        """Draw uniformly.

        Raises:
            ValueError: A bound is infinite.
        """
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"Range.draw: expected finite bounds, got {self}")
        return float(rng.uniform(self.low, self.high))

    def intersect(self, other: Range) -> Range | None:
        """Give the common part, or None where there is none."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Range(low, high) if low <= high else None

    def text(self, unit: str) -> str:
        """Write the interval as a person would: `2.8 to 16.7 m/s`."""
        return f"{self.low:.3g} to {self.high:.3g} {unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Limit:
    """What physics and the simulator allow for one field of an event.

    Attributes:
        range: The outer range; a query may ask for anything inside.
        unit: SI unit, for messages.
    """

    range: Range
    unit: str


def draw_coupled(
    what: str,
    rng: np.random.Generator,
    sample: Callable[[np.random.Generator], T],
    accept: Callable[[T], bool],
) -> T:
    """Draw until numbers that depend on each other agree (rejection sampling).

    Args:
        what: Name of the event, for the message.
        rng: Random stream.
        sample: Draws one candidate.
        accept: Whether the candidate's numbers agree.

    Returns:
        The first candidate accepted.

    Raises:
        QueryError: No candidate of DRAWS was accepted.
    """
    for _ in range(DRAWS):
        candidate = sample(rng)
        if accept(candidate):
            return candidate
    raise QueryError(
        f"{what}: the ranges asked for contradict each other (none of {DRAWS} draws agreed,"
        " for example a gap that does not equal headway times speed); widen one of them"
    )
