"""One contender of the layout table, measured whole and kept as one JSON file."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.draws import kept, stored
from benchmarks.quality.layout_real import real_scenes
from benchmarks.quality.layout_scenes import (
    Data,
    Generated,
    heuristic_scenes,
    load_model,
    sample_model,
    unmoved,
)
from benchmarks.quality.layout_staged import Sizes, as_json, from_json, staged
from benchmarks.quality.natural import natural_traffic
from scenegen.evaluate.contacts import road_places
from scenegen.evaluate.intervals import Estimate
from scenegen.evaluate.realism import marginal_divergences, marginals
from scenegen.evaluate.scorecard import METRICS, Facts, Yardstick, score
from scenegen.evaluate.traps import TRAPS
from scenegen.layout import LearnedLayout
from scenegen.seeding import stream
from scenegen.training import load_checkpoint

FLOOR, SIMULATED, ALONE = "noise floor", "heuristic + simulator", "heuristic alone"
ONLY = "SCENEGEN_LAYOUT_ONLY"
"""Environment variable: names of the contenders to measure (comma-separated), all if it is unset;
of the others what was measured before is shown."""
VERSION = 1
"""Rows of another version are measured anew."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """What every contender is measured with.

    Attributes:
        yardstick: Reference, noise floor and training scenes.
        asked: Rows whose strata every contender is asked for.
        resamples: Bootstrap samples.
        staged: How much is asked on request; None for nothing.
        natural: Draws of natural traffic that rates are compared with.
        natural_folder: Where their counts are kept.
        folder: Where rows are kept.
        against_real: Whether recorded scenes are compared with.
    """

    yardstick: Yardstick
    asked: Data
    resamples: int
    staged: Sizes | None
    natural: int
    natural_folder: Path
    folder: Path
    against_real: bool

    def key(self, identity: str) -> str:
        """What a row depends on."""
        parts = (self.yardstick.reference, self.yardstick.floor, self.yardstick.train)
        mark = hashlib.sha256(" ".join(METRICS).encode())
        for part in parts:
            mark.update(np.ascontiguousarray(part.scenes.values).tobytes())
        sizes = f"{self.resamples} {self.staged} {self.against_real}"
        return f"{VERSION} {identity} {sizes} {mark.hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured of one contender.

    Attributes:
        figures: Estimates of METRICS and STAGED.
        real: Divergences of openings from recorded traffic, by marginal.
        families: Mean divergence of each event family [nat].
        facts: Counts and costs: scenes, returned, accepted, cpu_ms, parameters, train_min, row_s.
    """

    figures: Mapping[str, Estimate]
    real: Mapping[str, Estimate]
    families: Mapping[str, float]
    facts: Mapping[str, float]


def measured(bench: Bench, contenders: Mapping[str, Path | None]) -> dict[str, Row]:
    """Measure contenders, or give what was measured of them before.

    Args:
        bench: What they are measured with.
        contenders: Checkpoint by name; None for the floor, the heuristics and the cheats.

    Returns:
        Rows by name, in the same order; those that were not to be measured and never were are
        left out.
    """
    only = {name for name in os.environ.get(ONLY, "").split(",") if name}
    out = {}
    for name, path in contenders.items():
        identity = name if path is None else load_checkpoint(path).sha256
        key = bench.key(identity)
        wanted = not only or name in only or name == FLOOR or name in TRAPS
        if wanted:
            data = stored(bench.folder, name, key, partial(_measure, bench, name, path))
            out[name] = _read(data)
        elif (before := kept(bench.folder, name, key)) is not None:
            out[name] = _read(before)
    return out


def _measure(bench: Bench, name: str, path: Path | None) -> dict[str, Any]:
    began = time.process_time()
    made = _made(bench, name, path)
    facts = bench.yardstick.floor if name == FLOOR else Facts.of(made.scenes)
    asked = len(bench.asked.rows)
    card = score(facts, bench.yardstick, asked, resamples=bench.resamples)
    figures, returned = dict(card.figures), 0
    if bench.staged is not None and name not in (FLOOR, ALONE, *TRAPS):
        layout = LearnedLayout.load(path) if path is not None else None
        natural = natural_traffic(bench.natural, bench.natural_folder)
        on_request, returned = staged(layout, natural, bench.staged)
        figures |= on_request
    counted: dict[str, float] = {
        "scenes": len(facts.scenes),
        "returned": returned,
        "accepted": made.accepted,
        "cpu_ms": 1000.0 * made.cpu_s / max(asked, 1),
    }
    counted |= _told(path) | {"row_s": time.process_time() - began}
    names = bench.asked.reader.families
    return {
        "figures": as_json(figures),
        "real": as_json(_against_real(facts) if bench.against_real else {}),
        "families": {names[k] or "everyday traffic": v for k, v in card.families.items()},
        "facts": {k: round(v, 4) if math.isfinite(v) else None for k, v in counted.items()},
    }


def _made(bench: Bench, name: str, path: Path | None) -> Generated:
    """Scenes of a contender, unchecked, for the strata of the asked rows."""
    if path is not None:
        return sample_model(load_model(path), bench.asked)
    if name in TRAPS:
        rng = stream(0, "benchmark", "traps", name)
        scenes = TRAPS[name].make(bench.yardstick.train.scenes, bench.asked.scenes, rng)
    elif name == FLOOR:
        scenes = bench.yardstick.floor.scenes
    else:
        simulated = _simulated(bench.asked)
        return simulated if name == SIMULATED else unmoved(simulated)
    return Generated(scenes=scenes, accepted=math.nan, cpu_s=math.nan)


@lru_cache(maxsize=1)
def _simulated(asked: Data) -> Generated:
    """Scenes of the heuristic, once for both of its columns."""
    return heuristic_scenes(asked)


def _told(path: Path | None) -> dict[str, float]:
    """What the checkpoint says about itself."""
    if path is None:
        return {}
    checkpoint = load_checkpoint(path)
    parameters = sum(value.numel() for value in checkpoint.tensors.values())
    card = checkpoint.training
    spent = card.get("cpu_seconds_in_all", card.get("cpu_seconds", math.nan))
    minutes = float(spent) / 60.0 if isinstance(spent, float | int) else math.nan
    return {
        "parameters": parameters / 1e6,
        "megabytes": path.stat().st_size / 1e6,
        "train_min": minutes,
    }


def _against_real(facts: Facts) -> dict[str, Estimate]:
    real = real_scenes()
    if real is None:
        return {}
    rng = stream(0, "benchmark", "real")
    return marginal_divergences(facts.histograms, marginals(real, road_places(real)), rng, 50)


def _read(data: Mapping[str, Any]) -> Row:
    facts = {k: math.nan if v is None else float(v) for k, v in data["facts"].items()}
    return Row(
        figures=from_json(data["figures"]),
        real=from_json(data["real"]),
        families=data["families"],
        facts=facts,
    )


def names_of(contenders: Sequence[str]) -> dict[str, list[str]]:
    """Columns of the table with the contenders they pool: seeds of one family go together."""
    out: dict[str, list[str]] = {}
    for name in contenders:
        family, _, seed = name.rpartition("_s")
        out.setdefault(family if seed.isdigit() and family else name, []).append(name)
    return out
