"""A fixed random-feature encoder of scenes: the frame in which sets of scenes are compared.

Its weights are drawn once from a named stream and never trained, so that no model can have been
fitted to them; random features still separate what differs (Rahimi and Recht, 2007).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.evaluate.contacts import RoadPlaces
from scenegen.evaluate.scene_set import SceneSet
from scenegen.layout.tokens import CHANNELS, PRESENCE
from scenegen.seeding import stream

HIDDEN, FEATURES = 128, 32
"""Width of the layer per agent, and numbers per scene."""
INPUTS = CHANNELS + 3
"""What is known of an agent: its token, and how it stands on the road."""
CHUNK = 1024
"""Scenes that are encoded at a time."""


def encode_scenes(scenes: SceneSet, places: RoadPlaces) -> FloatArray:
    """Turn scenes into vectors.

    Every agent goes through one random layer; the mean, the largest value and the spread over
    the agents of a scene go through another one (a deep set; Zaheer et al. 2017, with random
    weights), so that the order of the agents does not matter.

    Args:
        scenes: The scenes.
        places: Where their agents are on the road.

    Returns:
        Features, shape (S, FEATURES), float64.
    """
    if not len(scenes):
        return np.zeros((0, FEATURES))
    first, bias, second = _weights()
    inputs = agent_inputs(scenes, places)
    out = np.zeros((len(scenes), FEATURES))
    for low in range(0, len(scenes), CHUNK):
        part = slice(low, low + CHUNK)
        hidden = np.tanh(inputs[part] @ first + bias)
        present = scenes.present[part][..., None]
        number = np.maximum(present.sum(1), 1)
        mean = (hidden * present).sum(1) / number
        most = np.where(present, hidden, -1.0).max(1)
        spread = np.sqrt((((hidden - mean[:, None]) ** 2) * present).sum(1) / number)
        size = np.broadcast_to(number / scenes.values.shape[1], (len(number), 1))
        out[part] = np.concatenate([mean, most, spread, size], -1) @ second
    return out


def agent_inputs(scenes: SceneSet, places: RoadPlaces) -> FloatArray:
    """Numbers of every agent, shape (S, A, INPUTS): token, offset, turn and room on the road."""
    offset = np.minimum(places.offset[:, 0], 6.0) / 2.0
    turn = np.sin(places.heading_error[:, 0])
    room = np.clip(places.clearance[:, 0], -6.0, 3.0) / 2.0
    road = np.stack([offset, turn, room], -1)
    values = np.clip(scenes.values.astype(np.float64), -6.0, 6.0)
    values[..., PRESENCE] = np.where(scenes.present, 1.0, -1.0)
    return np.concatenate([values, road], -1) * scenes.present[..., None]


@lru_cache(maxsize=1)
def _weights() -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = stream(0, "evaluate", "encoder")
    first = rng.normal(size=(INPUTS, HIDDEN)) / np.sqrt(INPUTS) * 1.5
    bias = rng.uniform(-0.5, 0.5, HIDDEN)
    second = rng.normal(size=(3 * HIDDEN + 1, FEATURES)) / np.sqrt(3 * HIDDEN + 1)
    return first, bias, second
