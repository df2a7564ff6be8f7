"""Lidars: points with time, ring, return, intensity, class and instance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.appearance.lidar_appearance import LidarAppearance
from scenegen.arrays import Array, FloatArray, check_shape
from scenegen.geometry.transforms import se3
from scenegen.render import CLASS_NAMES, SurfaceClass, Triangles
from scenegen.render.lidar_weather import lidar_air, spray_clouds
from scenegen.render.rasterizer import NOTHING
from scenegen.render.ray_caster import Caster
from scenegen.render.surfaces import MATERIALS
from scenegen.scene import EGO, ArraySpec
from scenegen.sensors.lidar_learned import learned_echoes
from scenegen.sensors.lidar_models import LIDAR_MODELS, LidarMake
from scenegen.sensors.lidar_receiver import SCALE, Loss, Matter, Returns, receive
from scenegen.sensors.motion import local_twist
from scenegen.sensors.scan import Scan, scan
from scenegen.sensors.sensor import Sensor, WorldView

_REFLECTIVITY = np.array([m.reflectivity for m in MATERIALS.values()], np.float32)
_FLOORS = (SurfaceClass.ROAD, SurfaceClass.MARKING, SurfaceClass.SIDEWALK)
TIME_STEP = 2e-6
"""Seconds per step of the stored times."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lidar(Sensor):
    """A lidar on the ego; its frame is x forward, y left, z up.

    Each ray is measured at its own time while ego and agents move. Points are stored with the
    ego's motion compensated, that is in the frame the sensor has at the instant of the frame, so
    that what stands is where its boxes are; what moves is smeared by its own motion. `time` and
    `twist` undo it: `motion.as_measured` gives the points in the frame of the moving sensor.

    Which echoes are reported, and how strong, is told at `lidar_receiver.receive`; what the
    weather does at `render.lidar_weather`. Echoes of the air have class SKY and `is_weather`.

    Attributes:
        name: What it is called, for example "top".
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        model: The make.
        dual: Whether a ray reports its strongest and its last echo; a beam has a width then.
            If the strongest is the last, the second strongest is reported with it.
        losses: Whether rays that meet a thing but report no echo of it are listed, and why.
        caster: What traces patterns that are no grid.
        appearance: The learned lidar that says which echoes come back in clear air, and how
            strong, where rays are a grid; None for the rules of the receiver.
    """

    name: str = "top"
    ego_from_sensor: FloatArray = field(
        default_factory=lambda: se3(np.array([0.0, 0.0, 1.85]), 0.0, 0.0, 0.0)
    )
    model: LidarMake = LIDAR_MODELS["hdl64"]
    dual: bool = False
    losses: bool = False
    caster: Caster = Caster.TREE
    appearance: LidarAppearance | None = None

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce points and their labels."""
        base = f"lidar/{self.name}"
        fixed = (
            ArraySpec(
                name=f"{base}/ego_from_lidar",
                dims=("row", "column"),
                shape=(4, 4),
                dtype="float64",
                long_name="pose of the lidar in the ego frame",
            ),
            ArraySpec(
                name=f"{base}/twist",
                dims=("rate",),
                shape=(3,),
                dtype="float64",
                units="m/s, m/s, rad/s",
                long_name="velocity of the ego forward and to the left, and its yaw rate",
            ),
        )
        return (*_point_specs(base), *fixed, *(_loss_specs(base) if self.losses else ()))

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Make one scan and keep the echoes."""
        make, conditions = self.model, view.stage.conditions
        found = scan(make, view, self.ego_from_sensor, wide=self.dual, caster=self.caster)
        air = lidar_air(
            conditions,
            reach_dark=make.reach_dark,
            nearest=make.nearest,
            divergence=make.divergence,
            pulse=make.pulse,
        )
        triangles = view.triangles
        floor = np.isin(triangles.surface, _FLOORS)
        matter = Matter(
            reflectivity=_REFLECTIVITY[triangles.material], is_floor=floor[triangles.owner]
        )
        returns = receive(
            found,
            matter,
            air,
            spray_clouds(view.stage, triangles),
            make,
            self.dual,
            view.rng(f"lidar/{self.name}"),
            view.rng(f"lidar/{self.name}/air"),
            learned_echoes(
                self.appearance,
                make,
                found,
                triangles,
                matter.reflectivity,
                view.rng(f"lidar/{self.name}/learned"),
            ),
        )
        twist = local_twist(view.stage.map_from_ego, view.twists[EGO])
        return self._stored(found, returns, triangles, twist)

    def _stored(
        self, found: Scan, returns: Returns, triangles: Triangles, twist: FloatArray
    ) -> dict[str, Array]:
        base, rays = f"lidar/{self.name}", found.rays
        solid = returns.face != NOTHING
        owner = triangles.owner[np.where(solid, returns.face, 0)] if triangles.count else None
        surface = np.zeros(len(solid), np.uint8)
        number = np.zeros(len(solid), np.uint16)
        if owner is not None:
            surface[solid] = triangles.surface[owner[solid]]
            number[solid] = triangles.number[owner[solid]]
        time = rays.time[rays.slot[returns.ray]]
        arrays: dict[str, Array] = {
            f"{base}/xyz": returns.steps,
            f"{base}/intensity": _byte(100 * returns.reflectivity),
            f"{base}/ring": np.minimum(rays.ring[returns.ray], 255).astype(np.uint8),
            f"{base}/time": np.rint(time / TIME_STEP).astype(np.int16),
            f"{base}/return_id": returns.number,
            f"{base}/incidence": np.rint(255 * returns.incidence).astype(np.uint8),
            f"{base}/is_weather": (~solid).astype(np.uint8),
            f"{base}/semantic": surface,
            f"{base}/instance": number,
            f"{base}/ego_from_lidar": np.asarray(self.ego_from_sensor, np.float64),
            f"{base}/twist": twist,
        }
        if self.losses:
            lost = returns.lost_ray
            arrays[f"{base}/lost_ray"] = lost.astype(np.uint32)
            arrays[f"{base}/lost_reason"] = returns.lost_reason.copy()
            arrays[f"{base}/lost_range"] = found.first.range[lost].astype(np.float32)
        return arrays


def _byte(value: FloatArray) -> FloatArray:
    return np.asarray(np.clip(np.rint(value), 1, 255).astype(np.uint8))


def _column(base: str, dim: str, name: str, dtype: str, what: str, **rest: object) -> ArraySpec:
    return ArraySpec(
        name=f"{base}/{name}",
        dims=(dim,),
        shape=(None,),
        dtype=dtype,
        long_name=what,
        codec="points",
        **{"units": "", **rest},  # type: ignore[arg-type]
    )


def _point_specs(base: str) -> tuple[ArraySpec, ...]:
    def column(name: str, dtype: str, what: str, **rest: object) -> ArraySpec:
        return _column(base, "point", name, dtype, what, **rest)

    return (
        ArraySpec(
            name=f"{base}/xyz",
            dims=("point", "axis"),
            shape=(None, 3),
            dtype="int16",
            units="m",
            long_name="points in the lidar frame of the instant, ego motion compensated,"
            " x forward, y left, z up",
            codec="points",
            scale=SCALE,
        ),
        column(
            "intensity",
            "uint8",
            "reflectivity: 100 for a white wall, more for reflectors",
            units="1",
        ),
        column("ring", "uint8", "number of the beam, 0 is the first of its table"),
        column("time", "int16", "time of the pulse against the frame", units="s", scale=TIME_STEP),
        column("return_id", "uint8", "0 for the strongest echo of a ray, 1 for the last"),
        column(
            "incidence", "uint8", "cosine between ray and surface normal", units="1", scale=1 / 255
        ),
        column("is_weather", "uint8", "1 for echoes of fog, rain, snow and spray"),
        column("semantic", "uint8", "class, sky for echoes from the air", classes=CLASS_NAMES),
        column("instance", "uint16", "agent index + 1, 0 for none"),
    )


def _loss_specs(base: str) -> tuple[ArraySpec, ...]:
    reasons = tuple(reason.name.lower() for reason in Loss)
    return (
        _column(base, "lost", "lost_ray", "uint32", "ray that meets a thing but gives no point"),
        _column(base, "lost", "lost_reason", "uint8", "why", classes=reasons),
        _column(base, "lost", "lost_range", "float32", "range of what it meets", units="m"),
    )
