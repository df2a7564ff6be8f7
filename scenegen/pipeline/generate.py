"""Generate: compose, simulate and verify until the query holds, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass

from scenegen.errors import UnsatisfiedError
from scenegen.pipeline.compose import Composer, Request
from scenegen.pipeline.defects import defect
from scenegen.pipeline.statistics import Statistics
from scenegen.query import Verdict
from scenegen.scene import Composition, Scenario
from scenegen.sim import rollout, to_scenario

FIRST_BATCH, LARGEST_BATCH = 4, 16
"""Tries simulated together; the batch doubles while nothing is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accepted:
    """A scenario that satisfies its query.

    Attributes:
        composition: How it began; a simulator can load it again.
        scenario: How it developed; its roles are the witness of the query.
        verdict: The proof: value, margin, time and witness of each clause.
    """

    composition: Composition
    scenario: Scenario
    verdict: Verdict


class Generator:
    """Finds scenarios that satisfy one request; scenario `index` never depends on the others."""

    def __init__(self, request: Request) -> None:
        """Check the query against event, road and conditions.

        Raises:
            QueryError: The query contradicts itself, or asks for what its event cannot give.
        """
        self.request = request
        self.composer = Composer(request)
        self.statistics = Statistics()

    def scenarios(self, count: int) -> Iterator[Accepted]:
        """Give scenarios 0 to count - 1, one at a time.

        Raises:
            UnsatisfiedError: One of them was not found within the tries allowed.
        """
        for index in range(count):
            yield self.scenario(index)

    def scenario(self, index: int, called_off: Callable[[], bool] | None = None) -> Accepted:
        """Find one scenario.

        Args:
            index: Its number within the request, from 0.
            called_off: Tells, when asked between tries, whether nobody wants it any more.

        Returns:
            The first accepted try.

        Raises:
            UnsatisfiedError: No try within the bound satisfied the query; the message says how
                often each reason and each clause ended one.
            CancelledError: It was called off.
        """
        attempt, batch = 0, FIRST_BATCH
        while attempt < self.request.tries:
            if called_off is not None and called_off():
                raise CancelledError
            last = min(attempt + batch, self.request.tries)
            found = self._try(index, range(attempt, last))
            if found is not None:
                self.statistics.accepted += 1
                return found
            attempt, batch = last, min(2 * batch, LARGEST_BATCH)
        raise UnsatisfiedError(
            f"no scenario {index} in {self.request.tries} tries for"
            f" {self.request.query.text!r}; over {self.statistics.tries} tries:"
            f" {self.statistics.sentence()}. Loosen what failed most, or allow more tries"
        )

    def _try(self, index: int, attempts: range) -> Accepted | None:
        """Simulate some tries together and give the first that holds, in order of the tries."""
        composed: dict[int, Composition] = {}
        reasons: dict[int, str] = {}
        for attempt in attempts:
            drawn = self.composer.compose(index, attempt)
            if isinstance(drawn, str):
                reasons[attempt] = drawn
            else:
                composed[attempt] = drawn
        rollouts = rollout(list(composed.values()), self.request.duration) if composed else []
        outcomes = dict(zip(composed, rollouts, strict=True))
        for attempt in attempts:
            self.statistics.tries += 1
            if attempt in reasons:
                self.statistics.reasons[reasons[attempt]] += 1
                continue
            found = defect(composed[attempt], outcomes[attempt])
            if found:
                self.statistics.reasons[found] += 1
                continue
            accepted = self._verify(
                composed[attempt], to_scenario(composed[attempt], outcomes[attempt])
            )
            if accepted is not None:
                return accepted
        return None

    def _verify(self, composition: Composition, scenario: Scenario) -> Accepted | None:
        verdict = self.request.query.evaluate(scenario)
        if not verdict.satisfied:
            failed = [c.text for c in verdict.clauses if not c.satisfied]
            self.statistics.clauses.update(failed or ["all clauses at one instant"])
            return None
        return Accepted(composition=composition, scenario=scenario, verdict=verdict)
