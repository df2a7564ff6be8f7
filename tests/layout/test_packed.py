"""The compiled network: the same numbers as the plain one, and the same bits in any batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from scenegen.layout.diffusion import DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.fast_math import gelu_all, silu_all
from scenegen.layout.known_masks import draw_masks
from scenegen.layout.learned import one_thread
from scenegen.layout.network import NetworkConfig
from scenegen.layout.packed import PackedScenes, can_be_packed
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.training_run import Corpus
from tests.layout.corpora import EVENTS, write_corpus

SIZES = [
    NetworkConfig(width=32, layers=2, heads=2, expansion=2),
    NetworkConfig(width=128, layers=6, heads=4),
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order: bits depend on the number of threads otherwise."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> SceneBatch:
    """Take scenes of a made-up corpus with all kinds of masks."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 24)
    scenes = Corpus([folder], "train", EVENTS, partial=True).scenes(range(12))
    return draw_masks(scenes, DiffusionModel(EVENTS).groups, torch.Generator().manual_seed(0))


def model_of_size(size: NetworkConfig, batch: SceneBatch) -> DiffusionModel:
    """Build a model with random weights in every layer."""
    made = DiffusionModel(EVENTS, size)
    made.scale.fit(batch.agents)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in made.network.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.5 / value.shape[-1] ** 0.5)
    return made.eval()


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"width {size.width}")
def model(request: pytest.FixtureRequest, batch: SceneBatch) -> DiffusionModel:
    """A small model and one of the size that ships."""
    return model_of_size(request.param, batch)


@pytest.mark.parametrize("sigma", [0.02, 0.4, 8.0])
def test_packed_passes_equal_plain_ones(
    model: DiffusionModel, batch: SceneBatch, sigma: float
) -> None:
    """Where somebody may be, both networks give the same up to rounding."""
    network, scenes = model.network, batch.given()
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randn((*scenes.agents.shape[:2], 76), generator=draw)
    pose = scenes.agents[..., :4] + sigma * torch.randn(
        (*scenes.agents.shape[:2], 4), generator=draw
    )

    with torch.no_grad():
        plain, packed = network.encode(scenes), PackedScenes(network, scenes)
        given = network.describe(plain, scenes.condition, scenes.asked)
        how = network.modulate(given, torch.full((len(scenes),), sigma))
        expected = network.modulated(tokens, pose, scenes.possible, plain, how)
        found = packed.modulated(tokens, pose, how)

    torch.testing.assert_close(packed.summary, plain.summary, atol=1e-5, rtol=1e-5)
    there = scenes.possible
    torch.testing.assert_close(found[there], expected[there], atol=2e-4, rtol=2e-4)
    assert not found[~there].any()


@pytest.mark.parametrize("sampler", list(Sampler))
@pytest.mark.parametrize("rows", [[5], [3, 5], [11, 5, 0, 7, 5], list(range(11, -1, -1))])
def test_a_scene_has_the_same_bits_in_any_batch(
    model: DiffusionModel, batch: SceneBatch, sampler: Sampler, rows: list[int]
) -> None:
    """Alone, twice, among few or all, at whatever place."""
    how = SamplerConfig(sampler=sampler, steps=3)

    whole = model.draw(batch, list(range(12)), how).tokens
    some = model.draw(batch[torch.tensor(rows)], rows, how).tokens

    assert torch.equal(some, whole[rows])


def test_scenes_on_one_road_share_what_is_read_off_it(
    model: DiffusionModel, batch: SceneBatch
) -> None:
    """Neighbours with the same road have it encoded once; their samples have the same bits."""
    rows = torch.tensor([3, 3, 3, 5, 3])
    seeds, how = [7, 8, 9, 10, 11], SamplerConfig(steps=3)

    with torch.no_grad():
        packed = PackedScenes(model.network, batch[rows].given())
    together = model.draw(batch[rows], seeds, how).tokens
    apart = [
        model.draw(batch[row : row + 1], [s], how).tokens
        for row, s in zip(rows.tolist(), seeds, strict=True)
    ]

    assert len(packed.keys) == 3
    assert packed.road.tolist() == [0, 0, 0, 1, 2]
    assert torch.equal(together, torch.cat(apart))


def test_what_cannot_be_packed_is_not(batch: SceneBatch) -> None:
    """Gradients, other floats, narrow networks and scenes without a road are left to the plain."""
    wide = model_of_size(SIZES[0], batch)
    narrow = model_of_size(NetworkConfig(width=16, layers=1, heads=2), batch)
    bare = batch[torch.tensor([0, 1])]
    bare.map_valid[1] = False

    assert not can_be_packed(wide.network, batch)
    with torch.no_grad():
        assert can_be_packed(wide.network, batch)
        assert not can_be_packed(narrow.network, batch)
        assert not can_be_packed(wide.network, bare)
        assert not can_be_packed(wide.double().network, batch)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (silu_all, torch.nn.functional.silu),
        (gelu_all, lambda x: torch.nn.functional.gelu(x, approximate="tanh")),
    ],
    ids=["silu", "gelu"],
)
def test_fast_functions_are_exact_to_the_last_digits(ours, theirs) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Over the whole range of floats that matters, extremes included."""
    x = np.concatenate([np.linspace(-30, 30, 200_003), [0.0, -90.0, 90.0, -1e4, 1e4, 1e-20]])
    found = x.astype(np.float32)

    ours(found)

    expected = theirs(torch.from_numpy(x.astype(np.float32))).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)
