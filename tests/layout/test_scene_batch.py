"""Batches of scenes and masks: what a model may look at, and what is left open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenegen.errors import ShapeError
from scenegen.layout.known_masks import MaskShares, draw_masks
from scenegen.layout.scene_batch import ACTING, SceneBatch
from scenegen.layout.scene_model import finished, scene_seeds
from scenegen.layout.standardize import GROUPS, Standardizer
from scenegen.layout.tokens import CHANNELS, KIND, MOTION, POSE, PRESENCE, ROLE_SLOTS
from scenegen.layout.training_run import Corpus
from tests.layout.corpora import write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Read a made-up corpus."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 120)
    return Corpus([folder], "train", (), partial=True)


@pytest.fixture(scope="module")
def batch(corpus: Corpus) -> SceneBatch:
    """Take all of its scenes."""
    return corpus.scenes(range(len(corpus)))


def groups(corpus: Corpus) -> dict[str, slice]:
    """Fields of the condition; the last one ends it."""
    wide = corpus.condition.shape[1]
    return {"event": slice(0, 2), "rest": slice(2, wide)}


def test_of_a_fresh_scene_the_number_of_agents_is_known(batch: SceneBatch) -> None:
    """Known are presence, what empty slots hold, and the pose of the ego."""
    filled = batch.known[batch.present]

    assert batch.known[..., PRESENCE].all()
    assert batch.known[~batch.present].all()
    assert batch.known[:, 0, POSE].all()
    assert int(filled.sum()) == int(batch.present.sum()) + 4 * len(batch)


def test_acting_scenes_hold_the_ego_and_the_roles_alone(batch: SceneBatch) -> None:
    """Their tokens stay as they are; every slot after them is empty, and known to be."""
    alone, acting = batch.acting(), slice(0, 1 + ROLE_SLOTS)

    assert alone.agents.shape[1] == ACTING
    assert torch.equal(alone.agents[:, acting], batch.agents[:, acting])
    assert torch.equal(alone.known[:, acting], batch.known[:, acting])
    assert not alone.present[:, 1 + ROLE_SLOTS :].any()
    assert alone.known[:, 1 + ROLE_SLOTS :].all()
    assert torch.equal(alone.map_points, batch.map_points)


def test_the_mask_of_the_ego_is_what_staging_knows(corpus: Corpus, batch: SceneBatch) -> None:
    """All of the ego is known but its motion and acceleration, and of the others that they are."""
    shares = MaskShares(agents=0.0, begin=0.0, channels=0.0, one_missing=0.0, ego=1.0)

    drawn = draw_masks(batch, groups(corpus), torch.Generator().manual_seed(0), shares)

    open_channels = (~drawn.known[:, 0]).any(0)
    assert open_channels[MOTION].all()
    assert int(open_channels.sum()) == MOTION.stop - MOTION.start + 1
    others = drawn.known[:, 1:][drawn.present[:, 1:]]
    assert others[:, PRESENCE].all()
    assert not others[:, :PRESENCE].any()


@pytest.mark.parametrize("seed", range(5))
def test_masks_are_consistent(corpus: Corpus, batch: SceneBatch, seed: int) -> None:
    """If it is open whether a slot is filled all of it is open; of an empty slot all is known."""
    drawn = draw_masks(batch, groups(corpus), torch.Generator().manual_seed(seed))

    decided = drawn.known[..., PRESENCE]
    assert not drawn.known[~decided].any()
    assert drawn.known[decided & ~drawn.present].all()
    assert drawn.known[:, 0, POSE].all()
    assert decided[:, 0].all()


def test_masks_of_all_kinds_are_drawn(corpus: Corpus, batch: SceneBatch) -> None:
    """Some scenes know nothing, some all but one agent, some leave open who is there."""
    many = SceneBatch.concatenate([batch] * 8)

    drawn = draw_masks(many, groups(corpus), torch.Generator().manual_seed(0))

    unknown = (~drawn.known & drawn.present[..., None]).any(-1).sum(1)
    fresh = (drawn.known == many.known).flatten(1).all(1)
    assert float(fresh.float().mean()) == pytest.approx(0.3, abs=0.08)
    assert float((unknown == 1).float().mean()) > 0.05
    assert (~drawn.known[..., PRESENCE]).any()
    still = drawn.known[..., KIND].all(-1) & ~drawn.known[..., MOTION].any(-1)
    assert (still & drawn.present).any()
    assert float(drawn.asked[:, 0].float().mean()) == pytest.approx(0.9, abs=0.04)


def test_with_all_shares_zero_every_scene_is_fresh(corpus: Corpus, batch: SceneBatch) -> None:
    """The shares decide; impossible ones are refused."""
    shares = MaskShares(agents=0, begin=0, channels=0, one_missing=0, ego=0, drop=0)

    drawn = draw_masks(batch, groups(corpus), torch.Generator().manual_seed(1), shares)

    assert torch.equal(drawn.known, batch.known)
    assert torch.equal(drawn.asked, batch.asked)
    with pytest.raises(ValueError, match="probabilities"):
        MaskShares(agents=0.9, begin=0.9)


def test_what_is_not_given_cannot_be_seen(batch: SceneBatch) -> None:
    """Unknown channels and values that are not asked are zero."""
    given = replace(batch, asked=torch.zeros_like(batch.asked)).given()

    assert not given.agents[~batch.known].any()
    assert torch.equal(given.agents[batch.known], batch.agents[batch.known])
    assert not given.condition.any()


def test_selecting_and_joining_give_the_same_scenes(batch: SceneBatch) -> None:
    """Numbers, slices and masks select; joining the parts gives the whole."""
    parts = [batch[0], batch[1:5], batch[torch.arange(len(batch)) >= 5]]

    joined = SceneBatch.concatenate(parts)

    assert len(parts[0]) == 1
    assert torch.equal(joined.agents, batch.agents)
    assert torch.equal(batch[-1].agents, batch.agents[-1:])


def test_tensors_must_agree(batch: SceneBatch) -> None:
    """The message names the tensor."""
    with pytest.raises(ShapeError, match=r"SceneBatch\.known"):
        replace(batch, known=batch.known[:, :3])


def test_standardised_channels_have_unit_deviation(batch: SceneBatch) -> None:
    """Groups share a deviation, and the inverse gives the tokens back."""
    scale = Standardizer()
    scale.fit(batch.agents)

    values = scale(batch.agents)

    there = batch.present
    speeds = values[there][:, GROUPS["speed"]]
    assert float(speeds.mean()) == pytest.approx(0.0, abs=1e-4)
    assert float(speeds.square().mean()) == pytest.approx(1.0, rel=1e-4)
    assert torch.allclose(scale.inverse(values), batch.agents, atol=1e-5)


def test_finished_tokens_are_valid(batch: SceneBatch) -> None:
    """Headings of unit length, one kind, empty slots zero; known channels to the bit."""
    open_batch = replace(batch, known=torch.zeros_like(batch.known))
    open_batch.known[:, 0] = True
    noise = torch.randn(batch.agents.shape, generator=torch.Generator().manual_seed(2))

    found = finished(open_batch, noise)

    there = found[..., PRESENCE] > 0
    free = there & ~open_batch.known[..., 0]
    assert torch.equal(found[:, 0], batch.agents[:, 0])
    assert torch.allclose(found[free][:, 2:4].norm(dim=-1), torch.ones(int(free.sum())))
    assert ((found[free][:, KIND] > 0).sum(-1) == 1).all()
    assert not found[~there][:, : CHANNELS - 1].any()


def test_seeds_of_the_first_scenes_do_not_depend_on_the_number() -> None:
    """Batches of different size share their first seeds."""
    few, many = (scene_seeds(torch.Generator().manual_seed(3), n) for n in (2, 40))

    assert many[:2] == few
    assert len(set(many)) == 40


def test_a_split_without_rows_is_an_error(tmp_path: Path) -> None:
    """A corpus of one row has no test split."""
    folder = write_corpus(tmp_path / "corpus", 1)

    with pytest.raises(Exception, match="expected rows in the split 'test'"):
        Corpus([folder], "test", (), partial=True)
