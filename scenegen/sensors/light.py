"""Light and material of every pixel of a camera: what a renderer that learns pictures is given."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import Array, FloatArray, check_shape
from scenegen.render import PinholeCamera, View, light_buffers
from scenegen.render.light_field import MIRROR_SCALE
from scenegen.scene import ArraySpec
from scenegen.sensors.camera import camera_pose
from scenegen.sensors.sensor import Sensor, WorldView

_SHARES = {
    "sun_visibility": "share of the sun's disc that the surface sees",
    "sky_visibility": "share of the open sky that reaches the surface, a proxy",
    "sky_coverage": "share of the pixel that shows the sky, of four samples",
    "roughness": "roughness of the surface, 0 a mirror, 1 chalk",
    "water": "share of the surface under a film of water",
    "snow": "share of the surface under snow",
    "gloss": "share of mirror reflection at normal incidence",
}
"""Arrays that lie in 0-1, stored as bytes."""
_COLORS = {
    "albedo": "diffuse reflectance",
    "mirror_albedo": "diffuse reflectance of the world mirrored in the wet road",
    "emission": "radiance it gives off by itself",
    "lamps": "irradiance over pi from others' lamps, with shadows",
    "headlights": "irradiance over pi from the ego's lamps, with shadows",
    "lamps_unshadowed": "irradiance over pi from all lamps, without shadows",
    "environment": "radiance of sky and surroundings along the mirrored ray",
    "mirror_emission": "emission of the world mirrored in the wet road",
}
"""Linear RGB; radiances in units in which full sun gives a white wall one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightMaps(Sensor):
    """Material and light of a camera of the same name and pose, without noise.

    The mirrored world has half as many rows and columns; it is zero where the road is dry.

    Attributes:
        name: Name of the camera.
        ego_from_sensor: Its pose in the ego frame, shape (4, 4).
        optics: Its size and field of view.
    """

    name: str = "front"
    ego_from_sensor: FloatArray = field(default_factory=lambda: camera_pose(0.5, 0.0, 1.5))
    optics: PinholeCamera = field(default_factory=PinholeCamera)

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce material, light, and the mirrored world."""
        shares = [self._spec(name, text, "uint8") for name, text in _SHARES.items()]
        colors = [self._spec(name, text, "float16") for name, text in _COLORS.items()]
        depth = self._spec("mirror_depth", "depth of the world mirrored in the road", "float32")
        return (*shares, *colors, depth)

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Gather the light of every pixel."""
        pose = view.stage.map_from_ego @ self.ego_from_sensor
        sight = View.of(self.optics, pose, view.triangles.origin)
        buffer, light = light_buffers(view.stage, view.triangles, sight)
        material = {"gloss": buffer.gloss, "albedo": buffer.albedo, "emission": buffer.emission}
        out: dict[str, Array] = {}
        for spec in self.arrays():
            name = spec.name.rpartition("/")[2]
            found = material[name] if name in material else getattr(light, name)
            array = found.reshape([size for size in spec.shape if size is not None])
            if spec.dtype == "uint8":
                array = np.rint(255 * np.clip(array, 0.0, 1.0))
            out[spec.name] = array.astype(spec.dtype)
        return out

    def _spec(self, name: str, text: str, dtype: str) -> ArraySpec:
        """Announce one array."""
        mirrored = name.startswith("mirror")
        optics = self.optics.scaled(MIRROR_SCALE) if mirrored else self.optics
        dims = ("mirror_y", "mirror_x") if mirrored else ("y", "x")
        size = (optics.height_px, optics.width_px)
        return ArraySpec(
            name=f"camera/{self.name}/{name}",
            dims=(*dims, "channel") if name in _COLORS else dims,
            shape=(*size, 3) if name in _COLORS else size,
            dtype=dtype,
            units="m" if name == "mirror_depth" else "1",
            long_name=text,
            scale=1 / 255 if dtype == "uint8" else 1.0,
        )
