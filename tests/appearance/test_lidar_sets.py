"""How real scans get onto the grid of their beams."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from scenegen.appearance.lidar_image import LidarGroup
from scenegen.appearance.lidar_sets import (
    BEAMS_DEG,
    COLUMNS,
    LASER,
    UP,
    read_ika,
    read_sets,
)
from scenegen.errors import RecordingError

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SCENEGEN_DATA", ROOT.parent / "shared" / "data")) / "lidar"


def write_sweep(folder: Path, frame: int, lost: np.ndarray) -> np.ndarray:
    """Write a sweep as PandaSet stores it, of a wall all around; gives its ranges."""
    rows = np.flatnonzero(np.array(BEAMS_DEG) > -15.0)
    beam = np.radians(BEAMS_DEG)[rows]
    azimuth = -np.pi + np.arange(COLUMNS) * 2 * np.pi / COLUMNS + 0.0011
    ranges = 30.0 + 10.0 * np.sin(3 * azimuth)[None] + 0.0 * beam[:, None]
    up = np.array(UP) / np.linalg.norm(UP)
    ahead = np.array([1.0, 0.0, 0.0]) - up[0] * up
    ahead /= np.linalg.norm(ahead)
    flat = np.cos(azimuth)[:, None] * ahead + np.sin(azimuth)[:, None] * np.cross(up, ahead)
    ray = np.cos(beam)[:, None, None] * flat[None] + np.sin(beam)[:, None, None] * up
    points = (ranges[..., None] * ray + LASER)[~lost]
    (folder / "sweeps").mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "sweeps" / f"{frame:02d}.npz",
        xyz_cm=np.rint(points * 100).astype(np.int16),
        intensity=np.full(len(points), 33, np.uint8),
        device=np.zeros(len(points), np.uint8),
        label=np.full(len(points), 41, np.uint8),
    )
    return np.where(lost, 0.0, ranges)


def write_poses(folder: Path, frames: int) -> None:
    """Write the poses of a car that stands."""
    pose = {
        "position": {"x": 3.0, "y": 1.0, "z": 0.0},
        "heading": {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0},
    }
    meta = {"lidar_pose_world": {str(k): pose for k in range(frames)}}
    (folder / "meta.json").write_text(json.dumps(meta))


def test_rings_and_columns_are_found_again(tmp_path: Path) -> None:
    """Points without a ring come back to the ray they left on; lost echoes stay empty."""
    folder = tmp_path / "pandaset_002"
    lost = np.random.default_rng(0).random((62, COLUMNS)) < 0.1
    truth = write_sweep(folder, 0, lost)
    write_poses(folder, 1)

    scan = read_sets(tmp_path).train[0]

    # The first column of a scan looks back; its phase is the sensor's own.
    away = [(np.roll(scan.range, k, 1) > 0) != (truth > 0) for k in (-1, 0, 1)]
    best = int(np.argmin([a.mean() for a in away]))
    moved = np.roll(scan.range, best - 1, 1)
    both = (moved > 0) & (truth > 0)
    assert away[best].mean() < 0.01
    np.testing.assert_allclose(moved[both], truth[both], atol=0.2)
    assert (scan.group[scan.returned] == LidarGroup.BUILDING).all()


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    """The sentence names what was looked for."""
    with pytest.raises(RecordingError, match="pandaset_002 or ika_vlp32_semseg"):
        read_sets(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Whatever it is, it is no scan."""
    (tmp_path / "train_1.npz").write_bytes(b"not a zip")

    with pytest.raises(RecordingError, match=r"train_1\.npz"):
        read_ika(tmp_path / "train_1.npz")


def test_a_sweep_without_poses_is_refused(tmp_path: Path) -> None:
    """Rings cannot be told without them."""
    write_sweep(tmp_path / "pandaset_002", 0, np.zeros((62, COLUMNS), np.bool_))

    with pytest.raises(RecordingError, match="lidar_pose_world"):
        read_sets(tmp_path)


@pytest.mark.skipif(not DATA.exists(), reason=f"no real scans in {DATA}; set SCENEGEN_DATA")
def test_real_scans_lie_on_their_grids() -> None:
    """Both sets are read, no moment is in two parts, and most rays have an echo."""
    found = read_sets(DATA)

    parts = (found.train, found.validation, found.test, found.other)
    names = [scan.name for part in parts for scan in part]
    assert len(names) == len(set(names))
    assert {scan.preset for scan in found.test} == {"pandar64", "vlp32"}
    for scan in found.train:
        assert (np.diff(scan.elevation) < 0).all()
        assert scan.returned.mean() > (0.85 if scan.preset == "pandar64" else 0.5)
