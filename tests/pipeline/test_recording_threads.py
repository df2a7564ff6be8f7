"""Frames are sensed side by side, and nobody can tell from what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scenegen.data import Dataset
from scenegen.pipeline import Request, generate_dataset
from scenegen.pipeline.record import MOST_THREADS, sensing_threads
from scenegen.query import parse
from scenegen.render import PinholeCamera
from scenegen.sensors import Boxes3D, Camera, DenseLabels, Rig

OPTICS = PinholeCamera(width_px=64, height_px=32)
RIG = Rig(name="small", sensors=(Camera(optics=OPTICS), DenseLabels(optics=OPTICS), Boxes3D()))


def stored(path: Path, threads: int) -> Dataset:
    """Generate one short scenario."""
    request = Request(query=parse("night and rain and ego.speed > 1m/s"), seed=2, duration=1.0)
    generate_dataset(path, request, 1, RIG, threads=threads)
    return Dataset(path)


def test_threads_change_no_stored_byte(tmp_path: Path) -> None:
    """One thread or three: the same pictures, masks and boxes."""
    one, three = (stored(tmp_path / f"{threads}.zarr", threads) for threads in (1, 3))

    assert one.ids == three.ids
    for spec in RIG.specs():
        if None not in spec.shape:
            first, second = (data.read_dense(0, spec.name) for data in (one, three))
            np.testing.assert_array_equal(first, second)


def test_as_many_threads_as_cores_are_taken() -> None:
    """At least one, and no more than the memory of a usual machine bears."""
    assert 1 <= sensing_threads() <= MOST_THREADS
