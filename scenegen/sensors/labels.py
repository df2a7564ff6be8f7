"""Labels in space: 3D boxes of the agents around, and the pose of the ego."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import Array, FloatArray
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.transforms import rotation, se3, to_local
from scenegen.render import CLASS_NAMES, CLASS_OF_KIND, RayGrid, hidden_share
from scenegen.scene import EGO, AgentKind, ArraySpec
from scenegen.sensors.sensor import Sensor, WorldView

_EYE = RayGrid(elevation=np.radians(np.linspace(-30.0, 10.0, 81)), columns=1024)
"""Rays that judge how much of an agent can be seen: 0.5 x 0.35 degrees."""
MOTIONS = ("standing", "moving")
"""Meaning of `motion`."""
MOVING = 0.1
"""Who is faster than this moves [m/s]."""
RIDERS = ("no_cycle", "without_rider", "with_rider")
"""Meaning of `rider`; cycles and motorcycles are road users here, hence ridden."""
BRAKING = 0.9
"""Tail lamps brighter than this are brake lights."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes3D(Sensor):
    """3D boxes of all agents but the ego, in the ego frame.

    Attributes:
        name: What it is called.
        ego_from_sensor: Place from which `visibility` is judged, shape (4, 4).
        reach: Agents farther than this from the ego are left out [m].
    """

    name: str = "boxes3d"
    ego_from_sensor: FloatArray = field(
        default_factory=lambda: se3(np.array([0.0, 0.0, 1.6]), 0.0, 0.0, 0.0)
    )
    reach: float = 150.0

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce the boxes: one row per agent."""

        def column(name: str, dtype: str, what: str, **rest: object) -> ArraySpec:
            return ArraySpec(
                name=f"{self.name}/{name}",
                dims=("box3d",),
                shape=(None,),
                dtype=dtype,
                long_name=what,
                codec="points",
                **{"units": "", **rest},  # type: ignore[arg-type]
            )

        return (
            ArraySpec(
                name=f"{self.name}/box",
                dims=("box3d", "number"),
                shape=(None, 7),
                dtype="float32",
                units="m, rad",
                long_name="centre x, y, z, length, width, height, yaw in the ego frame",
                codec="points",
            ),
            ArraySpec(
                name=f"{self.name}/velocity",
                dims=("box3d", "axis"),
                shape=(None, 2),
                dtype="float32",
                units="m/s",
                long_name="velocity over ground along ego x and y",
                codec="points",
            ),
            column("track_id", "uint16", "agent index"),
            column("class", "uint8", "class of the agent", classes=CLASS_NAMES),
            column("visibility", "float32", "share seen from the ego, 0 hidden to 1", units="1"),
            column("yaw_rate", "float32", "yaw rate, counter-clockwise", units="rad/s"),
            column("motion", "uint8", "whether it moves", classes=MOTIONS),
            column("lights", "uint8", "1 where its lamps are on"),
            column("brake_lights", "uint8", "1 where its brake lights are on"),
            column("rider", "uint8", "whether a cycle carries a rider", classes=RIDERS),
        )

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Read the boxes off the agents."""
        agents, pose = view.stage.agents, view.stage.map_from_ego
        index = view.others(self.reach)
        yaw = float(agents.yaw[EGO])
        center = to_local(
            agents.position[index].astype(np.float64), pose[:2, 3], np.full(len(index), yaw)
        )
        size = agents.size[index].astype(np.float64)
        heading = wrap_angle(agents.yaw[index].astype(np.float64) - yaw)
        velocity = agents.velocity[index].astype(np.float64) @ rotation(np.asarray(yaw))
        box = np.column_stack([center, size[:, 2] / 2, size, heading])
        kinds = [AgentKind(int(kind)) for kind in agents.kind[index]]
        return {
            f"{self.name}/box": box.astype(np.float32).reshape(-1, 7),
            f"{self.name}/velocity": velocity.astype(np.float32).reshape(-1, 2),
            f"{self.name}/track_id": index.astype(np.uint16),
            f"{self.name}/class": np.array([CLASS_OF_KIND[kind] for kind in kinds], np.uint8),
            f"{self.name}/visibility": self._visibility(view, index),
            **self._attributes(view, index),
        }

    def _attributes(self, view: WorldView, index: np.ndarray) -> dict[str, Array]:
        """Read off how the agents move and which of their lamps shine."""
        stage = view.stage
        things = stage.instances
        lamps = np.zeros((stage.agents.count + 1, 2))
        is_agent = things.number > 0
        lamps[things.number[is_agent]] = things.lamps[is_agent]
        head, tail = lamps[index + 1].T
        kind = stage.agents.kind[index]
        is_cycle = (kind == AgentKind.CYCLIST) | (kind == AgentKind.MOTORCYCLE)
        moves = np.hypot(*view.twists[index, :2].T) > MOVING
        rider = np.where(is_cycle, RIDERS.index("with_rider"), RIDERS.index("no_cycle"))
        return {
            f"{self.name}/yaw_rate": view.twists[index, 2].astype(np.float32),
            f"{self.name}/motion": moves.astype(np.uint8),
            f"{self.name}/lights": (np.maximum(head, tail) > 0).astype(np.uint8),
            f"{self.name}/brake_lights": (tail > BRAKING).astype(np.uint8),
            f"{self.name}/rider": rider.astype(np.uint8),
        }

    def _visibility(self, view: WorldView, index: np.ndarray) -> FloatArray:
        """Share of the rays towards each agent that nothing stops before, shape (n,)."""
        rows = view.rows(index)
        drawn = rows >= 0
        out = np.zeros(len(index), np.float32)
        pose = view.stage.map_from_ego @ self.ego_from_sensor
        alone, seen = hidden_share(view.triangles, _EYE, pose, rows[drawn], reach=self.reach + 20)
        out[drawn] = seen / np.maximum(alone, 1)
        return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EgoPose(Sensor):
    """Pose and motion of the ego in the map frame.

    Attributes:
        name: What it is called.
        ego_from_sensor: The identity: it measures the ego frame itself, shape (4, 4).
    """

    name: str = "ego_pose"
    ego_from_sensor: FloatArray = field(default_factory=lambda: np.eye(4))

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce pose and speed."""
        return (
            ArraySpec(
                name=f"{self.name}/map_from_ego",
                dims=("row", "column"),
                shape=(4, 4),
                dtype="float64",
                long_name="pose of the ego (x forward, y left, z up, origin below the box centre)",
            ),
            ArraySpec(
                name=f"{self.name}/speed",
                dims=(),
                shape=(),
                dtype="float32",
                units="m/s",
                long_name="signed speed along the heading",
            ),
        )

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Read the pose off the stage."""
        return {
            f"{self.name}/map_from_ego": np.asarray(view.stage.map_from_ego, np.float64),
            f"{self.name}/speed": np.asarray(view.stage.agents.speed[EGO], np.float32),
        }
