"""Contact and road departure are exact."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from scenegen.geometry import boxes
from scenegen.scene import AgentKind, AgentPlans, AgentStates, Control
from scenegen.sim import Simulator, StartBank, bake
from scenegen.sim.collision import boxes_touch
from tests.builders import cars, composition, straight_road
from tests.sim.roads import crossing, curved_road


def test_touching_boxes_are_those_of_the_oracle() -> None:
    """10 000 random pairs: the kernel says what geometry.boxes says."""
    rng = np.random.default_rng(0)
    count = 10_000
    place, yaw = rng.uniform(-4, 4, (2, count, 2)), rng.uniform(-np.pi, np.pi, (2, count))
    size = rng.uniform(0.3, 6.0, (2, count, 2))

    expected = boxes.boxes_overlap(place[0], yaw[0], size[0], place[1], yaw[1], size[1])

    found = [
        boxes_touch(
            *(place[1, n] - place[0, n]),
            np.cos(yaw[0, n]),
            np.sin(yaw[0, n]),
            *(size[0, n] / 2),
            np.cos(yaw[1, n]),
            np.sin(yaw[1, n]),
            *(size[1, n] / 2),
        )
        for n in range(count)
    ]
    assert 0.2 < expected.mean() < 0.8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(5))
def test_offroad_is_whether_the_box_leaves_the_drivable_area(seed: int) -> None:
    """Random poses around random roads: the flag is what shapely says."""
    rng = np.random.default_rng(seed)
    road = (curved_road(), crossing(), straight_road(3, 100.0))[seed % 3]
    x0, y0, x1, y1 = road.bounds
    states = AgentStates.empty(64)
    states.position[:] = rng.uniform((x0 - 10, y0 - 10), (x1 + 10, y1 + 10), (64, 2))
    near = [lane.centerline[rng.integers(len(lane.centerline))] for lane in road.lanes * 20]
    states.position[:48] = np.array(near[:48]) if len(near) >= 48 else near[0]
    states.position[:48] += rng.normal(0, 1.0, (48, 2))
    states.yaw[:] = rng.uniform(-np.pi, np.pi, 64)
    states.size[:] = 4.5, 1.8, 1.5
    states.valid[:] = True
    plans = AgentPlans.reactive(64)
    plans.control[:] = Control.HOLD

    found = Simulator(StartBank.of([composition(road, states, plans)]), 1).offroad[0]

    corners = boxes.box_corners(states.position, states.yaw, states.size)
    area = road.drivable_area
    expected = [not area.contains(shapely.Polygon(c)) for c in corners]
    margin = [area.boundary.distance(shapely.Polygon(c).boundary) for c in corners]
    clear = np.array(margin) > 0.02  # baked edges are simplified to 1 cm
    assert 0 < np.array(expected)[clear].sum() < clear.sum()
    np.testing.assert_array_equal(found[clear], np.array(expected)[clear])


def test_crossing_paths_are_caught_between_the_steps() -> None:
    """A car that is hit in the middle of a step is found: contact is checked at 20 Hz."""
    states = AgentStates.of(
        [(AgentKind.CAR, 100.0, 0.0, 0.0, 40.0), (AgentKind.MOTORCYCLE, 104.45, 0.0, 1.57, 0.0)]
    )
    plans = AgentPlans.reactive(2)
    plans.control[:] = Control.EXTERNAL, Control.HOLD
    simulator = Simulator(StartBank.of([composition(straight_road(), states, plans)]), 1)

    simulator.step()

    assert simulator.collided[0].all()
    np.testing.assert_array_equal(simulator.collided_with[0], (1, 0))


def test_after_a_crash_cars_brake_to_a_standstill() -> None:
    """Both stop where the friction brings them to, and stay."""
    plans = AgentPlans.reactive(2)
    plans.control[:] = Control.EXTERNAL, Control.HOLD
    start = cars((100, 0, 15), (110, 0.5, 0))
    simulator = Simulator(StartBank.of([composition(straight_road(), start, plans)]), 1)

    for _ in range(60):
        simulator.step()

    assert (simulator.speed[0] == 0).all()
    hit = 110 - 4.5
    assert simulator.x[0, 0] == pytest.approx(hit + 15**2 / (2 * 8), abs=2.0)


def test_wrong_way_means_driving_against_the_lane_below() -> None:
    """A car that faces the traffic of its lane is wrong, one that faces along is not."""
    states = AgentStates.of(
        [(AgentKind.CAR, 50.0, 0.0, np.pi, 5.0), (AgentKind.CAR, 80.0, 0.0, 0.0, 5.0)]
    )
    simulator = Simulator(StartBank.of([composition(straight_road(), states)]), 1)

    np.testing.assert_array_equal(simulator.wrong_way[0], (True, False))


def test_who_is_on_the_road_is_so_when_seen_past_a_corner_of_its_edge() -> None:
    """A box, its cell's centre and a corner of the edge on one line are no special case."""
    road = curved_road(20.0)
    baked = bake(road)
    ends = baked.edges[:, :2] + baked.edges[:, 2:4] * baked.edges[:, 4:5]
    centre = baked.grid_head[:2] + (np.floor((ends - baked.grid_head[:2]) / 5.0) + 0.5) * 5.0
    beyond = ends - centre
    place = ends + beyond / np.hypot(*beyond.T)[:, None] * 0.6
    same = (np.abs(place - centre) < 2.49).all(1) & (np.hypot(*beyond.T) > 0.1)
    box = shapely.buffer(shapely.points(place), 0.4)
    inside = same & shapely.contains(road.drivable_area, box)
    rows = [(AgentKind.CAR, float(x), float(y), 0.0, 0.0) for x, y in place[inside]]
    states = AgentStates.of(rows)
    states.size[:, :2] = 0.4
    plans = AgentPlans.reactive(len(rows))
    plans.control[:] = Control.HOLD

    simulator = Simulator(StartBank.of([composition(road, states, plans)]), 1)

    assert len(rows) > 3
    assert not simulator.offroad.any()
