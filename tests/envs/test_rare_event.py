"""Promises of the single environment."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from scenegen.errors import UnknownNameError
from scenegen_envs import IDS
from scenegen_envs.actions import ACTION_TYPES, HARDEST_BRAKING
from scenegen_envs.observations import OBSERVATIONS
from scenegen_envs.rare_event import RareEventEnv
from tests.envs.pools import AGENTS, following, observed, one, pool, random_actions

COAST = np.zeros(2, np.float32)
BRAKE = np.array([-1.0, 0.0], np.float32)
PUSH = np.array([1.0, 0.0], np.float32)


def play(env: gym.Env[Any, Any], actions: np.ndarray, seed: int | None = None) -> list[Any]:
    """Reset, then step through actions, beginning again whenever an episode ends."""
    seen = [env.reset(seed=seed)]
    for action in actions:
        seen.append(env.step(action))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen


def equal(a: object, b: object) -> bool:
    """Whether two results have the same bytes."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("observation", sorted(OBSERVATIONS))
@pytest.mark.parametrize("action_type", sorted(ACTION_TYPES))
@pytest.mark.filterwarnings("error")
def test_gymnasium_finds_nothing_to_complain_about(
    name: str, observation: str, action_type: str
) -> None:
    """Its own checker passes without a warning, every render mode included."""
    env = gym.make(name, action_type=action_type, **observed(observation))

    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("seed", [0, 7, 123456789])
def test_equal_seeds_give_equal_bytes(seed: int) -> None:
    """Observations, rewards, ends and info repeat, over automatic resets too."""
    actions = random_actions(120, 1, seed)[:, 0]

    first = play(RareEventEnv(pool=pool()), actions, seed=seed)
    again = play(RareEventEnv(pool=pool()), actions, seed=seed)

    assert equal(first, again)


def test_different_seeds_draw_different_episodes() -> None:
    """Over some seeds every episode of the pool is drawn."""
    env = RareEventEnv(pool=pool())

    drawn = {env.reset(seed=seed)[1]["episode_id"] for seed in range(40)}

    assert drawn == {e.id for e in pool().episodes}


def test_an_unseeded_reset_goes_on_with_the_generator() -> None:
    """A seed determines the whole sequence of episodes that follows."""
    env = RareEventEnv(pool=pool())

    def sequence() -> list[str]:
        first = env.reset(seed=5)[1]["episode_id"]
        return [first, *(env.reset()[1]["episode_id"] for _ in range(12))]

    assert sequence() == sequence()
    assert len(set(sequence())) > 1


@pytest.mark.parametrize("observation", sorted(OBSERVATIONS))
def test_observations_stay_inside_their_space(observation: str) -> None:
    """Whatever a random policy does, also beyond the end of an episode."""
    env = RareEventEnv(**observed(observation))
    env.action_space.seed(0)
    env.reset(seed=0)

    for step in range(100 if observation == "camera" else 300):
        seen, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(seen)
        assert math.isfinite(reward)
        assert type(terminated) is bool
        assert truncated is False
        if step % 60 == 59:
            env.reset()


def test_braking_avoids_what_accelerating_hits() -> None:
    """A car 20 m ahead that is 8 m/s slower is hit by full throttle and spared by full braking."""
    env = RareEventEnv(pool=one(following(20.0, 12.0)))

    ends = {}
    for name, action in (("brake", BRAKE), ("push", PUSH)):
        env.reset(seed=0)
        results = [env.step(action) for _ in range(40)]
        ends[name] = any(result[4]["collision"] for result in results)

    assert ends == {"brake": False, "push": True}


def test_a_collision_ends_the_episode_and_costs() -> None:
    """The step of the crash terminates, with the collision weight in its reward."""
    env = RareEventEnv(pool=one(following(10.0, 5.0)), reward={"collision": 7.0})
    env.reset(seed=0)

    for _ in range(80):
        _, reward, terminated, _, info = env.step(PUSH)
        if terminated:
            break

    assert terminated
    assert info["collision"]
    assert not info["success"]
    assert reward < -6.0


def test_leaving_the_road_ends_the_episode_unless_told_otherwise() -> None:
    """Full steering leaves a straight road."""
    swerve = np.array([0.0, 1.0], np.float32)
    strict = RareEventEnv(pool=one(following(40.0, 20.0)))
    lenient = RareEventEnv(pool=one(following(40.0, 20.0)), terminate_off_road=False)

    found = {}
    for name, env in (("strict", strict), ("lenient", lenient)):
        env.reset(seed=0)
        for _ in range(60):
            _, _, terminated, _, info = env.step(swerve)
            if info["off_road"]:
                break
        found[name] = terminated or info["collision"]
        assert info["off_road"]

    assert found == {"strict": True, "lenient": False}


def test_full_braking_brakes_as_documented() -> None:
    """Action -1 slows a car down by HARDEST_BRAKING on a dry road."""
    env = RareEventEnv(pool=one(following(40.0, 20.0)))
    env.reset(seed=0)

    before = float(env.worlds.simulator.speed[0, 0])
    for _ in range(10):
        env.step(BRAKE)
    after = float(env.worlds.simulator.speed[0, 0])

    assert before - after == pytest.approx(HARDEST_BRAKING, rel=0.15)


def test_success_is_to_get_through_unharmed_and_not_to_stand() -> None:
    """Going along at the leader's speed succeeds after 8 s; stopping does not."""
    found = {}
    for name, action in (("drive", COAST), ("stop", BRAKE)):
        env = RareEventEnv(pool=one(following(60.0, 20.0)))
        env.reset(seed=0)
        infos = [env.step(action)[4] for _ in range(80)]
        found[name] = infos[-1]["success"]
        assert not any(info["success"] for info in infos[:-1])

    assert found == {"drive": True, "stop": False}


def test_least_ttc_is_the_least_so_far() -> None:
    """min_ttc is the running minimum of ttc, the one at the begin included."""
    env = RareEventEnv(pool=one(following(40.0, 12.0)))
    _, info = env.reset(seed=0)
    infos = [info, *(env.step(BRAKE if k > 20 else COAST)[4] for k in range(40))]

    least = np.minimum.accumulate([info["ttc"] for info in infos])

    assert math.isfinite(least[0])
    np.testing.assert_array_equal([info["min_ttc"] for info in infos], least)


@pytest.mark.parametrize("choice", [2, "gap-25"])
def test_an_episode_can_be_asked_for(choice: str | int) -> None:
    """By number or by id, whatever the seed."""
    env = RareEventEnv(pool=pool())

    for seed in range(3):
        _, info = env.reset(seed=seed, options={"episode": choice})
        assert info["episode_id"] == "gap-25"
        assert info["roles"] == {"lead": 1}


def test_an_unknown_episode_is_named() -> None:
    """The message lists what there is."""
    env = RareEventEnv(pool=pool())

    with pytest.raises(UnknownNameError, match="gap-12"):
        env.reset(options={"episode": "gap-13"})
    with pytest.raises(IndexError, match="0 to 4"):
        env.reset(options={"episode": 5})


@pytest.mark.parametrize("seed", range(3))
def test_a_restored_moment_has_the_same_future(seed: int) -> None:
    """Bit for bit, the draw of the next episode included; what happened in between is forgotten."""
    env = RareEventEnv(pool=pool())
    actions = random_actions(30, 1, seed)[:, 0]
    play(env, actions[:10], seed=seed)

    moment = env.snapshot()
    first = [env.step(a) for a in actions[10:]], env.reset()
    env.restore(moment)
    again = [env.step(a) for a in actions[10:]], env.reset()

    assert equal(first, again)


def test_a_deep_copy_goes_its_own_way() -> None:
    """It continues with the same bits, and the original does not notice."""
    env = RareEventEnv(pool=pool())
    actions = random_actions(20, 1, 1)[:, 0]
    play(env, actions[:5], seed=1)

    twin = copy.deepcopy(env)
    ahead = [twin.step(action) for action in actions]
    behind = [env.step(action) for action in actions]

    assert equal(ahead, behind)


def test_what_if_it_had_braked() -> None:
    """From one moment two actions lead to two futures."""
    env = RareEventEnv(pool=one(following(20.0, 12.0)))
    env.reset(seed=0)
    for _ in range(5):
        env.step(COAST)
    moment = env.snapshot()

    env.step(BRAKE)
    slow = env.worlds.simulator.speed[0, 0].item()
    env.restore(moment)
    env.step(PUSH)
    fast = env.worlds.simulator.speed[0, 0].item()

    assert slow < fast - 0.5


def test_the_specification_is_json() -> None:
    """A made environment can be written down and made again."""
    env = gym.make("scenegen/RareEvent-v0", pool=pool(), reward={"collision": 2.0})
    spec = env.unwrapped.spec
    assert spec is not None
    spec.kwargs.pop("pool")

    text = spec.to_json()

    assert json.loads(text)["kwargs"] == {"reward": {"collision": 2.0}}
    assert gym.envs.registration.EnvSpec.from_json(text) == spec


def test_the_time_limit_truncates() -> None:
    """After 80 steps, or as many as asked for."""
    for limit, options in ((80, {}), (15, {"max_episode_steps": 15})):
        env = gym.make("scenegen/RareEvent-v0", pool=one(following(60.0, 20.0)), **options)
        env.reset(seed=0)
        ends = [env.step(COAST)[3] for _ in range(limit)]
        assert ends == [False] * (limit - 1) + [True]


def test_a_picture_is_drawn_from_above() -> None:
    """uint8 RGB, not of one colour, and it changes as the ego drives."""
    env = RareEventEnv(pool=pool(), render_mode="rgb_array")
    env.reset(seed=0)

    before = env.render()
    for _ in range(10):
        env.step(COAST)
    after = env.render()

    assert before is not None
    assert after is not None
    assert before.dtype == np.uint8
    assert before.ndim == 3
    assert before.std() > 5
    assert (before != after).any()


def test_settings_are_checked_with_a_sentence() -> None:
    """A misspelt name says what was probably meant."""
    with pytest.raises(UnknownNameError, match="compact"):
        RareEventEnv(pool=pool(), observation="compct")
    with pytest.raises(UnknownNameError, match="discrete"):
        RareEventEnv(pool=pool(), action_type="discret")
    with pytest.raises(UnknownNameError, match="collision"):
        RareEventEnv(pool=pool(), reward={"colision": 1.0})
    with pytest.raises(ValueError, match="at most 4 agents"):
        one(following(20.0, 12.0), agents=4)
    assert pool().agents == AGENTS
