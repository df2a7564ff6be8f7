"""Extremes of every agent lose no match, and rule out who never comes near."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from scenegen.catalog import features
from scenegen.catalog.extremes import COLUMNS, able, extremes, read_extremes
from scenegen.errors import QueryError
from scenegen.query import SIGNALS, Query, Trace, parse
from scenegen.query.expression import Formula
from scenegen.scene import EGO
from tests.query.situations import SITUATIONS
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy, cut_in_world

SCENARIOS = [
    *(busy(seed) for seed in range(4)),
    cut_in_world(),
    *(situation.build() for situation in SITUATIONS),
]
TRACES = [Trace(scenario) for scenario in SCENARIOS]
TABLES = [read_extremes(extremes(trace)) for trace in TRACES]
PAIRS = ("ttc", "gap", "thw", "distance", "drac", "pet")


def keeps_the_witness(query: Query) -> int:
    """Check that no witness is ruled out in any scenario, and count the agents that are."""
    out = 0
    for trace, table in zip(TRACES, TABLES, strict=True):
        assert table is not None
        left = able(query.formula, query.roles, table)
        verdict = query.evaluate(trace)
        if verdict.satisfied:
            assert all(left[role][agent] for role, agent in verdict.witness.items()), query.text
        out += sum(len(trace.others) - int(may.sum()) for may in left.values())
    return out


@given(FORMULAS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_no_witness_is_ruled_out(formula: Formula) -> None:
    """Whatever the query, the agents that satisfy it best are left to their roles."""
    try:
        query = Query(formula)
    except QueryError:
        return
    keeps_the_witness(query)


SHARP = [
    *("ttc(ego,a) < {}s", "ttc(a,ego) < {}s", "gap(ego,a) < {}m", "thw(a,ego) < 0.{}s"),
    *("distance(a,ego) < {}m", "drac(ego,a) > {}m/s^2", "drac(a,ego) > 0.{}m/s^2"),
    *("a.speed > {}m/s", "not (a.speed > {}m/s)", "a.accel < -{}m/s^2", "abs(a.accel) < 0.{}g"),
    *(
        "pet(ego,a) < 0.{}s",
        "pet(a,ego) < {}s",
        "pedestrian(a)",
        "ego.speed > 1m/s then a.accel > {}m/s^2",
    ),
    *("eventually(a.speed < 0.{}m/s)", "a.speed in [{}m/s,30m/s] and b.speed < {}m/s"),
]


@pytest.mark.parametrize("text", SHARP)
def test_no_witness_is_ruled_out_near_the_thresholds(text: str) -> None:
    """Each comparison keeps all witnesses, and rules somebody out."""
    texts = {text.replace("{}", str(number)) for number in (1, 2, 3, 5, 9, 15, 25)}

    assert sum(keeps_the_witness(parse(one)) for one in sorted(texts)) > 0


@pytest.mark.parametrize("number", range(len(TRACES)))
def test_extremes_bound_what_the_signals_are(number: int) -> None:
    """No signal at any instant lies beyond what is kept, and the extremes are nearly reached."""
    trace, table = TRACES[number], TABLES[number]
    assert table is not None
    for agent in trace.others.tolist():
        both = trace.states.valid[:, agent] & trace.states.valid[:, EGO]
        for name in PAIRS:
            for back in (False, True):
                i, j = (agent, EGO) if back else (EGO, agent)
                kept = f"{'largest' if name == 'drac' else 'least'} {name}{' back' * back}"
                if kept not in COLUMNS:
                    continue
                values = SIGNALS[name].value(trace, np.array([i]), np.array([j]))[both, 0]
                extreme = table[agent, COLUMNS.index(kept)]
                if name == "drac":
                    assert values.max(initial=0.0) <= extreme
                else:
                    assert values.min(initial=np.inf) >= extreme


def test_the_kept_pet_is_the_pet_where_it_is_short() -> None:
    """Short post-encroachment times are kept as they are."""
    column = COLUMNS.index("least pet")
    compared = 0
    for trace, table in zip(TRACES, TABLES, strict=True):
        assert table is not None
        for agent in trace.others.tolist():
            pet = trace.encroachment(EGO, agent)[0]
            if pet < 4.0:
                compared += 1
                assert table[agent, column] == pytest.approx(pet, abs=1e-5)
    assert compared > 5


def test_empty_slots_change_nothing() -> None:
    """Padding a scenario changes neither its extremes nor the mark of its development."""
    scenario = SCENARIOS[4]
    padded = type(scenario)(
        roadmap=scenario.roadmap,
        conditions=scenario.conditions,
        agents=scenario.agents.padded(scenario.agents.count + 3),
        times=scenario.times,
        provenance=scenario.provenance,
    )

    one, other = features(scenario), features(padded)

    assert one["extremes"] == other["extremes"]
    assert one["development"] == other["development"]


def test_a_text_of_another_meaning_is_not_read() -> None:
    """A text that begins with another mark is as if there were none."""
    text = extremes(TRACES[0])

    assert text is not None
    assert read_extremes("0" + text[1:]) is None
    assert read_extremes(None) is None
