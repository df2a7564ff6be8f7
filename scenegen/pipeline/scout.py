"""Scout: find the next scenario and build its world while the present one is sensed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scenegen.pipeline.generate import Accepted, Generator
from scenegen.pipeline.statistics import Statistics
from scenegen.render import World
from scenegen.scene import Scenario


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A scenario and its world, which may still be on its way.

    Attributes:
        accepted: The scenario.
        statistics: What was counted up to it, the same whether or not the next is sought already.
        world: Its world, None where that is left to whoever senses it.
    """

    accepted: Accepted
    statistics: Statistics
    world: Future[World] | None


class Scout:
    """Gives the scenarios of a request in order, and seeks the next as soon as one is given.

    Nothing that is given depends on whether it was sought ahead: scenarios follow from their
    numbers, errors are raised when their scenario is asked for, and `statistics` leave out what
    nobody asked for yet.
    """

    def __init__(
        self,
        generator: Generator,
        indices: Sequence[int],
        build: Callable[[Scenario], World],
        *,
        ahead: bool,
    ) -> None:
        """Prepare to find scenarios.

        Args:
            generator: Finds them; not to be used beside the scout.
            indices: Their numbers, in the order they are asked for.
            build: Builds the world of one.
            ahead: Whether to seek the next in a thread of its own.
        """
        self.statistics = Statistics()
        self._generator, self._build = generator, build
        self._left = deque(indices)
        self._pool = ThreadPoolExecutor(1) if ahead else None
        self._sought: tuple[Future[Accepted], Future[World]] | None = None
        self._called_off = threading.Event()

    def __enter__(self) -> Self:
        """Do nothing more."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Call off what is still sought, and wait until it is."""
        self._called_off.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def next(self) -> Found:
        """Give the next scenario.

        Raises:
            UnsatisfiedError: It was not found within the tries allowed.
            IndexError: All were given.
        """
        sought, self._sought = self._sought, None
        index = self._left.popleft()
        try:
            accepted = self._generator.scenario(index) if sought is None else sought[0].result()
        finally:
            self.statistics = deepcopy(self._generator.statistics)
        if self._pool is not None and self._left:
            self._seek(self._pool, self._left[0])
        world = None if sought is None else sought[1]
        return Found(accepted=accepted, statistics=self.statistics, world=world)

    def _seek(self, pool: ThreadPoolExecutor, index: int) -> None:
        """Begin to find a scenario and to build its world, one after the other."""
        found = pool.submit(self._generator.scenario, index, self._called_off.is_set)

        def build() -> World:
            return self._build(found.result().scenario)

        self._sought = found, pool.submit(build)
