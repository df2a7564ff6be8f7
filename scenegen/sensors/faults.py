"""What can go wrong with sensors: descriptions with a schedule, and their labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scenegen.arrays import Array
from scenegen.errors import UnknownNameError
from scenegen.scene import ArraySpec
from scenegen.sensors.camera import Camera
from scenegen.sensors.lidar import Lidar
from scenegen.sensors.radar import Radar
from scenegen.sensors.sensor import Sensor

PARAMETERS = 3
"""Numbers that describe a fault, padded with 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something is wrong with one sensor for a time.

    Attributes:
        sensor: Which one, as its arrays begin: for example "camera/front" or "lidar/top".
        begin: When it begins [s] since the scenario does.
        end: When it is over [s]; it is at `begin` and not at `end`.
        KIND: Name of the fault.
        HITS: Kinds of sensor it can happen to.
    """

    KIND: ClassVar[str] = ""
    HITS: ClassVar[tuple[str, ...]] = ("camera", "lidar", "radar")

    sensor: str
    begin: float = 0.0
    end: float = float("inf")

    def __post_init__(self) -> None:
        """Check the schedule and the sensor."""
        if not self.begin < self.end:
            raise ValueError(
                f"{type(self).__name__}: expected begin < end, got {self.begin} and {self.end}"
            )
        if self.sensor.partition("/")[0] not in self.HITS:
            raise ValueError(
                f"{type(self).__name__}.sensor: expected a sensor whose arrays begin with"
                f" {' or '.join(self.HITS)}, got {self.sensor!r}"
            )

    @property
    def parameters(self) -> tuple[float, ...]:
        """What describes how bad it is, in the order of the fields; at most three numbers."""
        return ()


def _check_share(fault: Fault, name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{type(fault).__name__}.{name}: expected 0 to 1, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenFrame(Fault):
    """The sensor goes on giving what it gave when the fault began, labels included."""

    KIND: ClassVar[str] = "frozen_frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFrame(Fault):
    """The sensor gives nothing: a black picture, no points."""

    KIND: ClassVar[str] = "dropped_frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeJitter(Fault):
    """What is stamped with a time was sensed a little earlier or later.

    Attributes:
        spread: Standard deviation of the error [s].
    """

    KIND: ClassVar[str] = "time_jitter"

    spread: float = 0.02

    @property
    def parameters(self) -> tuple[float, ...]:
        """Spread [s]."""
        return (self.spread,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misalignment(Fault):
    """The sensor is turned against the pose it is announced with.

    Attributes:
        roll: Turn about the ego's forward axis [rad].
        pitch: About its left axis [rad]; positive looks down.
        yaw: About its up axis [rad]; positive looks left.
    """

    KIND: ClassVar[str] = "misalignment"

    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.02

    @property
    def parameters(self) -> tuple[float, ...]:
        """Roll, pitch and yaw [rad]."""
        return (self.roll, self.pitch, self.yaw)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadPixels(Fault):
    """Rows, columns and single pixels that are stuck at black or white.

    Attributes:
        rows: How many rows.
        columns: How many columns.
        share: Share of single pixels, 0-1.
    """

    KIND: ClassVar[str] = "dead_pixels"
    HITS: ClassVar[tuple[str, ...]] = ("camera",)

    rows: int = 0
    columns: int = 0
    share: float = 0.001

    def __post_init__(self) -> None:
        """Check the ranges."""
        super(DeadPixels, self).__post_init__()
        _check_share(self, "share", self.share)

    @property
    def parameters(self) -> tuple[float, ...]:
        """Rows, columns, share of single pixels."""
        return (float(self.rows), float(self.columns), self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongExposure(Fault):
    """The picture is exposed too much or too little.

    Attributes:
        stops: Factors of two on the light; negative is too dark.
    """

    KIND: ClassVar[str] = "wrong_exposure"
    HITS: ClassVar[tuple[str, ...]] = ("camera",)

    stops: float = 2.0

    @property
    def parameters(self) -> tuple[float, ...]:
        """Stops."""
        return (self.stops,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LensDirt(Fault):
    """Dirt on the lens, out of focus, at the same place throughout.

    Attributes:
        cover: Share of the picture that it covers, 0-1.
        opacity: Share of the light that it takes in its middle, 0-1.
    """

    KIND: ClassVar[str] = "lens_dirt"
    HITS: ClassVar[tuple[str, ...]] = ("camera",)

    cover: float = 0.08
    opacity: float = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        super(LensDirt, self).__post_init__()
        _check_share(self, "cover", self.cover)
        _check_share(self, "opacity", self.opacity)

    @property
    def parameters(self) -> tuple[float, ...]:
        """Cover and opacity."""
        return (self.cover, self.opacity)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterDrops(Fault):
    """Drops of water on the lens: each shows the scene small, upside down and blurred.

    Attributes:
        count: How many.
        radius: Mean radius as a share of the picture's height.
    """

    KIND: ClassVar[str] = "water_drops"
    HITS: ClassVar[tuple[str, ...]] = ("camera",)

    count: int = 25
    radius: float = 0.035

    @property
    def parameters(self) -> tuple[float, ...]:
        """Count and radius."""
        return (float(self.count), self.radius)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glare(Fault):
    """A lens that scatters: a veil around the sun and around lamps that shine into it.

    Attributes:
        strength: Factor on the veil that the human eye has; 1 is a smeared lens, 0 a clean one.
    """

    KIND: ClassVar[str] = "glare"
    HITS: ClassVar[tuple[str, ...]] = ("camera",)

    strength: float = 1.0

    @property
    def parameters(self) -> tuple[float, ...]:
        """Strength."""
        return (self.strength,)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamLoss(Fault):
    """Some beams of a lidar give nothing.

    Attributes:
        rings: Which.
    """

    KIND: ClassVar[str] = "beam_loss"
    HITS: ClassVar[tuple[str, ...]] = ("lidar",)

    rings: tuple[int, ...] = (10,)

    @property
    def parameters(self) -> tuple[float, ...]:
        """Number of beams, the first and the last of them."""
        return (float(len(self.rings)), float(min(self.rings, default=0)),
                float(max(self.rings, default=0)))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Crosstalk(Fault):
    """Pulses of other lidars are taken for echoes: points along rays at any range.

    Attributes:
        share: Such points for each true one (nuScenes-C has 0.004 to 0.02).
    """

    KIND: ClassVar[str] = "crosstalk"
    HITS: ClassVar[tuple[str, ...]] = ("lidar",)

    share: float = 0.01

    def __post_init__(self) -> None:
        """Check the ranges."""
        super(Crosstalk, self).__post_init__()
        _check_share(self, "share", self.share)

    @property
    def parameters(self) -> tuple[float, ...]:
        """Share."""
        return (self.share,)


FAULTS: dict[str, type[Fault]] = {
    kind.KIND: kind
    for kind in (
        *(FrozenFrame, DroppedFrame, TimeJitter, Misalignment, DeadPixels, WrongExposure),
        *(LensDirt, WaterDrops, Glare, BeamLoss, Crosstalk),
    )
}
"""Every kind of fault by name; its number in stored labels is its place here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSchedule:
    """Faults of the sensors of a rig.

    Attributes:
        faults: The faults, in the order in which they act.
    """

    faults: tuple[Fault, ...] = ()

    def active(self, time: float) -> tuple[Fault, ...]:
        """Give the faults at a time [s]."""
        return tuple(f for f in self.faults if f.begin <= time < f.end)

    @property
    def sensors(self) -> tuple[str, ...]:
        """Sensors that have any, in the order in which they come first."""
        return tuple(dict.fromkeys(fault.sensor for fault in self.faults))

    def check(self, sensors: Iterable[Sensor]) -> None:
        """Check that every fault names a sensor of the rig.

        Raises:
            UnknownNameError: One does not.
        """
        known = [address(sensor) for sensor in sensors]
        for fault in self.faults:
            if fault.sensor not in known:
                raise UnknownNameError("sensor", fault.sensor, known)

    def specs(self, sensors: Iterable[Sensor]) -> tuple[ArraySpec, ...]:
        """Announce the labels: a table of the faults of a frame, and masks of what they touch."""
        if not self.faults:
            return ()

        def column(name: str, dtype: str, units: str, what: str, *classes: str) -> ArraySpec:
            return ArraySpec(
                name=f"faults/{name}", dims=("fault",), shape=(None,), dtype=dtype, units=units,
                long_name=what, codec="points", classes=classes,
            )  # fmt: skip

        table = (
            column("kind", "uint8", "", "kind of each fault at this instant", *FAULTS),
            column("sensor", "uint8", "", "which sensor", *self.sensors),
            column("begin", "float64", "s", "when it began, since the scenario did"),
            column("end", "float64", "s", "when it will be over"),
            column("drawn", "float32", "1", "what was drawn for this frame: time error [s]"),
            ArraySpec(
                name="faults/parameter",
                dims=("fault", "number"),
                shape=(None, PARAMETERS),
                dtype="float32",
                long_name="its parameters in the order of its fields",
                codec="points",
            ),
        )
        named = {address(sensor): sensor for sensor in sensors}
        return (*table, *(_mask_spec(n, named[n]) for n in self.sensors if _has_mask(named[n])))

    def table(self, time: float, drawn: dict[int, float]) -> dict[str, Array]:
        """Give the table of a frame.

        Args:
            time: Time of the frame [s].
            drawn: What was drawn, by the number of the fault.
        """
        rows = [(n, f) for n, f in enumerate(self.faults) if f.begin <= time < f.end]
        kinds, names = list(FAULTS), self.sensors
        parameter = np.zeros((len(rows), PARAMETERS), np.float32)
        for row, (_, fault) in zip(parameter, rows, strict=True):
            row[: len(fault.parameters)] = fault.parameters
        return {
            "faults/kind": np.array([kinds.index(f.KIND) for _, f in rows], np.uint8),
            "faults/sensor": np.array([names.index(f.sensor) for _, f in rows], np.uint8),
            "faults/begin": np.array([f.begin for _, f in rows], np.float64),
            "faults/end": np.array([f.end for _, f in rows], np.float64),
            "faults/drawn": np.array([drawn.get(n, 0.0) for n, _ in rows], np.float32),
            "faults/parameter": parameter,
        }


def address(sensor: Sensor) -> str:
    """Give the name that a sensor's arrays begin with."""
    for kind, name in ((Camera, "camera"), (Lidar, "lidar"), (Radar, "radar")):
        if isinstance(sensor, kind):
            return f"{name}/{sensor.name}"
    return sensor.name


def _has_mask(sensor: Sensor) -> bool:
    return isinstance(sensor, Camera | Lidar)


def _mask_spec(name: str, sensor: Sensor) -> ArraySpec:
    if isinstance(sensor, Camera):
        return ArraySpec(
            name=f"{name}/fault_mask",
            dims=("y", "x"),
            shape=(sensor.optics.height_px, sensor.optics.width_px),
            dtype="uint8",
            units="",
            long_name="1 where a fault changes the picture",
            codec="mask",
        )
    return ArraySpec(
        name=f"{name}/is_fault",
        dims=("point",),
        shape=(None,),
        dtype="uint8",
        units="",
        long_name="1 for points that a fault makes up",
        codec="points",
    )
