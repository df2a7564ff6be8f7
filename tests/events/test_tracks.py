"""Tracks and lane frames: what detectors read."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.events.tracks import Tracks
from scenegen.maps import MAP_SOURCES
from scenegen.scene import AgentStates, Lane, RoadKind, RoadMap, Scenario
from tests.builders import cars, constant_speed_scenario, straight_road


def test_the_gap_is_bumper_to_bumper() -> None:
    """Centres 30 m apart and cars 4.5 m long leave 25.5 m; the gap closes with the speeds."""
    view = Tracks(
        scenario=constant_speed_scenario(straight_road(), cars((50, 0, 20), (80, 0, 15)), 31)
    )

    np.testing.assert_allclose(view.gap(0, 1), 25.5 - 5.0 * view.times, atol=1e-4)
    np.testing.assert_allclose(view.closing(0, 1), 5.0, atol=1e-6)


def test_a_box_beside_the_lane_stays_out_by_its_distance() -> None:
    """A car centred in the next lane of 3.5 m is 0.825 m outside the ego's lane."""
    view = Tracks(
        scenario=constant_speed_scenario(straight_road(), cars((50, 0, 20), (60, 3.5, 20)), 11)
    )

    np.testing.assert_allclose(view.intrusion(0, 1), -(1.75 - 1.85 / 2), atol=1e-4)


def test_places_follow_the_road_round_a_bend() -> None:
    """On an arc the distance ahead is the arc length between the two, not the chord."""
    radius, angles = 60.0, np.linspace(0.0, np.pi, 200)
    arc = radius * np.stack([np.sin(angles), 1.0 - np.cos(angles)], -1)
    road = RoadMap(
        name="bend",
        kind=RoadKind.RURAL,
        lanes=(Lane(centerline=arc, width=np.full(200, 3.5)),),
    )
    at = np.array([0.5, 1.5])
    states = AgentStates.of(
        [(0, radius * np.sin(a), radius * (1 - np.cos(a)), a, 0.0) for a in at]  # type: ignore[misc]
    )
    view = Tracks(scenario=constant_speed_scenario(road, states, 3))

    np.testing.assert_allclose(view.ego_path.ahead[:, 1], radius * 1.0, rtol=1e-3)
    np.testing.assert_allclose(view.ego_path.heading_error[:, 1], 0.0, atol=0.02)


def test_the_path_changes_group_with_a_lane_change() -> None:
    """An ego that moves to the next lane gets a new path, and offsets jump by the lane's width."""
    scenario = constant_speed_scenario(straight_road(), cars((50, 0, 20), (90, 3.5, 20)), 41)
    scenario.agents.position[:, 0, 1] = np.linspace(0.0, 3.5, 41)
    frame = Tracks(scenario=scenario).ego_path

    assert set(frame.group.tolist()) == {0, 1}
    np.testing.assert_allclose(frame.offset[frame.group == 0, 1], 3.5, atol=1e-4)
    np.testing.assert_allclose(frame.offset[frame.group == 1, 1], 0.0, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_turn_through_a_junction_is_one_path(seed: int) -> None:
    """Who follows linked lanes through a junction keeps one path and stays on its middle."""
    roadmap = MAP_SOURCES["four_way"]().draw(np.random.default_rng(seed))
    turn = next(i for i, lane in enumerate(roadmap.lanes) if lane.turn > 0 and lane.in_junction)
    lane = roadmap.lanes[turn]
    chain = (lane.predecessors[0], turn, lane.successors[0])
    points = np.concatenate([roadmap.lanes[k].centerline for k in chain])[::2]
    step = np.gradient(points, axis=0)
    states = AgentStates.empty(len(points), 1)
    states.position[:, 0] = points
    states.yaw[:, 0] = np.arctan2(step[:, 1], step[:, 0])
    states.valid[:] = True
    states.size[:] = (4.5, 1.85, 1.5)
    view = Tracks(scenario=scenario_of(roadmap, states))

    assert set(view.ego_path.group.tolist()) == {0}
    path = view.ego_path.paths[0]
    assert path is not None
    assert set(chain) <= set(path.lanes)
    assert np.abs(view.ego_path.offset[:, 0]).max() < 0.3


def test_acceleration_ignores_instants_where_the_agent_is_absent() -> None:
    """A track that begins late has no acceleration from the empty slot before it."""
    scenario = constant_speed_scenario(straight_road(), cars((50, 0, 20)), 21)
    scenario.agents.valid[:10] = False
    scenario.agents.speed[:10] = 0.0

    assert np.abs(Tracks(scenario=scenario).acceleration).max() == 0.0


def test_encroachment_is_the_time_between_two_at_one_place() -> None:
    """On crossing straight courses it is the time from the first tail to the second nose."""
    rows = [(0, -40.0, 0.0, 0.0, 10.0), (0, 0.0, -60.0, np.pi / 2, 10.0)]
    states = AgentStates.of(rows)  # type: ignore[arg-type]
    view = Tracks(scenario=constant_speed_scenario(straight_road(), states, 101))
    # The first one's tail leaves the other's corridor (half width 0.925) after 40 + 2.25 + 0.925 m,
    # the second one's nose enters after 60 - 2.25 - 0.925 m.
    expected = (60 - 3.175 - 40 - 3.175) / 10

    assert view.encroachment_lead(0, 1) == pytest.approx(expected, abs=0.11)
    assert view.encroachment_lead(1, 0) == pytest.approx(-expected, abs=0.11)


@pytest.mark.parametrize("seed", range(3))
def test_moving_the_scene_changes_nothing_relative(seed: int) -> None:
    """Gaps and intrusions do not depend on where in the map the scene is, nor on its direction."""
    rng = np.random.default_rng(seed)
    road = straight_road()
    scenario = constant_speed_scenario(road, cars((50, 0, 20), (70, 3.2, 18), (90, 0.4, 22)), 21)
    yaw, shift = rng.uniform(-3, 3), rng.uniform(-500, 500, 2)
    turned = moved(scenario, yaw, shift)

    for j in (1, 2):
        before, after = Tracks(scenario=scenario), Tracks(scenario=turned)
        np.testing.assert_allclose(after.gap(0, j), before.gap(0, j), atol=1e-3)
        np.testing.assert_allclose(after.intrusion(0, j), before.intrusion(0, j), atol=1e-3)


def scenario_of(roadmap: RoadMap, states: AgentStates) -> Scenario:
    """Wrap states of leading shape (T, N) as a scenario."""
    first = constant_speed_scenario(roadmap, states[0], 2)
    return Scenario(
        roadmap=roadmap,
        conditions=first.conditions,
        agents=states,
        times=np.arange(len(states.valid)) * 0.1,
        provenance=first.provenance,
    )


def moved(scenario: Scenario, yaw: float, shift: np.ndarray) -> Scenario:
    """Turn and shift a scenario and its road."""
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    lanes = tuple(
        Lane(
            centerline=lane.centerline @ turn.T + shift,
            width=lane.width,
            left=lane.left,
            right=lane.right,
        )
        for lane in scenario.roadmap.lanes
    )
    road = RoadMap(name="moved", kind=scenario.roadmap.kind, lanes=lanes)
    a = scenario.agents
    states = AgentStates(
        position=(a.position.astype(np.float64) @ turn.T + shift).astype(np.float32),
        yaw=a.yaw + np.float32(yaw),
        speed=a.speed,
        size=a.size,
        kind=a.kind,
        valid=a.valid,
    )
    return scenario_of(road, states)
