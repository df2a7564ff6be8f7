"""What lies in the shadow of houses, trees and vehicles is where rays to the sun are blocked."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import pytest

from scenegen.maps import MAP_SOURCES
from scenegen.render import (
    AgentMotion,
    PinholeCamera,
    Stage,
    SurfaceClass,
    Triangles,
    View,
    assemble,
    build_world,
    light_buffers,
)
from scenegen.render.ray_caster import cast_rays
from scenegen.render.sky import illuminate
from scenegen.scene import AgentKind, AgentStates, Conditions, Scene
from scenegen.sensors import camera_pose

CAMERA = PinholeCamera(width_px=200, height_px=100)
SKIES = {
    "low": Conditions(sun_elevation=math.radians(12), sun_azimuth=0.9, cloud_cover=0.0),
    "slanting": Conditions(sun_elevation=math.radians(30), sun_azimuth=2.2, cloud_cover=0.0),
    "high": Conditions(sun_elevation=math.radians(55), sun_azimuth=-1.4, cloud_cover=0.0),
}


@cache
def street(name: str) -> tuple[Stage, Triangles]:
    """Build a street of houses with a bus and cars under a sun."""
    roadmap = MAP_SOURCES["urban"]().draw(np.random.default_rng(3))
    line = roadmap.lanes[roadmap.traffic_lanes[0]].centerline
    x, y = (float(v) for v in line[len(line) // 3])
    ahead = line[len(line) // 3 + 1] - line[len(line) // 3]
    yaw = math.atan2(ahead[1], ahead[0])
    cos, sin = math.cos(yaw), math.sin(yaw)
    rows = [(AgentKind.CAR, x, y, yaw, 5.0)]
    for n, (kind, way) in enumerate(
        ((AgentKind.CAR, 14), (AgentKind.BUS, 32), (AgentKind.CAR, 60))
    ):
        rows.append((kind, x + way * cos - n * sin, y + way * sin + n * cos, yaw, 5.0))
    scene = Scene(roadmap=roadmap, agents=AgentStates.of(rows), conditions=SKIES[name])
    stage = build_world(roadmap, SKIES[name], 2).stage(scene, AgentMotion.still(len(rows)))
    return stage, assemble(stage)


@pytest.mark.parametrize("turned", [0.0, 1.1, -2.0])
@pytest.mark.parametrize("name", SKIES)
def test_shadows_lie_where_rays_to_the_sun_are_blocked(name: str, turned: float) -> None:
    """On 98 % of the pixels that face the sun, but for those at the edge of a shadow."""
    stage, triangles = street(name)
    pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5, turned)
    view = View.of(CAMERA, pose, triangles.origin)
    buffer, light = light_buffers(stage, triangles, view)
    sun = illuminate(stage.conditions).sun_direction
    place = buffer.samples.place - [CAMERA.width_px / 2, CAMERA.height_px / 2]
    ray = np.column_stack([place / CAMERA.focal_px, np.ones(len(place))]) @ view.turn
    facing = (buffer.depth > 0) & (buffer.normal @ sun > 0.05)
    chosen = np.flatnonzero(facing)
    start = view.eye + ray[chosen] * buffer.depth[chosen, None] + 0.04 * buffer.normal[chosen]
    blocked = np.zeros(len(place), np.uint8)
    direction = np.broadcast_to(sun, start.shape)
    blocked[chosen] = cast_rays(triangles, start, direction, reach=1e5).face >= 0
    image = np.where(facing, blocked, 2).reshape(CAMERA.height_px, CAMERA.width_px)
    square = np.ones((3, 3), np.uint8)
    even = (cv2.erode(image, square) == cv2.dilate(image, square)).reshape(-1)

    agrees = (light.sun_visibility.reshape(-1) < 0.5) == (blocked == 1)

    assert (facing & even).sum() > 2000
    assert agrees[facing & even].mean() >= 0.98


def test_houses_far_down_the_street_throw_shadows() -> None:
    """Beyond 80 m there is shade too, and as much of it as rays find."""
    stage, triangles = street("low")
    shares = []
    for turned in (0.0, 0.25, -0.25):
        pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5, turned)
        buffer, light = light_buffers(stage, triangles, View.of(CAMERA, pose, triangles.origin))
        sun = illuminate(stage.conditions).sun_direction
        far = (buffer.depth > 80) & (buffer.depth < 200) & (buffer.normal @ sun > 0.05)
        far &= buffer.semantic == SurfaceClass.BUILDING
        shares.append(light.sun_visibility.reshape(-1)[far] < 0.5)
    assert np.concatenate(shares).mean() > 0.05
