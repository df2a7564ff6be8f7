"""Rigs: the sensors on the ego, and the frames they give along a scenario."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import Array, BoolArray
from scenegen.render import AgentMotion, PinholeCamera, World, assemble, build_world
from scenegen.scene import ArraySpec, Frame, Scenario
from scenegen.seeding import digest
from scenegen.sensors.camera import Camera, camera_pose
from scenegen.sensors.dense import DenseLabels
from scenegen.sensors.labels import Boxes3D, EgoPose
from scenegen.sensors.lidar import LIDAR_MODELS, Lidar
from scenegen.sensors.sensor import Sensor, WorldView

BRAKE_LIGHT = -1.0
"""Brake lights are on below this acceleration [m/s^2]; UN R13-H asks for them from 1.3."""
PARKED_BELOW = 0.2
"""An agent that is never faster than this is parked, its lights off [m/s]."""
THREADS = 1
"""Frames that are sensed at the same time unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rig:
    """A set of sensors on the ego.

    Attributes:
        name: What it is called.
        sensors: The sensors; the names of their arrays differ.
    """

    name: str
    sensors: tuple[Sensor, ...]

    def __post_init__(self) -> None:
        """Check that no two sensors give an array of the same name."""
        names = [spec.name for spec in self.specs()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"Rig {self.name!r}: expected arrays with different names, got {twice[0]!r} twice;"
                " rename one of the sensors"
            )

    def specs(self) -> tuple[ArraySpec, ...]:
        """Announce every array of every sensor."""
        return tuple(spec for sensor in self.sensors for spec in sensor.arrays())

    def sense(
        self, scenario: Scenario, seed: int, *, every: int = 1, threads: int = THREADS
    ) -> Iterator[Frame]:
        """Drive the rig through a scenario.

        The scenery, the looks of the agents and all noise follow from the scenario's identity
        and the seed: the same two give the same bytes.

        Args:
            scenario: What happens.
            seed: Seed of scenery, looks and noise.
            every: Give each this-many-th instant, beginning with the first.
            threads: Frames that are sensed at the same time; the bytes do not depend on it.

        Yields:
            Frames with every announced array, in order of time.

        Raises:
            ValueError: `every` or `threads` is below one.
        """
        if every < 1:
            raise ValueError(f"Rig.sense: expected every >= 1, got {every}")
        if threads < 1:
            raise ValueError(f"Rig.sense: expected threads >= 1, got {threads}")
        motions = agent_motions(scenario)
        world = self.world(scenario, seed)
        steps = range(0, scenario.steps, every)
        if threads == 1:
            for step in steps:
                yield self.frame(world, scenario, step, motions[step])
            return
        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[Future[Frame]] = deque()
            for step in steps:
                ahead.append(pool.submit(self.frame, world, scenario, step, motions[step]))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def world(self, scenario: Scenario, seed: int) -> World:
        """Build the world of a scenario, as `sense` does.

        Args:
            scenario: What happens.
            seed: Seed of scenery, looks and noise; mixed with the scenario's identity.
        """
        own = int(digest([int(seed), scenario.id])[:12], 16)
        agents = scenario.agents
        still = _parked(scenario) & agents.valid.any(0)
        first = agents.valid.argmax(0)[still]
        index = np.flatnonzero(still)
        boxes = np.column_stack(
            [
                agents.position[first, index],
                agents.yaw[first, index],
                agents.size[first, index, :2],
            ]
        )
        return build_world(scenario.roadmap, scenario.conditions, own, standing=boxes)

    def frame(self, world: World, scenario: Scenario, step: int, motion: AgentMotion) -> Frame:
        """Sense one instant of a scenario in a world built for it.

        Args:
            world: The world, from `build_world`.
            scenario: What happens.
            step: Which instant.
            motion: How the agents move at that instant, from `agent_motions`.
        """
        stage = world.stage(scenario.at(step), motion)
        before = after = None
        if any(sensor.LOOKS_AROUND for sensor in self.sensors):
            # Walkers keep their pose of this instant, so that agents move as rigid bodies.
            if step > 0:
                before = world.stage(scenario.at(step - 1), motion)
            if step + 1 < scenario.steps:
                after = world.stage(scenario.at(step + 1), motion)
        view = WorldView(
            stage=stage,
            triangles=assemble(stage),
            step=step,
            seed=world.seed,
            before=before,
            after=after,
        )
        arrays: dict[str, Array] = {}
        for sensor in self.sensors:
            arrays.update(sensor.sense(view))
        return Frame(time=float(scenario.times[step]), arrays=arrays)


def agent_motions(scenario: Scenario) -> list[AgentMotion]:
    """How the agents move at each instant: ways come, brake lights, who is parked."""
    agents = scenario.agents
    steps = np.diff(agents.position.astype(np.float64), axis=0)
    both = agents.valid[1:] & agents.valid[:-1]
    way = np.where(both, np.hypot(steps[..., 0], steps[..., 1]), 0.0)
    travelled = np.concatenate([np.zeros((1, agents.count)), np.cumsum(way, 0)])
    braking = scenario.acceleration() < BRAKE_LIGHT
    parked = _parked(scenario)
    return [
        AgentMotion(travelled=travelled[k], braking=braking[k], parked=parked)
        for k in range(scenario.steps)
    ]


def _parked(scenario: Scenario) -> BoolArray:
    """Which agents stand throughout, shape (N,)."""
    agents = scenario.agents
    return np.asarray(~np.any(agents.valid & (np.abs(agents.speed) > PARKED_BELOW), axis=0))


def _surround() -> tuple[Sensor, ...]:
    """Six cameras like nuScenes: five of 70 degrees around, 110 degrees to the back."""
    around = (
        ("front", 1.5, 0.0, 0.0, 70.0),
        ("front_left", 1.3, 0.5, 55.0, 70.0),
        ("front_right", 1.3, -0.5, -55.0, 70.0),
        ("back_left", 0.9, 0.5, 110.0, 70.0),
        ("back_right", 0.9, -0.5, -110.0, 70.0),
        ("back", 0.0, 0.0, 180.0, 110.0),
    )
    return tuple(
        Camera(
            name=name,
            ego_from_sensor=camera_pose(x, y, 1.5, float(np.radians(yaw_deg))),
            optics=PinholeCamera(width_px=448, height_px=256, fov=float(np.radians(fov_deg))),
        )
        for name, x, y, yaw_deg, fov_deg in around
    )


SENSORS: dict[str, type[Sensor]] = {
    "camera": Camera,
    "lidar": Lidar,
    "dense_labels": DenseLabels,
    "boxes3d": Boxes3D,
    "ego_pose": EgoPose,
}
"""Every kind of sensor by name; each can be built without arguments."""

RIGS: dict[str, Rig] = {
    "front": Rig(name="front", sensors=(Camera(), Lidar(), Boxes3D(), EgoPose())),
    "surround": Rig(
        name="surround",
        sensors=(*_surround(), Lidar(model=LIDAR_MODELS["nuscenes32"]), Boxes3D(), EgoPose()),
    ),
    "full": Rig(name="full", sensors=(Camera(), DenseLabels(), Lidar(), Boxes3D(), EgoPose())),
    "labels": Rig(name="labels", sensors=(Boxes3D(), EgoPose())),
}
"""Every rig by name: one camera and a lidar; six cameras and a lidar; one camera with normals and
optical flow and a lidar; labels alone."""
