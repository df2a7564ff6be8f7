"""Every benchmark by name."""

from __future__ import annotations

from typing import Protocol

from benchmarks.harness import Report
from benchmarks.quality import events, layout, layout_training, query_yield, sensor_statistics
from benchmarks.speed import (
    catalog,
    corpus,
    env_step,
    gbuffer,
    generate,
    layout_sampling,
    lidar,
    robustness,
    search,
)


class Benchmark(Protocol):
    """A benchmark runs at full or at smoke size and reports."""

    def __call__(self, *, smoke: bool) -> Report:
        """Measure and report."""


BENCHMARKS: dict[str, Benchmark] = {
    "quality.events": events.run,
    "quality.layout": layout.run,
    "quality.layout_training": layout_training.run,
    "quality.query_yield": query_yield.run,
    "quality.sensor_statistics": sensor_statistics.run,
    "speed.catalog": catalog.run,
    "speed.corpus": corpus.run,
    "speed.env_step": env_step.run,
    "speed.gbuffer": gbuffer.run,
    "speed.generate": generate.run,
    "speed.layout_sampling": layout_sampling.run,
    "speed.lidar": lidar.run,
    "speed.robustness": robustness.run,
    "speed.search": search.run,
}
