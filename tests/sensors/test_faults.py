"""Faults: none is the identity; each does what its label says, for as long as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import Array
from scenegen.errors import UnknownNameError
from scenegen.render import PinholeCamera
from scenegen.scene import Conditions, Frame
from scenegen.sensors import FAULTS, LIDAR_MODELS, Camera, Fault, FaultSchedule, Lidar, Radar, Rig
from scenegen.sensors.faults import (
    BeamLoss,
    Crosstalk,
    DeadPixels,
    DroppedFrame,
    FrozenFrame,
    Glare,
    LensDirt,
    Misalignment,
    TimeJitter,
    WaterDrops,
    WrongExposure,
)
from tests.sensors.streets import drive

CAMERA, LIDAR = "camera/front", "lidar/top"
RIG = Rig(
    name="small",
    sensors=(
        Camera(optics=PinholeCamera(width_px=128, height_px=64)),
        Lidar(model=replace(LIDAR_MODELS["hdl64"], columns=256)),
        Radar(),
    ),
)
LOW_SUN = Conditions(sun_elevation=0.2, sun_azimuth=0.1, cloud_cover=0.0)


def sense(*faults: Fault, conditions: Conditions | None = None) -> list[Frame]:
    """Sense three instants with some faults."""
    return list(RIG.sense(drive(conditions=conditions), 1, faults=FaultSchedule(faults=faults)))


@pytest.fixture(scope="module")
def sound() -> list[Frame]:
    """Give the frames without a fault."""
    return list(RIG.sense(drive(), 1))


def same(a: dict[str, Array], b: dict[str, Array], of: str) -> bool:
    """Whether all arrays of a sensor in both frames are the same."""
    names = [n for n in a if n.startswith(of) and "fault" not in n]
    return all(a[n].tobytes() == b[n].tobytes() for n in names)


def test_no_faults_are_the_identity(sound: list[Frame]) -> None:
    """An empty schedule gives the same arrays, and announces none more."""
    frames = sense()

    assert list(frames[0].arrays) == list(sound[0].arrays)
    assert all(same(dict(a.arrays), dict(b.arrays), "") for a, b in zip(frames, sound, strict=True))


def test_faults_outside_their_time_are_the_identity(sound: list[Frame]) -> None:
    """Before it begins and from its end on, a fault changes nothing and is not listed."""
    frames = sense(DroppedFrame(sensor=CAMERA, begin=0.05, end=0.15))

    counts = [len(frame.arrays["faults/kind"]) for frame in frames]
    assert counts == [0, 1, 0]
    for step, alike in ((0, True), (1, False), (2, True)):
        assert same(dict(frames[step].arrays), dict(sound[step].arrays), CAMERA) is alike
        assert same(dict(frames[step].arrays), dict(sound[step].arrays), LIDAR)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_announced_and_repeats(kind: str) -> None:
    """Arrays keep their announcement, and two runs give the same bytes."""
    fault = FAULTS[kind](sensor=CAMERA if "camera" in FAULTS[kind].HITS else LIDAR)
    rig = replace(RIG, faults=FaultSchedule(faults=(fault,)))

    first, second = (next(rig.sense(drive(), 1)).arrays for _ in range(2))

    assert set(first) == {spec.name for spec in rig.specs()}
    for spec in rig.specs():
        spec.check(first[spec.name])
        assert first[spec.name].tobytes() == second[spec.name].tobytes()
    assert list(FAULTS)[first["faults/kind"][0]] == kind


def test_a_frozen_sensor_repeats_its_frame(sound: list[Frame]) -> None:
    """From the second instant on it gives the second; others go on."""
    frames = sense(FrozenFrame(sensor=LIDAR, begin=0.1))

    assert same(dict(frames[2].arrays), dict(sound[1].arrays), LIDAR)
    assert same(dict(frames[2].arrays), dict(sound[2].arrays), CAMERA)


def test_a_dropped_frame_is_empty() -> None:
    """No points, a black picture."""
    arrays = sense(DroppedFrame(sensor=CAMERA), DroppedFrame(sensor=LIDAR))[0].arrays

    assert not arrays[f"{CAMERA}/rgb"].any()
    assert len(arrays[f"{LIDAR}/xyz"]) == len(arrays[f"{LIDAR}/is_fault"]) == 0


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [
        (DeadPixels(sensor=CAMERA, rows=2, columns=3, share=0.0), 0.05, 0.06),
        (WrongExposure(sensor=CAMERA, stops=-3.0), 1.0, 1.0),
        (LensDirt(sensor=CAMERA, cover=0.2), 0.1, 0.5),
        (WaterDrops(sensor=CAMERA, count=10), 0.01, 0.6),
        (Glare(sensor=CAMERA), 0.1, 1.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else "",
)
def test_pictures_change_where_the_mask_says(fault: Fault, low: float, high: float) -> None:
    """Outside the mask at most a shade; inside, something; the labels of pixels stay."""
    before, after = (sense(*faults, conditions=LOW_SUN)[0].arrays for faults in ((), (fault,)))
    mask = after[f"{CAMERA}/fault_mask"] == 1
    change = np.abs(after[f"{CAMERA}/rgb"].astype(int) - before[f"{CAMERA}/rgb"]).max(-1)

    assert low <= mask.mean() <= high
    assert change[mask].mean() > 3
    assert not mask.all() or change.max() > 20
    if (~mask).any():
        assert np.percentile(change[~mask], 95) < 25
    np.testing.assert_array_equal(after[f"{CAMERA}/semantic"], before[f"{CAMERA}/semantic"])


@pytest.mark.parametrize(
    "fault",
    [
        DeadPixels(sensor=CAMERA, share=0.0),
        WrongExposure(sensor=CAMERA, stops=0.0),
        LensDirt(sensor=CAMERA, cover=0.0),
        WaterDrops(sensor=CAMERA, count=0),
        Glare(sensor=CAMERA, strength=0.0),
        Misalignment(sensor=CAMERA, yaw=0.0),
        TimeJitter(sensor=CAMERA, spread=0.0),
        BeamLoss(sensor=LIDAR, rings=()),
        Crosstalk(sensor=LIDAR, share=0.0),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_of_strength_zero_is_the_identity(fault: Fault, sound: list[Frame]) -> None:
    """Every parameter has a value that means nothing is wrong."""
    arrays = dict(sense(fault)[0].arrays)

    assert same(dict(sound[0].arrays), arrays, "")


def test_lost_beams_are_gone_and_the_others_stay(sound: list[Frame]) -> None:
    """All points but those of the rings are as before."""
    arrays, clean = sense(BeamLoss(sensor=LIDAR, rings=(3, 40)))[0].arrays, sound[0].arrays

    kept = ~np.isin(clean[f"{LIDAR}/ring"], (3, 40))
    assert (~kept).sum() > 20
    np.testing.assert_array_equal(arrays[f"{LIDAR}/xyz"], clean[f"{LIDAR}/xyz"][kept])


def test_crosstalk_adds_marked_points(sound: list[Frame]) -> None:
    """True points stay; the added ones are marked and as many as the share says."""
    arrays, clean = sense(Crosstalk(sensor=LIDAR, share=0.05))[0].arrays, sound[0].arrays

    made = arrays[f"{LIDAR}/is_fault"] == 1
    count = len(clean[f"{LIDAR}/xyz"])
    np.testing.assert_array_equal(arrays[f"{LIDAR}/xyz"][~made], clean[f"{LIDAR}/xyz"])
    assert made.sum() == pytest.approx(0.05 * count, rel=0.2)
    assert (arrays[f"{LIDAR}/semantic"][made] == 0).all()


def test_a_misaligned_camera_keeps_its_announced_pose() -> None:
    """The picture turns by focal length times yaw, the pose it tells stays."""
    turned, clean = (
        sense(*faults)[0].arrays for faults in ((Misalignment(sensor=CAMERA, yaw=0.1),), ())
    )

    def column(arrays: dict[str, Array]) -> float:
        return float(np.nonzero(arrays[f"{CAMERA}/instance"] == 2)[1].mean())

    focal = float(clean[f"{CAMERA}/intrinsics"][0, 0])
    shift = column(dict(turned)) - column(dict(clean))
    assert shift == pytest.approx(focal * np.tan(0.1), abs=2.0)
    np.testing.assert_array_equal(
        turned[f"{CAMERA}/ego_from_camera"], clean[f"{CAMERA}/ego_from_camera"]
    )


def test_time_jitter_tells_what_it_drew(sound: list[Frame]) -> None:
    """Each frame has an error of its own, and the sensor shows the world of that time."""
    frames = sense(TimeJitter(sensor=CAMERA, spread=0.03))

    drawn = [float(frame.arrays["faults/drawn"][0]) for frame in frames]
    assert len(set(drawn)) == 3
    assert 0 < max(np.abs(drawn)) < 0.15
    assert not same(dict(frames[0].arrays), dict(sound[0].arrays), CAMERA)


def test_faults_of_unknown_sensors_are_refused() -> None:
    """A name that no sensor has, and a fault that its sensor cannot have."""
    with pytest.raises(UnknownNameError, match="camera/rear"):
        sense(DroppedFrame(sensor="camera/rear"))
    with pytest.raises(ValueError, match="arrays begin with lidar, got 'camera/front'"):
        BeamLoss(sensor=CAMERA)
    with pytest.raises(ValueError, match="expected begin < end"):
        DroppedFrame(sensor=CAMERA, begin=2.0, end=1.0)
