"""What is written is what is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenegen.data import Dataset, DatasetWriter, schema
from scenegen.data.scenario_arrays import read_scenario, scenario_document, track_rows
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.scene import AgentStates, ArraySpec, Frame
from tests.builders import cars, constant_speed_scenario, straight_road
from tests.data.recordings import (
    SPECS,
    assert_same_frames,
    assert_same_scenario,
    renumbered,
    write,
)


@pytest.mark.parametrize("seed", range(12))
def test_recordings_come_back_bit_for_bit(tmp_path: Path, seed: int) -> None:
    """Scenarios, maps and frames of any size survive, also without agents, frames or points."""
    counts = tuple(int(n) for n in np.random.default_rng(seed).integers(0, 9, 5))

    made = write(tmp_path / "d", seed, counts)

    dataset = Dataset(tmp_path / "d")
    assert dataset.ids == tuple(scenario.id for scenario, _ in made)
    for i, (scenario, frames) in enumerate(made):
        assert_same_scenario(dataset.scenario(i), scenario)
        assert_same_scenario(dataset.scenario(scenario.id), scenario)
        assert_same_frames(dataset, i, frames)


def test_sirens_come_back() -> None:
    """Who drives with a siren is kept; recordings from before there were any have none."""
    calm = constant_speed_scenario(straight_road(2), cars((20, 0, 10), (40, 0, 10)))
    scenario = replace(calm, sirens=(1,))
    rows, _ = track_rows(scenario)
    document = scenario_document(scenario)
    old = {name: value for name, value in document.items() if name != "sirens"}

    assert read_scenario(rows, 2, scenario.roadmap, document).sirens == (1,)
    assert read_scenario(rows, 2, scenario.roadmap, old).sirens == ()


def test_many_chunks_and_shards_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that fills several files reads as one."""
    monkeypatch.setattr(schema, "FRAMES_PER_SHARD", 4)
    monkeypatch.setattr(schema, "POINT_ROWS", 16)
    monkeypatch.setattr(schema, "BOX_ROWS", 8)
    monkeypatch.setattr(schema, "CHUNKS_PER_SHARD", 3)

    made = write(tmp_path / "d", 1, (11, 5, 8), per_pack=3)

    dataset = Dataset(tmp_path / "d")
    assert len(list(tmp_path.rglob("rgb/c/*"))) == 6
    for i, (_, frames) in enumerate(made):
        assert_same_frames(dataset, i, frames)


@pytest.mark.parametrize("seed", range(6))
def test_any_window_reads_like_the_whole(tmp_path: Path, seed: int) -> None:
    """Frames start, start + step, ... are those of the whole recording."""
    rng = np.random.default_rng(seed)
    write(tmp_path / "d", seed, (4, 20))
    dataset = Dataset(tmp_path / "d")

    for _ in range(20):
        start, stop = sorted(int(x) for x in rng.integers(0, 21, 2))
        step = int(rng.integers(1, 5))
        for name in dataset.fields:
            part, whole = dataset.read(1, name, start, stop, step), dataset.read(1, name)
            if isinstance(part, tuple) and isinstance(whole, tuple):
                (values, offsets), (all_values, all_offsets) = part, whole
                for k, t in enumerate(range(start, stop, step)):
                    np.testing.assert_array_equal(
                        values[offsets[k] : offsets[k + 1]],
                        all_values[all_offsets[t] : all_offsets[t + 1]],
                    )
                assert len(values) == offsets[-1]
            else:
                np.testing.assert_array_equal(part, whole[start:stop:step])


def test_default_profile_keeps_pictures_close_and_the_rest_exact(tmp_path: Path) -> None:
    """JPEG touches pictures only, and those only a little."""
    y, x = np.mgrid[:64, :96]
    picture = np.stack([x * 2, y * 3, x + y], -1).astype(np.uint8)
    specs = (
        ArraySpec(
            name="rgb", dims=("y", "x", "channel"), shape=(64, 96, 3), dtype="uint8", codec="image"
        ),
        ArraySpec(name="mono", dims=("y", "x"), shape=(64, 96), dtype="uint8", codec="image"),
    )
    scenario = constant_speed_scenario(straight_road(), cars((0.0, 0.0, 10.0)), steps=2)

    with DatasetWriter(tmp_path / "d", specs) as writer:
        writer.add(scenario, [Frame(time=0.0, arrays={"rgb": picture, "mono": picture[..., 0]})])

    dataset = Dataset(tmp_path / "d")
    got = dataset.read_dense(0, "rgb")[0].astype(int)
    assert 0 < np.abs(got - picture).mean() < 3
    np.testing.assert_array_equal(dataset.read_dense(0, "mono")[0], picture[..., 0])


def test_a_shared_map_is_stored_and_read_once(tmp_path: Path) -> None:
    """Scenarios of one pack on one road share its arrays."""
    scenario = constant_speed_scenario(straight_road(), cars((0.0, 0.0, 10.0)), steps=2)

    with DatasetWriter(tmp_path / "d") as writer:
        for index in range(4):
            writer.add(renumbered(scenario, index))

    dataset = Dataset(tmp_path / "d")
    assert dataset.scenario(0).roadmap is dataset.scenario(3).roadmap


def test_states_that_float32_cannot_hold_are_refused(tmp_path: Path) -> None:
    """Nothing is rounded in silence."""
    scenario = constant_speed_scenario(straight_road(), cars((0.0, 0.0, 10.0)), steps=2)
    agents = scenario.agents
    precise = AgentStates(
        position=agents.position.astype(np.float64) + 0.1,
        yaw=agents.yaw,
        speed=agents.speed,
        size=agents.size,
        kind=agents.kind,
        valid=agents.valid,
    )
    wrong = type(scenario)(
        roadmap=scenario.roadmap,
        conditions=scenario.conditions,
        agents=precise,
        times=scenario.times,
        provenance=scenario.provenance,
    )

    with DatasetWriter(tmp_path / "d") as writer, pytest.raises(RecordingError, match="float32"):
        writer.add(wrong)


def test_catalog_rows_follow_their_recordings(tmp_path: Path) -> None:
    """Every recording has one row, with its id and its number of frames."""
    made = write(tmp_path / "d")

    rows = Dataset(tmp_path / "d").rows()

    assert [row["id"] for row in rows] == [scenario.id for scenario, _ in made]
    assert [row["frames"] for row in rows] == [len(frames) for _, frames in made]
    assert [row["number"] for row in rows] == [0, 1, 2, 3]


def test_unknown_names_are_told(tmp_path: Path) -> None:
    """A wrong id, field or index says what there is."""
    write(tmp_path / "d")
    dataset = Dataset(tmp_path / "d")

    with pytest.raises(UnknownNameError, match="camera/front/rgb"):
        dataset.read(0, "camera/front/rbg")
    with pytest.raises(UnknownNameError, match="unknown scenario"):
        dataset.scenario("0123")
    with pytest.raises(IndexError, match="below 4"):
        dataset.scenario(4)
    with pytest.raises(IndexError, match="not within its 3"):
        dataset.read(0, "ego/pose", 1, 5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ArraySpec(name="../x", dims=(), shape=(), dtype="u1"), "letters, digits"),
        (ArraySpec(name="a//b", dims=(), shape=(), dtype="u1"), "letters, digits"),
        (ArraySpec(name="ego/pose", dims=(), shape=(), dtype="u1"), "taken twice"),
        (ArraySpec(name="ego/pose/x", dims=(), shape=(), dtype="u1"), "taken twice"),
        (ArraySpec(name="time", dims=(), shape=(), dtype="u1"), "taken twice"),
        (ArraySpec(name="ego/x", dims=("row",), shape=(5,), dtype="u1"), "two sizes"),
        (ArraySpec(name="ego/x", dims=("pose",), shape=(5,), dtype="u1"), "a dimension and an"),
    ],
)
def test_specs_that_xarray_could_not_read_are_refused(
    tmp_path: Path, spec: ArraySpec, message: str
) -> None:
    """A name that is taken or no path, or a dimension of two sizes, is told before writing."""
    with pytest.raises(RecordingError, match=message):
        DatasetWriter(tmp_path / "d", (*SPECS, spec))

    assert not (tmp_path / "d").exists()
