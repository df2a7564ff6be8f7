"""The published queries asked of a layout model: unguided, by condition, guided, and within tries.

Each query is one JSON file, so that the benchmark can be stopped and goes on where it stood.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Report
from benchmarks.quality.draws import (
    HEURISTIC,
    Clock,
    Draw,
    by_heuristic,
    checkpoint_path,
    conditioned,
    everyday,
    first_hits,
    guided,
    judged,
    number,
    origin,
    runs_folder,
    stored,
    unaimed,
    whole,
)
from scenegen.errors import QueryError, UnknownNameError
from scenegen.evaluate.control import TRIES
from scenegen.evaluate.intervals import wilson
from scenegen.layout import LearnedLayout
from scenegen.layout.diffusion import DiffusionModel
from scenegen.pipeline import Composer, Request
from scenegen.query import Query, load_query, published

COUNT, UNGUIDED_COUNT, CPU, QUERIES = (
    "SCENEGEN_YIELD_COUNT",
    "SCENEGEN_YIELD_UNGUIDED",
    "SCENEGEN_YIELD_CPU_S",
    "SCENEGEN_YIELD_QUERIES",
)
"""Environment variables: requests per query, draws of everyday traffic, CPU seconds for further
tries per query and layout, and ids of the queries (comma-separated)."""
SEED, AGENTS = 41, 24
HALF, TENFOLD = 0.5, 10.0
"""The goal: this share of guided samples, and this multiple of the unguided rate."""
BATCH = 8
"""Draws between two looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is drawn for a query.

    Attributes:
        count: Requests by condition, and guided.
        unguided: Draws of everyday traffic.
        cpu_s: CPU seconds of each of the four parts [s]; each has at least BATCH draws.
        tries: Draws per request.
    """

    count: int
    unguided: int
    cpu_s: float
    tries: int = TRIES


def run(*, smoke: bool) -> Report:
    """Ask every published query that is no control."""
    torch.set_num_threads(1)
    path = None if smoke else checkpoint_path()
    layouts = [None, *([LearnedLayout.load(path)] if path is not None else [])]
    sizes = Sizes(count=2, unguided=2, cpu_s=5.0, tries=2)
    if not smoke:
        count, unguided = whole(COUNT, 24), whole(UNGUIDED_COUNT, 96)
        sizes = Sizes(count=count, unguided=unguided, cpu_s=float(whole(CPU, 25)))
    names = _names(["Q4"] if smoke else os.environ.get(QUERIES, "").split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if smoke else runs_folder("guided_yield")
        rows = [_asked(folder, layout, name, sizes) for name in names for layout in layouts]
        measured = origin(folder)
    return Report(
        name="quality.guided_yield",
        headline=_headline(rows, has_model=path is not None),
        rows=rows,
        notes=[*_notes(sizes, path), measured],
        smoke=smoke,
    )


def _names(wanted: Sequence[str]) -> list[str]:
    """Published queries without the controls, by number; all of them if none is named."""
    chosen = {name for name in wanted if name}
    ids = {query.id: name for name, query in published().items() if query.id[0] == "Q"}
    order = sorted(ids, key=lambda identity: int(identity[1:]))
    return [ids[identity] for identity in order if not chosen or identity in chosen]


def _asked(folder: Path, layout: LearnedLayout | None, name: str, sizes: Sizes) -> dict[str, Any]:
    label = HEURISTIC if layout is None else f"{layout.model.name} {layout.sha256[:8]}"
    query = load_query(name)
    row = {"query": f"{published()[name].id} {name}", "layout": label}
    key = f"{query.digest} {sizes} {SEED}"
    return {
        **row,
        **stored(folder / label.replace(" ", "_"), name, key, lambda: _row(layout, query, sizes)),
    }


def _row(layout: LearnedLayout | None, query: Query, sizes: Sizes) -> dict[str, Any]:
    """Measure one query with one layout; figures that this layout cannot have are dashes."""
    request = by_heuristic(query, SEED, AGENTS)
    if layout is not None:
        request = Request(query=query, seed=SEED, agents=AGENTS, layout=layout)
    try:
        plain, by_condition, steered = _composers(layout, request)
    except (QueryError, UnknownNameError) as error:
        return {**_EMPTY, "obstacle": str(error).splitlines()[0]}
    natural = _some(plain, sizes.unguided, sizes.cpu_s, Clock())
    by_word = _some(by_condition, sizes.count, sizes.cpu_s, Clock())
    clock = Clock()
    first = _some(steered, sizes.count, sizes.cpu_s, clock)
    numbers, last = first_hits(steered, first, sizes.tries, sizes.cpu_s, clock)
    returned = sum(k > 0 for k in numbers)
    guided_share = sum(draw.hit for draw in first) / len(first)
    unguided = wilson(sum(draw.hit for draw in natural), len(natural))
    lift = guided_share / (unguided.value or unguided.high)
    return {
        "unguided": _share([draw.hit for draw in natural]),
        "by condition": _share([draw.hit for draw in by_word]),
        "guided, one shot": _share([draw.hit for draw in first]),
        f"within {TRIES}": _share([k > 0 for k in numbers]),
        "over unguided": f"{'' if unguided.value else '>= '}{number(lift)}",
        "goal": "met" if guided_share >= HALF and lift >= TENFOLD else "missed",
        "CPU s per scenario": number(clock.cpu_s / returned if returned else None),
        "wall s per scenario": number(clock.wall_s / returned if returned else None),
        "obstacle": _obstacle(query, [*first, *last]),
    }


_EMPTY = {
    "unguided": "-",
    "by condition": "-",
    "guided, one shot": "-",
    f"within {TRIES}": "-",
    "over unguided": "-",
    "goal": "missed",
    "CPU s per scenario": "-",
    "wall s per scenario": "-",
}


def _composers(
    layout: LearnedLayout | None, request: Request
) -> tuple[Composer, Composer, Composer]:
    """Everyday traffic, staging by the event alone, and staging by the whole query."""
    if layout is None:
        return everyday(request), unaimed(request), Composer(request)
    if isinstance(layout.model, DiffusionModel):
        return everyday(request), conditioned(request), guided(request)
    return everyday(request), conditioned(request), conditioned(request)


def _some(composer: Composer, count: int, cpu_s: float, clock: Clock) -> list[Draw]:
    """First draws of some requests; fewer if the time is spent.

    Args:
        composer: What draws.
        count: Number of requests.
        cpu_s: CPU seconds [s].
        clock: Counts the work.
    """
    draws: list[Draw] = []
    while len(draws) < count and (not draws or clock.cpu_s < cpu_s):
        with clock.running():
            places = [(len(draws) + k, 0) for k in range(min(BATCH, count - len(draws)))]
            draws += judged(composer, places)
    return draws


def _share(hits: Sequence[bool]) -> str:
    share = wilson(sum(hits), len(hits))
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}] of {len(hits)}"


def _obstacle(query: Query, draws: Sequence[Draw]) -> str:
    """What most draws that missed failed on: a fault, or a clause of the query."""
    failed: Counter[str] = Counter()
    for draw in draws:
        if draw.fault:
            failed[draw.fault] += 1
        elif draw.scenario is not None and not draw.hit:
            verdict = query.evaluate(draw.scenario)
            failed.update([c.text for c in verdict.clauses if not c.satisfied] or ["one instant"])
    return failed.most_common(1)[0][0] if failed else ""


def _headline(rows: Sequence[dict[str, Any]], *, has_model: bool) -> str:
    mine = [row for row in rows if (row["layout"] != HEURISTIC) == has_model]
    met = sum(row["goal"] == "met" for row in mine)
    who = mine[0]["layout"] if mine else HEURISTIC
    return (
        f"{who}: {met} of {len(mine)} published queries are satisfied in {HALF:.0%} of the guided"
        f" samples and {TENFOLD:g} times as often as unguided (goal: 10 of 12)"
    )


def _notes(sizes: Sizes, path: Path | None) -> list[str]:
    return [
        f"{sizes.unguided} draws unguided, {sizes.count} by condition and guided, further tries of"
        f" the guided requests that missed; each part ends after {sizes.cpu_s:g} CPU s: shares are"
        " of what was drawn till then, and requests whose tries were cut short count as missed;"
        " brackets are 95 % Wilson intervals",
        "a sample counts if traffic is sound and the exact query holds; none is repaired by hand",
        "unguided: everyday traffic of the layout on the roads and under the light and weather of"
        " the query; by condition: the event, its severity and nothing else; guided: `--staging"
        " model` as a user runs it",
        "of the heuristic, by condition is the family's script with its default numbers, guided the"
        " script narrowed to the query (`--staging script`)",
        "over unguided: ratio of the guided to the unguided share; >= where no unguided draw hit:"
        " over the upper end of its interval",
        f"goal: {HALF:.0%} guided in one shot and {TENFOLD:g} times the unguided rate",
        f"checkpoint: {path.name if path is not None else 'none, the heuristic alone'}",
    ]
