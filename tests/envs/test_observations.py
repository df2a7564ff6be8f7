"""What the observations say, against slow and obvious computations of the same."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from scenegen.geometry.transforms import to_local
from scenegen.scene import AgentKind, AgentStates, RoadMap, Signal, SignalState
from scenegen_envs import bev, compact
from scenegen_envs.rare_event import RareEventEnv
from scenegen_envs.roads import CELL, EDGE, NEAREST, TICK, _grid, _road_points, road_tables
from tests.builders import composition, straight_road
from tests.envs.pools import following, one, random_actions, road

SCALES = np.array([100, 100, 1, 1, 40, 40, 8, 2, 1, 1])


def crowd(seed: int, count: int = 40) -> AgentStates:
    """Scatter agents of all kinds around the ego, without touching."""
    rng = np.random.default_rng(seed)
    rows = [(AgentKind.CAR, 300.0, 3.5, 0.3, 10.0)]
    while len(rows) < count:
        x, y = 300 + rng.uniform(-150, 150), rng.uniform(-60, 60)
        if all(np.hypot(x - r[1], y - r[2]) > 9 for r in rows):
            kind = AgentKind(int(rng.integers(8)))
            rows.append((kind, x, y, rng.uniform(-3, 3), rng.uniform(0, 15)))
    return AgentStates.of(rows)


def seen_by(
    agents: AgentStates, roadmap: RoadMap | None = None, observation: str = "compact"
) -> tuple[np.ndarray, RareEventEnv]:
    """Observation at the begin of an episode, and the environment."""
    composed = composition(roadmap or road(), agents)
    env = RareEventEnv(pool=one(composed, agents.count), observation=observation)
    return env.reset(seed=0)[0], env


@pytest.mark.parametrize("seed", range(6))
def test_neighbours_are_the_nearest_in_order(seed: int) -> None:
    """The 16 nearest within reach, sorted, in the ego's frame, zeros where there are fewer."""
    agents = crowd(seed, 60 if seed % 2 else 8)
    found, _ = seen_by(agents)

    local = to_local(agents.position[1:], agents.position[0], agents.yaw[0])
    away = np.hypot(*local.T)
    order = [k for k in np.argsort(away) if away[k] < compact.REACH][: compact.NEIGHBOURS]
    expected = np.zeros((compact.NEIGHBOURS, compact.PER_NEIGHBOUR))
    for row, k in enumerate(order):
        turn = agents.yaw[k + 1] - agents.yaw[0]
        direction = np.array([np.cos(turn), np.sin(turn)])
        kind = AgentKind(int(agents.kind[k + 1]))
        motor = kind.is_motor_vehicle
        person = kind.is_holonomic or kind is AgentKind.CYCLIST
        expected[row] = [
            *local[k],
            *direction,
            *(agents.speed[k + 1] * direction),
            *(agents.size[k + 1, :2] / 2),
            motor,
            person,
        ]
    rows = found[compact.OWN : compact.ROAD].reshape(compact.NEIGHBOURS, -1)

    np.testing.assert_allclose(rows, expected / SCALES, atol=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_own_motion_is_reported(seed: int) -> None:
    """Speed, size, place on the lane and limit, each divided by its scale."""
    _, env = seen_by(following(20.0, 12.0, seed).scene.agents)
    for action in random_actions(8, 1, seed)[:, 0]:
        found = env.step(action)[0]
    s = env.worlds.simulator

    expected = {
        0: s.speed[0, 0] / 40,
        1: s.acceleration[0, 0] / 8,
        2: s.yaw_rate[0, 0],
        3: s.half_length[0, 0] / 8,
        4: s.half_width[0, 0] / 2,
        5: s.offset[0, 0] / 4,
        6: s.heading_error[0, 0] / np.pi,
        7: 1.0,
        8: 0.0,
        10: 1.0,
        11: 1.0,
        12: 30 / 40,
        13: 0.9 / 1.2,
        25: s.gap[0, 0] / 100,
        26: 1 / (1 + s.ttc[0, 0]),
        27: 1 / (1 + s.thw[0, 0]),
        28: (s.speed[0, s.leader[0, 0]] - s.speed[0, 0]) / 40,
    }
    for index, value in expected.items():
        assert found[index] == pytest.approx(value, abs=1e-6), index


def test_the_route_is_seen_ahead() -> None:
    """On a straight lane the points lie straight ahead, turned back by the own heading."""
    agents = AgentStates.of([(AgentKind.CAR, 100.0, 4.5, 0.1, 10.0)])
    found, _ = seen_by(agents)

    points = found[17:25].reshape(4, 2) * 75
    ahead = np.array([[100.0 + d, 3.5] for d in compact.LOOKAHEAD])
    expected = to_local(ahead, agents.position[0], agents.yaw[0])

    np.testing.assert_allclose(points, expected, atol=0.02)
    assert found[15] * 4 == pytest.approx(1.0, abs=1e-3)
    assert found[16] * np.pi == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_road_points_lie_on_edges_and_lines(seed: int) -> None:
    """Every point is where it says: on the boundary of the road, or on a line between lanes."""
    rng = np.random.default_rng(seed)
    pose = (AgentKind.CAR, rng.uniform(50, 550), rng.uniform(-1, 8), rng.uniform(-3, 3), 5.0)
    agents = AgentStates.of([pose])
    found, _ = seen_by(agents)
    x, y, code = found[compact.ROAD :].reshape(3, NEAREST).astype(np.float64)
    cos, sin = np.cos(pose[3]), np.sin(pose[3])
    where = np.stack([cos * x - sin * y, sin * x + cos * y], -1) * 75 + np.array(pose[1:3])
    # Points that reach the bounds of the space are moved there.
    inside = np.maximum(np.abs(x), np.abs(y)) < 1

    edges = shapely.MultiLineString(list(road().road_edges))
    lines = shapely.MultiLineString([lane.left_bound for lane in road().lanes])
    assert (code > 0).all()
    for point, what in zip(where[inside], code[inside], strict=True):
        place = shapely.Point(point)
        assert place.distance(edges if what == 1 else lines.union(edges)) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_road_points_are_listed(seed: int) -> None:
    """A cell lists the 64 points nearest to its centre, nearest first."""
    tables = road_tables((road(),))
    rng = np.random.default_rng(seed)
    cell = int(rng.integers(len(tables.code)))

    away = np.hypot(*(tables.seen[cell] * TICK))

    assert (np.diff(away) > -2 * TICK).all()
    assert set(np.unique(tables.code)) <= {1, 2, 4}
    assert EDGE in tables.code[cell]


@pytest.mark.parametrize("seed", range(3))
def test_no_road_point_is_nearer_than_those_listed(seed: int) -> None:
    """The list of a cell is the head of all points of the road, sorted by distance."""
    everything = _road_points(road())
    (x, y), (columns, _), seen, code = _grid(everything)
    rng = np.random.default_rng(seed)

    for cell in rng.integers(len(code), size=50):
        centre = np.array([x, y]) + (np.array([cell % columns, cell // columns]) + 0.5) * CELL
        away = everything[:, :2] - centre
        order = np.argsort((away**2).sum(-1), kind="stable")[:NEAREST]

        np.testing.assert_array_equal(seen[cell], np.round(away[order] / TICK).T)
        np.testing.assert_array_equal(code[cell], everything[order, 2])


def signalled(state: SignalState) -> RoadMap:
    """Cut a straight road in two at x = 100, with a signal there."""
    first, second = straight_road(1, 100.0), straight_road(1, 200.0)
    fields = ("width", "speed_limit", "left_marking", "right_marking")
    a = type(first.lanes[0])(
        centerline=first.lanes[0].centerline,
        successors=(1,),
        **{f: getattr(first.lanes[0], f) for f in fields},
    )
    b = type(a)(
        centerline=second.lanes[0].centerline + np.array([100.0, 0.0]),
        predecessors=(0,),
        **{f: getattr(second.lanes[0], f) for f in fields},
    )
    stop = Signal(
        lanes=(1,),
        stop_line=np.array([[100.0, 2.0], [100.0, -2.0]]),
        position=np.array([100.0, -4.0]),
        cycle=60.0,
        green_start=0.0,
        green=30.0,
        always=state,
    )
    return RoadMap(name="signal", kind=first.kind, lanes=(a, b), signals=(stop,))


@pytest.mark.parametrize("state", [SignalState.GREEN, SignalState.YELLOW, SignalState.RED])
def test_the_next_signal_is_seen(state: SignalState) -> None:
    """Its distance along the route, and what it shows; the picture has its stop line."""
    agents = AgentStates.of([(AgentKind.CAR, 70.0, 0.0, 0.0, 10.0)])
    roadmap = signalled(state)

    found, _ = seen_by(agents, roadmap)
    picture, _ = seen_by(agents, roadmap, "bev")

    assert found[29] * 200 == pytest.approx(30.0, abs=0.1)
    assert tuple(found[30:32]) == (state is SignalState.RED, state is SignalState.YELLOW)
    assert picture[..., 7].max() == 85 * state


def test_without_a_signal_none_is_reported() -> None:
    """The distance is the largest there is."""
    found, _ = seen_by(AgentStates.of([(AgentKind.CAR, 70.0, 0.0, 0.0, 10.0)]))

    assert tuple(found[29:32]) == (1.0, 0.0, 0.0)


def pixel_places(agents: AgentStates) -> np.ndarray:
    """Map places of the pixel centres around the ego, shape (PIXELS, PIXELS, 2)."""
    index = np.arange(bev.PIXELS) + 0.5
    forward = bev.PIXELS * bev.METRES_PER_PX - bev.BEHIND - index * bev.METRES_PER_PX
    left = bev.PIXELS * bev.METRES_PER_PX / 2 - index * bev.METRES_PER_PX
    local = np.stack(np.meshgrid(forward, left, indexing="ij"), -1)
    yaw = agents.yaw[0]
    cos, sin = np.cos(yaw), np.sin(yaw)
    x = local[..., 0] * cos - local[..., 1] * sin
    y = local[..., 0] * sin + local[..., 1] * cos
    return np.stack([x, y], -1) + agents.position[0]


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5])
def test_the_picture_shows_the_road_where_it_is(yaw: float) -> None:
    """Pixels whose centre is well inside the road are drivable, those well outside are not."""
    agents = AgentStates.of([(AgentKind.CAR, 300.0, 3.5, yaw, 5.0)])
    found, _ = seen_by(agents, observation="bev")
    places = shapely.points(pixel_places(agents).reshape(-1, 2))
    area = road().drivable_area

    inside = shapely.contains(area.buffer(-0.5), places).reshape(bev.PIXELS, bev.PIXELS)
    outside = ~shapely.contains(area.buffer(0.5), places).reshape(bev.PIXELS, bev.PIXELS)

    assert (found[inside, 0] == 255).all()
    assert (found[outside, 0] == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_picture_shows_everyone_where_they_are(seed: int) -> None:
    """A pixel belongs to an agent exactly if its centre lies in the agent's box."""
    agents = crowd(seed, 40)
    found, _ = seen_by(agents, observation="bev")
    places = pixel_places(agents)
    expected = np.zeros((bev.PIXELS, bev.PIXELS, 3), bool)
    unsure = np.zeros((bev.PIXELS, bev.PIXELS), bool)
    for k in range(1, agents.count):
        local = np.abs(to_local(places, agents.position[k], agents.yaw[k]))
        half = np.maximum(agents.size[k, :2] / 2, bev.METRES_PER_PX / 2)
        kind = AgentKind(int(agents.kind[k]))
        person = kind.is_holonomic or kind is AgentKind.CYCLIST
        channel = 0 if kind.is_motor_vehicle else 1 if person else 2
        expected[..., channel] |= (local <= half).all(-1)
        unsure |= (np.abs(local - half) < 1e-3).any(-1)

    sure = ~unsure
    np.testing.assert_array_equal(found[sure, 4:7] > 0, expected[sure])


def test_the_picture_tells_how_fast_a_vehicle_is() -> None:
    """95 at rest, 255 at 40 m/s and above, in between in proportion."""
    agents = AgentStates.of(
        [
            (AgentKind.CAR, 100.0, 3.5, 0.0, 20.0),
            (AgentKind.CAR, 120.0, 3.5, 0.0, 20.0),
            (AgentKind.CAR, 140.0, 3.5, 0.0, 0.0),
        ]
    )
    found, _ = seen_by(agents, observation="bev")

    assert set(np.unique(found[..., 4])) == {0, 95, 175}


def test_the_picture_shows_the_route() -> None:
    """A band along the own lane, ahead and not behind."""
    agents = AgentStates.of([(AgentKind.CAR, 100.0, 3.5, 0.0, 20.0)])
    found, _ = seen_by(agents, observation="bev")
    places = pixel_places(agents)

    on_lane = np.abs(places[..., 1] - 3.5) < 0.9
    assert (found[on_lane & (places[..., 0] > 102), 3] == 255).all()
    assert (found[np.abs(places[..., 1] - 3.5) > 1.1, 3] == 0).all()
    assert (found[places[..., 0] < 97, 3] == 0).all()


@pytest.mark.parametrize("observation", ["compact", "bev"])
def test_an_empty_slot_sees_nothing(observation: str) -> None:
    """Observed slots without a vehicle are zero."""
    agents = AgentStates.of([(AgentKind.CAR, 100.0, 3.5, 0.0, 20.0)])
    composed = composition(road(), agents)
    env = RareEventEnv(pool=one(composed, 3), observation=observation)
    env.reset(seed=0)
    worlds = env.worlds
    shape = (1, 3, *env.observation_space.shape)  # type: ignore[misc]
    out = np.ones(shape, env.observation_space.dtype)

    worlds.observe(out)

    assert out[0, 0].any()
    assert not out[0, 1:].any()
