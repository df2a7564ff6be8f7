"""A made-up corpus: cars that drive on at constant speed on straight roads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scenegen.layout.map_tokens import encode_map
from scenegen.layout.shard_file import COLUMNS, SPLITS, ShardHeader, pack_shard, token_layout
from scenegen.layout.tokens import encode
from scenegen.scene import AgentKind, AgentStates, Conditions, Scene
from scenegen.scene.plans import KNOTS
from tests.builders import straight_road

EVENTS = ("cut_in",)


def write_corpus(folder: Path, rows: int = 96, seed: int = 0) -> Path:
    """Write one shard; every sixth row is of the validation split."""
    rng = np.random.default_rng(seed)
    drawn = [_row(rng, index) for index in range(rows)]
    arrays = {
        name: np.stack([np.asarray(row[name]) for row in drawn]).astype(dtype)
        for name, (dtype, _) in COLUMNS.items()
    }
    names: dict[str, Any] = {"settings": "made up", "first": 0, "last": rows, "events": EVENTS}
    if "detectors" in ShardHeader.__dataclass_fields__:
        names["detectors"] = EVENTS
    header = ShardHeader(tokens=token_layout(), **names)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0000.safetensors").write_bytes(pack_shard(arrays, header))
    return folder


def scene(rng: np.random.Generator, staged: bool) -> Scene:
    """Draw cars on three lanes, at least 15 m apart; the second one is in a role if staged."""
    road = straight_road(3)
    count = int(rng.integers(4, 14))
    slots = rng.permutation(60)[:count]
    states = AgentStates.of(
        [(AgentKind.CAR, 100.0 + 8.0 * (k // 3), 3.5 * (k % 3), 0.0, 0.0) for k in slots]
    )
    states.speed[:] = 20.0 + 3.0 * (slots % 3) + rng.normal(size=count)
    if staged:
        states.position[1] = states.position[0] + np.array(
            [12.0, 3.5 * (1 - 2 * (slots[0] % 3 > 1))]
        )
        apart = np.hypot(*(states.position[2:] - states.position[1]).T) > 6.0
        states = states[np.concatenate([[True, True], apart])]
    return Scene(roadmap=road, agents=states, conditions=Conditions())


def _row(rng: np.random.Generator, index: int) -> dict[str, Any]:
    staged = index % 2 == 1
    drawn = scene(rng, staged)
    knots = np.zeros((drawn.agents.count, KNOTS, 2))
    tokens = encode(drawn, knots, knots[:, 0, 0], {"c": 1} if staged else {})
    road = encode_map(drawn.roadmap, tokens.frame)
    return {
        "agents": tokens.values,
        "frame": tokens.frame,
        "map_points": road.points,
        "map_attributes": road.attributes,
        "map_valid": road.valid,
        "family": int(staged),
        "severity": 2.0,
        "light": 0,
        "weather": 0,
        "density": 10.0,
        "ego_speed": float(drawn.agents.speed[0]),
        "occurs": np.array([staged]),
        "road_kind": 0,
        "road": index,
        "world": index,
        "begin": 0.0,
        "split": SPLITS.index("val" if index % 6 == 0 else "train"),
        "index": index,
        "sampling_probability": 0.5,
        "attempts": 1,
    }
