"""Every layout model in one table: validity, realism, diversity, novelty, and cheats that fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Report
from benchmarks.quality.layout_real import real_folder, real_scenes
from benchmarks.quality.layout_scenes import (
    Data,
    Generated,
    checkpoints,
    held_out_and_train,
    heuristic_scenes,
    load_model,
    sample_model,
    unmoved,
)
from scenegen.evaluate.contacts import road_places
from scenegen.evaluate.intervals import Estimate
from scenegen.evaluate.realism import SD_FACTOR, SD_LARGE, marginal_divergences, marginals
from scenegen.evaluate.scene_set import SceneSet
from scenegen.evaluate.scorecard import METRICS, RESAMPLES, Facts, Score, Yardstick, score
from scenegen.evaluate.traps import TRAPS
from scenegen.seeding import stream

MOST = 5000
"""Scenes per side at most."""
FLOOR = "noise floor"
REAL = ("nearest gap", "length", "width", "speed", "time to collision", "time headway")
"""Marginals of an opening that recorded scenes have too."""


def run(*, smoke: bool) -> Report:
    """Score the noise floor, the heuristic, every trained model, and the cheats."""
    torch.set_num_threads(1)
    held, train, source = held_out_and_train(smoke, 2 * MOST)
    yardstick = Yardstick.of(held.scenes, train.scenes)
    asked = held.take(np.flatnonzero(np.isin(held.scenes.site, yardstick.floor.scenes.site)))
    made = _generated(asked)
    facts = {FLOOR: yardstick.floor} | {name: Facts.of(g.scenes) for name, g in made.items()}
    rng = stream(0, "benchmark", "traps")
    for name, trap in TRAPS.items():
        facts[name] = Facts.of(trap.make(train.scenes, asked.scenes, rng))
    resamples = 10 if smoke else RESAMPLES
    scores = {
        name: score(found, yardstick, len(asked.rows), resamples=resamples)
        for name, found in facts.items()
    }
    caught = [n for n, trap in TRAPS.items() if trap.fails in scores[n].failures(scores[FLOOR])]
    rows = [_row(metric, scores) for metric in METRICS]
    rows += _scaled(scores) + _against_real(facts, None if smoke else real_scenes())
    rows += _costs(facts, made, len(asked.rows))
    return Report(
        name="quality.layout",
        headline=f"{len(made)} layout models beside the noise floor on {len(asked.rows)} scenes"
        f" each; {len(caught)} of {len(TRAPS)} cheats are caught by the metric meant for them",
        rows=rows,
        notes=_notes(source, yardstick, scores, asked),
        smoke=smoke,
    )


def _generated(asked: Data) -> dict[str, Generated]:
    """Scenes of every model, unchecked, each for the strata of the asked rows."""
    simulated = heuristic_scenes(asked)
    out = {"heuristic + simulator": simulated, "heuristic alone": unmoved(simulated)}
    for name, path in checkpoints().items():
        out[name] = sample_model(load_model(path), asked)
    return out


def _row(metric: str, scores: Mapping[str, Score]) -> dict[str, Any]:
    line, floor = METRICS[metric], scores[FLOOR].figures[metric].value
    name = f"{metric} [{line.unit}]" if line.unit else metric
    row: dict[str, Any] = {"metric": name, "goal": line.goal()}
    for model, found in scores.items():
        figure = found.figures[metric]
        missed = model != FLOOR and not line.passes(figure.value, floor)
        row[model] = figure.text(2) + (" x" if missed else "")
    return row


def _scaled(scores: Mapping[str, Score]) -> list[dict[str, Any]]:
    """Divergences as Scenario Dreamer scales them, its own figures as the goal's scale."""
    rows = []
    for name, factor in SD_FACTOR.items():
        row: dict[str, Any] = {
            "metric": f"{name} JSD x {factor} (SD)",
            "goal": f"SD-L has {SD_LARGE[name]:g}",
        }
        for model, found in scores.items():
            row[model] = _number(factor * found.figures[f"{name} JSD"].value)
        rows.append(row)
    return rows


def _against_real(facts: Mapping[str, Facts], real: SceneSet | None) -> list[dict[str, Any]]:
    """Marginals of openings against recorded traffic; dashes where the files are not there."""
    rows = []
    found: dict[str, Mapping[str, Estimate]] = {}
    if real is not None:
        theirs, rng = marginals(real, road_places(real)), stream(0, "benchmark", "real")
        found = {
            name: marginal_divergences(fact.histograms, theirs, rng, 50)
            for name, fact in facts.items()
        }
    for marginal in REAL:
        row: dict[str, Any] = {"metric": f"{marginal} JSD to NGSIM [nat]", "goal": ""}
        for name in facts:
            row[name] = found[name][marginal].text(2) if found else "-"
        rows.append(row)
    return rows


def _costs(
    facts: Mapping[str, Facts], made: Mapping[str, Generated], asked: int
) -> list[dict[str, Any]]:
    accepted: dict[str, Any] = {"metric": "pass the generator's own check", "goal": ""}
    cost: dict[str, Any] = {"metric": "cost per scene [CPU ms]", "goal": ""}
    for name in facts:
        accepted[name] = _number(made[name].accepted) if name in made else "-"
        cost[name] = _number(1000.0 * made[name].cpu_s / max(asked, 1)) if name in made else "-"
    return [accepted, cost]


def _notes(
    source: str, yardstick: Yardstick, scores: Mapping[str, Score], asked: Data
) -> list[str]:
    names = asked.reader.families
    floor = scores[FLOOR].families
    worst = max(floor, key=lambda family: floor[family], default=None)
    real = (
        f"NGSIM from {real_folder().name}"
        if real_folder().exists()
        else "NGSIM rows are skipped: SCENEGEN_DATA names no recorded scenes"
    )
    notes = [
        f"scenes: {source}; {len(yardstick.reference.scenes)} reference,"
        f" {len(asked.rows)} asked, {len(yardstick.train.scenes)} training scenes; roads are dealt"
        " whole, no road is on two sides",
        "the noise floor is the other half of the held-out scenes, scored like a model; x marks a"
        " goal that is missed; brackets are 95 % intervals, whole roads resampled",
        "raw samples, nothing repaired or rejected; divergences in nats, not rooted; the number of"
        " agents of a learned model is that of the asked row",
        "heuristic + simulator is the process that made the corpus, from its opening on, first"
        " draw; heuristic alone keeps everyone's speed and heading",
        f"{real}; openings only; the corpus is not fitted to it",
        *(f"cheat: {name} {trap.idea}; must miss {trap.fails}" for name, trap in TRAPS.items()),
    ]
    if worst is not None:
        notes.append(f"worst family of the floor: {names[worst] or 'everyday traffic'}")
    return notes


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"
