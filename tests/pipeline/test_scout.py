"""Seeking the next scenario early changes nothing but the time at which it is there."""

import time
from concurrent.futures import CancelledError

import pytest

from scenegen.errors import UnsatisfiedError
from scenegen.pipeline import Request
from scenegen.pipeline.generate import Generator
from scenegen.pipeline.scout import Scout
from scenegen.query import parse
from scenegen.render import World
from scenegen.scene import Scenario
from scenegen.sensors import RIGS

QUERY = "cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s"
IMPOSSIBLE = "ego.speed > 500m/s"


def request(query: str = QUERY, tries: int = 400) -> Request:
    """Short scenarios of a query."""
    return Request(query=parse(query), seed=3, duration=6.0, tries=tries)


def build(scenario: Scenario) -> World:
    """The world that a rig builds."""
    return RIGS["labels"].world(scenario, 3)


def test_what_is_sought_ahead_is_what_would_have_been_found() -> None:
    """Scenarios, counts and worlds are the same in one thread and in two."""
    with (
        Scout(Generator(request()), (0, 1, 2), build, ahead=False) as one,
        Scout(Generator(request()), (0, 1, 2), build, ahead=True) as two,
    ):
        for number in range(3):
            plain, early = one.next(), two.next()

            assert plain.accepted.scenario.id == early.accepted.scenario.id
            assert plain.statistics == early.statistics
            assert plain.world is None
            assert (early.world is None) == (number == 0)
            if early.world is not None:
                assert early.world.result().seed == build(plain.accepted.scenario).seed


def test_counts_leave_out_what_nobody_asked_for() -> None:
    """While the second is sought, the counts are those of the first."""
    generator = Generator(request())
    with Scout(generator, (0, 1), build, ahead=True) as scout:
        first = scout.next()
        alone = Generator(request())
        alone.scenario(0)
        while generator.statistics.accepted < 2:
            time.sleep(0.01)

        assert first.statistics == scout.statistics == alone.statistics


def test_a_failure_comes_when_its_scenario_is_asked_for() -> None:
    """What cannot be found ends the run at its turn, not before, and is counted."""
    generator = Generator(request(IMPOSSIBLE, tries=8))
    found = Generator(request()).scenario(0)
    whole = generator.scenario
    generator.scenario = lambda i, off=None: (  # type: ignore[method-assign,assignment]
        found if i == 0 else whole(i, off)
    )
    with Scout(generator, (0, 1), build, ahead=True) as scout:
        assert scout.next().accepted is found

        with pytest.raises(UnsatisfiedError):
            scout.next()

        assert scout.statistics.tries == 8


def test_a_search_is_called_off_between_tries() -> None:
    """Nobody waits for a search that is not wanted any more."""
    generator = Generator(request(IMPOSSIBLE))

    with pytest.raises(CancelledError):
        generator.scenario(0, called_off=lambda: generator.statistics.tries > 0)

    assert generator.statistics.tries < 20
