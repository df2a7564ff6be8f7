"""What a sensor is: it announces arrays, then fills them from the world at an instant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from scenegen.arrays import Array, FloatArray
from scenegen.render import PinholeCamera, Stage, Triangles, View
from scenegen.render.gbuffer import GBuffer, Samples, resolve
from scenegen.render.rasterizer import rasterize
from scenegen.render.world.world import lamps_on
from scenegen.scene import EGO, ArraySpec, RoadMap
from scenegen.seeding import stream
from scenegen.sensors.motion import moved, moved_agents, pose_after, still_twists, thing_motions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldView:
    """The world at one instant, as all sensors of a rig see it.

    Attributes:
        stage: Models, instances, lights, conditions and the pose of the ego.
        triangles: The stage, assembled around the ego.
        step: Number of the instant within the scenario.
        seed: Seed of the sensors' noise.
        before: The instant before; None for the first, or where no sensor looks around.
        after: The instant after; None for the last, or where no sensor looks around.
        twists: Velocity along map x and y [m/s] and yaw rate [rad/s] of each agent around the
            instant, shape (N, 3); by default all keep speed and heading.
        roadmap: The road; None where no sensor reads it.
    """

    stage: Stage
    triangles: Triangles
    step: int
    seed: int
    before: Stage | None = None
    after: Stage | None = None
    twists: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    roadmap: RoadMap | None = None
    _buffers: dict[tuple[PinholeCamera, bytes], GBuffer] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        """Fill in the twists that are not given."""
        if not len(self.twists):
            object.__setattr__(self, "twists", still_twists(self.stage.agents))

    @property
    def road(self) -> RoadMap:
        """The road.

        Raises:
            ValueError: The view was made without it.
        """
        if self.roadmap is None:
            raise ValueError(
                "WorldView.road: expected a view with a road map, got none; pass roadmap=..."
            )
        return self.roadmap

    def later(self, time: float) -> WorldView:
        """Give the world a moment later (or earlier), all agents on constant twists.

        Lights and shadows of scenery stay; limbs of walkers keep their pose.

        Args:
            time: Time [s], of either sign.
        """
        if time == 0.0:
            return self
        agents = moved_agents(self.stage.agents, self.twists, time)
        motions = thing_motions(self.triangles, self.stage.agents, self.twists)
        stage = replace(
            self.stage,
            agents=agents,
            map_from_ego=pose_after(self.stage.map_from_ego, self.twists[EGO], time),
            time=self.stage.time + time,
        )
        return replace(self, stage=stage, triangles=moved(self.triangles, motions, time))

    def keep_buffer(self, ego_from_sensor: FloatArray, buffer: GBuffer) -> None:
        """Keep what a pinhole sees for the other sensors of this instant.

        Args:
            ego_from_sensor: Pose of the pinhole in the ego frame, shape (4, 4).
            buffer: What the centres of its pixels see.
        """
        self._buffers[buffer.view.camera, np.asarray(ego_from_sensor).tobytes()] = buffer

    def buffer(self, optics: PinholeCamera, ego_from_sensor: FloatArray) -> GBuffer:
        """Give geometry and labels of the pixels of a pinhole, drawn once for all sensors.

        Args:
            optics: The pinhole.
            ego_from_sensor: Its pose in the ego frame, shape (4, 4).
        """
        key = (optics, np.asarray(ego_from_sensor).tobytes())
        if key not in self._buffers:
            stage, triangles = self.stage, self.triangles
            sight = View.of(optics, stage.map_from_ego @ ego_from_sensor, triangles.origin)
            samples, on = Samples.centers(rasterize(triangles, sight)), lamps_on(stage.conditions)
            drawn = resolve(triangles, sight, samples, stage.textures, lamps_on=on)
            self._buffers[key] = drawn
        return self._buffers[key]

    def rng(self, sensor: str) -> np.random.Generator:
        """Random numbers of one sensor at this instant, independent of all others."""
        return stream(self.seed, "sensor", sensor, self.step)

    def others(self, reach: float = np.inf) -> np.ndarray:
        """Indices of the agents but the ego within a distance of it [m], ascending."""
        agents = self.stage.agents
        away = np.hypot(*(agents.position - agents.position[EGO]).T)
        index = np.flatnonzero(agents.valid & (away <= reach))
        return index[index != EGO]

    def rows(self, agents: np.ndarray) -> np.ndarray:
        """Row of each agent among the triangles' things, -1 where it is out of reach."""
        number = self.triangles.number
        row = np.full(int(max(number.max(initial=0), agents.max(initial=0) + 1)) + 1, -1)
        row[number[number > 0]] = np.flatnonzero(number > 0)
        return row[agents + 1]


class Sensor(ABC):
    """A part of a rig that gives arrays at every instant.

    The ego frame is x forward, y left, z up, with its origin at the box centre on the ground.

    Attributes:
        name: What it is called; part of the names of its arrays.
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        LOOKS_AROUND: Whether it reads the instants before and after, too.
    """

    LOOKS_AROUND: ClassVar[bool] = False
    name: str
    ego_from_sensor: FloatArray

    @abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce every array it gives."""

    @abstractmethod
    def sense(self, view: WorldView) -> dict[str, Array]:
        """Give every announced array at one instant, by name.

        Args:
            view: The world at that instant.
        """
