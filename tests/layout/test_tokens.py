"""Tokens: nothing known is lost, nothing about the place or the numbering is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenegen.arrays import FloatArray
from scenegen.errors import ShapeError, UnknownNameError
from scenegen.geometry.transforms import to_map
from scenegen.layout.condition_tokens import Condition, condition_groups, encode_condition
from scenegen.layout.decoding import decode
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.tokens import (
    CHANNELS,
    PRESENCE,
    ROLE_SLOTS,
    agents_of,
    encode,
    encode_scenario,
    knots_of,
)
from scenegen.maps import MAP_SOURCES
from scenegen.scene import (
    AgentKind,
    AgentStates,
    Conditions,
    Control,
    Light,
    RoadMap,
    Scene,
    Weather,
)
from scenegen.scene.agents import SIZE
from scenegen.scene.plans import KNOTS
from scenegen.sim import rollout
from tests.builders import cars, composition, constant_speed_scenario, straight_road

SEEDS = [0, 1, 2, 3]


def random_scene(seed: int, count: int = 18) -> tuple[Scene, FloatArray, FloatArray]:
    """Draw agents of all kinds with motion codes and accelerations."""
    rng = np.random.default_rng(seed)
    states = AgentStates.empty(count)
    states.position[:] = rng.uniform(-90, 90, (count, 2))
    states.yaw[:] = rng.uniform(-3.1, 3.1, count)
    states.speed[:] = rng.uniform(0, 30, count)
    states.kind[:] = rng.integers(0, 8, count)
    states.kind[0] = AgentKind.CAR
    typical = np.array([SIZE[AgentKind(int(k))] for k in states.kind])
    states.size[:] = typical * rng.uniform(0.8, 1.2, (count, 3))
    states.valid[:] = True
    knots = rng.normal(size=(count, KNOTS, 2)) * [1.5, 0.3]
    scene = Scene(roadmap=straight_road(), agents=states, conditions=Conditions())
    return scene, knots, rng.normal(size=count)


def moved(roadmap: RoadMap, shift: FloatArray, turn: float) -> RoadMap:
    """Turn a road about the origin and shift it."""
    yaw = np.array(turn)

    def move(points: FloatArray) -> FloatArray:
        return to_map(points, shift, yaw)

    return replace(
        roadmap,
        lanes=tuple(replace(k, centerline=move(k.centerline)) for k in roadmap.lanes),
        signals=tuple(
            replace(s, stop_line=move(s.stop_line), position=move(s.position))
            for s in roadmap.signals
        ),
        crossings=tuple(
            replace(c, outline=move(c.outline), path=move(c.path)) for c in roadmap.crossings
        ),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_decoding_gives_back_what_was_encoded(seed: int) -> None:
    """Poses, speeds, sizes, kinds and motion codes survive; the order is that of the slots."""
    scene, knots, acceleration = random_scene(seed)

    tokens = encode(scene, knots, acceleration, {"a": 3, "b": 5})
    states, codes, slots = agents_of(tokens.values, tokens.frame)

    at = tokens.agents[slots]
    assert sorted(at) == list(range(18))
    assert at[:3].tolist() == [0, 3, 5]
    assert np.abs(states.position - scene.agents.position[at]).max() < 1e-4
    assert np.abs(np.exp(1j * states.yaw) - np.exp(1j * scene.agents.yaw[at])).max() < 1e-5
    assert np.abs(states.speed - scene.agents.speed[at]).max() < 1e-5
    assert np.allclose(states.size, scene.agents.size[at], rtol=1e-5)
    assert (states.kind == scene.agents.kind[at]).all()
    assert np.allclose(codes, knots[at], atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_moving_the_scene_moves_nothing_in_the_tokens(seed: int) -> None:
    """Shift and turn the map and everybody: the tokens stay."""
    rng = np.random.default_rng(seed)
    shift, turn = rng.uniform(-300, 300, 2), float(rng.uniform(-3, 3))
    scene, knots, acceleration = random_scene(seed)
    roadmap = list(MAP_SOURCES.values())[seed + 1]().draw(rng)
    agents = replace(
        scene.agents,
        position=to_map(scene.agents.position.astype(float), shift, np.array(turn)),
        yaw=np.angle(np.exp(1j * (scene.agents.yaw + turn))),
    )

    here = encode(scene, knots, acceleration, {"a": 2})
    there = encode(replace(scene, agents=agents), knots, acceleration, {"a": 2})
    road, elsewhere = (
        encode_map(roadmap, here.frame),
        encode_map(moved(roadmap, shift, turn), there.frame),
    )

    assert (here.agents == there.agents).all()
    assert np.abs(here.values - there.values).max() < 1e-5
    assert np.abs(road.points - elsewhere.points).max() < 1e-4
    assert (road.attributes == elsewhere.attributes).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_numbering_of_the_background_does_not_matter(seed: int) -> None:
    """Permuted background agents, and empty slots between them, give the same tokens."""
    scene, knots, acceleration = random_scene(seed)
    order = np.concatenate([[0, 1], 2 + np.random.default_rng(seed).permutation(16)])
    shuffled = AgentStates.concatenate([scene.agents[order], AgentStates.empty(1)])

    one = encode(scene, knots, acceleration, {"a": 1})
    other = encode(
        replace(scene, agents=shuffled),
        np.concatenate([knots[order], np.zeros((1, KNOTS, 2))]),
        np.append(acceleration[order], 0.0),
        {"a": 1},
    )

    assert (one.values == other.values).all()


def test_the_nearest_keep_their_slots() -> None:
    """With too few slots the farthest agents are left out, and never a role."""
    scene, knots, acceleration = random_scene(1)
    distance = np.hypot(*(scene.agents.position - scene.agents.position[0]).T)
    farthest = int(distance.argmax())

    tokens = encode(scene, knots, acceleration, {"a": farthest}, slots=8)

    assert tokens.agents[1] == farthest
    background = [k for k in distance.argsort()[1:] if k != farthest][:4]
    assert tokens.agents[1 + ROLE_SLOTS :].tolist() == background


def test_empty_slots_are_zero_and_absent() -> None:
    """Role slots without a role stay empty."""
    scene, knots, acceleration = random_scene(0, 3)

    tokens = encode(scene, knots, acceleration, {})

    assert (tokens.agents[1 : 1 + ROLE_SLOTS] == -1).all()
    assert not tokens.values[tokens.agents < 0, :PRESENCE].any()
    assert (tokens.values[:, PRESENCE] == np.where(tokens.agents < 0, -1.0, 1.0)).all()


def test_any_token_decodes_to_finite_motion() -> None:
    """Yaw rates stay bounded however wild the numbers of a network are."""
    wild = torch.full((5, CHANNELS), 1e4, requires_grad=True)

    knots = knots_of(wild)
    knots[..., 1].sum().backward()  # type: ignore[no-untyped-call]

    assert knots[..., 1].abs().max() < 4.01
    assert wild.grad is not None
    assert wild.grad.isfinite().all()


def test_a_decoded_scene_drives_as_it_did() -> None:
    """Simulated, decoded agents follow what was encoded and go on along the road after it."""
    roadmap = straight_road(3, 800.0)
    scenario = constant_speed_scenario(roadmap, cars((50, 0, 20), (90, 3.5, 18), (20, 7.0, 25)))
    tokens = encode_scenario(scenario)

    found = decode(tokens.values, tokens.frame, roadmap)
    driven = rollout([composition(roadmap, found.agents, found.plans)], 12.0)[0]

    assert (found.plans.control == Control.KNOTS).all()
    assert found.plans.route[:, 0].tolist() == [0, 2, 1]
    expected = scenario.agents.position[:, tokens.agents[found.slots]]
    assert np.abs(driven.agents.position[:81] - expected).max() < 0.1
    assert driven.agents.valid.all()
    assert not driven.collided.any()
    assert not driven.offroad.any()
    assert (np.diff(driven.agents.position[81:, :, 0], axis=0) > 1.0).all()


def test_a_lane_change_ends_on_the_route_of_the_new_lane() -> None:
    """The route after the code is that of the lane the code leads to."""
    roadmap = straight_road(2, 800.0)
    scenario = constant_speed_scenario(roadmap, cars((50, 0, 20), (100, 0, 20)))
    shift = np.clip((scenario.times - 2.0) / 4.0, 0.0, 1.0)
    smooth = shift**2 * (3 - 2 * shift) * 3.5
    scenario.agents.position[:, 1, 1] = smooth
    scenario.agents.yaw[:, 1] = np.arctan2(np.gradient(smooth, 0.1), 20.0)
    tokens = encode_scenario(scenario)

    found = decode(tokens.values, tokens.frame, roadmap)
    driven = rollout([composition(roadmap, found.agents, found.plans)], 12.0)[0]

    assert found.plans.route[:, 0].tolist() == [0, 1]
    assert abs(driven.agents.position[-1, 1, 1] - 3.5) < 0.3
    assert not driven.offroad.any()


def test_parked_cars_and_things_are_held() -> None:
    """What stands beside the traffic lanes stays there; a queue on a lane does not."""
    agents = AgentStates.of(
        [
            (AgentKind.CAR, 50, 0, 0, 10),
            (AgentKind.CAR, 80, -4.0, 0, 0),
            (AgentKind.CAR, 120, 0, 0, 0),
            (AgentKind.STATIC, 90, 20.0, 0, 0),
        ]
    )
    roadmap = straight_road(1)
    tokens = encode_scenario(constant_speed_scenario(roadmap, agents))

    found = decode(tokens.values, tokens.frame, roadmap)

    control = dict(zip(tokens.agents[found.slots].tolist(), found.plans.control, strict=True))
    held, coded = Control.HOLD, Control.KNOTS
    assert control == {0: coded, 1: held, 2: coded, 3: held}


def test_an_absent_ego_is_an_error() -> None:
    """The frame of the tokens is that of the ego."""
    scene, knots, acceleration = random_scene(0, 3)
    scene.agents.valid[0] = False

    with pytest.raises(ShapeError, match="expected an ego"):
        encode(scene, knots, acceleration, {})


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_map_tokens_lie_on_the_lanes_around_the_ego(name: str) -> None:
    """Points are on centrelines, directions are unit vectors, the nearest polyline comes first."""
    roadmap = MAP_SOURCES[name]().draw(np.random.default_rng(3))
    lane = roadmap.lanes[roadmap.traffic_lanes[0]]
    frame = np.array([*lane.centerline[0], 0.3])

    road = encode_map(roadmap, frame)

    points = to_map(road.points[..., :2] * 50.0, frame[:2], frame[2])[road.valid]
    every = np.concatenate([k.centerline for k in roadmap.lanes])
    nearest = np.hypot(*np.moveaxis(points[:, :, None] - every, -1, 0)).min(-1)
    assert nearest.max() < 20.0
    assert np.allclose(np.hypot(*road.points[road.valid][..., 2:].T), 1.0, atol=1e-5)
    reach = np.hypot(*np.moveaxis(road.points[road.valid][..., :2], -1, 0)).min(-1)
    assert (np.diff(reach) > -1e-3).all()
    assert reach[0] < 0.1


def test_signals_show_on_the_lanes_they_govern() -> None:
    """A lane behind a red light carries red, any other lane no signal."""
    roadmap = MAP_SOURCES["four_way"]().draw(np.random.default_rng(0))
    frame = np.zeros(3)

    road = encode_map(roadmap, frame, count=500)

    states = road.attributes[road.valid, 12:16]
    assert (states.sum(-1) == 1.0).all()
    governed = sum(len(signal.lanes) for signal in roadmap.signals)
    assert (states[:, 0] == 0.0).sum() >= governed > 0


def test_conditions_fill_their_groups() -> None:
    """Each field has its place, what is not asked is zero and unknown."""
    events = ("cut_in", "jaywalker")
    where = condition_groups(events)

    values, known = encode_condition(
        Condition(event="jaywalker", severity=1.0, weather=Weather.FOG, density=15.0), events
    )

    assert values[where["event"]].tolist() == [0, 0, 1]
    assert values[where["severity"]] == pytest.approx(0.0)
    assert values[where["weather"]].tolist() == [float(w is Weather.FOG) for w in Weather]
    asked = {name for name, at in where.items() if known[at].all()}
    assert asked == {"event", "severity", "weather", "density"}
    assert not values[~known].any()
    ends = [0, *(at.stop for at in where.values())]
    assert [at.start for at in where.values()] == ends[:-1]
    assert len(values) == ends[-1]


def test_conditions_refuse_what_they_do_not_know() -> None:
    """An unknown event and a negative number are errors; no event is everyday traffic."""
    with pytest.raises(UnknownNameError, match="Did you mean 'cut_in'"):
        encode_condition(Condition(event="cutin"), ("cut_in",))
    with pytest.raises(ValueError, match="severity: expected 0 or more"):
        Condition(severity=-1.0)
    assert encode_condition(Condition(event="", light=Light.DAY), ("cut_in",))[0][0] == 1.0
    assert encode_condition(Condition(severity=np.inf), ())[0][1] == -1.0
