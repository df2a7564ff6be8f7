"""What every procedural family of road maps promises."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
import shapely

from scenegen.arrays import FloatArray
from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.maps import MAP_SOURCES, Range
from scenegen.maps.paths import least_radius
from scenegen.scene import Lane, LaneKind, RoadKind, RoadMap, SignalState
from scenegen.scene.roadmap import NO_LANE

SEEDS = range(20)
EVERY = pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name in MAP_SOURCES for seed in SEEDS]
)


@cache
def drawn(name: str, seed: int) -> RoadMap:
    """Draw one map, once for all tests."""
    return MAP_SOURCES[name]().draw(np.random.default_rng(seed))


def traffic(roadmap: RoadMap) -> list[Lane]:
    """Lanes that carry traffic."""
    return [roadmap.lanes[k] for k in roadmap.traffic_lanes]


def heading(lane: Lane, end: int) -> float:
    """Direction of the first (0) or last (-1) step of a lane [rad]."""
    step = np.diff(lane.centerline, axis=0)[end]
    return float(np.arctan2(step[1], step[0]))


def arrays(roadmap: RoadMap) -> bytes:
    """All numbers of the lanes, as bytes."""
    return b"".join(x.tobytes() for lane in roadmap.lanes for x in (lane.centerline, lane.width))


def leaves(roadmap: RoadMap, lane: Lane, end: int, beyond: float) -> bool:
    """Whether the road stops at the end (-1) or begin (0) of a lane."""
    direction = np.array([np.cos(heading(lane, end)), np.sin(heading(lane, end))])
    place = shapely.Point(lane.centerline[end] + beyond * direction)
    return not roadmap.drivable_area.covers(place)


@EVERY
def test_links_are_reciprocal(name: str, seed: int) -> None:
    """Every link is there from the other side, too, and only between lanes with traffic."""
    lanes = drawn(name, seed).lanes

    for k, lane in enumerate(lanes):
        linked = {*lane.successors, *lane.predecessors, lane.left, lane.right} - {NO_LANE}
        assert lane.kind.carries_traffic or not linked
        assert all(k in lanes[then].predecessors for then in lane.successors)
        assert all(k in lanes[first].successors for first in lane.predecessors)
        assert lane.left == NO_LANE or lanes[lane.left].right == k
        assert lane.right == NO_LANE or lanes[lane.right].left == k


@EVERY
def test_lanes_run_smoothly_into_each_other(name: str, seed: int) -> None:
    """A successor begins where its predecessor ends, in the same direction and width."""
    lanes = drawn(name, seed).lanes

    for lane in lanes:
        for then in (lanes[k] for k in lane.successors):
            assert np.abs(lane.centerline[-1] - then.centerline[0]).max() < 1e-3
            assert abs(wrap_angle(np.array(heading(then, 0) - heading(lane, -1)))) < np.radians(2)
            assert abs(lane.width[-1] - then.width[0]) < 1e-6


@EVERY
def test_neighbours_lie_side_by_side(name: str, seed: int) -> None:
    """A left neighbour lies to the left at the distance of both half widths, as long as it."""
    lanes = drawn(name, seed).lanes

    for lane in lanes:
        if lane.left != NO_LANE:
            other = lanes[lane.left]
            _, offset = polylines.project(lane.centerline, other.centerline[[0, -1]])
            wanted = (lane.width[[0, -1]] + other.width[[0, -1]]) / 2
            np.testing.assert_allclose(offset, wanted, atol=0.05)


@EVERY
def test_cars_can_follow_every_lane(name: str, seed: int) -> None:
    """Curves have a radius of 6 m or more, and their points are close enough to see it."""
    for lane in traffic(drawn(name, seed)):
        assert least_radius(lane.centerline) > 6.0
        steps = np.hypot(*np.diff(lane.centerline, axis=0).T)
        straight = np.ptp(np.unwrap(np.arctan2(*np.diff(lane.centerline, axis=0).T[::-1]))) < 1e-9
        assert steps.max() <= (5.0 if straight else 4.1)


@EVERY
def test_widths_and_limits_are_plausible(name: str, seed: int) -> None:
    """Lanes are 2.5 to 5 m wide; limits lie between walking pace and 130 km/h."""
    for lane in traffic(drawn(name, seed)):
        assert 2.5 <= lane.width.min() <= lane.width.max() <= 5.0
        assert 4.0 <= lane.speed_limit <= 130 / 3.6 + 1e-9


@EVERY
def test_lane_outlines_do_not_cross_themselves(name: str, seed: int) -> None:
    """The outline of a lane encloses what its length and width say."""
    for lane in drawn(name, seed).lanes:
        polygon = shapely.Polygon(lane.polygon)
        steps = np.hypot(*np.diff(lane.centerline, axis=0).T)
        swept = float((steps * (lane.width[:-1] + lane.width[1:]) / 2).sum())

        assert polygon.is_valid or not lane.kind.carries_traffic
        assert polygon.buffer(0).area == pytest.approx(swept, rel=0.02, abs=0.1)


@EVERY
def test_drivable_area_holds_all_traffic_and_has_no_gaps(name: str, seed: int) -> None:
    """Centrelines lie on the road, its parts are roads and its holes are islands."""
    roadmap = drawn(name, seed)
    area = roadmap.drivable_area
    parts = area.geoms if hasattr(area, "geoms") else (area,)
    arms = sum(lane.yields for lane in traffic(roadmap))
    islands = 1 + arms if roadmap.kind is RoadKind.ROUNDABOUT else 0

    ground = area.buffer(0.05)
    assert all(ground.covers(shapely.LineString(x.centerline)) for x in traffic(roadmap))
    assert min(part.area for part in parts) > 500.0
    assert sum(len(part.interiors) for part in parts) == islands


@EVERY
def test_sidewalks_keep_off_the_road(name: str, seed: int) -> None:
    """People on a sidewalk are not on the carriageway."""
    roadmap = drawn(name, seed)
    shared = roadmap.area(LaneKind.SIDEWALK).intersection(roadmap.drivable_area.buffer(-0.1))

    assert shared.area < 1.0


@EVERY
def test_every_lane_leads_to_an_end_of_the_map(name: str, seed: int) -> None:
    """Following and changing lanes, everyone gets out; and every lane can be got to."""
    roadmap = drawn(name, seed)
    lanes = roadmap.lanes
    ahead = {k: {*x.successors, x.left, x.right} - {NO_LANE} for k, x in enumerate(lanes)}
    behind = {k: {*x.predecessors, x.left, x.right} - {NO_LANE} for k, x in enumerate(lanes)}

    for links, end, beyond in ((ahead, -1, 1.0), (behind, 0, -1.0)):
        gates = {k for k in roadmap.traffic_lanes if leaves(roadmap, lanes[k], end, beyond)}
        for start in roadmap.traffic_lanes:
            seen, queue = {start}, [start]
            while queue:
                fresh = links[queue.pop()] - seen
                seen |= fresh
                queue += fresh
            assert seen & gates


@EVERY
def test_routes_follow_the_links(name: str, seed: int) -> None:
    """A route goes on from lane to successor until it is long enough or the map ends."""
    roadmap = drawn(name, seed)

    for start in roadmap.traffic_lanes:
        routes = list(roadmap.routes(start, 150.0))
        assert routes
        for route in routes:
            pairs = pairwise(route)
            assert all(then in roadmap.lanes[first].successors for first, then in pairs)
            covered = sum(roadmap.lanes[k].length for k in route)
            assert covered >= 150.0 or set(roadmap.lanes[route[-1]].successors) <= set(route)


@EVERY
def test_conflicting_straight_flows_never_go_together(name: str, seed: int) -> None:
    """Straight lanes that cross are never green or yellow at one time; all get green."""
    roadmap = drawn(name, seed)
    straight = [
        (signal, shapely.LineString(roadmap.lanes[k].centerline))
        for signal in roadmap.signals
        for k in signal.lanes
        if roadmap.lanes[k].turn == 0
    ]
    conflicts = {
        (id(a), id(b)): (a, b) for (a, x), (b, y) in combinations(straight, 2) if x.crosses(y)
    }

    for time in np.arange(0.0, max((s.cycle for s in roadmap.signals), default=0.0), 0.25):
        for a, b in conflicts.values():
            assert SignalState.RED in {a.state(time), b.state(time)}
    for signal in roadmap.signals:
        states = {signal.state(t) for t in np.arange(0.0, signal.cycle, 0.25)}
        assert states == {SignalState.GREEN, SignalState.YELLOW, SignalState.RED}
        ends = [roadmap.lanes[k].centerline[0] for k in signal.lanes]
        assert max(abs(polylines.project(signal.stop_line, p)[1]) for p in ends) < 1e-6


@EVERY
def test_crossings_span_the_carriageway(name: str, seed: int) -> None:
    """A crossing runs from kerb to kerb over the lanes it names, and has a crosswalk lane."""
    roadmap = drawn(name, seed)
    walks = [lane for lane in roadmap.lanes if lane.kind is LaneKind.CROSSWALK]

    assert len(walks) == len(roadmap.crossings)
    for crossing in roadmap.crossings:
        path = shapely.LineString(crossing.path)
        over = shapely.union_all(
            [shapely.Polygon(roadmap.lanes[k].polygon) for k in crossing.lanes]
        )
        assert path.difference(over.buffer(0.3)).length < 1e-6
        assert shapely.Polygon(crossing.outline).exterior.is_ccw


@EVERY
def test_same_state_same_map(name: str, seed: int) -> None:
    """A draw depends on the generator alone, to the bit."""
    again = MAP_SOURCES[name]().draw(np.random.default_rng(seed))

    assert arrays(again) == arrays(drawn(name, seed))
    assert again.source == drawn(name, seed).source


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_different_draws_can_be_told_apart(name: str) -> None:
    """Different seeds give different roads and different sources, of JSON scalars."""
    maps = [drawn(name, seed) for seed in SEEDS]

    assert len({arrays(roadmap) for roadmap in maps}) == len(maps)
    assert len({str(sorted(roadmap.source.items())) for roadmap in maps}) == len(maps)
    assert len({roadmap.name for roadmap in maps}) == len(maps)
    for roadmap in maps:
        assert roadmap.source["source"] == name
        assert all(type(value) in {str, int, float} for value in roadmap.source.values())


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_a_family_says_what_it_is(name: str) -> None:
    """The registry's key is the family's name, and its maps are of its kind."""
    source = MAP_SOURCES[name]

    assert source.name == name
    assert drawn(name, 0).kind is source.kind


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_a_road_that_cannot_be_built_is_refused(name: str) -> None:
    """A range outside of what can be built is one sentence, not a broken map."""
    with pytest.raises(MapError, match="width: expected a range within"):
        MAP_SOURCES[name](width=Range(low=0.1, high=30.0))  # type: ignore[call-arg]


@pytest.mark.parametrize("seed", SEEDS)
def test_highway_has_room_for_ten_seconds_at_thirty(seed: int) -> None:
    """From the middle of the road there are 300 m ahead, and the whole has 900 m or more."""
    roadmap = drawn("highway", seed)
    through = [k for k in roadmap.traffic_lanes if not roadmap.lanes[k].predecessors]
    lengths = [
        sum(roadmap.lanes[k].length for k in route)
        for start in through
        if roadmap.lanes[start].kind is LaneKind.DRIVING
        for route in roadmap.routes(start, 1e9)
    ]

    assert min(lengths) > 880.0


def bearing(point: FloatArray) -> float:
    """Direction of a place from the middle of the junction [rad]."""
    return float(np.arctan2(point[1], point[0]))


@pytest.mark.parametrize("name", ["four_way", "t_junction", "roundabout"])
def test_junctions_offer_all_turns(name: str) -> None:
    """From every arm all other arms can be reached."""
    for seed in SEEDS:
        roadmap = drawn(name, seed)
        entries = [
            k
            for k in roadmap.traffic_lanes
            if not roadmap.lanes[k].predecessors and not roadmap.lanes[k].in_junction
        ]
        exits = {k for k in roadmap.traffic_lanes if not roadmap.lanes[k].successors}
        angles = np.array([bearing(roadmap.lanes[k].centerline[0]) for k in entries])

        def side(point: FloatArray, angles: FloatArray = angles) -> int:
            away = np.abs(wrap_angle(angles - bearing(point)))
            return int(np.flatnonzero(away < 0.3)[0])

        arms = {"four_way": 4, "t_junction": 3}.get(name, int(roadmap.source.get("arms", 0)))
        reached: dict[int, set[int]] = {}
        for entry in entries:
            ends = {route[-1] for route in roadmap.routes(entry, 1e9)} & exits
            directions = {side(roadmap.lanes[k].centerline[-1]) for k in ends}
            reached.setdefault(side(roadmap.lanes[entry].centerline[0]), set()).update(directions)

        assert len(reached) == arms
        for here, others in reached.items():
            assert set(reached) - {here} <= others
