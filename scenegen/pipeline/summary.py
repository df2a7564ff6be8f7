"""What a dataset holds, in a few numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from scenegen.data import Dataset
from scenegen.pipeline.runs import read_runs, total


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Count recordings, frames, events, light, weather and roads, and list the fields.

    Args:
        dataset: The dataset.

    Returns:
        Plain JSON values; `runs` has the counts of every run of the generator and `tried` their
        sum, `fields` has one mapping per stored array.
    """
    scenarios = [dataset.scenario(identity) for identity in dataset.ids]
    runs = read_runs(dataset.path)
    return {
        "recordings": len(dataset),
        "frames": sum(dataset.frame_count(identity) for identity in dataset.ids),
        "seconds": round(sum(s.duration for s in scenarios), 1),
        "profile": dataset.profile,
        "events": _count(s.provenance.script.get("event", "none") for s in scenarios),
        "light": _count(str(s.conditions.light) for s in scenarios),
        "weather": _count(str(s.conditions.weather) for s in scenarios),
        "roads": _count(str(s.roadmap.kind) for s in scenarios),
        "runs": [run.to_json() for run in runs],
        "tried": total(runs).to_json(),
        "fields": [
            {
                "field": spec.name,
                "shape": " x ".join("n" if size is None else str(size) for size in spec.shape),
                "dtype": spec.dtype,
                "unit": spec.units,
                "what it is": spec.long_name,
            }
            for spec in dataset.specs
        ],
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
