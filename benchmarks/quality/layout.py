"""Every layout model in one table: validity, realism, control, rare lift, and cheats that fail.

Models of equal training time are pooled over their seeds and compared with each other; the shipped
model stands beside them. Each contender is one JSON file, so that the benchmark can be stopped, run
on some contenders, and goes on where it stood.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Report
from benchmarks.quality.draws import number, origin, runs_folder, whole
from benchmarks.quality.layout_real import real_folder
from benchmarks.quality.layout_row import (
    ALONE,
    FLOOR,
    SIMULATED,
    Bench,
    Row,
    measured,
    names_of,
)
from benchmarks.quality.layout_scenes import checkpoints, held_out_and_train
from benchmarks.quality.layout_staged import FAMILIES, NEAR, STAGED, UNCOUNTED, Sizes
from scenegen.evaluate.intervals import Estimate
from scenegen.evaluate.realism import SD_FACTOR, SD_LARGE
from scenegen.evaluate.scorecard import METRICS, RESAMPLES, Metric, Yardstick
from scenegen.evaluate.standing import distance, pooled, tally
from scenegen.evaluate.traps import TRAPS

SCENES, REQUESTS, TRIES_CPU, NATURAL = (
    "SCENEGEN_LAYOUT_SCENES",
    "SCENEGEN_LAYOUT_REQUESTS",
    "SCENEGEN_LAYOUT_TRIES_CPU_S",
    "SCENEGEN_NATURAL_SCENES",
)
"""Environment variables: scenes per side, requests per family, CPU seconds for further tries per
contender, and draws of natural traffic."""
OURS = "diffusion"
LINES: dict[str, Metric] = {**METRICS, **STAGED}
COMPARED = {name: metric for name, metric in LINES.items() if name not in UNCOUNTED}
REAL = ("nearest gap", "length", "width", "speed", "time to collision", "time headway")
"""Marginals of an opening that recorded scenes have too."""
FACTS = {
    "scenes": "scenes that are scored",
    "returned": "scenarios returned on request",
    "accepted": "pass the generator's own check",
    "cpu_ms": "cost per scene (CPU ms)",
    "parameters": "parameters (M)",
    "megabytes": "checkpoint (MB)",
    "train_min": "training (CPU min)",
    "row_s": "cost of this column (CPU s)",
}


def run(*, smoke: bool) -> Report:
    """Score the noise floor, the heuristic, every trained model, and the cheats."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        bench, source = _bench(Path(temporary) if smoke else runs_folder("layout"), smoke=smoke)
        plain = (FLOOR, SIMULATED, ALONE, *TRAPS)
        contenders: dict[str, Path | None] = dict.fromkeys(plain[:3])
        contenders |= {} if smoke else checkpoints()
        contenders |= dict.fromkeys(TRAPS)
        rows = measured(bench, contenders)
        told = origin(bench.folder)
    floor = rows[FLOOR]
    columns = names_of([name for name in rows if name not in TRAPS])
    table = {c: [rows[name] for name in names] for c, names in columns.items()}
    lines = [_line(name, metric, table, floor) for name, metric in LINES.items()]
    lines += [*_standing(table, floor), *_scaled(table), *_real(table), *_facts(table)]
    caught = _caught(rows, floor)
    return Report(
        name="quality.layout",
        headline=_headline(table, floor, caught),
        rows=lines,
        notes=[
            *_notes(source, bench, table, floor),
            *_beaten(table, floor),
            *caught.values(),
            told,
        ],
        smoke=smoke,
    )


def _bench(folder: Path, *, smoke: bool) -> tuple[Bench, str]:
    held, train, source = held_out_and_train(smoke, 2 * whole(SCENES, 320))
    yardstick = Yardstick.of(held.scenes, train.scenes)
    asked = held.take(np.flatnonzero(np.isin(held.scenes.site, yardstick.floor.scenes.site)))
    sizes = Sizes(requests=whole(REQUESTS, 4), cpu_s=float(whole(TRIES_CPU, 12)))
    return Bench(
        yardstick=yardstick,
        asked=asked,
        resamples=10 if smoke else RESAMPLES,
        staged=Sizes(requests=1, cpu_s=1.0, families=1) if smoke else sizes,
        natural=4 if smoke else whole(NATURAL, 400),
        natural_folder=folder / "natural" if smoke else runs_folder("natural"),
        folder=folder,
        against_real=not smoke,
    ), source


def _figure(found: Sequence[Row], name: str) -> Estimate:
    nothing = Estimate(value=math.nan, low=math.nan, high=math.nan)
    return pooled([row.figures.get(name, nothing) for row in found])


def _line(
    name: str, metric: Metric, table: Mapping[str, Sequence[Row]], floor: Row
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "metric": f"{name} ({metric.unit})" if metric.unit else name,
        "goal": metric.goal() or "-",
    }
    least = _figure([floor], name).value
    for column, found in table.items():
        figure = _figure(found, name)
        line[column] = _shown(figure)
        if column != FLOOR and metric.goal() and line[column] != "-":
            line[column] += " ✓" if metric.passes(figure.value, least) else " ✗"
    return line


def _shown(figure: Estimate) -> str:
    if math.isnan(figure.low) or figure.low == figure.high:
        return number(figure.value, 2)
    return figure.text(2)


def _values(row: Row) -> dict[str, float]:
    return {name: figure.value for name, figure in row.figures.items()}


def _distances(found: Sequence[Row], floor: Row) -> list[float]:
    return [distance(_values(row), _values(floor), COMPARED) for row in found]


def _met(row: Row, floor: Row) -> int:
    return sum(
        metric.passes(row.figures[name].value, _figure([floor], name).value)
        for name, metric in LINES.items()
        if metric.goal() and name in row.figures
    )


def _standing(table: Mapping[str, Sequence[Row]], floor: Row) -> list[dict[str, Any]]:
    """Distance from all goals, and how many of them are met, seed by seed."""
    goals = sum(bool(metric.goal()) for metric in LINES.values())
    far: dict[str, Any] = {"metric": "DISTANCE FROM THE GOALS (octaves)", "goal": "0"}
    met: dict[str, Any] = {"metric": "GOALS MET", "goal": f"{goals}"}
    for column, found in table.items():
        scored = column not in (FLOOR, ALONE)
        apart = [number(x) for x in _distances(found, floor)]
        far[column] = " | ".join(apart) if scored else "-"
        met[column] = " | ".join(str(_met(row, floor)) for row in found) if scored else "-"
    return [far, met]


def _scaled(table: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Divergences as Scenario Dreamer scales them, its own figures as the goal's scale."""
    rows = []
    for name, factor in SD_FACTOR.items():
        row: dict[str, Any] = {
            "metric": f"{name} JSD x {factor} (SD)",
            "goal": f"SD-L has {SD_LARGE[name]:g}",
        }
        for column, found in table.items():
            row[column] = number(factor * _figure(found, f"{name} JSD").value)
        rows.append(row)
    return rows


def _real(table: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Marginals of openings against recorded traffic; dashes where the files are not there."""
    rows = []
    for marginal in REAL:
        row: dict[str, Any] = {"metric": f"{marginal} JSD to NGSIM (nat)", "goal": "-"}
        for column, found in table.items():
            row[column] = _shown(pooled([r.real[marginal] for r in found if marginal in r.real]))
        rows.append(row)
    return rows


def _facts(table: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    rows = []
    for fact, title in FACTS.items():
        row: dict[str, Any] = {"metric": title, "goal": "-"}
        for column, found in table.items():
            row[column] = " | ".join(number(r.facts.get(fact)) for r in found)
        rows.append(row)
    return rows


def _caught(rows: Mapping[str, Row], floor: Row) -> dict[str, str]:
    """What each cheat was caught by; those that were not say so."""
    out = {}
    for name, trap in TRAPS.items():
        metric, figure = METRICS[trap.fails], rows[name].figures[trap.fails]
        least = floor.figures[trap.fails].value
        honest = metric.passes(least, least)
        failed = honest and not metric.passes(figure.value, least)
        verdict = "caught" if failed else "NOT CAUGHT"
        out[name] = (
            f"cheat: {name} {trap.idea}; must miss {trap.fails} ({metric.goal()}): it has"
            f" {number(figure.value)}, the floor {number(least)}: {verdict}"
        )
    return out


def _headline(table: Mapping[str, Sequence[Row]], floor: Row, caught: Mapping[str, str]) -> str:
    cheats = sum(text.endswith(": caught") for text in caught.values())
    parts = [f"{cheats} of {len(caught)} cheats are caught by the metric meant for them"]
    order = sorted((float(np.mean(_distances(f, floor))), c) for c, f in _rivals(table).items())
    if order:
        names = ", ".join(f"{column} {number(apart)}" for apart, column in order)
        parts.insert(0, f"octaves from the goals at equal training time: {names}")
    shipped = [column for column in table if column.startswith("shipped")]
    parts[:0] = [f"{c} meets {_met(table[c][0], floor)} goals" for c in shipped]
    return "; ".join(parts)


def _rivals(table: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """Columns of equal training time: ours and the rivals."""
    others = (FLOOR, SIMULATED, ALONE)
    return {c: f for c, f in table.items() if c not in others and not c.startswith("shipped")}


def _beaten(table: Mapping[str, Sequence[Row]], floor: Row) -> list[str]:
    """Where ours beats each rival of equal training time, and where it does not."""
    rivals, notes = _rivals(table), []
    ours = rivals.pop(OURS, None)
    if ours is None:
        return [f"no {OURS} model of the fixed training time is there to be compared with rivals"]
    mine = {name: _figure(ours, name) for name in COMPARED}
    own = float(np.mean(_distances(ours, floor)))
    for column, found in rivals.items():
        theirs = {name: _figure(found, name) for name in COMPARED}
        better, worse = tally(COMPARED, mine, theirs)
        their = float(np.mean(_distances(found, floor)))
        verdict = "beats" if own < their else "DOES NOT BEAT"
        where = f": {', '.join(worse)}" if worse else ""
        notes.append(
            f"{OURS} {verdict} {column} ({number(own)} against {number(their)} octaves): better at"
            f" {len(better)} lines, worse at {len(worse)}{where}"
        )
    return notes


def _notes(source: str, bench: Bench, table: Mapping[str, Sequence[Row]], floor: Row) -> list[str]:
    real = (
        f"NGSIM from {real_folder().name}, its test split"
        if real_folder().exists()
        else "NGSIM rows are skipped: SCENEGEN_DATA names no recorded scenes"
    )
    worst = [f"{column}: {_worst(found[0].families)}" for column, found in table.items()]
    spent = sum(row.facts.get("row_s", 0.0) for found in table.values() for row in found) / 60.0
    sizes = bench.staged
    asked = f"{sizes.requests} requests each" if sizes is not None else "none"
    return [
        f"scenes: {source}; {len(bench.yardstick.reference.scenes)} reference,"
        f" {len(bench.asked.rows)} asked, {len(bench.yardstick.train.scenes)} training scenes;"
        " roads are dealt whole, no road is on two sides",
        "the noise floor is the other half of the held-out scenes, scored like a model; ✓ and ✗"
        " mark goals met and missed; brackets are 95 % intervals, whole roads resampled; columns"
        " of several seeds give their mean and an interval that covers all seeds",
        "raw samples, nothing repaired or rejected; divergences in nats, not rooted; the number of"
        " agents of a learned model is that of the asked row",
        f"on request: {', '.join(FAMILIES)} with a time to collision below {NEAR:g} s, {asked};"
        " by condition: event and severity; guided: `--staging model`, diffusion alone; of the"
        " heuristic the script narrowed to the query",
        "rare lift: geometric mean over the families that natural traffic shows in less than"
        f" 0.01 % of its scenes, bounds where it shows none in {whole(NATURAL, 400)} and more",
        "returned: everything the generator let pass, measured by other code; ego crashes: its"
        " recorded motion, the simulator's driver, nobody at the wheel",
        "octaves: log2 of how many times worse than its goal a line is, at most 4, averaged over"
        " the lines of an axis, then over the axes; what is better than its goal earns nothing;"
        " of two models one is better at a line where their intervals do not overlap",
        "road likelihood: as the Waymo scenario generation challenge scores (aggregate_objects,"
        " weights of 2025 without traffic lights), other data and fewer instants: no contest",
        f"{real}; openings only; the corpus is not fitted to it",
        "heuristic + simulator is the process that made the corpus, from its opening on, first"
        " draw, on roads of its own; heuristic alone keeps everyone's speed and heading",
        f"worst families: {'; '.join(worst)}",
        f"all columns together took {spent:.1f} CPU minutes",
    ]


def _worst(families: Mapping[str, float]) -> str:
    if not families:
        return "-"
    return max(families.items(), key=lambda pair: pair[1])[0]
