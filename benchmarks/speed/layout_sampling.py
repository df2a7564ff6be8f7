"""What a filled scene costs with each layout model, from the request to checked agents."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.harness import Report
from benchmarks.quality.layout_scenes import checkpoints
from scenegen.layout import HeuristicLayout, LayoutModel, LayoutRequest, LearnedLayout
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.road_arrays import road_arrays
from scenegen.layout.student import STEPS, StudentModel
from scenegen.maps import MAP_SOURCES
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.guided import ModelStaging, Staging
from scenegen.pipeline.nominal import pin_nominal
from scenegen.query import parse
from scenegen.scene import Conditions
from scenegen.seeding import stream

SCENES, ROUNDS = 32, 3
"""Scenes per round, which are also sampled together, and counted rounds."""
CORES = 2
"""Cores that scenes per second are given for: CORES over the CPU seconds of a scene."""
BATCH = 16
"""Guided scenes sampled together."""
GUIDED_QUERY = "cut_in(c) and ttc(ego,c) < 1.5s"
ASKED = {"diffusion": 50.0, "1-step student": 500.0}
"""Scenes per second on two cores that the design asks of a model of a kind."""
FORESEEN = {"diffusion": 12.0, "student": 3.4}
"""CPU ms per scene in 8 steps and in 1, many at a time: foreseen from the number of
multiplications before the compiled network was first measured."""


class _Way(NamedTuple):
    """A model and how its door is used."""

    layout: LayoutModel
    together: bool

    def fill(self, requests: list[LayoutRequest]) -> tuple[list[float], list[int]]:
        """Fill scenes; CPU seconds and number of agents of each."""
        rngs = [stream(6, "benchmark", "fill", k) for k in range(len(requests))]
        if self.together:
            made, cost = _timed(partial(self.layout.sample_many, requests, rngs))
            return [cost / len(made)] * len(made), [m.agents.count for m in made]
        seconds, counts = list[float](), list[int]()
        for request, rng in zip(requests, rngs, strict=True):
            one, cost = _timed(partial(self.layout.sample, request, rng))
            seconds.append(cost)
            counts.append(one.agents.count)
        return seconds, counts


def run(*, smoke: bool) -> Report:
    """Fill the same roads with every model found, in turn."""
    torch.set_num_threads(1)
    requests = _requests(3 if smoke else SCENES)
    prepared = [_timed(partial(_prepare, request))[1] for request in requests]
    models = _models()
    ways = {f"{name}, one by one": _Way(model, False) for name, model in models.items()}
    ways |= {
        f"{name}, {len(requests)} at a time": _Way(model, True)
        for name, model in models.items()
        if isinstance(model, LearnedLayout)
    }
    for way in ways.values():
        way.fill(requests[:3])
    spent: dict[str, list[float]] = {name: [] for name in ways}
    agents: dict[str, list[int]] = {name: [] for name in ways}
    for _ in range(1 if smoke else ROUNDS):
        for name, way in ways.items():
            seconds, counts = way.fill(requests)
            spent[name] += seconds
            agents[name] += counts
    rows = [_row(name, spent[name], agents[name]) for name in ways]
    rows += [
        _guided_row(name, model, smoke=smoke)
        for name, model in models.items()
        if isinstance(model, LearnedLayout) and type(model.model) is DiffusionModel
    ]
    rows.append(_row("a road made ready, once per road", prepared, [0]))
    best = max(rows, key=lambda row: float(row["scenes per s on 2 cores"]))
    return Report(
        name="speed.layout_sampling",
        headline=f"{best['model']}: {best['scenes per s on 2 cores']} scenes per second on 2 cores",
        rows=rows,
        notes=_notes(len(requests)),
        smoke=smoke,
    )


def _notes(scenes: int) -> list[str]:
    return [
        f"{scenes} roads of all families with the ego pinned, up to 24 agents; one thread, CPU"
        f" time of the process, models in turn; scenes per second on {CORES} cores are {CORES} over"
        " the CPU seconds per scene, as of as many processes",
        "from the request to agents with plans: encoding, sampling, decoding, repair and the"
        " model's own check included; roads are made ready before, which costs what the row of"
        " that name says once per road",
        "guided scenes also draw their roads and places, which the others are given; ego and roles"
        " are sampled under guidance and then the background around them, 8 steps each, one try",
        "a student that is not trained has the weights of its teacher: its speed does not depend on"
        " them, its scenes do",
        "foreseen from the number of multiplications [CPU ms per scene, many at a time]:"
        f" {', '.join(f'{name} {cost:g}' for name, cost in FORESEEN.items())}",
    ]


def _models() -> dict[str, LayoutModel]:
    """The heuristic, every checkpoint found, and a student in each number of steps."""
    models: dict[str, LayoutModel] = {"heuristic": HeuristicLayout()}
    found: Mapping[str, LearnedLayout] = {
        name: LearnedLayout.load(path) for name, path in checkpoints().items()
    }
    models |= {n: x for n, x in found.items() if not isinstance(x.model, StudentModel)}
    students = {n: x for n, x in found.items() if isinstance(x.model, StudentModel)}
    teachers = [x.model for x in found.values() if isinstance(x.model, DiffusionModel)]
    if not students and teachers:
        pupil = StudentModel(teachers[0].events, teachers[0].network_config)
        pupil.begin_from(teachers[0])
        students = {"student, not trained": LearnedLayout(pupil)}
    for name, layout in students.items():
        for steps in STEPS:
            models[f"{steps}-step {name}"] = LearnedLayout(_in_steps(layout.model, steps))
    return models


def _in_steps(model: Any, steps: int) -> StudentModel:  # noqa: ANN401
    """The same student sampling in another number of steps."""
    other = StudentModel.from_config(model.config())
    other.load_weights(model.state_dict(), model.name)
    other.sampling = replace(model.sampling, steps=steps)
    return other


def _prepare(request: LayoutRequest) -> None:
    """Read off a road what all scenes on it share."""
    road_arrays(request.roadmap)
    encode_map(request.roadmap, np.zeros(3))


def _guided_row(name: str, layout: LearnedLayout, *, smoke: bool) -> dict[str, Any]:
    """Stage cut-ins under guidance in batches: sampled, decoded, mended and checked."""
    request = Request(
        query=parse(GUIDED_QUERY),
        seed=8,
        layout=layout,
        agents=24,
        staging=Staging.MODEL,
        guided=ModelStaging(steps=8, sketches=1),
    )
    composer = Composer(request)
    batch = 2 if smoke else BATCH
    composer.weighed_batch(range(batch))
    seconds, counts = list[float](), list[int]()
    for k in range(1, 2 if smoke else 1 + ROUNDS):
        indices = range(k * batch, (k + 1) * batch)
        drawn, cost = _timed(partial(composer.weighed_batch, indices))
        made = [w.composition for w in drawn if not isinstance(w.composition, str)]
        seconds += [cost / batch] * batch
        counts += [m.scene.agents.count for m in made] or [0]
    return _row(f"{name}, guided by a query, {batch} at a time", seconds, counts)


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


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return call(), time.process_time() - began


def _row(name: str, seconds: list[float], counts: list[int]) -> dict[str, Any]:
    kind = next((kind for kind in ASKED if kind in name), "")
    mean = sum(seconds) / len(seconds)
    return {
        "model": name,
        "CPU ms per scene": round(1000.0 * mean, 2),
        "scenes per s on 2 cores": round(CORES / max(mean, 1e-9), 1),
        "asked": ASKED.get(kind, "-"),
        "median [CPU ms]": round(1000.0 * statistics.median(seconds), 2),
        "slowest in 20 [CPU ms]": round(1000.0 * float(np.quantile(seconds, 0.95)), 2),
        "agents per scene": round(sum(counts) / len(counts), 1),
    }
