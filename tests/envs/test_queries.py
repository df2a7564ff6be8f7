"""Episodes that come from a query."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from scenegen.errors import QueryError
from scenegen_envs.episodes import draw_pool
from scenegen_envs.rare_event import RareEventEnv
from scenegen_envs.vector import RareEventVectorEnv
from tests.envs.pools import random_actions

QUERY, OTHER = "cut_in(c) and ttc(ego, c) < 3s", "jaywalker(p)"
SIZE = 2


def test_a_query_makes_an_environment() -> None:
    """gym.make with text alone; the episodes are of the event that the query names."""
    env = gym.make("scenegen_envs:scenegen/RareEvent-v0", query=QUERY, pool_size=SIZE)

    seen, info = env.reset(seed=0)

    assert env.observation_space.contains(seen)
    assert info["family"] == "cut_in"
    assert set(info["roles"]) == {"c"}
    assert info["episode_id"] in {e.id for e in draw_pool(QUERY, SIZE, 0, 24).episodes}


def test_episodes_follow_from_query_and_seed() -> None:
    """Found again from nothing, they have the same identities; another seed gives others."""
    first = [e.id for e in draw_pool(QUERY, SIZE, 0, 24).episodes]
    draw_pool.cache_clear()
    again = [e.id for e in draw_pool(QUERY, SIZE, 0, 24).episodes]
    other = [e.id for e in draw_pool(QUERY, SIZE, 1, 24).episodes]

    assert first == again
    assert not set(first) & set(other)


def test_a_reset_can_ask_for_another_query() -> None:
    """For this one episode; the next reset draws from the environment's own query again."""
    env = RareEventEnv(QUERY, pool_size=SIZE)

    families = [
        env.reset(seed=0)[1]["family"],
        env.reset(options={"query": OTHER})[1]["family"],
        env.reset()[1]["family"],
    ]

    assert families == ["cut_in", "jaywalker", "cut_in"]


def test_asking_for_another_query_changes_nothing_else() -> None:
    """The same seed gives the same episode as without it."""
    plain, asked = RareEventEnv(QUERY, pool_size=SIZE), RareEventEnv(QUERY, pool_size=SIZE)
    asked.reset(options={"query": OTHER})

    for seed in range(4):
        a, b = plain.reset(seed=seed), asked.reset(seed=seed)
        assert a[0].tobytes() == b[0].tobytes()
        assert a[1] == b[1]


def test_worlds_can_have_queries_of_their_own() -> None:
    """One per world; running worlds are not disturbed when a new query joins."""
    env = RareEventVectorEnv(3, QUERY, pool_size=SIZE, autoreset_mode="Disabled")
    plain = RareEventVectorEnv(3, QUERY, pool_size=SIZE, autoreset_mode="Disabled")
    env.reset(seed=0)
    plain.reset(seed=0)
    actions = random_actions(6, 3) * 0.1
    for action in actions[:3]:
        env.step(action)
        plain.step(action)

    mask = np.array([False, True, False])
    _, info = env.reset(options={"reset_mask": mask, "query": [None, OTHER, None]})
    for action in actions[3:]:
        seen, *_ = env.step(action)
        expected, *_ = plain.step(action)

    assert info["family"].tolist() == [None, "jaywalker", None]
    np.testing.assert_array_equal(seen[~mask], expected[~mask])


def test_a_query_holds_for_the_automatic_resets() -> None:
    """Until the next call of reset."""
    env = RareEventVectorEnv(2, QUERY, pool_size=SIZE, max_episode_steps=3)
    env.reset(seed=0, options={"query": OTHER})

    families = set()
    for action in random_actions(12, 2) * 0:
        info = env.step(action)[4]
        families |= set(info.get("family", np.array([]))[info.get("_family", [])].tolist())
    _, info = env.reset()

    assert families == {"jaywalker"}
    assert info["family"].tolist() == ["cut_in", "cut_in"]


def test_a_wrong_query_is_explained() -> None:
    """By the language itself, at the place of the mistake."""
    with pytest.raises(QueryError, match="cut_in"):
        RareEventEnv("cutin(c)")


def test_a_reset_and_a_step_go_through_the_vector_entry_point() -> None:
    """gym.make_vec with text alone."""
    env = gym.make_vec("scenegen/RareEvent-v0", num_envs=3, query=QUERY, pool_size=SIZE)
    seen, _ = env.reset(seed=0)

    result = env.step(env.action_space.sample())

    assert env.observation_space.contains(seen)
    assert env.observation_space.contains(result[0])
    env.close()
