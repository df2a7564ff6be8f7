"""Promises of the constraints kept while sampling."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scenegen.layout.constraints import constrain
from scenegen.layout.raw_measures import raw_measures
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.tokens import POSE, POSITION_SCALE, PRESENCE
from scenegen.layout.training_run import Corpus
from tests.layout.corpora import EVENTS, write_corpus


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> SceneBatch:
    """Take scenes of a made-up corpus of which nothing but the ego is known."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 24)
    return Corpus([folder], "train", EVENTS, partial=True).scenes(range(12))


def shaken(batch: SceneBatch, seed: int, spread: float) -> torch.Tensor:
    """Give the true scenes with places moved at random [m], but for what is known."""
    generator = torch.Generator().manual_seed(seed)
    tokens = batch.agents.clone()
    noise = torch.randn(tokens[..., :2].shape, generator=generator)
    tokens[..., :2] += spread / POSITION_SCALE * noise
    return torch.where(batch.known, batch.agents, tokens)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [0.5, 2.0, 8.0])
def test_boxes_come_apart_and_vehicles_onto_lanes(
    batch: SceneBatch, seed: int, spread: float
) -> None:
    """Of the overlaps at most a tenth stays, and fewer vehicles are beside the lanes."""
    tokens = shaken(batch, seed, spread)
    before, after = raw_measures(batch, tokens), raw_measures(batch, constrain(tokens, batch))
    assert after["overlapping"] <= 0.1 * before["overlapping"]
    assert after["beside_lanes"] <= before["beside_lanes"]
    assert after["beside_lanes"] < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_only_places_that_are_open_change(batch: SceneBatch, seed: int) -> None:
    """What is known keeps every bit, and so do heading, motion, size, kind and presence."""
    tokens = shaken(batch, seed, 3.0)
    out = constrain(tokens, batch)
    assert torch.equal(out[batch.known], tokens[batch.known])
    assert torch.equal(out[..., POSE.start + 2 :], tokens[..., POSE.start + 2 :])
    absent = tokens[..., PRESENCE] <= 0.0
    assert torch.equal(out[absent], tokens[absent])


def test_a_scene_that_keeps_them_stays(batch: SceneBatch) -> None:
    """What simulated traffic has done is moved by less than its boxes are from the edges."""
    moved = (constrain(batch.agents, batch) - batch.agents)[..., :2].norm(dim=-1) * POSITION_SCALE
    assert float((moved < 0.3).float().mean()) > 0.97


def test_a_scene_does_not_depend_on_its_batch_mates(batch: SceneBatch, tmp_path: Path) -> None:
    """One by one they come out as together."""
    tokens = shaken(batch, 5, 4.0)
    together = constrain(tokens, batch)
    for k in range(4):
        alone = constrain(tokens[[k]], batch[[k]])
        assert torch.allclose(alone[0], together[k], atol=1e-6)
