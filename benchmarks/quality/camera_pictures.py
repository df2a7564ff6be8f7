"""Pictures of the learned camera to look at: a sheet beside the path tracer, and a night film.

    SCENEGEN_CAMERA_CHECKPOINT=runs/camera/last.safetensors SCENEGEN_CAMERA_SHEET=sheet.webp \
        SCENEGEN_CAMERA_FILM=night.mp4 python -m benchmarks quality.camera_pictures

The film is an animated WebP or an MP4, as its name says; how much each of its frames flickers lies
beside it as CSV.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Report
from benchmarks.quality.camera_film import Film, draw_film, flicker_table, write_film
from benchmarks.quality.camera_sheet import Triple, draw_sheet, traced_triples, write_sheet
from benchmarks.quality.draws import runs_folder
from benchmarks.speed.camera_weights import CHECKPOINT, random_checkpoint, trained_checkpoint
from scenegen.appearance.camera_runtime import renderer_of
from scenegen.errors import CheckpointError
from scenegen.pipeline.teacher import TeacherSettings, draw_scene

PAIRS, SHEET, FILM = "SCENEGEN_CAMERA_PAIRS", "SCENEGEN_CAMERA_SHEET", "SCENEGEN_CAMERA_FILM"
"""Environment variables: folder of traced pairs, and where sheet and film go."""
CONDITIONS, FRAMES = 12, 80
"""Pictures on the sheet, and frames of the film."""
FIRST = 3
"""Steps at the begin of a film whose jump is told."""


def run(*, smoke: bool) -> Report:
    """Draw both, and tell how steady the film is.

    Raises:
        CheckpointError: There is neither a checkpoint asked for nor one that ships.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if smoke else runs_folder("camera_pictures")
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = random_checkpoint(folder / "random.safetensors") if smoke else _trained()
        appearance = renderer_of("gan", checkpoint).appearance
        if appearance is None:
            raise CheckpointError("camera pictures: expected a learned renderer")
        sheet = Path(os.environ.get(SHEET, folder / "sheet.png"))
        film = Path(os.environ.get(FILM, folder / "night_rain.webp"))
        if smoke:
            sheet, film = folder / "sheet.png", folder / "film.webp"
        triples = _pretended() if smoke else _traced()
        write_sheet(sheet, draw_sheet(triples, appearance, checkpoint.name))
        drawn = draw_film(appearance, 3 if smoke else FRAMES, (32, 64) if smoke else (256, 512))
        write_film(film, drawn)
        film.with_suffix(".csv").write_text(flicker_table(drawn))
        return _report(drawn, (sheet, film), len(triples), smoke=smoke)


def _trained() -> Path:
    found = trained_checkpoint()
    if found is None:
        raise CheckpointError(
            "camera pictures: no checkpoint of the learned camera ships; name one with"
            f" {CHECKPOINT}=FILE"
        )
    return found


def _traced() -> list[Triple]:
    return traced_triples(Path(os.environ.get(PAIRS, ROOT / "runs" / "pairs")), CONDITIONS)


def _pretended() -> list[Triple]:
    """A scene whose traced picture is the base in another light."""
    scene = draw_scene(TeacherSettings(seed=5, width_px=64, height_px=32), 0)
    return [Triple(scene=scene, number=0, traced=np.full((32, 64, 3), 0.2, np.float32))]


def _report(drawn: Film, paths: tuple[Path, Path], pictures: int, *, smoke: bool) -> Report:
    jumps = {name: drawn.jump(name, FIRST) for name in drawn.warp}
    ratio = float(np.nanmean(drawn.warp["gan"]) / np.nanmean(drawn.warp["base"]))
    return Report(
        name="quality.camera_pictures",
        headline=f"warp error of the film {ratio:.2f} of the base's (aim 1.1), start-up jump"
        f" {jumps['gan']:.2f} (base {jumps['base']:.2f}, aim 1.2)",
        rows=_rows(drawn),
        notes=[
            f"sheet: {paths[0].name}, {pictures} held-out scenes, base, learned, path tracer",
            f"film: {paths[1].name}, {len(drawn.frames)} frames at 10 Hz, base beside learned;"
            f" {drawn.query!r}; every step in {paths[1].with_suffix('.csv').name}",
            "warp error: mean absolute difference of tone x 100 between consecutive pictures along"
            " exact motion, on surfaces that both show and that move as rigid bodies; before rain,"
            " lens and sensor noise, which differ from frame to frame in any camera",
            f"start-up jump: the largest of the first {FIRST} steps over the median step",
        ],
        smoke=smoke,
    )


def _rows(drawn: Film) -> list[dict[str, Any]]:
    """First steps one by one, then seconds."""
    steps = len(drawn.warp["base"])
    parts = [(f"step {k + 1}", k, k + 1) for k in range(min(FIRST, steps))]
    parts += [
        (f"{k / 10:g} to {min(k + 10, steps) / 10:g} s", k, min(k + 10, steps))
        for k in range(0, steps, 10)
    ]
    return [_row(drawn, *part) for part in [*parts, ("all", 0, steps)]]


def _row(drawn: Film, name: str, first: int, last: int) -> dict[str, Any]:
    base, gan = (float(np.nanmean(drawn.warp[key][first:last])) for key in ("base", "gan"))
    return {
        "part": name,
        "base, warp x 100": round(100 * base, 3),
        "learned, warp x 100": round(100 * gan, 3),
        "learned / base": round(gan / max(base, 1e-9), 2),
    }
