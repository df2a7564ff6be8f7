"""Clips for training: torch datasets that decode straight into the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from scenegen.arrays import Array
from scenegen.data.order import ElasticSampler
from scenegen.data.reader import Dataset
from scenegen.seeding import digest

Ragged = tuple[torch.Tensor, torch.Tensor]
"""Values, shape (n, ...), and offsets, shape (B * frames + 1,): frame t of clip b owns the values
from offsets[b * frames + t] to the next offset."""
Batch = dict[str, torch.Tensor | Ragged]


class Clips(TorchDataset[Batch]):
    """Equal stretches of frames, as a map-style torch dataset.

    A clip is a dict: each field, shape (frames, ...) or Ragged; `time` [s], shape (frames,);
    `recording`, its number in `dataset.ids`; `start`, its first frame. A batch has one more axis
    in front. Integers with a scale come as stored; `dataset.spec(field).scale` has the scale.

    Example::

        clips = Clips("edge.zarr", ["camera/front/rgb"])
        sampler = ElasticSampler(clips, batch_size=4, seed=0)
        for batch in ClipLoader(clips, sampler, workers=2):
            train(batch["camera/front/rgb"])
    """

    def __init__(
        self,
        path: str | Path,
        fields: Sequence[str],
        *,
        frames: int = 8,
        stride: int = 1,
        hop: int | None = None,
        selection: Sequence[str] | None = None,
    ) -> None:
        """Open a dataset and cut its recordings into clips.

        Args:
            path: Folder of the dataset.
            fields: Arrays to read; others are not touched.
            frames: Frames in a clip.
            stride: Distance between the frames of a clip.
            hop: Distance between the first frames of clips; None: they do not overlap.
            selection: Scenario ids to use, in this order; None uses all.

        Raises:
            RecordingError: The dataset cannot be read.
            UnknownNameError: There is no such field or scenario.
        """
        hop = frames * stride if hop is None else hop
        if min(frames, stride, hop) < 1:
            raise ValueError(f"expected frames, stride, hop >= 1, got {frames}, {stride}, {hop}")
        self.dataset = Dataset(path)
        self.fields = tuple(fields)
        self.frames = frames
        self._specs = {name: self.dataset.spec(name) for name in fields}
        self._stride, self._hop = stride, hop
        chosen = self.dataset.ids if selection is None else selection
        self._recordings = np.array([self.dataset.index(name) for name in chosen], np.int64)
        lengths = np.array([self.dataset.frame_count(int(r)) for r in self._recordings], np.int64)
        counts = np.maximum((lengths - (frames - 1) * stride - 1) // hop + 1, 0)
        self._ends = np.cumsum(counts)
        shape = [frames, stride, hop]
        self._fingerprint = digest([self.dataset.snapshot, list(chosen), shape])[:16]

    def __len__(self) -> int:
        """Count the clips."""
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def fingerprint(self) -> str:
        """Identity of the clips and their numbering, 16 hexadecimal digits."""
        return self._fingerprint

    def place(self, clip: int) -> tuple[int, int]:
        """Number of the recording a clip is from, and its first frame."""
        if not 0 <= clip < len(self):
            raise IndexError(f"expected a clip below {len(self)}, got {clip}")
        k = int(np.searchsorted(self._ends, clip, side="right"))
        before = int(self._ends[k - 1]) if k else 0
        return int(self._recordings[k]), (clip - before) * self._hop

    def __getitem__(self, clip: int) -> Batch:
        """Read one clip."""
        batch = self.__getitems__([clip])
        return {
            name: value if isinstance(value, tuple) else value[0] for name, value in batch.items()
        }

    def __getitems__(self, clips: Sequence[int]) -> Batch:
        """Read a batch; what torch's DataLoader calls.

        Raises:
            RecordingError: A chunk is missing or damaged; it says which.
        """
        places = [self.place(clip) for clip in clips]
        windows = [(r, s, s + (self.frames - 1) * self._stride + 1) for r, s in places]
        batch: Batch = {
            "recording": torch.tensor([r for r, _ in places]),
            "start": torch.tensor([s for _, s in places]),
        }
        times = [self.dataset.times(r)[a : b : self._stride] for r, a, b in windows]
        batch["time"] = torch.from_numpy(np.stack(times))
        for name, spec in self._specs.items():
            read = self._ragged if spec.is_ragged else self._dense
            batch[name] = read(name, windows)
        return batch

    def _dense(self, name: str, windows: Sequence[tuple[int, int, int]]) -> torch.Tensor:
        spec = self._specs[name]
        sizes = [n for n in spec.shape if n is not None]
        batch = _new_tensor((len(windows), self.frames, *sizes), spec.dtype)
        for out, (recording, start, stop) in zip(batch.numpy(), windows, strict=True):
            self.dataset.read_dense(recording, name, start, stop, self._stride, out)
        return batch

    def _ragged(self, name: str, windows: Sequence[tuple[int, int, int]]) -> Ragged:
        spec = self._specs[name]
        rows = [self.dataset.ragged_rows(r, name, a, b, self._stride) for r, a, b in windows]
        lengths = np.concatenate([part[:, 1] - part[:, 0] for part in rows])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        sizes = [n for n in spec.shape if n is not None]
        values = _new_tensor((int(offsets[-1]), *sizes), spec.dtype)
        flat: Array = values.numpy()
        for k, (recording, start, stop) in enumerate(windows):
            begin, end = offsets[k * self.frames], offsets[(k + 1) * self.frames]
            self.dataset.read_ragged(
                recording, name, start, stop, self._stride, flat[int(begin) : int(end)]
            )
        return values, torch.from_numpy(offsets)


def collate(clips: Batch | Sequence[Batch]) -> Batch:
    """Join clips to a batch; what is a batch already stays as it is."""
    if isinstance(clips, Mapping):
        return dict(clips)
    batch: Batch = {}
    for name in clips[0]:
        parts = [clip[name] for clip in clips]
        ragged = [part for part in parts if isinstance(part, tuple)]
        if not ragged:
            batch[name] = torch.stack([part for part in parts if isinstance(part, torch.Tensor)])
            continue
        lengths = torch.cat([offsets.diff() for _, offsets in ragged])
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        batch[name] = torch.cat([values for values, _ in ragged]), offsets
    return batch


class ClipStream(IterableDataset[Batch]):
    """Batches without end, or for some epochs, as an iterable torch dataset.

    For ``DataLoader(stream, batch_size=None, num_workers=...)``: worker w gives every batch
    whose number leaves the remainder w, so the order is the sampler's for any number of workers.
    """

    def __init__(self, clips: Clips, sampler: ElasticSampler, *, epochs: int | None = None) -> None:
        """Stream from the sampler's present state on.

        Args:
            clips: What to read.
            sampler: The order; call its `advance` after each batch to be able to resume.
            epochs: Epochs to give, the present one included; None never ends.
        """
        self._clips, self._sampler, self._epochs = clips, sampler, epochs

    def __iter__(self) -> Iterator[Batch]:
        """Give this worker's batches."""
        worker = get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for number, batch in enumerate(self._sampler.batches(self._epochs)):
            if number % every == first:
                yield self._clips.__getitems__(batch)


class ClipLoader:
    """Batches of one epoch, with a state that counts what the training loop has received.

    Batches that workers have fetched ahead are neither lost nor repeated on resuming, whatever
    the number of workers before and after.
    """

    def __init__(
        self,
        clips: Clips,
        sampler: ElasticSampler,
        *,
        workers: int = 0,
        start_method: str | None = None,
        pin_memory: bool = False,
    ) -> None:
        """Join clips and an order.

        Args:
            clips: What to read.
            sampler: In which order.
            workers: Processes that read and decode; 0 reads in this one.
            start_method: "fork", "forkserver" or "spawn"; None is the system's choice.
            pin_memory: Whether batches go through page-locked memory, for faster copies to a GPU.
        """
        self.sampler = sampler
        self._loader: DataLoader[Any] = DataLoader(
            clips,
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            multiprocessing_context=start_method if workers else None,
            pin_memory=pin_memory,
        )

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches that are left of this epoch."""
        for batch in self._loader:
            self.sampler.advance()
            yield batch

    def __len__(self) -> int:
        """Count the batches that are left of this epoch."""
        return len(self.sampler)

    def state_dict(self) -> dict[str, int | str | bool]:
        """Give the state of the sampler."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, int | str | bool]) -> None:
        """Go on from a state; see ElasticSampler."""
        self.sampler.load_state_dict(state)


def _new_tensor(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Give an uninitialised tensor; in a worker, in memory that the main process sees.

    A worker's batch would be copied into shared memory once it is complete; decoding into it saves
    that copy. torch's own default_collate allocates in the same way.
    """
    kind = torch.from_numpy(np.empty(0, dtype)).dtype
    if get_worker_info() is None:
        return torch.empty(shape, dtype=kind)
    size = prod(shape) * kind.itemsize
    storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=kind).set_(storage).view(shape)
