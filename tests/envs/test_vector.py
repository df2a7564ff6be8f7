"""Promises of the vector environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics

from scenegen.errors import ShapeError
from scenegen_envs.vector import RareEventVectorEnv
from tests.envs.pools import AGENTS, following, one, pool, random_actions

FACTS = ("time", "ttc", "min_ttc", "collision", "off_road", "distance", "success")
SEEDS = [3, 14, 15, 92]
LIMIT = 25


def make(worlds: int = 4, **settings: Any) -> RareEventVectorEnv:  # noqa: ANN401 - any setting
    """Make a vector environment with short episodes."""
    return RareEventVectorEnv(worlds, pool=pool(), **{"max_episode_steps": LIMIT, **settings})


def record(env: RareEventVectorEnv, actions: np.ndarray, seeds: list[int]) -> list[Any]:
    """Observation, reward, terminated, truncated and facts of every step."""
    seen, info = env.reset(seed=seeds)
    none = np.zeros(len(seeds))
    rows = [(seen, none, none > 0, none > 0, *(info[name] for name in FACTS))]
    for action in actions:
        seen, reward, terminated, truncated, info = env.step(action)
        rows.append((seen, reward, terminated, truncated, *(info[name] for name in FACTS)))
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("observation", ["compact", "bev"])
def test_one_world_is_the_single_environment(seed: int, observation: str) -> None:
    """Step for step and bit for bit, over automatic resets."""
    single = gym.make(
        "scenegen/RareEvent-v0", pool=pool(), max_episode_steps=LIMIT, observation=observation
    )
    vector = make(1, observation=observation)
    actions = random_actions(60, 1, seed)

    expected = [single.reset(seed=seed)]
    found: list[Any] = [vector.reset(seed=[seed])]
    ended = False
    for action in actions:
        if ended:
            seen, info = single.reset()
            expected.append((seen, 0.0, False, False, info))
        else:
            expected.append(single.step(action[0]))  # type: ignore[arg-type]
        found.append(vector.step(action))
        ended = len(expected[-1]) == 5 and (expected[-1][2] or expected[-1][3])  # type: ignore[misc]

    for one_, many in zip(expected, found, strict=True):
        assert one_[0].tobytes() == many[0][0].tobytes()
        for a, b in zip(one_[1:-1], many[1:-1], strict=True):
            assert a == b[0]
        for name, value in one_[-1].items():
            held = many[-1][name]
            assert many[-1][f"_{name}"].all()
            if isinstance(value, dict):
                assert value == {k: held[k][0] for k in value}
            else:
                assert value == held[0]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_world_does_not_depend_on_the_others(threads: int) -> None:
    """One of four, on one thread or two, has the bits it has alone."""
    actions = random_actions(60, 4)

    together = record(make(4, threads=threads), actions, SEEDS)
    for world, seed in enumerate(SEEDS):
        alone = record(make(1), actions[:, world : world + 1], [seed])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a[:, world], b[:, 0])


def test_the_order_of_worlds_does_not_matter() -> None:
    """Permuted seeds and actions give permuted results."""
    actions, order = random_actions(40, 4), [2, 0, 3, 1]

    straight = record(make(4), actions, SEEDS)
    permuted = record(make(4), actions[:, order], [SEEDS[k] for k in order])

    for a, b in zip(straight, permuted, strict=True):
        np.testing.assert_array_equal(a[:, order], b)


def test_a_seed_counts_up_over_the_worlds() -> None:
    """reset(seed=s) is reset(seed=[s, s + 1, ...])."""
    a, b = make(3), make(3)

    first, info = a.reset(seed=5)
    second, other = b.reset(seed=[5, 6, 7])

    assert first.tobytes() == second.tobytes()
    assert info["episode_id"].tolist() == other["episode_id"].tolist()
    assert a.np_random_seed == (5, 6, 7)


def test_autoreset_modes_play_the_same_episodes() -> None:
    """On the same actions the transitions of all modes are the same; only the seams differ."""
    actions = random_actions(70, 1, 1)

    def transitions(mode: AutoresetMode) -> list[Any]:
        env = make(1, autoreset_mode=mode)
        seen, _ = env.reset(seed=[3])
        given, out = iter(actions), []
        for action in given:
            before = seen.copy()
            seen, reward, terminated, truncated, info = env.step(action)
            after, ended = seen, terminated[0] or truncated[0]
            if ended and mode is AutoresetMode.SAME_STEP:
                after = info["final_obs"][0][None]
            out.append((before, reward[0], terminated[0], truncated[0], after.copy()))
            if ended and mode is AutoresetMode.NEXT_STEP:
                seen, reward, terminated, truncated, _ = env.step(np.full_like(action, 0.7))
                assert (reward[0], terminated[0], truncated[0]) == (0.0, False, False)
            if ended and mode is AutoresetMode.DISABLED:
                seen, _ = env.reset(options={"reset_mask": np.array([True])})
        return out

    played = {mode: transitions(mode) for mode in AutoresetMode}

    reference = played.pop(AutoresetMode.DISABLED)
    assert sum(row[2] or row[3] for row in reference) >= 2
    for other in played.values():
        for a, b in zip(reference, other, strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)


def test_the_last_observation_of_an_episode_is_kept() -> None:
    """In SAME_STEP mode info holds it and its facts, marked for the worlds that ended."""
    env = make(4, autoreset_mode="SameStep")
    plain = make(4, autoreset_mode="Disabled")
    actions = random_actions(LIMIT, 4)
    env.reset(seed=SEEDS)
    plain.reset(seed=SEEDS)

    for action in actions:
        seen, _, terminated, truncated, info = env.step(action)
        expected, _, _, _, facts = plain.step(action)
        ended = terminated | truncated
        if ended.any():
            break

    assert info["_final_obs"].tolist() == ended.tolist()
    for world in np.flatnonzero(ended):
        assert info["final_obs"][world].tobytes() == expected[world].tobytes()
        for name in FACTS:
            assert info["final_info"][name][world] == facts[name][world]
        assert (seen[world] != expected[world]).any()
        assert info["time"][world] == 0.0


def test_a_mask_resets_only_its_worlds() -> None:
    """The others go on as if nothing had happened, and info speaks only of those reset."""
    env, untouched = make(4, autoreset_mode="Disabled"), make(4, autoreset_mode="Disabled")
    mask = np.array([False, True, False, True])
    actions = random_actions(12, 4) * 0.1
    env.reset(seed=SEEDS)
    untouched.reset(seed=SEEDS)
    for action in actions[:6]:
        env.step(action)
        untouched.step(action)

    seen, info = env.reset(options={"reset_mask": mask})

    assert info["_episode_id"].tolist() == mask.tolist()
    assert (info["time"][mask] == 0).all()
    for action in actions[6:]:
        seen, *_ = env.step(action)
        expected, *_ = untouched.step(action)
    np.testing.assert_array_equal(seen[~mask], expected[~mask])
    assert (seen[mask] != expected[mask]).any(-1).all()


def test_without_autoreset_an_ended_world_must_be_reset() -> None:
    """A step says which world and how; a mask repairs it."""
    env = make(2, autoreset_mode=AutoresetMode.DISABLED, max_episode_steps=1)
    env.reset(seed=0)
    env.step(np.zeros((2, 2), np.float32))

    with pytest.raises(gym.error.ResetNeeded, match="reset_mask"):
        env.step(np.zeros((2, 2), np.float32))
    env.reset(options={"reset_mask": np.array([True, True])})
    env.step(np.zeros((2, 2), np.float32))


@pytest.mark.parametrize(
    "mask", [np.zeros(2, np.bool_), np.ones(3, np.bool_), np.ones(2, np.int64)]
)
def test_a_wrong_mask_is_refused(mask: np.ndarray) -> None:
    """It is bool, one per world, and asks for something."""
    env = make(2)
    env.reset(seed=0)

    with pytest.raises(ShapeError, match="reset_mask"):
        env.reset(options={"reset_mask": mask})


def test_observations_belong_to_the_caller() -> None:
    """With copy=True what was returned never changes, however much is kept."""
    env = make(3)
    kept = [env.reset(seed=0)[0]]
    copies = [kept[0].copy()]
    for action in random_actions(20, 3):
        kept.append(env.step(action)[0][1:])
        copies.append(kept[-1].copy())

    for a, b in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(a, b)


def test_memory_is_used_again_once_let_go() -> None:
    """A loop that keeps nothing touches one or two blocks of memory."""
    env = make(3)
    seen, _ = env.reset(seed=0)
    places = set()
    for action in random_actions(20, 3):
        seen, *_ = env.step(action)
        places.add(seen.ctypes.data)

    assert len(places) <= 2


def test_without_copy_two_arrays_take_turns() -> None:
    """An observation is overwritten by the step after the next, not before."""
    env = make(3, copy=False)
    env.reset(seed=0)
    actions = random_actions(3, 3)

    first, *_ = env.step(actions[0])
    saved = first.copy()
    second, *_ = env.step(actions[1])
    np.testing.assert_array_equal(first, saved)
    third, *_ = env.step(actions[2])

    assert third is not second
    assert np.shares_memory(first, third)
    assert not np.shares_memory(second, third)


@pytest.mark.parametrize("limit", [None, 7])
def test_make_vec_makes_it(limit: int | None) -> None:
    """Through the vector entry point, with the limit asked for or the registered 80 steps."""
    settings = {} if limit is None else {"max_episode_steps": limit}
    env = gym.make_vec(
        "scenegen/RareEvent-v0", num_envs=2, pool=one(following(60.0, 20.0)), **settings
    )
    env.reset(seed=0)

    assert isinstance(env, RareEventVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    ends = [env.step(np.zeros((2, 2), np.float32))[3].all() for _ in range(limit or 80)]
    assert ends == [False] * (len(ends) - 1) + [True]
    env.close()
    env.close()


def test_modes_do_not_leak_into_the_class() -> None:
    """Metadata belongs to the instance."""
    make(1, autoreset_mode="Disabled")

    assert RareEventVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert make(1).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_statistics_and_normalisation_wrap_it(mode: str) -> None:
    """Gymnasium's vector wrappers count the episodes' returns and lengths right."""
    inner = make(2, autoreset_mode=mode)
    env = NormalizeReward(RecordEpisodeStatistics(inner))
    plain = make(2, autoreset_mode=mode)
    env.reset(seed=0)
    plain.reset(seed=0)
    total, steps, checked = np.zeros(2), np.zeros(2, int), 0
    before = np.zeros(2, np.bool_)

    for action in random_actions(60, 2):
        _, _, terminated, truncated, info = env.step(action)
        _, reward, *_ = plain.step(action)
        fresh = before if mode == "NextStep" else np.zeros(2, np.bool_)
        total, steps = np.where(fresh, 0.0, total + reward), np.where(fresh, 0, steps + 1)
        ended = terminated | truncated
        for world in np.flatnonzero(ended):
            assert info["episode"]["r"][world] == pytest.approx(total[world], rel=1e-5)
            assert info["episode"]["l"][world] == steps[world]
            checked += 1
        total, steps = np.where(ended, 0.0, total), np.where(ended, 0, steps)
        before = ended

    assert checked >= 3


@pytest.mark.parametrize("controlled", [2, AGENTS])
def test_several_vehicles_can_be_driven(controlled: int) -> None:
    """Actions and observations get an axis; the first vehicle sees what it sees alone."""
    env = make(2, controlled=controlled)
    seen, _ = env.reset(seed=[3, 4])
    alone, _ = make(2).reset(seed=[3, 4])

    assert env.single_action_space.shape == (controlled, 2)
    assert env.observation_space.contains(seen)
    np.testing.assert_array_equal(seen[:, 0], alone)
    for action in random_actions(10, 2, shape=(controlled, 2)):
        seen, reward, _, _, info = env.step(action)
        assert env.observation_space.contains(seen)
        assert reward.shape == (2,)
        assert info["agent_reward"].shape == (2, controlled)


def test_each_driven_vehicle_obeys_its_own_action() -> None:
    """The second vehicle brakes when its row says so."""
    env = make(2, controlled=2)
    env.reset(seed=0, options={"episode": 0})
    action = np.zeros((2, 2, 2), np.float32)
    action[1, 1, 0] = -1.0

    for _ in range(5):
        env.step(action)

    speed = env.worlds.simulator.speed
    assert speed[1, 1] < speed[0, 1] - 2.0
    assert speed[1, 0] == speed[0, 0]


def test_discrete_actions_mean_what_their_table_says() -> None:
    """Number 5 s + p and the command it stands for lead to the same states."""
    discrete, continuous = make(2, action_type="discrete"), make(2)
    discrete.reset(seed=0)
    continuous.reset(seed=0)

    for _ in range(5):
        discrete.step(np.array([0, 4]))
        continuous.step(np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32))

    np.testing.assert_array_equal(
        discrete.worlds.simulator.speed, continuous.worlds.simulator.speed
    )


def test_a_branch_has_its_own_future() -> None:
    """One moment put into three worlds: the same actions agree, another one does not."""
    env = make(4, autoreset_mode="Disabled", max_episode_steps=None)
    env.reset(seed=SEEDS)
    moment = env.snapshot(np.array([0]))
    for world in (1, 2):
        env.restore(moment, np.array([world]))
    actions = np.zeros((4, 2), np.float32)
    actions[2, 0] = -1.0

    for _ in range(5):
        seen, *_ = env.step(actions)

    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()


def test_every_world_can_have_its_own_episode() -> None:
    """Options may be lists, one entry per world."""
    env = make(3)

    _, info = env.reset(seed=0, options={"episode": [4, "gap-12", 1]})

    assert info["episode_id"].tolist() == ["gap-40", "gap-12", "gap-18"]
    with pytest.raises(ShapeError, match="episode"):
        env.reset(options={"episode": [1, 2]})


def test_pictures_of_all_worlds() -> None:
    """There is one RGB image per world."""
    env = make(2, render_mode="rgb_array")
    env.reset(seed=0)

    frames = env.render()

    assert frames is not None
    assert len(frames) == 2
    assert all(frame.dtype == np.uint8 and frame.shape[2] == 3 for frame in frames)
