"""Lenses and shutters of cameras: identities, exact sub-frames, labels that match."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.render import PinholeCamera
from scenegen.render.lens import BrownConradyLens, KannalaBrandtLens
from scenegen.render.lens_views import still
from scenegen.scene import EGO
from scenegen.sensors import Camera, Shutter, camera_pose
from tests.sensors.streets import middle, sensed, stopped

OPTICS = PinholeCamera(width_px=160, height_px=80)
PLAIN = BrownConradyLens.of(OPTICS)
SIDE = camera_pose(1.0, 0.6, 1.5, float(np.radians(60)))
FISHEYE = KannalaBrandtLens(width_px=160, height_px=128, focal=(50.0, 50.0))


def test_a_lens_without_distortion_sees_what_a_pinhole_sees() -> None:
    """Classes agree on 99 % of the pixels, depth on smooth surfaces to a millimetre per metre."""
    pinhole, lens = (sensed(Camera(optics=o), middle()) for o in (OPTICS, PLAIN))

    same = pinhole["semantic"] == lens["semantic"]
    near = same & (pinhole["depth"] > 0) & (pinhole["depth"] < 30)
    error = np.abs(lens["depth"][near] / pinhole["depth"][near] - 1)
    assert same.mean() > 0.99
    assert np.percentile(error, 95) < 1e-3


def test_range_on_the_ground_is_exact() -> None:
    """A fisheye's range on the road is the height over the sine of the angle down."""
    view = middle()
    pose = view.stage.map_from_ego @ camera_pose(2.0, 0.0, 1.5, 0.0, 0.3)

    seen = still(view.stage, view.triangles, FISHEYE, pose)

    down = -(FISHEYE.rays() @ pose[:3, :3].T)[..., 2]
    road = (seen.semantic == 1) & (seen.range > 0) & (seen.range < 12)
    error = np.abs(seen.range[road] * down[road] - 1.5)
    assert road.sum() > 1000
    assert np.median(error) < 0.01
    assert np.percentile(error, 95) < 0.05


def test_points_of_agents_project_into_their_mask() -> None:
    """Vertices of the car ahead, through a fisheye, fall on or beside its pixels; boxes agree."""
    arrays = sensed(Camera(optics=FISHEYE), middle())

    row = list(arrays["track_id"]).index(1)
    visible, amodal = arrays["visible"][row], arrays["amodal"][row]
    assert (amodal[:2] <= visible[:2]).all()
    assert (amodal[2:] >= visible[2:]).all()
    assert np.abs(amodal - visible).max() < 3.0
    assert arrays["occlusion"][row] < 0.3


def test_a_shutter_without_time_is_the_identity() -> None:
    """Zero readout and exposure give the pinhole's own arrays, to the bit."""
    view = middle()

    plain, instant = (
        sensed(Camera(optics=OPTICS, shutter=s), view) for s in (Shutter(), Shutter(samples=3))
    )

    assert all(plain[key].tobytes() == instant[key].tobytes() for key in plain)


def test_a_rolling_shutter_in_a_standing_world_changes_no_label() -> None:
    """Where nothing moves, rows at their own time show what all at once shows."""
    view = stopped(middle())

    fixed, rolling = (
        sensed(Camera(optics=o, shutter=s), view)
        for o, s in ((PLAIN, Shutter()), (OPTICS, Shutter(readout=0.03, exposure=0.01)))
    )

    np.testing.assert_array_equal(fixed["semantic"], rolling["semantic"])
    np.testing.assert_allclose(fixed["depth"], rolling["depth"], rtol=1e-5)
    assert np.abs(fixed["rgb"].astype(int) - rolling["rgb"]).max() <= 1


@pytest.mark.parametrize("row", [8, 40, 71])
def test_each_row_is_what_is_seen_at_its_time(row: int) -> None:
    """At 25 m/s, rows of a rolling shutter agree with pictures taken at their very times."""
    view, shutter = middle(), Shutter(readout=0.03)
    camera = Camera(optics=OPTICS, ego_from_sensor=SIDE, shutter=shutter)

    rolling = sensed(camera, view)

    time = float(shutter.row_time(np.array(row + 0.5), 80))
    then = sensed(replace(camera, shutter=Shutter()), view.later(time))
    agree = rolling["semantic"][row] == then["semantic"][row]
    assert agree.mean() > 0.95
    depth, truth = rolling["depth"][row], then["depth"][row]
    near = agree & (truth > 0) & (truth < 40)
    error = np.abs(depth[near] / truth[near] - 1)
    assert np.median(np.append(error, 0.0)) < 0.01


def test_more_subframes_come_closer_to_the_truth() -> None:
    """Over all rows, four sub-frames agree with exact pictures at least as well as one."""
    view = middle()
    truth = np.zeros((80, 160), np.uint8)
    shutter = Shutter(readout=0.06)
    camera = Camera(optics=OPTICS, ego_from_sensor=SIDE)
    for row in range(0, 80, 8):
        time = float(shutter.row_time(np.array(row + 0.5), 80))
        truth[row] = sensed(camera, view.later(time))["semantic"][row]

    wrong = []
    for count in (1, 4):
        rolling = sensed(replace(camera, shutter=replace(shutter, subframes=count)), view)
        wrong.append((rolling["semantic"][::8] != truth[::8]).mean())

    assert wrong[1] <= wrong[0] + 0.002
    assert wrong[0] < 0.05


def test_motion_blur_is_the_mean_over_the_exposure() -> None:
    """A long exposure smears the picture along the motion, and keeps its mean light."""
    view = middle()
    twists = view.twists.copy()
    twists[EGO] = [0.0, 0.0, 1.0]
    turning = replace(view, twists=twists)

    sharp, blurred = (
        sensed(Camera(optics=OPTICS, shutter=s), turning)["rgb"].astype(float)
        for s in (Shutter(readout=1e-9), Shutter(exposure=0.04))
    )

    def edges(image: np.ndarray, axis: int) -> float:
        return float(np.abs(np.diff(image[20:60, 30:130], axis=axis)).mean())

    assert edges(blurred, 1) < 0.75 * edges(sharp, 1)
    assert edges(blurred, 1) / edges(sharp, 1) < edges(blurred, 0) / edges(sharp, 0)
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=0.05)


def test_a_shutter_refuses_negative_times() -> None:
    """Time does not run backwards through a sensor."""
    with pytest.raises(ValueError, match="expected times of 0 or more"):
        Shutter(readout=-0.01)
