"""Every benchmark by name."""

from __future__ import annotations

from typing import Protocol

from benchmarks.harness import Report
from benchmarks.quality import query_yield
from benchmarks.speed import catalog, env_step, gbuffer, generate, lidar


class Benchmark(Protocol):
    """A benchmark runs at full or at smoke size and reports."""

    def __call__(self, *, smoke: bool) -> Report:
        """Measure and report."""


BENCHMARKS: dict[str, Benchmark] = {
    "quality.query_yield": query_yield.run,
    "speed.catalog": catalog.run,
    "speed.env_step": env_step.run,
    "speed.gbuffer": gbuffer.run,
    "speed.generate": generate.run,
    "speed.lidar": lidar.run,
}
