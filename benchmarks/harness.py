"""How every benchmark measures: warm-up, CPU time, interleaved rounds, medians, machine record."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("scenegen", "numpy", "numba", "torch", "zarr", "gymnasium", "highway-env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one subject over several rounds.

    Attributes:
        cpu_s: CPU seconds of the process per call, median over the rounds.
        cpu_s_low: First quartile.
        cpu_s_high: Third quartile.
        wall_s: Wall-clock seconds per call, median.
        rounds: Number of counted rounds.
    """

    cpu_s: float
    cpu_s_low: float
    cpu_s_high: float
    wall_s: float
    rounds: int


@dataclass(slots=True, kw_only=True)
class Report:
    """Result of one benchmark.

    Attributes:
        name: Dotted name, for example ``speed.env_step``.
        headline: One sentence with the figure that matters.
        rows: The table, one mapping per row.
        notes: What a reader must know to use the figures.
        smoke: Whether this was a tiny run that only proves it works.
    """

    name: str
    headline: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    smoke: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the report with the machine it ran on."""
        return {**asdict(self), "machine": machine()}


def interleave(
    subjects: Mapping[str, Callable[[], object]], *, rounds: int = 5, warmup: int = 1
) -> dict[str, Cost]:
    """Measure subjects in turn, A B C A B C, so that a drifting machine treats all alike.

    Args:
        subjects: What to call, by name.
        rounds: Counted rounds.
        warmup: Rounds before, not counted (compilation, caches).

    Returns:
        Cost per call of each subject.
    """
    for _ in range(warmup):
        for call in subjects.values():
            call()
    cpu: dict[str, list[float]] = {name: [] for name in subjects}
    wall: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    for _ in range(rounds):
        for name, call in subjects.items():
            began, began_wall = time.process_time(), time.perf_counter()
            call()
            cpu[name].append(time.process_time() - began)
            wall[name].append(time.perf_counter() - began_wall)
    return {name: _cost(cpu[name], wall[name]) for name in subjects}


def _cost(cpu: list[float], wall: list[float]) -> Cost:
    low, _, high = statistics.quantiles(cpu, n=4) if len(cpu) > 1 else (cpu[0],) * 3
    return Cost(
        cpu_s=statistics.median(cpu),
        cpu_s_low=low,
        cpu_s_high=high,
        wall_s=statistics.median(wall),
        rounds=len(cpu),
    )


def machine() -> dict[str, Any]:
    """Describe the machine, the versions and the commit."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "commit": _commit(),
    }


def write_json(report: Report, path: Path) -> None:
    """Write a report as strict JSON (no NaN)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    out = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return out.stdout.strip() or "unknown"
