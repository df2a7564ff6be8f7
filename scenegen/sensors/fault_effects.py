"""A sensor senses with its faults: before, the view and pose; after, the arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scenegen.arrays import Array, FloatArray, IntArray
from scenegen.geometry.transforms import se3
from scenegen.render import SurfaceClass
from scenegen.render.lens import BrownConradyLens, Lens
from scenegen.seeding import stream
from scenegen.sensors.camera import Camera
from scenegen.sensors.fault_pictures import Scenery, spoil
from scenegen.sensors.faults import (
    BeamLoss,
    Crosstalk,
    DroppedFrame,
    Fault,
    FaultSchedule,
    FrozenFrame,
    Misalignment,
    TimeJitter,
    address,
)
from scenegen.sensors.lidar import TIME_STEP, Lidar
from scenegen.sensors.lidar_receiver import SCALE
from scenegen.sensors.motion import compensated
from scenegen.sensors.radar import Radar
from scenegen.sensors.sensor import Sensor, WorldView

_POSES = ("ego_from_camera", "ego_from_lidar", "ego_from_radar")


def sense_with_faults(
    sensor: Sensor,
    view: WorldView,
    schedule: FaultSchedule,
    frozen: Callable[[float], WorldView],
) -> tuple[dict[str, Array], dict[int, float]]:
    """Let a sensor with faults sense.

    Args:
        sensor: The sensor.
        view: The world.
        schedule: Faults of the rig.
        frozen: Gives the world at the first instant from a time on [s].

    Returns:
        Its arrays, masks of what faults touch included, and what was drawn by fault number.
    """
    name = address(sensor)
    time = view.stage.time
    active = [
        (n, f)
        for n, f in enumerate(schedule.faults)
        if f.sensor == name and f.begin <= time < f.end
    ]
    drawn: dict[int, float] = {}
    acting = sensor
    for number, fault in active:
        if isinstance(fault, FrozenFrame):
            view = frozen(fault.begin)
        elif isinstance(fault, TimeJitter):
            rng = stream(view.seed, "fault", name, number, view.step)
            drawn[number] = fault.spread * float(rng.standard_normal())
            view = view.later(drawn[number])
        elif isinstance(fault, Misalignment):
            acting = _turned(acting, fault)
    arrays = acting.sense(view)
    for pose in _POSES:
        if f"{name}/{pose}" in arrays:
            arrays[f"{name}/{pose}"] = np.asarray(sensor.ego_from_sensor, np.float64)
    if name in schedule.sensors:
        if isinstance(acting, Camera):
            _spoil_picture(arrays, acting, view, active)
        elif isinstance(acting, Lidar):
            _spoil_points(arrays, acting, view, active)
    if any(isinstance(fault, DroppedFrame) for _, fault in active):
        arrays = _dropped(arrays, sensor)
    return arrays, drawn


def _turned(sensor: Sensor, fault: Misalignment) -> Sensor:
    """Give the sensor turned about its place, in axes of the ego."""
    turn = se3(np.zeros(3), fault.roll, fault.pitch, fault.yaw)
    pose = np.array(sensor.ego_from_sensor, np.float64)
    pose[:3, :3] = turn[:3, :3] @ pose[:3, :3]
    if not isinstance(sensor, Camera | Lidar | Radar):
        raise TypeError(f"Misalignment: expected a camera, lidar or radar, got {type(sensor)}")
    return replace(sensor, ego_from_sensor=pose)


def _spoil_picture(
    arrays: dict[str, Array], camera: Camera, view: WorldView, active: list[tuple[int, Fault]]
) -> None:
    base, optics = f"camera/{camera.name}", camera.optics
    touched = np.zeros((optics.height_px, optics.width_px), np.bool_)
    if active:
        lens = optics if isinstance(optics, Lens) else BrownConradyLens.of(optics)
        depth = np.asarray(arrays[f"{base}/depth"], np.float32)
        wide = isinstance(optics, Lens) and optics.is_wide
        scenery = Scenery(
            stage=view.stage,
            map_from_camera=view.stage.map_from_ego @ camera.ego_from_sensor,
            rays=lens.rays(),
            range=depth if wide else depth / np.maximum(lens.rays()[..., 2], 1e-6),
        )
        rgb: IntArray = np.asarray(arrays[f"{base}/rgb"], np.uint8)
        for number, fault in active:
            rng = stream(view.seed, "fault", base, number)
            rgb, part = spoil(rgb, fault, rng, scenery)
            touched |= part
        arrays[f"{base}/rgb"] = rgb
    arrays[f"{base}/fault_mask"] = touched.astype(np.uint8)


def _spoil_points(
    arrays: dict[str, Array], lidar: Lidar, view: WorldView, active: list[tuple[int, Fault]]
) -> None:
    base = f"lidar/{lidar.name}"
    columns = [spec.name for spec in lidar.arrays() if spec.dims[:1] == ("point",)]
    arrays[f"{base}/is_fault"] = np.zeros(len(arrays[f"{base}/ring"]), np.uint8)
    columns.append(f"{base}/is_fault")
    for number, fault in active:
        if isinstance(fault, BeamLoss):
            keep = ~np.isin(arrays[f"{base}/ring"], fault.rings)
            for column in columns:
                arrays[column] = arrays[column][keep]
        elif isinstance(fault, Crosstalk):
            rng = stream(view.seed, "fault", base, number, view.step)
            made = _made_up(lidar, arrays, fault, rng)
            for column in columns:
                joined = np.concatenate([arrays[column], made[column.rpartition("/")[2]]])
                arrays[column] = joined.astype(arrays[column].dtype)


def _made_up(
    lidar: Lidar, arrays: dict[str, Array], fault: Crosstalk, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Give points along random rays at random ranges: other pulses come at any time."""
    base, rays = f"lidar/{lidar.name}", lidar.model.rays()
    count = int(rng.poisson(fault.share * len(arrays[f"{base}/ring"])))
    ray = rng.integers(0, len(rays.slot), count)
    far = rng.uniform(lidar.model.nearest, min(lidar.model.reach, 150.0), count)
    time = rays.time[rays.slot[ray]]
    points = compensated(
        rays.direction[ray] * far[:, None],
        time,
        np.asarray(arrays[f"{base}/twist"], np.float64),
        lidar.ego_from_sensor,
    )
    none = np.zeros(count)
    return {
        "xyz": np.clip(np.rint(points / SCALE), -32767, 32767),
        "intensity": rng.integers(1, 80, count),
        "ring": np.minimum(rays.ring[ray], 255),
        "time": np.rint(time / TIME_STEP),
        "return_id": none,
        "incidence": none,
        "is_weather": none,
        "semantic": np.full(count, int(SurfaceClass.SKY)),
        "instance": none,
        "is_fault": np.ones(count),
    }


def _dropped(arrays: dict[str, Array], sensor: Sensor) -> dict[str, Array]:
    """Give nothing: ragged arrays are empty, pictures and masks 0; poses stay."""
    out: dict[str, Array] = {}
    ragged = {spec.name for spec in sensor.arrays() if spec.is_ragged}
    fixed = {
        spec.name for spec in sensor.arrays() if not spec.is_ragged and spec.dims[:1] == ("y",)
    }
    for name, array in arrays.items():
        if name in ragged or name.endswith("/is_fault"):
            out[name] = array[:0]
        elif name in fixed:
            out[name] = np.zeros_like(array)
        elif name.endswith("/fault_mask"):
            out[name] = np.ones_like(array)
        else:
            out[name] = array
    return out
