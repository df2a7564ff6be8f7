"""Traffic begins at speeds with which everyone can go on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely

from scenegen.geometry.boxes import box_corners
from scenegen.layout import HeuristicLayout, LayoutRequest
from scenegen.layout.opening_speed import BRAKING, DRY, REACTION, ROOM, opening_speed
from scenegen.maps import MAP_SOURCES
from scenegen.scene import (
    AgentKind,
    AgentPlans,
    AgentStates,
    Composition,
    Conditions,
    Control,
    Scene,
    locate,
)
from scenegen.seeding import stream
from scenegen.sim import rollout
from tests.builders import cars, provenance, straight_road

FRICTION = 0.9


def request(states: AgentStates, friction: float = FRICTION) -> LayoutRequest:
    """Ask for traffic on a straight road with two lanes."""
    return LayoutRequest(
        roadmap=straight_road(2, 600.0),
        conditions=Conditions(friction=friction),
        pinned=states,
        plans=AgentPlans.reactive(states.count),
    )


def filled(kind: str, seed: int) -> Composition:
    """Fill a drawn road of a kind around an ego in its middle."""
    roadmap = MAP_SOURCES[kind]().draw(stream(seed, "map"))
    index = max(roadmap.traffic_lanes, key=lambda i: roadmap.lanes[i].length)
    lane = roadmap.lanes[index]
    middle = len(lane.centerline) // 2
    step = lane.centerline[middle + 1] - lane.centerline[middle]
    x, y = lane.centerline[middle]
    ego = AgentStates.of([(AgentKind.CAR, x, y, float(np.arctan2(step[1], step[0])), 5.0)])
    plans = AgentPlans.reactive(1)
    plans.set_route(0, next(iter(roadmap.routes(index, 400.0))))
    asked = LayoutRequest(
        roadmap=roadmap, conditions=Conditions(friction=FRICTION), pinned=ego, plans=plans
    )
    layout = HeuristicLayout().sample(asked, stream(seed, "layout"))

    scene = Scene(roadmap=roadmap, agents=layout.agents, conditions=asked.conditions)
    return Composition(scene=scene, plans=layout.plans, provenance=provenance(), roles={})


@pytest.mark.parametrize("friction", [0.9, 0.3])
@pytest.mark.parametrize(("gap", "ahead"), [(10.0, 20.0), (40.0, 0.0), (80.0, 10.0)])
def test_the_distance_to_the_one_ahead_is_safe(gap: float, ahead: float, friction: float) -> None:
    """The speed solves v t + v^2 / 2b = gap + v_ahead^2 / 2b (RSS, comfortable braking)."""
    placed = cars((300, 0, ahead))
    along = 300 - gap - 4.5

    speed = opening_speed(request(placed, friction), (0,), along, 99.0, 2.25, placed)

    assert speed is not None
    braking = BRAKING * friction / DRY
    if speed < 30.0:  # the limit of the road
        needed = REACTION * speed + speed**2 / (2 * braking)
        assert needed == pytest.approx(gap - ROOM + ahead**2 / (2 * braking), rel=1e-3)


def test_nobody_is_put_in_front_of_somebody_too_fast() -> None:
    """20 m ahead of a car at 30 m/s there is room for one as fast, not for one at 10 m/s."""
    placed = cars((100, 0, 29))

    assert opening_speed(request(placed), (0,), 124.5, 10.0, 2.25, placed) is None
    assert opening_speed(request(placed), (0,), 124.5, 29.0, 2.25, placed) is None
    assert opening_speed(request(placed), (0,), 140.0, 29.0, 2.25, placed) == pytest.approx(29.0)
    assert opening_speed(request(placed), (1,), 124.5, 10.0, 2.25, placed) == pytest.approx(10.0)


@pytest.mark.parametrize(("kind", "seed"), list(itertools.product(MAP_SOURCES, range(4))))
def test_traffic_goes_on_without_a_crash(kind: str, seed: int) -> None:
    """Everybody begins on the road, and in the first 3 s nobody touches or leaves it."""
    drawn = filled(kind, seed)
    agents, roadmap = drawn.scene.agents, drawn.scene.roadmap
    wheels = (agents.kind < AgentKind.CYCLIST) & (np.arange(agents.count) > 0)
    corners = box_corners(agents.position, agents.yaw, agents.size)[wheels]

    ro = rollout([drawn], 3.0)[0]

    assert shapely.contains_xy(roadmap.drivable_area, *corners.reshape(-1, 2).T).all()
    assert not ro.collided.any()
    moving = drawn.plans.control == Control.REACTIVE
    place = locate(roadmap, agents.position, agents.yaw)
    assert (place.lane[moving & wheels] >= 0).all()
