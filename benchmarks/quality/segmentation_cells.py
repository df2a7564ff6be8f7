"""Cells of the segmentation benchmarks: confusions kept in files, and what is read off them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.quality.segmentation_sets import LabelledSet
from benchmarks.quality.segmentation_training import intersection_over_union
from scenegen.arrays import Array

BLOCK = 5
"""Consecutive test frames of a drive that are resampled together: they show the same street."""


def kept(path: Path, make: Callable[[], Array]) -> Array:
    """Read the array of a file, or make it and write the file whole.

    Args:
        path: File, ending in .npz; its folder is made if it is not there.
        make: Gives the array where there is no file yet.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        np.savez_compressed(partial, confusion=make())
        partial.rename(path)
    with np.load(path, allow_pickle=False) as data:
        return np.asarray(data["confusion"])


def blocks(test: LabelledSet) -> Array:
    """Number of the block of BLOCK consecutive frames that each test picture is in, shape (N,)."""
    first = np.searchsorted(test.group, test.group)  # groups come one after the other
    return (test.group.astype(np.int64) << 20) + (np.arange(len(test)) - first) // BLOCK


def mean_iou(confusion: Array, only: list[int] | None = None) -> float:
    """Mean IoU in percent of the classes that are there; nan without any.

    Args:
        confusion: Pixels by true and found class, shape (N, classes, classes).
        only: Classes that count, all if left out.
    """
    values = intersection_over_union(np.asarray(confusion))
    chosen = values if only is None else values[only]
    known = chosen[~np.isnan(chosen)]
    return 100.0 * float(known.mean()) if len(known) else float("nan")
