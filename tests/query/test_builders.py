"""Queries built in Python."""

from __future__ import annotations

import pytest

import scenegen.query as language
from scenegen.errors import QueryError
from scenegen.query import (
    agent,
    always,
    at,
    deg,
    ego,
    eventually,
    g,
    h,
    km,
    km_h,
    m,
    parse,
    percent,
    s,
    then,
    until,
)

c, p, r = agent("c"), agent("p"), agent("r")


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (
            language.night & language.cut_in(c) & (language.ttc(ego, c) < 1.5 * s),
            "night and cut_in(c) and ttc(ego,c) < 1.5s",
        ),
        (ego.speed > 20 * m / s, "ego.speed > 20m/s"),
        (ego.accel < -6 * m / s**2, "ego.accel < -6m/s^2"),
        (ego.accel < -(0.5 * g), "ego.accel < -0.5g"),
        (c.speed >= 50 * km / h, "c.speed >= 50km/h"),
        (c.speed <= 50 * km_h, "c.speed <= 50km/h"),
        (language.gap(ego, c).within(5 * m, 10 * m), "gap(ego,c) in [5m,10m]"),
        (abs(ego.speed - 50 * km_h) < 1 * km_h, "abs(ego.speed - 50km/h) < 1km/h"),
        (language.friction < 30 * percent, "friction < 30%"),
        (language.lanes >= 3, "lanes >= 3"),
        (abs(p.heading) > 90 * deg, "abs(p.heading) > 90deg"),
        (ego.turn("left"), "ego.turn(left)"),
        (ego.turn(side="left"), "turn(ego, side=left)"),
        (language.crossing(p, from_="near"), "crossing(p, from=near)"),
        (~(language.rain | language.fog), "not (rain or fog)"),
        (always(c.stopped(), (0 * s, 2 * s)), "always[0s,2s](stopped(c))"),
        (eventually(language.collision(ego, c)), "eventually(collision(ego,c))"),
        (
            then(language.lead(c), c.accel < -5 * m / s**2, (0 * s, 2 * s)),
            "lead(c) then[0s,2s] c.accel < -5m/s^2",
        ),
        (
            until(language.night, ego.speed > 20 * m / s, (0 * s, 2 * s)),
            "night until[0s,2s] ego.speed > 20m/s",
        ),
        (
            at(language.intrusion(ego, c) > 0.3 * m, language.ttc(ego, c) < 2 * s),
            "at(intrusion(ego,c) > 0.3m, ttc(ego,c) < 2s)",
        ),
        (
            language.red_light(r) & language.crossing_paths(ego, r),
            "red_light(r) and crossing_paths(ego,r)",
        ),
        (
            language.ttc(ego, c) < language.closing(ego, c) / (12 * m / s**2) + 0.35 * s,
            "ttc(ego,c) < closing(ego,c) / 12m/s^2 + 0.35s",
        ),
    ],
)
def test_python_and_text_give_the_same_query(built: object, text: str) -> None:
    """Operators on roles, units and signals build the tree that the text reads as."""
    assert built == parse(text)


def test_a_declared_kind_is_a_clause_of_every_use() -> None:
    """What a role is declared to be holds also under a negation, and once."""
    c = language.truck("c")

    query = ~language.cut_in(c) & (c.speed > 3 * m / s)

    assert query == parse("truck(c) and not cut_in(c) and c.speed > 3m/s")


def test_words_of_python_that_would_lose_a_part_are_refused() -> None:
    """`and`, `or`, `not` and chained comparisons raise instead of dropping a clause."""
    with pytest.raises(QueryError, match="and call evaluate"):
        bool(language.night and language.rain)
    with pytest.raises(QueryError, match="and call evaluate"):
        bool(1 * s < language.ttc(ego, c) < 2 * s)


def test_a_number_without_unit_is_refused() -> None:
    """A bare number is only good for pure numbers."""
    with pytest.raises(QueryError, match="has no unit"):
        language.ttc(ego, c) < 1.5  # noqa: B015 - the comparison raises


def test_unknown_words_are_named_with_the_nearest() -> None:
    """A typing error tells what was meant."""
    with pytest.raises(AttributeError, match="Did you mean 'speed'"):
        ego.sped  # noqa: B018 - the access raises
    with pytest.raises(AttributeError, match="cutin"):
        language.cutin  # noqa: B018 - the access raises
    with pytest.raises(QueryError, match="Did you mean 'cut_in'"):
        language.does("cutin", c)


def test_every_word_of_the_vocabulary_can_be_imported() -> None:
    """The module gives each name of the registries."""
    for name in language.VOCABULARY:
        assert getattr(language, name) is not None
        assert name in dir(language)
