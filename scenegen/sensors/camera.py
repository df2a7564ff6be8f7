"""Cameras: picture, semantic and instance masks, depth, 2D boxes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import Array, FloatArray, check_shape
from scenegen.render import CLASS_NAMES, PinholeCamera, View, look
from scenegen.scene import ArraySpec
from scenegen.sensors.boxes2d import box_specs, find_boxes
from scenegen.sensors.sensor import Sensor, WorldView

_FORWARD_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Turn of a camera that looks along ego x: columns are its x (right), y (down), z (forward)."""


def camera_pose(x: float, y: float, z: float, yaw: float = 0.0, pitch: float = 0.0) -> FloatArray:
    """Pose of a camera in the ego frame, shape (4, 4).

    Args:
        x: Place forward of the ego's centre [m].
        y: Place to its left [m].
        z: Height over the ground [m].
        yaw: Heading it looks to, positive left of forward [rad].
        pitch: Angle it looks down from the horizon [rad].
    """
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    out = np.eye(4)
    out[:3, :3] = about_z @ about_y @ _FORWARD_AXES
    out[:3, 3] = x, y, z
    return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera(Sensor):
    """A pinhole camera on the ego; its frame is x right, y down, z forward.

    Attributes:
        name: What it is called, for example "front".
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        optics: Size of the picture and field of view.
    """

    name: str = "front"
    ego_from_sensor: FloatArray = field(default_factory=lambda: camera_pose(0.5, 0.0, 1.5))
    optics: PinholeCamera = field(default_factory=PinholeCamera)

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce picture, masks, depth, geometry and 2D boxes."""
        base, image = f"camera/{self.name}", ("y", "x")
        size = (self.optics.height_px, self.optics.width_px)
        return (
            ArraySpec(
                name=f"{base}/rgb",
                dims=(*image, "channel"),
                shape=(*size, 3),
                dtype="uint8",
                long_name="sRGB picture",
                codec="image",
            ),
            ArraySpec(
                name=f"{base}/semantic",
                dims=image,
                shape=size,
                dtype="uint8",
                units="",
                long_name="class of each pixel",
                codec="mask",
                classes=CLASS_NAMES,
            ),
            ArraySpec(
                name=f"{base}/instance",
                dims=image,
                shape=size,
                dtype="uint16",
                units="",
                long_name="agent index + 1 of each pixel, 0 for none",
                codec="mask",
            ),
            ArraySpec(
                name=f"{base}/depth",
                dims=image,
                shape=size,
                dtype="float32",
                units="m",
                long_name="distance along the optical axis, 0 for sky",
            ),
            ArraySpec(
                name=f"{base}/intrinsics",
                dims=("intrinsic_row", "intrinsic_column"),
                shape=(3, 3),
                dtype="float64",
                units="pixel",
                long_name="pinhole matrix, pixel centres at half integers",
            ),
            ArraySpec(
                name=f"{base}/ego_from_camera",
                dims=("row", "column"),
                shape=(4, 4),
                dtype="float64",
                long_name="pose of the camera (x right, y down, z forward) in the ego frame",
            ),
            *box_specs(self.name),
        )

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Take a picture and read its labels."""
        stage, triangles = view.stage, view.triangles
        pose = stage.map_from_ego @ self.ego_from_sensor
        sight = View.of(self.optics, pose, triangles.origin)
        picture = look(stage, triangles, sight, view.rng(f"camera/{self.name}"))
        size = (self.optics.height_px, self.optics.width_px)
        base, buffer = f"camera/{self.name}", picture.gbuffer
        instance = buffer.instance.reshape(size)
        return {
            f"{base}/rgb": picture.rgb,
            f"{base}/semantic": buffer.semantic.reshape(size),
            f"{base}/instance": instance,
            f"{base}/depth": buffer.depth.reshape(size),
            f"{base}/intrinsics": self.optics.intrinsics,
            f"{base}/ego_from_camera": np.asarray(self.ego_from_sensor, np.float64),
            **find_boxes(self.name, view, sight, instance),
        }
