"""What a map source is: a family of roads with ranges, from which one road is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scenegen.errors import MapError
from scenegen.maps.draft import MapDraft
from scenegen.scene.roadmap import RoadKind, RoadMap
from scenegen.seeding import digest

Drawn = dict[str, str | int | float]
"""The numbers drawn for one road, as JSON scalars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A closed interval that one parameter is drawn from, uniformly.

    Attributes:
        low: Least value.
        high: Greatest value.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check that the interval is finite and not empty."""
        if not (np.isfinite([self.low, self.high]).all() and self.low <= self.high):
            raise MapError(f"Range: expected finite low <= high, got {self.low} and {self.high}")

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a real number."""
        return float(rng.uniform(self.low, self.high))

    def draw_integer(self, rng: np.random.Generator) -> int:
        """Draw a whole number, both ends included."""
        return int(rng.integers(int(np.ceil(self.low)), int(np.floor(self.high)), endpoint=True))

    def check_within(self, name: str, low: float, high: float) -> None:
        """Check that the interval lies inside the bounds that a road can be built for.

        Raises:
            MapError: It does not.
        """
        if self.low < low or self.high > high:
            raise MapError(
                f"{name}: expected a range within [{low}, {high}], got [{self.low}, {self.high}]"
            )

    def check_count(self, name: str, low: int, high: int) -> None:
        """Check that the interval lies inside the bounds and holds a whole number.

        Raises:
            MapError: It does not.
        """
        self.check_within(name, low, high)
        if np.ceil(self.low) > np.floor(self.high):
            raise MapError(f"{name}: expected a whole number in [{self.low}, {self.high}]")


def check_share(name: str, share: float) -> None:
    """Check that a share is a number from 0 to 1.

    Raises:
        MapError: It is not.
    """
    if not 0.0 <= share <= 1.0:
        raise MapError(f"{name}: expected a share from 0 to 1, got {share}")


def check_speeds(name: str, speeds: Sequence[float]) -> None:
    """Check that there is a speed to choose from, and that all are speed limits [m/s].

    Raises:
        MapError: There is none, or one is not in [2, 60] m/s.
    """
    if not speeds or not all(2.0 <= speed <= 60.0 for speed in speeds):
        raise MapError(f"{name}: expected one or more limits in [2, 60] m/s, got {speeds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSource(ABC):
    """A family of road maps; its fields are the ranges that a draw stays within.

    Traffic keeps to the right. `successors` and `predecessors`, `left` and `right` are
    reciprocal and link only lanes that carry traffic; shoulders, parking strips, sidewalks and
    crosswalks have no links. A sidewalk is one lane that people walk along in both directions,
    and so is a crosswalk. Paved corners of a junction that no lane covers are shoulders.

    Attributes:
        name: What the family is called in MAP_SOURCES.
        kind: What kind of road it gives.
    """

    name: ClassVar[str]
    kind: ClassVar[RoadKind]

    def draw(self, rng: np.random.Generator) -> RoadMap:
        """Draw one road; the same state of the generator gives the same road to the bit.

        Args:
            rng: Where the randomness comes from; exactly one number is taken from it.

        Returns:
            The road. Its `source` holds the family's name, the drawn key (all randomness follows
            from it) and the numbers drawn.
        """
        key = int(rng.integers(2**53))
        draft, drawn = self.plan(np.random.Generator(np.random.PCG64(key)))
        source: Drawn = {"source": self.name, "key": key, **drawn}
        return draft.build(f"{self.name}-{digest(source)[:8]}", self.kind, source)

    @abstractmethod
    def plan(self, rng: np.random.Generator) -> tuple[MapDraft, Drawn]:
        """Lay out one road and give the numbers drawn for it."""
