"""Promises of the scene file: everything a path tracer needs, in plain arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scenegen.maps import MAP_SOURCES
from scenegen.render import PinholeCamera, View, assemble, build_world
from scenegen.render.scene_file import sky_panorama, write_scene
from scenegen.render.sky import illuminate
from scenegen.render.stage import Stage
from scenegen.render.world import AgentMotion
from scenegen.scene import Conditions, Light, Scene
from scenegen.sensors import camera_pose
from tests.builders import cars


@pytest.fixture(scope="module")
def stage() -> Stage:
    """Build a street in the sun with two road users."""
    roadmap = MAP_SOURCES["urban"]().draw(np.random.default_rng(3))
    conditions = Conditions(light=Light.DAY, sun_elevation=0.5, sun_azimuth=1.0, cloud_cover=0.0)
    world = build_world(roadmap, conditions, 3)
    scene = Scene(
        roadmap=roadmap, agents=cars((0.0, 0.0, 0.0), (20.0, 0.0, 5.0)), conditions=conditions
    )
    return world.stage(scene, AgentMotion.still(2))


def test_file_holds_the_very_triangles(stage: Stage, tmp_path: Path) -> None:
    """Vertices, faces and bitmaps come back bit for bit, without pickles."""
    triangles = assemble(stage)
    pose = stage.map_from_ego @ camera_pose(0, 0, 1.5)
    view = View.of(PinholeCamera(), pose, triangles.origin)
    write_scene(tmp_path / "scene.npz", stage, triangles, [view])
    with np.load(tmp_path / "scene.npz", allow_pickle=False) as file:
        assert np.array_equal(file["vertices"], triangles.vertices)
        assert np.array_equal(file["faces"], triangles.faces)
        assert file["textures"].shape[0] == len(stage.textures.names)
        meta = json.loads(file["meta"].tobytes())
        assert file["material"].max() < len(meta["materials"])
        assert np.allclose(file["turn"][0] @ file["turn"][0].T, np.eye(3), atol=1e-9)
    assert meta["focal_px"] == pytest.approx(view.camera.focal_px)


def test_panorama_glows_where_the_sun_is(stage: Stage) -> None:
    """The brightest place lies within 5 degrees of the sun, and the disc itself is left out."""
    sky = sky_panorama(stage)
    rows, columns = sky.shape[:2]
    row, column = np.unravel_index(sky.sum(-1).argmax(), (rows, columns))
    polar, azimuth = (row + 0.5) / rows * np.pi, (0.5 - (column + 0.5) / columns) * 2 * np.pi
    found = np.array(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    )
    light = illuminate(stage.conditions)
    assert found @ light.sun_direction > np.cos(np.radians(5.0))
    assert sky.max() < 4.0 * light.sun.max()
