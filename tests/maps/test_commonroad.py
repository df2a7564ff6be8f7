"""Recorded scenes: what a CommonRoad file says is what comes out."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from scenegen.maps import PlanningStart, RecordedScene, read_commonroad
from scenegen.scene import AgentKind, LaneKind, LineMarking, RoadKind, SignalState, locate
from scenegen.scene.roadmap import NO_LANE
from tests.maps.scenes import document, lanelet, obstacle, state, straight, write

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SCENEGEN_DATA", ROOT / "../shared/data"))
FOLDER = DATA / "trajectories/ngsim_commonroad/raw_xml"
FILES = ["USA_Lanker-1_16_T-1", "USA_Peach-3_1_T-1", "USA_US101-1_1_T-1"]


def read(folder: Path, body: str, **options: str) -> RecordedScene:
    """Write a document and read it."""
    return read_commonroad(write(folder, document(body, **options)))


def recorded(name: str) -> RecordedScene:
    """Read a real file, or skip where the data is not there."""
    path = FOLDER / f"{name}.xml"
    if not path.is_file():
        pytest.skip(f"no recorded scenes at {FOLDER}; set SCENEGEN_DATA to the data folder")
    return read_commonroad(path)


def test_bounds_become_centreline_and_width(tmp_path: Path) -> None:
    """The centreline runs midway between the bounds; paint and purpose are kept."""
    scene = read(tmp_path, straight(1, 0, 40, y=2.0))

    (lane,) = scene.roadmap.lanes
    np.testing.assert_allclose(lane.centerline[[0, -1]], [[0, 2], [40, 2]], atol=1e-9)
    np.testing.assert_allclose(lane.width, 3.0)
    assert (lane.left_marking, lane.right_marking) == (LineMarking.SOLID, LineMarking.DASHED)
    assert lane.kind is LaneKind.DRIVING
    assert scene.roadmap.kind is RoadKind.RECORDED
    assert scene.name == "TST_Test-1_1_T-1"


def test_one_sided_links_become_reciprocal(tmp_path: Path) -> None:
    """A link that only one lanelet states holds for both."""
    body = (
        straight(1, 0, 40, extra='<successor ref="2"/>')
        + straight(2, 40, 80)
        + straight(3, 0, 40, y=3.0, extra='<adjacentRight ref="1" drivingDir="same"/>')
        + straight(4, 0, 40, y=6.0, extra='<adjacentRight ref="3" drivingDir="opposite"/>')
    )

    lanes = read(tmp_path, body).roadmap.lanes

    assert (lanes[0].successors, lanes[1].predecessors) == ((1,), (0,))
    assert (lanes[0].left, lanes[2].right) == (2, 0)
    assert (lanes[2].left, lanes[3].right) == (NO_LANE, NO_LANE)


def test_lanelets_of_equal_shape_become_one_lane(tmp_path: Path) -> None:
    """Duplicates are merged, and links to either of them hold."""
    body = (
        straight(1, 0, 40, extra='<successor ref="3"/>') + straight(2, 40, 80) + straight(3, 40, 80)
    )

    lanes = read(tmp_path, body).roadmap.lanes

    assert len(lanes) == 2
    assert lanes[0].successors == (1,)


def test_far_coordinates_are_moved_to_the_origin(tmp_path: Path) -> None:
    """UTM coordinates keep their precision: the map moves, and says by how much."""
    x, y = 691_000.0, 5_334_000.0
    left, right = ([(x, y + h), (x + 40, y + h)] for h in (1.5, -1.5))
    scene = read(tmp_path, lanelet(1, left, right) + obstacle(9, state("initialState", 0, x, y)))

    origin = np.array([scene.roadmap.source["origin_x"], scene.roadmap.source["origin_y"]])
    np.testing.assert_allclose(scene.roadmap.lanes[0].centerline[0] + origin, [x, y], atol=1e-6)
    np.testing.assert_allclose(scene.log.position[0, 0] + origin, [x, y], atol=1e-4)


@pytest.mark.parametrize(
    ("extra", "tags", "limit"),
    [
        ('<trafficSignRef ref="50"/>', "<highway/>", 7.5),
        ("<speedLimit>9.0</speedLimit>", "<highway/>", 9.0),
        ("", "<highway/>", 120 / 3.6),
        ("", "", 50 / 3.6),
    ],
)
def test_speed_limit_comes_from_sign_then_tags_then_type(
    tmp_path: Path, extra: str, tags: str, limit: float
) -> None:
    """The nearest source of a speed limit wins."""
    sign = (
        '<trafficSign id="50"><trafficSignElement><trafficSignID>274</trafficSignID>'
        "<additionalValue>7.5</additionalValue></trafficSignElement></trafficSign>"
    )

    scene = read(tmp_path, straight(1, 0, 40, extra=extra) + sign, tags=tags)

    assert scene.roadmap.lanes[0].speed_limit == pytest.approx(limit)


def test_crossing_lanes_are_in_a_junction(tmp_path: Path) -> None:
    """Lanes whose centrelines cross are in a junction, others are not."""
    crossing = lanelet(2, [(18.5, -20), (18.5, 20)], [(21.5, -20), (21.5, 20)])

    lanes = read(tmp_path, straight(1, 0, 40) + crossing + straight(3, 0, 40, y=30)).roadmap.lanes

    assert [lane.in_junction for lane in lanes] == [True, True, False]


def test_lane_behind_a_yield_sign_gives_way(tmp_path: Path) -> None:
    """The lane entered behind the sign yields, the one before it does not."""
    refs = '<successor ref="2"/><trafficSignRef ref="50"/>'
    sign = (
        '<trafficSign id="50"><trafficSignElement><trafficSignID>R1-2</trafficSignID>'
        "</trafficSignElement></trafficSign>"
    )

    lanes = read(tmp_path, straight(1, 0, 40, extra=refs) + straight(2, 40, 80) + sign)

    assert [lane.yields for lane in lanes.roadmap.lanes] == [False, True]


def light(cycle: str, extra: str = "") -> str:
    """Write a lane under a light, the lane behind it, and the light."""
    refs = '<successor ref="2"/><trafficLightRef ref="60"/>'
    return (
        straight(1, 0, 40, extra=refs)
        + straight(2, 40, 80)
        + f'<trafficLight id="60"><cycle>{cycle}</cycle>{extra}</trafficLight>'
    )


def phase(duration: int, color: str) -> str:
    """Write one phase of a light."""
    return f"<cycleElement><duration>{duration}</duration><color>{color}</color></cycleElement>"


@pytest.mark.parametrize("offset", [0, 30, 170])
def test_light_shows_what_its_cycle_says(tmp_path: Path, offset: int) -> None:
    """At every time step the signal shows the colour of the document's own rule."""
    phases = [(50, "red"), (20, "redYellow"), (100, "green"), (30, "yellow")]
    cycle = "".join(phase(*p) for p in phases) + f"<timeOffset>{offset}</timeOffset>"

    (signal,) = read(tmp_path, light(cycle)).roadmap.signals

    colors = np.repeat([3, 3, 1, 2], [50, 20, 100, 30])
    for step in range(0, 400, 7):
        assert signal.state((step + 0.5) * 0.1) == colors[(step - offset) % 200]
    assert signal.lanes == (1,)
    np.testing.assert_allclose(signal.stop_line, [[40, 1.5], [40, -1.5]], atol=1e-9)


def test_light_of_one_colour_shows_it_always(tmp_path: Path) -> None:
    """A light that never changes has no cycle to run."""
    (signal,) = read(tmp_path, light(phase(100, "red"))).roadmap.signals

    assert {signal.state(t) for t in np.arange(0, 30, 0.5)} == {SignalState.RED}


def test_light_that_is_out_is_no_signal(tmp_path: Path) -> None:
    """Inactive lights govern nothing."""
    scene = read(tmp_path, light(phase(100, "red"), "<active>false</active>"))

    assert scene.roadmap.signals == ()


def test_states_are_resampled_to_ten_hertz(tmp_path: Path) -> None:
    """A recording at 25 Hz comes out at 10 Hz, on the same straight line."""
    states = state("initialState", 0, 0, 0) + "".join(
        state("state", k, 0.4 * k, 0) for k in range(1, 26)
    )

    log = read(tmp_path, straight(1, 0, 40) + obstacle(7, states), step="0.04").log

    assert log.valid.shape == (11, 1)
    np.testing.assert_allclose(log.position[:, 0, 0], np.arange(11), atol=1e-5)
    np.testing.assert_allclose(log.speed[:, 0], 10.0)


def test_agents_are_valid_while_recorded(tmp_path: Path) -> None:
    """An obstacle that comes late is empty before, and one that leaves is empty after."""
    late = state("initialState", 5, 0, 0) + state("state", 6, 1, 0)
    early = state("initialState", 0, 0, 0) + state("state", 2, 2, 0)

    log = read(tmp_path, straight(1, 0, 40) + obstacle(7, late) + obstacle(8, early)).log

    np.testing.assert_array_equal(log.valid[:, 0], [0, 0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(log.valid[:, 1], [1, 1, 1, 0, 0, 0, 0])
    assert not log.position[~log.valid].any()


def test_heading_is_interpolated_the_short_way(tmp_path: Path) -> None:
    """Between 179 and -179 degrees lies 180, not 0."""
    yaw = float(np.radians(179))
    states = state("initialState", 0, 0, 0, yaw) + state("state", 2, 1, 0, -yaw)

    log = read(tmp_path, straight(1, 0, 40) + obstacle(7, states)).log

    assert abs(float(log.yaw[1, 0])) == pytest.approx(np.pi, abs=1e-5)


def test_missing_velocity_is_derived(tmp_path: Path) -> None:
    """Speeds that are not recorded follow from the positions."""
    states = state("initialState", 0, 0, 0, speed=None) + "".join(
        state("state", k, 0.5 * k, 0, speed=None) for k in range(1, 6)
    )

    log = read(tmp_path, straight(1, 0, 40) + obstacle(7, states)).log

    np.testing.assert_allclose(log.speed[:, 0], 5.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("truck", AgentKind.TRUCK),
        ("bicycle", AgentKind.CYCLIST),
        ("pedestrian", AgentKind.PEDESTRIAN),
        ("parkedVehicle", AgentKind.CAR),
    ],
)
def test_obstacle_types_become_kinds(tmp_path: Path, name: str, kind: AgentKind) -> None:
    """Types map to kinds; the box keeps its measured sides."""
    log = read(tmp_path, straight(1, 0, 40) + obstacle(7, state("initialState", 0, 3, 0), name)).log

    assert log.kind[0, 0] == kind
    np.testing.assert_allclose(log.size[0, 0, :2], [4.5, 1.8], rtol=1e-6)


def test_static_obstacles_stand_throughout(tmp_path: Path) -> None:
    """A static obstacle of either version is there at every instant, at rest."""
    box = "<shape><circle><radius>0.5</radius></circle></shape>"
    still = state("initialState", 0, 9, 0, speed=None)
    body = (
        straight(1, 0, 40)
        + obstacle(7, state("initialState", 0, 0, 0) + state("state", 3, 3, 0))
        + f'<staticObstacle id="8"><type>pillar</type>{box}{still}</staticObstacle>'
        + f'<obstacle id="9"><role>static</role><type>unknown</type>{box}{still}</obstacle>'
    )

    log = read(tmp_path, body, version="2018b").log

    assert log.valid.all()
    assert (log.kind[:, 1:] == AgentKind.STATIC).all()
    assert not log.speed[:, 1:].any()


def test_intervals_stand_for_their_middle(tmp_path: Path) -> None:
    """An uncertain speed is read as the middle of its interval."""
    sure = state("initialState", 0, 0, 0)
    unsure = sure.replace(
        "<exact>10.0</exact>", "<intervalStart>8</intervalStart><intervalEnd>9</intervalEnd>"
    )

    log = read(tmp_path, straight(1, 0, 40) + obstacle(7, unsure)).log

    assert float(log.speed[0, 0]) == 8.5


def test_planning_problems_become_starts(tmp_path: Path) -> None:
    """The initial state of a planning problem is a start for an ego vehicle."""
    problem = (
        f'<planningProblem id="5">{state("initialState", 0, 3, 1, 0.5, 7.0)}</planningProblem>'
    )

    scene = read(tmp_path, straight(1, 0, 40) + problem)

    assert scene.starts == (PlanningStart(position=(3.0, 1.0), yaw=0.5, speed=7.0),)


def test_digest_is_that_of_the_file(tmp_path: Path) -> None:
    """The digest names the very bytes that were read, in the map's source, too."""
    path = write(tmp_path, document(straight(1, 0, 40)))

    scene = read_commonroad(path)

    assert scene.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert scene.roadmap.source["digest"] == scene.digest


@pytest.mark.parametrize(
    ("name", "steps", "agents", "signals"),
    [(FILES[0], 11, 35, 6), (FILES[1], 51, 5, 0), (FILES[2], 61, 2, 0)],
)
def test_real_scene_is_complete(name: str, steps: int, agents: int, signals: int) -> None:
    """Everything in the file is there: agents, instants, lights, one start."""
    scene = recorded(name)

    assert scene.log.valid.shape == (steps, agents)
    assert len(scene.roadmap.signals) == signals
    assert len(scene.starts) == 1
    assert scene.name == name


@pytest.mark.parametrize("name", FILES)
def test_real_traffic_drives_on_the_lanes(name: str) -> None:
    """Recorded vehicles are on a lane and follow its direction; their speed is their motion."""
    scene = recorded(name)
    log = scene.log
    place = locate(scene.roadmap, log.position, log.yaw)

    on_lane = (place.lane >= 0) & (np.abs(place.offset) < 2.5) & (np.abs(place.heading_error) < 0.6)
    assert on_lane[log.valid].mean() > 0.95
    moved = np.hypot(*np.diff(log.position, axis=0).T) / 0.1
    both = (log.valid[1:] & log.valid[:-1]).T
    assert np.abs(moved - np.abs(log.speed[1:]).T)[both].max() < 3.0


@pytest.mark.parametrize("name", FILES)
def test_real_lanes_are_linked_and_meet(name: str) -> None:
    """Links are reciprocal, and a lane begins where its predecessor ends."""
    lanes = recorded(name).roadmap.lanes

    for k, lane in enumerate(lanes):
        for then in lane.successors:
            assert k in lanes[then].predecessors
            assert np.hypot(*(lane.centerline[-1] - lanes[then].centerline[0])) < 0.5
        assert lane.left == NO_LANE or lanes[lane.left].right == k
