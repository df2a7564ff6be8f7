"""Generators that cheat: each must fail a metric, or the metrics are worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenegen.evaluate.scene_set import SceneSet
from scenegen.layout.map_tokens import MapTokens
from scenegen.layout.tokens import PRESENCE
from scenegen.scene import EGO


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """A cheat.

    Attributes:
        fails: Metric of the scorecard that must expose it.
        make: From training scenes, the scenes that set the task, and random numbers to what the
            cheat returns.
        idea: What it does.
    """

    fails: str
    make: Callable[[SceneSet, SceneSet, np.random.Generator], SceneSet]
    idea: str


def copy_train(train: SceneSet, asked: SceneSet, rng: np.random.Generator) -> SceneSet:
    """Return training scenes: perfectly real, and nothing new."""
    return train[rng.permutation(len(train))[: len(asked)]]


def shuffle_agents(train: SceneSet, asked: SceneSet, rng: np.random.Generator) -> SceneSet:
    """Deal the agents of held-out scenes anew, slot by slot, each with a road that is not its own.

    Every marginal of a single agent stays what it was; only what agents have to do with each
    other and with the road is lost.
    """
    del train
    values = asked.values.copy()
    for slot in range(values.shape[1]):
        if slot != EGO:
            values[:, slot] = values[rng.permutation(len(values)), slot]
    return SceneSet.of_tokens(values, asked.road, asked.family, asked.site)


def empty_road(train: SceneSet, asked: SceneSet, rng: np.random.Generator) -> SceneSet:
    """Return the ego alone: it never collides with anybody."""
    del train, rng
    values = asked.values.copy()
    values[:, EGO + 1 :] = 0.0
    values[:, EGO + 1 :, PRESENCE] = -1.0
    return SceneSet.of_tokens(values, asked.road, asked.family, asked.site)


def reject_all(train: SceneSet, asked: SceneSet, rng: np.random.Generator) -> SceneSet:
    """Return nothing: no scene is ever wrong."""
    del train, rng
    none = np.zeros(0, np.int64)
    road = MapTokens(
        points=asked.road.points[none],
        attributes=asked.road.attributes[none],
        valid=asked.road.valid[none],
    )
    return SceneSet.of_tokens(asked.values[none], road, asked.family[none], asked.site[none])


TRAPS: dict[str, Trap] = {
    "copies of train": Trap(
        fails="novelty", make=copy_train, idea="returns training scenes as its own"
    ),
    "shuffled agents": Trap(
        fails="unintended collision, 8 s",
        make=shuffle_agents,
        idea="deals agents of real scenes anew",
    ),
    "empty road": Trap(fails="count JSD", make=empty_road, idea="returns the ego alone"),
    "rejects all": Trap(fails="returned", make=reject_all, idea="returns no scene at all"),
}
"""Every cheat by name."""
