"""Readers of the real data that statistics are compared with; all of it stays outside the project.

The folder is SCENEGEN_DATA, by default ``../shared/data`` beside the project. What is absent is
given as None, so that a table can say so.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.harness import ROOT

Floats = npt.NDArray[np.float64]

PANDASET_KINDS = {
    "Car": "car",
    "Pickup Truck": "car",
    "Medium-sized Truck": "truck",
    "Semi-truck": "truck",
    "Bus": "bus",
    "Pedestrian": "pedestrian",
    "Pedestrian with Object": "pedestrian",
    "Bicycle": "cyclist",
    "Motorcycle": "motorcycle",
}
"""Our kind of each PandaSet label that has one."""
GROUPS = (
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "vegetation",
    "sign",
    "fence",
    "vehicle",
    "pedestrian",
    "cyclist",
)
"""The classes of CamVid in its order; terrain counts as vegetation, markings as road."""
PANDASET_GROUP = {
    5: "vegetation", 6: "vegetation", 7: "road", 8: "road", 9: "road", 10: "road", 11: "sidewalk",
    12: "road", 13: "vehicle", 14: "vehicle", 15: "vehicle", 16: "vehicle", 17: "vehicle",
    19: "vehicle", 20: "vehicle", 21: "vehicle", 22: "vehicle", 23: "vehicle", 18: "cyclist",
    24: "cyclist", 25: "cyclist", 26: "cyclist", 30: "pedestrian", 31: "pedestrian", 34: "sign",
    35: "fence", 36: "sign", 37: "sign", 38: "pole", 41: "building",
}  # fmt: skip
"""One of GROUPS for each class number of PandaSet that has one."""


def data_folder() -> Path:
    """Where real data is; it need not exist."""
    return Path(os.environ.get("SCENEGEN_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """Labelled boxes, one row each.

    Attributes:
        kind: Our name of the kind.
        track: Number of the track.
        size: Length, width, height [m]; NaN where unknown; shape (n, 3).
        distance: Distance from the ego [m], NaN where unknown, shape (n,).
        points: Lidar points inside, -1 where unknown, shape (n,).
        moment: Number of the frame, shape (n,).
    """

    kind: npt.NDArray[np.str_]
    track: npt.NDArray[np.str_]
    size: Floats
    distance: Floats
    points: npt.NDArray[np.int64]
    moment: npt.NDArray[np.int64]


def pandaset_boxes() -> Boxes | None:
    """Cuboids of PandaSet 002, with the Pandar64 points inside at every third frame."""
    folder = data_folder() / "lidar" / "pandaset_002"
    if not (folder / "meta.json").exists():
        return None
    poses = json.loads((folder / "meta.json").read_text())["lidar_pose_world"]
    rows = []
    for path in sorted((folder / "cuboids").glob("*.csv")):
        pose = poses.get(str(int(path.stem)))
        sweep = folder / "sweeps" / f"{path.stem}.npz"
        cloud = _pandaset_world(sweep, pose) if pose and sweep.exists() else None
        origin = pose["position"] if pose else {"x": 0.0, "y": 0.0}
        for row in csv.DictReader(path.read_text().splitlines()):
            if row["label"] not in PANDASET_KINDS or row["cuboids.sensor_id"] == "1":
                continue
            center = np.array([float(row[f"position.{axis}"]) for axis in "xyz"])
            size = np.array([float(row[f"dimensions.{axis}"]) for axis in "yxz"])
            away = float(np.hypot(center[0] - origin["x"], center[1] - origin["y"]))
            inside = -1 if cloud is None else _count_inside(cloud, center, size, float(row["yaw"]))
            rows.append(
                (PANDASET_KINDS[row["label"]], row["uuid"], size, away, inside, int(path.stem))
            )
    return table(rows)


def table(rows: Sequence[tuple[str, str, Floats, float, int, int]]) -> Boxes:
    """Make a table of rows (kind, track, size, distance, points, moment)."""
    return Boxes(
        kind=np.array([r[0] for r in rows]),
        track=np.array([r[1] for r in rows]),
        size=np.array([r[2] for r in rows]),
        distance=np.array([r[3] for r in rows]),
        points=np.array([r[4] for r in rows]),
        moment=np.array([r[5] for r in rows]),
    )


def _pandaset_world(path: Path, pose: dict[str, dict[str, float]]) -> Floats:
    """Points of the spinning lidar in the world frame, shape (n, 3)."""
    data = np.load(path, allow_pickle=False)
    points = data["xyz_cm"][data["device"] == 0].astype(np.float64) / 100
    w, x, y, z = (pose["heading"][axis] for axis in "wxyz")
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.asarray(points @ turn.T + [pose["position"][axis] for axis in "xyz"])


def _count_inside(points: Floats, center: Floats, size: Floats, yaw: float) -> int:
    """Points in a box whose length lies along its y axis, as PandaSet's cuboids have it."""
    local = points - center
    local = local[np.abs(local).max(-1) < size.max()]
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y = cos * local[:, 0] + sin * local[:, 1], cos * local[:, 1] - sin * local[:, 0]
    place = np.column_stack([y, x, local[:, 2]])
    return int((np.abs(place) <= size / 2 + 0.05).all(-1).sum())


def nuscenes_boxes() -> Boxes | None:
    """Lengths and widths of the tracks of the nuScenes mini scenes."""
    paths = sorted((data_folder() / "nc_eval_only" / "nuscenes_motion").glob("*.npz"))
    rows: list[tuple[str, str, Floats, float, int, int]] = []
    names = {"VEHICLE": "car", "PEDESTRIAN": "pedestrian", "CYCLIST": "cyclist"}
    for scene, path in enumerate(paths):
        data = np.load(path, allow_pickle=False)
        for k, kind in enumerate(data["track_type"]):
            long, wide = data["size_lw"][k]
            # Cars alone: the set calls trucks and buses vehicles, too.
            if kind in names and (kind != "VEHICLE" or long < 5.6):
                size = np.array([long, wide, np.nan], np.float64)
                rows.append((names[str(kind)], f"{scene}/{k}", size, np.nan, -1, scene))
    return table(rows) if rows else None


def pandaset_shares() -> Floats | None:
    """Share of each of GROUPS among the labelled pixels of each front picture, (frames, 11)."""
    folder = data_folder() / "camera" / "pandaset_002" / "front_camera"
    to_group = np.full(256, -1)
    for value, group in PANDASET_GROUP.items():
        to_group[value] = GROUPS.index(group)
    return _shares(sorted(folder.glob("*_lidarlabel.png")), to_group)


def camvid_shares() -> Floats | None:
    """Share of each of GROUPS among the labelled pixels of each CamVid picture, (frames, 11)."""
    to_group = np.full(256, -1)
    to_group[:11] = np.arange(11)
    labels = sorted((data_folder() / "nc_eval_only" / "camvid" / "labels").glob("*.png"))
    return _shares(labels[::4], to_group)


def _shares(paths: Sequence[Path], to_group: npt.NDArray[np.int64]) -> Floats | None:
    rows = []
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None:
            continue
        group = to_group[image]
        rows.append(np.bincount(group[group >= 0], minlength=len(GROUPS)).astype(np.float64))
    return np.array([row / max(row.sum(), 1) for row in rows]) if rows else None


def lidar_sweeps(name: str) -> list[Floats] | None:
    """Points of each sweep of a real set in its lidar frame, shapes (n, 3).

    Args:
        name: "pandar64", "hdl64" (KITTI), "hdl64_semantic", "nuscenes32" or "vlp32" (ika).
    """
    root = data_folder()
    folder = {
        "pandar64": root / "lidar" / "pandaset_002" / "sweeps",
        "hdl64": root / "nc_eval_only" / "kitti_raw_lidar",
        "hdl64_semantic": root / "nc_eval_only" / "semantickitti_range",
        "nuscenes32": root / "nc_eval_only" / "nuscenes_range",
        "vlp32": root / "lidar" / "ika_vlp32_semseg",
    }[name]
    sweeps = []
    for path in sorted(folder.glob("*.npz")):
        data = np.load(path, allow_pickle=False)
        points = data["xyz_cm"].reshape(-1, 3).astype(np.float64) / 100
        if "device" in data:
            points = points[data["device"] == 0]
        sweeps.append(points[np.abs(points).max(-1) > 0])
    return sweeps or None
