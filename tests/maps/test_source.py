"""Ranges and drafts: what a family of roads is built from."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.errors import MapError
from scenegen.maps import MAP_SOURCES, Range
from scenegen.maps.draft import MapDraft
from scenegen.maps.source import check_share, check_speeds
from scenegen.scene import Lane, LaneKind, RoadKind


def lane(*points: tuple[float, float], width: float = 3.5) -> Lane:
    """Build a lane through some points."""
    return Lane(centerline=np.array(points, float), width=np.full(len(points), width))


@pytest.mark.parametrize("seed", range(20))
def test_draws_stay_within_their_range(seed: int) -> None:
    """Numbers come from the closed interval, whole numbers too."""
    rng = np.random.default_rng(seed)

    assert 2.5 <= Range(low=2.5, high=4.5).draw(rng) <= 4.5
    assert Range(low=2.5, high=4.5).draw_integer(rng) in {3, 4}


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_empty_or_infinite_range_is_refused(low: float, high: float) -> None:
    """A range is a finite interval."""
    with pytest.raises(MapError, match="expected finite low <= high"):
        Range(low=low, high=high)


def test_range_without_a_whole_number_is_refused() -> None:
    """A count cannot be drawn from between two whole numbers."""
    with pytest.raises(MapError, match="lanes: expected a whole number in"):
        Range(low=2.2, high=2.8).check_count("lanes", 1, 4)


def test_shares_and_speeds_are_checked() -> None:
    """A share is from 0 to 1, and there is a speed limit to choose."""
    with pytest.raises(MapError, match="expected a share"):
        check_share("crosswalk_share", 1.5)
    with pytest.raises(MapError, match="one or more limits"):
        check_speeds("speed_limits", ())


@pytest.mark.parametrize("lanes", [2, 3, 4])
def test_a_narrowed_range_is_obeyed(lanes: int) -> None:
    """Who asks for a number of lanes gets it."""
    source = MAP_SOURCES["highway"](lanes=Range(low=lanes, high=lanes))  # type: ignore[call-arg]

    roadmap = source.draw(np.random.default_rng(3))

    assert roadmap.source["lanes"] == lanes


def test_draw_takes_one_number_from_the_generator() -> None:
    """What is drawn after a map does not depend on how the map was made."""
    after = set()
    for source in MAP_SOURCES.values():
        rng = np.random.default_rng(5)
        source().draw(rng)
        after.add(float(rng.random()))

    assert len(after) == 1


def test_holes_are_paved_up_to_their_area() -> None:
    """A small hole in the carriageway is closed, an island stays."""
    draft = MapDraft()
    for x, y, length in ((0.0, 0.0, 40.0), (0.0, 5.5, 40.0)):
        draft.add(lane((x, y), (x + length, y)))
    for x in (1.75, 5.75, 20.0, 38.25):
        draft.add(lane((x, 0.0), (x, 5.5)))
    draft.pave_holes(10.0)

    area = draft.build("test", RoadKind.URBAN, {}).drivable_area

    assert len(area.interiors) == 2
    assert all(lane.kind is LaneKind.SHOULDER for lane in draft.lanes[6:])


def test_crossing_names_the_lanes_it_crosses() -> None:
    """Lanes under the crossing are listed, others are not."""
    draft = MapDraft()
    under = draft.add(lane((0.0, 0.0), (50.0, 0.0)))
    draft.add(lane((60.0, 0.0), (90.0, 0.0)))
    draft.crossing(np.array([[20.0, -1.75], [20.0, 1.75]]), 4.0, 1.0)

    assert draft.crossings[0].lanes == (under,)
    assert draft.lanes[-1].kind is LaneKind.CROSSWALK
    assert draft.lanes[-1].length == pytest.approx(5.5)
