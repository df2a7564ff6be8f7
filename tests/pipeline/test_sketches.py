"""Sketches: small parts of a scene are tried out first, and the exact query chooses."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.layout import Layout, LayoutRequest
from scenegen.layout.diffusion import Sampler
from scenegen.layout.tokens import CHANNELS, SLOTS
from scenegen.pipeline.guided import ModelStaging
from scenegen.pipeline.sketches import Sketch, keeps, rounds_of
from scenegen.query import parse
from scenegen.scene import EGO, AgentPlans, AgentStates, Conditions, Control
from tests.builders import cars, straight_road

ROAD = straight_road(3)


def sketched(agents: AgentStates) -> tuple[LayoutRequest, Sketch]:
    """Let an ego and c drive on at their speed."""
    plans = AgentPlans.reactive(agents.count)
    plans.control[:] = Control.KNOTS
    request = LayoutRequest(
        roadmap=ROAD, conditions=Conditions(), pinned=agents[[EGO]], plans=plans[[EGO]]
    )
    layout = Layout(agents=agents, plans=plans)
    nothing = np.zeros((SLOTS, CHANNELS), np.float32)
    return request, Sketch(tokens=nothing, cast=layout, roles={"c": 1})


def test_the_exact_query_tells_sketches_apart() -> None:
    """The leader that is closed in on is kept, the one that drives away is not, by its margin."""
    close, far = (sketched(cars((100, 0, 25), (120, 0, speed))) for speed in (15.0, 30.0))
    missing = Sketch(tokens=close[1].tokens, cast=None, roles={})
    requests = [close[0], far[0], far[0]]

    kept, margin = keeps(
        parse("ttc(ego,c) < 2s"), requests, [close[1], far[1], missing], duration=1.5
    )

    assert kept == [True, False, False]
    assert margin[0] == 0.0 > margin[1]
    assert margin[2] == -np.inf


def test_a_scene_is_done_with_its_first_sketch_that_is_kept() -> None:
    """Later sketches of the same scene are not looked at; those of another scene are."""
    request, close = sketched(cars((100, 0, 25), (120, 0, 15.0)))
    far = sketched(cars((100, 0, 25), (120, 0, 30.0)))[1]

    kept, _ = keeps(
        parse("ttc(ego,c) < 2s"), [request] * 4, [far, close, close, close], 1.5,
        scenes=[0, 0, 0, 1], margins=False,
    )  # fmt: skip

    assert kept == [False, True, False, True]


@pytest.mark.parametrize("sketches", [1, 3, 4, 16, 17, 64, 200])
def test_rounds_add_up_and_begin_small(sketches: int) -> None:
    """Every sketch belongs to one round, and the first rounds are the smaller ones."""
    rounds = rounds_of(sketches)

    assert sum(rounds) == sketches
    assert rounds[0] <= 4
    assert min(rounds) >= 1


def test_weighed_paths_take_what_comes() -> None:
    """Choosing among sketches would bend the weights, so that the two exclude each other."""
    with pytest.raises(ValueError, match="sketches"):
        ModelStaging(sampler=Sampler.ANCESTRAL)
    assert ModelStaging(sampler=Sampler.ANCESTRAL, sketches=1).sketches == 1
