"""A rig drives through a scenario."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.render import build_world
from scenegen.scene import AgentKind, AgentStates, Conditions, Light, Scenario
from scenegen.sensors import RIGS, agent_motions
from tests.builders import constant_speed_scenario, straight_road

NIGHT = Conditions(light=Light.NIGHT, sun_elevation=-0.5)


def scenario(steps: int = 11) -> Scenario:
    """One car drives 10 m/s, one is parked, one brakes from the sixth instant on."""
    agents = AgentStates.of(
        [
            (AgentKind.CAR, 50.0, 0.0, 0.0, 10.0),
            (AgentKind.CAR, 80.0, 7.0, 0.0, 0.0),
            (AgentKind.CAR, 90.0, 3.5, 0.0, 10.0),
        ]
    )
    happening = constant_speed_scenario(straight_road(lanes=3), agents, steps)
    happening.agents.speed[6:, 2] -= 0.4 * np.arange(1, steps - 5)
    return happening


@pytest.mark.parametrize(("every", "count"), [(1, 11), (4, 3), (50, 1)])
def test_a_rig_gives_each_nth_instant(every: int, count: int) -> None:
    """Frames begin with the first instant and carry the scenario's times."""
    happening = scenario()

    frames = list(RIGS["labels"].sense(happening, 1, every=every))

    assert len(frames) == count
    np.testing.assert_allclose([f.time for f in frames], happening.times[::every])


def test_a_rig_refuses_a_step_below_one() -> None:
    """There is no zeroth part of the instants."""
    with pytest.raises(ValueError, match="expected every >= 1, got 0"):
        next(RIGS["labels"].sense(scenario(), 1, every=0))


def test_frames_do_not_depend_on_the_number_of_threads() -> None:
    """One thread and three give the same frames, byte for byte and in the same order."""
    happening = scenario()

    one, three = (list(RIGS["front"].sense(happening, 1, every=3, threads=n)) for n in (1, 3))

    assert [f.time for f in one] == [f.time for f in three]
    for left, right in zip(one, three, strict=True):
        assert list(left.arrays) == list(right.arrays)
        for name, array in left.arrays.items():
            assert array.tobytes() == right.arrays[name].tobytes(), name


def test_a_rig_refuses_no_threads() -> None:
    """At least one thread has to do the work."""
    with pytest.raises(ValueError, match="expected threads >= 1, got 0"):
        next(RIGS["labels"].sense(scenario(), 1, threads=0))


def test_scenarios_of_one_request_look_different() -> None:
    """The look follows from the scenario's identity, not from the seed of the request alone."""
    one = scenario()
    two = replace(one, provenance=replace(one.provenance, index=one.provenance.index + 1))
    worlds = [RIGS["labels"].world(happening, 1) for happening in (one, two)]

    assert worlds[0].seed != worlds[1].seed
    assert worlds[0].seed == RIGS["labels"].world(one, 1).seed


def test_ways_come_add_up() -> None:
    """At 10 m/s one metre is added per instant."""
    motions = agent_motions(scenario())

    np.testing.assert_allclose([m.travelled[0] for m in motions], np.arange(11), atol=1e-4)


def test_who_brakes_shows_it_and_who_is_parked_is_dark() -> None:
    """Brake lights follow deceleration; a car that never moves has its lights off at night."""
    happening = scenario()
    motions = agent_motions(happening)
    world = build_world(happening.roadmap, NIGHT, 1)

    before, after = (world.stage(happening.at(k), motions[k]).instances for k in (2, 9))

    def lamps(instances: object, agent: int) -> list[float]:
        return list(instances.lamps[instances.number == agent + 1][0])  # type: ignore[attr-defined]

    assert lamps(before, 1) == [0, 0]
    assert lamps(before, 2)[0] == 1
    assert 0 < lamps(before, 2)[1] < 1
    assert lamps(after, 2)[1] == 1


def test_the_pose_of_the_ego_moves_with_it() -> None:
    """The pose maps the ego's origin to its place on the road."""
    last = list(RIGS["labels"].sense(scenario(), 1, every=10))[-1]

    np.testing.assert_allclose(last.arrays["ego_pose/map_from_ego"][:3, 3], [60, 0, 0], atol=1e-4)
    assert last.arrays["ego_pose/speed"] == 10
