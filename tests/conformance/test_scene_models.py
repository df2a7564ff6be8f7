"""Contract of every learned layout family, whatever its weights are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenegen.errors import CheckpointError
from scenegen.layout import LAYOUT_MODELS
from scenegen.layout.known_masks import draw_masks
from scenegen.layout.learned import SCENE_MODELS, one_thread
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.tokens import KIND, POSE, PRESENCE
from scenegen.layout.training_run import Corpus, TrainingRun, TrainingSettings
from tests.layout.corpora import EVENTS, write_corpus

NAMES = sorted(SCENE_MODELS)
TINY = {"network": {"width": 16, "layers": 2, "heads": 2, "expansion": 2}}
SCENES = 6
BALANCED = {"gan", "student"}
"""Families that play against, or agree with, themselves: their loss is no measure of samples."""
SIZE = 2_691_355
"""Parameters of the diffusion model with twelve event families."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order: bits depend on the number of threads otherwise."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a made-up corpus."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), 36)


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    """Read its training split."""
    return Corpus([folder], "train", EVENTS, partial=True)


@pytest.fixture(scope="module")
def batch(corpus: Corpus) -> SceneBatch:
    """Take scenes with all kinds of masks."""
    groups = SCENE_MODELS["diffusion"].from_config({**TINY, "events": list(EVENTS)}).groups
    return draw_masks(corpus.scenes(range(SCENES)), groups, torch.Generator().manual_seed(3))


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, batch: SceneBatch) -> SceneModel:
    """Build a small model with random weights in every layer."""
    made = SCENE_MODELS[request.param].from_config({**TINY, "events": list(EVENTS)})
    made.scale.fit(batch.agents)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in made.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.1)
    return made.eval()


def seeded(seed: int) -> torch.Generator:
    """Start a generator."""
    return torch.Generator().manual_seed(seed)


def test_samples_are_tokens_and_keep_what_is_known(model: SceneModel, batch: SceneBatch) -> None:
    """Known channels to the bit, headings of unit length, one kind, empty slots empty."""
    found = model.sample(batch, seeded(0))

    assert found.shape == batch.agents.shape
    assert found.isfinite().all()
    assert torch.equal(found[batch.known], batch.agents[batch.known])
    there = found[..., PRESENCE] > 0.0
    free = there & ~batch.known[..., POSE].any(-1) & ~batch.known[..., KIND].any(-1)
    assert free.any()
    length = found[free][:, POSE][:, 2:].norm(dim=-1)
    assert torch.allclose(length, torch.ones_like(length), atol=1e-4)
    assert ((found[free][:, KIND] > 0.0).sum(-1) == 1).all()
    assert not found[~there][:, :PRESENCE].any()


def test_the_loss_and_its_gradients_are_finite(model: SceneModel, batch: SceneBatch) -> None:
    """A scalar that follows from the generator, with a slope for the weights of the family."""
    model.zero_grad()

    loss = model.loss(batch, seeded(1))
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.shape == ()
    assert loss.isfinite()
    slopes = {n: p.grad for n, p in model.named_parameters() if not n.startswith("count.")}
    assert all(slope is not None and slope.isfinite().all() for slope in slopes.values())
    assert torch.equal(model.loss(batch, seeded(1)), loss)
    with torch.no_grad():
        assert model.loss(batch, seeded(2)).isfinite()


def test_samples_follow_from_the_generator(model: SceneModel, batch: SceneBatch) -> None:
    """The same generator gives the same bits, another one others."""
    first, second, other = (model.sample(batch, seeded(seed)) for seed in (1, 1, 2))

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_scene_does_not_depend_on_its_batch_mates(model: SceneModel, batch: SceneBatch) -> None:
    """The first scenes are the same whether others follow or not."""
    whole, part = model.sample(batch, seeded(1)), model.sample(batch[:2], seeded(1))

    # Fitted motion codes pass rounding on more loudly than networks do.
    assert torch.allclose(whole[:2], part, atol=2e-2 if model.name == "ddpm" else 2e-3)


def test_unknown_channels_are_not_looked_at(model: SceneModel, batch: SceneBatch) -> None:
    """The truth in unknown channels, and values that are not asked, change no sample."""
    noise = torch.randn(batch.agents.shape, generator=seeded(4))
    other = replace(
        batch,
        agents=torch.where(batch.known, batch.agents, noise),
        condition=torch.where(batch.asked, batch.condition, 7.0),
    )

    assert torch.equal(model.sample(batch, seeded(1)), model.sample(other, seeded(1)))


def test_the_condition_and_what_is_known_shape_samples(
    model: SceneModel, batch: SceneBatch
) -> None:
    """Another condition gives another scene, and so does another place of a known agent."""
    asked = replace(batch, asked=torch.ones_like(batch.asked))
    other = replace(asked, condition=asked.condition + 1.0)

    assert not torch.equal(model.sample(asked, seeded(1)), model.sample(other, seeded(1)))


def test_settings_rebuild_the_model(model: SceneModel) -> None:
    """A model built from `config` takes the weights."""
    again = SCENE_MODELS[model.name].from_config(model.config())

    again.load_state_dict(model.state_dict())

    assert again.config() == model.config()
    assert SCENE_MODELS[model.name].name == model.name


@pytest.mark.parametrize("name", NAMES)
def test_families_are_of_similar_size(name: str) -> None:
    """With default settings, within 15 % of the diffusion model."""
    made = SCENE_MODELS[name].from_config({"events": [f"event {k}" for k in range(12)]})

    size = sum(p.numel() for p in made.parameters())

    assert abs(size / SIZE - 1.0) < 0.15


@pytest.mark.parametrize("name", NAMES)
def test_a_short_training_learns(name: str, corpus: Corpus) -> None:
    """The loss on the same masked scenes falls; where it says little, samples get closer."""
    torch.manual_seed(0)
    made = SCENE_MODELS[name].from_config({**TINY, "events": list(EVENTS)})
    made.scale.fit(corpus.reader.rows.agents)
    scenes = corpus.scenes(range(16))
    rate, steps = (2e-3, 80) if name in BALANCED else (1e-2, 30)
    optimizer = torch.optim.AdamW(made.parameters(), lr=rate, betas=made.betas)
    before = judged(made, scenes)

    for step in range(steps):
        masked = draw_masks(scenes, made.groups, seeded(step))
        optimizer.zero_grad()
        made.loss(masked, seeded(step)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimizer.step()

    assert judged(made, scenes) < before - 0.05 * abs(before)


@torch.no_grad()
def judged(model: SceneModel, scenes: SceneBatch) -> float:
    """Loss on fixed scenes, or how far means and deviations of samples are from the truth."""
    if model.name not in BALANCED:
        return float(
            torch.stack([model.loss(scenes, seeded(seed)) for seed in range(100, 103)]).mean()
        )
    made = model.scale(model.sample(scenes, seeded(100)))[scenes.present]
    true = model.scale(scenes.agents)[scenes.present]
    apart = (made.mean(0) - true.mean(0)).square() + (made.std(0) - true.std(0)).square()
    return float(apart.sum())


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_training_equals_an_uninterrupted_one(
    name: str, folder: Path, tmp_path: Path
) -> None:
    """Whatever the family plays, its state has the same bytes."""
    settings = TrainingSettings(model=name, config=TINY, batch=4, warm_up=2, ema=0.9)

    for run, stops in (("whole", (4,)), ("parts", (2, 4))):
        for steps in stops:
            run_ = TrainingRun(tmp_path / run, settings, [folder], partial=True)
            run_.run(steps=steps, every=4)

    whole, parts = (tmp_path / run / "state.safetensors" for run in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_checkpoint_is_a_sentence(name: str) -> None:
    """`generate --layout-model` says what is missing and how to get it; or it is there."""
    try:
        layout = LAYOUT_MODELS[name]()
    except CheckpointError as error:
        assert f"layout_{name}.safetensors" in str(error)  # noqa: PT017 - either is right.
        assert "scenegen train layout" in str(error)  # noqa: PT017
    else:
        assert layout.digests().keys() == {f"layout_{name}"}
