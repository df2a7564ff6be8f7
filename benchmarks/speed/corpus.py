"""What a row of the corpus that layout models learn from costs, by stratum."""

from __future__ import annotations

import time

from benchmarks.harness import Report
from scenegen.pipeline.corpus_settings import CorpusSettings
from scenegen.pipeline.corpus_sites import draw_site

GOAL = 12.0
"""Rows per CPU second aimed for over both strata."""


def run(*, smoke: bool) -> Report:
    """Draw sites and time them by stratum."""
    sites = 2 if smoke else 48
    settings = CorpusSettings(seed=3)
    for site in range(1000, 1001 if smoke else 1006):
        draw_site(settings, site)
    spent, found = {"everyday": 0.0, "staged": 0.0}, {"everyday": 0, "staged": 0}
    lost = dict(found)
    for site in range(sites):
        began = time.process_time()
        drawn = draw_site(settings, site)
        used = time.process_time() - began
        rows = [row for row in drawn if row is not None]
        stratum = "staged" if any(int(row["family"]) for row in rows) else "everyday"
        spent[stratum] += used
        found[stratum] += len(rows)
        lost[stratum] += len(drawn) - len(rows)
    rate = sum(found.values()) / sum(spent.values())
    return Report(
        name="speed.corpus",
        headline=f"{rate:.1f} rows of training data per CPU second, {GOAL:.0f} predicted",
        rows=[
            {
                "stratum": name,
                "rows": found[name],
                "given up": lost[name],
                "rows per CPU s": round(found[name] / spent[name], 1) if found[name] else None,
            }
            for name in spent
        ],
        notes=[
            f"{sites} sites of {settings.rows_per_site} rows: one road, simulated 8 s at 10 Hz;"
            f" {len(settings.events)} event families, all looked for in every row",
            "CPU seconds of one process after warm-up: road, composition, simulation, motion codes,"
            " map tokens and detectors included, storage not",
        ],
        smoke=smoke,
    )
