"""Detectors and aim of what crosses on wheels and paws."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.events import EVENTS, AnimalCrossing, CyclistCrossing, Event, Tracks
from scenegen.geometry.transforms import to_local
from scenegen.scene import AgentKind
from tests.events.stories import TIMES, Mover, along_x, ramp, tell, two_way_road
from tests.events.test_aim import SEEDS, unmoved

FAMILIES: dict[AgentKind, type[Event]] = {
    AgentKind.CYCLIST: CyclistCrossing,
    AgentKind.ANIMAL: AnimalCrossing,
}


def cross(kind: AgentKind, y: FloatArray) -> Tracks:
    """Somebody crosses at x = 150, ahead of an ego that slows down."""
    other = Mover(track=np.stack([np.full(TIMES.shape, 150.0), y], -1), kind=kind)
    return Tracks(scenario=tell(two_way_road(), [along_x(60, 0, ramp(12, 4, 3, 7)), other]))


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize(("side", "sign"), [("near", 1.0), ("far", -1.0)])
def test_they_come_from_a_side(kind: AgentKind, side: str, sign: float) -> None:
    """Near is the ego's right, far its left."""
    family, other = FAMILIES[kind], {"near": "far", "far": "near"}[side]
    view = cross(kind, sign * ramp(-12.0, 12.0, 2.0, 8.0))

    assert (family.margin(view, (1,), {"from": side}) > 0).any()
    assert (family.margin(view, (1,), {"from": other}) <= 0).all()
    assert family.candidates(view) == [(1,)]


@pytest.mark.parametrize("kind", FAMILIES)
def test_who_stops_beside_the_lane_does_not_cross(kind: AgentKind) -> None:
    """One that waits at the edge is a near miss, and another kind is another family."""
    view = cross(kind, ramp(-12.0, -3.0, 2.0, 6.0))
    others = [f for k, f in FAMILIES.items() if k is not kind]
    crossing = cross(kind, ramp(-12.0, 12.0, 2.0, 8.0))

    assert (FAMILIES[kind].margin(view, (1,), {}) <= 0).all()
    assert all(f.candidates(crossing) == [] for f in others)


@pytest.mark.parametrize("family", ["cyclist_crossing", "animal_crossing"])
@pytest.mark.parametrize("seed", SEEDS)
def test_they_are_where_the_ego_arrives(family: str, seed: int) -> None:
    """At the drawn time, if nobody reacts, they are at the drawn share of the ego's width."""
    script, view, pin = unmoved(EVENTS[family](), two_way_road(), seed)
    numbers = script.to_json()
    agent = next(iter(pin.roles.values()))
    side = 1.0 if numbers["side"] == "far" else -1.0
    # A collision would stop them, so look half a second before and carry the way on.
    t = round((numbers["arrival"] - 0.5) / 0.1)
    left = numbers["arrival"] - view.times[t]
    states, velocity = view.states, view.velocity
    there, ego = (states.position[t, i] + left * velocity[t, i] for i in (agent, 0))
    ahead, lateral = to_local(there, ego, states.yaw[t, 0])

    assert (side * 0.925 - lateral) / (side * 1.85) == pytest.approx(numbers["hit_point"], abs=0.1)
    assert ahead == pytest.approx(2.25, abs=0.1)
