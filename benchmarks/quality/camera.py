"""Camera models trained for the same CPU time, judged on held-out scenes against the path tracer.

Runs lie in RUNS/camera_<model>_s<seed>/; called again, training goes on where it stopped, and what
is trained is not trained again. Every figure stands beside that of the shaded base, and beside the
floor: how far the tracer's own pictures of some scenes are from those of others.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.harness import ROOT, Report
from benchmarks.quality.camera_clips import Draw, Steadiness, draw_clips, steadiness
from benchmarks.quality.camera_scores import Views, read_views, score
from benchmarks.quality.camera_segmenter import train_segmenter
from scenegen.appearance.camera_generator import STYLE_SIZE, padded
from scenegen.appearance.camera_inputs import BASE
from scenegen.appearance.camera_pairs import FOLDER, CameraPairs, write_scene_rows
from scenegen.appearance.camera_recipes import CAMERA_MODELS, camera_model_of
from scenegen.appearance.camera_runtime import PREFERRED, default_renderer, shipped_checkpoint
from scenegen.appearance.camera_settings import CameraBudget, CameraTraining
from scenegen.appearance.camera_training import CARD, CHECKPOINT, CameraRun
from scenegen.arrays import FloatArray
from scenegen.cli.train_renderer import prepare
from scenegen.pipeline.teacher import TeacherSettings, draw_scene
from scenegen.render import PinholeCamera, look
from scenegen.seeding import stream
from scenegen.training import load_checkpoint

PAIRS, RUNS, MINUTES, SEEDS, MODELS = (
    "SCENEGEN_CAMERA_PAIRS",
    "SCENEGEN_CAMERA_RUNS",
    "SCENEGEN_CAMERA_MINUTES",
    "SCENEGEN_CAMERA_SEEDS",
    "SCENEGEN_CAMERA_MODELS",
)
"""Environment variables: folder of traced pairs, folder of runs, CPU minutes per run, seeds and
models (both comma-separated)."""
SHIPPED = "SCENEGEN_CAMERA_CHECKPOINT"
"""Environment variable: checkpoint of the shipped row; that of the assets if it is unset."""
AIMS = {
    "kernel gap / base": "<= 0.5",
    "seg gap / base": "<= 0.5",
    "consistency": ">= 0.9",
    "rare": ">= 0.75",
    "coverage / tracer": ">= 0.6",
    "warp / base": "<= 1.1",
    "across / base": "<= 1.2",
    "first jump": "<= 1.2",
}
"""What is aimed at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is trained and measured.

    Attributes:
        pairs: Folder of the pairs, laid out.
        runs: Where the runs lie.
        models: Models of CAMERA_MODELS.
        seeds: Seeds of each.
        budget: What each training may cost.
        every: Steps between looks.
        crop: Rows and columns of the crops that are compared.
        segmenter_steps: Steps of the segmenter.
        clips: Number of clips, frames of each, and their camera.
        resamples: Bootstrap samples.
    """

    pairs: Path
    runs: Path
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: CameraBudget
    every: int
    crop: tuple[int, int]
    segmenter_steps: int
    clips: tuple[int, int, PinholeCamera]
    resamples: int


def run(*, smoke: bool) -> Report:
    """Train what is not trained yet, and judge all."""
    torch.set_num_threads(1)
    if not smoke:
        plan = _planned()
        prepare(plan.pairs, quiet=True)
        return _report(plan, smoke=False)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            pairs=_pretended(Path(folder) / "pairs"),
            runs=Path(folder),
            models=tuple(CAMERA_MODELS),
            seeds=(0,),
            budget=CameraBudget(steps=2),
            every=2,
            crop=(32, 32),
            segmenter_steps=2,
            clips=(1, 2, PinholeCamera(width_px=64, height_px=32)),
            resamples=4,
        )
        return _report(plan, smoke=True)


def _planned() -> Plan:
    minutes = float(os.environ.get(MINUTES, "30"))
    return Plan(
        pairs=Path(os.environ.get(PAIRS, ROOT / "runs" / "pairs")),
        runs=Path(os.environ.get(RUNS, ROOT / "runs")),
        models=tuple(os.environ.get(MODELS, ",".join(CAMERA_MODELS)).split(",")),
        seeds=tuple(int(seed) for seed in os.environ.get(SEEDS, "0").split(",")),
        budget=CameraBudget(cpu_seconds=60.0 * minutes),
        every=500,
        crop=(128, 256),
        segmenter_steps=700,
        clips=(24, 8, PinholeCamera(width_px=512, height_px=256)),
        resamples=200,
    )


def _report(plan: Plan, *, smoke: bool) -> Report:
    cards = {
        f"{model} s{seed}": _trained(plan, model, seed)
        for seed in plan.seeds
        for model in plan.models
    }
    subjects: dict[str, Draw] = {"base": lambda stack, _: stack[BASE]}
    styled: dict[str, nn.Module] = {}
    for name in cards:
        model, _, seed = name.partition(" s")
        path = plan.runs / f"camera_{model}_s{seed}" / CHECKPOINT
        styled[name] = camera_model_of(load_checkpoint(path))
    if not smoke and (shipped := _shipped()) is not None:
        styled["shipped"] = camera_model_of(load_checkpoint(shipped))
    subjects |= {name: drawer(model) for name, model in styled.items()}
    train, held_out = (CameraPairs(plan.pairs, held_out=held) for held in (False, True))
    segmenter = train_segmenter(train, plan.segmenter_steps)
    views = read_views(train, held_out, plan.crop)
    scores = score(views, segmenter, subjects, plan.resamples)
    clips = draw_clips(*plan.clips)
    steady = {name: steadiness(clips, draw) for name, draw in subjects.items()}
    columns: dict[str, dict[str, Any]] = {}
    for name, found in scores.items():
        column = found.row()
        if name in steady:
            column |= _steady_cells(steady[name], steady["base"])
        if name in styled:
            column["style x100"] = _number(_style_spread(styled[name], views))
        columns[name] = column | _cost(cards.get(name))
    return Report(
        name="quality.camera",
        headline=_headline(columns, plan, len(held_out)),
        rows=_rows(columns),
        notes=_notes(plan, views, len(clips)),
        smoke=smoke,
    )


def _steady_cells(own: Steadiness, base: Steadiness) -> dict[str, str]:
    return {
        "warp / base": _number(float(np.nanmean(own.warp) / np.nanmean(base.warp))),
        "across / base": _number(float(np.nanmean(own.across) / np.nanmean(base.across))),
        "first jump": _number(float(np.nanmean(own.jump))),
    }


def drawer(model: nn.Module) -> Draw:
    """Let a model draw stacks of any size in the style zero."""

    @torch.no_grad()
    def draw(stack: FloatArray, condition: FloatArray) -> FloatArray:
        return _tone(model, stack, condition, np.zeros(STYLE_SIZE, np.float32))

    return draw


@torch.no_grad()
def _tone(
    model: nn.Module, stack: FloatArray, condition: FloatArray, style: FloatArray
) -> FloatArray:
    height, width = stack.shape[-2:]
    arguments = (padded(np.ascontiguousarray(stack)), condition, style)
    tone: torch.Tensor = model(*(torch.from_numpy(a)[None] for a in arguments))
    return tone[0, :, :height, :width].clamp(0.0, 1.0).numpy()


def _style_spread(model: nn.Module, views: Views) -> float:
    """Mean absolute difference between two random styles, times 100."""
    styles = stream(0, "styles").standard_normal((2, STYLE_SIZE)).astype(np.float32)
    apart = []
    for stack, condition in zip(views.stacks[:8], views.conditions[:8], strict=False):
        a, b = (_tone(model, stack, condition, style) for style in styles)
        apart.append(np.abs(a - b).mean())
    return float(100.0 * np.mean(apart))


def _trained(plan: Plan, model: str, seed: int) -> dict[str, Any]:
    """Train one run to the end of its budget and give its card."""
    folder = plan.runs / f"camera_{model}_s{seed}"
    settings = CameraTraining(model=model, seed=seed)
    training = CameraRun(folder, settings, plan.pairs)
    if plan.budget.spent(training.step, training.spent) < 1.0 or not (folder / CARD).exists():
        training.run(plan.budget, every=plan.every)
    return dict(json.loads((folder / CARD).read_text()))


def _shipped() -> Path | None:
    """The checkpoint that ships, None where there is none yet."""
    if SHIPPED in os.environ:
        return Path(os.environ[SHIPPED])
    return shipped_checkpoint() if default_renderer() == PREFERRED else None


def _cost(card: dict[str, Any] | None) -> dict[str, Any]:
    if card is None:
        return {}
    minutes = round(float(card["cpu_seconds"]) / 60.0, 1)
    return {"parameters": card["parameters"], "CPU min": minutes, "steps": card["steps"]}


def _pretended(folder: Path) -> Path:
    """Pairs without a tracer: its radiance is the base in another light."""
    (folder / FOLDER).mkdir(parents=True)
    settings = TeacherSettings(seed=5, width_px=64, height_px=32)
    tint = np.array([0.8, 0.65, 0.5], np.float32)
    for number in range(4):
        scene = draw_scene(settings, number)
        rng = np.random.default_rng(0)
        seen = [look(scene.stage, scene.triangles, v, rng, with_light=True) for v in scene.views]
        radiance = np.stack([np.asarray(picture.clear) * tint for picture in seen])
        marked = replace(scene, is_held_out=number >= 2)
        write_scene_rows(folder / FOLDER, number, marked, radiance)
    return folder


def _rows(columns: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Turn a column per subject into a row per measure."""
    measures = list(dict.fromkeys(key for column in columns.values() for key in column))
    return [
        {
            "measure": measure,
            **{name: column.get(measure, "-") for name, column in columns.items()},
            "aim": AIMS.get(measure, ""),
        }
        for measure in measures
    ]


def _headline(columns: dict[str, dict[str, Any]], plan: Plan, views: int) -> str:
    name = "shipped" if "shipped" in columns else f"{plan.models[0]} s{plan.seeds[0]}"
    column = columns[name]
    return (
        f"{name} on {views} held-out views: kernel gap {column['kernel gap / base']} of the base's"
        f" (aim 0.5), segmentation consistency {column['consistency']} (aim 0.9), warp error"
        f" {column['warp / base']} of the base's (aim 1.1)"
    )


def _notes(plan: Plan, views: Views, clips: int) -> list[str]:
    return [
        f"{len(views.stacks)} held-out crops of {plan.crop[0]} x {plan.crop[1]} and"
        f" {len(views.reference)} crops of the tracer's training scenes",
        "kernel: KID x 100 to the training scenes, on features of 3 fixed random networks; kernel"
        " seg: on those of a segmenter trained on the tracer's pictures; the tracer's own column is"
        " the floor between different scenes",
        "gap / base: the same discrepancy to the tracer, estimated over pairs of equal layout, for"
        " which the tracer's own is nought, over the base's; 95 % bootstraps over held-out scenes",
        "SWD: patches, to the tracer's pictures of the same crops; the tracer's own column: to"
        " other scenes",
        "consistency: mean IoU of that segmenter on a picture over its mean IoU on the tracer's;"
        " rare: poles, signals, signs, cycles, pedestrians",
        f"warp, across: {clips} clips along exact motion, and between two cameras; the tracer has"
        " no clips",
        "training on drawn and real pictures, rare-class lift and weather are measured by the"
        " segmentation benchmark",
        "rivals draw the whole picture from the same inputs; CPU time is equal, size about equal",
    ]


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "-"
