"""A development is evaluated once for all its recordings, and what is told differs only by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.catalog import Catalog, features
from scenegen.catalog.development import circumstances, development
from scenegen.data import DatasetWriter
from scenegen.query import PREDICATES, SIGNALS, Query, Trace, parse
from scenegen.query.necessary import CONSTANT
from scenegen.scene import Conditions, Light, Scenario, Weather, draw_conditions
from tests.builders import provenance
from tests.query.worlds import busy, cut_in_world


def stored(scenario: Scenario) -> Scenario:
    """Give the scenario in the precision in which it is stored."""
    agents = scenario.agents
    floats = {n: getattr(agents, n).astype(np.float32) for n in ("position", "yaw", "speed")}
    return replace(scenario, agents=replace(agents, size=agents.size.astype(np.float32), **floats))


BASES = [stored(scenario) for scenario in (cut_in_world(), busy(1), busy(2))]


def weathers(count: int) -> list[Scenario]:
    """Give every base under several draws of light and weather."""
    rng = np.random.default_rng(5)
    return [
        replace(
            base,
            conditions=draw_conditions(rng, tuple(Light), tuple(Weather), {}),
            provenance=provenance(index=number * len(BASES) + k),
        )
        for number in range(count)
        for k, base in enumerate(BASES)
    ]


QUERIES = [
    *("gap(ego,c) < 60m", "night and gap(ego,c) < 60m", "not night and c.speed > 1m/s"),
    *("visibility < 5000m and c.speed > 1m/s", "rain or cut_in(c)", "heavy_rain or dense_fog"),
    *(
        "friction > 0.5 and c.speed > 1m/s",
        "sun_elevation in [0deg,40deg]",
        "low_sun",
        "wetness > 0",
    ),
    *("always(fog) or highway and ttc(ego,c) < 5s", "intersection and snow", "lanes >= 2 and fog"),
]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Give 36 recordings of three developments."""
    path = tmp_path_factory.mktemp("development") / "a.zarr"
    known: dict[str, dict[str, object]] = {}
    with DatasetWriter(path, recordings_per_pack=10) as writer:
        for scenario in weathers(12):
            same = known.setdefault(development(scenario), features(scenario))  # type: ignore[arg-type]
            writer.add(scenario, (), features(scenario, same=same))  # type: ignore[arg-type]
    return Catalog(path)


@pytest.mark.parametrize("text", QUERIES)
def test_recordings_of_one_development_get_their_own_verdicts(catalog: Catalog, text: str) -> None:
    """Hits, witnesses and margins are those of evaluating every recording."""
    query = parse(text)
    wanted = {s.id: query.evaluate(s) for s in weathers(12)}

    found = {hit.id: hit.verdict for hit in catalog.search(query)}

    assert found == {name: verdict for name, verdict in wanted.items() if verdict.satisfied}


def test_a_development_is_evaluated_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve recordings of a drive cost one evaluation."""
    evaluated: list[str] = []
    match = Query.match

    def counted(self: Query, scenario: Scenario, able: object = None) -> object:
        evaluated.append(scenario.id)
        return match(self, scenario, able)  # type: ignore[arg-type]

    monkeypatch.setattr(Query, "match", counted)

    hits = catalog.search("c.speed > 1m/s")

    assert len(hits) >= 12
    assert len(evaluated) <= len(BASES)


def test_what_was_taken_over_is_what_would_be_computed() -> None:
    """A row from the same development equals the scenario's own."""
    one, other = weathers(2)[0], weathers(2)[3]

    assert development(one) == development(other)
    assert features(other, same=features(one)) == features(other)


def test_every_change_of_what_happens_changes_the_mark() -> None:
    """States, sirens, times and road count; light, weather and provenance do not."""
    base = BASES[0]
    agents = base.agents
    moved = agents.position.copy()
    moved[3, 1, 0] = np.nextafter(moved[3, 1, 0], np.float32(np.inf))
    lanes = base.roadmap.lanes
    slower = replace(lanes[0], speed_limit=lanes[0].speed_limit - 1.0)
    others = [
        replace(base, agents=replace(agents, position=moved)),
        replace(base, sirens=(1,)),
        replace(base, times=base.times * 2.0),
        replace(base, roadmap=replace(base.roadmap, lanes=(slower, *lanes[1:]))),
    ]

    marks = {development(scenario) for scenario in (base, *others)}

    assert len(marks) == 1 + len(others)
    assert development(replace(base, conditions=Conditions(light=Light.NIGHT))) in marks


@pytest.mark.parametrize("name", sorted(PREDICATES))
def test_no_motion_depends_on_light_and_weather(name: str) -> None:
    """Else one evaluation could not stand for all recordings of a development."""
    roles = PREDICATES[name].roles
    for base in BASES[:2]:
        dark = replace(
            base, conditions=Conditions(light=Light.NIGHT, weather=Weather.FOG, visibility=20.0)
        )
        agents = list(range(1, 1 + len(roles)))
        index = [np.array([agent]) for agent in agents]
        one, other = (PREDICATES[name].margin(Trace(s), index, {}) for s in (base, dark))
        np.testing.assert_array_equal(one, other)


def test_signals_of_the_scenario_are_the_circumstances_or_the_road() -> None:
    """Every signal without agents is told by the row, or is the same for a whole development."""
    dark = Conditions(
        light=Light.NIGHT, rain_mm_per_h=3.0, snow_mm_per_h=2.0, visibility=50.0,
        sun_elevation=-0.5, cloud_cover=0.9, wetness=0.8, friction=0.4,
    )  # fmt: skip
    for name, signal in SIGNALS.items():
        if signal.roles == 0:
            one, other = (Trace(replace(BASES[0], conditions=c)) for c in (Conditions(), dark))
            differs = not np.array_equal(signal.value(one), signal.value(other))
            assert differs == (name in CONSTANT)


def test_a_row_that_does_not_tell_stands_for_itself() -> None:
    """Without the columns nothing is shared."""
    query = parse("night and visibility < 50m")

    assert circumstances(query.formula, {}) is None
    assert circumstances(parse("gap(ego,c) < 3m").formula, {}) == ("", "")[:1]
