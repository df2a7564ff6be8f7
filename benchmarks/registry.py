"""Every benchmark by name."""

from __future__ import annotations

from typing import Protocol

from benchmarks.harness import Report
from benchmarks.speed import env_step, generate


class Benchmark(Protocol):
    """A benchmark runs at full or at smoke size and reports."""

    def __call__(self, *, smoke: bool) -> Report:
        """Measure and report."""


BENCHMARKS: dict[str, Benchmark] = {
    "speed.env_step": env_step.run,
    "speed.generate": generate.run,
}
