"""Spinning lidars: points, intensity, ring, class and instance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray, check_shape
from scenegen.geometry.transforms import se3
from scenegen.render import CLASS_NAMES, RangeImage, RayGrid, SurfaceClass, cast_grid
from scenegen.render.rasterizer import NOTHING
from scenegen.render.surfaces import MATERIALS
from scenegen.scene import ArraySpec, Conditions
from scenegen.sensors.sensor import Sensor, WorldView

SCALE = 0.005
"""Metres per step of the stored coordinates."""
LIMIT = 32767 * SCALE
"""Largest coordinate that can be stored [m]; points beyond are left out, never wrapped."""
_REFLECTIVITY = np.array([m.reflectivity for m in MATERIALS.values()])


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarModel:
    """A make of spinning lidar.

    Attributes:
        elevation_deg: Angle of each beam above the horizon, ring 0 first.
        columns: Azimuth steps per turn.
        reach: Largest range [m].
        nearest: Smallest range [m].
        reach_dark: Range at which half the pulses come back from a target that reflects 10 %,
            square to the beam, in clear air [m].
        noise: Standard deviation of the range [m].
    """

    elevation_deg: tuple[float, ...]
    columns: int
    reach: float
    nearest: float = 0.9
    reach_dark: float = 60.0
    noise: float = 0.02


def _steps(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(float(v) for v in np.linspace(first, last, count))


LIDAR_MODELS: dict[str, LidarModel] = {
    "hdl64": LidarModel(
        elevation_deg=_steps(2.0, -8.333, 32) + _steps(-8.833, -24.333, 32),
        columns=1024,
        reach=120.0,
        reach_dark=50.0,
    ),
    "vlp32": LidarModel(
        elevation_deg=(
            *(15.0, 10.333, 7.0, 4.667, 3.333, 2.333, 1.667, 1.333, 1.0, 0.667, 0.333, 0.0),
            *(-0.333, -0.667, -1.0, -1.333, -1.667, -2.0, -2.333, -2.667, -3.0, -3.333, -3.667),
            *(-4.0, -4.667, -5.333, -6.148, -7.254, -8.843, -11.31, -15.639, -25.0),
        ),
        columns=1800,
        reach=200.0,
        reach_dark=80.0,
        noise=0.03,
    ),
    "nuscenes32": LidarModel(
        elevation_deg=_steps(10.67, -30.67, 32), columns=1084, reach=100.0, reach_dark=45.0
    ),
    "pandar64": LidarModel(
        elevation_deg=(
            *(15.0, 11.0, 8.0, 5.0, 3.0, 2.0),
            *_steps(1.833, -6.0, 48),
            *_steps(-7.0, -14.0, 8),
            *(-19.0, -25.0),
        ),
        columns=1800,
        reach=200.0,
        reach_dark=200.0,
    ),
}
"""Beam tables: Velodyne HDL-64E S2, VLP-32C and HDL-32E (as on nuScenes), Hesai Pandar64 (as on
PandaSet), from their user manuals; `reach_dark` from the ranges they state at 10 %."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lidar(Sensor):
    """A spinning lidar on the ego; its frame is x forward, y left, z up.

    A pulse comes back if its echo exceeds a noisy threshold: the echo falls with the square of
    the range, with the cosine of incidence and, in fog, rain and snow, with twice the extinction
    along the way. Fog, drops and flakes near the sensor give echoes of their own, of class SKY.

    Attributes:
        name: What it is called, for example "top".
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        model: The make.
    """

    name: str = "top"
    ego_from_sensor: FloatArray = field(
        default_factory=lambda: se3(np.array([0.0, 0.0, 1.85]), 0.0, 0.0, 0.0)
    )
    model: LidarModel = LIDAR_MODELS["hdl64"]

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce points and their labels."""
        base = f"lidar/{self.name}"

        def column(name: str, dtype: str, what: str, **rest: object) -> ArraySpec:
            return ArraySpec(
                name=f"{base}/{name}",
                dims=("point",),
                shape=(None,),
                dtype=dtype,
                long_name=what,
                codec="points",
                **{"units": "", **rest},  # type: ignore[arg-type]
            )

        return (
            ArraySpec(
                name=f"{base}/xyz",
                dims=("point", "axis"),
                shape=(None, 3),
                dtype="int16",
                units="m",
                long_name="points in the lidar frame, x forward, y left, z up",
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
            column("semantic", "uint8", "class, sky for echoes from the air", classes=CLASS_NAMES),
            column("instance", "uint16", "agent index + 1, 0 for none"),
            ArraySpec(
                name=f"{base}/ego_from_lidar",
                dims=("row", "column"),
                shape=(4, 4),
                dtype="float64",
                long_name="pose of the lidar in the ego frame",
            ),
        )

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Make one turn and keep the echoes."""
        model, triangles = self.model, view.triangles
        grid = RayGrid(elevation=np.radians(model.elevation_deg), columns=model.columns)
        pose = view.stage.map_from_ego @ self.ego_from_sensor
        image = cast_grid(triangles, grid, pose, reach=model.reach)
        rng = view.rng(f"lidar/{self.name}")
        echo = _echoes(image, triangles.material, view.stage.conditions, model, rng)
        measured = image.range + rng.normal(0.0, model.noise, image.range.shape)
        ranges, from_air = _air(measured, echo, view.stage.conditions, rng)
        hit = np.isfinite(echo) & (ranges > model.nearest) & (ranges < model.reach)
        steps = np.rint(grid.directions[hit] * ranges[hit][:, None] / SCALE)
        stored = (np.abs(steps) <= np.iinfo(np.int16).max).all(-1)
        owner = np.where(image.face != NOTHING, triangles.owner[image.face], 0)[hit][stored]
        solid = (~from_air & (image.face != NOTHING))[hit][stored]
        ring = np.broadcast_to(np.arange(len(grid.elevation))[:, None], hit.shape)
        base = f"lidar/{self.name}"
        return {
            f"{base}/xyz": steps[stored].astype(np.int16),
            f"{base}/intensity": np.clip(np.rint(100 * echo[hit][stored]), 1, 255).astype(np.uint8),
            f"{base}/ring": ring[hit][stored].astype(np.uint8),
            f"{base}/semantic": np.where(solid, triangles.surface[owner], SurfaceClass.SKY).astype(
                np.uint8
            ),
            f"{base}/instance": np.where(solid, triangles.number[owner], 0).astype(np.uint16),
            f"{base}/ego_from_lidar": np.asarray(self.ego_from_sensor, np.float64),
        }


def _echoes(
    image: RangeImage,
    material: IntArray,
    conditions: Conditions,
    model: LidarModel,
    rng: np.random.Generator,
) -> FloatArray:
    """Reflectivity that each ray measures, NaN where no echo comes back, shape of the image."""
    hit = image.face != NOTHING
    ranges = np.where(hit, image.range, np.inf)
    reflect = np.where(hit, _REFLECTIVITY[material[image.face]], 0.0)
    # Water mirrors the pulse away at grazing incidence (as on wet roads).
    reflect = reflect * (1 - 0.6 * conditions.wetness * (image.incidence < 0.35))
    lambert = reflect * (0.25 + 0.75 * image.incidence)
    passed = np.exp(-2 * np.log(20.0) / conditions.visibility * np.minimum(ranges, 1e4))
    power = (
        lambert / 0.1 * np.minimum((model.reach_dark / np.maximum(ranges, 1.0)) ** 2, 1e3) * passed
    )
    threshold = np.exp(rng.normal(0.0, 0.45, power.shape))
    lost = rng.random(power.shape) < 0.008
    seen: BoolArray = hit & (power > threshold) & ~lost
    shown = lambert * passed**0.5 * np.exp(rng.normal(0.0, 0.08, power.shape))
    return np.where(seen, shown, np.nan)


def _air(
    ranges: FloatArray, echo: FloatArray, conditions: Conditions, rng: np.random.Generator
) -> tuple[FloatArray, BoolArray]:
    """Put echoes of fog, drops and flakes in front of some rays; changes `echo` in place.

    The chance of an echo within a length L grows with the extinction; places are exponential,
    near the sensor, where the backscattered pulse is strongest.
    """
    extinction = np.log(20.0) / conditions.visibility
    chance = 1 - np.exp(-1.5 * max(extinction - 2e-4, 0.0))
    place = 1.0 + rng.exponential(3.5, ranges.shape)
    scattered = (rng.random(ranges.shape) < chance) & (place < ranges)
    echo[scattered] = 0.02 + 0.05 * rng.random(int(scattered.sum()))
    return np.where(scattered, place, ranges), scattered
