"""Sixty-four scenarios of every family on one picture each: what a layout model makes of it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from benchmarks.harness import Report
from benchmarks.quality.draws import (
    BATCH,
    HEURISTIC,
    Clock,
    Draw,
    by_heuristic,
    checkpoint_path,
    conditioned,
    guided,
    judged,
    number,
    runs_folder,
    stored,
    whole,
)
from benchmarks.quality.layout_scenes import query_of
from scenegen.events import EVENTS
from scenegen.layout import LearnedLayout
from scenegen.layout.diffusion import DiffusionModel
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.contact_sheet import Mark, Tile, contact_sheet, legend

FAMILIES, SHOW, COUNT, CPU = (
    "SCENEGEN_SHEET_FAMILIES",
    "SCENEGEN_SHEET_SHOW",
    "SCENEGEN_SHEET_COUNT",
    "SCENEGEN_SHEET_CPU_S",
)
"""Environment variables: families (comma-separated), `returned` or `draws`, pictures per sheet, and
CPU seconds per sheet after which nothing more is drawn."""
MOST = 4
"""Draws per picture at most where only what is returned is shown."""
SEED, AGENTS = 31, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheets:
    """What is drawn: by which layout, whether only what is returned, how many, and where to."""

    layout: LearnedLayout | None
    returned: bool
    count: int
    cpu_s: float
    folder: Path

    @property
    def name(self) -> str:
        if self.layout is None:
            return HEURISTIC
        return f"{self.layout.model.name} {self.layout.sha256[:8]}"


def run(*, smoke: bool) -> Report:
    """Draw the sheets of the heuristic and of the checkpoint to judge, if there is one."""
    path = None if smoke else checkpoint_path()
    layouts = [None, *([LearnedLayout.load(path)] if path is not None else [])]
    families = os.environ.get(FAMILIES, ",".join(sorted(EVENTS))).split(",")
    with tempfile.TemporaryDirectory() as temporary:
        sheets = [
            _Sheets(
                layout=layout,
                returned=os.environ.get(SHOW, "returned") == "returned",
                count=2 if smoke else whole(COUNT, 64),
                cpu_s=float(whole(CPU, 60)),
                folder=Path(temporary) if smoke else runs_folder("contact_sheets"),
            )
            for layout in layouts
        ]
        rows = [
            _sheet(one, family)
            for family in (families[:1] if smoke else families)
            for one in sheets
        ]
    return Report(
        name="quality.contact_sheets",
        headline=f"{len(rows)} sheets of {sheets[0].count} scenarios each",
        rows=rows,
        notes=[
            "returned: draws go on until the sheet is full, at most"
            f" {MOST} draws per picture and {whole(CPU, 60)} CPU s per sheet; only what satisfies"
            " the query is shown",
            "diffusion stages as `--staging model` does, other learned layouts by the condition"
            " alone; the heuristic by the family's script",
        ],
        smoke=smoke,
    )


def _sheet(sheets: _Sheets, family: str) -> dict[str, Any]:
    shown = "returned" if sheets.returned else "draws"
    folder = sheets.folder / sheets.name.replace(" ", "_")
    picture = folder / f"{family}_{shown}.png"
    known = sheets.layout is None or family in sheets.layout.model.events
    if not known:
        return _row(sheets.name, family, [], 0.0, "the model does not know the family")
    key = f"{sheets.count} {shown} {SEED} {picture.exists()}"

    def make() -> dict[str, Any]:
        clock, composer = Clock(), _composer(sheets, family)
        with clock.running():
            draws = _draws(composer, sheets)
        picture.parent.mkdir(parents=True, exist_ok=True)
        image = _drawn(draws, sheets, family)
        cv2.imwrite(str(picture), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return _row(sheets.name, family, draws, clock.cpu_s, picture.name)

    # Without its picture a row is drawn anew; written, it is found again under this key.
    return stored(folder, f"{family}_{shown}", key.replace("False", "True"), make)


def _composer(sheets: _Sheets, family: str) -> Composer:
    if sheets.layout is None:
        return Composer(by_heuristic(query_of(family), SEED, AGENTS))
    request = Request(query=query_of(family), seed=SEED, agents=AGENTS, layout=sheets.layout)
    is_guided = isinstance(sheets.layout.model, DiffusionModel)
    return guided(request) if is_guided else conditioned(request)


def _draws(composer: Composer, sheets: _Sheets) -> list[Draw]:
    most = MOST * sheets.count if sheets.returned else sheets.count
    draws, clock = list[Draw](), Clock()
    while len(draws) < most and clock.cpu_s < sheets.cpu_s:
        hits = sum(draw.hit for draw in draws)
        missing = sheets.count - (hits if sheets.returned else len(draws))
        if missing <= 0:
            break
        with clock.running():
            batch = min(missing, most - len(draws), BATCH)
            draws += judged(composer, [(len(draws) + k, 0) for k in range(batch)])
    return draws


def _drawn(draws: list[Draw], sheets: _Sheets, family: str) -> Any:  # noqa: ANN401 - an image
    counts = Counter(_mark(draw) for draw in draws)
    shown = [draw for draw in draws if draw.hit] if sheets.returned else draws
    tiles = [_tile(draw) for draw in shown[: sheets.count]]
    if not tiles:
        tiles = [Tile(scenario=None, mark=Mark.FAULT, note="nothing was returned")]
    faults = Counter(draw.fault for draw in draws if draw.fault).most_common(3)
    lines = [f"{sheets.name} layout, seed {SEED}", legend(counts)]
    if faults:
        lines.append("; ".join(f"{count} {fault}" for fault, count in faults))
    return contact_sheet(tiles, family.replace("_", " ").capitalize(), lines)


def _mark(draw: Draw) -> Mark:
    if draw.fault:
        return Mark.FAULT
    return Mark.HIT if draw.hit else Mark.MISS


def _tile(draw: Draw) -> Tile:
    time = draw.verdict.time if draw.verdict is not None else None
    return Tile(scenario=draw.simulated, mark=_mark(draw), time=time, note=draw.fault)


def _row(name: str, family: str, draws: list[Draw], cpu_s: float, picture: str) -> dict[str, Any]:
    hits = sum(draw.hit for draw in draws)
    share = hits / len(draws) if draws else float("nan")
    return {
        "layout": name,
        "family": family,
        "draws": len(draws),
        "as asked": hits,
        "share (%)": number(100.0 * share),
        "CPU s per draw": number(cpu_s / max(len(draws), 1)),
        "picture": picture,
    }
