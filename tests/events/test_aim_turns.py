"""Scripts at junctions and beside the road are aimed: the drawn numbers come true."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.events import EVENTS
from scenegen.events.casting import Cast
from scenegen.events.conflict_areas import merges
from scenegen.events.loss_of_control import GRAVITY
from scenegen.events.paths import straight_on
from scenegen.events.profiles import lone_drive
from scenegen.maps import MAP_SOURCES
from scenegen.scene import RoadMap
from scenegen.scene.plans import Ignores
from scenegen.sim import rollout
from tests.builders import composition, straight_road
from tests.events.test_aim import SEEDS, unmoved


def junction(seed: int, source: str = "t_junction") -> RoadMap:
    """A junction."""
    return MAP_SOURCES[source]().draw(np.random.default_rng(seed))


@pytest.mark.parametrize("speed", [4.0, 7.0, 11.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_lone_drive_takes_the_time_foretold(seed: int, speed: float) -> None:
    """The profile agrees with the simulated driver, through every turn, to 0.4 s in 6."""
    roadmap = junction(seed)
    turns = [k for k in roadmap.traffic_lanes if roadmap.lanes[k].turn != 0]
    for k in turns:
        lane = roadmap.lanes[k]
        path = straight_on(roadmap, k, 60.0 + lane.length, back=60.0)
        begin = float(path.starts[path.lanes.index(k)]) - 25.0
        cast = Cast(roadmap)
        cast.drive(path, begin, speed, ignores=Ignores.PRIORITY)
        pin = cast.pinned()
        assert pin is not None
        done = rollout([composition(roadmap, pin.agents, pin.plans)], 12.0)[0]
        there = done.agents.valid[:, 0]
        way = [path.place(*map(float, p))[0] for p in done.agents.position[there, 0]]
        foretold = lone_drive(path, speed, begin)

        for along in (begin + 15.0, begin + 35.0):
            if way[-1] > along:
                took = float(np.interp(along, way, done.times[there]))
                assert foretold.when(along) == pytest.approx(took, abs=0.4)
                assert foretold.where(foretold.when(along)) == pytest.approx(along, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_stop_sign_runner_misses_by_the_drawn_time(seed: int) -> None:
    """A runner who goes first leaves the ego the post-encroachment time that was drawn."""
    event = EVENTS["stop_sign_runner"]().narrowed({}, {"first": "runner"})
    script, view, pin = unmoved(event, junction(seed), seed)
    lead = view.encroachment_lead(pin.roles["r"], 0)

    assert lead == pytest.approx(max(script.to_json()["pet"], 0.0), abs=0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_turn_is_followed_after_the_drawn_gap(seed: int) -> None:
    """Front to front, the ego reaches the merging point the gap after the one that turns."""
    event = EVENTS["right_turn_conflict"]().narrowed({}, {"turns": "other"})
    roadmap = junction(seed)
    script, view, pin = unmoved(event, roadmap, seed)
    ways = list(
        merges(
            roadmap,
            lambda k: roadmap.lanes[k].turn == 0,
            lambda k: roadmap.lanes[k].turn < 0,
            (0.7, 2.4),
        )
    )
    t = pin.roles["t"]
    first, then = view.states.position[0, 0], view.states.position[0, t]
    way = min(
        ways,
        key=lambda w: abs(w.ego.place(*first)[1]) + abs(w.other.place(*then)[1]),
    )
    mine = [way.ego.place(*map(float, p))[0] for p in view.states.position[:, 0]]
    other = [way.other.place(*map(float, p))[0] for p in view.states.position[:, t]]
    arrives = np.interp(way.ego_area[0] - 2.25, mine, view.times)
    came = np.interp(way.other_area[0] - 2.25, other, view.times)

    assert arrives - came == pytest.approx(script.to_json()["gap"], abs=0.35)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_car_backs_into_the_way_at_the_drawn_time(seed: int) -> None:
    """When its tail reaches the ego's strip the drawn time is left until the ego is level."""
    roadmap = MAP_SOURCES["urban"]().draw(np.random.default_rng(seed))
    script, view, pin = unmoved(EVENTS["backing_vehicle"](), roadmap, seed)
    k = pin.roles["k"]
    frame = view.ego_path
    overlap = view.half_lateral(0)[:, k] + 0.925 - np.abs(frame.offset[:, k])
    touch = int(np.argmax(overlap > 0))
    centre = frame.ahead[0, k] - 2.25

    assert touch > 0
    left = centre / script.ego_speed - view.times[touch]
    assert left == pytest.approx(script.to_json()["lead_time"], abs=0.35)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_door_opens_as_drawn(seed: int) -> None:
    """It begins at the drawn time, takes the drawn time and stands out as far as drawn."""
    roadmap = MAP_SOURCES["urban"]().draw(np.random.default_rng(seed))
    script, view, pin = unmoved(EVENTS["door_opening"](), roadmap, seed)
    numbers, d = script.to_json(), pin.roles["d"]
    moving = np.flatnonzero(np.abs(view.yaw_rate[:, d]) > 0.2)
    reach = view.half_lateral(0)[-1, d] * 2.0

    assert view.times[moving[0]] == pytest.approx(numbers["onset"], abs=0.25)
    assert (moving[-1] - moving[0]) * 0.1 == pytest.approx(numbers["duration"], abs=0.25)
    assert reach == pytest.approx(numbers["width"], abs=0.12)
    assert view.distance(pin.roles["k"], d).min() > 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drift_is_at_the_line_at_the_drawn_gap(seed: int) -> None:
    """When the box is at the line of the ego's lane the drawn gap is left."""
    event = EVENTS["lane_drift"]().narrowed({}, {"towards": "ego"})
    script, view, pin = unmoved(event, straight_road(3, length=1000.0), seed)
    d = pin.roles["d"]
    touch = int(np.argmax(view.intrusion(0, d) > 0))

    assert touch > 0
    assert view.gap(0, d)[touch] == pytest.approx(script.to_json()["gap"], abs=0.5)
    assert view.intrusion(0, d).max() == pytest.approx(script.to_json()["depth"], abs=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_a_slide_keeps_to_its_grip(seed: int) -> None:
    """Speed times yaw rate, and braking, stay within grip times gravity; it never backs up."""
    script = EVENTS["loss_of_control"]().draw(np.random.default_rng(seed))
    numbers = script.to_json()
    code = script.knots(1.0)
    lost = np.abs(np.trapezoid(code[:, 0], dx=8.0 / 9.0))

    assert np.abs(code[:, 1]).max() * numbers["speed"] <= numbers["grip"] * GRAVITY + 1e-6
    assert -code[:, 0].min() <= numbers["grip"] * GRAVITY + 1e-6
    assert numbers["speed"] - lost >= 0.0


@pytest.mark.parametrize("yields", ["yes", "no"])
def test_traffic_makes_way_for_a_siren(yields: str) -> None:
    """An ego that yields has left the lane; one that does not is still ahead in it."""
    event = EVENTS["emergency_vehicle"]().narrowed({}, {"yields": yields})
    rng = np.random.default_rng(3)
    roadmap = straight_road(3, length=1500.0)
    pin = None
    while pin is None:
        pin = event.draw(rng).pin(roadmap, rng)
    done = rollout([composition(roadmap, pin.agents, pin.plans, pin.roles)], 10.0)[0]
    moved = np.abs(done.agents.position[-1, 0, 1] - done.agents.position[0, 0, 1])

    assert (moved > 2.0) == (yields == "yes")
