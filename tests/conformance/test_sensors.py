"""Every sensor and every rig gives what it announces."""

from __future__ import annotations

from functools import cache

import pytest

from scenegen.scene import AgentKind, AgentStates, Frame, Scenario
from scenegen.sensors import RIGS, SENSORS, Rig
from tests.builders import constant_speed_scenario, straight_road

Row = tuple[AgentKind, float, float, float, float]
BUSY: tuple[Row, ...] = (
    (AgentKind.CAR, 100.0, 3.5, 0.0, 20.0),
    (AgentKind.CAR, 114.0, 3.5, 0.0, 20.0),
    (AgentKind.TRUCK, 122.0, 0.0, 0.0, 20.0),
    (AgentKind.PEDESTRIAN, 112.0, -2.5, 1.0, 1.0),
    (AgentKind.CYCLIST, 109.0, -1.4, 0.0, 5.0),
)


def drive(rows: tuple[Row, ...]) -> Scenario:
    """Drive straight on for three instants."""
    return constant_speed_scenario(straight_road(lanes=3), AgentStates.of(list(rows)), steps=3)


def sense(rig: Rig, rows: tuple[Row, ...], seed: int) -> list[Frame]:
    """Sense the first and the last instant."""
    return list(rig.sense(drive(rows), seed, every=2))


frames = cache(sense)
"""The same, remembered: most promises can be read off the same frames."""


@pytest.fixture(scope="module", params=SENSORS)
def rig(request: pytest.FixtureRequest) -> Rig:
    """Give a rig of one sensor, built without arguments."""
    return Rig(name="one", sensors=(SENSORS[request.param](),))


class TestSensor:
    """What holds for every entry of SENSORS."""

    @pytest.mark.parametrize("rows", [BUSY, BUSY[:1]], ids=["busy", "alone"])
    def test_arrays_match_their_announcement(self, rig: Rig, rows: tuple[Row, ...]) -> None:
        """Names, shapes and dtypes are as announced, also with nobody else around."""
        for frame in frames(rig, rows, 1):
            assert set(frame.arrays) == {spec.name for spec in rig.specs()}
            for spec in rig.specs():
                spec.check(frame.arrays[spec.name])

    def test_ragged_arrays_of_one_kind_have_one_length(self, rig: Rig) -> None:
        """Arrays that share their first axis have as many rows."""
        for frame in frames(rig, BUSY, 1):
            lengths: dict[str, set[int]] = {}
            for spec in rig.specs():
                if spec.is_ragged:
                    lengths.setdefault(spec.dims[0], set()).add(len(frame.arrays[spec.name]))
            assert all(len(found) == 1 for found in lengths.values())

    def test_class_arrays_hold_named_classes(self, rig: Rig) -> None:
        """Every value of a class array has a name."""
        for frame in frames(rig, BUSY, 1):
            for spec in rig.specs():
                if spec.classes:
                    assert frame.arrays[spec.name].max(initial=0) < len(spec.classes)

    def test_same_seed_same_bytes(self, rig: Rig) -> None:
        """Two runs with one seed agree to the bit."""
        first, second = frames(rig, BUSY, 1), sense(rig, BUSY, 1)

        for a, b in zip(first, second, strict=True):
            assert all(a.arrays[name].tobytes() == b.arrays[name].tobytes() for name in a.arrays)


@pytest.mark.parametrize("name", RIGS)
def test_array_names_of_a_rig_are_paths(name: str) -> None:
    """Names are unique, lower-case paths, and every array says what it is."""
    specs = RIGS[name].specs()

    names = [spec.name for spec in specs]
    assert len(set(names)) == len(names)
    assert all(part.isidentifier() and part.islower() for n in names for part in n.split("/"))
    assert all(spec.long_name for spec in specs)
