"""What the quality benchmarks draw comes from the model and the query they name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.quality.draws import conditioned, guided, judged
from scenegen.layout.shipping import is_shipped
from scenegen.pipeline import Composer, Request
from scenegen.query import parse

QUERIES = ("jaywalker(p) and ttc(ego,p) < 3s", "occluded_pedestrian(p)")


@pytest.mark.parametrize("stage", [conditioned, guided], ids=["conditioned", "guided"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_model_stages_what_a_benchmark_asks(
    query: str, stage: Callable[[Request], Composer]
) -> None:
    """Every way to stage by the shipped model composes and judges each draw it is asked for."""
    if not is_shipped("diffusion"):
        pytest.skip("no diffusion checkpoint ships")
    composer = stage(Request(query=parse(query), seed=3, agents=8))

    draws = judged(composer, [(0, 0), (1, 0)])

    assert len(draws) == 2
    assert any(draw.simulated is not None for draw in draws)
