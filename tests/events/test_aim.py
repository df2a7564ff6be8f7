"""Scripts are aimed: with an ego that does not react, the drawn numbers come true."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.events import EVENTS, Event, Pinned, Script, Tracks
from scenegen.maps import MAP_SOURCES
from scenegen.scene import Control, RoadMap
from scenegen.sim import rollout, to_scenario
from tests.builders import composition, straight_road
from tests.events.stories import two_way_road

SEEDS = range(4)


def unmoved(event: Event, roadmap: RoadMap, seed: int) -> tuple[Script, Tracks, Pinned]:
    """Pin a script and simulate it with an ego that keeps its speed and direction."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        script = event.draw(rng)
        pin = script.pin(roadmap, rng)
        if pin is None:
            continue
        pin.plans.control[0] = Control.EXTERNAL
        start = composition(roadmap, pin.agents, pin.plans, pin.roles)
        scenario = to_scenario(start, rollout([start], 8.0)[0])
        return script, Tracks(scenario=scenario), pin
    raise AssertionError(f"{event.name}, seed {seed}: nothing could be pinned in 60 attempts")


@pytest.mark.parametrize("seed", SEEDS)
def test_cut_in_reaches_the_marking_at_the_drawn_ttc(seed: int) -> None:
    """When the box touches the marking, gap over closing speed is the time to collision drawn."""
    script, view, pin = unmoved(EVENTS["cut_in"](), straight_road(3, length=1000.0), seed)
    c = pin.roles["c"]
    touch = int(np.argmax(view.intrusion(0, c) > 0))
    ttc = view.gap(0, c)[touch] / view.closing(0, c)[touch]

    assert touch > 0
    assert ttc == pytest.approx(script.to_json()["ttc"], abs=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_lead_brakes_as_drawn_at_the_drawn_gap(seed: int) -> None:
    """Gap before, deceleration while braking, time of onset."""
    event = EVENTS["lead_hard_brake"]()
    script, view, pin = unmoved(event, straight_road(3, length=1000.0), seed)
    numbers, lead = script.to_json(), pin.roles["l"]
    begins = round(numbers["onset"] / 0.1)
    during = view.acceleration[begins + 3 : begins + 6, lead]

    np.testing.assert_allclose(view.gap(0, lead)[:begins], numbers["gap"], atol=0.05)
    np.testing.assert_allclose(during, numbers["lead_acceleration"], atol=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_leader_gets_past_what_it_reveals(seed: int) -> None:
    """The leader moves out at the drawn distance and touches nothing."""
    event = EVENTS["cut_out_to_stopped"]()
    script, view, pin = unmoved(event, straight_road(3, length=1000.0), seed)
    lead, target = pin.roles["l"], pin.roles["o"]
    leaves = int(np.argmax(np.abs(view.ego_path.offset[:, lead]) > 0.002))

    assert view.distance(lead, target).min() > 0.05
    assert view.distance(lead, target)[leaves] == pytest.approx(
        script.to_json()["front_distance"], abs=0.3 * script.ego_speed
    )


@pytest.mark.parametrize("family", ["jaywalker", "occluded_pedestrian"])
@pytest.mark.parametrize("seed", SEEDS)
def test_pedestrian_is_hit_at_the_drawn_point(family: str, seed: int) -> None:
    """When the ego's front reaches the person, they have crossed the drawn share of its width."""
    script, view, pin = unmoved(EVENTS[family](), two_way_road(), seed)
    numbers, person = script.to_json(), pin.roles["p"]
    side = 1.0 if numbers.get("side") == "far" else -1.0
    front = view.ego_path.ahead[:, person] - 2.25
    # The collision stops them, so carry their walk on to the moment of arrival.
    meet = int(np.argmax(front < script.ego_speed * 0.3))
    rest = front[meet] / script.ego_speed
    lateral = view.ego_path.offset[meet, person] - side * rest * numbers["walking_speed"]

    share = (side * 0.925 - lateral) / (side * 1.85)
    assert share == pytest.approx(numbers["hit_point"], abs=0.13)


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_way_driver_leaves_the_lane_at_the_drawn_ttc(seed: int) -> None:
    """Those who return are clear of the ego's course when the drawn time is left."""
    event = EVENTS["wrong_way_driver"]().narrowed({}, {"course": "returns"})
    script, view, pin = unmoved(event, two_way_road(), seed)
    w = pin.roles["w"]
    clear = int(np.argmax(np.abs(view.ego_path.offset[:, w]) > 1.85 + 0.4))
    ttc = view.gap(0, w)[clear] / view.closing(0, w)[clear]

    assert clear > 0
    assert ttc == pytest.approx(script.to_json()["ttc"], abs=0.35)


@pytest.mark.parametrize("seed", SEEDS)
def test_red_light_runner_misses_by_the_drawn_time(seed: int) -> None:
    """A runner who goes first leaves the ego the post-encroachment time that was drawn."""
    roadmap = MAP_SOURCES["four_way"]().draw(np.random.default_rng(seed))
    event = EVENTS["red_light_runner"]().narrowed({}, {"first": "runner"})
    script, view, pin = unmoved(event, roadmap, seed)
    lead = view.encroachment_lead(pin.roles["r"], 0)

    assert lead == pytest.approx(max(script.to_json()["pet"], 0.0), abs=0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_red_light_runner_never_comes_before_its_time(seed: int) -> None:
    """A runner who goes second comes as drawn or, if it brakes for the ego, later."""
    roadmap = MAP_SOURCES["four_way"]().draw(np.random.default_rng(seed))
    event = EVENTS["red_light_runner"]().narrowed({}, {"first": "ego"})
    script, view, pin = unmoved(event, roadmap, seed)
    lead = view.encroachment_lead(0, pin.roles["r"])

    assert lead >= max(script.to_json()["pet"], 0.0) - 0.3
