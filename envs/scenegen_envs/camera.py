"""The camera observation: what a camera behind the windscreen of the ego sees.

uint8 RGB, shape (H, W, 3), from the renderer that `scenegen generate` records with, the learned one
where its checkpoint ships. An episode looks like the recording of its scenario: scenery, cars and
style follow from the episode, noise from the episode and the step, so that the same state gives
the same bytes. The pictures carry no watermark; those of recordings do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock
from typing import Any, Self

import gymnasium as gym
import numpy as np

from scenegen.appearance.camera_runtime import Renderer, renderer_of
from scenegen.arrays import Array, FloatArray, IntArray
from scenegen.errors import UnknownNameError
from scenegen.render import PinholeCamera, World, assemble
from scenegen.scene import EGO, AgentStates, Scene
from scenegen.scene.scenario import STEP
from scenegen.sensors import Camera, WorldView
from scenegen.sim import Simulator
from scenegen_envs.episodes import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """How the camera observation is taken.

    Attributes:
        height_px: Rows of the picture.
        width_px: Columns.
        fov: Horizontal field of view [rad].
        renderer: Entry of RENDERERS, "base" or "gan"; "" for what `scenegen generate` takes: the
            learned one where its checkpoint ships or is named, else the base.
        checkpoint: Path of a checkpoint of one's own, "" for the shipped one.
        kept: Streets that stay in memory, about 50 MB each; growing one takes about a second, so
            at least as many as worlds that play different episodes at once.
    """

    height_px: int = 128
    width_px: int = 256
    fov: float = float(np.radians(80.0))
    renderer: str = ""
    checkpoint: str = ""
    kept: int = 16

    def __post_init__(self) -> None:
        """Check the number of streets; the camera checks the others."""
        if self.kept < 1:
            raise ValueError(f"CameraSettings.kept: expected at least 1 street, got {self.kept}")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read settings from a mapping, as JSON holds them; missing ones keep their default.

        Raises:
            UnknownNameError: The mapping names a setting that does not exist.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise UnknownNameError("camera setting", name, known)
        return cls(**given)

    def renderer_ready(self) -> Renderer:
        """Get the renderer ready.

        Raises:
            UnknownNameError: There is no such renderer.
            CheckpointError: Its checkpoint is missing or damaged.
        """
        return renderer_of(self.renderer, Path(self.checkpoint) if self.checkpoint else None)


class CameraObservation:
    """What the camera of the ego sees; see the module.

    Attributes:
        space: Bytes, shape (H, W, 3).
        most: Only the ego has a camera.
        renderer: What makes the pictures.
        camera: The camera on the ego.
    """

    most = 1

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Get the renderer ready.

        Args:
            settings: Values of CameraSettings by name.
        """
        wanted = CameraSettings.of(settings)
        self.renderer = wanted.renderer_ready()
        optics = PinholeCamera(width_px=wanted.width_px, height_px=wanted.height_px, fov=wanted.fov)
        self.camera = Camera(optics=optics, appearance=self.renderer.appearance)
        self.space = gym.spaces.Box(0, 255, (wanted.height_px, wanted.width_px, 3), np.uint8)
        self._streets = _Streets(wanted.kept)

    def load(self, simulator: Simulator, episodes: Sequence[Episode]) -> None:
        """Take the worlds to look at; streets are grown when they are first seen."""
        self._simulator, self._episodes = simulator, tuple(episodes)

    def write(self, rows: IntArray, out: Array) -> None:
        """Take the pictures; see Observation.write."""
        states = self._simulator.states()
        for row in rows:
            seen = states[row]
            out[row, 0] = self.camera.picture(self._view(int(row), seen)) if seen.valid[EGO] else 0

    def _view(self, row: int, states: AgentStates) -> WorldView:
        """What a world looks like now; the agents of its episode fill the first slots."""
        simulator = self._simulator
        number, step = int(simulator.start[row]), int(simulator.steps[row])
        episode = self._episodes[number]
        opening, backdrop = episode.composition.scene, episode.looks
        count = opening.agents.count
        agents, time = states[:count], step * STEP
        acceleration = simulator.acceleration[row, :count]
        motion = backdrop.motion(_way(opening.agents, agents), acceleration, time)
        street = self._streets.of(number, episode)
        scene = Scene(
            roadmap=opening.roadmap, agents=agents, conditions=opening.conditions, time=time
        )
        stage = street.stage(scene, motion)
        return WorldView(stage=stage, triangles=assemble(stage), step=step, seed=street.seed)


def _way(before: AgentStates, now: AgentStates) -> FloatArray:
    """Distance from the opening [m], shape (N,): it moves the legs of who walks straight on.

    A state alone tells it, so that a restored moment looks as it did.
    """
    apart = now.position.astype(np.float64) - before.position
    return np.asarray(np.where(now.valid & before.valid, np.hypot(*apart.T), 0.0))


class _Streets:
    """The last worlds that were looked at, shared by threads and by copies of an environment."""

    def __init__(self, most: int) -> None:
        """Keep at most so many."""
        self._most, self._lock = most, Lock()
        self._grown: OrderedDict[tuple[int, str], World] = OrderedDict()

    def of(self, number: int, episode: Episode) -> World:
        """Give the world of an episode of the pool, grown now if it is not kept."""
        key = (number, episode.id)
        with self._lock:
            if key not in self._grown:
                opening = episode.composition.scene
                self._grown[key] = episode.looks.world(opening.roadmap, opening.conditions)
            self._grown.move_to_end(key)
            if len(self._grown) > self._most:
                self._grown.popitem(last=False)
            return self._grown[key]

    def __deepcopy__(self, _: object) -> Self:
        """Streets never change: copies share them."""
        return self

    def __reduce__(self) -> tuple[type[_Streets], tuple[int]]:
        """Elsewhere they are grown again."""
        return (_Streets, (self._most,))
