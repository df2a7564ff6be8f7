"""Cameras, lidars and boxes tell one story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import Array, FloatArray
from scenegen.geometry.transforms import to_local
from scenegen.render import PinholeCamera
from scenegen.scene import AgentKind, AgentStates, Conditions, Scenario
from scenegen.sensors import (
    LIDAR_MODELS,
    Boxes3D,
    Camera,
    EgoPose,
    Lidar,
    LidarModel,
    Rig,
    camera_pose,
)
from scenegen.sensors.lidar import SCALE, TIME_STEP
from scenegen.sensors.motion import as_measured
from tests.builders import constant_speed_scenario, straight_road

ROAD = straight_road(lanes=3)
RIG = Rig(
    name="test",
    sensors=(
        Camera(optics=PinholeCamera(width_px=256, height_px=128)),
        Lidar(),
        Boxes3D(),
        EgoPose(),
    ),
)
EGO_ROW = (AgentKind.CAR, 100.0, 3.5, 0.0, 20.0)
CROWD = [
    EGO_ROW,
    (AgentKind.CAR, 113.0, 3.3, 0.1, 20.0),
    (AgentKind.TRUCK, 120.0, 0.0, 0.0, 20.0),
    (AgentKind.BUS, 124.0, 7.0, 0.0, 20.0),
    (AgentKind.PEDESTRIAN, 111.0, -2.5, 1.0, 1.0),
    (AgentKind.CYCLIST, 109.0, -0.6, 0.2, 5.0),
    (AgentKind.MOTORCYCLE, 110.0, 6.4, 0.0, 20.0),
    (AgentKind.ANIMAL, 112.0, 9.5, -1.2, 2.0),
    (AgentKind.STATIC, 108.0, 1.6, 0.4, 0.0),
    (AgentKind.CAR, 92.0, 0.0, 3.1, 9.0),
]


def scenario(rows: list[tuple[AgentKind, float, float, float, float]]) -> Scenario:
    """Keep everyone at their speed for two instants."""
    return constant_speed_scenario(ROAD, AgentStates.of(rows), steps=2)


def sense(
    rows: list[tuple[AgentKind, float, float, float, float]],
    rig: Rig = RIG,
    conditions: Conditions | None = None,
    seed: int = 1,
) -> Mapping[str, Array]:
    """Sense the first instant."""
    happening = scenario(rows)
    if conditions is not None:
        happening = replace(happening, conditions=conditions)
    return next(iter(rig.sense(happening, seed))).arrays


@pytest.fixture(scope="module")
def crowd() -> Mapping[str, Array]:
    """Give the frame of a crowded road."""
    return sense(CROWD)


def points_of(arrays: Mapping[str, Array], track: int) -> FloatArray:
    """Points of an agent in the ego frame, shape (n, 3)."""
    chosen = arrays["lidar/top/instance"] == track + 1
    pose = arrays["lidar/top/ego_from_lidar"]
    points = arrays["lidar/top/xyz"][chosen].astype(np.float64) * SCALE
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])


def measured(arrays: Mapping[str, Array]) -> FloatArray:
    """Points in the frame of the moving lidar, shape (n, 3)."""
    return as_measured(
        arrays["lidar/top/xyz"].astype(np.float64) * SCALE,
        arrays["lidar/top/time"] * TIME_STEP,
        arrays["lidar/top/twist"],
        arrays["lidar/top/ego_from_lidar"],
    )


def test_boxes_hold_their_lidar_points(crowd: Mapping[str, Array]) -> None:
    """At least 99 % of the points of the agents lie in their box, give or take the noise."""
    inside = total = 0
    for row, track in enumerate(crowd["boxes3d/track_id"]):
        box = crowd["boxes3d/box"][row].astype(np.float64)
        points = points_of(crowd, int(track))
        local = to_local(points[:, :2], box[:2], np.full(len(points), box[6]))
        margin = 0.06  # three standard deviations of the range
        fits = (np.abs(local) <= box[3:5] / 2 + margin).all(-1)
        fits &= np.abs(points[:, 2] - box[2]) <= box[5] / 2 + margin
        inside, total = inside + int(fits.sum()), total + len(points)

    assert total > 1000
    assert inside >= 0.99 * total


def test_2d_boxes_enclose_exactly_the_visible_pixels(crowd: Mapping[str, Array]) -> None:
    """The visible box is the tightest around the mask, and the amodal one holds it."""
    mask = crowd["camera/front/instance"]
    for row, track in enumerate(crowd["boxes2d/front/track_id"]):
        rows, columns = np.nonzero(mask == track + 1)
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        amodal = crowd["boxes2d/front/amodal"][row]

        np.testing.assert_array_equal(crowd["boxes2d/front/visible"][row], tight)
        assert (amodal[:2] <= tight[:2]).all()
        assert (amodal[2:] >= tight[2:]).all()


def test_every_agent_of_the_mask_has_a_2d_box(crowd: Mapping[str, Array]) -> None:
    """Numbers in the mask and in the table are the same, the ego is not among them."""
    numbers = set(np.unique(crowd["camera/front/instance"]).tolist()) - {0}

    assert numbers == {int(t) + 1 for t in crowd["boxes2d/front/track_id"]}
    assert 1 not in numbers


def test_lidar_points_land_on_their_agent_in_the_picture(crowd: Mapping[str, Array]) -> None:
    """Points projected into the camera fall on pixels of the same agent, edges aside."""
    mask = crowd["camera/front/instance"]
    pose, matrix = crowd["camera/front/ego_from_camera"], crowd["camera/front/intrinsics"]
    fits = total = 0
    for track in (1, 4, 6):
        local = (points_of(crowd, track) - pose[:3, 3]) @ pose[:3, :3]
        pixel = local @ matrix.T
        column, row = np.floor(pixel[:, :2] / pixel[:, 2:]).astype(int).T
        inside = (column >= 1) & (column < 255) & (row >= 1) & (row < 127)
        column, row = column[inside], row[inside]
        around = [mask[row + dy, column + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        fits += int((np.stack(around) == track + 1).any(0).sum())
        total += int(inside.sum())

    assert total > 200
    # The lidar sits 35 cm above the camera and looks over things the camera does not.
    assert fits > 0.97 * total


def test_an_agent_moved_by_ten_metres_moves_its_points_by_ten_metres() -> None:
    """The rear of a car moves away as far as the car does."""
    near, far = (sense([EGO_ROW, (AgentKind.CAR, x, 3.5, 0.0, 20.0)]) for x in (112.0, 122.0))

    gap = np.median(np.sort(points_of(far, 1)[:, 0])[:20]) - np.median(
        np.sort(points_of(near, 1)[:, 0])[:20]
    )

    assert gap == pytest.approx(10.0, abs=0.1)


def test_a_hidden_agent_has_no_pixels_and_no_points() -> None:
    """Behind a truck, a child is in no mask, in no sweep, and has visibility zero."""
    rows = [
        EGO_ROW,
        (AgentKind.TRUCK, 113.0, 3.5, 0.0, 0.0),
        (AgentKind.PEDESTRIAN, 119.0, 3.5, 0.0, 0.0),
    ]

    arrays = sense(rows)

    assert not (arrays["camera/front/instance"] == 3).any()
    assert not (arrays["lidar/top/instance"] == 3).any()
    row = list(arrays["boxes3d/track_id"]).index(2)
    assert arrays["boxes3d/visibility"][row] == 0
    assert arrays["boxes3d/visibility"][list(arrays["boxes3d/track_id"]).index(1)] > 0.95


def test_occlusion_and_truncation_are_what_they_say() -> None:
    """A car half behind another is occluded; one half out of the picture is truncated."""
    rows = [
        EGO_ROW,
        (AgentKind.CAR, 112.0, 3.5, 0, 0),
        (AgentKind.CAR, 120.0, 2.4, 0, 0),
        (AgentKind.CAR, 104.5, 0.2, 0, 0),
    ]

    arrays = sense(rows)

    table = {int(t): k for k, t in enumerate(arrays["boxes2d/front/track_id"])}
    occlusion, truncation = arrays["boxes2d/front/occlusion"], arrays["boxes2d/front/truncation"]
    assert occlusion[table[1]] == 0
    assert 0.2 < occlusion[table[2]] < 0.95
    assert truncation[table[1]] == 0
    assert truncation[table[3]] > 0.2


def test_boxes_are_in_the_ego_frame() -> None:
    """Axes are x forward and y left, velocity over ground; the ego heads north."""
    north = np.pi / 2
    rows = [(AgentKind.CAR, 100, 0, north, 10), (AgentKind.CAR, 97.0, 20.0, np.pi, 5.0)]

    arrays = sense(rows, Rig(name="labels", sensors=(Boxes3D(),)))

    np.testing.assert_allclose(
        arrays["boxes3d/box"][0], [20, 3, 0.75, 4.5, 1.85, 1.5, north], atol=1e-4
    )
    np.testing.assert_allclose(arrays["boxes3d/velocity"][0], [0, 5], atol=1e-4)


def test_points_beyond_the_storable_range_are_left_out() -> None:
    """A sensor that reaches 400 m stores nothing beyond 163.8 m, and wraps nothing."""
    far = replace(LIDAR_MODELS["vlp32"], reach=400.0, reach_dark=4000.0)
    rig = Rig(name="far", sensors=(Lidar(model=far),))

    arrays = sense(CROWD, rig)

    assert np.abs(arrays["lidar/top/xyz"].astype(float) * SCALE).max() <= 32767 * SCALE
    points = measured(arrays)
    direction = np.abs(np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))))
    assert direction.max() < 25.2


SPINNING = [name for name, make in LIDAR_MODELS.items() if isinstance(make, LidarModel)]


@pytest.mark.parametrize("model", SPINNING)
def test_points_lie_on_the_beams_of_the_make(model: str) -> None:
    """The elevation of every point is that of its ring."""
    rig = Rig(name="one", sensors=(Lidar(model=LIDAR_MODELS[model]),))

    arrays = sense(CROWD, rig)

    points = measured(arrays)
    elevation = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    make = LIDAR_MODELS[model]
    assert isinstance(make, LidarModel)
    beam = np.array(make.elevation_deg)[arrays["lidar/top/ring"]]
    far = np.linalg.norm(points, axis=1) > 5
    assert np.abs(elevation - beam)[far].max() < 0.1


def test_fog_takes_points_away() -> None:
    """The denser the fog, the fewer points come back from solid things."""
    counts = []
    for visibility in (20_000.0, 400.0, 80.0):
        semantic = sense(CROWD, conditions=Conditions(visibility=visibility))["lidar/top/semantic"]
        counts.append(int((semantic != 0).sum()))

    assert counts == sorted(counts, reverse=True)
    assert counts[2] < 0.85 * counts[0]


def test_a_camera_that_looks_left_sees_what_is_on_the_left() -> None:
    """A positive yaw turns a camera to the left of the ego."""
    rows = [EGO_ROW, (AgentKind.CAR, 100.0, 13.5, 0.0, 0.0)]
    optics = PinholeCamera(width_px=128, height_px=64)
    left, right = (
        Rig(
            name="side",
            sensors=(Camera(ego_from_sensor=camera_pose(0, 0, 1.5, yaw), optics=optics),),
        )
        for yaw in (np.pi / 2, -np.pi / 2)
    )

    assert (sense(rows, left)["camera/front/instance"] == 2).any()
    assert not (sense(rows, right)["camera/front/instance"] == 2).any()


def test_a_rig_refuses_two_sensors_of_one_name() -> None:
    """Arrays of one name would overwrite each other."""
    with pytest.raises(ValueError, match="rename one of the sensors"):
        Rig(name="twice", sensors=(Lidar(), Lidar()))
