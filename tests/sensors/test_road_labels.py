"""Free space and lane lines are where the road and its paint are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from scenegen.arrays import Array
from scenegen.data import Dataset, DatasetWriter
from scenegen.render import PinholeCamera, SurfaceClass, assemble
from scenegen.render.world.ground import has_yellow_centers, painted_lines
from scenegen.scene import AgentKind, AgentStates, LineMarking, Scenario
from scenegen.sensors import (
    RIGS,
    Boxes3D,
    Camera,
    Rig,
    RoadLabels,
    WorldView,
    agent_motions,
)
from scenegen.sensors.lane_lines import gather_lines
from tests.builders import constant_speed_scenario, straight_road

ROAD = straight_road(lanes=3)
OPTICS = PinholeCamera(width_px=256, height_px=128)
RIG = Rig(name="road", sensors=(Camera(optics=OPTICS), RoadLabels(optics=OPTICS), Boxes3D()))
Row = tuple[AgentKind, float, float, float, float]
EGO: Row = (AgentKind.CAR, 100.0, 3.5, 0.0, 20.0)


def drive(rows: list[Row], steps: int = 2) -> Scenario:
    """Keep everyone at their speed."""
    return constant_speed_scenario(ROAD, AgentStates.of(rows), steps=steps)


@cache
def sense(*others: Row) -> Mapping[str, Array]:
    """Sense the first instant from the middle lane."""
    return next(iter(RIG.sense(drive([EGO, *others]), 1))).arrays


def test_free_space_is_road_that_reaches_the_lower_edge() -> None:
    """Every free pixel shows road or paint, and so do all pixels below it in its column."""
    arrays = sense((AgentKind.CAR, 114.0, 3.5, 0.0, 20.0))
    free = np.asarray(arrays["camera/front/free_space"]) > 0
    surface = np.asarray(arrays["camera/front/semantic"])

    assert np.isin(surface[free], [SurfaceClass.ROAD, SurfaceClass.MARKING]).all()
    assert (np.diff(free.astype(int), axis=0) >= 0).all()
    assert free.mean() > 0.2


def test_free_space_ends_at_the_first_thing_above_it() -> None:
    """The pixel over the last free one is of the class that is said to end it, and not road."""
    arrays = sense((AgentKind.CAR, 114.0, 3.5, 0.0, 20.0))
    free = np.asarray(arrays["camera/front/free_space"]) > 0
    surface = np.asarray(arrays["camera/front/semantic"])
    row = len(free) - free.sum(0) - 1
    column = np.flatnonzero(row >= 0)

    end = np.asarray(arrays["camera/front/free_end"])[column]
    np.testing.assert_array_equal(end, surface[row[column], column])
    assert not np.isin(end, [SurfaceClass.ROAD, SurfaceClass.MARKING]).any()


@pytest.mark.parametrize("ahead", [10.0, 16.0, 24.0])
def test_free_distance_is_the_gap_to_the_leader(ahead: float) -> None:
    """In the middle column it ends at the bumper ahead, to the height of one pixel."""
    arrays = sense((AgentKind.CAR, 100.0 + ahead, 3.5, 0.0, 20.0))
    gap = ahead - 4.5 / 2 - 0.5
    pixel = gap**2 / (OPTICS.focal_px * 1.5)

    distance = float(np.asarray(arrays["camera/front/free_distance"])[128])

    # What touches the ground is behind the bumper, below its overhang.
    assert gap - 2 * pixel < distance < gap + 1.2 + 2 * pixel
    x, y = np.asarray(arrays["camera/front/free_edge"])[128]
    assert np.hypot(x - 0.5, y) == pytest.approx(distance, abs=1e-4)


def test_lane_lines_are_the_paint() -> None:
    """Where a solid line is seen, its pixel or a neighbour shows paint."""
    arrays = sense()
    surface = np.asarray(arrays["camera/front/semantic"])
    solid = np.asarray(arrays["lane_lines/front/marking"]) == LineMarking.SOLID
    chosen = solid[np.asarray(arrays["lane_lines/front/line"])]
    chosen &= np.asarray(arrays["lane_lines/front/visible"]) > 0
    points = np.asarray(arrays["lane_lines/front/points"])[chosen]
    column, row = np.floor(np.asarray(arrays["lane_lines/front/pixel"])[chosen]).astype(int).T
    near = np.hypot(*points.T) < 15

    around = [
        surface[np.clip(row + dy, 0, 127), np.clip(column + dx, 0, 255)]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    ]
    painted = (np.stack(around) == SurfaceClass.MARKING).any(0)
    assert near.sum() > 10
    assert painted[near].all()


def test_lines_beside_the_ego_are_numbered_outwards() -> None:
    """On the middle of three lanes there are two lines on either side."""
    arrays = sense()
    position = np.asarray(arrays["lane_lines/front/position"])
    line, points = (np.asarray(arrays[f"lane_lines/front/{n}"]) for n in ("line", "points"))

    assert sorted(position[position != 0].tolist()) == [-2, -1, 1, 2]
    for row, aside in ((1, 1.75), (2, 5.1), (-1, -1.75), (-2, -5.1)):
        there = points[line == int(np.flatnonzero(position == row)[0])]
        assert np.median(there[:, 1]) == pytest.approx(aside, abs=0.01)


def test_a_truck_hides_the_lines_behind_it() -> None:
    """Points of the line on the right are seen without the truck and hidden with it."""
    truck: Row = (AgentKind.TRUCK, 112.0, 0.0, 0.0, 20.0)
    seen = {}
    for name, others in (("open", ()), ("hidden", (truck,))):
        arrays = sense(*others)
        place = np.asarray(arrays["lane_lines/front/points"])
        behind = (place[:, 1] < -4.5) & (place[:, 0] > 17) & (place[:, 0] < 22)
        seen[name] = np.asarray(arrays["lane_lines/front/visible"])[behind]

    assert seen["open"].all()
    assert not seen["hidden"].any()


def test_lines_go_with_the_ego_frame() -> None:
    """Turning and shifting the ego moves the lines the other way, and nothing else."""
    still = gather_lines(ROAD, np.eye(4), 60.0, yellow_centers=False)
    pose = np.eye(4)
    pose[:2, :2] = [[0.0, 1.0], [-1.0, 0.0]]

    turned = gather_lines(ROAD, pose, 60.0, yellow_centers=False)

    np.testing.assert_allclose(turned.points @ pose[:2, :2], still.points, atol=1e-9)
    np.testing.assert_array_equal(turned.marking, still.marking)


def test_only_double_lines_are_yellow_and_only_for_some_seeds() -> None:
    """Yellow parts opposite directions; about half of the seeds have it."""
    lanes = tuple(
        replace(lane, left_marking=LineMarking.DOUBLE_SOLID) if lane.left < 0 else lane
        for lane in ROAD.lanes
    )
    lines = list(painted_lines(replace(ROAD, lanes=lanes), yellow_centers=True))

    for line in lines:
        assert line.is_yellow == (line.marking is LineMarking.DOUBLE_SOLID)
    assert any(line.is_yellow for line in lines)
    assert 30 < sum(has_yellow_centers(seed) for seed in range(100)) < 70


def test_a_view_without_a_road_says_so() -> None:
    """The sensor asks for the map by name instead of failing on None."""
    scenario = drive([EGO])
    stage = RIG.world(scenario, 1).stage(scenario.at(0), agent_motions(scenario)[0])
    view = WorldView(stage=stage, triangles=assemble(stage), step=0, seed=1)

    with pytest.raises(ValueError, match="expected a view with a road map"):
        RoadLabels(optics=OPTICS).sense(view)


def test_attributes_tell_who_moves_brakes_and_rides() -> None:
    """Standing, moving, braking and ridden agents are told apart."""
    rows: list[Row] = [
        EGO,
        (AgentKind.CAR, 120.0, 3.5, 0.0, 12.0),
        (AgentKind.CAR, 130.0, 0.0, 0.0, 0.0),
        (AgentKind.CYCLIST, 110.0, -1.0, 0.0, 4.0),
        (AgentKind.PEDESTRIAN, 112.0, 9.0, 0.0, 1.2),
    ]
    scenario = drive(rows, steps=4)
    scenario.agents.speed[2:, 1] -= 0.6 * np.arange(1, 3)

    arrays = list(RIG.sense(scenario, 1))[2].arrays

    table = {int(t): k for k, t in enumerate(np.asarray(arrays["boxes3d/track_id"]))}
    motion, brakes, rider = (
        np.asarray(arrays[f"boxes3d/{n}"]) for n in ("motion", "brake_lights", "rider")
    )
    assert [motion[table[i]] for i in (1, 2, 3, 4)] == [1, 0, 1, 1]
    assert [brakes[table[i]] for i in (1, 2, 3)] == [1, 0, 0]
    assert [rider[table[i]] for i in (1, 3, 4)] == [0, 2, 0]


def test_every_label_of_the_full_rig_comes_back_from_a_dataset(tmp_path: Path) -> None:
    """What the rig gives is what a dataset gives back, the lossy picture aside."""
    scenario = drive([EGO, (AgentKind.CAR, 114.0, 3.5, 0.0, 20.0)], steps=3)
    frames = list(RIGS["full"].sense(scenario, 1))
    with DatasetWriter(tmp_path / "d", RIGS["full"].specs()) as writer:
        writer.add(scenario, frames)

    stored = Dataset(tmp_path / "d")

    for spec in RIGS["full"].specs():
        if spec.codec == "image":
            continue
        if not spec.is_ragged:
            back = stored.read_dense(scenario.id, spec.name)
            expected = np.stack([frame.arrays[spec.name] for frame in frames])
        else:
            back = stored.read_ragged(scenario.id, spec.name)[0]
            expected = np.concatenate([frame.arrays[spec.name] for frame in frames])
        np.testing.assert_array_equal(back, expected, err_msg=spec.name)
