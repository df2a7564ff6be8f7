"""Every published situation can be built with operators as well as written."""

from __future__ import annotations

import pytest

import scenegen.query as q
from scenegen.errors import QueryError
from scenegen.query import Query, agent, always, at, ego, eventually, km_h, load_query, m, s, then

c, l, o, r, t = (agent(name) for name in ("c", "l", "o", "r", "t"))  # noqa: E741 - a leader
p, b = q.pedestrian("p"), q.cyclist("b")
child = q.child("p")
CHANGE = ego.lane_change("left")

BUILT: dict[str, Query] = {
    "Q1": q.cut_in(c)
    & at(
        q.intrusion(ego, c) > 0.3 * m,
        q.ttc(ego, c) < q.closing(ego, c) / (2 * (6 * m / s**2)) + 0.35 * s,
    )
    & (ego.speed <= 60 * km_h),
    "Q3": then(
        q.highway & q.lead(l) & q.cut_out(l),
        q.stopped(o) & q.in_path(o) & (q.ttc(ego, o) < 3 * s) & (ego.speed > 60 * km_h),
        (0 * s, 2 * s),
    ),
    "Q4": then(
        q.lead(l)
        & (q.thw(ego, l) < 1.6 * s)
        & eventually(always(l.accel < -6 * m / s**2, (0 * s, 0.5 * s))),
        q.ttc(ego, l) < 2 * s,
        (0 * s, 4 * s),
    ),
    "Q5": then(
        q.lead(l) & (abs(ego.speed - 50 * km_h) < 1 * km_h) & q.gap(ego, l).within(11 * m, 13 * m),
        l.accel < -5.5 * m / s**2,
    ),
    "Q6": q.crossing(child, from_="near")
    & child.speed.within(4 * km_h, 6 * km_h)
    & q.occluded(child, by="parked")
    & ego.speed.within(10 * km_h, 60 * km_h)
    & (q.ttc(ego, child) < 4 * s),
    "Q8": ego.turn("left")
    & q.oncoming(t)
    & t.speed.within(30 * km_h, 60 * km_h)
    & (q.pet(ego, t) < 1.5 * s)
    & ego.speed.within(10 * km_h, 20 * km_h),
    "Q9": q.crossing(b, from_="near")
    & q.occluded(b)
    & b.speed.within(9 * km_h, 11 * km_h)
    & (q.ttc(ego, b) < 3 * s),
    "Q10": q.intersection
    & q.red_light(t)
    & q.crossing_paths(ego, t)
    & (q.pet(ego, t) < 1 * s)
    & (t.speed > 10 * m / s),
    "Q11": CHANGE
    & q.rear(r)
    & at(CHANGE, (q.closing(r, ego) > 8 * m / s) & (q.ttc(r, ego) < 3 * s))
    & (q.drac(r, ego) > 3.4 * m / s**2),
    "Q12": (q.rain | q.fog)
    & (l.visible_fraction < 0.5)
    & q.stopped(l)
    & (ego.speed > 80 * km_h)
    & always(ego.accel > -2 * m / s**2, (0 * s, 2 * s))
    & (q.ttc(ego, l) < 2.5 * s),
    "N1": (ego.speed > 20 * m / s) & (ego.speed < 10 * m / s),
}


@pytest.mark.parametrize("name", BUILT)
def test_operators_build_the_published_query(name: str) -> None:
    """Python and the file give the same tree."""
    assert BUILT[name] == load_query(name)


def test_declared_kinds_come_along_in_the_others() -> None:
    """Where the file states a kind in the middle, Python states it first; both mean the same."""
    built = {
        "Q2": then(
            q.night
            & q.rain
            & q.cut_in(c, side="right")
            & (q.ttc(ego, c) < 1.5 * s)
            & (ego.speed > 20 * m / s),
            q.emerges(p) & (q.ttc(ego, p) < 2 * s),
            (0 * s, 10 * s),
        ),
        "Q7": q.night
        & q.crossing(p, from_="far")
        & p.speed.within(7 * km_h, 9 * km_h)
        & ego.speed.within(10 * km_h, 60 * km_h),
    }

    for name, query in built.items():
        kind = "pedestrian(p)"
        assert kind in query.text
        words, published = (
            sorted(text.replace("(", " ").replace(")", " ").replace(" and", "").split())
            for text in (query.text, load_query(name).text)
        )
        assert words == published


def test_a_missing_unit_is_refused_in_python_too() -> None:
    """The control of units fails where it is built."""
    with pytest.raises(QueryError, match="has no unit"):
        q.cut_in(c) & (q.ttc(ego, c) < 1.5)
