"""Contract of every layout model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scenegen.errors import CheckpointError
from scenegen.geometry.boxes import boxes_overlap
from scenegen.layout import LAYOUT_MODELS, Layout, LayoutModel, LayoutRequest
from scenegen.scene import AgentPlans, Conditions, LaneKind, RoadMap
from scenegen.seeding import stream
from tests.builders import cars, straight_road

MODELS = sorted(LAYOUT_MODELS)
SEEDS = range(4)


def request(road: RoadMap | None = None, agents: int = 20) -> LayoutRequest:
    """Ask for traffic around an ego and a leader."""
    pinned = cars((150, 0, 25), (190, 3.5, 22))
    return LayoutRequest(
        roadmap=road or straight_road(3),
        conditions=Conditions(),
        pinned=pinned,
        plans=AgentPlans.reactive(2),
        agents=agents,
    )


def ready(model: str) -> LayoutModel:
    """Build a model; one whose checkpoint does not ship yet is skipped, and says so."""
    try:
        return LAYOUT_MODELS[model]()
    except CheckpointError as error:
        pytest.skip(str(error))


def sample(model: str, seed: int) -> Layout:
    """Fill the standard request."""
    return ready(model).sample(request(), stream(seed, "layout"))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_pinned_agents_stay_as_they_are(model: str, seed: int) -> None:
    """The roles come first and keep every bit."""
    layout = sample(model, seed)

    np.testing.assert_array_equal(layout.agents.position[:2], request().pinned.position)
    np.testing.assert_array_equal(layout.agents.speed[:2], request().pinned.speed)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_overlaps(model: str, seed: int) -> None:
    """No two boxes touch at the start."""
    a = sample(model, seed).agents

    hits = boxes_overlap(
        a.position[:, None], a.yaw[:, None], a.size[:, None], a.position, a.yaw, a.size
    )

    assert hits.sum() == a.count


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_layout(model: str) -> None:
    """A layout follows from its seed; another seed gives another one."""
    first, second, other = sample(model, 1), sample(model, 1), sample(model, 2)

    np.testing.assert_array_equal(first.agents.position, second.agents.position)
    np.testing.assert_array_equal(first.plans.desired_speed, second.plans.desired_speed)
    assert not np.array_equal(first.agents.position, other.agents.position)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_vehicles_have_a_route_that_links(model: str, seed: int) -> None:
    """Every background vehicle starts on its route, and each lane leads into the next."""
    layout, road = sample(model, seed), straight_road(3)

    for route in layout.plans.route[2:]:
        lanes = [i for i in route if i >= 0]
        assert lanes
        assert road.lanes[lanes[0]].kind is LaneKind.DRIVING
        for a, b in itertools.pairwise(lanes):
            assert b in road.lanes[a].successors


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_agents_is_bounded(model: str) -> None:
    """A small request stays small."""
    layout = ready(model).sample(request(agents=4), stream(0, "layout"))

    assert layout.agents.count <= 4
