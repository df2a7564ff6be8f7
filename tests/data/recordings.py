"""Random recordings: roads with everything on them, agents that come and go, ragged frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from scenegen.arrays import Array
from scenegen.data import Dataset, DatasetWriter
from scenegen.scene import (
    AgentKind,
    AgentStates,
    ArraySpec,
    Conditions,
    Crossing,
    Frame,
    Lane,
    LaneKind,
    Light,
    LineMarking,
    RoadKind,
    RoadMap,
    Scenario,
    Signal,
    SignalState,
    Weather,
)
from tests.builders import provenance

SPECS = (
    ArraySpec(
        name="camera/front/rgb",
        dims=("y", "x", "channel"),
        shape=(16, 24, 3),
        dtype="uint8",
        codec="image",
    ),
    ArraySpec(
        name="camera/front/depth", dims=("y", "x"), shape=(16, 24), dtype="float16", units="m"
    ),
    ArraySpec(
        name="camera/front/semantic",
        dims=("y", "x"),
        shape=(16, 24),
        dtype="uint8",
        units="",
        codec="mask",
        classes=("road", "car", "traffic light"),
    ),
    ArraySpec(
        name="camera/front/instance",
        dims=("y", "x"),
        shape=(16, 24),
        dtype="uint16",
        units="",
        codec="mask",
    ),
    ArraySpec(
        name="lidar/top/xyz",
        dims=("point", "axis"),
        shape=(None, 3),
        dtype="int16",
        units="m",
        codec="points",
        scale=0.005,
    ),
    ArraySpec(
        name="lidar/top/intensity", dims=("point",), shape=(None,), dtype="uint8", codec="points"
    ),
    ArraySpec(
        name="boxes3d/cuboid",
        dims=("box", "parameter"),
        shape=(None, 7),
        dtype="float32",
        codec="points",
    ),
    ArraySpec(name="ego/pose", dims=("row", "column"), shape=(4, 4), dtype="float64"),
)
LEAN = tuple(spec for spec in SPECS if spec.name in {"camera/front/semantic", "boxes3d/cuboid"})


def random_frames(
    rng: np.random.Generator, count: int, specs: tuple[ArraySpec, ...] = SPECS, rows: int = 40
) -> list[Frame]:
    """Draw frames; ragged arrays are often empty."""
    return [
        Frame(time=0.1 * t, arrays=dict(_random_arrays(rng, specs, rows))) for t in range(count)
    ]


def _random_arrays(
    rng: np.random.Generator, specs: tuple[ArraySpec, ...], rows: int
) -> Iterator[tuple[str, Array]]:
    lengths: dict[str, int] = {}
    for spec in specs:
        length = lengths.setdefault(
            spec.dims[0], int(rng.integers(0, rows)) * int(rng.random() < 0.7)
        )
        shape = tuple(length if n is None else n for n in spec.shape)
        dtype = np.dtype(spec.dtype)
        if dtype.kind == "f":
            yield spec.name, rng.normal(size=shape).astype(dtype)
            continue
        info = np.iinfo(dtype)
        yield spec.name, rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def random_road(rng: np.random.Generator) -> RoadMap:
    """Draw a road with links, signals and crossings, none of it sensible."""
    count = int(rng.integers(1, 6))

    def links() -> tuple[int, ...]:
        return tuple(int(x) for x in rng.integers(0, count, rng.integers(0, 3)))

    lanes = tuple(
        Lane(
            centerline=np.cumsum(rng.normal(size=(points, 2)), 0),
            width=rng.uniform(2, 4, points),
            kind=LaneKind(int(rng.integers(0, 7))),
            speed_limit=float(rng.uniform(5, 40)),
            predecessors=links(),
            successors=links(),
            left=int(rng.integers(-1, count)),
            right=int(rng.integers(-1, count)),
            left_marking=LineMarking(int(rng.integers(0, 5))),
            right_marking=LineMarking(int(rng.integers(0, 5))),
            in_junction=bool(rng.integers(0, 2)),
            yields=bool(rng.integers(0, 2)),
            turn=int(rng.integers(-1, 2)),
        )
        for points in rng.integers(2, 9, count)
    )
    signals = tuple(
        Signal(
            lanes=links(),
            stop_line=rng.normal(size=(2, 2)),
            position=rng.normal(size=2),
            cycle=60.0,
            green_start=float(rng.uniform(0, 30)),
            green=float(rng.uniform(10, 30)),
            always=SignalState(int(rng.integers(0, 4))),
        )
        for _ in range(rng.integers(0, 3))
    )
    crossings = tuple(
        Crossing(
            outline=rng.normal(size=(rng.integers(3, 6), 2)),
            path=rng.normal(size=(2, 2)),
            lanes=links(),
        )
        for _ in range(rng.integers(0, 3))
    )
    return RoadMap(
        name=f"road-{rng.integers(0, 99)} ü",
        kind=list(RoadKind)[rng.integers(0, 7)],
        lanes=lanes,
        signals=signals,
        crossings=crossings,
        source={"seed": int(rng.integers(0, 99)), "length": float(rng.normal())},
    )


def random_scenario(rng: np.random.Generator, index: int = 0) -> Scenario:
    """Draw a scenario: any number of agents and instants, slots filled or not."""
    steps, count = int(rng.integers(1, 12)), int(rng.integers(0, 7))
    valid = rng.random((steps, count)) < rng.choice([0.0, 0.6, 1.0])
    kinds = rng.choice([int(kind) for kind in AgentKind], (steps, count)).astype(np.int8)
    agents = AgentStates(
        position=rng.normal(0, 100, (steps, count, 2)).astype(np.float32),
        yaw=rng.uniform(-3, 3, (steps, count)).astype(np.float32),
        speed=rng.normal(10, 5, (steps, count)).astype(np.float32),
        size=rng.uniform(0.5, 5, (steps, count, 3)).astype(np.float32),
        kind=kinds,
        valid=valid,
    )
    agents.yaw[valid & (rng.random(valid.shape) < 0.1)] = -0.0
    return Scenario(
        roadmap=random_road(rng),
        conditions=Conditions(
            light=list(Light)[rng.integers(0, 3)],
            weather=list(Weather)[rng.integers(0, 5)],
            visibility=float(rng.uniform(50, 20_000)),
            sun_azimuth=float(rng.normal()),
        ),
        agents=agents,
        times=np.arange(steps) * 0.1,
        provenance=provenance(
            index=index, script={"event": "cut_in", "gap": float(rng.normal())}, seed=2**70 + 1
        ),
        roles={"c": 1, "d": 2} if count > 2 else {},
    )


def write(
    path: Path,
    seed: int = 0,
    frame_counts: tuple[int, ...] = (3, 0, 1, 7),
    specs: tuple[ArraySpec, ...] = SPECS,
    per_pack: int = 2,
    profile: str = "lossless",
) -> list[tuple[Scenario, list[Frame]]]:
    """Write random recordings and give what was written."""
    rng = np.random.default_rng(seed)
    made = []
    with DatasetWriter(path, specs, profile=profile, recordings_per_pack=per_pack) as writer:
        for index, count in enumerate(frame_counts):
            scenario, frames = random_scenario(rng, index), random_frames(rng, count, specs)
            writer.add(scenario, frames, {"number": index, "event": "cut_in"})
            made.append((scenario, frames))
    return made


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays agree in shape, dtype and every bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def assert_same_scenario(got: Scenario, want: Scenario) -> None:
    """Check that two scenarios agree in every number."""
    for f in fields(AgentStates):
        assert same_bits(getattr(got.agents, f.name), getattr(want.agents, f.name)), f.name
    assert same_bits(got.times, want.times)
    assert got.conditions == want.conditions
    assert got.provenance == want.provenance
    assert got.roles == want.roles
    assert got.id == want.id
    assert_same_road(got.roadmap, want.roadmap)


def assert_same_road(got: RoadMap, want: RoadMap) -> None:
    """Check that two road maps agree in every number."""
    assert (got.name, got.kind, got.source) == (want.name, want.kind, want.source)
    for kind in ("lanes", "signals", "crossings"):
        ours, theirs = getattr(got, kind), getattr(want, kind)
        assert len(ours) == len(theirs), kind
        for a, b in zip(ours, theirs, strict=True):
            for f in fields(a):
                x, y = getattr(a, f.name), getattr(b, f.name)
                same = same_bits(x, y) if isinstance(x, np.ndarray) else x == y
                assert same, f"{kind}.{f.name}"
                assert type(x) is type(y), f"{kind}.{f.name}"


def assert_same_frames(dataset: Dataset, recording: int, frames: list[Frame]) -> None:
    """Check that every array of every frame comes back bit for bit."""
    assert dataset.frame_count(recording) == len(frames)
    np.testing.assert_array_equal(dataset.times(recording), [frame.time for frame in frames])
    for name in dataset.fields:
        got = dataset.read(recording, name)
        for t, frame in enumerate(frames):
            if isinstance(got, tuple):
                values, offsets = got
                assert same_bits(values[offsets[t] : offsets[t + 1]], frame.arrays[name]), name
            else:
                assert same_bits(got[t], frame.arrays[name]), name


def renumbered(scenario: Scenario, index: int) -> Scenario:
    """Give the same development under another id."""
    return replace(scenario, provenance=replace(scenario.provenance, index=index))


def tree(path: Path) -> dict[str, bytes]:
    """Give the bytes of every file below a folder."""
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }
