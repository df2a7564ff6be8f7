"""Gap, time to collision, headway and DRAC: against closed forms, and against commonroad-crime.

commonroad-crime 0.4.5 (with commonroad-io below 2026) lives in an environment of its own:
SCENEGEN_CRIME_PYTHON names its interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.query import Trace, parse
from scenegen.query.atoms import Compare
from scenegen.query.semantics import Semantics
from scenegen.scene import AgentKind, AgentStates, Scenario
from tests.builders import constant_speed_scenario, straight_road

CRIME = os.environ.get("SCENEGEN_CRIME_PYTHON", "")
"""A Python in whose environment commonroad-crime 0.4.5 is installed."""
LENGTHS = (4.5, 9.0)
"""Lengths of a car and a truck [m]."""


def following(
    gap: float, speed: float, leader: float, truck: bool = False, offset: float = 0.0
) -> Scenario:
    """The ego behind a car or truck at constant speeds."""
    kind = AgentKind.TRUCK if truck else AgentKind.CAR
    place = 20.0 + LENGTHS[0] / 2 + gap + LENGTHS[truck] / 2
    agents = AgentStates.of(
        [(AgentKind.CAR, 20.0, 0.0, 0.0, speed), (kind, place, offset, 0.0, leader)]
    )
    return constant_speed_scenario(straight_road(length=2000.0), agents, steps=2)


def at_start(scenario: Scenario, name: str, *roles: str) -> float:
    """Value of a signal from the ego to the other, or as named, at the first instant."""
    text = f"{name}({','.join(roles or ('ego', 'c'))})"
    formula = parse(f"{text} < {text}").formula
    assert isinstance(formula, Compare)
    value: FloatArray = Semantics.of_cast(Trace(scenario), ("c",), (1,)).value(formula.left)
    return float(value.reshape(len(value), -1)[0, 0])


def cases(count: int) -> list[tuple[float, float, float, bool]]:
    """Draw gap, both speeds and whether the leader is a truck."""
    rng = np.random.default_rng(0)
    return [
        (
            float(rng.uniform(1, 90)),
            float(rng.uniform(1, 35)),
            float(rng.uniform(0, 35)),
            bool(rng.integers(2)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("case", cases(40))
def test_following_has_its_closed_forms(case: tuple[float, float, float, bool]) -> None:
    """Gap bumper to bumper, gap over closing speed, gap over speed, closing^2 over twice the gap.

    Hayward 1972 for the time to collision, Cooper and Ferguson 1976 for DRAC.
    """
    gap, speed, leader, truck = case
    scenario, closing = following(gap, speed, leader, truck), speed - leader

    ttc = gap / closing if closing > 0 else np.inf
    drac = closing**2 / (2 * gap) if closing > 0 else 0.0

    assert at_start(scenario, "gap") == pytest.approx(gap, abs=2e-5)
    assert at_start(scenario, "closing") == pytest.approx(closing, abs=1e-5)
    assert at_start(scenario, "ttc") == pytest.approx(ttc, rel=1e-4)
    assert at_start(scenario, "thw") == pytest.approx(gap / speed, rel=1e-4)
    assert at_start(scenario, "drac") == pytest.approx(drac, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("gap", "speed", "leader", "offset", "expected"),
    [
        (20.0, 20.0, 10.0, 0.0, (20.0, 2.0, 1.0, 2.5)),
        (20.0, 10.0, 20.0, 0.0, (20.0, np.inf, 2.0, 0.0)),
        (20.0, 20.0, 10.0, 3.5, (np.inf, np.inf, np.inf, 0.0)),
        (0.0, 20.0, 10.0, 0.0, (0.0, 0.0, 0.0, np.inf)),
        (-2.0, 20.0, 20.0, 0.0, (0.0, 0.0, 0.0, np.inf)),
        (20.0, 0.0, 0.0, 0.0, (20.0, np.inf, np.inf, 0.0)),
        (-40.0, 20.0, 10.0, 0.0, (np.inf, np.inf, np.inf, 0.0)),
    ],
)
def test_the_edges_are_as_published(
    gap: float, speed: float, leader: float, offset: float, expected: tuple[float, ...]
) -> None:
    """Closing, opening, another lane, contact, overlap, standing, and behind."""
    scenario = following(gap, speed, leader, offset=offset)

    found = tuple(at_start(scenario, name) for name in ("gap", "ttc", "thw", "drac"))

    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("speed", [5.0, 12.0, 25.0])
def test_oncoming_in_another_lane_is_never_hit(speed: float) -> None:
    """Two vehicles that pass each other have no time to collision, head on they do."""
    for offset, hit in ((3.5, False), (0.0, True)):
        agents = AgentStates.of(
            [
                (AgentKind.CAR, 20.0, 0.0, 0.0, speed),
                (AgentKind.CAR, 124.5, offset, np.pi, speed),
            ]
        )
        scenario = constant_speed_scenario(straight_road(), agents, steps=2)
        expected = 100.0 / (2 * speed) if hit else np.inf
        assert at_start(scenario, "ttc") == pytest.approx(expected, rel=1e-5)


SERVER = """
import json, logging, sys
import numpy as np
logging.disable(logging.CRITICAL)
from commonroad.geometry.shape import Rectangle
from commonroad.prediction.prediction import TrajectoryPrediction
from commonroad.scenario.lanelet import Lanelet, LaneletNetwork
from commonroad.scenario.obstacle import DynamicObstacle, ObstacleType
from commonroad.scenario.scenario import Scenario
from commonroad.scenario.state import CustomState, InitialState
from commonroad.scenario.trajectory import Trajectory
from commonroad_crime.data_structure.configuration import CriMeConfiguration
from commonroad_crime.measure import HW, THW, TTC

STEPS, DT = 120, 0.1
x = np.arange(-50.0, 1000.0, 25.0)

def line(y):
    return np.stack([x, np.full_like(x, y)], -1)

def obstacle(number, place, speed, length):
    def state(kind, k):
        return kind(time_step=k, position=np.array([place + speed * k * DT, 0.0]), orientation=0.0,
                    velocity=speed, acceleration=0.0, yaw_rate=0.0, slip_angle=0.0)
    shape = Rectangle(length=length, width=1.85)
    path = Trajectory(1, [state(CustomState, k) for k in range(1, STEPS)])
    return DynamicObstacle(number, ObstacleType.CAR, shape, state(InitialState, 0),
                           TrajectoryPrediction(path, shape))

out = []
for gap, speed, leader, length in json.load(sys.stdin):
    scenario = Scenario(DT)
    network = LaneletNetwork()
    network.add_lanelet(Lanelet(line(1.75), line(0.0), line(-1.75), 1000))
    scenario.add_objects(network)
    scenario.add_objects([obstacle(1, 20.0, speed, 4.5),
                          obstacle(2, 20.0 + 2.25 + gap + length / 2, leader, length)])
    scenario.assign_obstacles_to_lanelets()
    config = CriMeConfiguration()
    config.update(ego_id=1, sce=scenario)
    out.append([float(measure(config).compute(2, 0, verbose=False)) for measure in (HW, TTC, THW)])
print("RESULT" + json.dumps(out))
"""


@pytest.mark.oracle
def test_following_is_as_commonroad_crime_has_it() -> None:
    """200 cases: gap and TTC within the rounding of commonroad-crime, THW within a step.

    It gives the gap in centimetres, and divides that for the TTC, which it gives in hundredths.
    Headway it counts in steps of the trajectory, until the follower has passed the place, so that
    its figure lies up to one step (0.1 s) above the quotient.
    """
    if not CRIME or not Path(CRIME).exists():
        pytest.skip("set SCENEGEN_CRIME_PYTHON to a Python that has commonroad-crime 0.4.5")
    drawn = cases(200)
    sent = [(gap, speed, leader, LENGTHS[truck]) for gap, speed, leader, truck in drawn]
    done = subprocess.run(
        [CRIME, "-W", "ignore", "-c", SERVER],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout.rpartition("RESULT")[2])

    ours = [[at_start(following(*case), name) for name in ("gap", "ttc", "thw")] for case in drawn]

    worst = {"gap": 0.0, "ttc": 0.0, "thw": 0.0}
    compared = dict.fromkeys(worst, 0)
    for mine, other in zip(ours, theirs, strict=True):
        for name, one, two in zip(worst, mine, other, strict=True):
            if name == "thw" and one > 11.0:
                continue  # The trajectory given to commonroad-crime ends there.
            assert np.isinf(one) == np.isinf(two), name
            if np.isfinite(one):
                compared[name] += 1
                rounding = 0.005 / (mine[0] / mine[1]) if name == "ttc" else 0.0
                worst[name] = max(worst[name], abs(one - two) - rounding)
    print(f"largest differences {worst} over {compared} cases")  # noqa: T201 - shown with -s
    assert worst["gap"] <= 0.0051
    assert worst["ttc"] <= 0.0051
    assert worst["thw"] <= 0.1 + 1e-6
