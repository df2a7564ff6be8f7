"""The command that says how often something happens in natural traffic."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from scenegen.cli.arguments import read_layout, read_query
from scenegen.cli.terminal import err, out, progress_bar
from scenegen.errors import CheckpointError, QueryError
from scenegen.evaluate.intervals import Estimate, wilson
from scenegen.layout import LAYOUT_MODELS
from scenegen.layout.diffusion import Sampler
from scenegen.layout.shipping import is_shipped
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.defects import defect
from scenegen.pipeline.guidance import GuidanceSettings
from scenegen.pipeline.guided import EgoMotion, ModelStaging, Staging
from scenegen.pipeline.rates import guided_rate
from scenegen.query import Query, parse
from scenegen.scene import EGO, Composition, Control
from scenegen.sim import rollout, to_scenario

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
BATCH = 16
"""Scenes simulated together."""
EVERYDAY = "day or dusk or night"
"""A query that every scene satisfies: natural traffic, nothing staged."""


class Policy(StrEnum):
    """Who drives the ego."""

    IDM = "idm"
    COAST = "coast"


class Method(StrEnum):
    """How the rate is found."""

    SIMULATE = "simulate"
    GUIDED = "guided"


Above = Annotated[
    float, typer.Option(min=0.0, help="guided: noise level below which nothing is pulled")
]
Unguided = Annotated[
    float, typer.Option(min=0.0, max=0.99, help="guided: share of scenes drawn without it")
]
Exposure = Annotated[
    float, typer.Option(help="guided: probability of the event family per natural scene")
]


def estimate(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="the query, @FILE or @NAME")],
    policy: Annotated[Policy, typer.Option(help="who drives the ego")] = Policy.IDM,
    method: Annotated[Method, typer.Option(help="brute force, or weighted guided scenes")] = (
        Method.SIMULATE
    ),
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="number of scenes")] = 1000,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    duration: Annotated[float, typer.Option(help="length of a scene [s]")] = 8.0,
    density: Annotated[float, typer.Option(help="traffic [vehicles per lane km]")] = 18.0,
    layout_checkpoint: Annotated[
        Path | None, typer.Option("--layout-checkpoint", help="guided: a diffusion checkpoint")
    ] = None,
    weight: Annotated[float, typer.Option(min=0.0, help="guided: how hard the query pulls")] = 0.3,
    above: Above = 0.3,
    unguided: Unguided = 0.3,
    exposure: Exposure = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Estimate how often natural traffic satisfies a query, with a 95 % interval."""
    wanted = read_query(query)
    if method is Method.GUIDED:
        pull = GuidanceSettings(weight=weight, above=above)
        request = _guided_request(wanted, policy, layout_checkpoint, pull, unguided)
        request = replace(request, seed=seed, duration=duration, density=density)
        _estimate_guided(wanted, request, count, exposure, as_json)
        return
    request = _natural(seed, duration, density)
    began = time.process_time()
    with progress_bar(as_json) as bar:
        task = bar.add_task("simulating", total=count, tries="")

        def show(done: int, hits: int) -> None:
            bar.update(task, completed=done, tries=f"{hits} hits")

        try:
            hits, scenes, unsound = simulated_hits(wanted, request, policy, count, show)
        except KeyboardInterrupt:
            err.print("interrupted: no rate was told")
            raise typer.Exit(INTERRUPTED) from None
    rate = wilson(hits, scenes)
    found = {
        "query": wanted.text,
        "policy": policy.value,
        "method": method.value,
        "scenes": scenes,
        "left_out": unsound,
        "hits": hits,
        "rate": rate.value if scenes else None,
        "low": rate.low,
        "high": rate.high,
        "per_hour": rate.value * 3600.0 / duration if scenes else None,
        "cpu_seconds": round(time.process_time() - began, 2),
    }
    if as_json:
        out.print_json(json.dumps(found))
        return
    _show(found, rate, duration)


def _natural(seed: int, duration: float, density: float) -> Request:
    """Natural traffic: the simulator's own, whatever models are installed."""
    return Request(
        query=parse(EVERYDAY),
        seed=seed,
        duration=duration,
        density=density,
        layout_model="heuristic",
    )


def _guided_request(
    query: Query,
    policy: Policy,
    checkpoint: Path | None,
    pull: GuidanceSettings,
    unguided: float,
) -> Request:
    """Scenes that the layout model stages, with path weights.

    Raises:
        CheckpointError: There is no checkpoint.
        QueryError: The ego of guided scenes is driven by others than asked.
    """
    if policy is not Policy.IDM:
        raise QueryError("estimate --method guided: the ego is driven by idm alone")
    layout = read_layout(checkpoint)
    if layout is None and not is_shipped("diffusion"):
        raise CheckpointError(guided_sentence())
    guided = ModelStaging(
        guidance=pull,
        sampler=Sampler.ANCESTRAL,
        sketches=1,
        ego=EgoMotion.REACTIVE,
        unguided=unguided,
    )
    return Request(
        query=query,
        layout=layout,
        layout_model="diffusion",
        staging=Staging.MODEL,
        guided=guided,
    )


def _estimate_guided(
    query: Query, request: Request, count: int, exposure: float, as_json: bool
) -> None:
    """Tell the rate within the family, and the natural one where an exposure is given."""
    with progress_bar(as_json) as bar:
        task = bar.add_task("simulating", total=count, tries="")

        def show(done: int, hits: int) -> None:
            bar.update(task, completed=done, tries=f"{hits} hits")

        found = guided_rate(query, request, count, exposure, show)
    rate, (value, low, high) = found.rate, found.natural
    if as_json:
        told = {"query": query.text, "method": "guided", "rate": value, "low": low, "high": high}
        more = {"exposure": exposure, "sound": found.sound, "hits": rate.hits}
        guards = {"effective_size": rate.effective_size, "pareto_k": rate.pareto_k}
        out.print_json(json.dumps({**told, **more, **guards}))
        return
    out.print(f"[bold]{query.text}[/]  in scenes that the layout model stages, ego: idm")
    out.print(
        f"  {rate.hits} of {found.sound} guided scenes, weighted: [bold]{value:.3g}[/] per scene,"
        f" 95 % interval {low:.3g} to {high:.3g}"
    )
    out.print(
        f"[dim]  worth {rate.effective_size:.0f} scenes, tail shape {rate.pareto_k:.2f},"
        f" exposure of the family {exposure:g}[/]"
    )


def simulated_hits(
    query: Query,
    request: Request,
    policy: Policy,
    count: int,
    show: Any = lambda done, hits: None,  # noqa: ANN401 - a callback for the progress bar
) -> tuple[int, int, int]:
    """Simulate natural scenes and count those that satisfy a query.

    Args:
        query: What is counted.
        request: Natural traffic: a request whose query every scene satisfies.
        policy: Who drives the ego.
        count: Scenes to draw.
        show: Called after each batch with the scenes done and the hits so far.

    Returns:
        Hits, scenes that count, and draws that were left out because traffic itself was unsound
        (a bystander crashed, or the ego found no place).
    """
    composer = Composer(request)
    hits = scenes = 0
    for low in range(0, count, BATCH):
        drawn = [composer.compose(index, 0) for index in range(low, min(low + BATCH, count))]
        sound = [_driven(c, policy) for c in drawn if not isinstance(c, str)]
        for composition, result in zip(sound, rollout(sound, request.duration), strict=True):
            if defect(composition, result):
                continue
            scenes += 1
            hits += query.evaluate(to_scenario(composition, result)).satisfied
        show(min(low + BATCH, count), hits)
    return hits, scenes, count - scenes


def guided_sentence() -> str:
    """Say what is missing for weighted guided scenes."""
    known = ", ".join(LAYOUT_MODELS)
    return (
        "estimate --method guided: needs a diffusion checkpoint that gives path weights, and none"
        f" is installed (layout models: {known}); use --method simulate"
    )


def _driven(composition: Composition, policy: Policy) -> Composition:
    """Put the policy at the wheel; plans of a fresh composition are nobody else's."""
    if policy is Policy.COAST:
        composition.plans.control[EGO] = np.int8(Control.EXTERNAL)
    return composition


def _show(found: dict[str, Any], rate: Estimate, duration: float) -> None:
    out.print(f"[bold]{found['query']}[/]  under natural traffic, ego: {found['policy']}")
    if not found["scenes"]:
        out.print("no scene was sound; nothing can be said")
        return
    out.print(
        f"  {found['hits']} of {found['scenes']} scenes of {duration:g} s:"
        f" [bold]{rate.value:.3g}[/] per scene, 95 % interval {rate.low:.3g} to {rate.high:.3g}"
    )
    if found["hits"]:
        out.print(f"  {found['per_hour']:.3g} per hour of driving")
    else:
        out.print("[dim]  never seen: only the upper end says something; draw more scenes[/]")
    out.print(f"[dim]  {found['left_out']} draws left out, {found['cpu_seconds']:.1f} CPU s[/]")
