"""Real scenes to compare with: NGSIM traffic, read from the files that SCENEGEN_DATA names."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from benchmarks.harness import ROOT
from scenegen.arrays import FloatArray
from scenegen.evaluate.scene_set import SceneSet
from scenegen.geometry import polylines
from scenegen.scene import (
    AgentKind,
    AgentStates,
    Conditions,
    Lane,
    Provenance,
    RoadKind,
    RoadMap,
    Scenario,
)
from scenegen.scene.agents import SIZE

EGOS = 4
"""Vehicles of a recorded scene that are taken as ego in turn."""
STEPS = 81
KINDS = {
    "car": AgentKind.CAR,
    "truck": AgentKind.TRUCK,
    "bus": AgentKind.BUS,
    "motorcycle": AgentKind.MOTORCYCLE,
}


def real_folder() -> Path:
    """Where the recorded scenes are; it need not exist."""
    data = Path(os.environ.get("SCENEGEN_DATA", ROOT.parent / "shared" / "data"))
    return data / "trajectories" / "ngsim_commonroad"


def real_files(split: str) -> list[tuple[str, Path]]:
    """List the recorded scenes of a split, "train" or "test", each with its group.

    Scenes of one group share some of their tracks; no group is in both splits.
    """
    if not (real_folder() / "split.csv").exists():
        return []
    with (real_folder() / "split.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    rows.sort(key=lambda row: row["scenario"])
    return [(row["overlap_group"], real_folder() / f"{row['scenario']}.npz") for row in rows]


def real_scenes() -> SceneSet | None:
    """Read the held-out recorded scenes, several egos each; None where the files are not there."""
    scenarios, groups = list[Scenario](), list[str]()
    for group, path in real_files("test"):
        found = scenarios_of(path)
        scenarios += found
        groups += [group] * len(found)
    if not scenarios:
        return None
    return SceneSet.of_scenarios(scenarios, site=np.unique(groups, return_inverse=True)[1])


def scenarios_of(path: Path) -> list[Scenario]:
    """Read one recorded scene, as seen from some of its vehicles in turn."""
    data = np.load(path, allow_pickle=False)
    roadmap = _road(path.stem, data["lane_points"], data["lane_offsets"])
    tracks = data["tracks"][:, :STEPS].astype(np.float64)
    kinds = np.array([KINDS.get(str(kind), AgentKind.CAR) for kind in data["track_type"]])
    whole = np.flatnonzero(np.isfinite(tracks[..., 0]).all(1))
    out = []
    for ego in whole[:: max(1, len(whole) // EGOS)][:EGOS]:
        order = np.concatenate([[ego], np.setdiff1d(np.arange(len(tracks)), [ego])])
        agents = _states(tracks[order], data["size_lw"][order], kinds[order])
        provenance = Provenance(
            query=path.stem, seed=0, index=int(ego), attempt=0, script={}, map_source={}
        )
        out.append(
            Scenario(
                roadmap=roadmap,
                conditions=Conditions(),
                agents=agents,
                times=np.arange(tracks.shape[1]) * 0.1,
                provenance=provenance,
            )
        )
    return out


def _states(tracks: FloatArray, size: FloatArray, kinds: FloatArray) -> AgentStates:
    valid = np.isfinite(tracks[..., 0]).T
    filled = np.where(valid[..., None], np.nan_to_num(tracks).transpose(1, 0, 2), 0.0)
    height = np.array([SIZE[AgentKind(int(kind))][2] for kind in kinds])
    boxes = np.concatenate([size, height[:, None]], 1)
    return AgentStates(
        position=filled[..., :2].astype(np.float32),
        yaw=filled[..., 2].astype(np.float32),
        speed=filled[..., 3].astype(np.float32),
        size=np.where(valid[..., None], boxes, 0.0).astype(np.float32),
        kind=np.where(valid, kinds, 0).astype(np.int8),
        valid=valid,
    )


def _road(name: str, points: FloatArray, offsets: FloatArray) -> RoadMap:
    """Lanes from pairs of bounds; their links do not matter for what is measured."""
    lanes = []
    for k in range(len(offsets) // 2):
        left = points[offsets[2 * k] : offsets[2 * k + 1]].astype(np.float64)
        right = points[offsets[2 * k + 1] : offsets[2 * k + 2]].astype(np.float64)
        ends = [polylines.arc_length(bound)[-1] for bound in (left, right)]
        if min(ends) < 1.0:
            continue
        share = np.linspace(0.0, 1.0, max(2, round(max(ends) / 5.0) + 1))
        sides = [
            polylines.point_at(bound, share * end)
            for bound, end in zip((left, right), ends, strict=True)
        ]
        width = np.hypot(*(sides[0] - sides[1]).T)
        lanes.append(Lane(centerline=(sides[0] + sides[1]) / 2, width=width))
    return RoadMap(name=name, kind=RoadKind.RECORDED, lanes=tuple(lanes))
