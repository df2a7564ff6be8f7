"""Spinning lidars: points, intensity, ring, class and instance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numba as nb
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
_MOST = 32767.0
_LOST = 0.008
"""Share of the pulses that are lost for no reason that the model knows."""
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
        owner = np.where(image.face != NOTHING, triangles.owner[image.face], 0)
        kept, steps, echo, from_air = _receive(
            image, triangles.material, view.stage.conditions, model, grid, rng
        )
        owner = owner.reshape(-1)[kept]
        solid = ~from_air & (image.face.reshape(-1)[kept] != NOTHING)
        base = f"lidar/{self.name}"
        return {
            f"{base}/xyz": steps,
            f"{base}/intensity": np.clip(np.rint(100 * echo), 1, 255).astype(np.uint8),
            f"{base}/ring": (kept // model.columns).astype(np.uint8),
            f"{base}/semantic": np.where(solid, triangles.surface[owner], SurfaceClass.SKY).astype(
                np.uint8
            ),
            f"{base}/instance": np.where(solid, triangles.number[owner], 0).astype(np.uint16),
            f"{base}/ego_from_lidar": np.asarray(self.ego_from_sensor, np.float64),
        }


def _receive(
    image: RangeImage,
    material: IntArray,
    conditions: Conditions,
    model: LidarModel,
    grid: RayGrid,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray, FloatArray, BoolArray]:
    """Decide which pulses come back, and from where.

    Returns:
        Rays that give a point, shape (n,), the points in steps of SCALE, shape (n, 3), their
        reflectivity, and whether they come from the air.
    """
    rays = image.face.size
    noise = rng.standard_normal((rays, 3), np.float32)
    chance = rng.random(rays, np.float32)
    kept, steps = np.empty(rays, np.int64), np.empty((rays, 3), np.int16)
    echo, from_air = np.empty(rays, np.float32), np.empty(rays, np.bool_)
    extinction = np.log(20.0) / conditions.visibility
    # The chance of an echo from the air within a length L grows with the extinction; places are
    # exponential, near the sensor, where the backscattered pulse is strongest.
    hazy = 1 - np.exp(-1.5 * max(extinction - 2e-4, 0.0))
    air = rng.random((rays if hazy > 0 else 1, 3), np.float32)
    air[:, 1] = 1.0 - 3.5 * np.log1p(-air[:, 1])
    azimuth, elevation = grid.azimuth, grid.elevation
    count = _collect(
        (image.range.reshape(-1), image.face.reshape(-1), image.incidence.reshape(-1)),
        (material, _REFLECTIVITY),
        (noise, chance, air),
        (float(extinction), float(hazy), conditions.wetness),
        (model.nearest, model.reach, model.reach_dark, model.noise),
        (np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)),
        (kept, steps, echo, from_air),
    )
    return kept[:count], steps[:count], echo[:count], from_air[:count]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _collect(image, matter, dice, weather, make, rays, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Go through the rays and write down those that give a point; gives their number."""
    ranges, face, incidence = image
    noise, _, air = dice
    hazy = weather[1]
    cos_azimuth, sin_azimuth, cos_elevation, sin_elevation = rays
    kept, steps, echo, from_air = out
    columns, count = len(cos_azimuth), 0
    for i in range(len(ranges)):
        far = ranges[i] + make[3] * noise[i, 0]
        in_air = hazy > 0.0 and air[i, 0] < hazy and air[i, 1] < far
        shown = 0.0
        if in_air:
            far, shown = float(air[i, 1]), 0.02 + 0.05 * air[i, 2]
        elif face[i] != NOTHING:
            shown = _echo(i, ranges[i], incidence[i], matter[1][matter[0][face[i]]], dice, weather,
                          make[2])  # fmt: skip
        if shown <= 0.0 or far <= make[0] or far >= make[1]:
            continue
        row, column = i // columns, i % columns
        flat = far * cos_elevation[row] / SCALE
        x, y = np.rint(flat * cos_azimuth[column]), np.rint(flat * sin_azimuth[column])
        z = np.rint(far * sin_elevation[row] / SCALE)
        if max(abs(x), abs(y), abs(z)) > _MOST:
            continue
        kept[count], echo[count], from_air[count] = i, shown, in_air
        steps[count, 0], steps[count, 1], steps[count, 2] = int(x), int(y), int(z)
        count += 1
    return count


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _echo(i, far, incidence, reflect, dice, weather, reach_dark):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Reflectivity that a ray measures on a solid thing, 0 where no echo comes back."""
    noise, chance, _ = dice
    extinction, _, wetness = weather
    if chance[i] < _LOST:
        return 0.0
    if incidence < 0.35:
        # Water mirrors the pulse away at grazing incidence (as on wet roads).
        reflect *= 1.0 - 0.6 * wetness
    lambert = reflect * (0.25 + 0.75 * incidence)
    once = np.exp(-extinction * far)
    ratio = reach_dark / max(far, 1.0)
    power = lambert / 0.1 * min(ratio * ratio, 1e3) * once * once
    if power <= np.exp(0.45 * noise[i, 1]):
        return 0.0
    return lambert * once * np.exp(0.08 * noise[i, 2])
