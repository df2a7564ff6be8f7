"""Recorded scenes from CommonRoad files (XML, versions 2018b and 2020a)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import MapError
from scenegen.maps.commonroad_agents import PlanningStart, read_agents, read_starts
from scenegen.maps.commonroad_lanes import read_lanelets
from scenegen.maps.commonroad_signals import read_signals
from scenegen.maps.commonroad_xml import Element, label, parse, parse_number, points
from scenegen.scene.agents import AgentStates
from scenegen.scene.roadmap import RoadKind, RoadMap

VERSIONS = {"2018b", "2020a"}
"""Versions of the format that can be read."""
FAR = 5000.0
"""Coordinates beyond this are moved to the middle of the map [m]: float32 states resolve
0.5 mm there, but only 6 cm at a million metres (UTM)."""
WEDGE = 4.0
"""Holes of the carriageway up to this area [m^2] are wedges between slanted lanelet ends."""
LARGEST_FILE = 512 * 1024 * 1024
"""A larger file is refused [bytes]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedScene:
    """A recorded place with its traffic (Althoff, Koschi and Manzinger, 2017: CommonRoad).

    Attributes:
        roadmap: The road; its `source` has the file's name and digest, and the `origin_x` and
            `origin_y` [m] that were taken off all coordinates.
        log: Recorded road users at 10 Hz from time 0, leading shape (T, N). No agent is the ego.
        starts: Initial states of the planning problems, candidates for an ego vehicle.
        name: Benchmark id of the scene.
        digest: SHA-256 of the file.
    """

    roadmap: RoadMap
    log: AgentStates
    starts: tuple[PlanningStart, ...]
    name: str
    digest: str


def read_commonroad(path: str | Path) -> RecordedScene:
    """Read a CommonRoad scenario file.

    Links are made reciprocal, lanelets of equal shape become one lane, and lanes are marked as
    inside a junction where the file says so or where others cross them. Speed limits come from
    signs (or `speedLimit` in 2018b), else from the scenario's tags or the lanelet type.

    Args:
        path: The file.

    Returns:
        The scene.

    Raises:
        MapError: The file is missing, damaged, or has what is not supported; the message names
            the file and the element.
    """
    path = Path(path)
    try:
        return _read(path)
    except MapError as error:
        raise MapError(f"{path.name}: {error}") from error.__cause__
    except OSError as error:
        raise MapError(f"{path.name}: cannot be read: {error.strerror or error}") from error


def _read(path: Path) -> RecordedScene:
    if path.stat().st_size > LARGEST_FILE:
        raise MapError(f"expected at most {LARGEST_FILE} bytes, got {path.stat().st_size}")
    data = path.read_bytes()
    if not data.strip():
        raise MapError("expected a CommonRoad document, got an empty file")
    root = parse(data)
    version = root.get("commonRoadVersion", "")
    if version not in VERSIONS:
        known = " or ".join(sorted(VERSIONS))
        raise MapError(f"expected commonRoadVersion {known}, got {version[:40]!r}")
    step = parse_number(root.get("timeStepSize", ""), "timeStepSize")
    if not 1e-3 <= step <= 10.0:
        raise MapError(f"expected timeStepSize in [0.001, 10] s, got {step}")
    origin = _origin(root)
    lanelets = read_lanelets(root, origin)
    draft = lanelets.draft
    draft.signals.extend(read_signals(root, lanelets, origin, step))
    draft.pave_holes(WEDGE)
    name = root.get("benchmarkID") or path.stem
    digest = hashlib.sha256(data).hexdigest()
    source: dict[str, str | int | float] = {
        "source": "commonroad",
        "file": path.name,
        "digest": digest,
        "origin_x": float(origin[0]),
        "origin_y": float(origin[1]),
    }
    return RecordedScene(
        roadmap=draft.build(name, RoadKind.RECORDED, source),
        log=read_agents(root, origin, step),
        starts=read_starts(root, origin),
        name=name,
        digest=digest,
    )


def _origin(root: Element) -> FloatArray:
    """Whole metres to take off all coordinates: zero unless the map lies far from its origin."""
    bounds = [
        points(bound, label(lanelet))
        for lanelet in root.findall("lanelet")
        for bound in (*lanelet.findall("leftBound"), *lanelet.findall("rightBound"))
    ]
    if not bounds:
        return np.zeros(2)
    everything = np.concatenate(bounds)
    if np.abs(everything).max() < FAR:
        return np.zeros(2)
    return np.round((everything.min(0) + everything.max(0)) / 2)
