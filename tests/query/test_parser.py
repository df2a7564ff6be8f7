"""Text to query and back, and what is said about text that is no query."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenegen.errors import QueryError
from scenegen.query import Query, parse
from scenegen.query.expression import Formula
from tests.query.strategies import FORMULAS

WORDS = (
    *("night", "rain", "ego", "c", "cut_in", "ttc", "gap", "speed", "turn", "left"),
    *("and", "or", "not", "in", "then", "eventually", "always", "for", "abs", "lt", "gt"),
    *("(", ")", "[", "]", ",", ".", "<", "<=", ">", ">=", "-", "+", "*", "/", "=", "@", "#"),
    *("1.5s", "20m/s", "3", "50%", "0.5g", "1e999", "\n", "\t", "'"),
)


@given(FORMULAS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_text_reads_back_as_the_same_query(formula: Formula) -> None:
    """The canonical text of any tree parses to that tree, and to that text again."""
    query = Query(formula)

    again = parse(query.text)

    assert again == query
    assert again.text == query.text
    assert again.digest == query.digest


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_words_in_any_order_give_a_query_or_a_query_error(text: str) -> None:
    """No sequence of the language's own words makes anything else come out."""
    with contextlib.suppress(QueryError):
        parse(text)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_string_gives_a_query_or_a_query_error(text: str) -> None:
    """No string makes anything else come out."""
    with contextlib.suppress(QueryError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "night" + ")" * 500,
        "not " * 3000 + "night",
        "(" * 5000,
        "abs(" * 300 + "ego.speed" + ")" * 300 + " < 1m/s",
        "eventually(" * 60 + "night" + ")" * 60,
        "night then " * 200 + "night",
        "night and " * 1900 + "night",
        "ego.speed" + " + 1m/s" * 2000 + " < 3m/s",
        "ego.speed < 3m/s" + " * 2" * 2000,
    ],
)
def test_depth_is_bounded_with_a_sentence(text: str) -> None:
    """Deep nesting is refused in words, or read if it is only parentheses."""
    try:
        query = parse(text)
    except QueryError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert parse(query.text) == query


def test_more_precisely_deep_nesting_is_named() -> None:
    """The sentence says that the query is nested too deeply."""
    with pytest.raises(QueryError, match="levels deep"):
        parse("not " * 300 + "night")


@pytest.mark.parametrize(
    ("text", "caret", "message"),
    [
        ("ttc(ego,c) < 1.5", (13, 16), "write one: s"),
        ("night and cutin(c)", (10, 15), "Did you mean 'cut_in'"),
        ("ego.sped > 3m/s", (4, 8), "Did you mean 'speed'"),
        ("ego.speed > 3kmh", (12, 16), "Did you mean 'km/h'"),
        ("ego.speed > 3s", (12, 14), "cannot be compared"),
        ("nigth", (0, 5), "Did you mean 'night'"),
        ("night rain", (6, 10), "'and'"),
        ("night and", (9, 10), "ends too early"),
        ("night and at(start, rain)", (13, 18), "first event beside it"),
        ("cut_in(c, rihgt)", (10, 15), "Did you mean 'right'"),
        ("night @ rain", (6, 7), "unexpected character"),
        ("ego.speed in [3m/s, 2m/s]", (13, 25), "from low to high"),
        ("eventually[3s,1s](night)", (10, 17), "begin <= end"),
        ("cut_in(c) < 3s", (0, 9), "is a condition"),
        ("night and ego.speed", (10, 19), "is a quantity"),
        ("turn(left)", (0, 10), "ego.turn(left)"),
        ("cut_in", (0, 6), "cut_in(c)"),
        ("cut_in(ego)", (0, 11), "other than the ego"),
        ("gap(c,c) < 3m", (0, 8), "two different roles"),
        ("ego.speed + ego.accel > 3m/s", (0, 21), "cannot be compared or added"),
    ],
)
def test_errors_point_at_the_culprit(text: str, caret: tuple[int, int], message: str) -> None:
    """The caret line underlines exactly the wrong part, and the sentence says what would do."""
    with pytest.raises(QueryError) as caught:
        parse(text)

    sentence, line, carets = str(caught.value).split("\n")
    assert message in sentence
    assert line == f"  {text}"
    assert carets == "  " + " " * caret[0] + "^" * (caret[1] - caret[0])


def test_the_caret_shows_the_line_it_is_on() -> None:
    """In a query of several lines only the line with the fault is shown."""
    with pytest.raises(QueryError) as caught:
        parse("night\nand cutin(c)\nand rain")

    assert str(caught.value).split("\n")[1:] == ["  and cutin(c)", "      ^^^^^"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ttc( ego ,c ) lt 1.50 s", "ttc(ego,c) < 1.5s"),
        ("speed(ego) ge 50 km/h", "ego.speed >= 50km/h"),
        ("(night and (rain and fog))", "night and rain and fog"),
        ("night and (rain or fog)", "night and (rain or fog)"),
        ("not (night or rain)", "not (night or rain)"),
        ("cut_in(c, right)", "cut_in(c,side=right)"),
        ("cut_in(c, side=right)", "cut_in(c,side=right)"),
        ("ego.turn(left)", "turn(ego,side=left)"),
        ("c.accel < -6m/s^2 for 0.5s", "always[0s,0.5s](c.accel < -6m/s^2)"),
        ("2*(ego.speed - 3m/s) < 1m/s", "2 * (ego.speed - 3m/s) < 1m/s"),
        ("eventually(night) then[0,10s] fog", "night then[0,10s] fog"),
        ("ego.speed > .5g * 2s", "ego.speed > 0.5g * 2s"),
        ("friction < 50%", "friction < 50%"),
        ("night until[0s, 2s] (rain or fog)", "night until[0s,2s] rain or fog"),
        ("cut_in(c) and at(start, night)", "cut_in(c) and at(cut_in(c),night)"),
    ],
)
def test_many_ways_of_writing_have_one_canonical_text(text: str, canonical: str) -> None:
    """Spaces, words for signs, options by value and superfluous parentheses leave no trace."""
    assert parse(text).text == canonical


def test_digest_is_stable() -> None:
    """The identity of a query is the SHA-256 of its canonical text as JSON, and nothing else."""
    expected = hashlib.sha256(b'"night and rain"').hexdigest()

    assert parse("night  and (rain)").digest == expected
    assert parse("rain and night").digest != expected


@pytest.mark.parametrize("wrong", [None, 3, b"night"])
def test_only_text_is_parsed(wrong: object) -> None:
    """Anything else is refused in words."""
    with pytest.raises(QueryError, match="expected text"):
        parse(wrong)  # type: ignore[arg-type]


ACCEPTANCE = {
    "Q1": "cut_in(c) and at(intrusion(ego,c) > 0.3m,"
    " ttc(ego,c) < closing(ego,c)/(2*6m/s^2) + 0.35s) and ego.speed <= 60km/h",
    "Q2": "night and rain and eventually(cut_in(c,right) and ttc(ego,c) < 1.5s and ego.speed >"
    " 20m/s) then[0,10s] (occluded(p) and emerges(p) and ttc(ego,p) < 2s)",
    "Q3": "highway and lead(l) and cut_out(l) then[0,2s] (stopped(o) and in_path(o)"
    " and ttc(ego,o) < 3s and ego.speed > 60km/h)",
    "Q4": "lead(l) and thw(ego,l) < 1.6s and eventually(l.accel < -6m/s^2 for 0.5s)"
    " then[0,4s] ttc(ego,l) < 2s",
    "Q5": "lead(l) and abs(ego.speed-50km/h) < 1km/h and gap(ego,l) in [11m,13m]"
    " then l.accel < -5.5m/s^2",
    "Q6": "child(p) and crossing(p, from=near) and p.speed in [4km/h,6km/h] and occluded(p,"
    " by=parked) and ego.speed in [10km/h,60km/h] and ttc(ego,p) < 4s",
    "Q7": "night and pedestrian(p) and crossing(p, from=far) and p.speed in [7km/h,9km/h]"
    " and ego.speed in [10km/h,60km/h]",
    "Q8": "ego.turn(left) and oncoming(t) and t.speed in [30km/h,60km/h] and pet(ego,t) < 1.5s"
    " and ego.speed in [10km/h,20km/h]",
    "Q9": "cyclist(b) and crossing(b, from=near) and occluded(b) and b.speed in [9km/h,11km/h]"
    " and ttc(ego,b) < 3s",
    "Q10": "intersection and red_light(t) and crossing_paths(ego,t) and pet(ego,t) < 1s"
    " and t.speed > 10m/s",
    "Q11": "ego.lane_change(left) and rear(r) and at(start, closing(r,ego) > 8m/s"
    " and ttc(r,ego) < 3s) and drac(r,ego) > 3.4m/s^2",
    "Q12": "(rain or fog) and visible_fraction(l) < 0.5 and stopped(l) and ego.speed > 80km/h"
    " and always[0,2s](ego.accel > -2m/s^2) and ttc(ego,l) < 2.5s",
}


@pytest.mark.parametrize("name", ACCEPTANCE)
def test_published_situations_can_be_written(name: str) -> None:
    """UN R157, Euro NCAP and NHTSA situations parse and print."""
    query = parse(ACCEPTANCE[name])

    assert parse(query.text) == query
