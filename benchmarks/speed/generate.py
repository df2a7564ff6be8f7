"""What a verified scenario costs, from the query to states, and to camera and lidar on disk."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.harness import Report
from scenegen.pipeline import Request, Statistics, generate_dataset
from scenegen.query import parse
from scenegen.sensors import RIGS

QUERIES = (
    "cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s",
    "lead_hard_brake(l) and ttc(ego,l) < 2s",
    "jaywalker(p) and ttc(ego,p) < 2s",
    "red_light_runner(r)",
    "unprotected_left(t)",
)


def run(*, smoke: bool) -> Report:
    """Generate each query with and without sensors."""
    count = 1 if smoke else 4
    queries = QUERIES[:1] if smoke else QUERIES
    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder) / "warm.zarr", queries[0], 1, "front")
        rows = []
        for number, query in enumerate(queries):
            states = _generate(Path(folder) / f"{number}-states.zarr", query, count, "labels")
            full = _generate(Path(folder) / f"{number}-full.zarr", query, count, "front")
            rows.append(
                {
                    "query": query,
                    "tries per scenario": round(states[1].tries / count, 1),
                    "states and boxes [CPU s]": round(states[0] / count, 2),
                    "with camera and lidar [CPU s]": round(full[0] / count, 2),
                }
            )
    worst = max(row["with camera and lidar [CPU s]"] for row in rows)
    return Report(
        name="speed.generate",
        headline=f"a verified 8 s scenario with camera and lidar costs at most {worst} CPU seconds",
        rows=rows,
        notes=[
            f"{count} scenarios per query; 81 frames each, one camera 256x512 with depth, semantic"
            " and instance masks, one lidar 64x1024, 2D and 3D boxes, compressed and checksummed",
            "CPU seconds of the whole process, compose, simulate, verify and store included",
        ],
        smoke=smoke,
    )


def _generate(path: Path, query: str, count: int, rig: str) -> tuple[float, Statistics]:
    began = time.process_time()
    statistics = generate_dataset(path, Request(query=parse(query), seed=1), count, RIGS[rig])
    return time.process_time() - began, statistics
