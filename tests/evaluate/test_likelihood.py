"""Scenes of the right law are likelier than others, road by road."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenegen.evaluate.contacts import first_contacts, road_places
from scenegen.evaluate.likelihood import FEATURES, histograms, road_likelihood
from scenegen.evaluate.scene_set import SceneSet
from scenegen.layout.tokens import MOTION
from scenegen.scene import EGO
from tests.evaluate.sets import random_set


def _counts(scenes: SceneSet) -> dict[str, np.ndarray]:
    return dict(histograms(scenes, first_contacts(scenes), road_places(scenes)))


def _score(found: SceneSet, logged: SceneSet, company: int = 4) -> float:
    sites = np.arange(len(logged)) // company
    rng = np.random.default_rng(0)
    return road_likelihood(
        _counts(found), np.arange(len(found)) // company, _counts(logged), sites, rng
    ).value


def test_every_feature_counts_somebody_in_every_scene() -> None:
    """Each histogram has one row per scene, and speeds are counted once per agent and instant."""
    scenes = random_set(8, 0)

    counts = _counts(scenes)

    assert list(counts) == list(FEATURES)
    assert all(len(rows) == len(scenes) for rows in counts.values())
    np.testing.assert_array_equal(counts["speed"].sum(-1), 3 * scenes.present.sum(-1))


def test_a_likelihood_is_a_share() -> None:
    """It lies between nothing and one, and the scenes themselves do not reach one."""
    scenes = random_set(16, 1)

    assert 0.0 < _score(scenes, scenes) < 1.0


@pytest.mark.parametrize("seed", range(2))
def test_other_motion_is_less_likely(seed: int) -> None:
    """The same openings with wild motion explain what was logged worse than fresh scenes do."""
    logged, fresh = random_set(24, seed), random_set(24, seed + 10)
    values = fresh.values.copy()
    values[:, EGO + 1 :, MOTION] = np.random.default_rng(seed).normal(0.0, 2.0, (24, 1, 1))
    wild = SceneSet.of_tokens(values, fresh.road, fresh.family, fresh.site)

    assert _score(wild, logged) < _score(fresh, logged)


def test_roads_that_are_not_shared_give_no_figure() -> None:
    """Without company on its road no scene can be scored; nothing is made up."""
    scenes = random_set(6, 3)
    counts = _counts(scenes)

    found = road_likelihood(
        counts, np.arange(6) + 100, counts, np.arange(6), np.random.default_rng(0)
    )
    alone = road_likelihood(counts, np.arange(6), counts, np.arange(6), np.random.default_rng(0))

    assert math.isnan(found.value)
    assert math.isnan(alone.value)
