"""People walk their routes, evade, wait at the kerb, and are seen by drivers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.scene import AgentKind, AgentPlans, AgentStates, Maneuver, ManeuverKind, Trigger
from scenegen.scene.plans import TriggerKind
from scenegen.sim import Rollout, rollout
from tests.builders import composition
from tests.sim.roads import crosswalk_road

PEDESTRIAN, CAR = AgentKind.PEDESTRIAN, AgentKind.CAR


def run(
    rows: list[tuple[AgentKind, float, float, float, float]],
    routes: list[list[int]],
    duration: float = 10.0,
    *maneuvers: Maneuver,
) -> Rollout:
    """Roll out on the road with a crosswalk; maneuvers are the last agent's."""
    states = AgentStates.of(rows)
    plans = AgentPlans.reactive(len(rows))
    plans.desired_speed[:] = np.where(states.kind == PEDESTRIAN, 1.34, 13.0)
    for i, route in enumerate(routes):
        plans.set_route(i, route)
    plans.set_maneuvers(len(rows) - 1, *maneuvers)
    return rollout([composition(crosswalk_road(), states, plans)], duration)[0]


def test_a_pedestrian_walks_along_the_sidewalk() -> None:
    """After 10 s at 1.34 m/s, less the start from rest, they are 13 m on, on the sidewalk."""
    ro = run([(PEDESTRIAN, 20.0, -3.2, 0.0, 0.0)], [[1]])

    np.testing.assert_allclose(ro.agents.position[-1, 0], (20 + 1.34 * 9.5, -3.2), atol=0.3)


def test_sidewalks_are_walked_in_both_directions() -> None:
    """A route index beyond the lanes means the same sidewalk the other way."""
    ro = run([(PEDESTRIAN, 50.0, -3.0, math.pi, 1.3)], [[4 + 1]])

    assert ro.agents.position[-1, 0, 0] == pytest.approx(50 - 13.4, abs=0.3)


def test_people_evade_each_other() -> None:
    """Two who meet pass without touching, and come back to their way."""
    ro = run(
        [(PEDESTRIAN, 20.0, -3.0, 0.0, 1.3), (PEDESTRIAN, 32.0, -2.95, math.pi, 1.3)],
        [[1], [4 + 1]],
        9.0,
    )

    assert not ro.collided.any()
    assert ro.agents.position[-1, 0, 0] > 30
    assert ro.agents.position[-1, 1, 0] < 22


def test_a_route_leads_over_the_crosswalk() -> None:
    """From one sidewalk over the crosswalk to the other."""
    ro = run([(PEDESTRIAN, 92.0, -3.0, 0.0, 1.3)], [[1, 3, 2]], 20.0)

    assert ro.agents.position[-1, 0, 1] == pytest.approx(3.0, abs=0.8)
    inside = np.abs(ro.agents.position[:, 0, 1]) < 1.5
    assert np.abs(ro.agents.position[inside, 0, 0] - 100).max() < 1.5


def test_without_a_route_people_stand() -> None:
    """Nobody walks without being told where."""
    ro = run([(PEDESTRIAN, 50.0, -3.0, 0.0, 0.0)], [[]], 3.0)

    assert (ro.agents.position == ro.agents.position[0]).all()


def test_a_driver_stops_for_someone_on_the_crosswalk() -> None:
    """The car waits until the pedestrian is across, then goes on."""
    ro = run(
        [(CAR, 66.0, 0.0, 0.0, 11.0), (PEDESTRIAN, 100.0, -1.6, math.pi / 2, 1.3)],
        [[0], [3]],
        20.0,
    )

    assert not ro.collided.any()
    assert ro.agents.speed[:, 0].min() < 8.0
    assert ro.agents.position[-1, 0, 0] > 110


def test_a_pedestrian_waits_for_a_car_that_cannot_stop() -> None:
    """Who stands at the kerb lets a near, fast car pass before crossing."""
    ro = run(
        [(CAR, 72.0, 0.0, 0.0, 13.0), (PEDESTRIAN, 100.0, -2.2, math.pi / 2, 0.0)],
        [[0], [3]],
        12.0,
    )

    passed = int(np.argmax(ro.agents.position[:, 0, 0] > 100))
    assert not ro.collided.any()
    assert ro.agents.position[passed, 1, 1] < -1.5
    assert ro.agents.position[-1, 1, 1] > 1.5


def test_a_jaywalker_can_force_a_crash() -> None:
    """A child that runs out when the car's front is 0.6 s away is hit: no magic saves it."""
    run_out = Maneuver(
        kind=ManeuverKind.WALK,
        trigger=Trigger(kind=TriggerKind.ARRIVAL, threshold=1.0, other=0),
        a=math.pi / 2,
        b=2.2,
        c=5.0,
        d=math.inf,
    )
    rows = [(CAR, 40.0, 0.0, 0.0, 13.0), (PEDESTRIAN, 100.0, -1.9, 0.0, 0.0)]
    ro = run(rows, [[0], []], 8.0, run_out)

    assert ro.collided[:, 1].any()
