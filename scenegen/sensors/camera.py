"""Cameras: picture, semantic and instance masks, depth, 2D boxes, through any lens."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from scenegen.appearance.camera_develop import CameraAppearance
from scenegen.arrays import Array, FloatArray, IntArray, check_shape
from scenegen.render import CLASS_NAMES, Picture, PinholeCamera, View, look
from scenegen.render.lens import BrownConradyLens, Lens
from scenegen.render.lens_views import Still, still
from scenegen.render.picture import photograph
from scenegen.scene import ArraySpec
from scenegen.sensors.boxes2d import box_specs, find_boxes
from scenegen.sensors.lens_boxes import find_lens_boxes, lens_box_specs
from scenegen.sensors.sensor import Sensor, WorldView
from scenegen.sensors.shutter import Movement, Shutter, expose

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
    """A camera on the ego; its frame is x right, y down, z forward.

    With a pinhole and a shutter that is open at one instant, masks and depth are sampled on the
    rays through the pixel centres. With a lens or a shutter they are resampled from such
    pictures, see `lens_views.still` and `shutter.expose`.

    Attributes:
        name: What it is called, for example "front".
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        optics: Size of the picture and field of view of a pinhole, or a lens.
        shutter: When the rows are exposed.
        appearance: The learned part of the renderer; None for the shaded base.
    """

    name: str = "front"
    ego_from_sensor: FloatArray = field(default_factory=lambda: camera_pose(0.5, 0.0, 1.5))
    optics: PinholeCamera | Lens = field(default_factory=PinholeCamera)
    shutter: Shutter = field(default_factory=Shutter)
    appearance: CameraAppearance | None = None

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
                long_name=_depth_name(self.optics),
            ),
            ArraySpec(
                name=f"{base}/intrinsics",
                dims=("intrinsic_row", "intrinsic_column"),
                shape=(3, 3),
                dtype="float64",
                units="pixel",
                long_name="matrix of focal lengths and principal point, pixel centres at halves",
            ),
            ArraySpec(
                name=f"{base}/ego_from_camera",
                dims=("row", "column"),
                shape=(4, 4),
                dtype="float64",
                long_name="pose of the camera (x right, y down, z forward) in the ego frame",
            ),
            *self._further_specs(base),
        )

    def _further_specs(self, base: str) -> tuple[ArraySpec, ...]:
        """Boxes, and what a lens or shutter has to tell."""
        plain = isinstance(self.optics, PinholeCamera) and self.shutter.is_instant
        specs = box_specs(self.name) if plain else lens_box_specs(self.name)
        if isinstance(self.optics, Lens):
            specs += (
                ArraySpec(
                    name=f"{base}/distortion",
                    dims=("coefficient",),
                    shape=self.optics.coefficients.shape,
                    dtype="float64",
                    long_name="k1 to k4 of Kannala and Brandt"
                    if self.optics.is_wide
                    else "k1, k2, p1, p2, k3 of Brown and Conrady",
                ),
            )
        if not self.shutter.is_instant:
            specs += (
                ArraySpec(
                    name=f"{base}/shutter",
                    dims=("duration",),
                    shape=(2,),
                    dtype="float64",
                    units="s",
                    long_name="readout of all rows around the instant, and exposure of each row",
                ),
            )
        return specs

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Take a picture and read its labels."""
        if isinstance(self.optics, Lens) or not self.shutter.is_instant:
            return self._through_lens(view)
        picture = self._look(view, self.optics)
        size = (self.optics.height_px, self.optics.width_px)
        base, buffer = f"camera/{self.name}", picture.gbuffer
        view.keep_buffer(self.ego_from_sensor, buffer)
        instance = buffer.instance.reshape(size)
        return {
            f"{base}/rgb": self._developed(picture, view),
            f"{base}/semantic": buffer.semantic.reshape(size),
            f"{base}/instance": instance,
            f"{base}/depth": buffer.depth.reshape(size),
            f"{base}/intrinsics": self.optics.intrinsics,
            f"{base}/ego_from_camera": np.asarray(self.ego_from_sensor, np.float64),
            **find_boxes(self.name, view, buffer.view, instance),
        }

    def picture(self, view: WorldView) -> IntArray:
        """Take the picture that `sense` takes, without labels.

        Args:
            view: The world at that instant.

        Returns:
            sRGB picture, shape (H, W, 3), uint8.
        """
        if isinstance(self.optics, Lens) or not self.shutter.is_instant:
            return np.asarray(self._through_lens(view)[f"camera/{self.name}/rgb"])
        return self._developed(self._look(view, self.optics), view)

    def _look(self, view: WorldView, optics: PinholeCamera) -> Picture:
        """Look through a pinhole, up to where rain, lens and sensor begin."""
        pose = view.stage.map_from_ego @ self.ego_from_sensor
        sight = View.of(optics, pose, view.triangles.origin)
        learned = self.appearance is not None
        return look(view.stage, view.triangles, sight, None, with_light=learned)

    def _through_lens(self, view: WorldView) -> dict[str, Array]:
        optics, shutter = self.optics, self.shutter
        lens = optics if isinstance(optics, Lens) else BrownConradyLens.of(optics)
        movement = Movement.of(view, self.ego_from_sensor)
        moments = shutter.moments
        stills = [self._still(view.later(float(time)), lens) for time in moments]
        taken = (
            stills[0] if shutter.is_instant else expose(stills, moments, shutter, lens, movement)
        )
        depth = taken.range
        if not lens.is_wide:
            depth = (taken.range * lens.rays()[..., 2]).astype(np.float32)
        base = f"camera/{self.name}"
        rgb = self._exposed(taken.radiance, depth, view)
        rgb[~np.isfinite(lens.rays()[..., 0])] = 0
        arrays: dict[str, Array] = {
            f"{base}/rgb": rgb,
            f"{base}/semantic": taken.semantic,
            f"{base}/instance": taken.instance,
            f"{base}/depth": depth,
            f"{base}/intrinsics": lens.intrinsics,
            f"{base}/ego_from_camera": np.asarray(self.ego_from_sensor, np.float64),
            **find_lens_boxes(self.name, view, lens, shutter, movement, taken.instance),
        }
        if isinstance(optics, Lens):
            arrays[f"{base}/distortion"] = lens.coefficients
        if not shutter.is_instant:
            arrays[f"{base}/shutter"] = np.array([shutter.readout, shutter.exposure])
        return arrays

    def _still(self, view: WorldView, lens: Lens) -> Still:
        pose = view.stage.map_from_ego @ self.ego_from_sensor
        repaint = None if self.appearance is None else partial(self._painted, view=view)
        return still(view.stage, view.triangles, lens, pose, repaint)

    def _painted(self, picture: Picture, view: WorldView) -> FloatArray:
        """Radiance with the learned appearance; its style is that of the scenario."""
        if self.appearance is None:
            return picture.radiance
        return self.appearance.develop(picture, view.stage, view.seed)

    def _developed(self, picture: Picture, view: WorldView) -> IntArray:
        """Picture of a pinhole; rain and noise are the same with a learned appearance."""
        depth = picture.gbuffer.depth.reshape(picture.radiance.shape[:2])
        return self._exposed(self._painted(picture, view), depth, view)

    def _exposed(self, radiance: FloatArray, depth: FloatArray, view: WorldView) -> IntArray:
        """Let rain fall before the camera, and take the picture; shape (H, W, 3), uint8."""
        return photograph(radiance, depth, view.stage, view.rng(f"camera/{self.name}"))


def _depth_name(optics: PinholeCamera | Lens) -> str:
    if isinstance(optics, Lens) and optics.is_wide:
        return "distance along the ray, 0 for sky and off the image circle"
    return "distance along the optical axis, 0 for sky"
