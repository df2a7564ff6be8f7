"""The diffusion model: what must hold whatever its weights are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.layout.diffusion import DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.known_masks import draw_masks
from scenegen.layout.learned import one_thread
from scenegen.layout.network import NetworkConfig
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_losses import overlap_depth, rollout_error
from scenegen.layout.tokens import POSE, POSITION_SCALE, ROLE_SLOTS, SLOTS
from scenegen.layout.training_run import Corpus
from tests.layout.corpora import EVENTS, write_corpus

TINY = NetworkConfig(width=16, layers=2, heads=2, expansion=2)
SAMPLERS = list(Sampler)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order: bits depend on the number of threads otherwise."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> SceneBatch:
    """Take scenes of a made-up corpus with all kinds of masks."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 24)
    corpus = Corpus([folder], "train", EVENTS, partial=True)
    scenes = corpus.scenes(range(8))
    return draw_masks(scenes, DiffusionModel(EVENTS).groups, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(batch: SceneBatch) -> DiffusionModel:
    """Build a small model with random weights in every layer."""
    made = DiffusionModel(EVENTS, TINY)
    made.scale.fit(batch.agents)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in made.network.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.15)
    return made.eval()


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal up to rounding."""
    return torch.allclose(a, b, atol=2e-3)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_channels_keep_every_bit(
    model: DiffusionModel, batch: SceneBatch, sampler: Sampler
) -> None:
    """Whatever is known comes back as it is, and the rest is finite."""
    found = model.draw(batch, list(range(8)), SamplerConfig(sampler=sampler, steps=4)).tokens

    assert torch.equal(found[batch.known], batch.agents[batch.known])
    assert found.isfinite().all()


def test_unknown_channels_are_not_looked_at(model: DiffusionModel, batch: SceneBatch) -> None:
    """The truth in unknown channels, and values that are not asked, change no sample."""
    noise = torch.randn(batch.agents.shape, generator=torch.Generator().manual_seed(4))
    other = replace(
        batch,
        agents=torch.where(batch.known, batch.agents, noise),
        condition=torch.where(batch.asked, batch.condition, 7.0),
    )

    first, second = (model.draw(b, list(range(8)), SamplerConfig()).tokens for b in (batch, other))

    assert torch.equal(first, second)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_scene_does_not_depend_on_its_batch_mates(
    model: DiffusionModel, batch: SceneBatch, sampler: Sampler
) -> None:
    """Alone or among others, in whatever order, a scene with its seed is the same."""
    how = SamplerConfig(sampler=sampler, steps=4)

    whole = model.draw(batch, list(range(8)), how).tokens
    alone = model.draw(batch[5], [5], how).tokens
    turned = model.draw(batch[torch.arange(7, -1, -1)], list(range(7, -1, -1)), how).tokens

    assert close(alone[0], whole[5])
    assert torch.equal(turned.flip(0), whole)


def test_the_same_generator_gives_the_same_bits(model: DiffusionModel, batch: SceneBatch) -> None:
    """Samples follow from the generator; another one gives others."""
    first, second, other = (
        model.sample(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_reordering_the_background_reorders_the_estimate(
    model: DiffusionModel, batch: SceneBatch
) -> None:
    """Background slots are treated alike; the ego and the roles have places of their own."""
    order = torch.arange(SLOTS)
    shuffled = np.random.default_rng(0).permutation(np.arange(1 + ROLE_SLOTS, SLOTS))
    order[1 + ROLE_SLOTS :] = torch.from_numpy(shuffled)
    moved = replace(batch, agents=batch.agents[:, order], known=batch.known[:, order])
    x = torch.randn(batch.agents.shape, generator=torch.Generator().manual_seed(5))

    with torch.no_grad():
        here = model.denoiser(batch.given(), SamplerConfig())(x, 0.4).base
        there = model.denoiser(moved.given(), SamplerConfig())(x[:, order], 0.4).base

    assert close(there, here[:, order])
    assert not close(here[:, [0, 2, 1]], here[:, :3])


def test_empty_slots_and_polylines_change_nothing(model: DiffusionModel, batch: SceneBatch) -> None:
    """What is known to be empty is out of sight, whatever its slot holds."""
    filled = replace(
        batch,
        map_points=torch.where(batch.map_valid[..., None, None], batch.map_points, 3.0),
        map_attributes=torch.where(batch.map_valid[..., None], batch.map_attributes, -2.0),
    )

    first, second = (model.draw(b, list(range(8)), SamplerConfig()).tokens for b in (batch, filled))

    assert close(first, second)


def test_guidance_of_scale_one_is_none(model: DiffusionModel, batch: SceneBatch) -> None:
    """Scales other than 1 change samples, within their interval alone."""
    seeds = list(range(8))
    plain = model.draw(batch, seeds, SamplerConfig()).tokens

    strong = model.draw(batch, seeds, SamplerConfig(event_scale=3.0)).tokens
    outside = model.draw(batch, seeds, SamplerConfig(event_scale=3.0, interval=(90, 99))).tokens

    assert not torch.equal(strong, plain)
    assert torch.equal(outside, plain)


def test_a_guide_moves_the_estimate_and_is_weighed(
    model: DiffusionModel, batch: SceneBatch
) -> None:
    """Scenes are moved where the guide says, known channels never; weights tell what it cost."""

    def forward(estimate: torch.Tensor, sigma: float, scenes: SceneBatch) -> torch.Tensor:
        shift = torch.zeros_like(estimate)
        shift[..., 0] = 100.0
        return shift

    seeds, how = list(range(8)), SamplerConfig(sampler=Sampler.ANCESTRAL, clamp=0.2)
    plain = model.draw(batch, seeds, how)
    guided = model.draw(batch, seeds, replace(how, guide=forward))

    free = ~batch.known[..., 0] & batch.present
    assert float((guided.tokens - plain.tokens)[free][:, 0].mean()) > 0.0
    assert torch.equal(guided.tokens[batch.known], batch.agents[batch.known])
    assert plain.log_weight is not None
    assert guided.log_weight is not None
    assert not plain.log_weight.any()
    assert (guided.log_weight[free.any(1)] != 0).all()


def test_the_truth_has_no_rollout_error(batch: SceneBatch) -> None:
    """Tokens lead where they lead; a shift by 2 m is an error of 1.5 at the unit of 1 m."""
    moved = batch.agents.clone()
    moved[..., POSE.start] += 2.0 / POSITION_SCALE

    unit = torch.ones(batch.present.shape)

    assert float(rollout_error(batch.agents, batch.agents, unit).max()) < 1e-5
    assert torch.allclose(rollout_error(moved, batch.agents, unit), 1.5 * unit, atol=1e-2)


def test_overlap_is_the_least_way_apart() -> None:
    """Two cars side by side, 1 m of 1.85 m apart, overlap by 0.85 m; apart by 2 m not at all."""
    tokens = torch.zeros(2, 2, 38)
    tokens[..., 2] = 1.0
    tokens[..., 29] = 0.5
    tokens[0, 1, 1], tokens[1, 1, 1] = 1.0 / POSITION_SCALE, 2.0 / POSITION_SCALE

    depth = overlap_depth(tokens, torch.ones(2, 2, dtype=torch.bool))

    assert float(depth[0, 0, 1]) == pytest.approx(0.85, abs=1e-3)
    assert float(depth[0, 1, 0]) == pytest.approx(0.85, abs=1e-3)
    assert not depth[1].any()


def test_settings_rebuild_the_model(model: DiffusionModel, tmp_path: Path) -> None:
    """A model built from `config` takes the weights."""
    again = DiffusionModel.from_config(model.config())

    again.load_state_dict(model.state_dict())

    assert again.config() == model.config()
