"""Many scenes at once: the same layouts as one by one, to the bit."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from scenegen.errors import ShapeError
from scenegen.layout import HeuristicLayout, Layout, LayoutModel, LayoutRequest, LearnedLayout
from scenegen.layout.cvae import VaeModel
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.network import NetworkConfig
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.student import StudentModel
from scenegen.scene import AgentPlans, AgentStates, Conditions
from scenegen.seeding import stream
from tests.builders import cars, straight_road
from tests.layout.corpora import EVENTS

SIZE = NetworkConfig(width=32, layers=2, heads=2, expansion=2)
SCENES = 7
AGENTS, PLANS = fields(AgentStates), fields(AgentPlans)


def with_weights(model: SceneModel) -> LearnedLayout:
    """Fill every layer with noise, such that there is traffic of all kinds."""
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.5 / value.shape[-1] ** 0.5)
    return LearnedLayout(model)


LAYOUTS = {
    "diffusion": lambda: with_weights(DiffusionModel(EVENTS, SIZE)),
    "student": lambda: with_weights(StudentModel(EVENTS, SIZE)),
    "vae": lambda: with_weights(VaeModel(EVENTS, SIZE)),
    "heuristic": HeuristicLayout,
}


def requests() -> list[LayoutRequest]:
    """Ask for traffic around some egos, two of them on one road."""
    roads = [straight_road(2 + k % 2, 300.0) for k in range(SCENES - 1)]
    egos = [cars((60.0 + 20.0 * k, 0.0, 5.0 + k)) for k in range(SCENES)]
    return [
        LayoutRequest(
            roadmap=roads[max(0, k - 1)],
            conditions=Conditions(),
            pinned=egos[k],
            plans=AgentPlans.reactive(1),
            agents=6 + 3 * k,
        )
        for k in range(SCENES)
    ]


def rngs() -> list[np.random.Generator]:
    """Give every scene random numbers of its own."""
    return [stream(11, "many", k) for k in range(SCENES)]


def same(one: Layout, other: Layout) -> bool:
    """Whether two layouts agree in every bit."""
    agents = [(getattr(one.agents, f.name), getattr(other.agents, f.name)) for f in AGENTS]
    plans = [(getattr(one.plans, f.name), getattr(other.plans, f.name)) for f in PLANS]
    arrays = [*agents, *plans]
    return one.notes == other.notes and all(np.array_equal(a, b) for a, b in arrays)


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> LayoutModel:
    """A model of each kind, learned ones with random weights."""
    made: LayoutModel = LAYOUTS[request.param]()
    return made


def test_many_scenes_are_those_sampled_one_by_one(layout: LayoutModel) -> None:
    """Every array of every layout is the same, in whatever company and order."""
    alone = [layout.sample(*pair) for pair in zip(requests(), rngs(), strict=True)]

    many = layout.sample_many(requests(), rngs())
    turned = layout.sample_many(requests()[::-1], rngs()[::-1])[::-1]
    some = layout.sample_many(requests()[2:4], rngs()[2:4])

    assert all(same(a, b) for a, b in zip(alone, many, strict=True))
    assert all(same(a, b) for a, b in zip(alone, turned, strict=True))
    assert all(same(a, b) for a, b in zip(alone[2:4], some, strict=True))
    assert sum(made.notes.get("kept", made.agents.count - 1) for made in many) > 0


def test_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many scenes are sampled together does not show."""
    layout = LAYOUTS["diffusion"]()
    whole = layout.sample_many(requests(), rngs())

    monkeypatch.setattr("scenegen.layout.learned.GROUP", 3)
    parts = layout.sample_many(requests(), rngs())

    assert all(same(a, b) for a, b in zip(whole, parts, strict=True))


def test_every_request_needs_random_numbers(layout: LayoutModel) -> None:
    """One generator too few is an error that says so."""
    with pytest.raises(ShapeError, match="6 generators and 7 requests"):
        layout.sample_many(requests(), rngs()[:-1])


def test_nothing_asked_is_nothing_given(layout: LayoutModel) -> None:
    """No requests, no layouts."""
    assert layout.sample_many([], []) == []
