"""Laws of the other families: processes on Gaussian data, positions, the game, the bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from scenegen.layout.cvae import gaussian_divergence
from scenegen.layout.ddpm import DdpmConfig, DdpmModel, cosine_schedule
from scenegen.layout.flow_matching import FlowMatchingConfig, FlowMatchingModel, Method
from scenegen.layout.layout_gan import GanConfig, GanModel
from scenegen.layout.learned import one_thread
from scenegen.layout.motion import integrate
from scenegen.layout.network import Encoded, NetworkConfig
from scenegen.layout.positions import (
    INSTANTS,
    PATH,
    PLACES,
    known_places,
    places_of,
    tokens_of_places,
)
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import DYNAMICS, KIND, MOTION, POSE, PRESENCE, knots_of, start_of
from scenegen.layout.training_run import Corpus
from scenegen.scene.plans import KNOTS
from tests.layout.corpora import EVENTS, write_corpus

TINY = NetworkConfig(width=16, layers=2, heads=2, expansion=2)
SEEDS = range(3)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> SceneBatch:
    """Take scenes of a made-up corpus."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 16)
    return Corpus([folder], "train", EVENTS, partial=True).scenes(range(8))


def with_motion(batch: SceneBatch, seed: int) -> SceneBatch:
    """Give the agents that are there smooth random motion codes."""
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randn((*batch.present.shape, 2, KNOTS), generator=draw).cumsum(-1) * 0.25
    codes[..., 0, :] *= 1.5
    agents = batch.agents.clone()
    agents[..., MOTION] = torch.where(batch.present[..., None], codes.flatten(-2), 0.0)
    return replace(batch, agents=agents)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_code_fitted_to_its_places_leads_there(batch: SceneBatch, seed: int) -> None:
    """Through positions at nine instants and back: within 0.3 m after 8 s, 0.1 m on average."""
    scenes = with_motion(batch, seed)

    back = tokens_of_places(places_of(scenes.agents), scenes)

    here, there = (
        integrate(start_of(t), knots_of(t))[..., :2][scenes.present] for t in (scenes.agents, back)
    )
    apart = (here - there).norm(dim=-1)
    assert float(apart.mean()) < 0.1
    assert float(apart[:, -1].quantile(0.95)) < 0.3
    rest = [k for k in range(scenes.agents.shape[-1]) if not MOTION.start <= k < MOTION.stop]
    assert torch.equal(back[..., rest], scenes.agents[..., rest])


def test_places_are_where_the_motion_leads(batch: SceneBatch) -> None:
    """A car at 20 m/s straight ahead is 20 m further each second."""
    tokens = torch.zeros(1, 1, batch.agents.shape[-1])
    tokens[..., POSE.start + 2] = 1.0
    tokens[..., DYNAMICS.start] = 1.25  # 20 m/s

    path = places_of(tokens)[..., PATH].view(-1, 4)

    assert tokens.shape[-1] + 16 == PLACES
    assert torch.allclose(path[:, 0] * 50.0, 2.0 * torch.tensor(INSTANTS).float(), atol=1e-3)
    assert torch.allclose(path[:, 2], torch.ones(len(path)))


def test_a_place_is_known_if_what_leads_there_is(batch: SceneBatch) -> None:
    """Three knots of both quantities make two places known; without the speed none is."""
    known = torch.zeros_like(batch.known)
    known[..., POSE] = True
    known[..., DYNAMICS.start] = True
    known[..., MOTION.start : MOTION.start + 3] = True
    known[..., MOTION.start + KNOTS : MOTION.start + KNOTS + 3] = True
    still = known.clone()
    still[..., DYNAMICS.start] = False

    path = known_places(replace(batch, known=known))[..., PATH]

    assert path[..., :8].all()
    assert not path[..., 8:].any()
    assert not known_places(replace(batch, known=still))[..., PATH].any()


@pytest.mark.parametrize("steps", [10, 100])
def test_the_cosine_schedule_falls_from_one_to_nothing(steps: int) -> None:
    """Nichol & Dhariwal 2021: in the middle a half of the variance is left, at the end nothing."""
    share = cosine_schedule(steps)

    assert share.shape == (steps + 1,)
    assert float(share[0]) == 1.0
    assert (share[1:] < share[:-1]).all()
    assert float(share[steps // 2]) == pytest.approx(0.4938, abs=1e-3)
    assert float(share[-1]) < 1e-3


class GaussianDdpm(DdpmModel):
    """DDPM that predicts the noise of standard normal data exactly."""

    def _noise(
        self,
        batch: SceneBatch,
        noisy: torch.Tensor,
        step: torch.Tensor,
        scene: Encoded,
        given: torch.Tensor,
    ) -> torch.Tensor:
        share = self.alpha_bar[step].to(noisy)[:, None, None]
        return (1.0 - share).sqrt() * noisy


class GaussianFlow(FlowMatchingModel):
    """Flow matching with the exact velocity of standard normal data."""

    def _velocity(
        self,
        batch: SceneBatch,
        mixed: torch.Tensor,
        time: torch.Tensor,
        scene: Encoded,
        given: torch.Tensor,
    ) -> torch.Tensor:
        t = time[:, None, None]
        return (2.0 * t - 1.0) / (t.square() + (1.0 - t).square()) * mixed


def test_ddpm_samples_gaussian_data(batch: SceneBatch) -> None:
    """With the exact noise, 100 ancestral steps give the mean and deviation of the data."""
    model = GaussianDdpm(EVENTS, TINY)
    free = replace(batch, known=torch.zeros_like(batch.known))
    free.known[..., PRESENCE] = True

    found = model.sample(free, torch.Generator().manual_seed(0))[free.present]

    plain = found[:, DYNAMICS]
    assert float(plain.mean()) == pytest.approx(0.0, abs=0.15)
    assert float(plain.std()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("method", "deviation", "within"),
    [(Method.EULER, 0.851, 0.02), (Method.ADAMS, 0.989, 0.02), (Method.HEUN, 0.999, 0.02)],
)
def test_flow_matching_follows_the_exact_flow(
    batch: SceneBatch, method: Method, deviation: float, within: float
) -> None:
    """Eight steps give the deviation that the method gives for standard normal data."""
    model = GaussianFlow(EVENTS, TINY, FlowMatchingConfig(method=method))
    free = replace(batch, known=torch.zeros_like(batch.known))
    free.known[..., PRESENCE] = True
    many = SceneBatch.concatenate([free] * 4)

    found = model.sample(many, torch.Generator().manual_seed(0))[many.present]

    plain = torch.cat([found[:, DYNAMICS], found[:, MOTION]], -1)
    assert float(plain.std()) == pytest.approx(deviation, abs=within)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_divergence_is_that_of_torch(seed: int) -> None:
    """Closed form of two Gaussians; zero of one with itself."""
    draw = torch.Generator().manual_seed(seed)
    a, b, c, d = torch.randn(4, 50, generator=draw)
    normal = torch.distributions.Normal

    expected = torch.distributions.kl_divergence(normal(a, b.exp()), normal(c, d.exp()))

    assert torch.allclose(gaussian_divergence(a, b, c, d), expected, rtol=1e-3, atol=1e-4)
    assert not gaussian_divergence(a, b, a, b).any()


def playing(seed: int = 1, **game: float) -> GanModel:
    """Build a generator and a critic with random weights."""
    model = GanModel(EVENTS, TINY, GanConfig(**game))  # type: ignore[arg-type]
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.1)
    return model


def test_generator_and_critic_descend_on_their_own_losses(batch: SceneBatch) -> None:
    """The slopes of one sum are those of two games: fooling for one, judging for the other."""
    model = playing(gamma=0.0)
    noise = torch.randn(
        (*batch.present.shape, model.game.noise), generator=torch.Generator().manual_seed(0)
    )
    made = model._made(batch, noise)
    true = model._clean(batch)
    lead = model._score(batch, made) - model._score(batch, true)
    softplus = torch.nn.functional.softplus
    one = dict(model.named_parameters())
    names = {part: [n for n in one if n.startswith(part)] for part in ("critic.", "generator.")}
    expected = {
        part: torch.autograd.grad(value, [one[n] for n in names[part]], retain_graph=True)
        for part, value in (
            ("critic.", softplus(lead).mean()),
            ("generator.", softplus(-lead).mean()),
        )
    }

    model.loss(batch, torch.Generator().manual_seed(0)).backward()  # type: ignore[no-untyped-call]

    for part, slopes in expected.items():
        for name, slope in zip(names[part], slopes, strict=True):
            found = one[name].grad
            assert found is not None
            assert torch.allclose(found, slope, atol=1e-5), name


class LinearCritic(GanModel):
    """A critic whose gradient is 2 everywhere."""

    def _score(self, batch: SceneBatch, tokens: torch.Tensor) -> torch.Tensor:
        return 2.0 * tokens.sum((1, 2))


def test_finite_differences_measure_squared_gradients(batch: SceneBatch) -> None:
    """Of a linear critic, 4 for each number that is free, on average over directions."""
    model = LinearCritic(EVENTS, TINY)
    clean, draw = model.scale(batch.agents), torch.Generator().manual_seed(0)
    score = model._score(batch, clean)

    found = [
        float(model._steepness(batch, clean, score, torch.randn(clean.shape, generator=draw)))
        for _ in range(600)
    ]

    free = ~batch.known & batch.present[..., None]
    expected = 4.0 * float(free.sum((1, 2)).float().mean())
    assert sum(found) / len(found) == pytest.approx(expected, rel=0.1)


def test_what_a_generator_makes_is_in_the_range_of_the_truth(batch: SceneBatch) -> None:
    """Headings have unit length and kinds lie between the corners, so no critic sees through."""
    model = playing()
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn((*batch.present.shape, model.game.noise), generator=draw)

    with torch.no_grad():
        made = model._tokens(model._made(batch, noise, scored_only=False))

    length = made[..., POSE][..., 2:].norm(dim=-1)[batch.present]
    assert torch.allclose(length, torch.ones_like(length), atol=1e-3)
    assert float(made[..., KIND].abs().max()) <= 0.5 + 1e-6


def test_resampling_changes_samples_and_keeps_what_is_known(batch: SceneBatch) -> None:
    """Going back and forth costs passes and mixes known and new (Lugmayr et al. 2022)."""
    once, twice = (DdpmModel(EVENTS, TINY, DdpmConfig(steps=4, resample=times)) for times in (1, 2))
    twice.load_state_dict(once.state_dict())

    first, second = (m.sample(batch, torch.Generator().manual_seed(0)) for m in (once, twice))

    assert not torch.equal(first, second)
    assert torch.equal(second[batch.known], batch.agents[batch.known])
