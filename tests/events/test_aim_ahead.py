"""Scripts of what the ego comes up on are aimed: the drawn numbers come true."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.events import EVENTS
from scenegen.maps import MAP_SOURCES
from tests.builders import straight_road
from tests.events.stories import two_way_road
from tests.events.test_aim import SEEDS, unmoved


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", ["slower_lead", "along_road"])
def test_the_approach_begins_at_the_drawn_ttc(family: str, seed: int) -> None:
    """Gap over closing speed at the first instant is the time to collision drawn."""
    script, view, pin = unmoved(EVENTS[family](), two_way_road(), seed)
    (other,) = pin.roles.values()
    ttc = view.gap(0, other)[0] / view.closing(0, other)[0]

    assert ttc == pytest.approx(script.to_json()["ttc"], abs=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_debris_lies_at_the_drawn_distance(seed: int) -> None:
    """The distance holds up to how far its corners stand out."""
    script, view, pin = unmoved(EVENTS["debris"](), straight_road(3, length=1000.0), seed)
    numbers = script.to_json()

    gap = view.gap(0, pin.roles["o"])[0]
    assert gap == pytest.approx(numbers["distance"], abs=0.25 * numbers["width"])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_merge_touches_the_marking_at_the_drawn_headway(seed: int) -> None:
    """When the box touches the marking, gap over the ego's speed is the headway drawn."""
    roadmap = MAP_SOURCES["highway"]().draw(np.random.default_rng(seed))
    script, view, pin = unmoved(EVENTS["merge_conflict"](), roadmap, seed)
    m = pin.roles["m"]
    touch = int(np.argmax(view.intrusion(0, m) > 0))

    assert touch > 0
    assert view.gap(0, m)[touch] / script.ego_speed == pytest.approx(
        script.to_json()["headway"], abs=0.1
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_parked_car_sets_off_as_drawn(seed: int) -> None:
    """It stands until the drawn time after the begin, then speeds up as drawn."""
    roadmap = MAP_SOURCES["urban"]().draw(np.random.default_rng(seed))
    script, view, pin = unmoved(EVENTS["parked_car_pulls_out"](), roadmap, seed)
    numbers, k = script.to_json(), pin.roles["k"]
    begins = round(numbers["onset"] / 0.1)

    assert view.states.speed[: begins - 1, k].max(initial=0.0) == 0.0
    during = view.acceleration[begins + 3 : begins + 8, k]
    np.testing.assert_allclose(during, numbers["pull_out"], atol=0.1)
