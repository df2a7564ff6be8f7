"""Margins as functions of trajectories: exact in value, with gradients that help."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenegen.query import Trace, parse
from scenegen.query.robustness import Robustness
from scenegen.query.semantics import Semantics
from scenegen.query.trajectories import Trajectories
from scenegen.scene import Scenario
from tests.builders import cars, constant_speed_scenario, straight_road
from tests.query.worlds import busy

CAST = {"a": 1, "b": 2}


def trajectories(*scenarios: Scenario) -> Trajectories:
    """Take the motions of scenarios as leaves of a graph."""

    def leaf(name: str) -> torch.Tensor:
        values = [getattr(s.agents, name).astype(np.float64) for s in scenarios]
        return torch.tensor(np.stack(values), requires_grad=True)

    return Trajectories(
        scenarios=scenarios, position=leaf("position"), yaw=leaf("yaw"), speed=leaf("speed")
    )


TEXTS = [
    *("a.speed > 10m/s", "abs(a.accel) < 1m/s^2", "closing(ego,a) in [1m/s,5m/s]"),
    *("ttc(ego,a) < 2s", "not (gap(ego,a) < 10m)", "thw(a,b) < 1s", "ahead(ego,a) > 5m"),
    *("ttc(ego,a) < closing(ego,a) / 12m/s^2 + 0.35s", "lead(a) and left(ego,a) < 2m"),
    *("drac(ego,a) > 1m/s^2", "distance(a,b) < 3m and a.jerk > 1m/s^3", "a.lane_offset > 0m"),
    *("abs(bearing(ego,a)) < 9deg or a.heading > 1deg", "a.lat_accel > 0m/s^2 for 0.5s"),
    *("eventually[0s,1s](ttc(ego,a) < 2s) and cut_in(b)", "pet(ego,a) < 1s or a.speed < b.speed"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_values_are_exact_and_gradients_finite(text: str) -> None:
    """The margin is that of numpy, whatever has a gradient; none of it is NaN or infinite."""
    formula = parse(text).formula
    scenarios = [busy(0), busy(1), busy(3)]
    paths = trajectories(*scenarios)

    margin = Robustness(atoms=paths.margins([CAST] * 3), step=0.1).margin(formula)

    for row, scenario in zip(margin.detach().numpy(), scenarios, strict=True):
        alone = Semantics.of_cast(Trace(scenario), ("a", "b"), (1, 2)).over_time(formula)
        np.testing.assert_allclose(row, alone, atol=1e-9, rtol=0)
    grads = torch.autograd.grad(
        margin.sum(), [paths.position, paths.yaw, paths.speed], allow_unused=True
    )
    assert any(grad is not None for grad in grads)
    assert all(torch.isfinite(grad).all() for grad in grads if grad is not None)


@pytest.mark.parametrize("name", ["position", "speed"])
def test_the_gradient_is_the_slope_of_the_exact_margin_on_the_path(name: str) -> None:
    """Where the leader is on the ego's path, the stand-in and the exact margin rise alike."""
    base = constant_speed_scenario(straight_road(), cars((0, 0, 20), (40, 0, 12)), steps=5)
    formula = parse("ttc(ego,a) < 2s").formula
    paths = trajectories(base)
    margin = Robustness(atoms=paths.margins([{"a": 1}]), step=0.1).margin(formula)[0, 2]
    (gradient,) = torch.autograd.grad(margin, [getattr(paths, name)])
    place = (0, 2, 1, 0) if name == "position" else (0, 2, 1)
    moved = trajectories(base)
    with torch.no_grad():
        getattr(moved, name)[place] += 1e-4

    after = Robustness(atoms=moved.margins([{"a": 1}]), step=0.1).margin(formula)[0, 2]

    slope = float((after - margin).detach()) / 1e-4
    assert float(gradient[place]) == pytest.approx(slope, rel=1e-3)


def test_a_leader_is_pulled_close_by_its_gradient() -> None:
    """Ascent from two lanes aside ends in an exactly satisfied time to collision."""
    base = constant_speed_scenario(straight_road(3), cars((0, 0, 20), (60, 7, 18)), steps=11)
    formula = parse("ttc(ego,a) < 2s").formula
    paths = trajectories(base)
    optimizer = torch.optim.Adam([paths.position, paths.speed], lr=0.5)

    for _ in range(80):
        reached = Robustness(atoms=paths.margins([{"a": 1}]), step=0.1, beta=5.0)
        optimizer.zero_grad()
        (-reached.satisfaction(formula).clamp(max=1.0).sum()).backward()
        optimizer.step()

    exact = Robustness(atoms=paths.margins([{"a": 1}]), step=0.1).satisfaction(formula)
    assert float(exact.detach()) > 0


SMOOTH = [
    *("a.speed < 9m/s", "a.accel < 1m/s^2", "a.jerk < 2m/s^3", "a.yaw_rate < 3deg/s"),
    *("a.lat_accel < 1m/s^2", "a.heading < 4deg", "a.lane_offset < 0.3m", "closing(ego,a) < 3m/s"),
    *("ahead(ego,a) < 9m", "left(ego,a) < 1m", "bearing(ego,a) < 20deg", "distance(ego,a) < 4m"),
    *("abs(a.lane_offset) < 0.3m", "a.speed * a.yaw_rate < 1deg/s * 1m/s"),
    "2 * distance(ego,a) + ahead(ego,a) < 9m",
]
LEAVES = {"position": (2,), "yaw": (), "speed": ()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", SMOOTH)
def test_finite_differences_agree_with_the_gradient(text: str, seed: int) -> None:
    """Where a signal is smooth its margin changes as the gradient says, for any coordinate."""
    scenario, rng = busy(seed, agents=4), np.random.default_rng(seed)
    scenario.agents.valid[:] = True
    formula, cast = parse(text).formula, [{"a": 1}]

    def margin(paths: Trajectories) -> torch.Tensor:
        return Robustness(atoms=paths.margins(cast), step=0.1).margin(formula)[0]

    for _ in range(6):
        t, agent = int(rng.integers(3, 38)), int(rng.integers(2))
        name = str(rng.choice(list(LEAVES)))
        place = (0, t, agent, *(int(rng.integers(2)) for _ in LEAVES[name]))
        wanted = int(t + rng.integers(-1, 2))
        paths = trajectories(scenario)
        value = margin(paths)[wanted]
        if not value.requires_grad:
            continue
        (gradient,) = torch.autograd.grad(value, [getattr(paths, name)], allow_unused=True)
        slopes = []
        for h in (1e-4, -1e-4):
            moved = trajectories(scenario)
            with torch.no_grad():
                getattr(moved, name)[place] += h
            slopes.append(float((margin(moved)[wanted] - value).detach()) / h)
        if abs(slopes[0] - slopes[1]) > 1e-2 * (1 + abs(slopes[0])):
            continue  # A kink: no slope to compare with.
        mine = 0.0 if gradient is None else float(gradient[place])
        assert mine == pytest.approx(sum(slopes) / 2, rel=2e-3, abs=2e-3)


def test_drac_rises_with_closing_in() -> None:
    """Behind a slower leader the slope is that of closing^2 / (2 gap), finite at contact."""
    base = constant_speed_scenario(straight_road(), cars((0, 0, 20), (34.5, 0, 10)), steps=3)
    paths = trajectories(base)

    margin = Robustness(atoms=paths.margins([{"a": 1}]), step=0.1).margin(
        parse("drac(ego,a) > 1m/s^2").formula
    )[0, 0]

    (speed,) = torch.autograd.grad(margin, [paths.speed])
    assert float(margin.detach()) == pytest.approx(100 / 60 - 1)
    assert float(speed[0, 0, 0]) == pytest.approx(10 / 30)
    touching = trajectories(
        constant_speed_scenario(straight_road(), cars((0, 0, 20), (4.5, 0, 10)), steps=3)
    )
    total = Robustness(atoms=touching.margins([{"a": 1}]), step=0.1).margin(
        parse("drac(ego,a) < 5m/s^2").formula
    )
    (speed,) = torch.autograd.grad(total.sum(), [touching.speed])
    assert torch.isfinite(speed).all()
