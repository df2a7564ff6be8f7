"""One row of a corpus from one simulated scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scenegen.arrays import Array, IntArray
from scenegen.events import EVENTS, Tracks
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.shard_file import COLUMNS, SPLITS
from scenegen.layout.tokens import encode_scenario
from scenegen.pipeline.corpus_settings import DETECTORS, CorpusSettings
from scenegen.scene import EGO, Light, RoadKind, RoadMap, Scenario, Weather
from scenegen.seeding import digest
from scenegen.sim import pairs

PARTS = 20
"""Roads are dealt into this many parts by their hash: one for val, one for test, the rest train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a row came from.

    Attributes:
        index: Number of the row.
        event: Family of its stratum, "" for everyday traffic.
        world: Number of the simulated world.
        density: Traffic that was asked for [vehicles per lane kilometre].
        attempts: Draws it took.
    """

    index: int
    event: str
    world: int
    density: float
    attempts: int


def encode_row(
    view: Tracks, roles: Mapping[str, int], origin: Origin, settings: CorpusSettings
) -> dict[str, Array]:
    """Turn a scenario into the arrays of one row, as in shard_file.COLUMNS.

    Args:
        view: The scenario; its ego is the ego of the row.
        roles: Agent of each staged role, in the order of the family.
        origin: Where it came from.
        settings: What the corpus is made of.
    """
    scenario = view.scenario
    roadmap = scenario.roadmap
    tokens = encode_scenario(replace(scenario, roles=dict(roles)))
    road = encode_map(roadmap, tokens.frame, float(scenario.times[0]))
    values: dict[str, npt.ArrayLike] = {
        "agents": tokens.values,
        "frame": tokens.frame,
        "map_points": road.points,
        "map_attributes": road.attributes,
        "map_valid": road.valid,
        "family": settings.events.index(origin.event) + 1 if origin.event else 0,
        "severity": least_ttc(scenario),
        "light": tuple(Light).index(scenario.conditions.light),
        "weather": tuple(Weather).index(scenario.conditions.weather),
        "density": origin.density,
        "ego_speed": scenario.agents.speed[0, EGO],
        "occurs": [occurs(view, name) for name in DETECTORS],
        "road_kind": tuple(RoadKind).index(roadmap.kind),
        "road": road_number(roadmap),
        "world": origin.world,
        "begin": scenario.times[0],
        "split": split_of(roadmap, settings.held_out),
        "index": origin.index,
        "sampling_probability": settings.chance(origin.event, roadmap.kind),
        "attempts": origin.attempts,
    }
    return {name: np.asarray(values[name], dtype) for name, (dtype, _) in COLUMNS.items()}


def occurs(view: Tracks, event: str, actors: tuple[int, ...] | None = None) -> bool:
    """Whether an event goes on at one instant at least.

    Args:
        view: The scenario.
        event: Name of the family.
        actors: Agent of each role; None for anybody.
    """
    family = EVENTS[event]
    casts = family.candidates(view) if actors is None else [actors]
    return any(bool((family.margin(view, cast, {}) > 0.0).any()) for cast in casts)


def least_ttc(scenario: Scenario) -> float:
    """Least time to collision of the ego with anybody over a scenario [s]; inf where none."""
    others: IntArray = np.arange(1, scenario.agents.count)
    if len(others) == 0:
        return float("inf")
    found = pairs.ttc(scenario.agents, np.full_like(others, EGO), others)
    return float(found.min(initial=np.inf))


def road_number(roadmap: RoadMap) -> int:
    """Give a number that follows from where the road came from: its digest, 60 bits."""
    return int(digest(dict(roadmap.source))[:15], 16)


def split_of(roadmap: RoadMap, held_out: str) -> int:
    """Give the split of a road, an index into SPLITS: by its class, then by its hash."""
    if roadmap.kind == held_out:
        return SPLITS.index("held_out")
    part = int(digest(dict(roadmap.source)), 16) % PARTS
    return {0: SPLITS.index("val"), 1: SPLITS.index("test")}.get(part, SPLITS.index("train"))
