"""What the camera of an environment shows: the recording's picture, and the same one every time."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from scenegen.appearance.camera_runtime import default_renderer, renderer_of
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Generator
from scenegen.pipeline.marking import with_renderer
from scenegen.query import parse
from scenegen.render import PinholeCamera
from scenegen.sensors import Camera, Rig
from scenegen_envs.camera import CameraObservation, CameraSettings
from scenegen_envs.episodes import Episode, EpisodePool
from scenegen_envs.rare_event import RareEventEnv
from scenegen_envs.vector import RareEventVectorEnv
from tests.appearance.generators import tiny_checkpoint
from tests.envs.pools import SMALL, following, one, random_actions

QUERY = "night and rain and jaywalker(p)"
POOL = one(following(12.0, 12.0))
LEARNED = "gan"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small camera with the weights of a tiny generator."""
    path = tiny_checkpoint(tmp_path_factory.mktemp("camera"))
    return {**SMALL, "renderer": LEARNED, "checkpoint": str(path)}


def environment(settings: dict[str, Any], pool: EpisodePool = POOL) -> RareEventEnv:
    """Make an environment that is seen through a camera."""
    return RareEventEnv(pool=pool, observation="camera", observation_settings=settings)


def film(env: gym.Env[Any, Any], actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """All pictures of a drive, shape (T, H, W, 3)."""
    return np.stack([env.reset(seed=seed)[0], *(env.step(action)[0] for action in actions)])


def test_an_episode_begins_as_its_recording_does(settings: dict[str, Any]) -> None:
    """The first picture is that of the rig along the scenario, byte for byte: one code path."""
    accepted = Generator(Request(query=parse(QUERY), seed=3)).scenario(0)
    optics = PinholeCamera(height_px=settings["height_px"], width_px=settings["width_px"])
    rig = Rig(name="one", sensors=(Camera(optics=optics),))
    learned = with_renderer(rig, renderer_of(LEARNED, Path(settings["checkpoint"])))

    recorded = next(iter(learned.sense(accepted.scenario, 3))).arrays["camera/front/rgb"]
    pool = EpisodePool(episodes=(Episode.of(accepted),))
    seen = environment(settings, pool).reset(seed=0)[0]

    np.testing.assert_array_equal(seen, recorded)


def test_equal_seeds_give_equal_pictures(settings: dict[str, Any]) -> None:
    """Noise and drops follow from the episode and the step."""
    actions = random_actions(6, 1)[:, 0]

    first, again = (film(environment(settings), actions, seed=4) for _ in range(2))

    np.testing.assert_array_equal(first, again)
    assert (first[1:] != first[:-1]).any((1, 2, 3)).all()


def test_a_learned_camera_shows_the_same_street(settings: dict[str, Any]) -> None:
    """Its pictures differ from the base's, and what they show does not."""
    plain, learned = (environment(s).reset(seed=0)[0].astype(float) for s in (SMALL, settings))

    assert (plain != learned).any()
    assert np.corrcoef(plain.ravel(), learned.ravel())[0, 1] > 0.7


def test_a_restored_moment_looks_as_it_did(settings: dict[str, Any]) -> None:
    """Snapshots and deep copies see the same pictures again."""
    env = environment(settings)
    env.reset(seed=0)
    for action in random_actions(3, 1)[:, 0]:
        seen = env.step(action)[0]
    moment, twin = env.snapshot(), copy.deepcopy(env)
    after = env.step(np.zeros(2, np.float32))[0]

    np.testing.assert_array_equal(env.restore(moment)[0], seen)
    np.testing.assert_array_equal(twin.step(np.zeros(2, np.float32))[0], after)


def test_worlds_see_what_they_see_alone(settings: dict[str, Any]) -> None:
    """Bit for bit, also when two threads look at two worlds."""
    actions = random_actions(4, 2)
    many = RareEventVectorEnv(
        2, pool=POOL, observation="camera", observation_settings=settings, threads=2
    )

    together = [many.reset(seed=[3, 4])[0], *(many.step(action)[0] for action in actions)]
    many.close()

    for world, seed in enumerate((3, 4)):
        alone = film(environment(settings), actions[:, world], seed=seed)
        np.testing.assert_array_equal(np.stack(together)[:, world], alone)


@pytest.mark.parametrize("kind", [gym.vector.SyncVectorEnv, gym.vector.AsyncVectorEnv])
def test_gymnasium_can_stack_it(kind: Any, settings: dict[str, Any]) -> None:  # noqa: ANN401
    """Its own vector environments, in one process or several, see the same pictures."""
    actions = random_actions(2, 2)
    envs = kind([partial(environment, settings) for _ in range(2)])

    seen = [envs.reset(seed=[3, 4])[0], *(envs.step(action)[0] for action in actions)]
    envs.close()

    alone = film(environment(settings), actions[:, 1], seed=4)
    np.testing.assert_array_equal(np.stack(seen)[:, 1], alone)


def test_it_takes_the_renderer_that_generate_takes(settings: dict[str, Any]) -> None:
    """Unless one is named, or a checkpoint."""
    size = {"height_px": 32, "width_px": 64}

    assert CameraObservation(size).renderer.name == default_renderer()
    named = CameraObservation({**size, "checkpoint": settings["checkpoint"]})
    assert named.renderer.name == LEARNED
    with pytest.raises(UnknownNameError, match="gen"):
        CameraObservation({"renderer": "gen"})
    with pytest.raises(CheckpointError, match="no checkpoint"):
        CameraObservation({"renderer": "base", "checkpoint": settings["checkpoint"]})


@pytest.mark.parametrize("size", [(32, 64), (40, 72)])
def test_the_size_can_be_chosen(size: tuple[int, int]) -> None:
    """Rows and columns are those asked for; 128 x 256 by default."""
    env = environment({**SMALL, "height_px": size[0], "width_px": size[1]})

    seen, _ = env.reset(seed=0)

    assert seen.shape == (*size, 3)
    assert env.observation_space.contains(seen)
    assert (CameraSettings().height_px, CameraSettings().width_px) == (128, 256)


def test_only_the_ego_has_a_camera() -> None:
    """To look out of several vehicles is refused with a reason."""
    with pytest.raises(ValueError, match="controlled: expected at most 1"):
        RareEventVectorEnv(
            1, pool=POOL, observation="camera", observation_settings=SMALL, controlled=2
        )


def test_streets_beyond_the_limit_are_grown_again() -> None:
    """With room for one, an episode looks the same after another one was played."""
    episodes = [following(gap, 12.0) for gap in (12.0, 30.0)]
    pool = EpisodePool(
        episodes=tuple(
            Episode(id=str(k), query="", family="", composition=c) for k, c in enumerate(episodes)
        )
    )
    env = environment({**SMALL, "kept": 1}, pool)

    first, other, again = (env.reset(options={"episode": k})[0].tobytes() for k in (0, 1, 0))

    assert first == again != other
    with pytest.raises(ValueError, match="kept"):
        CameraSettings(kept=0)


def test_settings_are_json() -> None:
    """A camera environment can be written down and made again."""
    env = gym.make(
        "scenegen/RareEvent-v0", pool=POOL, observation="camera", observation_settings=SMALL
    )
    spec = env.unwrapped.spec
    assert spec is not None
    spec.kwargs.pop("pool")

    assert json.loads(spec.to_json())["kwargs"]["observation_settings"] == SMALL
