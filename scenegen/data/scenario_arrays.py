"""Scenarios as flat arrays and JSON and back: every number comes back bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scenegen.arrays import Array
from scenegen.data.schema import offsets_column, table_column
from scenegen.errors import RecordingError
from scenegen.scene import AgentKind, AgentStates, Conditions, Provenance, RoadMap, Scenario

STATE_ROWS = 16_384
"""Agent states in one chunk."""

_KINDS = {
    "flag_values": [int(kind) for kind in AgentKind],
    "flag_meanings": " ".join(kind.name.lower() for kind in AgentKind),
}

TRACK_COLUMNS = (
    table_column(
        "tracks/position",
        "float32",
        ["state", "axis"],
        [2],
        STATE_ROWS,
        units="m",
        long_name="box centre in the map frame",
    ),
    table_column(
        "tracks/yaw",
        "float32",
        ["state"],
        (),
        STATE_ROWS,
        units="rad",
        long_name="heading, counter-clockwise from map x",
    ),
    table_column("tracks/speed", "float32", ["state"], (), STATE_ROWS, units="m s-1"),
    table_column(
        "tracks/size",
        "float32",
        ["state", "extent"],
        [3],
        STATE_ROWS,
        units="m",
        long_name="length, width and height",
    ),
    table_column("tracks/kind", "int8", ["state"], (), STATE_ROWS, **_KINDS),
    table_column("tracks/valid", "bool", ["state"], (), STATE_ROWS),
    table_column("tracks/time", "float64", ["step"], (), STATE_ROWS, units="s"),
    table_column("tracks/agent_count", "int32", ["scenario"], long_name="slots per instant"),
    table_column("tracks/map_index", "int32", ["scenario"], long_name="number of the road map"),
)
"""Arrays of all scenarios of a pack, joined along the first axis; states are ordered by scenario,
instant, agent."""

TRACK_OFFSETS = (
    offsets_column("tracks/state_offsets", "scenario_edge"),
    offsets_column("tracks/step_offsets", "scenario_edge"),
)


def track_rows(scenario: Scenario) -> tuple[dict[str, Array], dict[str, list[int]]]:
    """Give a scenario's rows for each per-state and per-step path, and its counts.

    Raises:
        RecordingError: A number would not come back as it is.
    """
    agents = scenario.agents
    rows = {
        "tracks/position": _exact("position", agents.position.reshape(-1, 2), np.float32),
        "tracks/yaw": _exact("yaw", agents.yaw.reshape(-1), np.float32),
        "tracks/speed": _exact("speed", agents.speed.reshape(-1), np.float32),
        "tracks/size": _exact("size", agents.size.reshape(-1, 3), np.float32),
        "tracks/kind": _exact("kind", agents.kind.reshape(-1), np.int8),
        "tracks/valid": _exact("valid", agents.valid.reshape(-1), np.bool_),
        "tracks/time": _exact("times", scenario.times, np.float64),
    }
    counts = {
        "tracks/state_offsets": [agents.valid.size],
        "tracks/step_offsets": [scenario.steps],
    }
    return rows, counts


def scenario_document(scenario: Scenario) -> dict[str, Any]:
    """Give what is text or a few numbers about a scenario."""
    return {
        "id": scenario.id,
        "conditions": scenario.conditions.to_json(),
        "provenance": scenario.provenance.to_json(),
        "roles": dict(scenario.roles),
        "sirens": list(scenario.sirens),
    }


def read_scenario(
    arrays: Mapping[str, npt.NDArray[Any]],
    agents: int,
    roadmap: RoadMap,
    document: Mapping[str, Any],
) -> Scenario:
    """Rebuild a scenario.

    Args:
        arrays: Its own rows of each per-state and per-step path.
        agents: Slots per instant N.
        roadmap: Its road.
        document: What `scenario_document` gave.
    """
    times = arrays["tracks/time"]
    lead = (len(times), agents)
    return Scenario(
        roadmap=roadmap,
        conditions=Conditions.from_json(document["conditions"]),
        agents=AgentStates(
            position=arrays["tracks/position"].reshape(*lead, 2),
            yaw=arrays["tracks/yaw"].reshape(lead),
            speed=arrays["tracks/speed"].reshape(lead),
            size=arrays["tracks/size"].reshape(*lead, 3),
            kind=arrays["tracks/kind"].reshape(lead),
            valid=arrays["tracks/valid"].reshape(lead),
        ),
        times=times,
        provenance=Provenance.from_json(document["provenance"]),
        roles=dict(document["roles"]),
        # Recordings made before there were sirens have none.
        sirens=tuple(document.get("sirens", ())),
    )


def _exact(name: str, values: Array, dtype: type[np.generic]) -> Array:
    stored = values.astype(dtype)
    if values.dtype != stored.dtype and not np.array_equal(
        stored.astype(values.dtype), values, equal_nan=values.dtype.kind == "f"
    ):
        raise RecordingError(
            f"scenario {name}: expected values that fit {np.dtype(dtype)} exactly, got"
            f" {values.dtype}; convert them before recording"
        )
    return stored
