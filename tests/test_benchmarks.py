"""Every benchmark works at its smallest size."""

from __future__ import annotations

import json

import pytest

from benchmarks.harness import interleave
from benchmarks.registry import BENCHMARKS


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_a_smoke_run_reports(name: str) -> None:
    """The report has rows with equal columns and is strict JSON."""
    report = BENCHMARKS[name](smoke=True)

    assert report.name == name
    assert report.rows
    assert all(row.keys() == report.rows[0].keys() for row in report.rows)
    json.dumps(report.to_json(), allow_nan=False)


def test_subjects_are_measured_in_turn() -> None:
    """A B A B, warm-up first, so that a slow phase of the machine hits both."""
    calls: list[str] = []

    interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)

    assert calls == ["a", "b"] * 3
