"""Ordinary traffic shows few rare events: what everyday driving does is not one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from scenegen.events import EVENTS
from scenegen.maps import MAP_SOURCES
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.defects import defect
from scenegen.query import parse
from scenegen.scene import RoadKind, Scenario
from scenegen.seeding import stream
from scenegen.sim import rollout, to_scenario

ROADS, SCENES = 4, 6
"""Roads per kind, and scenes on each."""
RARE = (
    "backing_vehicle",
    "cyclist_dooring",
    "door_opening",
    "ego_lane_change_conflict",
    "emergency_vehicle",
    "lane_closure",
    "lane_drift",
    "loss_of_control",
    "right_turn_conflict",
    "stop_sign_runner",
    "stopped_in_poor_sight",
    "turning_pedestrian",
)
"""Families that simulated drivers do not bring about by driving as they should."""
SHARE = 0.05
"""Most scenes of a kind of road in which one of these may be found: one of 24."""
KINDS = sorted({source.kind for source in MAP_SOURCES.values()} - {RoadKind.RECORDED})


@cache
def ordinary(kind: RoadKind) -> list[Scenario]:
    """Simulate everyday traffic on roads of a kind."""
    sources = [cls() for cls in MAP_SOURCES.values() if cls.kind is kind]
    composer = Composer(Request(query=parse("day or dusk or night"), seed=31, agents=24))
    drawn = []
    for n in range(ROADS):
        roadmap = sources[n % len(sources)].draw(stream(31, "ordinary", kind, n))
        drawn += [composer.compose(SCENES * n + k, 0, roadmap) for k in range(SCENES)]
    sound = [one for one in drawn if not isinstance(one, str)]
    outcomes = zip(sound, rollout(sound, 8.0), strict=True)
    return [to_scenario(one, done) for one, done in outcomes if not defect(one, done)]


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_ordinary_traffic_to_look_at(kind: RoadKind) -> None:
    """Most scenes are sound and hold somebody else, so that the shares below mean something."""
    found = ordinary(kind)

    assert len(found) >= ROADS * SCENES / 2
    assert np.mean([scenario.agents.count > 3 for scenario in found]) > 0.8


@pytest.mark.parametrize("family", RARE)
@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_driving_is_no_rare_event(kind: RoadKind, family: str) -> None:
    """A rare family is found in at most SHARE of the scenes of a kind of road."""
    found = ordinary(kind)

    assert sum(EVENTS[family].occurred(one) for one in found) <= SHARE * ROADS * SCENES
