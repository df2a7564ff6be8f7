"""Clips reach the training loop whole, in order, and go on exactly where they stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from scenegen.data import Dataset
from scenegen.data.loader import Batch, ClipLoader, Clips, ClipStream, collate
from scenegen.data.order import ElasticSampler
from scenegen.errors import RecordingError, UnknownNameError
from tests.data.recordings import write

FIELDS = ("camera/front/depth", "camera/front/instance", "lidar/top/xyz", "boxes3d/cuboid")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of several packs."""
    path = tmp_path_factory.mktemp("loader") / "d"
    write(path, 5, (9, 0, 3, 13, 5, 8), profile="default")
    return path


def keys(batch: Batch) -> list[tuple[int, int]]:
    """Recording and first frame of each clip of a batch."""
    recording, start = batch["recording"], batch["start"]
    assert isinstance(recording, torch.Tensor)
    assert isinstance(start, torch.Tensor)
    return list(zip(recording.tolist(), start.tolist(), strict=True))


def assert_same_batch(a: Batch, b: Batch) -> None:
    """Check that two batches agree in every value."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        other = b[name]
        ours = value if isinstance(value, tuple) else (value,)
        theirs = other if isinstance(other, tuple) else (other,)
        for x, y in zip(ours, theirs, strict=True):
            assert x.dtype == y.dtype, name
            assert torch.equal(x, y), name


@pytest.mark.parametrize(("frames", "stride", "hop"), [(1, 1, None), (3, 1, 1), (2, 3, 2)])
def test_clips_are_the_frames_of_their_recordings(
    path: Path, frames: int, stride: int, hop: int | None
) -> None:
    """Each clip holds what the reader gives for its frames; every place that fits is a clip."""
    clips = Clips(path, FIELDS, frames=frames, stride=stride, hop=hop)
    dataset = Dataset(path)
    span = (frames - 1) * stride + 1
    places = [
        (r, s)
        for r in range(len(dataset))
        for s in range(0, dataset.frame_count(r) - span + 1, hop or frames * stride)
    ]

    assert [clips.place(i) for i in range(len(clips))] == places
    for i, (recording, start) in enumerate(places):
        clip = clips[i]
        window = (start, start + span, stride)
        for name in FIELDS:
            got, want = clip[name], dataset.read(recording, name, *window)
            if isinstance(want, tuple):
                assert isinstance(got, tuple)
                np.testing.assert_array_equal(got[0].numpy(), want[0])
                np.testing.assert_array_equal(got[1].numpy(), want[1])
            else:
                assert isinstance(got, torch.Tensor)
                np.testing.assert_array_equal(got.numpy(), want)
        times = clip["time"]
        assert isinstance(times, torch.Tensor)
        np.testing.assert_array_equal(
            times.numpy(), dataset.times(recording)[start : start + span : stride]
        )


def test_collating_clips_equals_reading_a_batch(path: Path) -> None:
    """Both ways into torch give the same batch."""
    clips = Clips(path, FIELDS, frames=2)
    chosen = [3, 0, 7, 3]

    batch = clips.__getitems__(chosen)

    assert_same_batch(collate([clips[i] for i in chosen]), batch)
    assert_same_batch(collate(batch), batch)


@pytest.mark.parametrize(("workers", "method"), [(2, "fork"), (1, "spawn")])
def test_batches_do_not_depend_on_workers(path: Path, workers: int, method: str) -> None:
    """Worker processes give the very batches that this process gives, after it has read."""
    clips = Clips(path, FIELDS, frames=2)
    alone = list(ClipLoader(clips, ElasticSampler(clips, 3, seed=1)))

    sampler = ElasticSampler(clips, 3, seed=1)
    others = list(ClipLoader(clips, sampler, workers=workers, start_method=method))

    assert len(alone) == len(others) > 3
    for a, b in zip(alone, others, strict=True):
        assert_same_batch(a, b)
    everything = [key for batch in alone for key in keys(batch)]
    assert len(everything) == len(set(everything)) == len(clips)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 2), (2, 0), (2, 1)])
@pytest.mark.parametrize("world", [1, 2])
def test_resuming_is_exact(path: Path, before: int, after: int, world: int) -> None:
    """What workers had fetched ahead is neither lost nor repeated, on any number of ranks."""
    clips = Clips(path, ["ego/pose"], frames=1)
    whole = [key for b in ClipLoader(clips, ElasticSampler(clips, 2, 3)) for key in keys(b)]

    first = ClipLoader(clips, ElasticSampler(clips, 2, 3), workers=before)
    batches = iter(first)
    seen = [key for _ in range(4) for key in keys(next(batches))]
    state = first.state_dict()
    del batches
    ranks = [ElasticSampler(clips, 2, 99, rank, world) for rank in range(world)]
    rest = [ClipLoader(clips, sampler, workers=after) for sampler in ranks]
    for loader in rest:
        loader.load_state_dict(state)
    for parts in zip(*rest, strict=True):
        seen += [key for part in parts for key in keys(part)]

    assert seen == whole


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_gives_the_order_of_its_sampler(path: Path, workers: int) -> None:
    """The iterable form gives the same batches, epoch after epoch."""
    clips = Clips(path, ["ego/pose"], frames=2)
    expected = [
        [clips.place(clip) for clip in batch]
        for batch in ElasticSampler(clips, 3, seed=8).batches(2)
    ]

    stream = ClipStream(clips, ElasticSampler(clips, 3, seed=8), epochs=2)
    got = [keys(b) for b in DataLoader(stream, batch_size=None, num_workers=workers)]

    assert got == expected


def test_a_selection_is_read_and_nothing_else(path: Path) -> None:
    """Only the chosen recordings give clips, in the order chosen."""
    ids = Dataset(path).ids

    clips = Clips(path, ["ego/pose"], frames=3, selection=[ids[3], ids[2]])

    assert [r for r, _ in map(clips.place, range(len(clips)))] == [3, 3, 3, 3, 2]
    assert clips.fingerprint != Clips(path, ["ego/pose"], frames=3).fingerprint
    assert len(Clips(path, ["ego/pose"], selection=[])) == 0


def test_wrong_requests_are_told(path: Path) -> None:
    """Unknown fields and scenarios, empty clips and clips past the end."""
    with pytest.raises(UnknownNameError, match="ego/pose"):
        Clips(path, ["ego/psoe"])
    with pytest.raises(UnknownNameError, match="scenario"):
        Clips(path, ["ego/pose"], selection=["no"])
    with pytest.raises(ValueError, match="frames, stride, hop"):
        Clips(path, ["ego/pose"], frames=0)
    with pytest.raises(IndexError, match="expected a clip below"):
        Clips(path, ["ego/pose"])[10_000]


def test_damage_in_a_worker_reaches_the_loop(tmp_path: Path) -> None:
    """A damaged chunk stops the loop with its place."""
    write(tmp_path / "d", 5, (9, 6))
    for file in tmp_path.rglob("pose/c/0/0/0"):
        data = bytearray(file.read_bytes())
        data[10] ^= 1
        file.write_bytes(data)
    clips = Clips(tmp_path / "d", ["ego/pose"], frames=3)

    with pytest.raises(RecordingError, match="chunk 0 is damaged"):
        list(ClipLoader(clips, ElasticSampler(clips, 2), workers=1))
