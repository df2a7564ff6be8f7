"""Every learned layout family trained for the same CPU time; stopped and called again, it goes on.

Each run lies in RUNS/layout_<model>_s<seed>/ and ends with `final.safetensors`, which the benchmark
of layouts then scores. The order is seed by seed, so that the first seed of all families is there
first.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import ROOT, Report
from benchmarks.quality.layout_scenes import RUNS, TRAIN
from scenegen.layout.learned import SCENE_MODELS
from scenegen.layout.training_run import CHECKPOINT, PROGRESS, TrainingRun, TrainingSettings
from scenegen.pipeline.corpus import build_corpus
from scenegen.pipeline.corpus_settings import CorpusSettings
from scenegen.seeding import Jsonable
from scenegen.training.checkpoint import write_atomically

MINUTES, SEEDS, MODELS = (
    "SCENEGEN_LAYOUT_MINUTES",
    "SCENEGEN_LAYOUT_SEEDS",
    "SCENEGEN_LAYOUT_MODELS",
)
"""Environment variables: CPU minutes per run, seeds and families (both comma-separated)."""
RATES = {"diffusion": 2e-3, "flow_matching": 2e-3, "ddpm": 2e-3}
"""Learning rates of families that take more than RATE."""
RATE = 1e-3
EVERY = 250
"""Steps between validations, and the most that an interruption costs."""
TINY: dict[str, Jsonable] = {"network": {"width": 16, "layers": 2, "heads": 2, "expansion": 2}}
FINAL = "final.safetensors"
FAMILIES = tuple(name for name in SCENE_MODELS if name != "student")
"""Families that learn from scenes; a student learns from a trained model and has no such row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is trained.

    Attributes:
        corpus: Folder of the corpus.
        runs: Where the runs lie.
        models: Families.
        seeds: Seeds of each.
        cpu_seconds: Training time of each run, validations not counted [s].
        steps: Most steps of each run.
        config: Settings of the models.
    """

    corpus: Path
    runs: Path
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    cpu_seconds: float
    steps: int = 10**9
    config: dict[str, Jsonable]


def run(*, smoke: bool) -> Report:
    """Train what is not trained yet, and report all runs."""
    torch.set_num_threads(1)
    if not smoke:
        return _report(_planned(), smoke=False)
    with tempfile.TemporaryDirectory() as folder:
        settings = CorpusSettings(seed=3, events=(), worlds=1, windows=2, rows_per_shard=512)
        build_corpus(Path(folder) / "corpus", settings, 32)
        plan = Plan(
            corpus=Path(folder) / "corpus",
            runs=Path(folder),
            models=FAMILIES,
            seeds=(0,),
            cpu_seconds=60.0,
            steps=1,
            config=TINY,
        )
        return _report(plan, smoke=True)


def _planned() -> Plan:
    models = os.environ.get(MODELS, ",".join(FAMILIES))
    seeds = os.environ.get(SEEDS, "0,1")
    return Plan(
        corpus=Path(os.environ.get(TRAIN, ROOT / "runs" / "corpus_v1")),
        runs=Path(os.environ.get(RUNS, ROOT / "runs")),
        models=tuple(models.split(",")),
        seeds=tuple(int(seed) for seed in seeds.split(",")),
        cpu_seconds=60.0 * float(os.environ.get(MINUTES, "15")),
        config={},
    )


def _report(plan: Plan, *, smoke: bool) -> Report:
    rows = [_trained(plan, model, seed) for seed in plan.seeds for model in plan.models]
    minutes = plan.cpu_seconds / 60.0
    return Report(
        name="quality.layout_training",
        headline=f"{len(plan.models)} families of layout models, {len(plan.seeds)} seeds,"
        f" {minutes:g} CPU minutes each",
        rows=rows,
        notes=[
            f"corpus {plan.corpus.name}, one thread, batches of 64, bfloat16; training time alone,"
            " validations and reading not counted",
            "losses are those of the family and say nothing across families; shares are of raw"
            " samples on 64 validation roads, nothing repaired",
        ],
        smoke=smoke,
    )


def _trained(plan: Plan, model: str, seed: int) -> dict[str, Any]:
    """Train one run to the end of its budget and give its row."""
    folder = plan.runs / f"layout_{model}_s{seed}"
    if not (folder / FINAL).exists():
        rate = RATES.get(model, RATE)
        settings = TrainingSettings(
            model=model, config=plan.config, rate=rate, half=True, seed=seed
        )
        partial = not (plan.corpus / "manifest.json").exists()
        training = TrainingRun(folder, settings, [plan.corpus], partial=partial)
        while (left := plan.cpu_seconds - _spent(folder)) > 0.0:
            step = training.trainer.step
            if step >= plan.steps:
                break
            training.run(steps=min(plan.steps, step + EVERY), cpu_seconds=left, every=EVERY)
        training.finish()
        write_atomically(folder / FINAL, (folder / CHECKPOINT).read_bytes())
    return _row(folder, model, seed)


def _spent(folder: Path) -> float:
    """CPU time that training took so far, validations not counted [s]."""
    return sum(float(line["cpu_seconds"]) for line in _progress(folder))


def _progress(folder: Path) -> list[dict[str, Any]]:
    path = folder / PROGRESS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _row(folder: Path, model: str, seed: int) -> dict[str, Any]:
    card = json.loads((folder / "card.json").read_text())
    lines, last = _progress(folder), card["metrics"]
    cpu = _spent(folder)
    return {
        "model": model,
        "seed": seed,
        "parameters": card["parameters"],
        "rate": card["settings"]["rate"],
        "CPU min": round(cpu / 60.0, 2),
        "steps": card["steps"],
        "scenes per CPU s": round(card["scenes_seen"] / max(cpu, 1e-9), 1),
        "first validation loss": _number(lines[0].get("validation_loss")),
        "last validation loss": _number(last.get("validation_loss")),
        "overlapping [%]": _number(last.get("overlapping"), 100.0),
        "beside lanes [%]": _number(last.get("beside_lanes"), 100.0),
        "from the lane [m]": _number(last.get("lateral")),
    }


def _number(value: float | None, factor: float = 1.0) -> str:
    return "-" if value is None else f"{factor * value:.3g}"
