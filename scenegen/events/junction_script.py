"""A vehicle is put where it meets the ego in a junction: what such scripts have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scenegen.events.casting import Cast
from scenegen.events.conflict_areas import Conflict
from scenegen.events.event import Script
from scenegen.events.meeting import Meeting, approach
from scenegen.events.openings import Opening, Stretch
from scenegen.scene.roadmap import RoadMap

WINDOW = 0.5
"""The ego reaches the conflict area at most this long before or after it should [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JunctionScript(Script):
    """A concrete meeting of the ego and one vehicle in a junction.

    Attributes:
        first: Who is in the conflict area first, "ego" or what the family calls the other one.
        speed: Speed of the other vehicle on its approach [m/s].
        pet: Time from the first one's exit to the second one's entry if nobody reacts [s].
        arrival: Time until the ego reaches the conflict area [s].
    """

    first: str
    speed: float
    pet: float
    arrival: float

    @staticmethod
    @abstractmethod
    def ways(roadmap: RoadMap) -> Sequence[Conflict]:
        """List the pairs of ways on which the two may meet."""

    @abstractmethod
    def meet(self, opening: Opening, way: Conflict) -> Cast | None:
        """Put the other vehicle on its way; None where it or the signals do not allow it."""

    def stretches(self, roadmap: RoadMap) -> list[Stretch]:
        """Where the ego reaches the conflict area in about `arrival` seconds."""
        window = (self.arrival - WINDOW, self.arrival + WINDOW)
        found = (approach(way, self.ego_speed, *window) for way in self.ways(roadmap))
        return [stretch for stretch in found if stretch is not None]

    def stage(self, opening: Opening, rng: np.random.Generator) -> Cast | None:
        """Try the ways that cross the ego's, in random order."""
        for way in self._shuffled(opening, rng):
            cast = self.meet(opening, way)
            if cast is not None:
                return cast
        return None

    def meeting(self, opening: Opening) -> Meeting:
        """Timing of the two with the ego's actual speed."""
        return Meeting(
            ego_speed=opening.speed,
            other_speed=self.speed,
            pet=self.pet,
            ego_first=self.first == "ego",
        )

    def _shuffled(self, opening: Opening, rng: np.random.Generator) -> Iterator[Conflict]:
        lanes = opening.path.lanes
        ways = [way for way in self.ways(opening.path.roadmap) if way.ego.lanes == lanes]
        return (ways[int(number)] for number in rng.permutation(len(ways)))


def keep_both_clear(cast: Cast, way: Conflict, ego_along: float, along: float) -> Cast:
    """Keep the traffic off both ways as far as the conflict area.

    Args:
        cast: The roles.
        way: The two ways.
        ego_along: Where the ego begins on its own [m].
        along: Where the other begins on its own [m].
    """
    cast.keep_clear(way.ego, ego_along, way.ego_area[1])
    cast.keep_clear(way.other, along, way.other_area[1])
    return cast
