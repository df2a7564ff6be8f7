"""How often each event family happens in natural traffic; every run adds to what is known."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.quality.draws import by_heuristic, judged, stored
from benchmarks.quality.layout_scenes import query_of
from scenegen.events import EVENTS
from scenegen.pipeline import Composer
from scenegen.query import Trace

CHUNK = 200
"""Scenes per file."""
SEED = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Natural:
    """What natural traffic showed.

    Attributes:
        scenes: Sound scenes of 8 s.
        hits: Scenes that show each family.
        cpu_s: CPU seconds they cost, detectors not counted [s].
    """

    scenes: int
    hits: Mapping[str, int]
    cpu_s: float


def natural_traffic(least: int, folder: Path) -> Natural:
    """Count events in natural traffic: at least so many draws, and all that was kept before.

    Args:
        least: Draws that there are to be.
        folder: Where counts are kept.
    """
    count = min(least, CHUNK)
    for chunk in range(-(-least // count)):
        stored(folder, f"{count}_{chunk:05d}", _key(count), partial(_counted, chunk, count))
    hits: Counter[str] = Counter()
    scenes, cpu_s = 0, 0.0
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text())
        if kept["key"] == _key(count):
            scenes, cpu_s = scenes + kept["row"]["scenes"], cpu_s + kept["row"]["cpu_s"]
            hits.update(kept["row"]["hits"])
    return Natural(scenes=scenes, hits=hits, cpu_s=cpu_s)


def _key(count: int) -> str:
    return f"{count} {SEED} {len(EVENTS)}"


def _counted(chunk: int, count: int) -> dict[str, object]:
    composer = Composer(by_heuristic(query_of(""), SEED, 24))
    began = time.process_time()
    draws = judged(composer, [(chunk * count + k, 0) for k in range(count)])
    cpu_s = time.process_time() - began
    traces = [Trace(draw.scenario) for draw in draws if draw.scenario is not None]
    hits = {
        family: sum(query_of(family).match(trace) is not None for trace in traces)
        for family in sorted(EVENTS)
    }
    return {"scenes": len(traces), "cpu_s": round(cpu_s, 3), "hits": hits}
