"""Rollouts and the simulator's front door."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.errors import MapError, ShapeError
from scenegen.scene import AgentPlans, Lane, RoadKind, RoadMap
from scenegen.sim import MapBank, Simulator, StartBank, bake, rollout, to_scenario
from tests.builders import cars, composition, straight_road


def test_a_rollout_begins_with_the_scene() -> None:
    """Instant 0 is the opening; there are duration / 0.1 + 1 instants."""
    scene = composition(straight_road(), cars((10, 0, 5), (60, 3.5, 8)))
    ro = rollout([scene], 8.0)[0]

    assert len(ro.times) == 81
    np.testing.assert_array_equal(ro.agents.position[0], scene.scene.agents.position)
    np.testing.assert_array_equal(ro.agents.size[0], scene.scene.agents.size)
    assert to_scenario(scene, ro).id == scene.provenance.id


def test_rollouts_of_different_sizes_keep_their_agents() -> None:
    """Padding is not visible."""
    scenes = [
        composition(straight_road(), cars((10, 0, 5))),
        composition(straight_road(), cars((10, 0, 5), (60, 3.5, 8))),
    ]
    counts = [ro.agents.count for ro in rollout(scenes, 1.0)]

    assert counts == [1, 2]


def test_maps_are_baked_once() -> None:
    """Starts on the same map share its arrays."""
    road = straight_road()
    bank = StartBank.of([composition(road, cars((10, 0, 5))) for _ in range(3)])

    assert len(bank.maps.roadmaps) == 1
    assert bank.count == 3


def test_actions_of_a_wrong_shape_are_refused() -> None:
    """The sentence says what was expected."""
    simulator = Simulator(StartBank.of([composition(straight_road(), cars((10, 0, 5)))]), 2)

    with pytest.raises(ShapeError, match=r"expected shape \(2, C, 2\)"):
        simulator.step(np.zeros((1, 1, 2)))


def test_worlds_and_starts_that_do_not_exist_are_refused() -> None:
    """Indices are checked before anything is written."""
    simulator = Simulator(StartBank.of([composition(straight_road(), cars((10, 0, 5)))]), 2)

    with pytest.raises(IndexError, match="start"):
        simulator.reset(np.array([0]), np.array([1]))
    with pytest.raises(IndexError, match="world"):
        simulator.reset(np.array([2]), np.array([0]))


def test_too_many_agents_are_refused() -> None:
    """A scene is never cut."""
    with pytest.raises(ShapeError, match="at most 1 agents"):
        StartBank.of([composition(straight_road(), cars((10, 0, 5), (60, 0, 5)))], 1)


def test_routes_over_lanes_that_do_not_exist_are_refused() -> None:
    """A route index is below twice the number of lanes."""
    plans = AgentPlans.reactive(1)
    plans.set_route(0, [4])

    with pytest.raises(ShapeError, match="route"):
        StartBank.of([composition(straight_road(2), cars((10, 0, 5)), plans)])


def test_maps_far_from_the_origin_are_refused() -> None:
    """Single precision would round places to decimetres."""
    far = np.array([[500_000.0, 0.0], [500_100.0, 0.0]])
    road = RoadMap(
        name="utm", kind=RoadKind.RECORDED, lanes=(Lane(centerline=far, width=np.full(2, 3.5)),)
    )

    with pytest.raises(MapError, match="origin"):
        bake(road)


def test_the_state_is_read_only() -> None:
    """Nobody changes a world behind the simulator's back by accident."""
    simulator = Simulator(StartBank.of([composition(straight_road(), cars((10, 0, 5)))]), 1)

    with pytest.raises(ValueError, match="read-only"):
        simulator.x[0, 0] = 1.0


def test_banks_join_maps_without_padding() -> None:
    """Two maps take the sum of their rows."""
    roads = [straight_road(1), straight_road(4)]
    bank = MapBank.of(roads)

    assert len(bank.tables.segments) == sum(len(bake(road).segments) for road in roads)
