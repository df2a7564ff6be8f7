"""Further labels of every pixel of a camera: normals, panoptic numbers, optical flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numba as nb
import numpy as np

from scenegen.arrays import Array, FloatArray, check_shape
from scenegen.render import PinholeCamera, Stage, View, assemble
from scenegen.render.flow import Flow, optical_flow, surfaces
from scenegen.render.gbuffer import GBuffer
from scenegen.render.lens import Lens
from scenegen.render.lens_labels import LensLabels, lens_flow, lens_labels
from scenegen.render.triangles import assemble_shape
from scenegen.scene import ArraySpec
from scenegen.sensors.camera import camera_pose
from scenegen.sensors.sensor import Sensor, WorldView

PANOPTIC = 10_000
"""A panoptic number is this times the class, plus the instance number (0 for stuff)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenseLabels(Sensor):
    """Normals, panoptic numbers and optical flow of a camera of the same name, pose and optics.

    The labels are those of the very pixels of `Camera`, through a pinhole or any lens, at the
    instant of the frame: a rolling shutter is not followed. Off the image circle of a fisheye
    all is zero. Flow is exact for rigid motion: it follows from depth and from the poses of
    camera and agents at both instants. The first instant has no flow back and the last none
    forward: there flow and mask are zero.

    Attributes:
        name: Name of the camera.
        ego_from_sensor: Its pose in the ego frame, shape (4, 4).
        optics: Its size and field of view, or its lens.
    """

    LOOKS_AROUND: ClassVar[bool] = True

    name: str = "front"
    ego_from_sensor: FloatArray = field(default_factory=lambda: camera_pose(0.5, 0.0, 1.5))
    optics: PinholeCamera | Lens = field(default_factory=PinholeCamera)

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce normals, panoptic numbers, flow and masks."""
        base, size = f"camera/{self.name}", (self.optics.height_px, self.optics.width_px)

        def motion(name: str, when: str) -> tuple[ArraySpec, ArraySpec]:
            return (
                ArraySpec(
                    name=f"{base}/{name}",
                    dims=("y", "x", "offset"),
                    shape=(*size, 2),
                    dtype="float16",
                    units="pixel",
                    long_name=f"columns and rows by which what is seen moves to the {when} instant",
                ),
                ArraySpec(
                    name=f"{base}/{name}_mask",
                    dims=("y", "x"),
                    shape=size,
                    dtype="uint8",
                    units="",
                    long_name=f"1 where what is seen is also seen at the {when} instant",
                    codec="mask",
                ),
            )

        return (
            ArraySpec(
                name=f"{base}/normal",
                dims=("y", "x", "axis"),
                shape=(*size, 3),
                dtype="int8",
                long_name="unit normal in the camera frame (x right, y down, z forward), 0 for sky",
                scale=1 / 127,
            ),
            ArraySpec(
                name=f"{base}/panoptic",
                dims=("y", "x"),
                shape=size,
                dtype="uint32",
                units="",
                long_name=f"{PANOPTIC} times the class plus agent index + 1 (0 for none)",
                codec="mask",
            ),
            *motion("flow", "next"),
            *motion("flow_back", "previous"),
        )

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Label every pixel."""
        base, size = f"camera/{self.name}", (self.optics.height_px, self.optics.width_px)
        here = self._here(view)
        normal = np.empty((*size, 3), np.int8)
        turn = here.view.turn if isinstance(here, GBuffer) else np.eye(3)
        _pack_normals(here.normal.reshape(-1, 3), np.ascontiguousarray(turn), normal)
        number = PANOPTIC * here.semantic.astype(np.uint32) + here.instance
        arrays: dict[str, Array] = {
            f"{base}/normal": normal,
            f"{base}/panoptic": number.reshape(size),
        }
        for name, other in (("flow", view.after), ("flow_back", view.before)):
            motion, seen = np.zeros((*size, 2), np.float32), np.zeros(size, np.bool_)
            if other is not None:
                flow = self._flow(here, view.stage, other)
                motion, seen = flow.motion, flow.seen
            arrays[f"{base}/{name}"] = np.clip(motion, -60_000, 60_000).astype(np.float16)
            arrays[f"{base}/{name}_mask"] = seen.astype(np.uint8)
        return arrays

    def _here(self, view: WorldView) -> GBuffer | LensLabels:
        if isinstance(self.optics, PinholeCamera):
            return view.buffer(self.optics, self.ego_from_sensor)
        pose = view.stage.map_from_ego @ self.ego_from_sensor
        return lens_labels(view.stage, view.triangles, self.optics, pose)

    def _flow(self, here: GBuffer | LensLabels, stage: Stage, other: Stage) -> Flow:
        """Flow to another instant, which is drawn for what hides what alone."""
        pose = other.map_from_ego @ self.ego_from_sensor
        if isinstance(here, GBuffer):
            origin = np.array([*other.map_from_ego[:2, 3], 0.0])
            sight = View.of(here.view.camera, pose, origin)
            shown = surfaces(assemble_shape(other, sight.meets), sight)
            return optical_flow(here, stage, shown, other)
        return lens_flow(here, stage, lens_labels(other, assemble(other), here.lens, pose), other)


@nb.njit(cache=True, nogil=True)
def _pack_normals(normal, turn, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn normals into the camera's axes and round them to 1 / 127."""
    flat = out.reshape(-1, 3)
    for i in range(len(normal)):
        for axis in range(3):
            along = 0.0
            for k in range(3):
                along += turn[axis, k] * normal[i, k]
            flat[i, axis] = np.int8(np.rint(127 * along))
