"""What is settled at the begin of a scenario, and what the sensors of one instant share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.render import PinholeCamera
from scenegen.render.lens import KannalaBrandtLens
from scenegen.scene import AgentKind, AgentStates, Scenario
from scenegen.sensors import Backdrop, Camera, DenseLabels, Rig, RoadLabels, agent_motions
from scenegen.sensors.backdrop import mixed_seed
from tests.builders import constant_speed_scenario, straight_road
from tests.sensors.streets import BUSY, drive, middle

SMALL = PinholeCamera(width_px=128, height_px=64)
FISHEYE = KannalaBrandtLens(width_px=96, height_px=96, focal=(36.0, 36.0))


def with_parked() -> Scenario:
    """A street with a car that stands throughout, and one with blue light."""
    rows = [*BUSY, (AgentKind.CAR, 130.0, -3.5, 0.1, 0.0)]
    happening = constant_speed_scenario(straight_road(lanes=3), AgentStates.of(rows), steps=8)
    return replace(happening, sirens=(1,))


def test_who_stands_throughout_is_parked() -> None:
    """And its box is where the scenery keeps clear."""
    found = Backdrop.of(with_parked(), 0)

    assert found.parked.tolist() == [False] * len(BUSY) + [True]
    np.testing.assert_allclose(found.standing[:, :3], [[130.0, -3.5, 0.1]], atol=1e-6)


def test_blue_light_flashes_on_those_with_a_siren() -> None:
    """The halves of the bar take turns, and nobody else has one."""
    shining = np.stack([motion.beacons for motion in agent_motions(with_parked())])

    assert set(shining[:, 1]) == {1, 2}
    assert not np.delete(shining, 1, axis=1).any()


def test_the_looks_follow_from_seed_and_identity() -> None:
    """Another seed or another scenario looks different; the same two look the same."""
    scenario = drive()

    assert Backdrop.of(scenario, 3).seed == mixed_seed(3, scenario.id)
    assert len({mixed_seed(seed, name) for seed in (0, 1) for name in ("a", "b")}) == 4


@pytest.mark.parametrize("optics", [SMALL, FISHEYE], ids=["pinhole", "fisheye"])
def test_a_picture_alone_is_the_one_with_labels(optics: PinholeCamera | KannalaBrandtLens) -> None:
    """Bit for bit."""
    camera = Camera(optics=optics)

    np.testing.assert_array_equal(
        camera.picture(middle()), camera.sense(middle())["camera/front/rgb"]
    )


@pytest.mark.parametrize("kind", [DenseLabels, RoadLabels])
def test_labels_do_not_depend_on_who_looked_before(
    kind: type[DenseLabels] | type[RoadLabels],
) -> None:
    """Beside a camera of the same pose they use its buffer; the arrays are those of their own."""
    labels = kind(optics=SMALL)
    alone = next(iter(Rig(name="alone", sensors=(labels,)).sense(drive(), 3)))
    beside = next(iter(Rig(name="two", sensors=(Camera(optics=SMALL), labels)).sense(drive(), 3)))

    for name, values in alone.arrays.items():
        np.testing.assert_array_equal(beside.arrays[name], values)


def test_another_moment_shares_nothing() -> None:
    """A view moved in time draws anew: what was ahead is nearer."""
    view, camera = middle(), Camera(optics=SMALL)
    before = view.buffer(SMALL, camera.ego_from_sensor).depth

    after = view.later(0.5).buffer(SMALL, camera.ego_from_sensor).depth

    assert (before != after).any()
