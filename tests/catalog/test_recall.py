"""A search finds on stored recordings what evaluating every one of them finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from scenegen.catalog import Catalog, features
from scenegen.catalog.cohort import Member, possible
from scenegen.catalog.counting import decided
from scenegen.catalog.occurrences import WORDS, occurrences, read_occurrences
from scenegen.data import Dataset, DatasetWriter
from scenegen.errors import QueryError
from scenegen.query import PREDICATES, Query, Trace, load_query, parse
from scenegen.query.expression import Formula
from scenegen.query.necessary import LISTED
from tests.builders import provenance
from tests.query.situations import SITUATIONS
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy, cut_in_world

ROUGH = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}
SCENARIOS = [
    replace(scenario, provenance=provenance(index=number))
    for number, scenario in enumerate(
        [
            *(busy(seed) for seed in range(6)),
            cut_in_world(),
            *(situation.build() for situation in SITUATIONS),
        ]
    )
]
TRACES = {scenario.id: Trace(scenario) for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Give the scenarios as stored, in packs of seven."""
    path = tmp_path_factory.mktemp("recall") / "a.zarr"
    with DatasetWriter(path, recordings_per_pack=7) as writer:
        for scenario in SCENARIOS:
            stored = writer_copy(scenario)
            TRACES[scenario.id] = Trace(stored)
            writer.add(stored, (), features(stored))
    with Catalog(path) as opened:
        yield opened


def writer_copy(scenario: object) -> object:
    """Give the scenario in the precision in which it is stored."""
    agents = scenario.agents  # type: ignore[attr-defined]
    floats = {
        name: getattr(agents, name).astype(np.float32)
        for name in ("position", "yaw", "speed", "size")
    }
    return replace(scenario, agents=replace(agents, **floats))  # type: ignore[type-var]


def agree(catalog: Catalog, query: Query) -> int:
    """Check that a search finds what looking at every recording finds, and count the hits."""
    found = {hit.id: hit.verdict for hit in catalog.search(query)}
    wanted = {
        name: verdict
        for name, trace in TRACES.items()
        for verdict in [query.evaluate(trace)]
        if verdict.satisfied
    }
    assert found == wanted, query.text
    return len(found)


@given(formula=FORMULAS)
@settings(max_examples=60, **ROUGH)  # type: ignore[arg-type]
def test_a_search_finds_exactly_what_evaluation_finds(catalog: Catalog, formula: Formula) -> None:
    """Recall and precision are 1 on stored recordings, whatever the query; so are the verdicts."""
    try:
        query = Query(formula)
    except QueryError:
        return
    agree(catalog, query)


@pytest.mark.slow
def test_a_search_finds_exactly_what_evaluation_finds_many_times(catalog: Catalog) -> None:
    """The same with 2,000 queries."""

    @given(FORMULAS)
    @settings(max_examples=2000, **ROUGH)  # type: ignore[arg-type]
    def check(formula: Formula) -> None:
        try:
            query = Query(formula)
        except QueryError:
            return
        agree(catalog, query)

    check()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.id)
def test_every_published_situation_is_found_in_the_store(
    catalog: Catalog, situation: object
) -> None:
    """Each published query finds at least its own situation."""
    assert agree(catalog, load_query(situation.id)) >= 1  # type: ignore[attr-defined]


@given(formula=FORMULAS)
@settings(max_examples=25, **ROUGH)  # type: ignore[arg-type]
def test_as_many_are_counted_as_are_found(catalog: Catalog, formula: Formula) -> None:
    """A count is the number of hits, whatever the query, and whatever the rows decided."""
    try:
        query = Query(formula)
    except QueryError:
        return

    assert catalog.count(query) == len(catalog.search(query))


@pytest.mark.parametrize("name", sorted(LISTED))
def test_rows_decide_single_events(catalog: Catalog, name: str) -> None:
    """An event alone, and by day and on some road, is counted from the rows as evaluation does."""
    roles = ", ".join("abcd"[: len(PREDICATES[name].roles)])
    for text in (f"{name}({roles})", f"day and {name}({roles})", f"urban and {name}({roles})"):
        query = parse(text)
        told = [decided(query, row) for row in catalog.rows()]
        wanted = [query.evaluate(TRACES[row["id"]]).satisfied for row in catalog.rows()]

        assert all(t in (None, w) for t, w in zip(told, wanted, strict=True)), text
        assert catalog.count(query) == sum(wanted), text


def test_a_count_reads_no_scenario_where_rows_decide(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the rows prove costs nothing more."""

    def refuse(*_: object) -> None:
        raise AssertionError("a scenario was read")

    found = len(catalog.search("day and cut_in(c)"))
    monkeypatch.setattr(Dataset, "scenario", refuse)
    monkeypatch.setattr(Dataset, "states", lambda _, numbers: refuse() if numbers else [])

    assert catalog.count("day and cut_in(c)") == found > 0


PLAIN = [
    *("ttc(ego,c) < {}s", "gap(ego,c) in [1m,{}m]", "c.accel < -{}m/s^2", "drac(ego,c) > {}m/s^2"),
    *("cut_in(c) and ttc(ego,c) < {}s", "not (c.speed > {}m/s) and lead(c)", "stopped(ego)"),
    *("lane_change(c) then[0s,{}s] ttc(ego,c) < 3s", "at(lane_change(c), thw(ego,c) < {}s)"),
    *("ego.speed > {}m/s until[0s,2s] lead(c)", "pedestrian(p) and distance(ego,p) < {}m"),
    *("not cut_in(c) and car(c) and gap(ego,c) < {}m", "a.speed - b.speed > {}m/s and cut_in(a)"),
    *(
        "c.jerk < -{}m/s^3",
        "occluded(c) and c.speed > {}m/s",
        "turn(ego) or c.yaw_rate > 0.{}rad/s",
    ),
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_search_finds_the_same_near_the_thresholds(catalog: Catalog, text: str) -> None:
    """With numbers from small to large."""
    hits = [agree(catalog, parse(text.format(x))) for x in (1, 2, 3, 5, 8, 15, 30)]

    assert max(hits) > 0


def test_few_recordings_are_evaluated(catalog: Catalog) -> None:
    """States alone rule out most of what SQL leaves: whoever cuts in is not whoever is close."""
    query = parse("cut_in(c) and ttc(ego,c) < 0.2s and c.speed > ego.speed")
    dataset = catalog.dataset
    members = [
        Member(
            states=one,
            happened=read_occurrences(row["occurrences"], row["listed"]),
            able={"c": frozenset(range(1, one.count))},
        )
        for one, row in zip(dataset.states(range(len(dataset))), catalog.rows(), strict=True)
        if row["steps"] == 81
    ]

    left = possible(query.formula, members, 0.1)

    assert members
    assert left == [None] * len(members)


def test_a_match_is_the_verdict_of_the_evaluation() -> None:
    """Whoever is left out because they cannot satisfy the query changes nothing."""
    for text in ("ttc(ego,c) < 3s", "c.speed > 5m/s and gap(ego,c) < 40m", "ego.speed > 5m/s"):
        query = parse(text)
        for trace in TRACES.values():
            verdict, match = query.evaluate(trace), query.match(trace)

            assert match == (verdict if verdict.satisfied else None)
            if match is not None and query.roles:
                able = {"c": {match.witness["c"]}}
                assert query.match(trace, able) == match


def test_states_are_read_as_with_the_scenario(catalog: Catalog) -> None:
    """Reading many at once gives every bit that reading one by one gives, in any order."""
    dataset: Dataset = catalog.dataset
    numbers = [5, 1, 17, 18, 2, 0]

    for number, states in zip(numbers, dataset.states(numbers), strict=True):
        wanted = dataset.scenario(number).agents
        for name in ("position", "yaw", "speed", "size", "kind", "valid"):
            np.testing.assert_array_equal(getattr(states, name), getattr(wanted, name))


def test_states_that_are_there_are_not_read_again(catalog: Catalog) -> None:
    """A scenario is the same whether its states were at hand or are read with it."""
    dataset: Dataset = catalog.dataset

    for number, states in zip((3, 9), dataset.states((3, 9)), strict=True):
        found, wanted = dataset.scenario(number, states), dataset.scenario(number)
        assert found.id == wanted.id
        assert found.agents.position.dtype == wanted.agents.position.dtype
        np.testing.assert_array_equal(found.agents.position, wanted.agents.position)
        np.testing.assert_array_equal(found.times, wanted.times)


def test_words_are_read_alone_as_with_all_others() -> None:
    """Looking for some words gives what looking for all gives of them."""
    for trace in TRACES.values():
        text = occurrences(trace)
        whole = read_occurrences(text, WORDS)
        for name in whole:
            assert read_occurrences(text, WORDS, {name}) == {name: whole[name]}


@pytest.mark.parametrize("name", sorted(LISTED))
def test_options_only_narrow_what_is_listed(name: str) -> None:
    """With any option an event holds at no instant outside its listed stretch."""
    predicate = PREDICATES[name]
    for trace in list(TRACES.values())[:10]:
        listed = read_occurrences(occurrences(trace), WORDS)[name]
        held = {who: (first, last) for who, first, last in listed}
        for option, values in predicate.options.items():
            for value in values:
                for who in trace.others.tolist() if len(predicate.roles) == 1 else []:
                    index = [np.array([who])]
                    margin = predicate.margin(trace, index, {option: value})[:, 0]
                    there = trace.states.valid[:, who]
                    for t in np.flatnonzero((margin > 0) & there):
                        assert held[(who,)][0] <= t <= held[(who,)][1]


def test_what_was_listed_under_another_definition_is_not_relied_on() -> None:
    """A word whose mark differs is as if it had never been looked for."""
    text = occurrences(TRACES[SCENARIOS[6].id])
    changed = WORDS.replace(LISTED["cut_in"], "cut_in:000000")

    assert read_occurrences(text, WORDS)["cut_in"]
    assert "cut_in" not in read_occurrences(text, changed)
    assert read_occurrences(None, None) == {}
