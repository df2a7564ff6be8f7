"""The order of clips: a permutation, independent of ranks and workers, exact on resuming."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from scenegen.data.order import ElasticSampler, Permutation
from scenegen.errors import RecordingError


@dataclass
class Numbers:
    """Stands for any clips: only their count and identity matter."""

    count: int
    fingerprint: str = "numbers"

    def __len__(self) -> int:
        """Count them."""
        return self.count


def consumed(count: int, batch: int, worlds: list[tuple[int, int]], seed: int = 0) -> list[int]:
    """Run ranks side by side; (world, steps) says when to stop and resume on another number."""
    state = ElasticSampler(Numbers(count), batch, seed).state_dict()
    order: list[int] = []
    for world, steps in worlds:
        ranks = [ElasticSampler(Numbers(count), batch, seed, r, world) for r in range(world)]
        for sampler in ranks:
            sampler.load_state_dict(state)
        assert len({len(sampler) for sampler in ranks}) == 1
        for _, parts in zip(range(steps), zip(*ranks, strict=True), strict=False):
            order += [clip for part in parts for clip in part]
            for sampler in ranks:
                sampler.advance()
        states = [sampler.state_dict() for sampler in ranks]
        assert all(a == b for a, b in pairwise(states))
        state = states[0]
    return order


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4097, 70_000])
def test_a_permutation_hits_every_number_once(count: int) -> None:
    """Whatever the count, also where it is no power of two."""
    for seed in range(3):
        values = Permutation(count, seed, "x")[np.arange(count)]
        assert np.array_equal(np.sort(values), np.arange(count))


def test_permutations_look_random() -> None:
    """Neighbours end up anywhere, and seeds and purposes give unrelated orders."""
    count = 20_000
    one = Permutation(count, 1, "x")[np.arange(count)]
    two, other = (Permutation(count, *key)[np.arange(count)] for key in ((2, "x"), (1, "y")))

    assert abs(np.diff(one)).mean() == pytest.approx(count / 3, rel=0.03)
    for values in (two, other):
        assert abs(np.corrcoef(one, values)[0, 1]) < 0.03
    assert abs(np.corrcoef(one, np.arange(count))[0, 1]) < 0.03


def test_huge_counts_need_no_memory() -> None:
    """A few positions of a trillion clips are found at once, all different and in range."""
    values = Permutation(10**12, 0)[np.arange(1000) * 10**9]

    assert len(set(values.tolist())) == 1000
    assert 0 <= values.min() < values.max() < 10**12


@pytest.mark.parametrize("count", [7, 24, 25, 101])
@pytest.mark.parametrize("batch", [1, 3, 4])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_order_does_not_depend_on_ranks(count: int, batch: int, world: int) -> None:
    """All ranks together give the sequence that one rank gives; less clips than ranks are left."""
    alone = consumed(count, batch, [(1, 10_000)])

    together = consumed(count, batch, [(world, 10_000)])

    assert sorted(alone) == list(range(count))
    kept = len(together)
    assert together == alone[:kept]
    assert count - kept < world


@pytest.mark.parametrize("seed", range(10))
def test_resuming_on_other_ranks_misses_and_repeats_nothing(seed: int) -> None:
    """Stopped after any step and resumed on 1, 2 or 4 ranks, the sequence is the same."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(60, 120))
    worlds = [(int(rng.choice([1, 2, 4])), int(rng.integers(1, 5))) for _ in range(4)]

    order = consumed(count, 2, [*worlds, (1, 10_000)], seed)

    assert order == consumed(count, 2, [(1, 10_000)], seed)


def test_every_epoch_has_its_own_order() -> None:
    """Advancing past the last batch begins the next epoch."""
    sampler = ElasticSampler(Numbers(20), 3, seed=4)
    epochs = []
    for _ in range(3):
        batches = list(sampler)
        for _ in batches:
            sampler.advance()
        epochs.append([clip for batch in batches for clip in batch])

    assert sampler.epoch == 3
    assert all(sorted(order) == list(range(20)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 3
    again = ElasticSampler(Numbers(20), 3, seed=4)
    assert [clip for batch in again.batches(3) for clip in batch] == [
        clip for order in epochs for clip in order
    ]
    again.set_epoch(2)
    assert [clip for batch in again for clip in batch] == epochs[2]


def test_unshuffled_keeps_the_order() -> None:
    """Without shuffling clips come in the order of the dataset."""
    sampler = ElasticSampler(Numbers(7), 3, shuffle=False)

    assert list(sampler) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(sampler) == 3


def test_a_state_of_other_clips_is_refused() -> None:
    """A state cannot silently continue on another selection."""
    state = ElasticSampler(Numbers(7, "theirs"), 3).state_dict()

    with pytest.raises(RecordingError, match="theirs"):
        ElasticSampler(Numbers(7, "ours"), 3).load_state_dict(state)


def test_wrong_numbers_are_told() -> None:
    """Batch size, rank and world are checked."""
    with pytest.raises(ValueError, match="rank 2, world_size 2"):
        ElasticSampler(Numbers(7), 3, rank=2, world_size=2)
    with pytest.raises(RecordingError, match="a clip per rank"):
        next(ElasticSampler(Numbers(1), 3, rank=0, world_size=2).batches())
