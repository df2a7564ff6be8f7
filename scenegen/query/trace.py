"""One scenario as the evaluator sees it: its tracks, and what more the language asks of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.events.tracks import Tracks
from scenegen.scene import EGO, AgentStates, Scenario
from scenegen.scene.scenario import STEP
from scenegen.sim.encroachment import post_encroachment_time


@dataclass(frozen=True, eq=False)
class Trace:
    """A scenario with everything that clauses read of it, computed on first use and kept.

    Attributes:
        scenario: The scenario.
    """

    scenario: Scenario
    _kept: dict[tuple[str, tuple[int, ...]], FloatArray] = field(
        default_factory=dict, init=False, repr=False
    )

    _casts: dict[str, frozenset[tuple[int, ...]]] = field(
        default_factory=dict, init=False, repr=False
    )

    @cached_property
    def tracks(self) -> Tracks:
        """The view that events read."""
        return Tracks(scenario=self.scenario)

    @property
    def states(self) -> AgentStates:
        """States in float64, leading shape (T, N)."""
        return self.tracks.states

    @property
    def times(self) -> FloatArray:
        """Times of the instants [s], shape (T,)."""
        return self.tracks.times

    @property
    def steps(self) -> int:
        """Number of instants T."""
        return self.scenario.steps

    @property
    def step(self) -> float:
        """Time between instants [s]."""
        return float(self.times[1] - self.times[0]) if self.steps > 1 else STEP

    @cached_property
    def others(self) -> IntArray:
        """Indices of the agents that are there at some instant, without the ego, shape (K,)."""
        seen = np.flatnonzero(self.states.valid.any(axis=0))
        return seen[seen != EGO]

    @cached_property
    def jerk(self) -> FloatArray:
        """Rate of change of acceleration [m/s^3], shape (T, N), central differences."""
        if self.steps < 2:
            return np.zeros(self.states.valid.shape)
        return np.gradient(self.tracks.acceleration, self.times, axis=0)

    @cached_property
    def height(self) -> FloatArray:
        """Height of each agent [m], shape (N,)."""
        return self.states.size[..., 2].max(axis=0)

    def casts(
        self, name: str, compute: Callable[[Tracks], Iterable[tuple[int, ...]]]
    ) -> frozenset[tuple[int, ...]]:
        """Assignments worth looking at for a name, computed once."""
        if name not in self._casts:
            self._casts[name] = frozenset(compute(self.tracks))
        return self._casts[name]

    def table(
        self,
        name: str,
        indices: Sequence[IntArray],
        compute: Callable[..., FloatArray],
        worth: Container[tuple[int, ...]] | None = None,
        otherwise: float = 0.0,
    ) -> FloatArray:
        """Fill a table by a function of one assignment of agents, each computed once.

        Args:
            name: What is computed; results are kept under it.
            indices: Agent indices of each argument, broadcast.
            compute: ``compute(*agents)`` gives values over time, shape (T,).
            worth: Assignments that are computed; None for all.
            otherwise: Value of those that are not.

        Returns:
            Values, shape (T, ...).
        """
        actors = np.broadcast_arrays(*indices)
        shape = actors[0].shape
        out = np.full((self.steps, *shape), otherwise)
        for place in np.ndindex(*shape):
            cast = tuple(int(index[place]) for index in actors)
            if worth is not None and cast not in worth:
                continue
            if (name, cast) not in self._kept:
                self._kept[name, cast] = compute(*cast)
            out[(slice(None), *place)] = self._kept[name, cast]
        return out

    def encroachment(self, i: int, j: int) -> FloatArray:
        """Post-encroachment time of two agents [s], the same at every instant, shape (T,)."""
        there = np.flatnonzero(self.tracks.both(i, j))
        if i == j or not len(there):
            return np.full(self.steps, np.inf)
        s, span = self.states, slice(int(there[0]), int(there[-1]) + 1)
        pet = post_encroachment_time(
            *(s.position[span, i], s.yaw[span, i], s.size[there[0], i]),
            *(s.position[span, j], s.yaw[span, j], s.size[there[0], j]),
            self.times[span],
        )
        return np.full(self.steps, pet)
