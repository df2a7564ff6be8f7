"""What one turn of a lidar costs, with and without what happens to its pulses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.harness import Report, interleave
from benchmarks.speed.crowds import ABSENT, has_embree, sized, street, trace
from scenegen.render import RayGrid, Triangles, cast_grid
from scenegen.sensors import LIDAR_MODELS, Lidar, WorldView

SIZES = (12_000, 100_000)
"""Triangles within reach that are asked for."""
GOAL_MS = {12_000: 5.0, 100_000: 17.0}


def run(*, smoke: bool) -> Report:
    """Turn a lidar of 64 beams and 1024 columns once, among few and among many triangles."""
    model = LIDAR_MODELS["hdl64"]
    lidar = Lidar(model=replace(model, columns=64) if smoke else model)
    rows = [_measure(wanted, lidar, smoke=smoke) for wanted in (SIZES[:1] if smoke else SIZES)]
    sentence = " and ".join(f"{row['ranges [CPU ms]']} ms at {row['triangles']}" for row in rows)
    return Report(
        name="speed.lidar",
        headline=f"ranges of 64x{lidar.model.columns} rays cost {sentence} triangles",
        rows=rows,
        notes=[
            "triangles: those of all things within 120 m",
            "ranges: range, face and incidence of each ray; sensor: also pulses, noise and labels",
            "embree: the face along each ray alone, by one call of embreex"
            if has_embree()
            else ABSENT,
        ],
        smoke=smoke,
    )


def _measure(wanted: int, lidar: Lidar, *, smoke: bool) -> dict[str, object]:
    stage, model = street(), lidar.model
    pose = stage.map_from_ego @ lidar.ego_from_sensor
    grid = RayGrid(elevation=np.radians(model.elevation_deg), columns=model.columns)

    def within(triangles: Triangles) -> int:
        away = np.linalg.norm(triangles.sphere[:, :3], axis=1) - triangles.sphere[:, 3]
        return int(np.diff(triangles.first_face)[away < model.reach].sum())

    triangles = sized(wanted, within)
    view = WorldView(stage=stage, triangles=triangles, step=0, seed=0)
    subjects: dict[str, Callable[[], object]] = {
        "ranges": lambda: cast_grid(triangles, grid, pose, reach=model.reach),
        "sensor": lambda: lidar.sense(view),
    }
    if has_embree():
        rays = grid.directions.reshape(-1, 3) @ pose[:3, :3].T
        subjects |= trace(triangles, pose[:3, 3] - triangles.origin, rays)
    costs = interleave(subjects, rounds=2 if smoke else 15)
    return {
        "triangles": within(triangles),
        "goal [CPU ms]": GOAL_MS[wanted],
        **{f"{name} [CPU ms]": round(1e3 * cost.cpu_s, 1) for name, cost in costs.items()},
    }
