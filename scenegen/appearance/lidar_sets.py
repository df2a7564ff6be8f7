"""Real scans that weights may be shipped from: PandaSet (Pandar64) and ika's VLP-32 set.

PandaSet stores points, not rings. Its sweeps are in the order of time, so each point has the pose
of its own time; seen from where the laser was then, elevations lie on the 64 beams to a few
hundredths of a degree, which gives the ring. Along a ring the azimuths advance by 0.2 degrees with
a phase of their own, which gives the column. No two returns then share a cell but one in a
thousand, and an empty cell is an echo that did not come back, not an artefact of a projection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scenegen.appearance.lidar_fill import RealScan
from scenegen.appearance.lidar_image import LidarGroup
from scenegen.errors import RecordingError

Floats = npt.NDArray[np.float64]

COLUMNS = 1800
"""Azimuths per turn of the Pandar64 at 10 Hz, 0.2 degrees apart."""
LASER = (0.0, 0.773, 1.857)
"""Place of the laser in PandaSet's lidar frame [m]; with UP and BEAMS_DEG fitted to the sweeps
0, 9 and 21 of sequence 002 so that elevations gather on beams: 99.5 % come within 0.05 degrees."""
UP = (-0.00056, -0.01572, 1.0)
"""Direction of the laser's axis in that frame, not normalised."""
BEAMS_DEG = (
    *(14.871, 11.023, 8.051, 5.049, 3.031, 2.02, 1.851, 1.68, 1.514, 1.342, 1.175, 1.005, 0.838),
    *(0.666, 0.5, 0.329, 0.162, -0.007, -0.177, -0.344, -0.515, -0.682, -0.852, -1.019, -1.192),
    *(-1.358, -1.529, -1.694, -1.866, -2.034, -2.204, -2.371, -2.541, -2.706, -2.879, -3.045),
    *(-3.217, -3.381, -3.554, -3.718, -3.889, -4.055, -4.226, -4.39, -4.562, -4.725, -4.897),
    *(-5.06, -5.233, -5.396, -5.569, -5.728, -5.902, -6.064, -7.066, -8.061, -9.059, -9.883),
    *(-11.03, -12.006, -12.971, -13.927, -18.879, -24.894),
)
"""Elevation of each beam of this Pandar64, the highest first [deg]."""
_OFF_BEAM = 0.08
"""Points farther than this from every beam are left out [deg]."""
_REFLECTION = 4
"""PandaSet's label of echoes that come by way of a mirror, mostly the car's own body."""
_LOWEST_DEG = -15.0
"""Beams below look at the car's own body in part, whose points PandaSet has taken out [deg]."""
_PHASE = 31
"""Points to each side over which the phase of the columns is averaged."""
_PANDASET = {
    LidarGroup.ROAD: (7, 12),
    LidarGroup.MARKING: (8, 9, 10),
    LidarGroup.SIDEWALK: (11,),
    LidarGroup.VEGETATION: (5, 6),
    LidarGroup.BUILDING: (34, 35, 37, 39, 40, 41, 42),
    LidarGroup.POLE: (36, 38),
    LidarGroup.VEHICLE: (13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 27, 28, 29),
    LidarGroup.PERSON: (18, 24, 25, 26, 30, 31, 32, 33),
}
_IKA = {
    LidarGroup.ROAD: (0,),
    LidarGroup.SIDEWALK: (1,),
    LidarGroup.BUILDING: (2,),
    LidarGroup.POLE: (3,),
    LidarGroup.VEGETATION: (4,),
    LidarGroup.PERSON: (5, 6),
    LidarGroup.VEHICLE: (7, 8, 9),
}
IKA_TEST, VALIDATION = 5, 2
"""Of ika's training scans the last in time are held out; of both sets the last two before."""
_PADDING_CM = 1000
"""What ika's set writes into all coordinates of cells outside the field of view."""
IKA_STEP = float(np.radians(0.2))
"""Azimuth between columns of ika's set [rad]."""
ATTRIBUTION = (
    "PandaSet, Scale AI, Inc. and Hesai Photonics Technology Co., Ltd, CC BY 4.0 with the Dataset"
    " Terms (no identifying of people, no use of the licensors' marks)",
    "PCLSegmentation sample data set (Velodyne VLP-32C), ika, RWTH Aachen University, MIT",
)
"""Where the training data comes from and on which terms."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealSets:
    """Real scans by part.

    Attributes:
        train: To learn from.
        validation: To watch a training by: the moments after those.
        test: Held out: later moments of the same drives.
        other: Held out: another drive of a known sensor.
    """

    train: tuple[RealScan, ...]
    validation: tuple[RealScan, ...]
    test: tuple[RealScan, ...]
    other: tuple[RealScan, ...]


def table_of(groups: Mapping[LidarGroup, tuple[int, ...]]) -> npt.NDArray[np.uint8]:
    """Tabulate the LidarGroup of each of 256 labels."""
    table = np.zeros(256, np.uint8)
    for group, labels in groups.items():
        table[list(labels)] = group
    return table


def read_sets(folder: Path) -> RealSets:
    """Read both sets and part them: fixed, by time.

    PandaSet's frames to 47 are for training and those from 50 for tests, as its README says; of
    ika's training scans the last five in time are held out, and its validation scan is another
    drive. The last two training scans of each watch the training.

    Args:
        folder: Holds pandaset_002 and ika_vlp32_semseg, or one of them.

    Raises:
        RecordingError: Neither is there, or a file is damaged.
    """
    sweeps = sorted((folder / "pandaset_002" / "sweeps").glob("*.npz"))
    ika = sorted((folder / "ika_vlp32_semseg").glob("train_*.npz"))
    other = sorted((folder / "ika_vlp32_semseg").glob("val_*.npz"))
    if not sweeps and not ika:
        raise RecordingError(
            f"{folder}: expected the folders pandaset_002 or ika_vlp32_semseg with .npz files"
            " below it, found neither; name the folder that holds them"
        )
    poses = _poses(folder / "pandaset_002" / "meta.json") if sweeps else {}
    pandar = [read_pandaset(path, poses) for path in sweeps]
    early = [scan for path, scan in zip(sweeps, pandar, strict=True) if int(path.stem) < 48]
    late = [scan for path, scan in zip(sweeps, pandar, strict=True) if int(path.stem) >= 50]
    scans = [read_ika(path) for path in ika]
    held = len(scans) - min(IKA_TEST, len(scans) // 2)
    parts = (early, scans[:held])
    watched = [min(VALIDATION, len(part) // 3) for part in parts]
    return RealSets(
        train=tuple(s for p, n in zip(parts, watched, strict=True) for s in p[: len(p) - n]),
        validation=tuple(s for p, n in zip(parts, watched, strict=True) for s in p[len(p) - n :]),
        test=(*late, *scans[held:]),
        other=tuple(read_ika(path) for path in other),
    )


def read_ika(path: Path, *, is_round: bool = False, groups: Any = None) -> RealScan:  # noqa: ANN401
    """Read a range image in the manner of ika's sample sets.

    Rows without any return and columns outside the field of view are cut away.

    Args:
        path: The file.
        is_round: Whether it goes all the way around.
        groups: LidarGroup of each of 256 labels; those of ika's VLP-32 set by default.

    Raises:
        RecordingError: The file is damaged.
    """
    data = _arrays(path, ("xyz_cm", "intensity", "depth_cm", "label"))
    xyz = data["xyz_cm"]
    padding = (xyz == _PADDING_CM).all(-1)
    columns = np.flatnonzero(~padding.any(0)) if not is_round else np.arange(xyz.shape[1])
    found = (data["depth_cm"] > 0) & ~padding
    rows = np.flatnonzero(found[:, columns].mean(1) > 0.02)
    cut = np.ix_(rows, columns)
    points, there = xyz[cut].astype(np.float64) / 100, found[cut]
    away = np.linalg.norm(points, axis=-1)
    lift = np.arcsin(points[..., 2] / np.maximum(away, 1e-6))
    elevation = np.array([np.median(lift[k][there[k]]) for k in range(len(rows))])
    order = np.argsort(-elevation, kind="stable")
    table = table_of(_IKA) if groups is None else groups
    return RealScan(
        name=path.stem,
        range=np.where(there, away, 0.0)[order],
        intensity=np.where(there, data["intensity"][cut], 0)[order],
        group=np.where(there, table[data["label"][cut]], 0).astype(np.uint8)[order],
        # Rows that share a beam differ by less than the noise; angles must fall.
        elevation=elevation[order] - 1e-7 * np.arange(len(rows)),
        preset="vlp32",
        is_round=is_round,
        step=2 * np.pi / xyz.shape[1] if is_round else IKA_STEP,
    )


def read_pandaset(path: Path, poses: dict[int, tuple[Floats, Floats]]) -> RealScan:
    """Read a sweep of the Pandar64 and put its points on rings and columns.

    Args:
        path: The file; its stem is the number of the frame.
        poses: Rotation and position of the lidar frame at each frame, from `meta.json`.
    """
    data = _arrays(path, ("xyz_cm", "intensity", "device", "label"))
    own = (data["device"] == 0) & (data["label"] != _REFLECTION)
    points = data["xyz_cm"][own].astype(np.float64) / 100
    offset, up = _laser_at(int(path.stem), len(points), poses)
    ray = points - offset
    away = np.linalg.norm(ray, axis=1)
    lift = np.degrees(np.arcsin(np.einsum("nk,nk->n", ray, up) / np.maximum(away, 1e-6)))
    beams = np.array(BEAMS_DEG)
    ring = np.abs(lift[:, None] - beams).argmin(1)
    kept = np.flatnonzero((np.abs(lift - beams[ring]) < _OFF_BEAM) & (away > 0.5))
    ahead = np.array([1.0, 0.0, 0.0]) - up[:, :1] * up
    azimuth = np.arctan2(np.einsum("nk,nk->n", ray, np.cross(up, ahead)), (ray * ahead).sum(1))
    column = _columns(ring, azimuth, kept)
    kept = kept[np.argsort(-away[kept], kind="stable")]  # of two in a cell, the nearer stays
    shape = (len(beams), COLUMNS)
    ranges, intensity = np.zeros(shape), np.zeros(shape, np.uint8)
    group = np.zeros(shape, np.uint8)
    cell = (ring[kept], column[kept])
    ranges[cell] = away[kept]
    intensity[cell] = data["intensity"][own][kept]
    group[cell] = table_of(_PANDASET)[data["label"][own][kept]]
    seen = beams > _LOWEST_DEG
    return RealScan(
        name=f"pandaset_{path.stem}",
        range=ranges[seen],
        intensity=intensity[seen],
        group=group[seen],
        elevation=np.radians(beams[seen]),
        preset="pandar64",
        is_round=True,
        step=2 * np.pi / COLUMNS,
    )


def _laser_at(
    frame: int, count: int, poses: dict[int, tuple[Floats, Floats]]
) -> tuple[Floats, Floats]:
    """Place and axis of the laser at the time of each point, in the lidar frame of the sweep.

    Points are stored as if the sensor had stood; a sweep ends at the time of its frame.
    """
    turn, place = poses[frame]
    before_turn, before = poses.get(frame - 1, poses[frame])
    laser, up = np.array(LASER), np.array(UP) / np.linalg.norm(UP)
    early = turn.T @ (before_turn @ laser + before - place)
    early_up = turn.T @ before_turn @ up
    share = (np.arange(count) / max(count, 1))[:, None]
    return early * (1 - share) + laser * share, early_up * (1 - share) + up * share


def _columns(
    ring: npt.NDArray[np.int64], azimuth: Floats, kept: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Column of each kept point: azimuth over step, less a phase that changes slowly."""
    out = np.zeros(len(ring), np.int64)
    step = 2 * np.pi / COLUMNS
    for beam in range(len(BEAMS_DEG)):
        rows = kept[ring[kept] == beam]
        if not len(rows):
            continue
        rows = rows[np.argsort(azimuth[rows], kind="stable")]
        place = azimuth[rows] / step
        wave = np.exp(2j * np.pi * place)
        mean = np.convolve(np.pad(wave, _PHASE, "wrap"), np.ones(2 * _PHASE + 1), "valid")
        phase = np.unwrap(np.angle(mean)) / (2 * np.pi)
        out[rows] = np.rint(place - phase).astype(np.int64) % COLUMNS
    # Column 0 looks back, as in the range images of simulated scans.
    return (out + COLUMNS // 2) % COLUMNS


def _poses(path: Path) -> dict[int, tuple[Floats, Floats]]:
    try:
        meta = json.loads(path.read_text())["lidar_pose_world"]
        return {int(frame): _pose(pose) for frame, pose in meta.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{path}: expected lidar_pose_world of each frame ({error})"
        ) from error


def _pose(pose: Mapping[str, Mapping[str, float]]) -> tuple[Floats, Floats]:
    """Rotation and position of a pose with a quaternion (w, x, y, z)."""
    w, x, y, z = (pose["heading"][axis] for axis in "wxyz")
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return turn, np.array([pose["position"][axis] for axis in "xyz"])


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Read named arrays of an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise RecordingError(
            f"{path}: expected arrays {', '.join(names)} in an .npz file ({error})"
        ) from error
