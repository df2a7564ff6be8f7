"""The search for scenes that keep a query: sketches in growing rounds, then their backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scenegen.layout import LayoutRequest
from scenegen.layout.learned import SceneTask
from scenegen.pipeline.sketches import (
    GUIDED_ROUNDS,
    QUICK_ROUNDS,
    Picks,
    Sketch,
    keeps,
    rounds_of,
)
from scenegen.pipeline.sketching import Pull, Sketcher
from scenegen.seeding import stream

BACKGROUNDS = 4
"""Backgrounds drawn around ego and roles that keep the query, until one leaves them be."""
PLAIN = 8
"""Sketches drawn before the event of the condition is pressed."""
GUIDED_PART = 4
"""One in so many sketches is guided: it keeps the query up to twice as often as another, and costs
ten of them."""
WHOLES = 2
"""Whole scenes drawn, one by one, where no sketch with its background kept the query."""


@dataclass(frozen=True, eq=False)
class SketchSearch:
    """Looks for a scene that keeps the query on each of some roads, all in one batch.

    Attributes:
        sketcher: Draws.
        requests: Road, ego and who hides somebody of each scene.
        seeds: Seed of the sketches of each.
        follows: Whether sketches of each are guided, once they are.
        rngs: Random numbers of the backgrounds of each.
    """

    sketcher: Sketcher
    requests: Sequence[LayoutRequest]
    seeds: Sequence[int]
    follows: Sequence[bool]
    rngs: Sequence[np.random.Generator]

    def scenes(self) -> list[Sketch]:
        """Give the first scene found on each road, or the one that comes nearest to the query.

        Of the sketches of ego and roles the first are drawn as the condition says, then some under
        pressure of it, and only then the rest under guidance of the query. Each has a
        seed of its own, whatever round it is dealt to.
        """
        sketched, made = Picks(len(self.requests)), Picks(len(self.requests))
        most = self.sketcher.how.sketches
        first, slow = 0, -(-most // GUIDED_PART)
        quick = [(False, size) for size in rounds_of(most - slow, QUICK_ROUNDS)]
        for guided, size in [*quick, *((True, size) for size in rounds_of(slow, GUIDED_ROUNDS))]:
            plain = Pull.CONDITION if first < PLAIN else Pull.PRESSED
            pull = Pull.GUIDANCE if guided else plain
            self._draw(sketched, range(first, first + size), pull, margins=first + size == most)
            first += size
        for number in range(BACKGROUNDS):
            # A background does not bring about what ego and roles alone never did.
            at = [k for k in made.missing if number == 0 or k not in sketched.missing]
            self._surround(made, sketched, at)
        for number in range(WHOLES):
            self._draw_wholes(made, most + number)
        return [sketch for sketch in made.best if sketch is not None]

    def first_ones(self) -> tuple[list[Sketch], list[float | None]]:
        """Take the first sketch of each scene and the first background around it.

        Returns:
            The scenes, and the log importance weight of the path of each sketch.
        """
        sketches, weights = self.sketcher.sketches(
            self.requests, self._tasks, self.seeds, self.follows
        )
        return self.sketcher.surrounded(self.requests, sketches, self.rngs), weights

    @cached_property
    def _tasks(self) -> list[SceneTask]:
        """Ego and roles of each scene as they are to be sampled: the same for all its sketches."""
        return [self.sketcher.task(request) for request in self.requests]

    def _draw(self, picks: Picks, numbers: range, pull: Pull, *, margins: bool) -> None:
        """Draw some sketches of every scene that lacks one that keeps the query.

        How far misses are off costs as much as all the rest, and is looked at in the last round.
        """
        at = [k for k in picks.missing for _ in numbers]
        if not at:
            return
        here = [self.requests[k] for k in at]
        seeds = [self._seed(k, number) for k in picks.missing for number in numbers]
        found, weights = self.sketcher.sketches(
            here,
            [self._tasks[k] for k in at],
            seeds,
            [self.follows[k] for k in at],
            pull,
        )
        self._consider(picks, at, found, weights, margins=margins)

    def _draw_wholes(self, made: Picks, number: int) -> None:
        """Draw a whole scene, in which anybody may be what the query needs."""
        at = list(made.missing)
        if not at:
            return
        here = [self.requests[k] for k in at]
        seeds = [self._seed(k, number) for k in at]
        tasks = [
            self.sketcher.whole_task(request, np.random.default_rng([1, seed]))
            for request, seed in zip(here, seeds, strict=True)
        ]
        follows = [self.follows[k] for k in at]
        found, weights = self.sketcher.sketches(here, tasks, seeds, follows, Pull.CONDITION)
        self._consider(made, at, found, weights, margins=True)

    def _surround(self, made: Picks, sketched: Picks, at: Sequence[int]) -> None:
        """Draw a background for scenes whose backgrounds so far spoilt the event."""
        sketches = [sketch for k in at if (sketch := sketched.best[k]) is not None]
        if not sketches:
            return
        here = [self.requests[k] for k in at]
        found = self.sketcher.surrounded(here, sketches, [self.rngs[k] for k in at])
        self._consider(made, at, found, [None] * len(at), margins=True)

    def _consider(
        self,
        picks: Picks,
        at: Sequence[int],
        found: Sequence[Sketch],
        weights: Sequence[float | None],
        *,
        margins: bool,
    ) -> None:
        sketcher, here = self.sketcher, [self.requests[k] for k in at]
        kept = keeps(sketcher.query, here, found, sketcher.duration, scenes=at, margins=margins)
        picks.consider(at, found, weights, *kept)

    def _seed(self, scene: int, number: int) -> int:
        """Seed of a sketch of a scene."""
        return int(stream(self.seeds[scene], "sketch", number).integers(2**62))
