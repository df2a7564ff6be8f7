"""Edge cases inside recorded scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenegen.errors import MapError
from scenegen.maps import RecordedScene, read_commonroad
from scenegen.pipeline import Generator, Request, replay
from scenegen.query import parse
from scenegen.scene import Control
from tests.sizes import data_folder

FOLDER = data_folder() / "trajectories/ngsim_commonroad/raw_xml"
FILES = sorted(FOLDER.glob("*.xml"))
QUERY = "cut_in(c) and ttc(ego,c) < 1.5s"

pytestmark = pytest.mark.skipif(not FILES, reason=f"no recorded scenes in {FOLDER}")


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def base(request: pytest.FixtureRequest) -> RecordedScene:
    """Read one recorded scene."""
    path: Path = request.param
    return read_commonroad(path)


def test_an_edge_case_arises_in_recorded_traffic(base: RecordedScene) -> None:
    """The query holds, and recorded vehicles are around."""
    accepted = Generator(Request(query=parse(QUERY), seed=7, base=base)).scenario(0)

    assert accepted.verdict.satisfied
    assert accepted.scenario.roadmap is base.roadmap
    assert (accepted.composition.plans.control == Control.LOG).any()


def test_undisturbed_vehicles_follow_their_log(base: RecordedScene) -> None:
    """Someone is where the recording has them at the first and at a later instant."""
    accepted = Generator(Request(query=parse(QUERY), seed=7, base=base)).scenario(0)
    plans, agents = accepted.composition.plans, accepted.scenario.agents
    assert plans.log is not None
    steps = min(11, len(plans.log.valid))

    logged = plans.control == Control.LOG
    both = plans.log.valid[:steps, logged] & agents.valid[:steps, logged]
    apart = np.abs(plans.log.position[:steps, logged] - agents.position[:steps, logged]).max(-1)

    assert both[0].any()
    assert (np.where(both, apart, 0.0).max(0) == 0.0).any()


def test_a_replay_needs_the_same_recording(base: RecordedScene) -> None:
    """With the base the replay is exact, without it the file is asked for."""
    scenario = Generator(Request(query=parse(QUERY), seed=7, base=base)).scenario(0).scenario

    assert replay(scenario, base).identical
    with pytest.raises(MapError, match=base.name):
        replay(scenario)
