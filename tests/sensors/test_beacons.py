"""Blue light: on the roofs of vehicles with a siren, flashing, inside their boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.render import assemble
from scenegen.render.surfaces import MATERIALS
from scenegen.scene import Scenario
from scenegen.sensors import Rig, agent_motions
from tests.sensors.streets import drive

BLUE = [list(MATERIALS).index(name) for name in ("beacon", "beacon_off")]


def faces_by_instance(scenario: Scenario, step: int) -> tuple[np.ndarray, ...]:
    """Material, instance number and corners of every face of one instant."""
    world = Rig(name="none", sensors=()).world(scenario, 1)
    stage = world.stage(scenario.at(step), agent_motions(scenario)[step])
    triangles = assemble(stage)
    corners = triangles.vertices[triangles.faces] + triangles.origin
    return triangles.material, triangles.number[triangles.owner], corners


@pytest.mark.parametrize("agent", [1, 2])
def test_only_vehicles_with_a_siren_carry_blue_light(agent: int) -> None:
    """A car and a truck, each alone; all the blue faces are theirs."""
    material, number, _ = faces_by_instance(replace(drive(), sirens=(agent,)), 1)

    blue = np.isin(material, BLUE)

    assert blue.any()
    assert set(number[blue].tolist()) == {agent + 1}
    assert not np.isin(faces_by_instance(drive(), 1)[0], BLUE).any()


def test_the_bar_lies_within_the_box() -> None:
    """The vehicle keeps its height: labels fit as before."""
    scenario = replace(drive(), sirens=(1,))
    _, number, corners = faces_by_instance(scenario, 1)

    assert corners[number == 2][..., 2].max() == pytest.approx(
        scenario.agents.size[1, 1, 2], abs=0.01
    )


def test_the_halves_take_turns() -> None:
    """Each half shines for a quarter of a second, then the other does."""
    scenario = replace(drive(), sirens=(1,))
    shining = np.array([motion.beacons[1] for motion in agent_motions(scenario)])

    expected = 1 + np.floor(scenario.times * 4.0 + 1e-6) % 2
    np.testing.assert_array_equal(shining, expected)
    assert all(motion.beacons[0] == 0 for motion in agent_motions(scenario))
