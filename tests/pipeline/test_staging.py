"""A query that describes a situation in motions is answered by the family that stages it."""

from __future__ import annotations

import pytest

from scenegen.events import Range
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.compose import NO_PLACE
from scenegen.pipeline.staging import is_about_sight, staged_calls
from scenegen.pipeline.wishes import wishes_of
from scenegen.query import load_query, parse

STAGED = {
    "Q1": ("cut_in", ("c",)),
    "Q2": ("cut_in", ("c",)),
    "Q3": ("cut_out_to_stopped", ("l", "o")),
    "Q4": ("lead_hard_brake", ("l",)),
    "Q5": ("lead_hard_brake", ("l",)),
    "Q6": ("occluded_pedestrian", ("p",)),
    "Q7": ("jaywalker", ("p",)),
    "Q8": ("unprotected_left", ("t",)),
    "Q9": ("cyclist_crossing", ("b",)),
    "Q10": ("red_light_runner", ("t",)),
    "Q11": ("ego_lane_change_conflict", ("r",)),
    "Q12": ("stopped_in_poor_sight", ("l",)),
}


@pytest.mark.parametrize("name", STAGED)
def test_a_published_situation_is_staged(name: str) -> None:
    """Each situation is brought about by the family that its source describes."""
    query = load_query(name)

    call = staged_calls(query, {**query.later_bounds(), **query.bounds()})[0]

    assert (call.name, call.roles) == STAGED[name]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("pedestrian(p) and crossing(p, from=far)", {"from": "far"}),
        ("cyclist(p) and crossing(p, from=near)", {"from": "near"}),
        ("child(p) and crossing(p, from=near) and occluded(p)", {"from": "near", "who": "child"}),
        ("cut_out(p, left) and stopped(o)", {"side": "left"}),
        ("pedestrian(p) and crossing(p, from=left)", {}),
    ],
)
def test_options_of_a_motion_go_to_the_family(text: str, options: dict[str, str]) -> None:
    """Sides and kinds are handed on where the family knows them."""
    (call, *_) = staged_calls(parse(text), {})

    assert call.options == options


@pytest.mark.parametrize(
    "text", ["night", "vehicle(c) and crossing(c)", "lead(l)", "ego.turn(left)", "stopped(o)"]
)
def test_what_suggests_no_family_stages_none(text: str) -> None:
    """Everyday traffic is asked for by its motions, and nothing is forced on it."""
    assert staged_calls(parse(text), {}) == ()


def test_a_family_that_is_named_counts_before_any_motion() -> None:
    """The user's word is the user's word."""
    query = parse("pedestrian(p) and crossing(p) and cut_in(c)")

    assert [call.name for call in staged_calls(query, {})] == ["cut_in"]


def test_numbers_of_the_query_narrow_what_is_staged() -> None:
    """Speed from abs(), gap from a range, braking from what comes after `then`."""
    event = wishes_of(load_query("Q5")).event

    assert event is not None
    assert event.name == "lead_hard_brake"
    speed = event.ego_speed
    assert speed.low == pytest.approx(49 / 3.6)
    assert speed.high == pytest.approx(51 / 3.6)
    assert event.gap == Range(11.0, 13.0)  # type: ignore[attr-defined]
    assert event.lead_acceleration.high <= -5.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["ncap_cpfa_night", "ncap_ccftap"])
def test_a_try_looks_on_other_roads_for_a_place(name: str) -> None:
    """Protocols that few stretches of road can hold still find a place in each of their tries."""
    composer = Composer(Request(query=load_query(name), seed=41, layout_model="heuristic"))

    found = [composer.compose(index, 0) for index in range(6)]

    assert NO_PLACE not in found


@pytest.mark.parametrize("name", STAGED)
def test_published_queries_about_sight_are_told_from_the_others(name: str) -> None:
    """Only where somebody is to be hidden does it matter who stands in between."""
    query = load_query(name)
    event = wishes_of(query).event
    assert event is not None

    assert is_about_sight(query, event) == (name in {"Q2", "Q6", "Q9", "Q12"})


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("cyclist_crossing(b, cover=parked)", True),
        ("cyclist_crossing(b)", False),
        ("cyclist_crossing(b) and visible_fraction(b) < 0.5", True),
        ("stopped_in_poor_sight(l)", True),
    ],
)
def test_events_and_signals_about_sight_count(text: str, about: bool) -> None:
    """A family that hides somebody counts, and what is measured of somebody in view."""
    query = parse(text)
    event = wishes_of(query).event
    assert event is not None

    assert is_about_sight(query, event) == about
