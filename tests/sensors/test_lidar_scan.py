"""A scan takes time: rays are exact at their own time, and points come back to their places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.render import RayGrid, cast_grid
from scenegen.render.rasterizer import NOTHING
from scenegen.render.ray_caster import RayHits, cast_rays
from scenegen.scene import EGO, AgentKind, Conditions
from scenegen.sensors import LIDAR_MODELS, Lidar, LidarModel, WorldView
from scenegen.sensors.lidar import SCALE, TIME_STEP, Loss
from scenegen.sensors.motion import (
    agent_twists,
    as_measured,
    compensated,
    pose_after,
    thing_motions,
)
from scenegen.sensors.scan import Scan, scan
from tests.sensors.streets import BUSY, drive, middle, sensed, stopped

COARSE = replace(LIDAR_MODELS["hdl64"], columns=512)
POSE = Lidar().ego_from_sensor


def exact(found: Scan, view: WorldView) -> RayHits:
    """Trace every ray of a scan at its own time through a tree."""
    turn = found.pose[found.rays.slot, :3, :3]
    return cast_rays(
        view.triangles,
        found.pose[found.rays.slot, :3, 3],
        np.einsum("rij,rj->ri", turn, found.rays.direction),
        reach=COARSE.reach,
        time=found.rays.time[found.rays.slot],
        motions=thing_motions(view.triangles, view.stage.agents, view.twists),
    )


@pytest.mark.parametrize("yaw_rate", [0.0, 0.4, -0.8])
def test_a_scan_in_motion_is_exact_at_the_time_of_each_ray(yaw_rate: float) -> None:
    """At 25 m/s, 99.5 % of the ranges are those of the exact tracer to a millimetre.

    While the ego turns 99 %, for the sector behind that is seen twice or not at all.
    """
    view = middle()
    twists = view.twists.copy()
    twists[EGO, 2] = twists[3, 2] = yaw_rate
    moving = replace(view, twists=twists)

    found = scan(COARSE, moving, POSE)

    truth = exact(found, moving)
    met = truth.range < 0.9 * COARSE.reach
    error = np.abs(found.first.range[met] - truth.range[met])
    assert (error < 1e-3).mean() > (0.99 if yaw_rate else 0.995)
    assert (error < 0.1).mean() > (0.993 if yaw_rate else 0.998)
    # Without motion most of these ranges would be wrong by more than that.
    still = scan(COARSE, stopped(view), POSE)
    assert (np.abs(still.first.range[met] - truth.range[met]) > 0.02).mean() > 0.15


def test_a_standing_world_is_measured_as_if_at_once() -> None:
    """Where nobody moves, a rolling scan is the scan of one instant, to the bit."""
    view = stopped(middle())

    found = scan(COARSE, view, POSE)

    assert isinstance(COARSE, LidarModel)
    grid = RayGrid(elevation=np.radians(COARSE.elevation_deg), columns=COARSE.columns)
    image = cast_grid(view.triangles, grid, view.stage.map_from_ego @ POSE, reach=COARSE.reach)
    np.testing.assert_array_equal(found.first.range, image.range.reshape(-1))
    np.testing.assert_array_equal(found.first.face, image.face.reshape(-1))


def test_the_column_that_looks_ahead_is_measured_at_the_instant() -> None:
    """Time falls with azimuth: clockwise, half a period before and after."""
    rays = COARSE.rays()
    azimuth = np.arctan2(rays.direction[:, 1], rays.direction[:, 0])

    np.testing.assert_allclose(rays.time[rays.slot], -azimuth / (2 * np.pi) * 0.1, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_compensation_and_its_inverse_cancel(seed: int) -> None:
    """Points come back to a nanometre, whatever the twist and the mount."""
    rng = np.random.default_rng(seed)
    points, time = rng.uniform(-80, 80, (200, 3)), rng.uniform(-0.05, 0.05, 200)
    twist, mount = rng.uniform(-1, 1, 3) * [30, 3, 1], Lidar().ego_from_sensor

    back = compensated(as_measured(points, time, twist, mount), time, twist, mount)

    np.testing.assert_allclose(back, points, atol=1e-9)


def test_what_stands_is_where_it_is_whatever_the_speed() -> None:
    """Compensated points of scenery at 25 m/s lie where a standing sensor measures them."""
    view = middle(BUSY[:1])
    quiet = Lidar(model=replace(COARSE, noise=0.0))

    moving, still = (sensed(quiet, v) for v in (view, stopped(view)))

    def wall(arrays: dict[str, np.ndarray]) -> np.ndarray:
        points = arrays["xyz"] * SCALE
        return points[(arrays["semantic"] == 1) & (np.abs(points[:, 0]) < 20)]

    ground = [wall(dict(arrays)) for arrays in (moving, still)]
    assert abs(np.median(ground[0][:, 2]) - np.median(ground[1][:, 2])) < 0.006
    assert np.abs(moving["time"] * TIME_STEP).max() <= 0.0501
    raw = as_measured(moving["xyz"] * SCALE, moving["time"] * TIME_STEP, moving["twist"], POSE)
    ahead = np.abs(raw - moving["xyz"] * SCALE).max(1)
    np.testing.assert_allclose(ahead, 25.0 * np.abs(moving["time"]) * TIME_STEP, atol=1e-6)


def test_a_car_that_moves_is_smeared_by_its_own_motion() -> None:
    """Points on a car beside a standing ego lie where it is at their time."""
    rows = (
        (AgentKind.CAR, 100.0, 3.5, 0.0, 0.0),
        (AgentKind.CAR, 100.0, -2.0, 0.0, 30.0),
    )
    view = middle(rows)
    arrays = sensed(Lidar(model=replace(COARSE, noise=0.0)), view)

    mine = arrays["instance"] == 2
    points = arrays["xyz"][mine] * SCALE
    time = arrays["time"][mine] * TIME_STEP
    rear = float(view.stage.agents.position[1, 0] - view.stage.agents.position[0, 0])
    local = points[:, 0] - rear - 30.0 * time
    assert mine.sum() > 100
    assert np.abs(local).max() < 4.5 / 2 + 0.03
    # To the right of a lidar that turns clockwise, the time is after the instant.
    bearing = np.arctan2(5.5, rear)
    assert time.mean() == pytest.approx(0.1 * bearing / (2 * np.pi), abs=0.002)


def test_twists_are_those_of_the_scenario() -> None:
    """Constant speed gives itself; a turn gives its rate."""
    happening = drive()
    happening.agents.yaw[2, 1] += 0.02
    happening.agents.yaw[0, 1] -= 0.02

    twists = agent_twists(happening, 1)

    np.testing.assert_allclose(twists[0], [25.0, 0.0, 0.0], atol=1e-3)
    assert twists[1, 2] == pytest.approx(0.2, abs=1e-4)


def test_a_pose_on_a_twist_moves_and_turns() -> None:
    """After 2 s at 3 m/s and 0.1 rad/s: 6 m along map x, 0.2 rad to the left."""
    pose = pose_after(np.eye(4), np.array([3.0, 0.0, 0.1]), 2.0)

    np.testing.assert_allclose(pose[:3, 3], [6, 0, 0])
    assert np.arctan2(pose[1, 0], pose[0, 0]) == pytest.approx(0.2)


def test_two_echoes_come_from_edges_alone() -> None:
    """The second lies behind the first, there are few, and shares add up to 1 at most."""
    found = scan(COARSE, middle(), POSE, wide=True)
    thin = scan(COARSE, middle(), POSE)

    assert found.second is not None
    both = found.second.face != NOTHING
    assert 100 < both.sum() < 0.1 * len(both)
    gap = found.second.range[both] - found.first.range[both]
    assert gap.min() > 0
    assert (found.share.sum(1) <= 1).all()
    whole = found.share[:, 0] == 1
    same = found.first.face == thin.first.face
    assert (whole & same).mean() > 0.85


def test_dual_returns_hold_the_strongest_and_a_second() -> None:
    """Every ray with a second return has a first; single returns have none."""
    view = middle(BUSY, Conditions(visibility=150.0))

    dual = sensed(Lidar(model=COARSE, dual=True), view)
    single = sensed(Lidar(model=COARSE), view)

    assert not single["return_id"].any()
    second = np.flatnonzero(dual["return_id"] == 1)
    assert len(second) > 100
    assert (dual["return_id"][second - 1] == 0).all()
    assert (dual["ring"][second] == dual["ring"][second - 1]).all()
    # Echoes nearer to each other than half a pulse, 75 cm, are one (three sigma of noise aside).
    gap = np.linalg.norm((dual["xyz"][second].astype(float) - dual["xyz"][second - 1]), axis=1)
    assert np.percentile(gap * SCALE, 1) > 0.65


@pytest.mark.parametrize(
    "conditions",
    [Conditions(), Conditions(visibility=120.0), Conditions(rain_mm_per_h=20.0, wetness=1.0)],
    ids=["clear", "fog", "rain"],
)
def test_every_ray_that_meets_a_thing_is_a_point_or_a_loss(conditions: Conditions) -> None:
    """Points on things and listed losses are as many as rays that meet something."""
    view = middle(BUSY, conditions)
    lidar = Lidar(model=COARSE, losses=True)

    arrays = sensed(lidar, view)

    met = int((scan(COARSE, view, POSE).first.face != NOTHING).sum())
    solid = int((arrays["is_weather"] == 0).sum())
    assert solid + len(arrays["lost_ray"]) == met
    assert len(np.unique(arrays["lost_ray"])) == len(arrays["lost_ray"])
    assert arrays["lost_reason"].max() < len(Loss)


@pytest.mark.parametrize("name", ["mid40", "flash"])
def test_other_patterns_see_the_same_world(name: str) -> None:
    """A solid-state lidar's points on a car lie in its box."""
    arrays = sensed(Lidar(model=replace(LIDAR_MODELS[name], noise=0.0)), middle())

    mine = arrays["instance"] == 2
    points = arrays["xyz"][mine] * SCALE
    assert mine.sum() > 30
    # The car ahead: 15 m on, 3 m/s slower, box 4.5 x 1.85 m.
    ahead = 15.0 - 0.1 * 3.0 + 22.0 * arrays["time"][mine] * TIME_STEP
    assert np.abs(points[:, 0] - ahead).max() < 2.25 + 0.03
    assert np.abs(points[:, 1]).max() < 0.95
    assert np.unique(arrays["ring"]).size == (1 if name == "mid40" else 64)
