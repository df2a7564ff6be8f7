"""Labels behind a lens are those of its picture, and land on the right thing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from scenegen.arrays import Array
from scenegen.geometry.transforms import se3
from scenegen.render import PinholeCamera, SurfaceClass
from scenegen.render.lens import BrownConradyLens, KannalaBrandtLens, Lens
from scenegen.scene import AgentKind, AgentStates
from scenegen.sensors import (
    LIDAR_MODELS,
    Boxes3D,
    Camera,
    DenseLabels,
    Lidar,
    Rig,
    Sensor,
    camera_pose,
)
from scenegen.sensors.lidar import SCALE
from tests.builders import constant_speed_scenario, straight_road
from tests.sensors.streets import drive

PINHOLE = PinholeCamera(width_px=160, height_px=80)
FISHEYE = KannalaBrandtLens(
    width_px=400, height_px=320, focal=(125.0, 125.0), radial=(0.03, -0.01, 0.0, 0.0)
)
BARREL = BrownConradyLens(
    width_px=320, height_px=200, focal=(200.0, 200.0), radial=(-0.25, 0.06, 0.0)
)
LENSES: dict[str, Lens] = {"fisheye": FISHEYE, "barrel": BARREL}
SHARE = 0.995
EYE = (0.5, 0.0, 1.6)
KINDS = tuple(AgentKind)


@cache
def sense(seed: int, lens: str) -> Mapping[str, Array]:
    """Stand still among one agent of every kind, camera and lidar in one place."""
    rng = np.random.default_rng(seed)
    rows = [(AgentKind.CAR, 100.0, 3.5, 0.0, 0.0)]
    for k, kind in enumerate(rng.permutation(len(KINDS))):
        angle, away = rng.uniform(-1.3, 1.3), 8.0 + 3.0 * k
        place = (100.0 + away * float(np.cos(angle)), 3.5 + away * float(np.sin(angle)))
        rows.append((KINDS[kind], *place, float(rng.uniform(-3, 3)), 0.0))
    scenario = constant_speed_scenario(straight_road(lanes=3), AgentStates.of(rows), steps=1)
    optics = LENSES[lens]
    rig = Rig(
        name="one_place",
        sensors=(
            Camera(ego_from_sensor=camera_pose(*EYE), optics=optics),
            DenseLabels(ego_from_sensor=camera_pose(*EYE), optics=optics),
            Lidar(ego_from_sensor=se3(np.array(EYE), 0, 0, 0), model=LIDAR_MODELS["pandar64"]),
            Boxes3D(),
        ),
    )
    return next(iter(rig.sense(scenario, seed))).arrays


@pytest.mark.parametrize("lens", LENSES)
def test_panoptic_numbers_are_those_of_the_picture(lens: str) -> None:
    """Pixel for pixel the class and instance that the camera gives."""
    arrays = sense(0, lens)
    semantic, instance = np.divmod(arrays["camera/front/panoptic"], 10_000)

    np.testing.assert_array_equal(semantic, arrays["camera/front/semantic"])
    np.testing.assert_array_equal(instance, arrays["camera/front/instance"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lens", LENSES)
def test_lidar_and_lens_name_the_same_thing(seed: int, lens: str) -> None:
    """From one place, 99.5 % of the points fall on or beside a pixel of their class and number."""
    arrays, optics = sense(seed, lens), LENSES[lens]
    pose, eye = (
        np.asarray(arrays[name])
        for name in ("lidar/top/ego_from_lidar", "camera/front/ego_from_camera")
    )
    points = np.asarray(arrays["lidar/top/xyz"]).astype(np.float64) * SCALE
    local = (points @ pose[:3, :3].T + pose[:3, 3] - eye[:3, 3]) @ eye[:3, :3]
    place = optics.project(local)
    inside = np.isfinite(place).all(-1) & (np.nan_to_num(place, nan=-1.0) >= 1).all(-1)
    inside &= (np.nan_to_num(place) < [optics.width_px - 1, optics.height_px - 1]).all(-1)
    column, row = np.floor(place[inside]).astype(np.int64).T
    inside_circle = np.isfinite(optics.rays()[row, column, 0])

    assert inside.sum() > 3000
    for label in ("semantic", "instance"):
        value = np.asarray(arrays[f"lidar/top/{label}"])[inside]
        mask = np.asarray(arrays[f"camera/front/{label}"])
        if label == "semantic":
            value = np.where(value == SurfaceClass.MARKING, SurfaceClass.ROAD, value)
            mask = np.where(mask == SurfaceClass.MARKING, SurfaceClass.ROAD, mask)
        near = [mask[row + v, column + u] for v in (-1, 0, 1) for u in (-1, 0, 1)]
        assert (np.stack(near) == value).any(0)[inside_circle].mean() >= SHARE


@pytest.mark.parametrize("seed", range(3))
def test_pixels_of_an_agent_lie_in_its_box(seed: int) -> None:
    """By range and ray, 99.5 % of a fisheye's pixels with a number are within that box."""
    arrays = sense(seed, "fisheye")
    eye = np.asarray(arrays["camera/front/ego_from_camera"])
    reach = np.asarray(arrays["camera/front/depth"])[..., None].astype(np.float64)
    points = reach * FISHEYE.rays() @ eye[:3, :3].T + eye[:3, 3]
    number = np.asarray(arrays["camera/front/instance"])
    fits = 0
    for row, track in enumerate(np.asarray(arrays["boxes3d/track_id"])):
        box = np.asarray(arrays["boxes3d/box"])[row].astype(np.float64)
        mine = points[number == track + 1] - box[:3]
        cos, sin = np.cos(box[6]), np.sin(box[6])
        turned = np.stack([cos * mine[:, 0] + sin * mine[:, 1],
                           cos * mine[:, 1] - sin * mine[:, 0], mine[:, 2]], -1)  # fmt: skip
        fits += int((np.abs(turned) <= box[3:6] / 2 + 0.15).all(-1).sum())

    assert (number > 0).sum() > 500
    assert fits >= SHARE * (number > 0).sum()


def frames(*sensors: Sensor) -> list[Mapping[str, Array]]:
    """What sensors give at the three instants of a drive, without the name in front."""
    rig = Rig(name="one", sensors=sensors)
    return [
        {name.rpartition("/")[2]: array for name, array in frame.arrays.items()}
        for frame in rig.sense(drive(), 1)
    ]


def test_flow_without_distortion_is_that_of_a_pinhole() -> None:
    """To a twentieth of a pixel, and the masks agree on 98 % of the pixels."""
    plain, lens = (
        frames(DenseLabels(optics=optics))[1] for optics in (PINHOLE, BrownConradyLens.of(PINHOLE))
    )

    for name in ("flow", "flow_back"):
        both = plain["panoptic"] == lens["panoptic"]
        both &= (plain[f"{name}_mask"] == 1) & (lens[f"{name}_mask"] == 1)
        error = np.abs(plain[name][both].astype(float) - lens[name][both].astype(float)).max(-1)
        assert both.mean() > 0.6
        assert np.percentile(error, 95) < 0.05
        assert (plain[f"{name}_mask"] == lens[f"{name}_mask"]).mean() > 0.98


def test_flow_through_a_fisheye_leads_to_the_same_thing() -> None:
    """At the next instant 99 % of the pixels with an unmasked flow meet their own number."""
    here, later, _ = frames(Camera(optics=FISHEYE), DenseLabels(optics=FISHEYE))
    rows, columns = np.mgrid[0 : FISHEYE.height_px, 0 : FISHEYE.width_px]
    seen = here["flow_mask"] == 1
    place = np.stack([columns, rows], -1) + 0.5 + here["flow"].astype(float)
    last = [FISHEYE.width_px - 1, FISHEYE.height_px - 1]
    number = here["instance"][seen]
    offsets = [(u, v) for u in (-1, 0, 1) for v in (-1, 0, 1)]
    near = [np.clip(np.floor(place[seen]).astype(int) + offset, 0, last) for offset in offsets]
    met = np.stack([later["instance"][at[:, 1], at[:, 0]] for at in near])

    assert (number > 0).sum() > 300
    assert (np.abs(here["flow"][seen]).max(-1) > 1.0).mean() > 0.1
    assert (met == number).any(0)[number > 0].mean() > 0.99


@pytest.mark.parametrize("lens", LENSES)
def test_normals_are_unit_and_the_road_faces_up(lens: str) -> None:
    """In the camera frame up is -y; off the image circle there is nothing."""
    arrays = sense(0, lens)
    normal = np.asarray(arrays["camera/front/normal"]).astype(float) / 127
    solid = np.asarray(arrays["camera/front/depth"]) > 0
    road = np.asarray(arrays["camera/front/semantic"]) == SurfaceClass.ROAD

    np.testing.assert_allclose(np.linalg.norm(normal[solid], axis=-1), 1, atol=0.02)
    np.testing.assert_allclose(normal[~solid], 0)
    upward = np.broadcast_to([0, -1, 0], normal[road].shape)
    np.testing.assert_allclose(normal[road], upward, atol=0.01)
