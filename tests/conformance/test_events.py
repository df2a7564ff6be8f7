"""Contract of every event family."""

from __future__ import annotations

import itertools
import json
import math
from functools import cache

import numpy as np
import pytest
import shapely

from scenegen.errors import QueryError, UnknownNameError
from scenegen.events import EVENTS, Event, Pinned, Range, Script, Tracks, script_from_json
from scenegen.geometry.boxes import boxes_overlap
from scenegen.maps import MAP_SOURCES
from scenegen.scene import (
    AgentKind,
    AgentStates,
    Control,
    LineMarking,
    RoadKind,
    RoadMap,
    Scenario,
)
from scenegen.scene.roadmap import NO_LANE
from scenegen.seeding import stream
from scenegen.sim import rollout, to_scenario
from tests.builders import cars, composition, constant_speed_scenario, straight_road

FAMILIES = sorted(EVENTS)
SEEDS = range(10)
SOURCES = {
    RoadKind.HIGHWAY: "highway",
    RoadKind.RURAL: "rural",
    RoadKind.URBAN: "urban",
    RoadKind.INTERSECTION: "four_way",
    RoadKind.T_JUNCTION: "t_junction",
    RoadKind.ROUNDABOUT: "roundabout",
}


@cache
def road(kind: RoadKind, seed: int) -> RoadMap:
    """Draw a road of a kind; the same seed gives the same road."""
    return MAP_SOURCES[SOURCES[kind]]().draw(stream(seed, "map", kind))


@cache
def pinned(family: str, seed: int) -> tuple[RoadMap, Script, Pinned]:
    """Draw roads of the family's kinds, and scripts for them, until one can be pinned."""
    event = EVENTS[family]()
    rng = stream(seed, "event", family)
    for attempt in range(40):
        kind = event.road_kinds[attempt % len(event.road_kinds)]
        roadmap = road(kind, 100 * seed + attempt)
        if event.fits(roadmap):
            script = event.on(roadmap).draw(rng) if suits(event, roadmap) else event.draw(rng)
            found = script.pin(roadmap, rng)
            if found is not None:
                return roadmap, script, found
    raise AssertionError(f"{family}, seed {seed}: nothing could be pinned in 40 attempts")


def suits(event: Event, roadmap: RoadMap) -> bool:
    """Whether the event can keep to the road's speed limits."""
    try:
        event.on(roadmap)
    except QueryError:
        return False
    return True


@cache
def simulated(family: str) -> list[Scenario]:
    """Roll out the family's pins of all seeds."""
    starts = []
    for seed in SEEDS:
        roadmap, _, pin = pinned(family, seed)
        starts.append(composition(roadmap, pin.agents, pin.plans, pin.roles))
    return [to_scenario(c, r) for c, r in zip(starts, rollout(starts, 8.0), strict=True)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_listed_under_its_name(family: str) -> None:
    """Registry, event and script agree on the name, and every quantity is a field."""
    event = EVENTS[family]

    assert event.name == family == event.script.event
    assert event.roles
    assert event.road_kinds
    assert set(event.signals.values()) <= set(event.limits)
    assert event.__doc__ is not None
    assert "Source" in event.__doc__


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_drawn_lie_in_their_ranges(family: str) -> None:
    """Every number of a script that has a range of its own lies inside it."""
    event, rng = EVENTS[family](), np.random.default_rng(1)

    for _ in range(50):
        numbers = event.draw(rng).to_json()
        for name in event.limits:
            if name in numbers:
                assert numbers[name] in getattr(event, name)
        assert all(numbers.get(o, v[0]) in v for o, v in event.options.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_default_ranges_lie_within_the_limits(family: str) -> None:
    """The published ranges are physically possible."""
    event = EVENTS[family]()

    for name, limit in event.limits.items():
        assert getattr(event, name).intersect(limit.range) == getattr(event, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_scripts_survive_json(family: str) -> None:
    """Text and back gives an equal script."""
    script = EVENTS[family]().draw(np.random.default_rng(2))

    assert script_from_json(json.loads(json.dumps(script.to_json()))) == script


@pytest.mark.parametrize("family", FAMILIES)
def test_scripts_with_wrong_numbers_are_refused(family: str) -> None:
    """A missing number is an error with a sentence."""
    data = EVENTS[family]().draw(np.random.default_rng(2)).to_json()
    del data["ego_speed"]

    with pytest.raises(QueryError, match="ego_speed"):
        script_from_json(data)


def test_an_unknown_family_is_refused_with_a_hint() -> None:
    """A slip of the pen gets the nearest name."""
    with pytest.raises(UnknownNameError, match="cut_in"):
        script_from_json({"event": "cutin"})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_road_without_room_does_not_fit(family: str) -> None:
    """On 30 m of one lane nothing fits."""
    assert not EVENTS[family]().fits(straight_road(1, length=30.0))


@pytest.mark.parametrize("family", FAMILIES)
def test_its_preferred_kind_of_road_fits(family: str) -> None:
    """Most roads of the first kind listed have a place."""
    event = EVENTS[family]()

    assert sum(event.fits(road(event.road_kinds[0], seed)) for seed in range(6)) >= 4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_pin(family: str) -> None:
    """Scripts and pins follow from the random stream alone."""
    roadmap, _, _ = pinned(family, 0)
    event = EVENTS[family]()
    pins = []
    for _ in range(2):
        rng = stream(5, "again")
        scripts = [event.draw(rng) for _ in range(8)]
        pins.append((scripts, [s.pin(roadmap, rng) for s in scripts]))

    assert pins[0][0] == pins[1][0]
    for a, b in zip(pins[0][1], pins[1][1], strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a.agents.position, b.agents.position)
            np.testing.assert_array_equal(a.plans.maneuvers, b.plans.maneuvers)
            assert a.roles == b.roles


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_pinned_agents_stand_apart_and_on_the_road(family: str, seed: int) -> None:
    """No two boxes overlap, and whoever drives has its box on the drivable area."""
    roadmap, _, pin = pinned(family, seed)
    s, area = pin.agents, roadmap.drivable_area.buffer(0.3)

    a, b = np.triu_indices(s.count, 1)
    assert not boxes_overlap(
        s.position[a], s.yaw[a], s.size[a], s.position[b], s.yaw[b], s.size[b]
    ).any()
    driving = (pin.plans.control == Control.REACTIVE) & (s.kind <= AgentKind.MOTORCYCLE)
    assert driving[0]
    assert all(area.contains(shapely.Point(p)) for p in s.position[driving])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_roles_and_routes_are_complete(family: str, seed: int) -> None:
    """Every role has an agent other than the ego, and routes lead along links."""
    roadmap, script, pin = pinned(family, seed)
    count = len(roadmap.lanes)

    assert set(pin.roles) == set(EVENTS[family].roles)
    assert all(0 < i < pin.agents.count for i in pin.roles.values())
    assert float(pin.agents.speed[0]) == pytest.approx(script.ego_speed, abs=1e-4)
    for route in pin.plans.route:
        lanes = [int(k) for k in route if k != NO_LANE]
        for first, then in itertools.pairwise(lanes):
            if first < count:
                assert then in roadmap.lanes[first].successors
            else:
                assert then - count in roadmap.lanes[first - count].predecessors


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_occurs_without_others(family: str) -> None:
    """An ego alone on a road meets no event."""
    scenario = constant_speed_scenario(straight_road(3), cars((20, 3.5, 20)))

    assert not EVENTS[family].occurred(scenario)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_occurs_in_calm_traffic(family: str) -> None:
    """Cars that keep their lanes, speeds and distances meet no event."""
    traffic = cars((20, 3.5, 20), (70, 3.5, 20), (40, 0, 19), (30, 7, 22), (90, 7, 22))

    assert not EVENTS[family].occurred(constant_speed_scenario(straight_road(3), traffic))


@pytest.mark.parametrize("family", FAMILIES)
def test_scripted_events_occur(family: str) -> None:
    """Simulated, at least half of ten pins show the event for the very roles."""
    event = EVENTS[family]
    occurred = [event.occurred(s, s.roles) for s in simulated(family)]

    assert sum(occurred) >= len(SEEDS) / 2, f"{family}: {sum(occurred)} of {len(SEEDS)}"


@pytest.mark.parametrize("family", FAMILIES)
def test_candidates_miss_no_event(family: str) -> None:
    """Whatever the detector finds for the roles, it finds among its candidates."""
    event = EVENTS[family]
    for scenario in simulated(family):
        view = Tracks(scenario=scenario)
        actors = tuple(scenario.roles[name] for name in event.roles)
        margin = event.margin(view, actors, {})

        assert margin.shape == (scenario.steps,)
        assert np.isfinite(margin).all()
        if (margin > 0).any():
            assert actors in event.candidates(view)


@pytest.mark.parametrize("family", FAMILIES)
def test_options_split_the_event(family: str) -> None:
    """With the value of an option that was drawn the event is found as without it."""
    event = EVENTS[family]
    for seed in range(4):
        roadmap, script, _ = pinned(family, seed)
        scenario = simulated(family)[seed]
        if not event.occurred(scenario, scenario.roles):
            continue
        numbers = script.to_json()
        drawn = {o: numbers[o] for o in event.options if o in numbers and o != "first"}

        assert event.occurred(scenario, scenario.roles, drawn) or "course" in drawn
        assert roadmap is scenario.roadmap


@pytest.mark.parametrize("family", FAMILIES)
def test_narrowing_keeps_to_the_wish(family: str) -> None:
    """Draws of a narrowed event lie in the narrowed range."""
    event = EVENTS[family]()
    middle = (event.ego_speed.low + event.ego_speed.high) / 2
    wish = Range(middle, math.inf)
    narrowed = event.narrowed({"ego.speed": wish}, {})

    rng = np.random.default_rng(3)
    assert all(narrowed.draw(rng).ego_speed in wish for _ in range(20))


@pytest.mark.parametrize("family", FAMILIES)
def test_narrowing_may_leave_the_published_range_but_not_physics(family: str) -> None:
    """Outside the defaults but inside the limits a query gets what it asks; beyond, an error."""
    event = EVENTS[family]()
    limit = event.limits["ego_speed"].range
    beyond = Range(event.ego_speed.high + 0.1, limit.high)

    assert event.narrowed({"ego.speed": beyond}, {}).ego_speed == beyond
    with pytest.raises(QueryError, match=r"ego\.speed can be"):
        event.narrowed({"ego.speed": Range(limit.high + 1.0, math.inf)}, {})


@pytest.mark.parametrize("family", FAMILIES)
def test_narrowing_twice_to_different_things_is_refused(family: str) -> None:
    """What one clause fixed another cannot widen."""
    event = EVENTS[family]()
    low, high = event.ego_speed.low, event.ego_speed.high
    slow = event.narrowed({"ego.speed": Range(low, low + 0.1)}, {})

    with pytest.raises(QueryError, match="the query asks for"):
        slow.narrowed({"ego.speed": Range(high - 0.1, high)}, {})


@pytest.mark.parametrize("family", FAMILIES)
def test_options_can_be_chosen_and_wrong_ones_are_refused(family: str) -> None:
    """A chosen value is always drawn; an unknown option or value is an error."""
    event = EVENTS[family]()
    for option, values in event.options.items():
        chosen = event.narrowed({}, {option: values[-1]})
        assert chosen.chosen[option] == values[-1]
        with pytest.raises(QueryError, match="can be"):
            event.narrowed({}, {option: "sideways"})
    with pytest.raises(UnknownNameError):
        event.narrowed({}, {"colour": "red"})
    with pytest.raises(UnknownNameError):
        event.narrowed({"ego.colour": Range(0, 1)}, {})


@pytest.mark.parametrize("family", ["cut_in", "lead_hard_brake", "cut_out_to_stopped"])
@pytest.mark.parametrize("seed", range(5))
def test_pins_leave_room_to_recorded_traffic(family: str, seed: int) -> None:
    """With a log, recorded agents either go or keep their distance to everyone pinned."""
    roadmap = straight_road(3, length=900.0)
    rng = np.random.default_rng(seed)
    rows = [
        (float(x), 3.5 * lane, float(rng.uniform(18, 26)))
        for lane in range(3)
        for x in np.arange(20, 860, 70) + rng.uniform(-12, 12)
    ]
    log = AgentStates.stack([cars(*rows)] * 3)
    event = EVENTS[family]().narrowed({"ego.speed": Range(18.0, 26.0)}, {})
    found = [event.draw(rng).pin(roadmap, rng, log) for _ in range(6)]
    pins = [p for p in found if p is not None]

    assert pins
    assert roadmap.lanes[0].left_marking is LineMarking.DASHED
    for pin in pins:
        kept = np.setdiff1d(np.arange(log.count), pin.replaces)
        a, b = pin.agents, log[0][kept]
        touching = boxes_overlap(
            a.position[:, None],
            a.yaw[:, None],
            a.size[:, None],
            b.position[None],
            b.yaw[None],
            b.size[None],
        )
        assert not touching.any()
        assert len(pin.replaces) <= 4


def test_an_ego_taken_from_the_log_keeps_its_recorded_state() -> None:
    """A recorded vehicle that becomes the ego appears exactly as recorded, and is replaced."""
    roadmap, rng = straight_road(3, length=900.0), np.random.default_rng(0)
    log = AgentStates.stack([cars((150, 3.3, 20.5))] * 3)
    event = EVENTS["lead_hard_brake"]().narrowed({"ego.speed": Range(20.0, 21.0)}, {})
    pin = event.draw(rng).pin(roadmap, rng, log)

    assert pin is not None
    assert pin.replaces == (0,)
    np.testing.assert_array_equal(pin.agents.position[0], log.position[0, 0])
    assert float(pin.agents.speed[0]) == 20.5
