"""Each plain motion on a scenario in which it happens, and on its near miss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scenegen.query import Trace, parse
from scenegen.query.atoms import Compare
from scenegen.query.semantics import Semantics
from scenegen.scene import AgentKind, Scenario
from tests.query.worlds import changing_lanes, from_paths

TIME = np.arange(61) * 0.1
ZERO = 0 * TIME
EGO = (AgentKind.CAR, 50 + 15 * TIME, ZERO, 15 + ZERO)


def drive(
    x: float = 100.0,
    speed: float = 15.0,
    y: float | np.ndarray = 0.0,
    kind: AgentKind = AgentKind.CAR,
) -> tuple[AgentKind, np.ndarray, np.ndarray, np.ndarray]:
    """Drive along the road at constant speed."""
    return (kind, x + speed * TIME, y + ZERO, abs(speed) + ZERO)


def walk(x: float, y: float, speed: float) -> tuple[AgentKind, np.ndarray, np.ndarray, np.ndarray]:
    """Walk across the road."""
    return (AgentKind.PEDESTRIAN, x + ZERO, y + speed * TIME, abs(speed) + ZERO)


def brake(deceleration: float) -> tuple[AgentKind, np.ndarray, np.ndarray, np.ndarray]:
    """Brake from 15 m/s after 2 s."""
    speed = np.clip(15 - deceleration * np.maximum(TIME - 2.0, 0.0), 0.0, None)
    x = 100 + np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) * 0.05)])
    return (AgentKind.CAR, x, ZERO, speed)


def bend(angle: float) -> tuple[AgentKind, np.ndarray, np.ndarray, np.ndarray]:
    """Turn by an angle within 3 s."""
    yaw = angle * np.clip((TIME - 1.0) / 3.0, 0.0, 1.0)
    x, y = (np.cumsum(6.0 * f(yaw) * 0.1) for f in (np.cos, np.sin))
    return (AgentKind.CAR, 100 + x, y, 6 + ZERO)


def world(*others: tuple[AgentKind, np.ndarray, np.ndarray, np.ndarray]) -> Scenario:
    """The ego at 15 m/s in the right lane, and others."""
    return from_paths([EGO, *others])


LEFT = changing_lanes(TIME, 1.0, 3.0, 0.0, 3.5)
CASES: list[tuple[str, Scenario, bool]] = [
    ("stopped(a)", world(drive(speed=0.2)), True),
    ("stopped(a)", world(drive(speed=0.4)), False),
    ("hard_brake(a)", world(brake(4.5)), True),
    ("hard_brake(a)", world(brake(3.5)), False),
    ("lane_change(a)", world(drive(y=LEFT)), True),
    ("lane_change(a,left)", world(drive(y=LEFT)), True),
    ("lane_change(a,right)", world(drive(y=LEFT)), False),
    ("lane_change(a)", world(drive(y=0.4 * LEFT)), False),
    ("cut_out(a,left)", world(drive(y=LEFT)), True),
    ("cut_out(a)", world(drive(y=LEFT + 3.5)), False),
    ("turn(a,left)", world(bend(1.0)), True),
    ("turn(a,right)", world(bend(1.0)), False),
    ("turn(a,right)", world(bend(-1.0)), True),
    ("turn(a)", world(bend(0.3)), False),
    ("crossing(p)", world(walk(130, -5, 1.4)), True),
    ("crossing(p,from=near)", world(walk(130, -5, 1.4)), True),
    ("crossing(p,from=far)", world(walk(130, -5, 1.4)), False),
    ("crossing(p,from=far)", world(walk(130, 5, -1.4)), True),
    ("crossing(p)", world(walk(20, -5, 1.4)), False),
    ("crossing(p)", world(walk(130, -5, 0.3)), False),
    ("crossing(p)", world(drive(y=3.5)), False),
    ("in_path(a)", world(drive()), True),
    ("in_path(a)", world(drive(y=3.5)), False),
    ("in_path(a)", world(drive(x=20)), False),
    ("lead(a) and a.speed > 16m/s", world(drive(x=100, speed=17), drive(x=80)), False),
    ("lead(a) and a.speed < 16m/s", world(drive(x=100, speed=17), drive(x=80)), True),
    ("rear(a)", world(drive(x=30)), True),
    ("rear(a)", world(drive(x=30, y=3.5)), False),
    ("oncoming(a)", world(drive(x=200, speed=-15, y=3.5)), True),
    ("oncoming(a)", world(drive(x=200, speed=15, y=3.5)), False),
    ("oncoming(a)", world(drive(x=20, speed=-15, y=3.5)), False),
    ("collision(ego,a)", world(drive(x=60, speed=10)), True),
    ("collision(ego,a)", world(drive(x=60, speed=14.9)), False),
    ("near_miss(ego,a)", world(drive(x=60, speed=14.9)), False),
    ("near_miss(ego,a)", world(drive(x=60, speed=14.2)), True),
    ("near_miss(ego,a)", world(drive(x=50, y=2.2)), True),
    ("occluded(p)", world(walk(140, -3, 0.4), drive(x=130, speed=0.0, y=-2.5)), True),
    ("occluded(p,by=parked)", world(walk(140, -3, 0.4), drive(x=130, speed=0.0, y=-2.5)), True),
    ("pedestrian(p) and occluded(p)", world(walk(140, -3, 0.4)), False),
    (
        "pedestrian(p) and occluded(p,by=parked)",
        world(walk(140, -3, 0.4), drive(x=120, speed=5, y=-2.5)),
        False,
    ),
    ("emerges(p)", world(walk(140, -3, 0.8), drive(x=130, speed=0.0, y=-2.5)), True),
    ("pedestrian(p) and emerges(p)", world(walk(140, -3, 0.8)), False),
]


@pytest.mark.parametrize(("text", "scenario", "holds"), CASES)
def test_a_motion_is_seen_where_it_happens(text: str, scenario: Scenario, holds: bool) -> None:
    """The definition's thresholds separate what is meant from what is nearly so."""
    assert parse(text).evaluate(scenario).satisfied is holds


SIGNALS: list[tuple[str, Callable[[], Scenario], float]] = [
    ("ego.speed", world, 15.0),
    ("a.accel", lambda: world(brake(3.0)), -3.0),
    ("ahead(ego,a)", lambda: world(drive(x=90, y=3.5)), 40.0),
    ("left(ego,a)", lambda: world(drive(x=90, y=3.5)), 3.5),
    ("bearing(ego,a)", lambda: world(drive(x=53.5, y=3.5)), np.pi / 4),
    ("gap(ego,a)", lambda: world(drive(x=90)), 35.5),
    ("thw(ego,a)", lambda: world(drive(x=90)), 35.5 / 15),
    (
        "rss_excess(ego,a)",
        lambda: world(drive(x=90)),
        35.5 - (7.5 + 0.4375 + 16.75**2 / 8 - 225 / 16),
    ),
    ("a.lane_offset", lambda: world(drive(y=0.7)), 0.7),
    ("a.lane_heading", lambda: world(bend(0.8)), 0.8 * 1.55 / 3),
    ("a.heading", lambda: world(bend(-0.8)), -0.8 * 1.55 / 3),
    ("a.lat_accel", lambda: world(bend(1.2)), 6 * 1.2 / 3),
    ("lanes", world, 3.0),
    ("speed_limit", world, 30.0),
    ("intrusion(ego,a)", lambda: world(drive(y=3.5)), 1.75 + 0.925 - 3.5),
    ("a.visible_fraction", lambda: world(drive()), 1.0),
    ("mttc(ego,a)", lambda: world(drive(x=90, speed=10)), (35.5 - 2.5 * 5) / 5),
    ("ttc(ego,a)", lambda: world(drive(x=90, speed=10)), (35.5 - 2.5 * 5) / 5),
    ("drac(ego,a)", lambda: world(drive(x=90, speed=10)), 25 / (2 * (35.5 - 2.5 * 5))),
]


@pytest.mark.parametrize(("text", "build", "expected"), SIGNALS)
def test_signals_have_their_textbook_values(
    text: str, build: Callable[[], Scenario], expected: float
) -> None:
    """At 2.5 s into a hand-built scene each signal is what a pencil gives."""
    formula = parse(f"{text} < {text}").formula
    assert isinstance(formula, Compare)
    roles = tuple(role for role in formula.left.roles if role != "ego")

    value = Semantics.of_cast(Trace(build()), roles, (1,) * len(roles)).value(formula.left)

    assert float(value.reshape(len(value), -1)[25, 0]) == pytest.approx(expected, abs=2e-3)
