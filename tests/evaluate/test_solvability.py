"""Planners find the way out where there is one, and prove it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from scenegen.errors import ShapeError
from scenegen.evaluate import regulation
from scenegen.evaluate.criticality import Ego, collides
from scenegen.evaluate.lattice import Lattice, Vehicle, feasible, plans, reference_lines
from scenegen.evaluate.obstacles import Obstacles
from scenegen.evaluate.sampling_mpc import drive, search
from scenegen.evaluate.solvability import (
    Outcome,
    Solvability,
    SolveSettings,
    notice_time,
    recorded_path,
    replays,
    solvability,
    with_ego,
)
from scenegen.scene import EGO, AgentKind, AgentStates, Scenario
from scenegen.scene.agents import SIZE
from tests.builders import constant_speed_scenario, provenance, straight_road

CAR = AgentKind.CAR
LENGTH = SIZE[CAR][0]
NARROW = straight_road(1, length=500.0, width=2.4)
"""A road too narrow to swerve."""


def facing(distance: float, speed: float, event: str = "") -> Scenario:
    """An ego that drives at somebody who stands `distance` ahead of its bumper."""
    agents = AgentStates.of(
        [(CAR, 50.0, 0.0, 0.0, speed), (CAR, 50.0 + LENGTH + distance, 0.0, 0.0, 0.0)]
    )
    scenario = constant_speed_scenario(NARROW, agents)
    return replace(scenario, provenance=provenance(script={"event": event}))


def stopping(speed: float, delay: float, ramp: float, braking: float) -> float:
    """Distance to a stop: reaction, linear build-up of the brake, then full braking [m]."""
    return speed * (delay + ramp / 2) + speed**2 / (2 * braking) - braking * ramp**2 / 24


@pytest.mark.parametrize("speed", [8.0, 15.0, 25.0])
@pytest.mark.parametrize("delay", [0.0, 0.5])
@pytest.mark.parametrize(("spare", "outcome"), [(0.6, "solvable"), (-0.6, "unavoidable")])
def test_braking_saves_exactly_where_physics_says(
    speed: float, delay: float, spare: float, outcome: str
) -> None:
    """In front of a wall only braking helps: v delay + v^2 / 2a decides, within 0.6 m."""
    settings = SolveSettings(notice=0.0, reaction=delay)
    need = stopping(speed, delay, Vehicle().ramp, Vehicle().braking)

    found = solvability(facing(need + spare, speed), settings)

    assert found.outcome == outcome


def test_a_wall_across_the_road_is_unavoidable_and_the_proof_states_its_densities() -> None:
    """Cars side by side over all lanes, too near to stop: the exhausted lattice is named."""
    road = straight_road(3)
    rows = [(CAR, 50.0, 3.5, 0.0, 20.0), *((CAR, 66.0, 3.5 * k, 0.0, 0.0) for k in range(3))]
    scenario = constant_speed_scenario(road, AgentStates.of(rows))

    found = solvability(scenario)

    assert found.outcome is Outcome.UNAVOIDABLE
    assert found.planner == "sampling MPC"
    assert found.densities == Lattice().densities()
    assert found.tried > found.densities["plans per line"] == Lattice().size
    assert found.certificate is None
    assert np.isnan(found.least_distance)


def test_a_free_lane_beside_makes_the_same_wall_solvable() -> None:
    """With one car less there is a way round, and the simulator drives it."""
    road = straight_road(3)
    rows = [(CAR, 50.0, 3.5, 0.0, 30.0), (CAR, 110.0, 3.5, 0.0, 0.0), (CAR, 110.0, 0.0, 0.0, 0.0)]
    scenario = constant_speed_scenario(road, AgentStates.of(rows))

    found = solvability(scenario)

    assert found.is_solvable
    assert found.certificate is not None
    assert replays(scenario, found.certificate)
    assert found.certificate[:, 1].max() > 5.0
    assert found.least_distance > 0.0


def test_a_certificate_is_a_motion_of_the_whole_scenario() -> None:
    """Recorded until the ego acts, then a plan that a car can drive, without a jump between."""
    scenario = facing(60.0, 15.0)

    found = solvability(scenario, SolveSettings(notice=1.0, reaction=0.5))

    assert found.certificate is not None
    assert found.certificate.shape == (81, 4)
    acts = round(found.acts_from * 10)
    np.testing.assert_allclose(found.certificate[:acts], recorded_path(scenario)[:acts])
    step = np.hypot(*np.diff(found.certificate[:, :2], axis=0).T)
    assert step.max() <= 1.5 + 1e-3
    assert feasible(found.certificate[None, acts:], Vehicle())[0]


def test_a_recorded_way_out_needs_no_plan() -> None:
    """Where the ego never touched anybody the recording itself is the certificate."""
    scenario = facing(200.0, 10.0)

    found = solvability(scenario)

    assert (found.planner, found.tried) == ("as recorded", 0)
    np.testing.assert_allclose(found.certificate, recorded_path(scenario))


def test_contact_before_the_ego_can_act_is_unavoidable() -> None:
    """Half a second away with a reaction of one second: nobody plans anything."""
    found = solvability(facing(5.0, 10.0), SolveSettings(notice=0.0, reaction=1.0))

    assert (found.outcome, found.planner, found.tried) == (Outcome.UNAVOIDABLE, "no time", 0)


def test_verdicts_survive_json() -> None:
    """A certificate can be stored beside its scenario and read back."""
    for scenario in (facing(60.0, 15.0), facing(5.0, 20.0)):
        found = solvability(scenario)

        again = Solvability.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))

        assert again.to_json() == found.to_json()
        assert again.outcome is found.outcome


def test_the_risk_shows_at_four_seconds() -> None:
    """At 10 m/s towards somebody who stands 60 m ahead: after 2 s."""
    assert notice_time(facing(60.0, 10.0)) == pytest.approx(2.1, abs=0.11)
    assert notice_time(facing(300.0, 10.0)) is None


def test_a_scenario_without_ego_is_refused() -> None:
    """There is nobody to get out."""
    scenario = facing(20.0, 10.0)
    valid = scenario.agents.valid.copy()
    valid[1:, EGO] = False
    agents = replace(scenario.agents, valid=valid)

    with pytest.raises(ShapeError, match="got 1 of 2"):
        solvability(replace(scenario, agents=agents))


def test_an_ego_that_leaves_at_the_end_of_the_road_is_judged_until_then() -> None:
    """After that there is nobody to collide; the certificate ends there."""
    scenario = facing(60.0, 15.0)
    valid = scenario.agents.valid.copy()
    valid[60:, EGO] = False

    found = solvability(replace(scenario, agents=replace(scenario.agents, valid=valid)))

    assert found.is_solvable
    assert found.certificate is not None
    assert found.certificate.shape == (60, 4)
    assert replays(scenario, found.certificate)


def test_every_plan_begins_where_the_ego_is() -> None:
    """Position, heading and speed at the first instant are those of the state."""
    state = np.array([80.0, 0.3, 0.05, 12.0])

    paths, drivable = plans(
        reference_lines(straight_road(2), state)[0], state, 40, Vehicle(), Lattice()
    )

    assert paths.shape == (Lattice().size, 41, 4)
    np.testing.assert_allclose(paths[:, 0], np.broadcast_to(state, (len(paths), 4)), atol=1e-6)
    assert 0.2 < drivable.mean() < 1.0


def test_what_is_feasible_stays_within_the_limits() -> None:
    """Drivable plans brake, turn and grip as the vehicle can, measured by differences."""
    state, car = np.array([80.0, 0.0, 0.0, 18.0]), Vehicle()
    paths, drivable = plans(reference_lines(straight_road(3), state)[0], state, 60, car, Lattice())
    paths = paths[drivable]

    speed = (paths[:, 1:, 3] + paths[:, :-1, 3]) / 2
    rate = np.diff(paths[..., 2], axis=1) / 0.1
    change = np.diff(paths[..., 3], axis=1) / 0.1

    assert np.abs(rate * speed).max() <= car.grip * 1.03
    assert -car.braking * 1.03 <= change.min()
    assert change.max() <= car.drive * 1.03


def test_an_icy_road_takes_longer_to_stop() -> None:
    """Limits follow the friction of the road."""
    assert Vehicle(friction=0.3).braking == pytest.approx(Vehicle().braking / 3)


def test_the_sampling_planner_finds_a_way_on_its_own() -> None:
    """Without the lattice it brakes for a standing car."""
    scenario = facing(30.0, 12.0)
    state = recorded_path(scenario)[0]
    obstacles = Obstacles.of(scenario, 0)

    path, tried = search(obstacles, state, 80, Vehicle(), np.random.default_rng(0))

    assert path is not None
    assert tried > 0
    assert obstacles.first_contact(path[None])[0] == -1
    assert feasible(path[None], Vehicle())[0]


def test_driving_at_full_lock_is_a_circle() -> None:
    """At walking pace the radius is that of the steering lock."""
    car = Vehicle()
    shares = np.tile([0.0, 1.0], (1, 8, 1))

    path = drive(np.array([0.0, 0.0, 0.0, 2.0]), shares, 60, car)[0]

    centre = np.array([0.0, 1.0 / car.lock])
    np.testing.assert_allclose(np.hypot(*(path[:, :2] - centre).T), 1.0 / car.lock, atol=1e-6)


def test_least_distance_is_that_between_boxes() -> None:
    """By hand: 20 m between the bumpers at the begin of a recording that stands still."""
    scenario = facing(20.0, 0.0)

    found = Obstacles.of(scenario, 0).least_distance(recorded_path(scenario))

    assert found == pytest.approx(20.0, abs=1e-4)


def test_another_ego_leaves_everybody_else_as_they_were() -> None:
    """Only slot 0 changes."""
    scenario = facing(20.0, 10.0)
    path = recorded_path(scenario) + np.array([0.0, 0.5, 0.0, 0.0])

    other = with_ego(scenario, path)

    np.testing.assert_allclose(other.agents.position[:, EGO, 1], 0.5)
    np.testing.assert_array_equal(other.agents.position[:, 1], scenario.agents.position[:, 1])


def test_a_driver_that_sees_brakes_and_one_that_does_not_collides() -> None:
    """The criticality of a scenario depends on who drives: replay hits, IDM stops."""
    scenario = facing(70.0, 15.0)

    assert collides([scenario], Ego.REPLAY).tolist() == [True]
    assert collides([scenario], Ego.COAST).tolist() == [True]
    assert collides([scenario], Ego.IDM).tolist() == [False]


def _stopped_lead(distance: float, steps: int = 81) -> regulation.Lead:
    """Somebody who stands ahead in the middle of the path."""
    return regulation.Lead(
        along=np.full((steps, 1), distance),
        aside=np.zeros((steps, 1)),
        speed=np.zeros((steps, 1)),
        acceleration=np.zeros((steps, 1)),
        half=np.array([[LENGTH, 1.85]]),
        valid=np.ones((steps, 1)),
    )


def test_the_careful_human_stops_as_the_regulation_says() -> None:
    """Risk at 2 s, 0.75 s of delay, 0.774 g within 0.6 s: the way to the stop is closed-form."""
    speed = 10.0

    speeds = regulation.careful_human(_stopped_lead(60.0 + LENGTH), speed, 120 - 40)

    began = int(np.argmax(speeds < speed))
    way = float(((speeds[1:] + speeds[:-1]) / 2 * 0.1)[began - 1 :].sum())
    at_risk = 60.0 - 2.0 * speed
    assert began * 0.1 * speed == pytest.approx(at_risk + 0.75 * speed, abs=2.1)
    assert way == pytest.approx(stopping(speed, 0.0, 0.6, regulation.HARDEST), abs=1.0)
    assert -np.diff(speeds).min() / 0.1 <= regulation.HARDEST + 1e-9


def test_an_emergency_stop_ahead_is_a_risk_whatever_the_gap() -> None:
    """A leader that brakes harder than 5 m/s^2 is answered after 0.75 s."""
    leads = replace(_stopped_lead(500.0), speed=np.full((81, 1), 15.0))
    braking = replace(leads, acceleration=np.full((81, 1), -6.0), speed=np.full((81, 1), 12.0))

    assert regulation.careful_human(leads, 15.0, 40).min() == 15.0
    assert int(np.argmax(regulation.careful_human(braking, 15.0, 40) < 15.0)) in {8, 9}


def test_fuzzy_measures_are_0_where_it_is_safe_and_1_where_it_is_not() -> None:
    """The limits are the safe and the unsafe distance, with a straight line between."""
    speed, lead = 20.0, np.array([20.0])
    shared = speed * 0.75 - 20.0**2 / 14.0
    safe, unsafe = shared + 20.0**2 / 8.0 + 2.0, shared + 20.0**2 / 12.0

    for share in (0.0, 0.25, 1.0):
        gap = np.array([2.0 + safe + share * (unsafe - safe)])
        assert regulation.proactive_measure(gap, speed, lead)[0] == pytest.approx(share)
    assert regulation.critical_measure(np.array([5.0]), speed, lead, 0.0)[0] == 0.0


def test_the_fuzzy_driver_brakes_early_and_mildly() -> None:
    """It stops before a standing car without ever braking at the human's hardest."""
    leads = _stopped_lead(70.0 + LENGTH)

    speeds = regulation.fuzzy_driver(leads, 15.0, 80)

    way = float(((speeds[1:] + speeds[:-1]) / 2 * 0.1).sum())
    assert way < 70.0
    assert -np.diff(speeds).min() / 0.1 <= regulation.EMERGENCY + 1e-9


@pytest.mark.parametrize(("distance", "avoided"), [(45.0, True), (4.0, False)])
def test_reference_drivers_judge_longitudinal_families(distance: float, avoided: bool) -> None:
    """They are asked where braking is the answer, and nowhere else."""
    found = solvability(facing(distance, 8.0, "slower_lead"))

    assert found.drivers == {"UN R157 careful human": avoided, "fuzzy safety model": avoided}
    assert solvability(facing(distance, 8.0, "jaywalker")).drivers == {}
