"""Events whose trailing roles are left out."""

from __future__ import annotations

import numpy as np
import pytest

import scenegen.query as language
from scenegen.errors import QueryError
from scenegen.pipeline.wishes import wishes_of
from scenegen.query import Trace, agent, parse
from scenegen.scene import Scenario
from tests.builders import straight_road
from tests.events.stories import TIMES, Mover, along_x, ramp, tell


def cut_out_world() -> Scenario:
    """A leader (1) leaves the lane ahead of a car that stands (2); another stands aside (3)."""
    speed = ramp(20.0, 5.0, 5.5, 8.5)
    ahead = Mover(track=np.tile([220.0, 0.0], (len(TIMES), 1)), yaw=0.0)
    aside = Mover(track=np.tile([220.0, 7.0], (len(TIMES), 1)), yaw=0.0)
    leader = along_x(80, ramp(0.0, 3.5, 3.0, 6.0), 20)
    return tell(straight_road(3), [along_x(50, 0, speed), leader, ahead, aside])


def test_whom_an_event_leaves_unnamed_is_the_best_of_all() -> None:
    """Leaving the revealed agent out is the same as the best over everybody it could be."""
    trace = Trace(cut_out_world())

    short = parse("cut_out_to_stopped(l)").margin_over_time(trace)
    full = parse("cut_out_to_stopped(l,o)").margin_over_time(trace)

    np.testing.assert_array_equal(short, full)
    assert short.max() > 0


def test_the_witness_holds_the_named_agents_alone() -> None:
    """Who is unnamed is not bound, so a named role may be the same agent."""
    trace = Trace(cut_out_world())

    found = parse("cut_out_to_stopped(l, left) and stopped(o) and lead(o)").evaluate(trace)

    assert found.satisfied
    assert found.witness == {"l": 1, "o": 2}
    assert parse("cut_out_to_stopped(l)").evaluate(trace).witness == {"l": 1}


def test_a_negation_means_that_nobody_plays_the_part() -> None:
    """An event does not happen if there is no agent with whom it does."""
    trace = Trace(cut_out_world())
    query = parse("vehicle(l) and not cut_out_to_stopped(l)")
    happens = parse("cut_out_to_stopped(l)").margin_over_time(trace)

    margins = query.margin_over_time(trace)

    assert (margins[happens <= 0] > 0).all()
    assert query.evaluate(trace).satisfied


def test_text_keeps_what_was_written() -> None:
    """Nobody is named who was not, and both ways of writing build the same."""
    query = parse("cut_out_to_stopped(l, left)")

    assert query.text == "cut_out_to_stopped(l,side=left)"
    assert parse(query.text) == query == language.cut_out_to_stopped(agent("l"), "left")
    assert query.roles == ("l",)
    assert query != parse("cut_out_to_stopped(l, o, left)")


@pytest.mark.parametrize("text", ["near_miss(a)", "collision(ego)"])
def test_a_motion_names_everybody(text: str) -> None:
    """Only an event has parts that somebody plays anyway."""
    with pytest.raises(QueryError, match="role"):
        parse(text)


def test_an_event_with_an_unnamed_role_is_staged() -> None:
    """The composer takes the event, and names only the roles that the query does."""
    wishes = wishes_of(parse("occluded_pedestrian(kid) and kid.speed > 2m/s"))

    assert wishes.event is not None
    assert wishes.role_names == {"p": "kid"}
    assert wishes.event.walking_speed.low == 2.0  # type: ignore[attr-defined]


def test_a_role_called_like_another_of_the_event_is_not_it() -> None:
    """The bound on somebody called c says nothing of the car that cuts in and is called x."""
    wishes = wishes_of(parse("cut_in(x) and c.speed in [1m/s,2m/s] and x.speed > 12m/s"))

    assert wishes.event == wishes_of(parse("cut_in(x) and x.speed > 12m/s")).event
