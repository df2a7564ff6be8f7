"""The neutral description of one instant that every renderer reads: models, instances, lights.

A rasteriser, a lidar and a path tracer take the same `Stage` and so see the same triangles, the
same levels of detail and the same bitmaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.render.mesh import Model
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.textures import Textures
from scenegen.scene import AgentStates, Conditions

NO_AGENT = 0
"""Instance number of everything that is not an agent; agent i has number i + 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One thing in the world, as it is put there.

    Attributes:
        model: Name of its model.
        surface: Its class.
        x: Position of the model's origin in the map frame [m].
        y: The same, second axis.
        z: Height of the model's origin [m].
        yaw: Heading [rad].
        scale: Factors along its own axes.
        number: Instance number, NO_AGENT for scenery.
        tint: Linear RGB that tinted materials are multiplied by.
        head: How bright its headlamps shine, 0-1.
        tail: How bright its tail lamps shine, 0-1; 1 while it brakes.
    """

    model: str
    surface: SurfaceClass
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    number: int = NO_AGENT
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    head: float = 0.0
    tail: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instances:
    """K placed things as one struct of arrays.

    Attributes:
        model: Index into the models of the bank, shape (K,).
        linear: Turn and scale, map from model, shape (K, 3, 3).
        position: Origin in the map frame [m], shape (K, 3).
        surface: SurfaceClass, shape (K,).
        number: Instance number, shape (K,).
        tint: Linear RGB, shape (K, 3).
        lamps: Brightness of head and tail lamps, shape (K, 2).
    """

    model: IntArray
    linear: FloatArray
    position: FloatArray
    surface: IntArray
    number: IntArray
    tint: FloatArray
    lamps: FloatArray

    def __post_init__(self) -> None:
        """Check that the arrays agree."""
        count = len(self.model)
        check_shape("linear", self.linear, count, 3, 3)
        check_shape("position", self.position, count, 3)
        check_shape("tint", self.tint, count, 3)
        check_shape("lamps", self.lamps, count, 2)

    @classmethod
    def of(cls, placements: Sequence[Placement], names: dict[str, int]) -> Instances:
        """Tabulate placements; `names` numbers the models."""
        rows = placements
        yaw = np.array([p.yaw for p in rows], np.float64)
        scale = np.array([p.scale for p in rows], np.float64).reshape(-1, 3)
        linear = np.zeros((len(rows), 3, 3))
        linear[:, 0, 0], linear[:, 0, 1] = np.cos(yaw), -np.sin(yaw)
        linear[:, 1, 0], linear[:, 1, 1] = np.sin(yaw), np.cos(yaw)
        linear[:, 2, 2] = 1.0
        return cls(
            model=np.array([names[p.model] for p in rows], np.int32),
            linear=linear * scale[:, None, :],
            position=np.array([(p.x, p.y, p.z) for p in rows], np.float64).reshape(-1, 3),
            surface=np.array([p.surface for p in rows], np.uint8),
            number=np.array([p.number for p in rows], np.uint16),
            tint=np.array([p.tint for p in rows], np.float32).reshape(-1, 3),
            lamps=np.array([(p.head, p.tail) for p in rows], np.float32).reshape(-1, 2),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Instances]) -> Instances:
        """Join along the only axis."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )

    def chosen(self, keep: BoolArray | IntArray) -> Instances:
        """Give some of the things, by mask or index."""
        return type(self)(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


LampRow = tuple[FloatArray, FloatArray, FloatArray, float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lights:
    """L lamps with a cone, in the map frame.

    Attributes:
        position: Shape (L, 3) [m].
        direction: Unit axis of the cone, shape (L, 3).
        color: Radiant intensity on the axis, linear RGB, in units in which a white wall in full
            sun has radiance 1 / pi per unit albedo times [m^2], shape (L, 3).
        cone: Cosine of the angles at which the light begins to fade and is gone, shape (L, 2).
        reach: Distance beyond which it lights nothing [m], shape (L,).
        core: Radius of the lamp as seen in its light [m], shape (L,): nearer than this it grows
            no brighter, as the beam of a headlamp does that is shaped to light the road evenly.
    """

    position: FloatArray
    direction: FloatArray
    color: FloatArray
    cone: FloatArray
    reach: FloatArray
    core: FloatArray

    @classmethod
    def of(cls, rows: Sequence[LampRow]) -> Lights:
        """Tabulate rows of (position, direction, color, inner angle, outer angle, reach, core)."""
        return cls(
            position=np.array([r[0] for r in rows], np.float64).reshape(-1, 3),
            direction=np.array([r[1] for r in rows], np.float64).reshape(-1, 3),
            color=np.array([r[2] for r in rows], np.float64).reshape(-1, 3),
            cone=np.cos(np.array([(r[3], r[4]) for r in rows], np.float64).reshape(-1, 2)),
            reach=np.array([r[5] for r in rows], np.float64),
            core=np.array([r[6] for r in rows], np.float64),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Lights]) -> Lights:
        """Join along the first axis."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )

    def chosen(self, keep: BoolArray | IntArray) -> Lights:
        """Give some of the lamps, by mask or index."""
        return type(self)(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelBank:
    """All meshes of all models end to end, as compiled code reads them.

    Attributes:
        names: Name of each model.
        models: The models.
    """

    names: tuple[str, ...]
    models: tuple[Model, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each model by name."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def first_level(self) -> IntArray:
        """Row of the finest mesh of each model, shape (M,)."""
        counts = [len(model.levels) for model in self.models]
        return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)

    @cached_property
    def switch(self) -> FloatArray:
        """Switching distances of each model [m], padded with inf, shape (M, 3)."""
        out = np.full((len(self.models), 3), np.inf)
        for row, model in zip(out, self.models, strict=True):
            row[: len(model.switch)] = model.switch
        return out

    @cached_property
    def reach(self) -> FloatArray:
        """Distance beyond which each model is not drawn [m], shape (M,)."""
        return np.array([model.reach for model in self.models])

    @cached_property
    def sphere(self) -> FloatArray:
        """Bounding sphere of each model: centre and radius [m], shape (M, 4)."""
        out = np.zeros((len(self.models), 4))
        for row, model in zip(out, self.models, strict=True):
            low, high = model.levels[0].bounds
            row[:3] = (low + high) / 2
            row[3] = np.linalg.norm(model.levels[0].vertices - row[:3], axis=1).max() * 1.02
        return out

    @cached_property
    def spans(self) -> IntArray:
        """First vertex, vertices, first face, faces of each mesh, shape (levels in all, 4)."""
        meshes = [mesh for model in self.models for mesh in model.levels]
        counts = np.array([(len(m.vertices), len(m.faces)) for m in meshes], np.int64)
        first = np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(counts, 0)[:-1]])
        return np.column_stack([first[:, 0], counts[:, 0], first[:, 1], counts[:, 1]])

    @cached_property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray]:
        """Vertices, normals, texture coordinates, faces and materials of all meshes."""
        meshes = [mesh for model in self.models for mesh in model.levels]
        return (
            np.concatenate([m.vertices for m in meshes]).astype(np.float32),
            np.concatenate([m.normals for m in meshes]).astype(np.float32),
            np.concatenate([m.uv for m in meshes]).astype(np.float32),
            np.concatenate([m.faces for m in meshes]).astype(np.int32),
            np.concatenate([m.material for m in meshes]).astype(np.uint8),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One instant, ready to be rendered by any renderer.

    Attributes:
        bank: Models that the instances refer to.
        instances: What stands where; the ego itself is not among them.
        lights: Lamps that are on.
        textures: Bitmaps that the materials refer to.
        clouds: Field of cloud density, 0-1, shape (EDGE, EDGE).
        conditions: Light and weather.
        agents: States of the agents, leading shape (N,).
        map_from_ego: Pose of the ego: box centre on the ground, x forward, y left, z up; (4, 4).
        time: Time since the scenario began [s].
        seed: Seed of everything that is drawn for this scenario.
    """

    bank: ModelBank
    instances: Instances
    lights: Lights
    textures: Textures
    clouds: FloatArray
    conditions: Conditions
    agents: AgentStates
    map_from_ego: FloatArray
    time: float
    seed: int
