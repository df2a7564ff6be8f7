"""What a filled scene costs with each layout model, from the request to checked agents."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Report
from benchmarks.quality.layout_scenes import checkpoints
from scenegen.layout import HeuristicLayout, LayoutModel, LayoutRequest, LearnedLayout
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.student import STEPS, StudentModel
from scenegen.maps import MAP_SOURCES
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.guided import ModelStaging, Staging
from scenegen.pipeline.nominal import pin_nominal
from scenegen.query import parse
from scenegen.scene import Conditions
from scenegen.seeding import stream

SCENES, ROUNDS = 24, 3
"""Scenes per round, and counted rounds."""
BATCH = 16
"""Guided scenes sampled together."""
GUIDED_QUERY = "cut_in(c) and ttc(ego,c) < 1.5s"
PREDICTED = {"diffusion": 50.0, "student": 500.0}
"""Scenes per second on two cores that the design asks of a model of a kind."""


def run(*, smoke: bool) -> Report:
    """Fill the same roads with every model found, in turn."""
    torch.set_num_threads(1)
    requests = _requests(2 if smoke else SCENES)
    models: dict[str, LayoutModel] = {"heuristic": HeuristicLayout()}
    models |= {name: LearnedLayout.load(path) for name, path in checkpoints().items()}
    for model in models.values():
        _fill(model, requests[:1])
    spent: dict[str, list[float]] = {name: [] for name in models}
    agents: dict[str, list[int]] = {name: [] for name in models}
    for _ in range(1 if smoke else ROUNDS):
        for name, model in models.items():
            seconds, counts = _fill(model, requests)
            spent[name] += seconds
            agents[name] += counts
    rows = [_row(name, spent[name], agents[name]) for name in models]
    rows += [
        _guided_row(f"{name}, guided, {BATCH} at a time", model, steps, smoke=smoke)
        for name, model in models.items()
        if isinstance(model, LearnedLayout) and isinstance(model.model, DiffusionModel)
        for steps in (STEPS if isinstance(model.model, StudentModel) else (8,))
    ]
    return Report(
        name="speed.layout_sampling",
        headline=f"the heuristic fills {rows[0]['scenes per CPU s']} scenes per CPU second",
        rows=rows,
        notes=[
            f"{len(requests)} roads of all families with the ego pinned, up to 24 agents; one"
            " scene at a time, one thread, CPU time of the process, models in turn",
            "from the request to agents with plans: encoding, sampling, decoding, the model's own"
            " check and what it draws again included",
        ],
        smoke=smoke,
    )


def _guided_row(name: str, layout: LearnedLayout, steps: int, *, smoke: bool) -> dict[str, Any]:
    """Stage cut-ins under guidance in batches: sampled, decoded, mended and checked."""
    request = Request(
        query=parse(GUIDED_QUERY),
        seed=8,
        layout=layout,
        agents=24,
        staging=Staging.MODEL,
        guided=ModelStaging(steps=steps),
    )
    composer = Composer(request)
    batch = 2 if smoke else BATCH
    composer.weighed_batch(range(batch))
    seconds, counts = list[float](), list[int]()
    for k in range(1, 2 if smoke else 1 + ROUNDS):
        indices = range(k * batch, (k + 1) * batch)
        drawn, cost = _timed(lambda at=indices: composer.weighed_batch(at))
        made = [w.composition for w in drawn if not isinstance(w.composition, str)]
        seconds += [cost / batch] * batch
        counts += [m.scene.agents.count for m in made] or [0]
    return _row(f"{name}, {steps} steps", seconds, counts)


def _requests(count: int) -> list[LayoutRequest]:
    """Roads of every family in turn, each with an ego on it."""
    out, index = list[LayoutRequest](), 0
    sources = [cls() for cls in MAP_SOURCES.values()]
    while len(out) < count:
        rng = stream(5, "benchmark", "layout", index)
        roadmap = sources[index % len(sources)].draw(rng)
        index += 1
        pinned = pin_nominal(roadmap, (0.0, 40.0), rng, None)
        if pinned is not None:
            out.append(
                LayoutRequest(
                    roadmap=roadmap,
                    conditions=Conditions(),
                    pinned=pinned.agents,
                    plans=pinned.plans,
                    agents=24,
                )
            )
    return out


def _fill(model: LayoutModel, requests: list[LayoutRequest]) -> tuple[list[float], list[int]]:
    seconds, counts = [], []
    for index, request in enumerate(requests):
        rng = stream(6, "benchmark", "fill", index)
        layout, cost = _timed(lambda r=request, g=rng: model.sample(r, g))
        seconds.append(cost)
        counts.append(layout.agents.count)
    return seconds, counts


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return call(), time.process_time() - began


def _row(name: str, seconds: list[float], counts: list[int]) -> dict[str, Any]:
    kind = name.partition(",")[0].partition("_")[0]
    mean = sum(seconds) / len(seconds)
    return {
        "model": name,
        "scenes per CPU s": round(1.0 / max(mean, 1e-9), 1),
        "asked on 2 cores": PREDICTED.get(kind, "-"),
        "median [CPU ms]": round(1000.0 * statistics.median(seconds), 1),
        "slowest in 20 [CPU ms]": round(1000.0 * float(np.quantile(seconds, 0.95)), 1),
        "agents per scene": round(sum(counts) / len(counts), 1),
    }
