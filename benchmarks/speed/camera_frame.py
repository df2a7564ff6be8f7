"""What a camera frame costs, from the scenario's states to bytes, beside a path tracer's."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Report, interleave
from benchmarks.speed.camera_weights import any_checkpoint, trained_checkpoint
from scenegen.appearance.camera_runtime import Renderer, renderer_of
from scenegen.pipeline import Request
from scenegen.pipeline.generate import Generator
from scenegen.query import parse
from scenegen.render import AgentMotion, PinholeCamera, World
from scenegen.scene import Scenario
from scenegen.sensors import Camera, Rig, agent_motions

PAIRS = "SCENEGEN_CAMERA_PAIRS"
"""Environment variable: folder of traced pairs, whose reports tell what tracing cost."""
QUERIES = ("night and rain and jaywalker(p)", "day and clear and cut_in(c)")
SIZES = ((128, 256), (256, 512))
STEP = 20
"""Instant of the scenarios that is drawn."""
VIEWS = 2
"""Pictures of a traced scene."""


def run(*, smoke: bool) -> Report:
    """Time both renderers at both sizes, and read what the path tracer took."""
    queries, sizes = (QUERIES[:1], ((32, 64),)) if smoke else (QUERIES, SIZES)
    traced = None if smoke else _traced()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        renderers = [renderer_of("base"), renderer_of("gan", any_checkpoint(Path(folder)))]
        for query in queries:
            scenario = Generator(Request(query=parse(query), seed=2)).scenario(0).scenario
            world = Rig(name="none", sensors=()).world(scenario, 0)
            motion = agent_motions(scenario)[STEP]
            for size in sizes:
                found = _costs((world, scenario, motion), size, renderers, rounds=2 if smoke else 9)
                rows += [_row(query, size, name, found[name], traced) for name in found]
    return Report(
        name="speed.camera_frame",
        headline=_headline(rows, traced),
        rows=rows,
        notes=[
            "a frame: stage, triangles, visibility, G-buffer, light, air, (inputs, network,) rain,"
            " lens and sensor; no labels, no watermark, no encoding",
            *_told(traced),
            *([] if trained_checkpoint() else ["random weights: the cost does not depend on them"]),
        ],
        smoke=smoke,
    )


def _costs(
    instant: tuple[World, Scenario, AgentMotion],
    size: tuple[int, int],
    renderers: list[Renderer],
    rounds: int,
) -> dict[str, float]:
    """CPU seconds of a frame by renderer."""
    optics = PinholeCamera(height_px=size[0], width_px=size[1])
    world, scenario, motion = instant

    def frame(renderer: Renderer) -> object:
        camera = Camera(optics=optics, appearance=renderer.appearance)
        view = Rig(name="one", sensors=(camera,)).view(world, scenario, STEP, motion)
        return camera.picture(view)

    subjects = {r.name: (lambda r=r: frame(r)) for r in renderers}  # type: ignore[misc]
    return {name: cost.cpu_s for name, cost in interleave(subjects, rounds=rounds).items()}


def _row(
    query: str, size: tuple[int, int], name: str, cpu_s: float, traced: dict[str, Any] | None
) -> dict[str, Any]:
    same = traced is not None and size == traced["size"]
    return {
        "scene": query,
        "size": f"{size[0]}x{size[1]}",
        "renderer": name,
        "frame [CPU ms]": round(1e3 * cpu_s, 1),
        "frames per CPU second": round(1.0 / cpu_s, 1),
        "path tracer / camera": round(traced["cpu_s"] / cpu_s) if traced and same else "-",
    }


def _traced() -> dict[str, Any] | None:
    """What tracing a picture cost; None where no pairs lie."""
    folder = Path(os.environ.get(PAIRS, ROOT / "runs" / "pairs"))
    costs = [json.loads(p.read_bytes())["cpu_seconds"] for p in folder.glob("[0-9]*.json")]
    if not costs:
        return None
    settings = json.loads((folder / "settings.json").read_bytes())
    return {
        "cpu_s": statistics.median(costs) / VIEWS,
        "scenes": len(costs),
        "size": (settings["height_px"], settings["width_px"]),
        "samples": settings["samples"],
        "backend": settings["backend"],
    }


def _told(traced: dict[str, Any] | None) -> list[str]:
    if traced is None:
        return ["no traced pairs here, so that the path tracer's cost is not told"]
    return [
        f"path tracer: {traced['backend']} with {traced['samples']} samples per pixel and its"
        f" denoiser, {traced['cpu_s']:.1f} CPU s per picture of {traced['size'][0]}x"
        f"{traced['size'][1]}: median of {traced['scenes']} scenes of {VIEWS} pictures, measured"
        " when they were traced, on the same CPU"
    ]


def _headline(rows: list[dict[str, Any]], traced: dict[str, Any] | None) -> str:
    learned = [row for row in rows if row["renderer"] == "gan" and row["size"] == rows[-1]["size"]]
    worst = max(learned, key=lambda row: row["frame [CPU ms]"])
    cost, ratio = worst["frame [CPU ms]"], worst["path tracer / camera"]
    text = f"a learned camera frame of {worst['size']} costs at most {cost} CPU ms"
    return f"{text}, the path tracer's {ratio} times as much" if traced else text
