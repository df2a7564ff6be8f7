"""Exact likelihoods of the flow and of the autoregressive model: densities, inverses, the chain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
import torch

from scenegen.layout.autoregressive import AutoregressiveModel
from scenegen.layout.known_masks import draw_masks
from scenegen.layout.learned import one_thread
from scenegen.layout.mixtures import (
    CIRCLE_OUTPUTS,
    PLANE_OUTPUTS,
    CircleMixture,
    LineMixture,
    PlaneMixture,
    line_outputs,
)
from scenegen.layout.network import NetworkConfig
from scenegen.layout.normalizing_flow import ANGLE, NUMBERS, Context, FlowModel
from scenegen.layout.scene_batch import SceneBatch, known_of_fresh
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.splines import spline_forward, spline_inverse, spline_of, spline_outputs
from scenegen.layout.tokens import KIND, ROLE_SLOTS
from scenegen.layout.training_run import Corpus
from tests.layout.corpora import EVENTS, write_corpus

TINY = NetworkConfig(width=16, layers=6, heads=2, expansion=2)
SEEDS = range(3)
M = TypeVar("M", bound=SceneModel)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> SceneBatch:
    """Take scenes of a made-up corpus of which only the number of agents is known."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 16)
    return Corpus([folder], "train", EVENTS, partial=True).scenes(range(6))


def with_any_weights(model: M, batch: SceneBatch, size: float) -> M:
    """Give a model random weights in every layer."""
    model.scale.fit(batch.agents)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * size)
    return model.eval()


@pytest.fixture(scope="module")
def flow(batch: SceneBatch) -> FlowModel:
    """Build a flow that bends everything."""
    return with_any_weights(FlowModel(EVENTS, TINY), batch, 0.15).double()


@pytest.fixture(scope="module")
def chain(batch: SceneBatch) -> AutoregressiveModel:
    """Build an autoregressive model."""
    return with_any_weights(AutoregressiveModel(EVENTS, TINY), batch, 0.15)


def doubled(batch: SceneBatch) -> SceneBatch:
    """The same scenes in double precision."""
    names = ("agents", "map_points", "map_attributes", "condition")
    return replace(batch, **{name: getattr(batch, name).double() for name in names})


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_splines_invert_and_rise(circular: bool, seed: int) -> None:
    """Forth and back is the same number, the slope is that of differences, ends stay."""
    draw = torch.Generator().manual_seed(seed)
    raw = 2.0 * torch.randn(400, spline_outputs(8), generator=draw, dtype=torch.float64)
    x = (2.4 * torch.rand(400, generator=draw, dtype=torch.float64) - 1.2) * 3.0
    spline = spline_of(raw, 3.0, circular=circular)

    y, log_slope = spline_forward(spline, x)
    near = [spline_forward(spline, x + shift)[0] for shift in (-1e-6, 1e-6)]

    assert torch.allclose(spline_inverse(spline, y), x, atol=1e-9)
    slope = (near[1] - near[0]) / 2e-6
    smooth = (x.abs() - 3.0).abs() > 1e-5
    assert torch.allclose(slope[smooth], log_slope.exp()[smooth], rtol=2e-3, atol=1e-6)
    outside = x.abs() >= 3.0
    assert torch.equal(y[outside], x[outside])
    ends = spline_forward(spline, torch.full_like(x, 3.0 - 1e-12))[0]
    assert torch.allclose(ends, torch.full_like(x, 3.0), atol=1e-6)


def test_a_spline_of_zeros_is_the_identity() -> None:
    """Training begins at the base distribution."""
    x = torch.linspace(-4, 4, 101)

    for circular in (False, True):
        spline = spline_of(torch.zeros(101, spline_outputs(8)), 3.0, circular=circular)
        y, log_slope = spline_forward(spline, x)
        assert torch.allclose(y, x, atol=1e-5)
        assert float(log_slope.abs().max()) < 1e-5


def with_masks(flow: FlowModel, batch: SceneBatch, seed: int) -> tuple[Context, torch.Tensor]:
    """Context and numbers of masked scenes; noise of order one in place of the truth."""
    masked = doubled(draw_masks(batch, flow.groups, torch.Generator().manual_seed(seed)))
    context, numbers = flow.context(masked), flow.numbers(masked)
    draw = torch.Generator().manual_seed(seed)
    other = torch.randn(numbers.shape, generator=draw, dtype=torch.float64)
    other[..., ANGLE] = other[..., ANGLE].tanh()
    return context, torch.where(context.free, other, numbers)


@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_the_flow_inverts(flow: FlowModel, batch: SceneBatch, seed: int) -> None:
    """From data to noise and back errs by less than 1e-5; known numbers do not move."""
    context, numbers = with_masks(flow, batch, seed)

    noise, _ = flow.to_noise(numbers, context)

    assert float((noise - numbers)[context.free].abs().max()) > 0.1
    assert torch.equal(noise[~context.free], numbers[~context.free])
    assert float((flow.to_data(noise, context) - numbers).abs().max()) < 1e-5


def test_the_log_determinant_is_that_of_the_jacobian(flow: FlowModel, batch: SceneBatch) -> None:
    """Against automatic differentiation of one scene with few agents, all numbers together."""
    few = 1 + ROLE_SLOTS + 2
    small = replace(batch[1:2], agents=batch.agents[1:2, :few], known=batch.known[1:2, :few])
    context, numbers = with_masks(flow, small, 0)
    free = context.free.flatten()
    assert int(free.sum()) > 30

    def moved(values: torch.Tensor) -> torch.Tensor:
        full = numbers.flatten().masked_scatter(free, values)
        return flow.to_noise(full.view(1, few, NUMBERS), context)[0].flatten()[free]

    jacobian = torch.autograd.functional.jacobian(moved, numbers.flatten()[free])  # type: ignore[no-untyped-call]
    with torch.no_grad():
        log_slope = flow.to_noise(numbers, context)[1]

    assert torch.allclose(torch.linalg.slogdet(jacobian).logabsdet, log_slope.sum(), atol=1e-6)


@torch.no_grad()
def test_an_unbent_flow_has_the_likelihood_of_its_base(batch: SceneBatch) -> None:
    """Before training numbers are standard normal and angles uniform."""
    flow = FlowModel(EVENTS, TINY)
    flow.scale.fit(batch.agents)
    known = known_of_fresh(batch.agents)
    known[..., KIND] = True
    masked = replace(batch, known=known)

    numbers, free = flow.numbers(masked), flow.context(masked).free
    normal = -0.5 * numbers.square() - 0.5 * math.log(2.0 * math.pi)
    normal[..., ANGLE] = -math.log(2.0)

    expected = torch.where(free, normal, 0.0).sum(-1)
    assert torch.allclose(flow.log_likelihood(masked), expected, atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_mixtures_are_densities(seed: int) -> None:
    """On a line, in a plane and on a circle they integrate to one."""
    draw = torch.Generator().manual_seed(seed)
    grid = torch.linspace(-30, 30, 40001)[:, None]
    line = LineMixture(torch.randn(line_outputs(1), generator=draw), 1)
    free = torch.ones(len(grid), 1, dtype=torch.bool)
    assert line.log_density(grid, free).exp().sum() * 60 / 40000 == pytest.approx(1, abs=1e-3)

    angles = torch.linspace(-math.pi, math.pi, 20001)[:-1]
    circle = CircleMixture(torch.randn(CIRCLE_OUTPUTS, generator=draw))
    assert circle.log_density(angles).exp().mean() * 2 * math.pi == pytest.approx(1, abs=1e-3)
    turned = circle.log_density(angles + 2 * math.pi)
    assert torch.allclose(turned, circle.log_density(angles), atol=1e-3)

    plane = PlaneMixture(0.5 * torch.randn(PLANE_OUTPUTS, generator=draw))
    side = torch.linspace(-15, 15, 601)
    points = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
    total = float(plane.log_density(points).exp().sum()) * 0.05**2
    assert total == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_of_mixtures_have_their_moments(seed: int) -> None:
    """Mean of many draws in the plane is that of the mixture, and so is the covariance."""
    draw = torch.Generator().manual_seed(seed)
    raw = torch.randn(PLANE_OUTPUTS, generator=draw)
    plane, count = PlaneMixture(raw.expand(60000, -1)), 60000

    points = plane.draw(
        torch.rand(count, generator=draw), torch.randn(count, 2, generator=draw)
    ).double()

    one = PlaneMixture(raw)
    weight, mean = one.log_weight.exp(), one.mean
    spread = one.log_spread.exp().square()
    center = (weight[:, None] * mean).sum(0)
    cross = (weight * (one.slope * spread[:, 0] + mean.prod(-1))).sum() - center.prod()
    found = torch.cov(points.T)
    assert torch.allclose(points.mean(0).float(), center, atol=0.08)
    assert float(found[0, 1]) == pytest.approx(float(cross), abs=0.25)


@torch.no_grad()
def test_agents_do_not_look_at_later_ones(chain: AutoregressiveModel, batch: SceneBatch) -> None:
    """Changing an agent leaves the likelihood of all before it as it is."""
    place = 1 + ROLE_SLOTS + 1
    other = batch.agents.clone()
    assert bool(batch.present[0, place])
    other[0, place, :2] += 0.3
    moved = replace(batch, agents=other)

    first, second = (chain.log_likelihood(b)[0] for b in (batch, moved))

    assert torch.allclose(first[:place], second[:place], atol=1e-4)
    assert not torch.allclose(first[place:], second[place:], atol=1e-4)


@pytest.mark.parametrize("name", ["chain", "flow"])
@torch.no_grad()
def test_what_is_known_has_no_likelihood(
    name: str, batch: SceneBatch, request: pytest.FixtureRequest
) -> None:
    """A scene that is known altogether counts zero; what is free alone counts."""
    model = request.getfixturevalue(name)
    scenes = doubled(batch) if name == "flow" else batch
    everything = replace(scenes, known=torch.ones_like(batch.known))

    assert float(model.log_likelihood(everything).abs().max()) < 1e-5
    fresh = model.log_likelihood(scenes)
    assert (fresh[batch.present][1:] != 0.0).all()
    assert float(fresh[~batch.present].abs().max()) < 1e-5
