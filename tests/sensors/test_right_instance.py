"""Labels land on the right thing: lidar, camera and 3D boxes agree where nothing is in between."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from scenegen.arrays import Array, FloatArray
from scenegen.geometry.transforms import se3
from scenegen.render import CLASS_OF_KIND, PinholeCamera, SurfaceClass
from scenegen.scene import AgentKind, AgentStates
from scenegen.sensors import (
    LIDAR_MODELS,
    Boxes3D,
    Camera,
    DenseLabels,
    Lidar,
    Rig,
    RoadLabels,
    camera_pose,
)
from scenegen.sensors.lidar import SCALE
from tests.builders import constant_speed_scenario, straight_road

OPTICS = PinholeCamera(width_px=512, height_px=256)
EYE = (0.5, 0.0, 1.6)
KINDS = tuple(AgentKind)
SHARE = 0.995
"""Share of the unoccluded points that must land on the right instance."""


@cache
def sense(seed: int) -> Mapping[str, Array]:
    """Stand still among one agent of every kind, camera and lidar in one place."""
    rng = np.random.default_rng(seed)
    rows = [(AgentKind.CAR, 100.0, 3.5, 0.0, 0.0)]
    for k, kind in enumerate(rng.permutation(len(KINDS))):
        away, aside = 9.0 + 4.0 * k, (-1) ** k * rng.uniform(0.5, 5.0)
        rows.append((KINDS[kind], 100.0 + away, 3.5 + aside, float(rng.uniform(-3, 3)), 0.0))
    scenario = constant_speed_scenario(straight_road(lanes=3), AgentStates.of(rows), steps=1)
    rig = Rig(
        name="one_place",
        sensors=(
            Camera(ego_from_sensor=camera_pose(*EYE), optics=OPTICS),
            DenseLabels(ego_from_sensor=camera_pose(*EYE), optics=OPTICS),
            RoadLabels(ego_from_sensor=camera_pose(*EYE), optics=OPTICS),
            Lidar(ego_from_sensor=se3(np.array(EYE), 0, 0, 0), model=LIDAR_MODELS["pandar64"]),
            Boxes3D(),
        ),
    )
    return next(iter(rig.sense(scenario, seed))).arrays


def project(arrays: Mapping[str, Array]) -> tuple[FloatArray, np.ndarray]:
    """Ego-frame points of the lidar, and the pixel of each, -1 outside the picture."""
    pose = np.asarray(arrays["lidar/top/ego_from_lidar"])
    points = np.asarray(arrays["lidar/top/xyz"]).astype(np.float64) * SCALE
    points = points @ pose[:3, :3].T + pose[:3, 3]
    eye = np.asarray(arrays["camera/front/ego_from_camera"])
    local = (points - eye[:3, 3]) @ eye[:3, :3]
    pixel = local @ np.asarray(arrays["camera/front/intrinsics"]).T
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.floor(pixel[:, :2] / pixel[:, 2:])
    inside = (local[:, 2] > 0.5) & (place >= 1).all(-1)
    inside &= (place < [OPTICS.width_px - 1, OPTICS.height_px - 1]).all(-1)
    return points, np.where(inside[:, None], place, -1).astype(np.int64)


def around(mask: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Values of a mask at places and their eight neighbours, shape (9, n)."""
    column, row = place.T
    return np.stack([mask[row + v, column + u] for v in (-1, 0, 1) for u in (-1, 0, 1)])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", ["semantic", "instance"])
def test_lidar_and_camera_name_the_same_thing(seed: int, label: str) -> None:
    """From one place, 99.5 % of the points fall on or beside a pixel of their class and number."""
    arrays = sense(seed)
    _, place = project(arrays)
    shown = place[:, 0] >= 0
    value = np.asarray(arrays[f"lidar/top/{label}"])[shown]
    if label == "semantic":
        # Paint is a few millimetres of road; a beam may call its rim either.
        value = np.where(value == SurfaceClass.MARKING, SurfaceClass.ROAD, value)
    mask = np.asarray(arrays[f"camera/front/{label}"])
    if label == "semantic":
        mask = np.where(mask == SurfaceClass.MARKING, SurfaceClass.ROAD, mask)

    same = (around(mask, place[shown]) == value).any(0)

    assert shown.sum() > 3000
    assert same.mean() >= SHARE


@pytest.mark.parametrize("seed", range(4))
def test_points_lie_in_the_box_of_their_instance_and_in_no_other(seed: int) -> None:
    """99.5 % of the points with a number lie in that box, three sigma of the range allowed."""
    arrays = sense(seed)
    points, _ = project(arrays)
    number = np.asarray(arrays["lidar/top/instance"])
    fits = 0
    for row, track in enumerate(np.asarray(arrays["boxes3d/track_id"])):
        box = np.asarray(arrays["boxes3d/box"])[row].astype(np.float64)
        mine = points[number == track + 1] - box[:3]
        cos, sin = np.cos(box[6]), np.sin(box[6])
        turned = np.stack([cos * mine[:, 0] + sin * mine[:, 1],
                           cos * mine[:, 1] - sin * mine[:, 0], mine[:, 2]], -1)  # fmt: skip
        fits += int((np.abs(turned) <= box[3:6] / 2 + 0.07).all(-1).sum())

    assert (number > 0).sum() > 500
    assert fits >= SHARE * (number > 0).sum()


@pytest.mark.parametrize("seed", range(4))
def test_panoptic_laws(seed: int) -> None:
    """One class per number, the class of its agent; things have numbers, stuff has none."""
    arrays = sense(seed)
    semantic, number = np.divmod(np.asarray(arrays["camera/front/panoptic"]), 10_000)
    kinds = dict(
        zip(
            np.asarray(arrays["boxes3d/track_id"]).tolist(),
            np.asarray(arrays["boxes3d/class"]).tolist(),
            strict=True,
        )
    )

    for found in np.unique(number[number > 0]):
        assert set(np.unique(semantic[number == found])) == {kinds[int(found) - 1]}
    is_thing = semantic >= SurfaceClass.CAR
    np.testing.assert_array_equal(is_thing, number > 0)


@pytest.mark.parametrize("seed", range(4))
def test_boxes_have_occlusion_and_truncation_for_every_kind(seed: int) -> None:
    """Ratios are shares, the class is the agent's, and whoever is nearest is not occluded."""
    arrays = sense(seed)
    occlusion, truncation = (
        np.asarray(arrays[f"boxes2d/front/{n}"]) for n in ("occlusion", "truncation")
    )

    assert ((occlusion >= 0) & (occlusion <= 1)).all()
    assert ((truncation >= 0) & (truncation <= 1)).all()
    assert set(np.asarray(arrays["boxes2d/front/class"])) <= set(CLASS_OF_KIND.values())
    nearest = list(np.asarray(arrays["boxes2d/front/track_id"])).index(1)
    assert occlusion[nearest] < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_no_agent_stands_in_free_space(seed: int) -> None:
    """Lidar points of agents never fall on free pixels, borders aside."""
    arrays = sense(seed)
    _, place = project(arrays)
    mine = (place[:, 0] >= 0) & (np.asarray(arrays["lidar/top/instance"]) > 0)
    free = np.asarray(arrays["camera/front/free_space"])

    wrong = (around(free, place[mine]) > 0).all(0)

    assert wrong.mean() < 0.005
