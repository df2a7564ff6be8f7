"""The motion code: what it integrates to, and how well it holds real and simulated motion."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenegen.arrays import FloatArray
from scenegen.errors import ShapeError
from scenegen.layout.motion import fit_knots, integrate
from scenegen.pipeline import Generator, Request
from scenegen.query import parse
from scenegen.scene import AgentKind, AgentPlans, AgentStates, Control
from scenegen.scene.plans import KNOTS
from scenegen.sim import rollout
from tests.builders import composition, straight_road
from tests.sizes import data_folder

SEEDS = [0, 1, 2]


def start_of(states: AgentStates) -> torch.Tensor:
    """Give x, y, yaw, speed of one instant."""
    columns = [*states.position.T, states.yaw, states.speed]
    return torch.from_numpy(np.stack(columns, -1).astype(np.float64))


def errors(states: AgentStates, knots: FloatArray) -> FloatArray:
    """Mean distance between a trajectory and its code, of agents present at first [m]."""
    states = states[:81]
    code = torch.from_numpy(knots.astype(np.float64))
    path = integrate(start_of(states[0]), code, len(states.valid) - 1).numpy()[..., :2]
    apart = np.hypot(*np.moveaxis(path - np.moveaxis(states.position, 0, 1), -1, 0))
    return np.nanmean(np.where(states.valid.T, apart, np.nan)[states.valid[0]], 1)


def random_cars(seed: int, count: int = 6) -> tuple[AgentStates, FloatArray]:
    """Draw cars with random codes, far from each other."""
    rng = np.random.default_rng(seed)
    rows = [
        (AgentKind.CAR, 2000.0 * i, 0.0, float(rng.uniform(-3, 3)), float(rng.uniform(5, 25)))
        for i in range(count)
    ]
    knots = rng.normal(size=(count, KNOTS, 2)) * [1.0, 0.15]
    return AgentStates.of(rows), knots.astype(np.float32)


@pytest.mark.parametrize("seed", SEEDS)
def test_integration_equals_the_simulator(seed: int) -> None:
    """The same code gives the same places in the simulator, within a millimetre."""
    agents, knots = random_cars(seed)
    # One at a time at the origin, where single precision is finer than what is asked.
    for i in range(agents.count):
        alone = agents[i : i + 1]
        alone.position[:] = 0.0
        plans = AgentPlans.reactive(1)
        plans.control[:], plans.knots[:] = Control.KNOTS, knots[i]

        simulated = rollout([composition(straight_road(), alone, plans)], 8.0)[0].agents
        path = integrate(start_of(alone), torch.from_numpy(knots[i : i + 1]).double())[0].numpy()

        assert simulated.valid.all()
        assert np.abs(path[:, :2] - simulated.position[:, 0]).max() < 1e-3
        assert np.abs(path[:, 3] - simulated.speed[:, 0]).max() < 1e-4
        assert np.abs(np.cos(path[:, 2]) - np.cos(simulated.yaw[:, 0])).max() < 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_those_of_finite_differences(seed: int) -> None:
    """A loss on positions can be followed back to knots and start."""
    agents, knots = random_cars(seed, 2)
    start = start_of(agents[0:2]).requires_grad_()
    code = torch.from_numpy(knots).double().requires_grad_()

    assert torch.autograd.gradcheck(lambda s, k: integrate(s, k, 12), (start, code))


def test_constant_yaw_rate_drives_a_circle() -> None:
    """At constant speed and yaw rate the path is an arc of radius v / r (closed form)."""
    start = torch.tensor([[3.0, -2.0, 0.4, 10.0]], dtype=torch.float64)
    knots = torch.zeros(1, KNOTS, 2, dtype=torch.float64)
    knots[..., 1] = 0.2

    path = integrate(start, knots)[0]

    time = torch.arange(81, dtype=torch.float64) * 0.1
    x = 3.0 + 50.0 * (torch.sin(0.4 + 0.2 * time) - np.sin(0.4))
    y = -2.0 - 50.0 * (torch.cos(0.4 + 0.2 * time) - np.cos(0.4))
    assert torch.allclose(path[:, 0], x, atol=1e-9)
    assert torch.allclose(path[:, 1], y, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_fit_finds_a_code_that_was_driven(seed: int) -> None:
    """Trajectories made by a code are reproduced to millimetres."""
    agents, knots = random_cars(seed)
    path = integrate(start_of(agents), torch.from_numpy(knots).double()).numpy()
    states = AgentStates.stack([agents] * 81)
    states.position[:] = np.moveaxis(path[..., :2], 1, 0)
    states.yaw[:], states.speed[:] = path[..., 2].T, path[..., 3].T

    assert errors(states, fit_knots(states)).max() < 0.02


def test_moving_a_trajectory_leaves_its_code() -> None:
    """The code does not know where it is or which way is north."""
    agents, knots = random_cars(4, 3)
    found = []
    for turn in (0.0, 1.1):
        start = start_of(agents)
        start[:, 2] += turn
        path = integrate(start, torch.from_numpy(knots).double()).numpy()
        states = AgentStates.stack([agents] * 81)
        states.position[:] = np.moveaxis(path[..., :2] - path[:, :1, :2], 1, 0)
        states.yaw[:] = np.angle(np.exp(1j * path[..., 2].T))
        states.speed[:] = path[..., 3].T
        found.append(fit_knots(states))

    assert np.abs(found[0] - found[1]).max() < 0.02


@pytest.mark.parametrize("text", ["day or dusk or night", "cut_in(c)", "jaywalker(p)"])
def test_simulated_traffic_is_held_to_centimetres(text: str) -> None:
    """The mean error over simulated scenes of all kinds of agents is below 5 cm."""
    generator = Generator(Request(query=parse(text), seed=2, agents=24, tries=64))
    scenes = [generator.scenario(i).scenario.agents for i in range(2)]

    found = np.concatenate([errors(states, fit_knots(states)) for states in scenes])

    assert found.mean() < 0.05
    assert np.quantile(found, 0.95) < 0.1


def test_things_and_absent_agents_have_no_motion() -> None:
    """Their code is zero, and nothing is not a number."""
    agents = AgentStates.of(
        [
            (AgentKind.CAR, 0, 0, 0, 10.0),
            (AgentKind.STATIC, 5, 5, 0, 0),
            (AgentKind.CAR, 9, 9, 0, 5),
        ]
    )
    states = AgentStates.stack([agents] * 41)
    states.position[:, 0, 0] = np.arange(41)
    states.valid[:, 2] = False
    states.valid[20:, 0] = False

    knots = fit_knots(states)

    assert np.isfinite(knots).all()
    assert not knots[1:].any()


def test_wrong_shapes_are_named() -> None:
    """The sentence says what came."""
    with pytest.raises(ShapeError, match="integrate: expected start"):
        integrate(torch.zeros(3), torch.zeros(KNOTS, 2))
    with pytest.raises(ShapeError, match="fit_knots: expected states"):
        fit_knots(AgentStates.empty(3))


def test_recorded_traffic_is_held_to_decimetres() -> None:
    """On NGSIM tracks, whose starts are noisy, the median error stays below 5 cm."""
    files = sorted((data_folder() / "trajectories/ngsim_commonroad").glob("*US101*.npz"))
    if not files:
        pytest.skip("no recorded NGSIM tracks; set SCENEGEN_DATA to test with real traffic")
    found = []
    for file in files[:12]:
        tracks = np.load(file, allow_pickle=False)["tracks"]
        states = AgentStates.empty(tracks.shape[1], len(tracks))
        seen = np.isfinite(tracks).all(-1).T
        x, y, yaw, speed = np.moveaxis(np.nan_to_num(tracks), -1, 0)
        states.position[:] = np.stack([x.T, y.T], -1)
        states.yaw[:], states.speed[:], states.valid[:] = yaw.T, speed.T, seen
        found.append(errors(states, fit_knots(states)))

    every = np.concatenate(found)
    assert np.median(every) < 0.05
    assert np.quantile(every, 0.95) < 0.25
