"""What benchmarks measured is kept, and measured anew only where something changed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.draws import kept, number, origin, stored
from benchmarks.quality.layout_row import names_of
from benchmarks.quality.layout_staged import STAGED, as_json, from_json
from scenegen.evaluate.intervals import NOTHING, Estimate


def test_a_row_is_measured_once(tmp_path: Path) -> None:
    """Stopped and called again, a benchmark goes on where it stood; another key starts anew."""
    calls: list[str] = []

    def make() -> dict[str, Any]:
        calls.append("made")
        return {"share": len(calls)}

    rows = [stored(tmp_path, "cut in", key, make) for key in ("a", "a", "b", "b")]

    assert [row["share"] for row in rows] == [1, 1, 2, 2]
    assert kept(tmp_path, "cut in", "a") is None
    assert kept(tmp_path, "cut in", "b") == {"share": 2}
    assert "rows measured at" in origin(tmp_path)


def test_estimates_come_back_as_they_were(tmp_path: Path) -> None:
    """Figures that are not there stay so, without a NaN in the file."""
    figures = dict.fromkeys(STAGED, NOTHING) | {
        "solvable": Estimate(value=0.9, low=0.8, high=0.95),
        "draws per hit": Estimate(value=2.0, low=math.nan, high=math.nan),
    }

    again = from_json(stored(tmp_path, "x", "k", lambda: {"f": as_json(figures)})["f"])

    assert again["solvable"] == figures["solvable"]
    assert again["draws per hit"].value == 2.0
    assert math.isnan(again["TTC error"].value)
    assert list(again) == list(figures)


def test_seeds_of_one_family_share_a_column() -> None:
    """What is shipped and what is no run stands alone."""
    names = ["noise floor", "shipped diffusion", "diffusion_s0", "vae_s0", "diffusion_s1"]

    assert names_of(names) == {
        "noise floor": ["noise floor"],
        "shipped diffusion": ["shipped diffusion"],
        "diffusion": ["diffusion_s0", "diffusion_s1"],
        "vae": ["vae_s0"],
    }


@pytest.mark.parametrize(
    ("value", "text"), [(0.12345, "0.123"), (math.nan, "-"), (None, "-"), (math.inf, "inf")]
)
def test_figures_are_short(value: float | None, text: str) -> None:
    """Three digits; a dash for what is not known."""
    assert number(value) == text
