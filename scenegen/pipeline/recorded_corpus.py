"""Recordings of one's own as a corpus: windows of them, seen from several egos, as tokens.

A layout model is fitted to a new place or a new kind of traffic with ten to fifty recordings. They
are split by recording, since rows of one recording show the same traffic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scenegen.arrays import Array
from scenegen.data import Dataset
from scenegen.errors import RecordingError
from scenegen.events import EVENTS
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.motion import DURATION
from scenegen.layout.shard_file import (
    COLUMNS,
    FORMAT,
    MANIFEST,
    SPLITS,
    ShardHeader,
    pack_shard,
    token_layout,
)
from scenegen.layout.tokens import encode_scenario
from scenegen.maps import read_commonroad
from scenegen.pipeline.corpus_encoding import least_ttc, road_number
from scenegen.scene import (
    EGO,
    AgentKind,
    AgentStates,
    Conditions,
    LaneKind,
    Light,
    Provenance,
    RoadKind,
    RoadMap,
    Scenario,
    Weather,
)
from scenegen.scene.scenario import STEP
from scenegen.seeding import digest
from scenegen.training.checkpoint import write_atomically

EVERY = 4.0
"""Time between the begins of windows [s]: half of what a token says."""
LEAST = 4.0
"""A recording must last so long to give a window [s]."""
EGOS = 4
"""Vehicles that a window is seen from, unless another number is asked for."""
HELD_OUT = 0.2
"""Share of the recordings that are held out, at least one."""

Row = dict[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedTraffic:
    """One recording.

    Attributes:
        name: What it is called; recordings of one name are one.
        scenario: What happened. Agent EGO is the ego where there is one, and nobody special else.
        event: Event family that was staged, "" for none.
        has_ego: Whether it was recorded from an ego.
        roles: Agent index of each role of the event, in the order of the family.
    """

    name: str
    scenario: Scenario
    event: str = ""
    has_ego: bool = True
    roles: Mapping[str, int] = field(default_factory=dict)


def read_recordings(path: Path) -> Iterator[RecordedTraffic]:
    """Read recordings: a dataset, or a CommonRoad file, or a folder of such files.

    Args:
        path: Where they are.

    Raises:
        RecordingError: It is neither, or a recording is damaged.
        MapError: A CommonRoad file is damaged.
    """
    files = [path] if path.suffix == ".xml" else sorted(path.glob("*.xml"))
    if files:
        for file in files:
            yield _of_commonroad(file)
        return
    dataset = Dataset(path)
    for identity in dataset.ids:
        yield _of_dataset(identity, dataset.scenario(identity))


def write_recorded_corpus(
    recordings: Iterable[RecordedTraffic], folder: Path, *, egos: int = EGOS
) -> dict[str, Any]:
    """Write recordings as a corpus of one shard with the splits train and val.

    Args:
        recordings: At least two, so that one can be held out.
        folder: Where the corpus goes; what is there is replaced.
        egos: Vehicles that each window is seen from, the recorded ego among them.

    Returns:
        The manifest: rows and recordings of each split.

    Raises:
        RecordingError: There are too few recordings that are long enough and have a vehicle.
    """
    kept = [(one, _rows(one, egos)) for one in recordings]
    kept = [(one, rows) for one, rows in kept if rows]
    names = sorted({one.name for one, _ in kept}, key=digest)
    if len(names) < 2:
        raise RecordingError(
            f"recordings: expected at least 2 that last {LEAST:g} s and have a car that stays, got"
            f" {len(names)}"
        )
    held_out = set(names[: max(1, round(HELD_OUT * len(names)))])
    events = tuple(sorted({one.event for one, _ in kept} - {""}))
    flat: list[Row] = []
    for one, rows in kept:
        split = SPLITS.index("val" if one.name in held_out else "train")
        family = events.index(one.event) + 1 if one.event else 0
        for row in rows:
            # Only what was seen from the ego of a staged event shows that event.
            row["family"] = np.asarray(family if row.pop("staged") else 0, np.int16)
            row["split"] = np.asarray(split, np.int8)
            row["index"] = np.asarray(len(flat), np.int64)
            row["world"] = np.asarray(names.index(one.name), np.int64)
            flat.append(row)
    arrays = {name: np.stack([row[name] for row in flat]) for name in COLUMNS}
    made = digest({"rows": [hashlib.sha256(a.tobytes()).hexdigest() for a in arrays.values()]})
    header = ShardHeader(
        settings=made, first=0, last=len(flat), events=events, detectors=(), tokens=token_layout()
    )
    data = pack_shard(arrays, header)
    counts = np.bincount(arrays["split"], minlength=len(SPLITS)).tolist()
    manifest = {
        "format": FORMAT,
        "version": version("scenegen"),
        "settings_digest": made,
        "rows": len(flat),
        "splits": dict(zip(SPLITS, counts, strict=True)),
        "recordings": {"train": len(names) - len(held_out), "val": len(held_out)},
        "shards": [{"file": "0000.safetensors", "sha256": hashlib.sha256(data).hexdigest()}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "0000.safetensors", data)
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return manifest


def _of_commonroad(path: Path) -> RecordedTraffic:
    base = read_commonroad(path)
    scenario = Scenario(
        roadmap=base.roadmap,
        conditions=Conditions(),
        agents=base.log,
        times=np.arange(len(base.log.valid)) * STEP,
        provenance=Provenance(
            query=base.name,
            seed=0,
            index=0,
            attempt=0,
            script={},
            map_source=dict(base.roadmap.source),
        ),
    )
    return RecordedTraffic(name=base.digest, scenario=scenario, has_ego=False)


def _of_dataset(identity: str, scenario: Scenario) -> RecordedTraffic:
    event = str(scenario.provenance.script.get("event", ""))
    if event not in EVENTS or not scenario.roles:
        return RecordedTraffic(name=identity, scenario=scenario)
    return RecordedTraffic(name=identity, scenario=scenario, event=event, roles=scenario.roles)


def _rows(one: RecordedTraffic, egos: int) -> list[Row]:
    """Rows of all windows of a recording; none if it is too short."""
    steps, length = one.scenario.steps, round(DURATION / STEP) + 1
    if (steps - 1) * STEP < LEAST - 1e-9:
        return []
    begins = range(0, max(1, steps - length + 1), round(EVERY / STEP))
    return [
        _row(one, ego, begin, min(begin + length, steps))
        for begin in begins
        for ego in _egos(one, begin, min(begin + length, steps), egos)
    ]


def _egos(one: RecordedTraffic, begin: int, end: int, count: int) -> list[int]:
    """Vehicles that stay throughout a window: the recorded ego, then others evenly chosen."""
    states = one.scenario.agents[begin:end]
    motor = np.array([AgentKind(int(k)).is_motor_vehicle for k in states.kind[0]])
    stays = np.flatnonzero(states.valid.all(0) & motor)
    first = [EGO] if one.has_ego and states.valid[0, EGO] else []
    rest = np.array([k for k in stays.tolist() if k not in first], np.int64)
    places = np.linspace(0, len(rest) - 1, min(len(rest), max(0, count - len(first))))
    return first + rest[np.round(places).astype(np.int64)].tolist()


def _row(one: RecordedTraffic, ego: int, begin: int, end: int) -> Row:
    """Encode one window seen from one ego."""
    whole = one.scenario
    order = np.array([ego, *(k for k in range(whole.agents.count) if k != ego)])
    staged = bool(one.event) and ego == EGO and begin == 0
    cut = replace(
        whole,
        agents=whole.agents[begin:end][:, order],
        times=whole.times[begin:end],
        roles=dict(one.roles) if staged else {},
        sirens=(),
    )
    shown = carried_on(cut.agents, round(DURATION / STEP) + 1)
    tokens = encode_scenario(
        replace(cut, agents=shown, times=cut.times[0] + np.arange(len(shown.valid)) * STEP)
    )
    road = encode_map(cut.roadmap, tokens.frame, float(cut.times[0]))
    values: dict[str, npt.ArrayLike] = {
        "agents": tokens.values,
        "frame": tokens.frame,
        "map_points": road.points,
        "map_attributes": road.attributes,
        "map_valid": road.valid,
        "family": 0,
        "severity": least_ttc(cut),
        "light": tuple(Light).index(cut.conditions.light),
        "weather": tuple(Weather).index(cut.conditions.weather),
        "density": _density(cut),
        "ego_speed": cut.agents.speed[0, EGO],
        "occurs": np.zeros(0, np.bool_),
        "road_kind": tuple(RoadKind).index(cut.roadmap.kind),
        "road": road_number(cut.roadmap),
        "world": 0,
        "begin": cut.times[0],
        "split": 0,
        "index": 0,
        "sampling_probability": 1.0,
        "attempts": 1,
    }
    row = {name: np.asarray(values[name], dtype) for name, (dtype, _) in COLUMNS.items()}
    return {**row, "staged": np.asarray(staged)}


def carried_on(states: AgentStates, steps: int) -> AgentStates:
    """Let everybody who is gone drive on straight at their last speed.

    A motion code says what somebody does for DURATION. Recordings end earlier, and people leave
    them; a code that is fitted to the begin alone goes on with whatever it ended with, in spirals.

    Args:
        states: Trajectories at 10 Hz, leading shape (T, N).
        steps: Number of instants wanted, at least T.

    Returns:
        The same up to the last instant at which each agent is there, leading shape (steps, N).
    """
    instants, agents = np.arange(steps)[:, None], np.arange(states.count)
    known = np.arange(len(states.valid))[:, None]
    last = np.where(states.valid, known, -1).max(0)  # (N,), -1 for nobody
    gone = (instants > last) & (last >= 0)
    source = np.where(gone, last, np.minimum(instants, len(known) - 1))
    out = replace(
        states, **{f.name: getattr(states, f.name)[source, agents] for f in fields(states)}
    )
    way = out.speed * np.where(gone, instants - last, 0) * STEP
    ahead = np.stack([np.cos(out.yaw), np.sin(out.yaw)], -1) * way[..., None]
    return replace(out, position=(out.position + ahead).astype(states.position.dtype))


def _density(scenario: Scenario) -> float:
    """Road users on wheels per kilometre of driving lanes at the opening [1/km]."""
    states = scenario.agents[0]
    wheels = sum(
        AgentKind(int(kind)).is_motor_vehicle
        for kind, there in zip(states.kind, states.valid, strict=True)
        if there
    )
    return wheels / max(_lane_kilometres(scenario.roadmap), 0.1)


def _lane_kilometres(roadmap: RoadMap) -> float:
    return sum(lane.length for lane in roadmap.lanes if lane.kind is LaneKind.DRIVING) / 1000.0
