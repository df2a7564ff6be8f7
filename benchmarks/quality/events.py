"""Per event family: is it what was asked, who crashes, and could an ego have got out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Report
from benchmarks.quality.draws import runs_folder, whole
from benchmarks.quality.layout_scenes import query_of
from benchmarks.quality.natural import Natural, natural_traffic
from scenegen.evaluate.control import TRIES
from scenegen.evaluate.criticality import Ego, collides
from scenegen.evaluate.intervals import wilson
from scenegen.evaluate.rare_lift import lift
from scenegen.evaluate.solvability import solvability
from scenegen.events import EVENTS
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.defects import defect
from scenegen.scene import Scenario
from scenegen.sim import rollout, to_scenario

COUNT = 20
"""Requests per family."""
SCENES = "SCENEGEN_NATURAL_SCENES"
"""Environment variable: draws of natural traffic; what earlier runs drew is kept and counts."""


def run(*, smoke: bool) -> Report:
    """Ask for every family with the heuristic layout; compare with natural traffic."""
    families = sorted(EVENTS)[:2] if smoke else sorted(EVENTS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if smoke else runs_folder("natural")
        natural = natural_traffic(8 if smoke else whole(SCENES, 400), folder)
    rows, solved, asked = [], 0, 0
    for family in families:
        row, good, all_of_them = _family(family, 2 if smoke else COUNT, natural)
        rows.append(row)
        solved, asked = solved + good, asked + all_of_them
    share = wilson(solved, asked)
    return Report(
        name="quality.events",
        headline=f"{solved} of {asked} staged scenarios are solvable"
        f" ({share.low:.1%} to {share.high:.1%})",
        rows=rows,
        notes=[
            f"{COUNT} requests per family, heuristic layout, up to {TRIES} draws each; a draw"
            " counts if traffic is sound and the family's own exact detector fires",
            "collisions: the ego's recorded motion, the simulator's driver, nobody at the wheel;"
            " the others replay and react where the simulator says so",
            "solvable: Frenet lattice, then sampling MPC, replayed by the simulator; of those in"
            " which the recorded ego touches nobody the recording is the plan",
            f"lift: hits per scene of first draws over hits in {natural.scenes} scenes of natural"
            " traffic; >= where natural traffic never shows the family",
        ],
        smoke=smoke,
    )


def _family(family: str, count: int, natural: Natural) -> tuple[dict[str, Any], int, int]:
    query = query_of(family)
    composer = Composer(
        Request(query=query, seed=21, agents=24, tries=TRIES, layout_model="heuristic")
    )
    began, attempts, found = time.process_time(), [], list[Scenario]()
    for index in range(count):
        hit = _first_hit(composer, index)
        attempts.append(hit[0])
        found += hit[1]
    seconds = time.process_time() - began
    tries = np.array(attempts)
    drawn = int(np.where(tries > 0, tries, TRIES).sum())
    first = int((tries == 1).sum())
    seen = natural.hits.get(family, 0)
    gained = lift(
        first,
        count,
        seen,
        natural.scenes,
        cpu_s=max(seconds * count / drawn, 1e-9),
        natural_cpu_s=max(natural.cpu_s, 1e-9),
    )
    verdicts = [solvability(scenario) for scenario in found]
    solved = sum(verdict.is_solvable for verdict in verdicts)
    human = [v.drivers["UN R157 careful human"] for v in verdicts if v.drivers]
    row = {
        "family": family,
        "first draw": f"{wilson(first, count).value:.0%}",
        f"within {TRIES}": f"{np.mean(tries > 0):.0%}",
        "draws each": round(drawn / count, 1),
        "replay crashes": _share(found, Ego.REPLAY),
        "IDM crashes": _share(found, Ego.IDM),
        "coasting crashes": _share(found, Ego.COAST),
        "solvable": f"{solved}/{len(found)}",
        "R157 human avoids": f"{sum(human)}/{len(human)}" if human else "-",
        "naturally": f"{seen}/{natural.scenes}",
        "lift per scene": _lift(
            gained.per_scene.low if gained.is_bound else gained.per_scene.value,
            bound=gained.is_bound,
        ),
        "lift per CPU s": _lift(
            gained.per_cpu_second.low if gained.is_bound else gained.per_cpu_second.value,
            bound=gained.is_bound,
        ),
    }
    return row, solved, len(found)


def _first_hit(composer: Composer, index: int) -> tuple[int, list[Scenario]]:
    """Number of the first draw that counts, from 1, and its scenario; 0 where none does."""
    for attempt in range(TRIES):
        drawn = composer.compose(index, attempt)
        if isinstance(drawn, str):
            continue
        result = rollout([drawn], composer.request.duration)[0]
        if defect(drawn, result):
            continue
        scenario = replace(to_scenario(drawn, result), roles=drawn.roles)
        if composer.request.query.evaluate(scenario).satisfied:
            return attempt + 1, [scenario]
    return 0, []


def _share(scenarios: Sequence[Scenario], ego: Ego) -> str:
    return f"{collides(scenarios, ego).mean():.0%}" if scenarios else "-"


def _lift(value: float, *, bound: bool) -> str:
    return f"{'>= ' if bound else ''}{value:.3g}"
