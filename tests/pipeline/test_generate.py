"""Every scenario that comes out satisfies its query, and follows from its seed alone."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from scenegen.data import Dataset
from scenegen.errors import QueryError, RecordingError, UnknownNameError, UnsatisfiedError
from scenegen.pipeline import Composer, Generator, Request, generate_dataset, replay
from scenegen.query import parse
from scenegen.scene import Scenario
from scenegen.sensors import RIGS
from tests.sizes import file_digests

CUT_IN = "cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s"
LABELS = RIGS["labels"]


def same_states(first: Scenario, second: Scenario) -> bool:
    """Whether two scenarios agree in every bit of every state."""
    names = [f.name for f in fields(first.agents)]
    pairs = [(getattr(first.agents, n), getattr(second.agents, n)) for n in names]
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Generate three cut-ins with labels."""
    path = tmp_path_factory.mktemp("pipeline") / "a.zarr"
    generate_dataset(path, Request(query=parse(CUT_IN), seed=7), 3, LABELS)
    return Dataset(path)


def test_every_recording_satisfies_its_query_again(dataset: Dataset) -> None:
    """The verdict holds when it is taken from the stored data alone."""
    query = parse(CUT_IN)

    verdicts = [query.evaluate(dataset.scenario(identity)) for identity in dataset.ids]

    assert len(verdicts) == 3
    assert all(verdict.satisfied for verdict in verdicts)


def test_a_recording_replays_bit_for_bit(dataset: Dataset) -> None:
    """Provenance is enough to rebuild every state."""
    results = [replay(dataset.scenario(identity)) for identity in dataset.ids]

    assert all(result.identical for result in results)


def test_the_same_seed_gives_the_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    """A second run writes the same files, byte for byte."""
    generate_dataset(tmp_path / "b.zarr", Request(query=parse(CUT_IN), seed=7), 3, LABELS)

    assert file_digests(tmp_path / "b.zarr") == file_digests(dataset.path)


def test_a_scenario_does_not_depend_on_the_others(dataset: Dataset) -> None:
    """Scenario 2 is the same whether or not 0 and 1 were made before."""
    alone = Generator(Request(query=parse(CUT_IN), seed=7)).scenario(2).scenario

    assert same_states(alone, dataset.scenario(2))


def test_resuming_adds_only_what_is_missing(dataset: Dataset, tmp_path: Path) -> None:
    """One scenario, then three with resume, are the three of a single run."""
    path, request = tmp_path / "c.zarr", Request(query=parse(CUT_IN), seed=7)
    generate_dataset(path, request, 1, LABELS)
    with pytest.raises(RecordingError, match="resume"):
        generate_dataset(path, request, 3, LABELS)

    generate_dataset(path, request, 3, LABELS, resume=True)

    assert sorted(Dataset(path).ids) == sorted(dataset.ids)


def test_an_impossible_query_ends_within_its_bound(tmp_path: Path) -> None:
    """The error counts the tries and names what failed; nothing is written."""
    query = parse(
        "cut_in(c) and ttc(ego,c) < 1.5s and always(ego.speed > 15m/s) and c.speed > 60m/s"
    )
    path = tmp_path / "none.zarr"

    with pytest.raises((UnsatisfiedError, QueryError)):
        generate_dataset(path, Request(query=query, tries=12), 2, LABELS)

    assert not path.exists()


def test_a_failing_clause_is_counted(tmp_path: Path) -> None:
    """What ended a try is said clause by clause."""
    query = parse(
        "lead_hard_brake(l) and always(ego.speed > 1m/s) and gap(ego,l) < 0.01m and rural"
    )
    generator = Generator(Request(query=query, tries=6, seed=3))

    with pytest.raises(UnsatisfiedError, match=r"over 6 tries"):
        generator.scenario(0)

    assert generator.statistics.tries == 6
    failed = generator.statistics.reasons.total() + generator.statistics.clauses.total()
    assert failed >= 6


def test_what_was_found_before_giving_up_is_kept(tmp_path: Path) -> None:
    """When scenario k cannot be found, those before it are committed."""
    request = Request(query=parse("jaywalker(p) and ttc(ego,p) < 2s"), seed=5, tries=1)
    path = tmp_path / "some.zarr"

    with pytest.raises(UnsatisfiedError):
        generate_dataset(path, request, 40, LABELS)

    stored = len(Dataset(path)) if path.exists() else 0
    found = 0
    generator = Generator(request)
    for index in range(40):
        try:
            generator.scenario(index)
        except UnsatisfiedError:
            break
        found += 1
    assert stored == found


def test_static_clauses_choose_road_and_weather() -> None:
    """A night in rain on a highway is what is composed, every time."""
    composer = Composer(Request(query=parse("night and rain and highway"), seed=1))

    drawn = [composer.compose(index, 0) for index in range(5)]

    for composition in drawn:
        assert not isinstance(composition, str)
        assert composition.scene.conditions.light == "night"
        assert composition.scene.conditions.weather == "rain"
        assert composition.scene.roadmap.kind == "highway"


def test_a_bound_on_visibility_reaches_the_weather() -> None:
    """Asked for less than 100 m of visibility, fog is that dense."""
    composer = Composer(Request(query=parse("fog and visibility < 100m"), seed=1))

    for index in range(5):
        composition = composer.compose(index, 0)
        assert not isinstance(composition, str)
        assert composition.scene.conditions.visibility <= 100.0


def test_roles_are_named_as_in_the_query() -> None:
    """A query that calls the vehicle x finds it under that name."""
    composer = Composer(Request(query=parse("cut_in(x) and ttc(ego,x) < 2s"), seed=1))

    found = [composer.compose(0, attempt) for attempt in range(30)]

    roles = [set(c.roles) for c in found if not isinstance(c, str)]
    assert roles
    assert all("x" in names for names in roles)


def test_an_event_on_the_wrong_road_is_refused() -> None:
    """A red light on a highway is said to be impossible before any try."""
    with pytest.raises(QueryError, match="red_light_runner happens on"):
        Composer(Request(query=parse("highway and red_light_runner(r)")))


def test_requests_check_their_numbers() -> None:
    """Unknown models and absurd durations are refused with a sentence."""
    query = parse("night")

    with pytest.raises(UnknownNameError, match="heuristic"):
        Request(query=query, layout_model="heurstic")
    with pytest.raises(ValueError, match="duration"):
        Request(query=query, duration=0.0)
