"""The sensors and rigs that have names."""

from __future__ import annotations

import numpy as np

from scenegen.geometry.transforms import se3
from scenegen.render import PinholeCamera
from scenegen.render.lens import KannalaBrandtLens
from scenegen.sensors.camera import Camera, camera_pose
from scenegen.sensors.dense import DenseLabels
from scenegen.sensors.labels import Boxes3D, EgoPose
from scenegen.sensors.lidar import Lidar
from scenegen.sensors.lidar_models import LIDAR_MODELS
from scenegen.sensors.light import LightMaps
from scenegen.sensors.radar import Radar
from scenegen.sensors.radar_models import RADAR_MODELS
from scenegen.sensors.rig import Rig
from scenegen.sensors.road_labels import RoadLabels
from scenegen.sensors.sensor import Sensor
from scenegen.sensors.shutter import Shutter

FISHEYE = KannalaBrandtLens(
    width_px=480,
    height_px=384,
    focal=(150.0, 150.0),
    radial=(0.02, -0.005, 0.001, 0.0),
    widest=float(np.radians(95.0)),
)
"""A surround-view lens of 190 degrees."""


def _surround() -> tuple[Sensor, ...]:
    """Six cameras like nuScenes: five of 70 degrees around, 110 degrees to the back."""
    around = (
        ("front", 1.5, 0.0, 0.0, 70.0),
        ("front_left", 1.3, 0.5, 55.0, 70.0),
        ("front_right", 1.3, -0.5, -55.0, 70.0),
        ("back_left", 0.9, 0.5, 110.0, 70.0),
        ("back_right", 0.9, -0.5, -110.0, 70.0),
        ("back", 0.0, 0.0, 180.0, 110.0),
    )
    return tuple(
        Camera(
            name=name,
            ego_from_sensor=camera_pose(x, y, 1.5, float(np.radians(yaw_deg))),
            optics=PinholeCamera(width_px=448, height_px=256, fov=float(np.radians(fov_deg))),
        )
        for name, x, y, yaw_deg, fov_deg in around
    )


def _fisheyes() -> tuple[Sensor, ...]:
    """Four fisheyes at the bumpers and mirrors, looking out and down, as for parking."""
    around = (
        ("fisheye_front", 2.3, 0.0, 0.7, 0.0, 15.0),
        ("fisheye_left", 0.6, 1.0, 1.0, 90.0, 35.0),
        ("fisheye_back", -2.3, 0.0, 0.8, 180.0, 20.0),
        ("fisheye_right", 0.6, -1.0, 1.0, -90.0, 35.0),
    )
    return tuple(
        Camera(
            name=name,
            ego_from_sensor=camera_pose(x, y, z, *np.radians([yaw_deg, down_deg]).tolist()),
            optics=FISHEYE,
        )
        for name, x, y, z, yaw_deg, down_deg in around
    )


def _radars() -> tuple[Sensor, ...]:
    """A long and a short range radar ahead, and one at each corner."""
    around = (
        ("front_far", "long_range", 2.2, 0.0, 0.0),
        ("front", "short_range", 2.2, 0.0, 0.0),
        ("front_left", "corner", 2.0, 0.8, 60.0),
        ("front_right", "corner", 2.0, -0.8, -60.0),
        ("back_left", "corner", -2.0, 0.8, 135.0),
        ("back_right", "corner", -2.0, -0.8, -135.0),
    )
    return tuple(
        Radar(
            name=name,
            model=RADAR_MODELS[model],
            ego_from_sensor=se3(np.array([x, y, 0.6]), 0.0, 0.0, float(np.radians(yaw_deg))),
        )
        for name, model, x, y, yaw_deg in around
    )


def _solid_state(side: str) -> Sensor:
    """A solid-state lidar at a front corner, looking out by 45 degrees."""
    sign = 1.0 if side == "left" else -1.0
    pose = se3(np.array([1.9, sign * 0.75, 0.75]), 0.0, 0.0, sign * np.pi / 4)
    return Lidar(name=f"front_{side}", model=LIDAR_MODELS["mid40"], ego_from_sensor=pose)


SENSORS: dict[str, type[Sensor]] = {
    "camera": Camera,
    "lidar": Lidar,
    "radar": Radar,
    "dense_labels": DenseLabels,
    "light_maps": LightMaps,
    "boxes3d": Boxes3D,
    "ego_pose": EgoPose,
    "road_labels": RoadLabels,
}
"""Every kind of sensor by name; each can be built without arguments."""

RIGS: dict[str, Rig] = {
    "front": Rig(name="front", sensors=(Camera(), Lidar(), Boxes3D(), EgoPose())),
    "surround": Rig(
        name="surround",
        sensors=(*_surround(), Lidar(model=LIDAR_MODELS["nuscenes32"]), Boxes3D(), EgoPose()),
    ),
    "full": Rig(
        name="full",
        sensors=(Camera(), DenseLabels(), RoadLabels(), Lidar(), Boxes3D(), EgoPose()),
    ),
    "renderer": Rig(name="renderer", sensors=(Camera(), DenseLabels(), LightMaps(), EgoPose())),
    "fisheye": Rig(name="fisheye", sensors=(*_fisheyes(), Boxes3D(), EgoPose())),
    "radar": Rig(name="radar", sensors=(*_radars(), Boxes3D(), EgoPose())),
    "everything": Rig(
        name="everything",
        sensors=(
            Camera(shutter=Shutter(readout=0.02, exposure=0.005, samples=4)),
            *_surround()[1:],
            *_fisheyes(),
            Lidar(dual=True, losses=True),
            *(_solid_state(side) for side in ("left", "right")),
            *_radars(),
            RoadLabels(),
            Boxes3D(),
            EgoPose(),
        ),
    ),
    "labels": Rig(name="labels", sensors=(Boxes3D(), EgoPose())),
}
"""Every rig by name: one camera and a lidar; six cameras and a lidar; one camera with normals and
optical flow, and a lidar; one camera with all that a learned renderer is given; four fisheyes; six
radars; all of it with rolling shutter, motion blur, dual returns and solid-state lidars; labels
alone."""
