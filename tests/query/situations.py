"""One hand-made development for each published situation, and who is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import AgentKind, Conditions, Light, Scenario, Weather
from tests.builders import straight_road
from tests.events.stories import (
    TIMES,
    Mover,
    along_x,
    crossing_roads,
    left_turn_junction,
    ramp,
    tell,
    turning_left,
    two_way_road,
)

VAN = (5.4, 2.0, 2.4)


def standing(x: float, y: float, size: tuple[float, float, float] | None = None) -> Mover:
    """A vehicle that stands."""
    return Mover(track=np.tile([x, y], (len(TIMES), 1)), yaw=0.0, size=size)


def walking(x: float, y: FloatArray, height: float = 1.75) -> Mover:
    """Somebody on foot who walks across."""
    track = np.stack([np.full(TIMES.shape, x), y], -1)
    return Mover(track=track, kind=AgentKind.PEDESTRIAN, size=(0.5, 0.5, height))


def braking(speed: float, begin: float, deceleration: float) -> FloatArray:
    """Speed of somebody who brakes to a standstill."""
    return np.clip(speed - deceleration * np.clip(TIMES - begin, 0.0, None), 0.0, None)


def close_cut_in() -> Scenario:
    """At 16 m/s the ego is cut off by a car at 10 m/s that leaves less than 5 m."""
    cutter = along_x(38.5, ramp(3.5, 0.0, 1.0, 4.0), 10.0)
    return tell(straight_road(3), [along_x(20, 0, 16.0), cutter])


def cut_in_and_pedestrian() -> Scenario:
    """A car comes in from the right, then somebody steps out from before a van."""
    movers = [
        along_x(20, 3.5, braking(25, 6, 8)),
        along_x(55, ramp(0.0, 3.5, 1.0, 3.0), ramp(15.0, 24.6, 2.0, 3.2)),
        standing(212.6, -2.5, VAN),
        walking(216.0, ramp(-3.2, 3.5, 4.8, 7.6)),
    ]
    wet = Conditions(light=Light.NIGHT, weather=Weather.RAIN, rain_mm_per_h=5.0)
    return replace(tell(straight_road(3), movers), conditions=wet)


def cut_out(
    obstacle: float = 215.0, ego: float = 50.0, speed: float = 22.0, reaction: float = 5.0
) -> Scenario:
    """The leader leaves the lane, another stands in it; the ego brakes from `reaction` on."""
    begin = 2.0 if ego > 40 else 3.2
    leader = along_x(ego + 30 if ego > 40 else ego + 25, ramp(0, 3.5, begin, begin + 2), speed)
    return tell(
        straight_road(3),
        [along_x(ego, 0, braking(speed, reaction, 6)), leader, standing(obstacle, 0.0)],
    )


def cut_out_in_fog() -> Scenario:
    """The same in fog, the leader late to leave, the ego too late to brake."""
    fog = Conditions(weather=Weather.FOG, visibility=150.0)
    return replace(cut_out(184.0, 30.0, 24.0, 6.0), conditions=fog)


def leader_brakes() -> Scenario:
    """The leader, 30 m ahead, brakes at 7 m/s^2 to a standstill, the ego later and less."""
    movers = [along_x(20, 0, ramp(22, 12, 2.8, 5.5)), along_x(54.5, 0, braking(22, 2, 7))]
    return tell(straight_road(3), movers)


def ccrb() -> Scenario:
    """Both at 50 km/h, 12 m apart; the leader brakes at 6 m/s^2, the ego a second later."""
    movers = [
        along_x(20, 0, braking(50 / 3.6, 3, 6)),
        along_x(36.5, 0, braking(50 / 3.6, 2, 6)),
    ]
    return tell(straight_road(3), movers)


def cpnco() -> Scenario:
    """A child walks at 5 km/h from before a van on the near side."""
    movers = [
        along_x(88, 0, ramp(10, 0, 4.6, 6.6)),
        walking(150.0, ramp(-3.6, -3.6 + 5 / 3.6 * 5, 4.0, 9.0), height=1.15),
        standing(146.3, -3.2, VAN),
    ]
    return tell(two_way_road(), movers)


def cpfa() -> Scenario:
    """By night somebody runs at 8 km/h from the far side."""
    movers = [along_x(70, 0, 10.0), walking(150.0, ramp(7.4, 7.4 - 8 / 3.6 * 5, 3.0, 8.0))]
    night = Conditions(light=Light.NIGHT)
    return replace(tell(two_way_road(), movers), conditions=night)


def ccftap() -> Scenario:
    """The ego turns left at 5 m/s, another comes at 12 m/s."""
    oncoming = along_x(85.0, 3.5, -12.0, yaw=np.pi)
    return tell(left_turn_junction(), [turning_left(5.0, 20.0), oncoming])


def cbnao() -> Scenario:
    """A cyclist rides at 10 km/h from before a van on the near side."""
    track = np.stack([np.full(TIMES.shape, 150.6), ramp(-12, -12 + 10 / 3.6 * 8, 0, 8)], -1)
    cyclist = Mover(track=track, kind=AgentKind.CYCLIST)
    return tell(two_way_road(), [along_x(106, 0, 10.0), cyclist, standing(146.0, -3.2, VAN)])


def red_light() -> Scenario:
    """The ego has green, a car from the right runs its red light at 12 m/s."""
    runner = Mover(track=np.stack([0 * TIMES, -46 + 12 * TIMES], -1))
    return tell(crossing_roads(green_for_x=True), [along_x(-60, 0, 12.0), runner])


def lane_change_before_faster() -> Scenario:
    """The ego moves left at 20 m/s, a car there comes from behind at 31 m/s."""
    movers = [
        along_x(60, ramp(0, 3.5, 2, 5), 20.0),
        along_x(5, 3.5, np.maximum(braking(31, 4, 2), 20.0)),
    ]
    return tell(straight_road(3), movers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A published query, a scenario in which it holds, and the number that decides it.

    Attributes:
        id: Id of the query.
        build: Builds the scenario.
        witness: Agent of each role.
        key: Parameter whose value is drawn in until the scenario no longer matches.
        never: A value of it with which no scenario matches.
        clause: Begin of the clause that has the number.
    """

    id: str
    build: Callable[[], Scenario]
    witness: dict[str, int]
    key: str
    never: str
    clause: str


SITUATIONS = [
    Situation(id=i, build=build, witness=witness, key=key, never=never, clause=clause)
    for i, build, witness, key, never, clause in [
        ("Q1", close_cut_in, {"c": 1}, "speed", "1km/h", "ego.speed <="),
        ("Q2", cut_in_and_pedestrian, {"c": 1, "p": 3}, "pedestrian_ttc", "0.01s", "ttc(ego,p) <"),
        ("Q3", cut_out, {"l": 1, "o": 2}, "ttc", "0.01s", "ttc(ego,o) <"),
        ("Q4", leader_brakes, {"l": 1}, "headway", "0.01s", "thw(ego,l) <"),
        ("Q5", ccrb, {"l": 1}, "near", "13m", "gap(ego,l) in ["),
        ("Q6", cpnco, {"p": 1}, "ttc", "0.01s", "ttc(ego,p) <"),
        ("Q7", cpfa, {"p": 1}, "most", "7km/h", "p.speed in [7km/h,"),
        ("Q8", ccftap, {"t": 1}, "pet", "0.01s", "pet(ego,t) <"),
        ("Q9", cbnao, {"b": 1}, "ttc", "0.01s", "ttc(ego,b) <"),
        ("Q10", red_light, {"t": 1}, "pet", "0.01s", "pet(ego,t) <"),
        ("Q11", lane_change_before_faster, {"r": 1}, "drac", "99m/s^2", "drac(r,ego) >"),
        ("Q12", cut_out_in_fog, {"l": 2}, "ttc", "0.01s", "ttc(ego,l) <"),
    ]
]
"""Every published situation."""
