"""Small scenes and pairs without a path tracer: the teacher is the base in another light."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from scenegen.appearance.camera_inputs import CameraInputs, camera_inputs
from scenegen.appearance.camera_pairs import FOLDER, write_scene_rows
from scenegen.arrays import FloatArray
from scenegen.render import (
    AgentMotion,
    Picture,
    PinholeCamera,
    Stage,
    Triangles,
    View,
    assemble,
    build_world,
    look,
)
from scenegen.scene import AgentKind, AgentStates, Conditions, Light, Scene, Weather
from scenegen.sensors import camera_pose
from tests.builders import straight_road

CAMERA = PinholeCamera(width_px=64, height_px=32, fov=math.radians(80))
DAY = Conditions()
NIGHT = Conditions(light=Light.NIGHT, sun_elevation=-0.5)
FOG = Conditions(weather=Weather.FOG, visibility=80.0, cloud_cover=1.0)
WET = Conditions(weather=Weather.RAIN, rain_mm_per_h=4.0, wetness=0.7, cloud_cover=1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmallScene:
    """A scene as the cache of pairs takes it."""

    stage: Stage
    triangles: Triangles
    views: tuple[View, ...]
    digest: str = "small"
    is_held_out: bool = False


@cache
def small_scene(
    conditions: Conditions, ahead: float = 0.0, camera: PinholeCamera = CAMERA
) -> SmallScene:
    """A car before the ego on a straight road, seen by two cameras `ahead` of the usual place."""
    road = straight_road(lanes=3)
    agents = AgentStates.of(
        [(AgentKind.CAR, 100.0, 3.5, 0.0, 12.0), (AgentKind.CAR, 111.0, 3.5, 0.0, 12.0)]
    )
    world = build_world(road, conditions, 1)
    scene = Scene(roadmap=road, agents=agents, conditions=conditions)
    stage = world.stage(scene, AgentMotion.still(2))
    triangles = assemble(stage)
    poses = [stage.map_from_ego @ camera_pose(0.5 + ahead, 0.0, 1.5, yaw) for yaw in (0.0, 0.4)]
    views = tuple(View.of(camera, pose, triangles.origin) for pose in poses)
    return SmallScene(stage=stage, triangles=triangles, views=views)


@cache
def snap(conditions: Conditions, ahead: float = 0.0) -> Picture:
    """Take the picture of the first camera, with its light."""
    scene = small_scene(conditions, ahead)
    rng = np.random.default_rng(0)
    return look(scene.stage, scene.triangles, scene.views[0], rng, with_light=True)


@cache
def inputs_of(conditions: Conditions) -> CameraInputs:
    """Lay out the inputs of the picture."""
    return camera_inputs(snap(conditions), small_scene(conditions).stage, 7)


def pretend_traced(scene: SmallScene) -> FloatArray:
    """Radiance of a teacher that sees the base in a warmer and dimmer light, (V, H, W, 3)."""
    rng = np.random.default_rng(0)
    pictures = [look(scene.stage, scene.triangles, v, rng, with_light=True) for v in scene.views]
    tint = np.array([0.8, 0.6, 0.45], np.float32)
    return np.stack([np.asarray(p.clear) * tint for p in pictures])


def small_pairs(folder: Path) -> Path:
    """Write the cache of three scenes to learn from and one that is held out."""
    (folder / FOLDER).mkdir(parents=True)
    for number, conditions in enumerate((DAY, NIGHT, WET, FOG)):
        scene = small_scene(conditions)
        marked = replace(scene, is_held_out=number == 3)
        write_scene_rows(folder / FOLDER, number, marked, pretend_traced(scene))
    return folder
